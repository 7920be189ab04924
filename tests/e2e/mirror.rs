//! A mirror that is wrong in every way a mirror can be: each is named, and lock and store stay as they were.

use std::io::{BufRead as _, BufReader, Write as _};
use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};

use crate::support::{Place, Ran, run};

/// A signed archive on loopback.
struct Mirror {
    place: Place,
    port: u16,
}

impl Mirror {
    fn new() -> Self {
        let place = Place::empty();
        let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/e2e/mirror.sh");
        let mut command = place.program("sh", &[script.to_str().expect("a path in UTF-8")]);
        command.arg(place.root());
        run(command).succeeds();
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port on loopback");
        let port = listener.local_addr().expect("its address").port();
        let root = place.root().to_owned();
        // The thread ends with the test process.
        std::thread::spawn(move || {
            for connection in listener.incoming().flatten() {
                let _ = answer(connection, &root);
            }
        });
        Self { place, port }
    }

    fn file(&self, path: &str) -> PathBuf {
        self.place.root().join(path)
    }

    /// Builds a tree of one package of this mirror.
    fn build(&self, package: &str, arguments: &[&str]) -> Ran {
        let text =
            format!("import std.debian\ninput p = debian(\"bookworm\", [{package}])\ntarget t = debian.unpack(p)\n");
        self.place.write("main.build", &text);
        let mut command = self.place.command(&[&["build"], arguments].concat());
        command.env("SINTER_MIRROR_DEBIAN", format!("http://127.0.0.1:{}/debian", self.port));
        command.env("SINTER_KEYRING_DEBIAN", self.file("keyring.gpg"));
        run(command)
    }

    /// Expects a refusal that leaves no lock and no layer.
    fn refuses(&self, package: &str, code: i32, texts: &[&str]) {
        self.build(package, &[]).fails(code, texts);
        assert!(!self.place.project().join("sinter.lock").exists(), "a refused index left a lock");
        let layers = self.place.store().join("layers");
        assert!(std::fs::read_dir(layers).is_ok_and(|mut layers| layers.next().is_none()), "and a layer");
    }
}

/// Serves one request for a file below `root` (HTTP/1.1, RFC 9112), without ranges.
fn answer(connection: TcpStream, root: &Path) -> std::io::Result<()> {
    let mut lines = BufReader::new(&connection).lines();
    let request = lines.next().transpose()?.unwrap_or_default();
    while lines.next().transpose()?.is_some_and(|line| !line.is_empty()) {}
    let path = request.split(' ').nth(1).unwrap_or_default().trim_start_matches('/').to_owned();
    let (status, body) = match std::fs::read(root.join(path)) {
        Ok(body) => ("200 OK", body),
        Err(_) => ("404 Not Found", vec![]),
    };
    let head = format!("HTTP/1.1 {status}\r\nContent-Length: {}\r\nConnection: close\r\n\r\n", body.len());
    (&connection).write_all(&[head.as_bytes(), &body].concat())
}

#[test]
fn healthy_mirror_is_used_and_pinned() {
    let mirror = Mirror::new();
    mirror.build("\"good\"", &[]).succeeds();
    let lock = mirror.place.read("sinter.lock");
    assert!(lock.contains("name = \"good\"") && lock.contains("name = \"friend\""), "{lock}");
    assert!(!lock.contains("127.0.0.1"), "the lock names a host:\n{lock}");
    mirror.build("\"good\"", &["--locked", "--offline"]).succeeds();
}

#[test]
fn unmet_dependency_shows_the_chain() {
    Mirror::new().refuses("\"lonely\"", 2, &["lonely", "friend (>= 9)", "1.2", "main.build:2"]);
}

#[test]
fn conflicting_packages_are_both_named() {
    Mirror::new().refuses("\"friend\", \"enemy\"", 2, &["enemy", "friend", "excludes", "main.build:2"]);
}

#[test]
fn unknown_package_gets_a_suggestion() {
    Mirror::new().refuses("\"frend\"", 2, &["frend", "friend", "bookworm"]);
}

#[test]
fn index_signed_by_a_stranger_is_refused() {
    let (mirror, stranger) = (Mirror::new(), Mirror::new());
    std::fs::copy(stranger.file("keyring.gpg"), mirror.file("keyring.gpg")).expect("the other keyring");
    mirror.refuses("\"good\"", 4, &["signature of suite bookworm", "main.build:2"]);
}

#[test]
fn changed_index_is_refused() {
    let mirror = Mirror::new();
    let release = mirror.file("debian/dists/bookworm/InRelease");
    let text = std::fs::read_to_string(&release).expect("a release");
    std::fs::write(&release, text.replace("Origin: tests", "Origin: others")).expect("a changed release");
    mirror.refuses("\"good\"", 4, &["signature of suite bookworm", "main.build:2"]);
}

#[test]
fn changed_package_is_refused() {
    let mirror = Mirror::new();
    let deb = mirror.file("debian/pool/main/friend_1.2_amd64.deb");
    let mut bytes = std::fs::read(&deb).expect("a package");
    let last = bytes.len() - 1;
    bytes[last] ^= 1;
    std::fs::write(&deb, bytes).expect("a changed package");
    // The index is right, so the pins are too, and stay.
    mirror.build("\"good\"", &[]).fails(4, &["friend", "sha256", "main.build:2"]);
}

#[test]
fn package_that_the_mirror_lost_is_named_with_the_way_out() {
    let mirror = Mirror::new();
    std::fs::remove_file(mirror.file("debian/pool/main/friend_1.2_amd64.deb")).expect("a package");
    mirror.build("\"good\"", &[]).fails(4, &["friend", "sinter update"]);
}
