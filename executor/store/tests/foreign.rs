//! Foreign layers come out as `umoci` unpacks them, file by file, and hostile ones leave nothing.
//!
//! A layer is written as lines: `dir NAME`, `file NAME TEXT`, `sym NAME TARGET`, `hard NAME TARGET`, `fifo NAME`,
//! `char NAME MAJOR:MINOR`, then any of `mode=`, `uid=`, `gid=`, `mtime=` (the header's), `time=` (the extended header's),
//! `blank=` (no mode, owners and time in the header), `xattr.NAME=`, and `acl.access=` or `acl.default=` with entries like
//! `user:6`, `mask:5` or `user.1000:7`.

mod support;

use std::collections::BTreeMap;
use std::fs;
use std::io::{self, Read};
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::fs::{FileTypeExt as _, MetadataExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};
use std::process::Command;

use sinter_graph::digest::{BlobDigest, LayerDigest};
use sinter_graph::tree::{LayerIndex, Tree};
use sinter_store::{Foreign, Origin, Store, StoreError, export_tree};
use support::Random;

/// A tar of what the lines say.
fn tar_of(lines: &[&str]) -> Vec<u8> {
    let mut builder = tar::Builder::new(Vec::new());
    for line in lines {
        let words: Vec<&str> = line.split(' ').collect();
        let settings: BTreeMap<&str, &str> = words.iter().filter_map(|word| word.split_once('=')).collect();
        let plain: Vec<&str> = words.iter().copied().filter(|word| !word.contains('=')).collect();
        let argument = plain.get(2).copied().unwrap_or("");
        let records = records(&settings);
        let records = records.iter().map(|(name, value)| (name.as_str(), &value[..]));
        builder.append_pax_extensions(records).expect("records");
        let mut header = tar::Header::new_gnu();
        let number = |name: &str, other: u64| settings.get(name).map_or(other, |text| text.parse().expect("a number"));
        let mode = settings.get("mode").map_or(if plain[0] == "dir" { 0o755 } else { 0o644 }, |text| {
            u32::from_str_radix(text, 8).expect("a mode")
        });
        header.set_mode(mode);
        header.set_uid(number("uid", 0));
        header.set_gid(number("gid", 0));
        let mtime = settings.get("mtime").map_or(1_000_000_000, |text| text.parse::<i64>().expect("a number"));
        header.set_mtime(mtime.cast_unsigned());
        if mtime < 0 {
            header.as_old_mut().mtime[..4].fill(0xff);
        }
        header.set_size(0);
        let (kind, body): (tar::EntryType, &[u8]) = match plain[0] {
            "dir" => (tar::EntryType::Directory, b""),
            "file" => (tar::EntryType::Regular, argument.as_bytes()),
            "sym" => (tar::EntryType::Symlink, b""),
            "hard" => (tar::EntryType::Link, b""),
            "fifo" => (tar::EntryType::Fifo, b""),
            "char" => (tar::EntryType::Char, b""),
            other => panic!("no kind {other}"),
        };
        header.set_entry_type(kind);
        header.set_size(body.len() as u64);
        if let Some((major, minor)) = argument.split_once(':').filter(|_| plain[0] == "char") {
            header.set_device_major(major.parse().expect("a number")).expect("a number that fits");
            header.set_device_minor(minor.parse().expect("a number")).expect("a number that fits");
        }
        if settings.contains_key("blank") {
            let fields = header.as_old_mut();
            (fields.mode, fields.uid, fields.gid) = ([0; 8], [b' '; 8], [0; 8]);
            fields.mtime = [0; 12];
        }
        // The builder refuses names that lead out; a hostile archive does not.
        let name = plain[1].as_bytes();
        if name.len() > 100 {
            header.set_cksum();
            builder.append_data(&mut header, plain[1], body).expect("an entry");
            continue;
        }
        header.as_old_mut().name[..name.len()].copy_from_slice(name);
        if matches!(plain[0], "sym" | "hard") {
            header.as_old_mut().linkname[..argument.len()].copy_from_slice(argument.as_bytes());
        }
        header.set_cksum();
        builder.append(&header, body).expect("an entry");
    }
    builder.into_inner().expect("an archive")
}

/// The extended header of a line.
fn records(settings: &BTreeMap<&str, &str>) -> Vec<(String, Vec<u8>)> {
    let record = |(name, value): (&&str, &&str)| {
        if let Some(which) = name.strip_prefix("acl.") {
            return Some((format!("SCHILY.xattr.system.posix_acl_{which}"), access_list(value)));
        }
        let value = value.as_bytes().to_vec();
        match name.strip_prefix("xattr.") {
            Some(attribute) => Some((format!("SCHILY.xattr.{attribute}"), value)),
            None => (*name == "time").then(|| ("mtime".to_owned(), value)),
        }
    };
    settings.iter().filter_map(record).collect()
}

/// The bytes of an access control list, as `linux/posix_acl_xattr.h` has them. Ids that do not count are 0, which no kernel
/// writes.
fn access_list(text: &str) -> Vec<u8> {
    let mut bytes = vec![2, 0, 0, 0];
    for entry in text.split(',').filter(|entry| !entry.is_empty()) {
        let (who, permissions) = entry.split_once(':').expect("two parts");
        let (tag, id) = who.split_once('.').unwrap_or((who, "0"));
        let tag: u16 = match (tag, who == tag) {
            ("user", true) => 1,
            ("user", false) => 2,
            ("group", true) => 4,
            ("group", false) => 8,
            ("mask", _) => 16,
            ("other", _) => 32,
            other => panic!("no tag {other:?}"),
        };
        bytes.extend(tag.to_le_bytes());
        bytes.extend(permissions.parse::<u16>().expect("a number").to_le_bytes());
        bytes.extend(id.parse::<u32>().expect("a number").to_le_bytes());
    }
    bytes
}

struct Scene {
    directory: tempfile::TempDir,
    store: Store,
}

impl Scene {
    fn new() -> Self {
        let directory = tempfile::tempdir().expect("a directory");
        let store = Store::open(&directory.path().join("store")).expect("a store");
        Self { directory, store }
    }

    fn unpack(&self, below: &[LayerDigest], tar: &[u8]) -> Result<Option<LayerDigest>, StoreError> {
        let manifests: Vec<_> = below.iter().map(|layer| self.store.manifest(layer).expect("a manifest")).collect();
        let tree = Tree::stack((0..).map(LayerIndex).zip(manifests.iter().map(|manifest| &**manifest)));
        self.store.unpack_foreign(Foreign {
            below,
            tree: &tree,
            tar: &mut &tar[..],
            diff_id: BlobDigest::of(tar),
            limit: 1 << 30,
            origin: Origin::Captured,
        })
    }

    /// What our store shows of a chain.
    fn ours(&self, chain: &[Vec<u8>]) -> BTreeMap<String, String> {
        let mut layers = Vec::new();
        for tar in chain {
            layers.extend(self.unpack(&layers, tar).expect("a layer"));
        }
        let place = self.directory.path().join("ours");
        export_tree(&self.store, &layers, &place).expect("a tree");
        listing(&place)
    }

    /// What umoci shows of it.
    fn theirs(&self, chain: &[Vec<u8>]) -> BTreeMap<String, String> {
        let layout = self.directory.path().join("layout");
        fs::create_dir_all(layout.join("blobs/sha256")).expect("a directory");
        let put = |bytes: &[u8]| {
            let digest = BlobDigest::of(bytes);
            fs::write(layout.join("blobs/sha256").join(digest.hex()), bytes).expect("a blob");
            format!(r#""digest":"{digest}","size":{}"#, bytes.len())
        };
        let diff_ids: Vec<String> = chain.iter().map(|tar| format!("\"{}\"", BlobDigest::of(tar))).collect();
        let config = format!(
            r#"{{"architecture":"amd64","os":"linux","config":{{}},"rootfs":{{"type":"layers","diff_ids":[{}]}}}}"#,
            diff_ids.join(",")
        );
        let config = put(config.as_bytes());
        let layers =
            chain.iter().map(|tar| format!(r#"{{"mediaType":"application/vnd.oci.image.layer.v1.tar",{}}}"#, put(tar)));
        let manifest = format!(
            r#"{{"schemaVersion":2,"mediaType":"application/vnd.oci.image.manifest.v1+json","config":{{"mediaType":"application/vnd.oci.image.config.v1+json",{config}}},"layers":[{}]}}"#,
            layers.collect::<Vec<_>>().join(",")
        );
        let manifest = put(manifest.as_bytes());
        let index = format!(
            r#"{{"schemaVersion":2,"manifests":[{{"mediaType":"application/vnd.oci.image.manifest.v1+json",{manifest},"annotations":{{"org.opencontainers.image.ref.name":"it"}}}}]}}"#
        );
        fs::write(layout.join("index.json"), index).expect("an index");
        fs::write(layout.join("oci-layout"), r#"{"imageLayoutVersion":"1.0.0"}"#).expect("a marker");
        let (image, bundle) = (format!("{}:it", layout.display()), self.directory.path().join("bundle"));
        let umoci = Command::new("umoci").args(["unpack", "--image", &image]).arg(&bundle).output();
        let umoci = umoci.expect("umoci: run `cargo xtask setup`");
        assert!(umoci.status.success(), "{}", String::from_utf8_lossy(&umoci.stderr));
        listing(&bundle.join("rootfs"))
    }
}

/// Everything below a directory but times of directories, which nobody records when they are made on the way. Names of one
/// file are told by the first of them.
fn listing(root: &Path) -> BTreeMap<String, String> {
    let (mut found, mut first_names) = (BTreeMap::new(), BTreeMap::new());
    let mut pending = vec![root.to_owned()];
    let mut paths = Vec::new();
    while let Some(directory) = pending.pop() {
        for entry in fs::read_dir(&directory).expect("a listing").flatten() {
            paths.push(entry.path());
            if entry.file_type().expect("a type").is_dir() {
                pending.push(entry.path());
            }
        }
    }
    paths.sort();
    for path in paths {
        let at = fs::symlink_metadata(&path).expect("metadata");
        let name = String::from_utf8_lossy(path.strip_prefix(root).expect("below").as_os_str().as_bytes()).into_owned();
        let kind = at.file_type();
        let content = if kind.is_symlink() {
            format!("-> {}", fs::read_link(&path).expect("a link").display())
        } else if kind.is_file() {
            let first = first_names.entry(at.ino()).or_insert_with(|| name.clone()).clone();
            format!("{:?} at {} as {first}", String::from_utf8_lossy(&fs::read(&path).expect("a file")), at.mtime())
        } else if kind.is_dir() {
            "directory".to_owned()
        } else {
            format!("{} {:x}", if kind.is_fifo() { "fifo" } else { "device" }, at.rdev())
        };
        let attributes = if kind.is_symlink() { String::new() } else { attributes(&path) };
        found.insert(name, format!("{:o} {}:{} {content}{attributes}", at.mode() & 0o7777, at.uid(), at.gid()));
    }
    found
}

fn attributes(path: &Path) -> String {
    let mut names = vec![0; 4096];
    let length = rustix::fs::listxattr(path, &mut names[..]).unwrap_or(0);
    let names = names[..length]
        .split(|&byte| byte == 0)
        .filter(|name| name.starts_with(b"user.") || name.starts_with(b"system."));
    let shown = |name: &[u8]| {
        let mut value = vec![0; 4096];
        let length = rustix::fs::getxattr(path, name, &mut value[..]).expect("an attribute");
        format!(" {}={}", String::from_utf8_lossy(name), value[..length].escape_ascii())
    };
    names.map(shown).collect()
}

type Case = (&'static str, &'static [&'static [&'static str]]);

const CASES: &[Case] = &[
    ("plain", &[&["dir a", "file a/b text", "sym a/l b", "fifo a/p", "char a/n 1:3", "hard a/h a/b"]]),
    (
        "metadata",
        &[&["file s x mode=4755 uid=7 gid=8", "dir d mode=2700 uid=9", "file e x xattr.user.note=kept mtime=5"]],
    ),
    ("fields nobody filled in", &[&["file a x blank=", "dir d blank=", "sym l a blank="]]),
    (
        "access lists",
        &[
            &[
                "file same x acl.access=user:6,group:4,other:4",
                "file other x mode=4755 acl.access=user:6,group:0,other:1",
                "file named x acl.access=user:6,user.7:7,group:4,mask:5,other:0",
                "file masked x acl.access=user:6,group:4,mask:6,other:0",
                "file empty x mode=750 acl.access=",
                "dir d mode=2755 acl.access=user:7,group:5,other:5 acl.default=user:7,group:5,other:5",
            ],
            &["file same x"],
        ],
    ),
    (
        "forms of names",
        &[&["dir ./a/", "file ./a/x 1", "file /b 2", "file ../../c 3", "file a/./y 4", "file a/../z 5"]],
    ),
    ("parents nobody names", &[&["file a/b/c/d deep"]]),
    ("deletions", &[&["dir a", "file a/b 1", "file a/c 2", "file d 3"], &["file a/.wh.b -", "file .wh.d -"]]),
    ("deletion of a tree", &[&["dir a", "dir a/b", "file a/b/c 1"], &["file .wh.a -"]]),
    ("deletion of nothing", &[&["dir a"], &["file a/.wh.nothing -", "file .wh.gone -"]]),
    ("deletion below a file", &[&["file a x", "sym l a"], &["file a/.wh.b -", "file l/.wh.b -", "file a/b/.wh.c -"]]),
    ("deletion below a new file", &[&["dir a", "file a/b x"], &["file a x", "file a/.wh.b -", "file c y"]]),
    ("opaque below a file", &[&["file a x"], &["file a/.wh..wh..opq -", "file c y"]]),
    ("opaque", &[&["dir a", "file a/b 1", "file a/c 2"], &["dir a", "file a/.wh..wh..opq -", "file a/d 3"]]),
    (
        "opaque after what it does not hide",
        &[&["dir a", "file a/b 1"], &["file a/d 3", "file a/b new", "file a/.wh..wh..opq -"]],
    ),
    ("opaque root", &[&["dir a", "file a/b 1", "file c 2"], &["file .wh..wh..opq -", "file d 3"]]),
    (
        "opaque with a directory that stays",
        &[&["dir a", "dir a/b", "file a/b/c 1", "file a/b/d 2"], &["file a/b/e 3", "file a/.wh..wh..opq -"]],
    ),
    ("deleted and made again", &[&["dir a", "file a/b 1"], &["file .wh.a -", "dir a mode=700", "file a/c 2"]]),
    ("deletion after what was brought", &[&["dir a", "file a/b 1"], &["file a/c 2", "file .wh.a -"]]),
    ("replaced file", &[&["file a old"], &["file a new mode=600 uid=3"]]),
    ("directory over file", &[&["file a old"], &["dir a", "file a/b new"]]),
    ("file over directory", &[&["dir a", "file a/b old", "dir a/c"], &["file a new"]]),
    ("link over directory", &[&["dir a", "file a/b old"], &["sym a elsewhere"]]),
    ("file over link", &[&["file b kept", "sym a b"], &["file a new"]]),
    ("metadata of a directory alone", &[&["dir a", "file a/b 1"], &["dir a mode=700 uid=4"]]),
    ("hard link into a lower layer", &[&["file a text mode=4711 uid=2"], &["hard b a"], &["hard c b"]]),
    ("hard link across a deletion", &[&["file a text"], &["hard b a", "file .wh.a -"]]),
    ("hard links replaced", &[&["file a 1", "hard b a", "hard c a"], &["file .wh.b -"]]),
    ("hard link to a link", &[&["sym a nowhere"], &["hard b a"]]),
    (
        "below a linked directory",
        &[&["dir usr", "dir usr/lib", "sym lib usr/lib"], &["file lib/x 1", "file usr/lib/y 2"]],
    ),
    ("below an absolute link", &[&["dir usr/lib", "sym lib /usr/lib"], &["file lib/x 1", "file lib/.wh.gone -"]]),
    ("link that climbs", &[&["dir d", "sym d/up ../../../../etc", "dir etc"], &["file d/up/x 1"]]),
    ("deletion through a link", &[&["dir usr/lib", "file usr/lib/x 1", "sym lib usr/lib"], &["file lib/.wh.x -"]]),
    ("hard link through a link", &[&["dir usr/lib", "file usr/lib/x 1", "sym lib usr/lib"], &["hard lib/y lib/x"]]),
    ("later of two", &[&["file a 1", "file a 2"], &["dir d", "sym d2 d", "file d2/x 1", "file d/x 2"]]),
    ("notes of aufs", &[&["file .wh..wh.plnk -", "file .wh..wh.aufs -", "file a 1"]]),
    ("same again", &[&["dir a", "file a/b text"], &["dir a", "file a/b text"]]),
    (
        "long names",
        &[&[
            "dir 0123456789012345678901234567890123456789012345678901234567890123456789",
            "file 0123456789012345678901234567890123456789012345678901234567890123456789/0123456789012345678901234567890123456789012345678901234567890123456789 x",
        ]],
    ),
];

#[test]
fn chains_are_unpacked_as_umoci_does() {
    for (name, chain) in CASES {
        let chain: Vec<Vec<u8>> = chain.iter().map(|lines| tar_of(lines)).collect();
        let scene = Scene::new();
        assert_eq!(scene.ours(&chain), scene.theirs(&chain), "{name}");
    }
}

/// What differs is that links of one file stay links, which unpackers that write into an open file do not see to.
#[test]
fn names_of_a_file_part_when_one_is_replaced() {
    let chain = [tar_of(&["file a old", "hard b a"]), tar_of(&["file a new"])];
    let shown = Scene::new().ours(&chain);
    assert!(shown["a"].contains("\"new\"") && shown["b"].contains("\"old\""), "{shown:?}");
}

/// Random chains over few names, so that everything meets everything.
#[test]
fn random_chains_are_unpacked_as_umoci_does() {
    let rounds = std::env::var("SINTER_SOAK").ok().and_then(|text| text.parse().ok()).unwrap_or(25);
    for seed in 0..rounds {
        let mut random = Random(u64::wrapping_mul(seed + 1, 0x9E37_79B9_7F4A_7C15) | 1);
        let chain: Vec<Vec<u8>> = (0..2 + random.below(3)).map(|layer| random_layer(&mut random, layer)).collect();
        let scene = Scene::new();
        assert_eq!(scene.ours(&chain), scene.theirs(&chain), "seed {seed}");
    }
}

/// Each path once, since unpackers differ in what a second entry of one name in one layer does to a first one.
fn random_layer(random: &mut Random, layer: u64) -> Vec<u8> {
    const DIRECTORIES: [&str; 5] = ["a", "b", "a/c", "a/c/d", "b/e"];
    let mut lines = vec![];
    for (index, directory) in DIRECTORIES.iter().enumerate() {
        if layer == 0 || random.below(3) == 0 {
            lines.push(format!("dir {directory} mode=7{}5", random.below(8)));
        }
        for name in ["x", "y"] {
            let path = format!("{directory}/{name}");
            lines.push(match random.below(8) {
                0 | 1 => format!("file {path} {layer}{index} uid={}", random.below(3)),
                2 => format!("sym {path} ../{name}"),
                3 if layer > 0 => format!("file {directory}/.wh.{name} -"),
                4 => format!("fifo {path}"),
                _ => continue,
            });
        }
        if layer > 0 && random.below(8) == 0 {
            lines.push(format!("file {directory}/.wh..wh..opq -"));
        }
    }
    tar_of(&lines.iter().map(String::as_str).collect::<Vec<_>>())
}

#[test]
fn layers_below_are_needed_for_links_only() {
    for (lines, is_needed) in [
        (&["file b x", "dir d mode=700", "file d/.wh.gone -", "file d/.wh..wh..opq -"][..], false),
        (&["hard b a", "file b x"], false),
        (&["hard b a"], true),
    ] {
        let scene = Scene::new();
        let tar = tar_of(&["file a text", "dir d", "file d/gone x"]);
        let below = scene.unpack(&[], &tar).expect("a layer").expect("a layer");
        fs::remove_dir_all(scene.store.root().join("layers").join(below.hex()).join("fs")).expect("removed");
        let store = Store::open(scene.store.root()).expect("a store");
        let scene = Scene { store, ..scene };
        match scene.unpack(&[below], &tar_of(lines)) {
            Err(StoreError::MissingLayer { digest }) => assert!(is_needed && digest == below, "{lines:?}"),
            made => assert!(made.expect("a layer").is_some() && !is_needed, "{lines:?}"),
        }
    }
}

#[test]
fn attributes_of_links_and_devices_are_no_part() {
    for line in ["sym a b", "fifo a", "char a 1:3"] {
        let unpack = |line: &str| Scene::new().unpack(&[], &tar_of(&[line])).expect(line).expect("a layer");
        for attribute in ["xattr.user.note=x", "xattr.security.capability=x", "acl.access=user:7,group:7,other:7"] {
            assert_eq!(unpack(&format!("{line} {attribute}")), unpack(line), "{line} {attribute}");
        }
    }
}

#[test]
fn the_place_of_the_store_hands_nothing_down() {
    let lines = ["dir d", "file d/a x mode=640", "file b x mode=4755", "fifo p", "sym l b", "char n 1:3"];
    let unpack = |scene: &Scene| scene.unpack(&[], &tar_of(&lines)).expect("a layer").expect("a layer");
    let plain = unpack(&Scene::new());
    let directory = tempfile::tempdir().expect("a directory");
    let list = access_list("user:7,user.9:7,group:7,mask:7,other:5");
    for name in ["system.posix_acl_default", "system.posix_acl_access"] {
        rustix::fs::setxattr(directory.path(), name, &list, rustix::fs::XattrFlags::empty()).expect("a list");
    }
    std::os::unix::fs::chown(directory.path(), None, Some(9)).expect("a group");
    fs::set_permissions(directory.path(), fs::Permissions::from_mode(0o2775)).expect("a mode");
    let store = Store::open(&directory.path().join("store")).expect("a store");
    assert_eq!(unpack(&Scene { directory, store }), plain);
}

#[test]
fn sparse_files_are_whole_whoever_wrote_them() {
    let place = tempfile::tempdir().expect("a directory");
    // A name too long for a plain header has another place in each form.
    let names = [
        "plain",
        "d/0123456789012345678901234567890123456789012345678901234567890123456789012345678901234567890123456",
    ];
    fs::create_dir(place.path().join("d")).expect("a directory");
    for (name, pieces, size) in [
        (names[0], &[(0, "begins"), (1 << 20, "middle"), ((1 << 22) + 5, "end")][..], (1 << 22) + 8),
        (names[1], &[(1 << 16, "alone")], 1 << 21),
        ("hole", &[], 1 << 20),
        ("many", &[(8192, "1"), (24576, "2"), (65536, "3"), (1 << 17, "4"), (1 << 18, "5"), (1 << 19, "6")], 1 << 20),
    ] {
        let file = fs::File::create_new(place.path().join(name)).expect("a file");
        file.set_len(size).expect("a length");
        for (offset, text) in pieces {
            std::os::unix::fs::FileExt::write_all_at(&file, text.as_bytes(), *offset).expect("written");
        }
    }
    for form in ["gnu", "posix 0.0", "posix 0.1", "posix 1.0"] {
        let (format, version) = form.split_once(' ').unwrap_or((form, "0.0"));
        let archive = place.path().join("tar");
        let made = Command::new("tar")
            .args(["--create", "--sparse", "--format", format, "--sparse-version", version, "--file"])
            .arg(&archive)
            .arg("--directory")
            .arg(place.path())
            .args(["--exclude=tar", "plain", "d", "hole", "many"])
            .status();
        assert!(made.expect("tar").success(), "{form}");
        let tar = fs::read(&archive).expect("an archive");
        assert!(tar.len() < 1 << 20, "{form}: not sparse");
        let scene = Scene::new();
        let ours = scene.ours(std::slice::from_ref(&tar));
        // umoci does not read the older form.
        if format == "posix" {
            assert_eq!(ours, scene.theirs(&[tar]), "{form}");
        }
        for name in [names[0], names[1], "hole", "many"] {
            let found = fs::read(scene.directory.path().join("ours").join(name)).expect("a file");
            assert!(found == fs::read(place.path().join(name)).expect("a file"), "{form}: {name}");
        }
    }
}

#[test]
fn sparse_files_that_lie_are_refused() {
    for (records, reason) in [
        (&[("GNU.sparse.major", "1"), ("GNU.sparse.minor", "0"), ("GNU.sparse.realsize", "9")][..], "cannot be read"),
        (&[("GNU.sparse.size", "9999999999"), ("GNU.sparse.numblocks", "1"), ("GNU.sparse.map", "0,4")], "more than"),
        (&[("GNU.sparse.size", "9"), ("GNU.sparse.numblocks", "1"), ("GNU.sparse.map", "0,8")], "cannot be read"),
        (&[("GNU.sparse.major", "7"), ("GNU.sparse.realsize", "9")], "nobody knows"),
        (
            &[("GNU.sparse.size", "4"), ("GNU.sparse.map", "0,4"), ("GNU.sparse.name", "x/.wh.a/b")],
            "`x/.wh.a/b` lies below",
        ),
    ] {
        let mut builder = tar::Builder::new(Vec::new());
        builder.append_pax_extensions(records.iter().map(|(name, value)| (*name, value.as_bytes()))).expect("records");
        let mut header = tar::Header::new_gnu();
        header.set_size(4);
        header.set_mode(0o644);
        header.set_uid(0);
        header.set_gid(0);
        header.set_mtime(0);
        builder.append_data(&mut header, "a", &b"text"[..]).expect("an entry");
        let scene = Scene::new();
        let error = scene.unpack(&[], &builder.into_inner().expect("an archive")).expect_err(reason).to_string();
        assert!(error.contains(reason), "{error}");
        assert_eq!(published(&scene), 0, "{reason}");
    }
}

/// Counts the files that are staged in a store while bytes are read.
struct Watching<'a> {
    bytes: &'a [u8],
    work: PathBuf,
    most: usize,
}

impl Read for Watching<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let below = |path: PathBuf| fs::read_dir(path).into_iter().flatten().flatten().map(|entry| entry.path());
        let staged = below(self.work.clone()).flat_map(below).map(|place| below(place.join("staged")).count());
        self.most = self.most.max(staged.sum());
        self.bytes.read(buffer)
    }
}

#[test]
fn contents_that_are_replaced_go_at_once() {
    let many: Vec<String> = (0..30).map(|number| format!("file a {number}")).collect();
    let many: Vec<&str> = many.iter().map(String::as_str).collect();
    let cases: [(&[&str], usize); 5] = [
        (&many, 2),
        (&["file a 1", "dir a", "file a/b 2", "file a 3", "sym a b", "file c 4"], 2),
        (&["dir d", "file d/a 1", "file d/b 2", "fifo d", "file c 3"], 2),
        (&["file a 1", "hard b a", "file a 2", "file b 3", "file c 4"], 3),
        (&["dir d", "file d/a 1", "hard d d/a"], 1),
    ];
    for (lines, most) in cases {
        let (scene, tar) = (Scene::new(), tar_of(lines));
        let mut watching = Watching { bytes: &tar, work: scene.store.root().join("work"), most: 0 };
        let (diff_id, tree) = (BlobDigest::of(&tar), Tree::new());
        let foreign =
            Foreign { below: &[], tree: &tree, tar: &mut watching, diff_id, limit: 1 << 20, origin: Origin::Captured };
        scene.store.unpack_foreign(foreign).expect("a layer");
        assert_eq!(watching.most, most, "{lines:?}");
    }
}

/// On a file system that holds more, the result is the same.
#[test]
fn times_beyond_the_disk_are_clamped() {
    let (earliest, latest) = (-0x8000_0000_i64, 15_032_385_535_i64);
    for (setting, expected) in [
        ("time=-62135596800", earliest),
        ("time=253402300799", latest),
        ("time=9223372036854775807", latest),
        ("time=99999999999999999999", latest),
        ("mtime=253402300799", latest),
        ("mtime=9223372036854775807", latest),
        ("mtime=-62135596800", earliest),
        ("mtime=-5", -5),
        ("time=-5.5", -6),
        ("time=15032385535", latest),
    ] {
        let lines = [format!("file a x {setting}"), format!("dir d {setting}"), format!("sym l a {setting}")];
        let tar = tar_of(&lines.each_ref().map(String::as_str));
        let scene = Scene::new();
        let layer = scene.unpack(&[], &tar).expect(setting).expect("a layer");
        let manifest = scene.store.manifest(&layer).expect("a manifest");
        assert!(manifest.entries().iter().all(|entry| entry.mtime == expected), "{setting}: {manifest:?}");
    }
}

#[test]
fn hostile_layers_are_refused_and_leave_nothing() {
    let loops: &[&str] = &["sym a b", "sym b a"];
    let cases: &[(&[&str], &[&str], &str)] = &[
        (&[], &["hard a nothing"], "which is not there"),
        (&[], &["hard a ../../etc/passwd"], "which is not there"),
        (&["dir d"], &["hard a d"], "which is a directory"),
        (&["file a x"], &["file a/b x"], "is no directory"),
        (&["char a 1:3"], &["file a/b x"], "is no directory"),
        (loops, &["file a/x 1"], "in a circle"),
        (&[], &["file .wh.a/b x"], "below the name of a deletion"),
        (&[], &["file .wh. x"], "deletes nothing"),
        (&[], &["file . x"], "has no name"),
        (&[], &["sym a"], "link to nothing"),
        (&["file d x"], &["char d 0:0"], "take for a deletion"),
        (&[], &["file a x uid=4294967295"], "`a` belongs to user 4294967295"),
        (&[], &["dir a gid=4294967295"], "`a` belongs to group 4294967295"),
        (&[], &["sym a b uid=4294967296"], "`a` belongs to user 4294967296"),
        (&["file a x"], &["hard a a"], "link to itself"),
        (&["dir d", "file d/a x", "sym l d"], &["hard d/a l/a"], "link to itself"),
        (loops, &["file a/.wh.x -"], "in a circle"),
    ];
    for (below, lines, reason) in cases {
        let scene = Scene::new();
        let below: Vec<LayerDigest> = scene.unpack(&[], &tar_of(below)).expect("a layer").into_iter().collect();
        let before = published(&scene);
        let error = scene.unpack(&below, &tar_of(lines)).expect_err(reason);
        assert!(matches!(error, StoreError::Foreign { .. }) && error.to_string().contains(reason), "{error}");
        assert_eq!(published(&scene), before, "{reason}");
    }
}

/// The test runs itself again where root is the only user there is.
#[test]
fn owners_outside_of_the_map_are_named() {
    let map = fs::read_to_string("/proc/self/uid_map").expect("a map");
    if map.split_whitespace().nth(2) != Some("1") {
        let itself = std::env::current_exe().expect("this program");
        let mut inside = Command::new("unshare");
        inside.arg("--map-root-user").arg(itself).args(["--exact", "owners_outside_of_the_map_are_named"]);
        let ran = inside.output().expect("unshare: run `cargo xtask setup`");
        assert!(ran.status.success(), "{}", String::from_utf8_lossy(&ran.stdout));
        return;
    }
    for (line, owner) in [("file a x uid=5", "user 5"), ("dir a gid=7", "group 7"), ("sym a b uid=70000", "user 70000")]
    {
        let error = Scene::new().unpack(&[], &tar_of(&["file b x", line])).expect_err(line).to_string();
        assert!(error.contains(&format!("`a` belongs to {owner}; files of this store can have 0-0 only")), "{error}");
    }
}

fn published(scene: &Scene) -> usize {
    fs::read_dir(scene.store.root().join("layers")).expect("a listing").count()
}

#[test]
fn bytes_that_are_others_are_refused() {
    let scene = Scene::new();
    let tar = tar_of(&["dir a", "file a/b some-text-that-is-there"]);
    let unpack = |bytes: &[u8], diff_id: BlobDigest, limit: u64| {
        let mut reader = bytes;
        let foreign =
            Foreign { below: &[], tree: &Tree::new(), tar: &mut reader, diff_id, limit, origin: Origin::Captured };
        scene.store.unpack_foreign(foreign).expect_err("refused").to_string()
    };
    let right = BlobDigest::of(&tar);
    assert!(unpack(&tar, BlobDigest::of(b"x"), 1 << 20).contains("damaged or forged"));
    assert!(unpack(&tar, right, 1024).contains("more than 1024 bytes"));
    for length in (0..tar.len()).step_by(97) {
        let cut = &tar[..length];
        unpack(cut, right, 1 << 20);
    }
    let mut longer = tar.clone();
    longer.extend([0; 512]);
    assert!(unpack(&longer, right, 1 << 20).contains("damaged or forged"));
    for index in (0..tar.len()).step_by(41) {
        let mut changed = tar.clone();
        changed[index] ^= 0x41;
        unpack(&changed, right, 1 << 20);
    }
    assert_eq!(published(&scene), 0);
    // An extended header that would fill the memory.
    let mut header = tar::Header::new_ustar();
    header.set_entry_type(tar::EntryType::XHeader);
    header.set_size(1 << 40);
    header.set_cksum();
    let mut endless = std::io::Read::chain(&header.as_bytes()[..], std::io::repeat(b'9'));
    let foreign = Foreign {
        below: &[],
        tree: &Tree::new(),
        tar: &mut endless,
        diff_id: right,
        limit: 1 << 30,
        origin: Origin::Captured,
    };
    let error = scene.store.unpack_foreign(foreign).expect_err("refused").to_string();
    assert!(error.contains("longer than any honest one"), "{error}");
}

#[test]
fn a_layer_that_changes_nothing_is_none() {
    let scene = Scene::new();
    let first = tar_of(&["dir a", "file a/b text"]);
    let below: Vec<LayerDigest> = scene.unpack(&[], &first).expect("a layer").into_iter().collect();
    for lines in [&["dir a", "file a/b text"][..], &["dir a"], &["file a/.wh.nothing -"], &[]] {
        assert_eq!(scene.unpack(&below, &tar_of(lines)).expect("nothing"), None, "{lines:?}");
    }
}
