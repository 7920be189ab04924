//! The tools that people use read what this crate writes: skopeo, umoci, crun, podman and buildah.
//!
//! `cargo xtask setup` installs them; a tool that is missing is a failure, not a skipped test. The image holds this
//! very test program as its one file: it is static, and asked for its list of tests it prints and ends.

use std::collections::BTreeMap;
use std::fs;
use std::io::Write;
use std::path::Path;
use std::process::Command;

use sinter_graph::ErrorClass;
use sinter_graph::config::{Configuration, Healthcheck};
use sinter_graph::digest::{BlobDigest, LayerDigest};
use sinter_graph::platform::Platform;
use sinter_oci::{AssembledImage, Destination, LayerDescriptor, LayerError, LayerSource, assemble, write};
use tempfile::TempDir;

/// A test name that the program prints when it lists its tests.
const MARK: &str = "container_prints_from_the_image";

/// A target with everything that its name may have, and the name its image gets from that.
const TARGET: &str = "_Web__App-1_";
const NAME: &str = "web_app-1";

struct Layers(BTreeMap<BlobDigest, Vec<u8>>);

impl LayerSource for Layers {
    fn write_layer(&self, layer: &LayerDescriptor, out: &mut dyn Write) -> Result<(), LayerError> {
        let failed = |message: String| LayerError { class: ErrorClass::Environment, source: message.into() };
        let bytes = self.0.get(&layer.blob).ok_or_else(|| failed(format!("no layer {}", layer.blob)))?;
        out.write_all(bytes).map_err(|error| failed(error.to_string()))
    }
}

struct Fixture {
    directory: TempDir,
    image: AssembledImage,
    layers: Layers,
}

impl Fixture {
    fn new() -> Self {
        let program = fs::read(std::env::current_exe().expect("this program")).expect("readable");
        let tars = [tar_of(&[("bin/probe", &program, 0o755)]), tar_of(&[("etc/passwd", PASSWD, 0o644)])];
        let layers: BTreeMap<BlobDigest, Vec<u8>> = tars.iter().map(|tar| (digest(tar).into(), tar.clone())).collect();
        let descriptors: Vec<LayerDescriptor> =
            tars.iter().map(|tar| LayerDescriptor::uncompressed(digest(tar), tar.len() as u64)).collect();
        let image = assemble(&configuration(), &Platform::native(), &descriptors);
        let directory = tempfile::tempdir().expect("a temporary directory");
        Self { directory, image, layers: Layers(layers) }
    }

    fn path(&self, name: &str) -> String {
        self.directory.path().join(name).to_string_lossy().into_owned()
    }

    fn write(&self, destination: &str) -> String {
        let destination = format!("{destination}:{}", self.path("web"));
        let parsed = Destination::parse(&destination).expect("a destination");
        write(&parsed, &self.image, &self.layers, TARGET).expect("written");
        destination
    }

    /// A storage of its own for podman and buildah, so that the machine's images are neither seen nor changed.
    fn storage(&self) -> Vec<String> {
        ["--root", &self.path("root"), "--runroot", &self.path("run"), "--storage-driver", "vfs"]
            .map(str::to_owned)
            .to_vec()
    }
}

const PASSWD: &[u8] = b"root:x:0:0:root:/:/bin/probe\n";

fn digest(bytes: &[u8]) -> LayerDigest {
    LayerDigest::from_bytes(*BlobDigest::of(bytes).as_bytes())
}

fn tar_of(files: &[(&str, &[u8], u32)]) -> Vec<u8> {
    let mut builder = tar::Builder::new(Vec::new());
    for (path, bytes, mode) in files {
        let mut header = tar::Header::new_ustar();
        header.set_mode(*mode);
        header.set_mtime(315_619_200);
        header.set_size(bytes.len() as u64);
        builder.append_data(&mut header, path, *bytes).expect("an entry");
    }
    builder.into_inner().expect("a tar")
}

fn configuration() -> Configuration {
    let words = |text: &str| text.split(' ').map(str::to_owned).collect::<Vec<_>>();
    Configuration {
        entrypoint: words("/bin/probe"),
        cmd: words("--list"),
        workdir: Some("/srv".parse().expect("an absolute path")),
        user: Some("root".to_owned()),
        expose: words("8080/tcp"),
        volumes: words("/data"),
        labels: BTreeMap::from([("a".to_owned(), "b".to_owned())]),
        stop_signal: Some("SIGINT".to_owned()),
        healthcheck: Some(Healthcheck { test: words("/bin/probe --list"), retries: 2, ..Healthcheck::default() }),
        ..Configuration::default()
    }
}

/// Runs a tool that must be there and succeed; gives what it printed.
fn run(program: &str, arguments: &[&str]) -> String {
    let output = Command::new(program)
        .args(arguments)
        .output()
        .unwrap_or_else(|error| panic!("{program} cannot be started ({error}): run `cargo xtask setup`"));
    let (stdout, stderr) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success(), "{program} {arguments:?}: {}\n{stdout}\n{stderr}", output.status);
    stdout.into_owned()
}

fn run_with(program: &str, storage: &[String], arguments: &[&str]) -> String {
    let all: Vec<&str> = storage.iter().map(String::as_str).chain(arguments.iter().copied()).collect();
    run(program, &all)
}

/// Runs a tool as root of a user namespace of its own if need be, with an empty `/sys/fs/cgroup`: crun refuses to start
/// where both versions of cgroups are mounted, also if it is told to leave them alone.
fn run_without_cgroups(program: &str, arguments: &[&str]) -> String {
    let script = r#"mount -t tmpfs tmpfs /sys/fs/cgroup && exec "$0" "$@""#;
    let user: &[&str] = if run("id", &["-u"]).trim() == "0" { &[] } else { &["--map-root-user"] };
    run("unshare", &[&["--mount"], user, &["sh", "-c", script, program], arguments].concat())
}

fn json(text: &str) -> serde_json::Value {
    serde_json::from_str(text).expect("JSON")
}

#[test]
fn skopeo_reads_every_form() {
    let fixture = Fixture::new();
    for (kind, named) in [("oci", true), ("oci-archive", true), ("docker-archive", false)] {
        let _ = fs::remove_dir_all(fixture.path("web")).or_else(|_| fs::remove_file(fixture.path("web")));
        let mut source = fixture.write(kind);
        if named {
            source = format!("{source}:{NAME}");
        }
        let config = json(&run("skopeo", &["inspect", "--config", &source]));
        assert_eq!(config["config"]["Cmd"][0], "--list", "{kind}");
        assert_eq!(config["created"], sinter_oci::CREATED, "{kind}");
        let inspected = json(&run("skopeo", &["inspect", &source]));
        assert_eq!(inspected["Layers"].as_array().map(Vec::len), Some(2), "{kind}");
        if kind != "docker-archive" {
            assert_eq!(inspected["Digest"], fixture.image.manifest_digest.to_string(), "{kind}");
        }
    }
}

#[test]
fn skopeo_copies_without_changing_the_digest() {
    let fixture = Fixture::new();
    for (kind, copy) in [("oci", "copy-1"), ("oci-archive", "copy-2")] {
        let _ = fs::remove_dir_all(fixture.path("web"));
        let source = fixture.write(kind);
        run(
            "skopeo",
            &["--insecure-policy", "copy", "--preserve-digests", &source, &format!("dir:{}", fixture.path(copy))],
        );
        let manifest = fs::read(Path::new(&fixture.path(copy)).join("manifest.json")).expect("a manifest");
        assert_eq!(BlobDigest::of(&manifest), fixture.image.manifest_digest, "{kind}");
    }
}

#[test]
fn container_prints_from_the_image() {
    let fixture = Fixture::new();
    fixture.write("oci");
    let (image, bundle) = (format!("{}:{NAME}", fixture.path("web")), fixture.path("bundle"));
    run_without_cgroups("umoci", &["unpack", "--rootless", "--image", &image, &bundle]);
    assert_eq!(fs::read(Path::new(&bundle).join("rootfs/etc/passwd")).ok().as_deref(), Some(PASSWD));
    // The terminal that umoci asks for is not there when tests run.
    let file = Path::new(&bundle).join("config.json");
    let mut config = json(&fs::read_to_string(&file).expect("a runtime configuration"));
    assert_eq!(config["process"]["args"], serde_json::json!(["/bin/probe", "--list"]));
    assert_eq!(config["process"]["cwd"], "/srv");
    config["process"]["terminal"] = false.into();
    fs::write(&file, config.to_string()).expect("writable");
    let name = format!("sinter-oci-{}", std::process::id());
    let root = fixture.path("crun");
    let printed = run_without_cgroups(
        "crun",
        &["--root", &root, "--cgroup-manager", "disabled", "run", "--bundle", &bundle, &name],
    );
    assert!(printed.contains(MARK), "{printed}");
}

#[test]
fn podman_loads_both_archives() {
    for kind in ["docker-archive", "oci-archive"] {
        let fixture = Fixture::new();
        fixture.write(kind);
        run_with("podman", &fixture.storage(), &["load", "--input", &fixture.path("web")]);
        let listed = json(&run_with("podman", &fixture.storage(), &["images", "--format", "json"]));
        let tag = listed[0]["Names"][0].as_str().expect("a name");
        assert!(tag.ends_with(&format!("/{NAME}:latest")), "{kind}: {tag}");
        let id = listed[0]["Id"].as_str().expect("an image").to_owned();
        assert_eq!(id, fixture.image.config_digest.hex(), "{kind}");
        let image = &json(&run_with("podman", &fixture.storage(), &["image", "inspect", &id]))[0];
        assert_eq!(image["Config"]["Entrypoint"][0], "/bin/probe", "{kind}");
        assert_eq!(image["Config"]["StopSignal"], "SIGINT", "{kind}");
    }
}

#[test]
fn buildah_builds_on_the_image() {
    let fixture = Fixture::new();
    fixture.write("oci");
    let policy = fixture.path("policy.json");
    fs::write(&policy, r#"{"default":[{"type":"insecureAcceptAnything"}]}"#).expect("writable");
    // buildah makes a repository name of the path, which must be lower case: hence a short relative one.
    let directory = fixture.directory.path().to_string_lossy().into_owned();
    let there = [vec!["-C".to_owned(), directory, "buildah".to_owned()], fixture.storage()].concat();
    let container = run_with("env", &there, &["from", "--signature-policy", &policy, &format!("oci:web:{NAME}")]);
    let config = json(&run_with("buildah", &fixture.storage(), &["inspect", container.trim()]));
    assert_eq!(config["OCIv1"]["config"]["WorkingDir"], "/srv");
}
