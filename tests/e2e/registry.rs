//! Images from registries and to them, against Debian's registry and the tools that people use.

#[path = "../support/registry.rs"]
pub(crate) mod server;

use std::path::Path;

use crate::support::{Place, Ran, run};
use server::{Kind, Registry};

/// Pushes a small base to a registry, in the form that skopeo makes of it, and gives its reference.
pub(crate) fn push_base(registry: &Registry, form: &[&str]) -> String {
    let place =
        Place::small("target base = image { from = small, env = { GREETING = \"hello\" }, cmd = [\"/bin/sh\"] }");
    let plain = format!("{}/team/plain:1", registry.host());
    place.build(&["-o", &format!("docker://{plain}")]);
    if form.is_empty() {
        return plain;
    }
    let other = format!("{}/team/other:1", registry.host());
    let (from, to) = (format!("docker://{plain}"), format!("docker://{other}"));
    let copy = |arguments: &[&str]| {
        run(place.program("skopeo", &[&["copy", "--quiet"], arguments].concat())).succeeds();
    };
    // By way of a layout: from registry to registry, skopeo takes blobs as they are that it once saw at the same port.
    let (kind, compression) = form.split_at(if form[0] == "--format" { 2 } else { 0 });
    copy(&[&["--src-tls-verify=false"], compression, &[&from, "oci:between:1"]].concat());
    let kind = if kind.is_empty() { &["--preserve-digests"] } else { kind };
    copy(&[&["--dest-tls-verify=false"], kind, &["oci:between:1", &to]].concat());
    other
}

pub(crate) fn on(base: &str) -> Place {
    let place = Place::empty();
    place.write(
        "app.build",
        &format!(
            r#"
input base = pull("{base}")
let made = run {{
  from   = base
  script = sh """
    echo "$GREETING" > /made
    rm /data/deep/base
  """
}}
target app = image {{ from = base, layers = [made, file("note", "text\n")], cmd = ["cat", "/made"] }}
"#
        ),
    );
    place
}

fn manifest(place: &Place, reference: &str) -> serde_json::Value {
    let url = format!("docker://{reference}");
    let ran = run(place.program("skopeo", &["inspect", "--raw", "--tls-verify=false", &url]));
    serde_json::from_str(&ran.succeeds().stdout).expect("a manifest")
}

fn layers(manifest: &serde_json::Value) -> Vec<String> {
    let layers = manifest["layers"].as_array().expect("layers").iter();
    // Docker's names of media types become OCI's.
    let media_type = |layer: &serde_json::Value| {
        let said = layer["mediaType"]
            .as_str()
            .expect("a type")
            .replace("docker.image.rootfs.diff.tar.gzip", "oci.image.layer.v1.tar+gzip");
        said.replace("docker.image.rootfs.diff.tar", "oci.image.layer.v1.tar")
    };
    layers.map(|layer| format!("{} {}", media_type(layer), layer["digest"])).collect()
}

#[test]
fn one_image_is_pushed_under_several_names() {
    let registry = Registry::start(Kind::Plain);
    let place = Place::small("target base = image { from = small, cmd = [\"/bin/sh\"] }");
    let [one, two] = ["team/a:1", "team/b:2"].map(|name| format!("{}/{name}", registry.host()));
    let ran = place.sinter(&["push", "base", &one, &two]);
    ran.succeeds();
    assert_eq!(manifest(&place, &one), manifest(&place, &two));
    place.sinter(&["push", "base"]).fails(2, &["nothing is said about where the image goes"]);
}

#[test]
fn a_mirror_that_fails_is_followed_by_the_next_place() {
    let (mut dead, empty, full) =
        (Registry::start(Kind::Plain), Registry::start(Kind::Plain), Registry::start(Kind::Plain));
    push_base(&full, &[]);
    dead.kill();
    let place = on("registry.example.org/team/plain:1");
    let mirrors = [&dead, &empty, &full]
        .map(|registry| format!("[[registry.mirror]]\nlocation = \"{}/team\"\n", registry.host()))
        .concat();
    place.write("registries.conf", &format!("[[registry]]\nprefix = \"registry.example.org/team\"\n{mirrors}"));
    let mut command = place.command(&["build", "-o", "oci:image"]);
    command.env("CONTAINERS_REGISTRIES_CONF", place.project().join("registries.conf"));
    run(command).succeeds();
}

#[test]
fn images_stand_on_pulled_ones_and_keep_their_blobs() {
    let forms: [&[&str]; 5] = [
        &[],
        &["--dest-compress-format", "gzip", "--dest-compress"],
        &["--dest-compress-format", "zstd", "--dest-compress"],
        &["--dest-compress-format", "zstd:chunked", "--dest-compress"],
        &["--format", "v2s2", "--dest-compress-format", "gzip", "--dest-compress"],
    ];
    for form in forms {
        let registry = Registry::start(Kind::Plain);
        let (base, pushed) = (push_base(&registry, form), format!("{}/team/app:1", registry.host()));
        let place = on(&base);
        let destination = format!("docker://{pushed}");
        let digest = place.build(&["-o", &destination, "-o", "oci:image", "-o", "dir:tree"]).digest;
        let (below, whole) = (layers(&manifest(&place, &base)), layers(&manifest(&place, &pushed)));
        assert_eq!(whole[..below.len()], below, "{form:?}: the base keeps its blobs");
        assert_eq!(whole.len(), below.len() + 2, "{form:?}");
        // Pushed again: one question.
        let again = place.sinter(&["build", "-o", &destination]);
        assert!(again.stderr.contains(&format!("up to date: app to {destination}")), "{}", again.stderr);
        // What others see is what we say.
        let shown =
            run(place.program("skopeo", &["inspect", "--tls-verify=false", &destination])).succeeds().stdout.clone();
        assert!(shown.contains(&digest) && shown.contains("GREETING=hello"), "{shown}");
        assert_eq!(place.read("tree/made"), "hello\n", "{form:?}");
        assert!(!place.project().join("tree/data/deep/base").exists(), "{form:?}");
        // umoci and Debian's podman do not read zstd; and skopeo takes such a blob where it remembers one.
        if below.iter().any(|layer| layer.contains("zstd")) {
            continue;
        }
        run(place.program("umoci", &["unpack", "--image", "image:app", "bundle"])).succeeds();
        let diff = run(place.program("diff", &["-r", "--no-dereference", "tree", "bundle/rootfs"]));
        assert_eq!(
            diff.stdout,
            "Only in tree: .sinter-dir\n".repeat(usize::from(diff.stdout.contains(".sinter-dir"))),
            "{form:?}"
        );
        assert_eq!(run(place.container("sinter-pulled")).succeeds().stdout, "hello\n", "crun");
        let storage = ["--root", "containers", "--runroot", "run", "--storage-driver", "vfs"];
        let pull = [&storage[..], &["pull", "--quiet", "--tls-verify=false", &destination]].concat();
        run(place.program("podman", &pull)).succeeds();
    }
}

#[test]
fn what_is_locked_and_pulled_needs_no_registry() {
    let mut registry = Registry::start(Kind::Plain);
    let place = on(&push_base(&registry, &["--dest-compress-format", "gzip", "--dest-compress"]));
    let digest = place.build(&["-o", "oci:image"]).digest;
    registry.kill();
    for arguments in
        [&["--offline", "--locked", "-o", "oci:again"][..], &["--locked"], &["--offline", "-o", "dir:tree"]]
    {
        assert_eq!(place.build(arguments).digest, digest, "{arguments:?}");
    }
    // Another machine has nothing.
    let fresh = Place::copy_of(&place);
    let ran = fresh.sinter(&["build", "--offline"]);
    assert_eq!(ran.code, Some(4));
    assert!(ran.stderr.contains("is not in the store, and --offline forbids to fetch it"), "{}", ran.stderr);
    let ran = fresh.sinter(&["build"]);
    assert_eq!(ran.code, Some(4));
    assert!(ran.stderr.contains("input `base`") && ran.stderr.contains("app.build:2"), "{}", ran.stderr);
    registry.revive();
    assert_eq!(fresh.build(&["--locked"]).digest, digest);
}

#[test]
fn the_digest_of_a_pin_decides() {
    let registry = Registry::start(Kind::Plain);
    let (one, two) =
        (push_base(&registry, &[]), push_base(&registry, &["--dest-compress-format", "gzip", "--dest-compress"]));
    let place = on(&one);
    let first = place.build(&[]).digest;
    let digest_of = |reference: &str| {
        let url = format!("docker://{reference}");
        let ran = run(place.program("skopeo", &["inspect", "--tls-verify=false", "--format", "{{.Digest}}", &url]));
        ran.succeeds().stdout.trim().to_owned()
    };
    let lock = place.read("sinter.lock");
    let edited =
        lock.replacen(&format!("digest = \"{}\"", digest_of(&one)), &format!("digest = \"{}\"", digest_of(&two)), 1);
    assert_ne!(lock, edited);
    // The other manifest is in another repository of the same registry, so here it does not exist.
    place.write("sinter.lock", &edited);
    let ran = place.sinter(&["build"]);
    assert_eq!(ran.code, Some(4));
    assert!(ran.stderr.contains("which is not there any more: `sinter update`"), "{}", ran.stderr);
    let other = on(&two);
    other.build(&[]);
    let lock = other.read("sinter.lock");
    let stale = lock.replacen("platforms.\"linux/amd64\" = \"sha256:", "platforms.\"linux/amd64\" = \"sha256:0000", 1);
    let stale: String = stale.lines().map(|line| line.replace("sha256:0000", "sha256:") + "\n").collect();
    assert_eq!(stale, lock);
    let wrong = lock.replace(
        &format!("platforms.\"linux/amd64\" = \"{}\"", digest_of(&two)),
        &format!("platforms.\"linux/amd64\" = \"{}\"", digest_of(&one)),
    );
    other.write("sinter.lock", &wrong);
    let ran = other.sinter(&["build", "--locked"]);
    assert_eq!(ran.code, Some(3), "{}", ran.stderr);
    assert!(ran.stderr.contains("~ pull."), "{}", ran.stderr);
    other.build(&[]);
    assert_eq!(other.read("sinter.lock"), lock, "what follows from the digest is worked out again");
    assert_eq!(first.len(), 71);
}

#[test]
fn layouts_and_archives_are_pulled_too() {
    let base = Place::small("target base = image { from = small, env = { GREETING = \"hello\" } }");
    base.build(&["-o", "oci:layout", "-o", "oci-archive:base.tar", "-o", "docker-archive:docker.tar"]);
    let mut digests = Vec::new();
    for reference in [
        "oci:layout",
        "oci:layout:base",
        "oci-archive:base.tar",
        "docker-archive:docker.tar",
        "docker-archive:docker.tar:base:latest",
    ] {
        let place = on(reference);
        for name in ["layout", "base.tar", "docker.tar"] {
            let (from, to) = (base.project().join(name), place.project().join(name));
            run(place.program("cp", &["-r", path(&from), path(&to)])).succeeds();
        }
        let built = place.build(&["-o", "dir:tree"]);
        assert_eq!(place.read("tree/made"), "hello\n", "{reference}");
        digests.push(built.digest);
    }
    assert_eq!(digests[0], digests[1]);
    assert_eq!(digests[0], digests[2]);
    assert_eq!(digests[3], digests[4]);
    let place = on("oci:layout:other");
    run(place.program("cp", &["-r", path(&base.project().join("layout")), "layout"])).succeeds();
    let ran = place.sinter(&["build"]);
    assert_eq!(ran.code, Some(2), "{}", ran.stderr);
    assert!(ran.stderr.contains("holds base: name one of them"), "{}", ran.stderr);
}

fn path(path: &Path) -> &str {
    path.to_str().expect("a path in UTF-8")
}

#[test]
fn registries_that_want_to_know_who_asks_are_told() {
    for kind in [Kind::Password, Kind::Token, Kind::Tls] {
        let registry = Registry::start(kind);
        let place = Place::small("target it = image { from = small }");
        let destination = format!("docker://{}/private/it:{{target}}", registry.host());
        let refused: Option<Ran> = (kind != Kind::Tls).then(|| place.sinter(&["build", "-o", &destination]));
        if let Some(ran) = refused {
            assert_eq!(ran.code, Some(4), "{}", ran.stderr);
            assert!(ran.stderr.contains(&format!("`podman login {}` stores them", registry.host())), "{}", ran.stderr);
        }
        let credentials = format!(r#"{{"auths": {{"{}": {{"auth": "bWU6c2VjcmV0"}}}}}}"#, registry.host());
        write(&place, ".docker/config.json", &credentials);
        if kind == Kind::Tls {
            let authority = std::fs::read_to_string(registry.directory().join("ca.crt")).expect("a certificate");
            write(&place, &format!(".config/containers/certs.d/{}/ca.crt", registry.host()), &authority);
        }
        place.build(&["-o", &destination]);
    }
}

fn write(place: &Place, name: &str, text: &str) {
    let path = place.root().join(name);
    std::fs::create_dir_all(path.parent().expect("a parent")).expect("a directory");
    std::fs::write(path, text).expect("a file");
}
