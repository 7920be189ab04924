//! A Debian mirror on the loopback, for tests: a tiny HTTP server that can cut, stall and lie, and an archive builder
//! that makes packages, indexes and signatures.

use std::collections::{BTreeMap, HashMap};
use std::io::{BufRead, BufReader, Write};
use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, OnceLock};

use pgp::composed::{ArmorOptions, CleartextSignedMessage, KeyType, SecretKeyParamsBuilder, SignedSecretKey};
use pgp::types::Password;
use rand::SeedableRng as _;
use rand::rngs::StdRng;
use sinter_graph::digest::BlobDigest;
use sinter_graph::lock::{MAIN_ARCHIVE, PinnedPackage};

use crate::debian::{ArchiveMirror, Keyring, MirrorConfig};

/// How the server misbehaves on the next request of a path.
#[derive(Debug, Clone, Copy)]
pub(super) enum Fault {
    /// Sends this many bytes of the body and hangs up.
    CutAfter(usize),
    /// Sends the body in small pieces with pauses.
    Drip,
    /// Answers with this status.
    Status(u16),
    /// Ignores the Range header.
    WholeBody,
}

#[derive(Default)]
struct State {
    files: HashMap<String, Vec<u8>>,
    faults: HashMap<String, Vec<Fault>>,
    requests: Vec<(String, Option<u64>)>,
}

/// The server. It lives until the test process ends.
#[derive(Clone)]
pub(super) struct FakeMirror {
    state: Arc<Mutex<State>>,
    url: String,
}

impl FakeMirror {
    pub(super) fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a loopback port");
        let url = format!("http://{}", listener.local_addr().expect("an address"));
        let mirror = Self { state: Arc::default(), url };
        let server = mirror.clone();
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let server = server.clone();
                std::thread::spawn(move || server.serve(&stream));
            }
        });
        mirror
    }

    pub(super) fn put(&self, path: &str, bytes: impl Into<Vec<u8>>) {
        self.lock().files.insert(path.to_owned(), bytes.into());
    }

    pub(super) fn remove(&self, part_of_path: &str) {
        self.lock().files.retain(|path, _| !path.contains(part_of_path));
    }

    pub(super) fn fail(&self, path: &str, faults: &[Fault]) {
        self.lock().faults.insert(format!("/debian/{path}"), faults.iter().rev().copied().collect());
    }

    /// The offsets asked for, of requests whose path contains a text.
    pub(super) fn requests(&self, part_of_path: &str) -> Vec<Option<u64>> {
        self.lock().requests.iter().filter(|(path, _)| path.contains(part_of_path)).map(|(_, offset)| *offset).collect()
    }

    pub(super) fn config(&self, keyring: &Path) -> MirrorConfig {
        let keyring = Keyring::Files(vec![keyring.to_owned()]);
        let mirror = |archive: &str, presumed: bool| ArchiveMirror {
            archive: archive.to_owned(),
            url: format!("{}/{archive}", self.url),
            suites: vec![],
            keyring: keyring.clone(),
            presumed,
        };
        MirrorConfig { mirrors: vec![mirror(MAIN_ARCHIVE, false), mirror("debian-security", true)] }
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, State> {
        self.state.lock().expect("no test thread panicked with the lock")
    }

    fn serve(&self, stream: &TcpStream) -> Option<()> {
        let mut reader = BufReader::new(stream.try_clone().ok()?);
        let mut line = String::new();
        reader.read_line(&mut line).ok()?;
        let path = line.split(' ').nth(1)?.to_owned();
        let mut offset = None;
        loop {
            line.clear();
            reader.read_line(&mut line).ok()?;
            if line.trim().is_empty() {
                break;
            }
            if let Some(range) = line.to_lowercase().strip_prefix("range: bytes=") {
                offset = range.split('-').next()?.parse().ok();
            }
        }
        let (body, fault) = {
            let mut state = self.lock();
            state.requests.push((path.clone(), offset));
            (state.files.get(&path).cloned(), state.faults.get_mut(&path).and_then(Vec::pop))
        };
        answer(stream, body, offset, fault).ok()
    }
}

fn answer(
    mut stream: &TcpStream,
    body: Option<Vec<u8>>,
    offset: Option<u64>,
    fault: Option<Fault>,
) -> std::io::Result<()> {
    let head = |status: &str, length: usize, extra: &str| {
        format!("HTTP/1.1 {status}\r\nContent-Length: {length}\r\n{extra}Connection: close\r\n\r\n")
    };
    if let Some(Fault::Status(status)) = fault {
        return stream.write_all(head(&format!("{status} no"), 0, "").as_bytes());
    }
    let Some(body) = body else { return stream.write_all(head("404 Not Found", 0, "").as_bytes()) };
    let offset = offset.filter(|_| !matches!(fault, Some(Fault::WholeBody)));
    let rest = match offset.and_then(|offset| usize::try_from(offset).ok()) {
        Some(start) if start >= body.len() => return stream.write_all(head("416 no", 0, "").as_bytes()),
        Some(start) => {
            let range = format!("Content-Range: bytes {start}-{}/{}\r\n", body.len() - 1, body.len());
            stream.write_all(head("206 Partial Content", body.len() - start, &range).as_bytes())?;
            &body[start..]
        }
        None => {
            stream.write_all(head("200 OK", body.len(), "").as_bytes())?;
            &body[..]
        }
    };
    match fault {
        Some(Fault::CutAfter(count)) => stream.write_all(&rest[..count.min(rest.len())]),
        Some(Fault::Drip) => rest.chunks(rest.len() / 8 + 1).try_for_each(|chunk| {
            stream.write_all(chunk)?;
            std::thread::sleep(std::time::Duration::from_millis(5));
            stream.flush()
        }),
        _ => stream.write_all(rest),
    }
}

/// The key all test archives are signed with.
fn key() -> &'static SignedSecretKey {
    static KEY: OnceLock<SignedSecretKey> = OnceLock::new();
    KEY.get_or_init(|| {
        let mut parameters = SecretKeyParamsBuilder::default();
        parameters
            .key_type(KeyType::Ed25519Legacy)
            .can_certify(true)
            .can_sign(true)
            .primary_user_id("Test archive <test@example.org>".into());
        let parameters = parameters.build().expect("valid parameters");
        parameters.generate(StdRng::seed_from_u64(1)).expect("a key")
    })
}

/// Writes the public key of the test archives.
pub(super) fn write_keyring(directory: &Path) -> PathBuf {
    let file = directory.join("keyring.asc");
    let armored = key().to_public_key().to_armored_string(ArmorOptions::default()).expect("armor");
    std::fs::write(&file, armored).expect("a file");
    file
}

pub(super) fn sign(text: &str) -> String {
    let signed = CleartextSignedMessage::sign(StdRng::seed_from_u64(2), text, &key().primary_key, &Password::empty());
    signed.and_then(|message| message.to_armored_string(ArmorOptions::default())).expect("a signature")
}

/// What a member of a test package's data is.
#[derive(Debug, Clone)]
pub(super) enum Data {
    Directory,
    File(&'static str),
    Symlink(&'static str),
    HardLink(&'static str),
    Device,
}

/// A package to build.
#[derive(Debug, Clone, Default)]
pub(super) struct Deb {
    pub(super) name: &'static str,
    pub(super) version: &'static str,
    /// Further lines of the control paragraph.
    pub(super) fields: &'static str,
    pub(super) control: Vec<(&'static str, &'static str)>,
    pub(super) data: Vec<(&'static str, Data)>,
    /// `""`, `.gz`, `.xz` or `.zst`.
    pub(super) compression: &'static str,
}

impl Deb {
    pub(super) fn new(name: &'static str, version: &'static str, fields: &'static str) -> Self {
        Self { name, version, fields, compression: ".xz", ..Self::default() }
    }

    pub(super) fn with(mut self, data: &[(&'static str, Data)]) -> Self {
        self.data.extend_from_slice(data);
        self
    }

    pub(super) fn control(mut self, file: &'static str, text: &'static str) -> Self {
        self.control.push((file, text));
        self
    }

    fn paragraph(&self) -> String {
        let fields: String =
            self.fields.split(';').map(str::trim).filter(|f| !f.is_empty()).map(|f| format!("{f}\n")).collect();
        format!(
            "Package: {}\nVersion: {}\nArchitecture: amd64\nMaintainer: Test\n{fields}Description: test\n more\n",
            self.name, self.version
        )
    }

    pub(super) fn bytes(&self) -> Vec<u8> {
        let mut control = tar::Builder::new(Vec::new());
        let paragraph = self.paragraph();
        for (name, text) in self.control.iter().copied().chain([("control", paragraph.as_str())]) {
            append(&mut control, &format!("./{name}"), &header(tar::EntryType::Regular, 0o644), text.as_bytes());
        }
        let mut data = tar::Builder::new(Vec::new());
        for (path, kind) in &self.data {
            append_data(&mut data, path, kind);
        }
        let tars = [control, data].map(|builder| compress(builder.into_inner().expect("a tar"), self.compression));
        let names = [format!("control.tar{}", self.compression), format!("data.tar{}", self.compression)];
        archive(&[("debian-binary", b"2.0\n"), (&names[0], &tars[0]), (&names[1], &tars[1])])
    }

    fn path(&self) -> String {
        format!("pool/main/{}_{}_amd64.deb", self.name, self.version)
    }

    pub(super) fn pin(&self) -> PinnedPackage {
        let bytes = self.bytes();
        PinnedPackage {
            name: self.name.to_owned(),
            version: self.version.to_owned(),
            architecture: "amd64".to_owned(),
            sha256: BlobDigest::of(&bytes),
            size: bytes.len() as u64,
            path: self.path(),
            archive: MAIN_ARCHIVE.to_owned(),
        }
    }
}

fn header(kind: tar::EntryType, mode: u32) -> tar::Header {
    let mut header = tar::Header::new_gnu();
    header.set_entry_type(kind);
    header.set_mode(mode);
    header.set_mtime(1);
    header
}

/// Sets the name byte by byte: the library refuses the hostile ones.
fn append(builder: &mut tar::Builder<Vec<u8>>, path: &str, header: &tar::Header, content: &[u8]) {
    let mut header = header.clone();
    header.as_old_mut().name[..path.len()].copy_from_slice(path.as_bytes());
    header.set_size(content.len() as u64);
    header.set_cksum();
    builder.append(&header, content).expect("a tar in memory");
}

fn append_data(builder: &mut tar::Builder<Vec<u8>>, path: &str, kind: &Data) {
    let linked = |kind: tar::EntryType, to: &str| {
        let mut header = header(kind, 0o777);
        header.as_old_mut().linkname[..to.len()].copy_from_slice(to.as_bytes());
        header
    };
    let (header, content) = match kind {
        Data::Directory => (header(tar::EntryType::Directory, 0o755), ""),
        Data::File(text) => (header(tar::EntryType::Regular, 0o4755), *text),
        Data::Symlink(to) => (linked(tar::EntryType::Symlink, to), ""),
        Data::HardLink(to) => (linked(tar::EntryType::Link, to), ""),
        Data::Device => (header(tar::EntryType::Char, 0o644), ""),
    };
    append(builder, path, &header, content.as_bytes());
}

fn compress(bytes: Vec<u8>, compression: &str) -> Vec<u8> {
    match compression {
        ".gz" => {
            let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
            encoder.write_all(&bytes).and_then(|()| encoder.finish()).expect("gzip in memory")
        }
        ".xz" => {
            let mut encoder = liblzma::write::XzEncoder::new(Vec::new(), 1);
            encoder.write_all(&bytes).and_then(|()| encoder.finish()).expect("xz in memory")
        }
        ".zst" => zstd::encode_all(&bytes[..], 1).expect("zstd in memory"),
        _ => bytes,
    }
}

pub(super) fn archive(members: &[(&str, &[u8])]) -> Vec<u8> {
    let mut bytes = b"!<arch>\n".to_vec();
    for (name, content) in members {
        bytes.extend(format!("{name:<16}{:<12}{:<6}{:<6}{:<8}{:<10}`\n", 0, 0, 0, 100_644, content.len()).into_bytes());
        bytes.extend_from_slice(content);
        bytes.resize(bytes.len().next_multiple_of(2), b'\n');
    }
    bytes
}

/// An archive to publish.
#[derive(Debug, Clone)]
pub(super) struct Repository {
    pub(super) suite: &'static str,
    pub(super) valid_until: &'static str,
    pub(super) by_hash: bool,
    pub(super) debs: Vec<Deb>,
}

impl Repository {
    pub(super) fn new(debs: Vec<Deb>) -> Self {
        Self { suite: "test", valid_until: "", by_hash: true, debs }
    }

    pub(super) fn index(&self) -> Vec<u8> {
        let paragraph = |deb: &Deb| {
            let pin = deb.pin();
            let (hex, size, path) = (pin.sha256.hex(), pin.size, pin.path);
            format!("{}Filename: {path}\nSize: {size}\nSHA256: {hex}\n\n", deb.paragraph())
        };
        compress(self.debs.iter().map(paragraph).collect::<String>().into_bytes(), ".xz")
    }

    pub(super) fn release(&self) -> String {
        let index = self.index();
        let fields = BTreeMap::from([
            ("Valid-Until", self.valid_until),
            ("Acquire-By-Hash", if self.by_hash { "yes" } else { "" }),
        ]);
        let optional: String = fields
            .iter()
            .filter(|(_, value)| !value.is_empty())
            .map(|(name, value)| format!("{name}: {value}\n"))
            .collect();
        format!(
            "Suite: {}\nVersion: 1.2\nDate: Sat, 17 May 2025 09:12:50 UTC\n{optional}SHA256:\n {} {} main/binary-amd64/Packages.xz\n",
            self.suite,
            BlobDigest::of(&index).hex(),
            index.len()
        )
    }

    /// Puts everything on the mirror; files of earlier states stay.
    pub(super) fn publish(&self, mirror: &FakeMirror) {
        let directory = format!("/debian/dists/{}", self.suite);
        let index = self.index();
        mirror.put(&format!("{directory}/InRelease"), sign(&self.release()));
        mirror.put(&format!("{directory}/main/binary-amd64/Packages.xz"), index.clone());
        if self.by_hash {
            let hex = BlobDigest::of(&index).hex();
            mirror.put(&format!("{directory}/main/binary-amd64/by-hash/SHA256/{hex}"), index);
        }
        for deb in &self.debs {
            mirror.put(&format!("/debian/{}", deb.path()), deb.bytes());
        }
    }
}
