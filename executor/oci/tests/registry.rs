//! The client against Debian's registry: plain, with TLS of a private authority, with passwords and with tokens.

#[path = "../../../tests/support/registry.rs"]
mod registry;

use std::path::Path;

use registry::{Kind, Registry};
use sinter_graph::digest::BlobDigest;
use sinter_oci::registry::{Environment, Pushed, Registries, RegistryError, Repository};

const MANIFEST: &str = "application/vnd.oci.image.manifest.v1+json";

struct Machine {
    home: tempfile::TempDir,
}

impl Machine {
    fn new() -> Self {
        Self { home: tempfile::tempdir().expect("a directory") }
    }

    fn write(&self, name: &str, text: &str) {
        let path = self.home.path().join(name);
        std::fs::create_dir_all(path.parent().expect("a parent")).expect("a directory");
        std::fs::write(path, text).expect("a file");
    }

    fn log_in(&self, registry: &Registry) {
        let text = format!(r#"{{"auths": {{"{}": {{"username": "me", "password": "secret"}}}}}}"#, registry.host());
        self.write(".docker/config.json", &text);
    }

    fn registries(&self) -> Registries {
        Registries::new(Environment::made_of(&[("HOME", self.home.path())], Path::new("/nowhere")), false)
    }

    fn repository(&self, registry: &Registry, name: &str) -> Repository {
        let image = format!("{}/{name}", registry.host()).parse().expect("a reference");
        self.registries().destination(&image).expect("a repository")
    }
}

fn push_image(repository: &Repository, tag: &str, layer: &[u8]) -> BlobDigest {
    let put = |bytes: &[u8]| {
        let digest = BlobDigest::of(bytes);
        repository.push_blob(digest, bytes.len() as u64, &[], &bytes).expect("a blob");
        format!(r#""digest":"{digest}","size":{}"#, bytes.len())
    };
    let (config, layer) = (put(b"{}"), put(layer));
    let manifest = format!(
        r#"{{"schemaVersion":2,"mediaType":"{MANIFEST}","config":{{"mediaType":"application/vnd.oci.image.config.v1+json",{config}}},"layers":[{{"mediaType":"application/vnd.oci.image.layer.v1.tar",{layer}}}]}}"#
    );
    repository.put_manifest(tag, MANIFEST, manifest.as_bytes()).expect("a manifest");
    BlobDigest::of(manifest.as_bytes())
}

/// What every registry does, whatever it wants to know first.
fn exercise(repository: &Repository, other: &Repository) {
    let layer = vec![7; 100_000];
    let digest = push_image(repository, "v1", &layer);
    let got = repository.manifest("v1").expect("an answer").expect("a manifest");
    assert_eq!((got.digest, got.media_type.as_str()), (digest, MANIFEST));
    assert_eq!(repository.manifest(&digest.to_string()).expect("an answer"), Some(got));
    assert_eq!(repository.manifest_digest("v1").expect("an answer"), Some(digest));
    assert_eq!(repository.manifest_digest("v2").expect("an answer"), None);
    assert_eq!(repository.manifest("v2").expect("an answer"), None);
    let (blob, size) = (BlobDigest::of(&layer), layer.len() as u64);
    assert!(repository.has_blob(&blob).expect("an answer"));
    assert!(!repository.has_blob(&BlobDigest::of(b"other")).expect("an answer"));
    let place = tempfile::tempdir().expect("a directory");
    let part = place.path().join("part");
    // A part that was there is gone on with.
    std::fs::write(&part, &layer[..40_000]).expect("a part");
    let new = std::cell::Cell::new(0);
    repository.download_blob(blob, size, &part, &|bytes| new.set(new.get() + bytes)).expect("a blob");
    assert_eq!(std::fs::read(&part).expect("a file"), layer);
    assert_eq!(new.get(), 100_000);
    let source = layer.as_slice();
    assert_eq!(repository.push_blob(blob, size, &[], &source).expect("pushed"), Pushed::Present);
    assert_eq!(other.push_blob(blob, size, &[repository.name()], &source).expect("pushed"), Pushed::Mounted);
    assert_eq!(repository.tags().expect("tags"), ["v1"]);
    repository.delete_manifest(&digest).expect("deleted");
    assert_eq!(repository.manifest("v1").expect("an answer"), None);
}

#[test]
fn everything_works_with_every_kind_of_registry() {
    for kind in [Kind::Plain, Kind::Tls, Kind::Password, Kind::Token] {
        let (registry, machine) = (Registry::start(kind), Machine::new());
        machine.log_in(&registry);
        if kind == Kind::Tls {
            let authority = std::fs::read_to_string(registry.directory().join("ca.crt")).expect("a certificate");
            machine.write(&format!(".config/containers/certs.d/{}/ca.crt", registry.host()), &authority);
        }
        let (one, two) = (machine.repository(&registry, "team/one"), machine.repository(&registry, "two"));
        exercise(&one, &two);
    }
}

#[test]
fn tokens_are_asked_for_once_and_for_what_is_done() {
    let (registry, machine) = (Registry::start(Kind::Token), Machine::new());
    machine.log_in(&registry);
    let registries = machine.registries();
    let repository = |name: &str| {
        registries.destination(&format!("{}/{name}", registry.host()).parse().expect("a reference")).expect("one")
    };
    let (one, two) = (repository("a/one"), repository("two"));
    push_image(&one, "v1", b"layer");
    for _ in 0..3 {
        one.manifest("v1").expect("an answer").expect("a manifest");
    }
    two.push_blob(BlobDigest::of(b"layer"), 5, &["a/one"], &b"layer".as_slice()).expect("mounted");
    let asked = registry.asked.lock().expect("a list").clone();
    let expected = [
        "repository:a/one:pull",
        "repository:a/one:pull,push",
        "repository:two:pull",
        "repository:a/one:pull repository:two:pull,push",
    ];
    assert_eq!(asked, expected);
}

#[test]
fn those_who_are_not_let_in_are_told_what_to_do() {
    for kind in [Kind::Password, Kind::Token] {
        let (registry, machine) = (Registry::start(kind), Machine::new());
        let repository = machine.repository(&registry, "private/x");
        let source = b"x".as_slice();
        let error = repository.push_blob(BlobDigest::of(b"x"), 1, &[], &source).expect_err("no rights");
        let text = error.to_string();
        let login = format!("`podman login {}`", registry.host());
        assert!(text.contains("denies access to private/x") && text.contains(&login), "{text}");
        assert!(text.contains("no credentials for it were found"), "{text}");
        let wrong = r#"{"auths": {"HOST": {"username": "me", "password": "wrong"}}}"#;
        machine.write(".docker/config.json", &wrong.replace("HOST", &registry.host()));
        let error = machine.repository(&registry, "private/x").manifest("v1").expect_err("no rights").to_string();
        assert!(error.contains("config.json") && !error.contains("wrong"), "{error}");
    }
}

#[test]
fn unknown_authorities_are_told_apart() {
    let (registry, machine) = (Registry::start(Kind::Tls), Machine::new());
    machine.write(&format!(".config/containers/certs.d/{}/README", registry.host()), "");
    let error = machine.repository(&registry, "x").manifest("v1").expect_err("unknown").to_string();
    assert!(error.contains("does not trust"), "{error}");
    // Loopback without settings falls back from plain http to TLS, and there to the same error.
    let error = Machine::new().repository(&registry, "x").manifest("v1").expect_err("unknown");
    assert!(matches!(error, RegistryError::Http(_) | RegistryError::Status { .. }), "{error}");
}

#[test]
fn large_blobs_go_in_pieces() {
    let (registry, machine) = (Registry::start(Kind::Plain), Machine::new());
    let repository = machine.repository(&registry, "large");
    let bytes: Vec<u8> = (0..(130_u32 << 20) / 4).flat_map(u32::to_le_bytes).collect();
    let (digest, size) = (BlobDigest::of(&bytes), bytes.len() as u64);
    assert_eq!(repository.push_blob(digest, size, &[], &bytes.as_slice()).expect("pushed"), Pushed::Sent);
    assert!(repository.has_blob(&digest).expect("an answer"));
}
