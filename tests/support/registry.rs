//! A real registry on loopback for tests: Debian's `docker-registry`, plain, with TLS, with passwords, or with tokens of a
//! server that the test is.
//!
//! Included by the tests of several packages.

#![allow(dead_code, reason = "each package uses a part")]

use std::fs;
use std::io::{Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex};
use std::time::Duration;

/// What a registry wants.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    Plain,
    /// TLS under a private authority, `ca.crt` beside.
    Tls,
    /// The user `me` with the password `secret`.
    Password,
    /// Tokens, which `me` with `secret` gets for everything and everybody else for reading repositories below `public/`.
    Token,
}

/// A running registry. It ends with this value.
pub(crate) struct Registry {
    process: Child,
    directory: tempfile::TempDir,
    port: u16,
    configuration: PathBuf,
    /// What its token server was asked for: scopes, a line each.
    pub(crate) asked: Arc<Mutex<Vec<String>>>,
}

impl Registry {
    pub(crate) fn start(kind: Kind) -> Self {
        let directory = tempfile::tempdir().expect("a directory");
        let port = free_port();
        let asked = Arc::new(Mutex::new(Vec::new()));
        let mut text = format!(
            "version: 0.1\nlog: {{level: error, accesslog: {{disabled: true}}}}\nstorage:\n  filesystem: {{rootdirectory: {}}}\n  delete: {{enabled: true}}\nhttp:\n  addr: 127.0.0.1:{port}\n",
            directory.path().join("data").display()
        );
        match kind {
            Kind::Plain => {}
            Kind::Tls => {
                certify(directory.path());
                let at = |name: &str| directory.path().join(name).display().to_string();
                text += &format!("  tls: {{certificate: {}, key: {}}}\n", at("server.crt"), at("server.key"));
            }
            Kind::Password => {
                let file = directory.path().join("htpasswd");
                let made = Command::new("htpasswd").args(["-Bbn", "-C", "4", "me", "secret"]).output();
                fs::write(&file, made.expect("htpasswd: run `cargo xtask setup`").stdout).expect("a file");
                text += &format!("auth:\n  htpasswd: {{realm: test, path: {}}}\n", file.display());
            }
            Kind::Token => {
                certify(directory.path());
                let realm = serve_tokens(directory.path(), asked.clone());
                let bundle = directory.path().join("server.crt").display().to_string();
                text += &format!(
                    "auth:\n  token: {{realm: \"{realm}\", service: reg, issuer: test, rootcertbundle: {bundle}}}\n"
                );
            }
        }
        let configuration = directory.path().join("registry.yml");
        fs::write(&configuration, text).expect("a configuration");
        let process = spawn(&configuration);
        let registry = Self { process, directory, port, configuration, asked };
        registry.wait();
        registry
    }

    /// `localhost:PORT`.
    pub(crate) fn host(&self) -> String {
        format!("localhost:{}", self.port)
    }

    pub(crate) fn port(&self) -> u16 {
        self.port
    }

    pub(crate) fn directory(&self) -> &Path {
        self.directory.path()
    }

    /// Stops the process.
    pub(crate) fn kill(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }

    /// Starts it again on what it had.
    pub(crate) fn revive(&mut self) {
        self.kill();
        self.process = spawn(&self.configuration);
        self.wait();
    }

    fn wait(&self) {
        for _ in 0..500 {
            if TcpStream::connect(("127.0.0.1", self.port)).is_ok() {
                return;
            }
            std::thread::sleep(Duration::from_millis(20));
        }
        panic!("docker-registry does not listen");
    }
}

impl Drop for Registry {
    fn drop(&mut self) {
        self.kill();
    }
}

fn spawn(configuration: &Path) -> Child {
    let mut command = Command::new("docker-registry");
    command.arg("serve").arg(configuration).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    command.env("OTEL_TRACES_EXPORTER", "none");
    command.spawn().expect("docker-registry: run `cargo xtask setup`")
}

pub(crate) fn free_port() -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    listener.local_addr().expect("an address").port()
}

/// A private authority and a certificate of `localhost` that it signed.
fn certify(directory: &Path) {
    let openssl = |arguments: &[&str]| {
        let output = Command::new("openssl").args(arguments).current_dir(directory).output();
        let output = output.expect("openssl: run `cargo xtask setup`");
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    };
    fs::write(directory.join("names"), "subjectAltName=DNS:localhost,IP:127.0.0.1\n").expect("a file");
    openssl(&[
        "req",
        "-x509",
        "-newkey",
        "rsa:2048",
        "-nodes",
        "-days",
        "2",
        "-subj",
        "/CN=test authority",
        "-keyout",
        "ca.key",
        "-out",
        "ca.crt",
    ]);
    openssl(&[
        "req",
        "-newkey",
        "rsa:2048",
        "-nodes",
        "-subj",
        "/CN=localhost",
        "-keyout",
        "server.key",
        "-out",
        "server.csr",
    ]);
    openssl(&[
        "x509",
        "-req",
        "-days",
        "2",
        "-in",
        "server.csr",
        "-CA",
        "ca.crt",
        "-CAkey",
        "ca.key",
        "-CAcreateserial",
        "-extfile",
        "names",
        "-out",
        "server.crt",
    ]);
}

/// Serves tokens as distribution wants them, signed by the server's key; gives the address.
fn serve_tokens(directory: &Path, asked: Arc<Mutex<Vec<String>>>) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let address = format!("http://{}/token", listener.local_addr().expect("an address"));
    let directory = directory.to_owned();
    std::thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            let _ = answer(stream, &directory, &asked);
        }
    });
    address
}

fn answer(mut stream: TcpStream, directory: &Path, asked: &Mutex<Vec<String>>) -> std::io::Result<()> {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        let mut byte = [0];
        stream.read_exact(&mut byte)?;
        head.push(byte[0]);
    }
    let head = String::from_utf8_lossy(&head).into_owned();
    let query = head.split(' ').nth(1).and_then(|url| url.split_once('?')).map_or("", |(_, query)| query);
    let scopes: Vec<String> = query
        .split('&')
        .filter_map(|pair| pair.strip_prefix("scope="))
        .map(|scope| scope.replace("%3A", ":").replace("%2C", ",").replace("%2F", "/"))
        .collect();
    asked.lock().expect("a list").push(scopes.join(" "));
    // Base64 of `me:secret`.
    let is_me = head.contains("Basic bWU6c2VjcmV0");
    let access: Vec<String> = scopes
        .iter()
        .filter_map(|scope| {
            let parts: Vec<&str> = scope.split(':').collect();
            let [kind, name, actions] = parts[..] else { return None };
            let allowed: Vec<String> = actions
                .split(',')
                .filter(|action| is_me || (*action == "pull" && name.starts_with("public/")))
                .map(|action| format!("\"{action}\""))
                .collect();
            Some(format!(r#"{{"type":"{kind}","name":"{name}","actions":[{}]}}"#, allowed.join(",")))
        })
        .collect();
    let body = format!(r#"{{"token":"{}","expires_in":60}}"#, token(directory, &access.join(",")));
    write!(
        stream,
        "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: {}\r\nconnection: close\r\n\r\n{body}",
        body.len()
    )
}

/// A JSON web token (RFC 7519) with the certificate in its header.
fn token(directory: &Path, access: &str) -> String {
    let pem = fs::read_to_string(directory.join("server.crt")).expect("a certificate");
    let certificate: String = pem.lines().filter(|line| !line.starts_with("-----")).collect();
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).expect("a time").as_secs();
    let header = format!(r#"{{"typ":"JWT","alg":"RS256","x5c":["{certificate}"]}}"#);
    let claims = format!(
        r#"{{"iss":"test","sub":"x","aud":"reg","exp":{},"nbf":{},"iat":{now},"jti":"1","access":[{access}]}}"#,
        now + 60,
        now - 60
    );
    let signed = format!("{}.{}", url_base64(header.as_bytes()), url_base64(claims.as_bytes()));
    let mut openssl = Command::new("openssl")
        .args(["dgst", "-sha256", "-sign", "server.key"])
        .current_dir(directory)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .expect("openssl");
    openssl.stdin.take().expect("a pipe").write_all(signed.as_bytes()).expect("a text");
    let signature = openssl.wait_with_output().expect("a signature").stdout;
    format!("{signed}.{}", url_base64(&signature))
}

fn url_base64(bytes: &[u8]) -> String {
    const DIGITS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
    let digit = |bits: usize| char::from(DIGITS[bits & 63]);
    let mut out = String::new();
    for group in bytes.chunks(3) {
        let at = |index: usize| usize::from(group.get(index).copied().unwrap_or(0));
        let bits = at(0) << 16 | at(1) << 8 | at(2);
        out.extend((0..=group.len()).map(|place| digit(bits >> (18 - 6 * place))));
    }
    out
}
