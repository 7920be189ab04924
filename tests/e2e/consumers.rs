//! The image in the hands of those who use images.

use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use crate::support::{Place, c_server, run};

fn tool(program: &str, arguments: &[&str], directory: &Path) -> String {
    let mut command = Command::new(program);
    command.args(arguments).current_dir(directory).stdin(Stdio::null());
    run(command).succeeds().stdout.clone()
}

#[test]
fn skopeo_reads_what_was_written() {
    let (place, built) = c_server();
    let text = tool("skopeo", &["inspect", "oci:image:c-server"], &place.project());
    assert!(text.contains(&built.digest), "{text}");
    assert!(text.contains("\"Architecture\": \"amd64\""), "{text}");
    let config = tool("skopeo", &["inspect", "--config", "oci:image:c-server"], &place.project());
    for part in ["\"./server\"", "\"8080/tcp\"", "\"/app\"", "1980-01-02T00:00:00Z"] {
        assert!(config.contains(part), "{part} is not in {config}");
    }
}

#[test]
fn buildah_builds_on_top_of_the_image() {
    let (source, _) = c_server();
    let place = Place::copy_of(source).with_store(source.store());
    place.build(&["-o", "oci:image"]);
    place.write("Dockerfile", "FROM oci:image:c-server\nCOPY added.txt /added.txt\n");
    place.write("added.txt", "by another builder\n");
    let storage = ["--root", "containers", "--runroot", "run", "--storage-driver", "vfs"];
    let build = ["build", "--isolation", "chroot", "--layers", "-t", "derived", "."];
    tool("buildah", &[&storage[..], &build].concat(), &place.project());
}

#[test]
fn image_holds_little_more_than_libc() {
    let (place, _) = c_server();
    let size: u64 = tool("du", &["-sb", "image"], &place.project())
        .split_whitespace()
        .next()
        .expect("a size")
        .parse()
        .expect("a number");
    assert!(size < 30_000_000, "the image has {size} bytes");
}

#[test]
fn archives_are_accepted_too() {
    let (source, built) = c_server();
    let place = Place::copy_of(source).with_store(source.store());
    place.build(&["-o", "oci-archive:image.tar", "-o", "docker-archive:docker.tar", "-o", "dir:tree"]);
    let text = tool("skopeo", &["inspect", "oci-archive:image.tar"], &place.project());
    assert!(text.contains(&built.digest), "{text}");
    tool("skopeo", &["inspect", "docker-archive:docker.tar"], &place.project());
    assert!(place.project().join("tree/app/server").is_file());
}

#[test]
fn container_of_the_image_answers_on_loopback() {
    let (source, _) = c_server();
    let place = Place::copy_of(source).with_store(source.store());
    place.build(&["-o", "oci:image"]);
    tool("umoci", &["unpack", "--image", "image:c-server", "bundle"], &place.project());
    let container = Container::start(&place);
    let answer = container.get("/");
    assert!(answer.contains("200 OK") && answer.contains("sinter built"), "{answer}");
    assert!(container.get("/missing").contains("404"), "the server answers everything");
}

/// The unpacked image, run by crun as its configuration says, in a network of its own.
struct Container {
    process: Child,
    pid_file: PathBuf,
}

impl Container {
    fn start(place: &Place) -> Self {
        let mut command = place.container("sinter-test");
        command.stdout(Stdio::null());
        Self { process: command.spawn().expect("unshare"), pid_file: place.project().join("pid") }
    }

    /// Asks from within the container's network.
    fn get(&self, path: &str) -> String {
        for _ in 0..100 {
            if let Some(answer) = self.try_get(path) {
                return answer;
            }
            std::thread::sleep(Duration::from_millis(100));
        }
        String::new()
    }

    fn try_get(&self, path: &str) -> Option<String> {
        let pid = std::fs::read_to_string(&self.pid_file).ok()?;
        let mut command = Command::new("nsenter");
        command.args(["--net", "--target", pid.trim(), "bash", "-c"]);
        command
            .arg(format!("exec 3<>/dev/tcp/127.0.0.1/8080 && printf 'GET {path} HTTP/1.1\\r\\n\\r\\n' >&3 && cat <&3"));
        let ran = run(command);
        (ran.code == Some(0)).then_some(ran.stdout)
    }
}

impl Drop for Container {
    fn drop(&mut self) {
        // The server is the container's first process: with it the container ends, and then crun does.
        if let Ok(pid) = std::fs::read_to_string(&self.pid_file) {
            let _ = Command::new("kill").args(["-9", pid.trim()]).status();
        }
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}
