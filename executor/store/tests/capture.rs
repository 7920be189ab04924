//! Capture over real overlay mounts: what a script leaves, and the same changes drawn at random.

mod support;

use std::collections::BTreeMap;
use std::ffi::CString;
use std::fs;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{MetadataExt, PermissionsExt, lchown, symlink};
use std::path::{Path, PathBuf};

use rustix::fs::{CWD, FileType, Mode, XattrFlags, mknodat};
use rustix::mount::{MountFlags, UnmountFlags, mount, unmount};
use sinter_graph::path::TreePath;
use sinter_graph::tree::{Entry, Kind, LayerIndex, Manifest, Tree};
use sinter_store::{
    CaptureError, CapturePolicy, Captured, Given, NothingBelow, Store, capture, dress_root, write_view,
};
use support::{Random, Sample, path};

/// A lower directory, declared files, and an overlay over both.
struct Scene {
    directory: tempfile::TempDir,
    from: Tree,
    files: Tree,
}

/// Mounted until dropped.
struct Mounted(PathBuf);

impl Drop for Mounted {
    fn drop(&mut self) {
        unmount(&self.0, UnmountFlags::DETACH).expect("unmount");
    }
}

impl Scene {
    fn new(lower: &Sample, files: &Sample) -> Self {
        let directory = tempfile::tempdir().expect("a directory");
        for name in ["lower", "files", "upper", "work", "merged"] {
            fs::create_dir(directory.path().join(name)).expect("a directory");
        }
        lower.write(&directory.path().join("lower"));
        files.write(&directory.path().join("files"));
        let (from, files) = (Tree::single(&lower.manifest()), Tree::single(&files.manifest()));
        Self { directory, from, files }
    }

    fn place(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }

    /// Mounts, lets `script` work on the merged directory, and gives what `look` sees afterwards.
    fn run<T>(&self, script: impl FnOnce(&Path), look: impl FnOnce(&Path) -> T) -> T {
        let lower = [self.place("files"), self.place("lower")];
        let _mounted = self.mount(&lower, true);
        script(&self.place("merged"));
        look(&self.place("merged"))
    }

    fn mount(&self, lower: &[PathBuf], writable: bool) -> Mounted {
        let lower: Vec<String> = lower.iter().map(|path| path.display().to_string()).collect();
        let mut options = format!("userxattr,lowerdir={}", lower.join(":"));
        if writable {
            let (upper, work) = (self.place("upper"), self.place("work"));
            options += &format!(",upperdir={},workdir={}", upper.display(), work.display());
        }
        let options = CString::new(options).expect("options");
        mount("overlay", self.place("merged"), "overlay", MountFlags::empty(), Some(options.as_c_str()))
            .expect("an overlay mount (needs root or a mapped user namespace)");
        Mounted(self.place("merged"))
    }

    fn capture(&self, policy: &CapturePolicy<'_>) -> Result<Manifest, CaptureError> {
        Ok(self.capture_layer(policy)?.into_manifest())
    }

    fn capture_layer(&self, policy: &CapturePolicy<'_>) -> Result<Captured, CaptureError> {
        capture(&self.place("upper"), &Given { from: &self.from, files: &self.files }, policy)
    }
}

/// One line per entry: type, mode and path.
fn listing(manifest: &Manifest) -> Vec<String> {
    manifest.entries().iter().map(line).collect()
}

fn line(entry: &Entry) -> String {
    let (kind, tail) = match &entry.kind {
        Kind::Directory => ("dir", String::new()),
        Kind::File { size, .. } => ("file", format!(" {size}")),
        Kind::Symlink { target } => ("link", format!(" -> {}", String::from_utf8_lossy(target))),
        Kind::HardLink { to } => ("name", format!(" of {to}")),
        Kind::Fifo => ("fifo", String::new()),
        Kind::CharacterDevice { major, minor } | Kind::BlockDevice { major, minor } => {
            ("device", format!(" {major}:{minor}"))
        }
        Kind::Whiteout => return format!("gone {}", entry.path),
    };
    format!("{kind} {:o} {}{tail}", entry.mode, entry.path)
}

fn base() -> Sample {
    let mut lower = Sample::new();
    lower.file("etc/passwd", b"root:x:0:0", 0o644);
    lower.file("etc/motd", b"hello", 0o644);
    lower.add("etc/link", Kind::Symlink { target: b"motd".as_slice().into() }, 0o777);
    lower.file("app/from-tree", b"tree", 0o644);
    lower.file("data/a", b"a", 0o644);
    lower.file("data/b", b"b", 0o600).uid = 5;
    lower.file("data/sub/c", b"c", 0o644);
    lower.add("var/log/apt", Kind::Directory, 0o755);
    lower.add("var/lib/dpkg", Kind::Directory, 0o755);
    lower
}

fn declared() -> Sample {
    let mut files = Sample::new();
    files.file("app/package.json", b"{}", 0o644);
    files.file("app/web/index.html", b"<p>", 0o644);
    files
}

fn write(root: &Path, at: &str, content: &str) {
    let place = root.join(at);
    fs::create_dir_all(place.parent().expect("a parent")).expect("parents");
    fs::write(place, content).expect("a file");
}

fn chmod(root: &Path, at: &str, mode: u32) {
    fs::set_permissions(root.join(at), fs::Permissions::from_mode(mode)).expect("a mode");
}

type Case = (&'static str, fn(&Path), &'static [&'static str]);

const CASES: &[Case] = &[
    ("nothing at all", |_| {}, &[]),
    ("a new file", |root| write(root, "srv/x", "1"), &["dir 755 srv", "file 644 srv/x 1"]),
    ("a new empty directory", |root| fs::create_dir(root.join("srv")).expect("dir"), &["dir 755 srv"]),
    ("written as it was", |root| write(root, "etc/motd", "hello"), &[]),
    (
        "copied up without change",
        |root| {
            chmod(root, "etc/motd", 0o600);
            chmod(root, "etc/motd", 0o644);
            lchown(root.join("data/a"), Some(1), None).expect("chown");
            lchown(root.join("data/a"), Some(0), None).expect("chown");
            fs::File::options().append(true).open(root.join("data/sub/c")).expect("open");
            lchown(root.join("etc/link"), Some(0), Some(0)).expect("chown");
        },
        &[],
    ),
    ("a changed mode", |root| chmod(root, "etc/motd", 0o600), &["dir 755 etc", "file 600 etc/motd 5"]),
    ("a changed directory", |root| chmod(root, "data", 0o700), &["dir 700 data"]),
    ("a changed root", |root| chmod(root, "", 0o711), &["dir 711 "]),
    (
        "a changed owner",
        |root| lchown(root.join("etc/link"), Some(7), None).expect("chown"),
        &["dir 755 etc", "link 777 etc/link -> motd"],
    ),
    ("a deleted file", |root| fs::remove_file(root.join("etc/motd")).expect("rm"), &["dir 755 etc", "gone etc/motd"]),
    ("a deleted directory", |root| fs::remove_dir_all(root.join("data")).expect("rm"), &["gone data"]),
    ("a deleted declared file", |root| fs::remove_file(root.join("app/package.json")).expect("rm"), &[]),
    ("a deleted declared directory", |root| fs::remove_dir_all(root.join("app/web")).expect("rm"), &[]),
    ("a deleted shared directory", |root| fs::remove_dir_all(root.join("app")).expect("rm"), &["gone app"]),
    (
        "an edited declared file",
        |root| write(root, "app/package.json", "{1}"),
        &["dir 755 app", "file 644 app/package.json 3"],
    ),
    (
        "a file beside declared ones",
        |root| write(root, "app/web/out.js", "js"),
        &["dir 755 app", "dir 755 app/web", "file 644 app/web/out.js 2"],
    ),
    (
        "a directory made again",
        |root| {
            fs::remove_dir_all(root.join("data")).expect("rm");
            write(root, "data/a", "a");
            write(root, "data/new", "n");
        },
        &["dir 755 data", "gone data/b", "file 644 data/new 1", "gone data/sub"],
    ),
    (
        "a declared directory made again",
        |root| {
            fs::remove_dir_all(root.join("app")).expect("rm");
            fs::create_dir(root.join("app")).expect("dir");
        },
        &["dir 755 app", "gone app/from-tree"],
    ),
    (
        "a file instead of a directory",
        |root| {
            fs::remove_dir_all(root.join("data")).expect("rm");
            write(root, "data", "file");
        },
        &["file 644 data 4"],
    ),
    (
        "a directory instead of a file",
        |root| {
            fs::remove_file(root.join("etc/motd")).expect("rm");
            write(root, "etc/motd/x", "1");
        },
        &["dir 755 etc", "dir 755 etc/motd", "file 644 etc/motd/x 1"],
    ),
    (
        "made and deleted",
        |root| {
            write(root, "srv/x", "1");
            fs::remove_dir_all(root.join("srv")).expect("rm");
        },
        &[],
    ),
    (
        "names of one new file",
        |root| {
            write(root, "srv/b", "1");
            fs::hard_link(root.join("srv/b"), root.join("srv/a")).expect("link");
            fs::hard_link(root.join("srv/b"), root.join("srv/c")).expect("link");
        },
        &["dir 755 srv", "file 644 srv/a 1", "name 644 srv/b of srv/a", "name 644 srv/c of srv/a"],
    ),
    (
        "a new name of an old file",
        |root| fs::hard_link(root.join("data/a"), root.join("data/again")).expect("link"),
        &["dir 755 data", "file 644 data/a 1", "name 644 data/again of data/a"],
    ),
    (
        "special files",
        |root| {
            mknodat(CWD, root.join("pipe"), FileType::Fifo, Mode::from_raw_mode(0o600), 0).expect("a pipe");
            let device = rustix::fs::makedev(1, 7);
            mknodat(CWD, root.join("full"), FileType::CharacterDevice, Mode::from_raw_mode(0o600), device)
                .expect("one");
            chmod(root, "full", 0o2666);
        },
        &["device 2666 full 1:7", "fifo 600 pipe"],
    ),
    (
        "names of one pipe or link",
        |root| {
            mknodat(CWD, root.join("pipe"), FileType::Fifo, Mode::from_raw_mode(0o600), 0).expect("a pipe");
            fs::hard_link(root.join("pipe"), root.join("same")).expect("a name");
            symlink("to", root.join("soft")).expect("a link");
            fs::hard_link(root.join("soft"), root.join("soft-too")).expect("a name");
        },
        &["fifo 600 pipe", "fifo 600 same", "link 777 soft -> to", "link 777 soft-too -> to"],
    ),
    (
        "sockets",
        |root| {
            std::os::unix::net::UnixListener::bind(root.join("new.sock")).expect("a socket");
            fs::remove_file(root.join("etc/motd")).expect("rm");
            std::os::unix::net::UnixListener::bind(root.join("etc/motd")).expect("a socket");
        },
        &["dir 755 etc", "gone etc/motd"],
    ),
    (
        "the drop list",
        |root| {
            for name in ["var/log/apt/term.log", "var/log/dpkg.log", "var/lib/dpkg/status-old", "etc/passwd-"] {
                write(root, name, "now");
            }
            write(root, "out/.ninja_log", "now");
            write(root, "out/x", "1");
        },
        &["dir 755 out", "file 644 out/x 1"],
    ),
    (
        "mount points",
        |root| {
            write(root, "proc/self/x", "1");
            write(root, "sinter/script", "1");
        },
        &[],
    ),
];

const MOUNT_POINTS: [&str; 2] = ["proc", "sinter"];

#[test]
fn scripts_leave_exactly_their_difference() {
    let mount_points = MOUNT_POINTS.map(path);
    let policy = CapturePolicy { mount_points: &mount_points, ..CapturePolicy::ALL };
    for (name, script, expected) in CASES {
        let scene = Scene::new(&base(), &declared());
        scene.run(script, |_| ());
        let manifest = scene.capture(&policy).expect(name);
        assert_eq!(listing(&manifest), *expected, "{name}");
        check_disk(&scene, &manifest, name);
    }
}

/// Apart from whiteouts, which this removes, the upper directory must be exactly what the manifest says.
fn check_disk(scene: &Scene, manifest: &Manifest, name: &str) {
    manifest.check().expect(name);
    let again = capture(&scene.place("upper"), &NothingBelow, &CapturePolicy::ALL).expect(name).into_manifest();
    let whiteouts = |manifest: &Manifest| -> Vec<Entry> {
        manifest.entries().iter().filter(|e| e.kind != Kind::Whiteout && !e.path.is_root()).cloned().collect()
    };
    assert_eq!(whiteouts(&again), whiteouts(manifest), "{name}: the directory is the manifest");
}

#[test]
fn normal_layers_are_their_own_capture() {
    for (name, script, _) in CASES {
        let scene = Scene::new(&base(), &declared());
        scene.run(script, |_| ());
        let first = scene.capture(&CapturePolicy::ALL).expect(name);
        assert_eq!(scene.capture(&CapturePolicy::ALL).expect(name), first, "{name}");
        let store = Store::open(&scene.place("store")).expect("a store");
        let digest = store.publish_layer(&scene.place("upper"), first, sinter_store::Origin::Captured).expect(name);
        store.write_layer(&digest, &mut std::io::sink()).expect(name);
    }
}

#[test]
fn keep_and_drop_narrow_the_difference() {
    let scene = Scene::new(&base(), &declared());
    scene.run(
        |root| {
            write(root, "app/dist/a", "1");
            write(root, "app/dist/map/b", "2");
            write(root, "app/cache/c", "3");
            fs::remove_file(root.join("etc/motd")).expect("rm");
            chmod(root, "app", 0o700);
        },
        |_| (),
    );
    let (dist, map) = (path("app/dist"), path("app/dist/map"));
    let keep = |path: &TreePath| path.starts_with(&dist);
    let drop = |path: &TreePath| path.starts_with(&map);
    let policy = CapturePolicy { mount_points: &[], keep: &keep, drop: &drop };
    let manifest = scene.capture(&policy).expect("a manifest");
    assert_eq!(listing(&manifest), ["dir 700 app", "dir 755 app/dist", "file 644 app/dist/a 1"]);
    check_disk(&scene, &manifest, "keep and drop");
}

#[test]
fn only_documented_attributes_are_kept() {
    let scene = Scene::new(&base(), &declared());
    let set = |place: &Path, name: &str, value: &[u8]| {
        rustix::fs::setxattr(place, name, value, XattrFlags::empty()).expect(name);
    };
    let capability = [1, 0, 0, 2, 0, 32, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0];
    scene.run(
        |root| {
            write(root, "srv/x", "1");
            set(&root.join("srv/x"), "user.note", b"kept");
            set(&root.join("srv/x"), "security.capability", &capability);
            set(&root.join("srv/x"), "trusted.note", b"dropped");
            set(&root.join("etc/motd"), "user.note", b"kept");
            set(&root.join("data"), "user.note", b"kept");
        },
        |_| (),
    );
    let manifest = scene.capture(&CapturePolicy::ALL).expect("a manifest");
    let names = |at: &str| -> Vec<String> {
        let entry = manifest.get(&path(at)).expect(at);
        entry.xattrs.keys().map(|name| String::from_utf8_lossy(name).into_owned()).collect()
    };
    assert_eq!(names("srv/x"), ["security.capability", "user.note"]);
    assert_eq!((names("etc/motd"), names("data")), (vec!["user.note".to_owned()], vec!["user.note".to_owned()]));
    let mut left = [0; 1024];
    for name in ["srv/x", "data", "etc", "srv"] {
        let length = rustix::fs::listxattr(scene.place("upper").join(name), &mut left[..]).expect("a list");
        let left = String::from_utf8_lossy(&left[..length]).into_owned();
        assert!(!left.contains("overlay") && !left.contains("trusted"), "{name}: {left}");
    }
}

#[test]
fn what_no_layer_can_hold_is_an_error() {
    let scene = Scene::new(&base(), &declared());
    scene.run(|root| write(root, "srv/.wh.x", "1"), |_| ());
    let error = scene.capture(&CapturePolicy::ALL).expect_err("a reserved name");
    assert!(error.to_string().starts_with("/srv/.wh.x: "), "{error}");

    let scene = Scene::new(&base(), &declared());
    let name = "user.a=b";
    scene.run(|root| rustix::fs::setxattr(root.join("data"), name, b"", XattrFlags::empty()).expect(name), |_| ());
    let error = scene.capture(&CapturePolicy::ALL).expect_err("an attribute");
    assert!(matches!(error, CaptureError::AttributeName { .. }), "{error}");

    for at in ["data", "etc/motd", ""] {
        let scene = Scene::new(&base(), &declared());
        let set = |root: &Path| rustix::fs::setxattr(root.join(at), "user.a", b"", XattrFlags::empty());
        scene.run(|root| set(root).expect("an attribute"), |_| ());
        let error = scene.capture(&CapturePolicy::ALL).expect_err("an empty attribute");
        assert!(matches!(error, CaptureError::EmptyAttribute { .. }), "{at}: {error}");
    }
}

/// An ACL as the kernel keeps it: version, then tag, permissions and id of each entry. It names user 7.
fn acl() -> Vec<u8> {
    let entries = [(1_u16, 7_u16, u32::MAX), (2, 7, 7), (4, 5, u32::MAX), (16, 7, u32::MAX), (32, 5, u32::MAX)];
    let mut bytes = 2_u32.to_le_bytes().to_vec();
    for (tag, permissions, id) in entries {
        bytes.extend(tag.to_le_bytes());
        bytes.extend(permissions.to_le_bytes());
        bytes.extend(id.to_le_bytes());
    }
    bytes
}

type RootCase = (&'static str, fn(&mut Entry), fn(&Path));

/// What a step does to `/` is its root entry, and a later step that leaves `/` alone keeps it.
#[test]
fn roots_are_captured_and_kept() {
    let changes: [RootCase; 5] = [
        ("nothing", |_| {}, |_| {}),
        ("mode", |root| root.mode = 0o1711, |root| chmod(root, "", 0o1711)),
        ("owner", |root| (root.uid, root.gid) = (3, 4), |root| lchown(root, Some(3), Some(4)).expect("an owner")),
        (
            "attribute",
            |root| drop(root.xattrs.insert(b"user.note".as_slice().into(), b"x".as_slice().into())),
            |root| rustix::fs::setxattr(root, "user.note", b"x", XattrFlags::empty()).expect("an attribute"),
        ),
        (
            "default ACL",
            |root| drop(root.xattrs.insert(b"system.posix_acl_default".as_slice().into(), acl().into())),
            |root| {
                rustix::fs::setxattr(root, "system.posix_acl_default", &acl(), XattrFlags::empty()).expect("an ACL");
            },
        ),
    ];
    for (name, change, script) in changes {
        let scene = Scene::new(&base(), &declared());
        dress_root(&scene.place("upper"), scene.from.get(&TreePath::root()).map(|shown| &shown.entry)).expect(name);
        scene.run(script, |_| ());
        let mut expected = Entry::directory(TreePath::root());
        change(&mut expected);
        let manifest = scene.capture(&CapturePolicy::ALL).expect(name);
        let entries = if name == "nothing" { Vec::new() } else { vec![expected.clone()] };
        assert_eq!(manifest.entries(), entries, "{name}");

        let mut changed = base();
        changed.entries.push(expected);
        let later = Scene::new(&changed, &declared());
        dress_root(&later.place("upper"), later.from.get(&TreePath::root()).map(|shown| &shown.entry)).expect(name);
        later.run(|root| write(root, "etc/later", "1"), |_| ());
        let manifest = later.capture(&CapturePolicy::ALL).expect(name);
        assert!(manifest.get(&TreePath::root()).is_none(), "{name}: {:?}", listing(&manifest));
    }
}

/// Nothing of the directory the store lies in reaches a layer: neither its group, its setgid bit nor its ACLs.
#[test]
fn layers_inherit_nothing_from_the_directory_of_the_store() {
    let mut layers = Vec::new();
    for odd in [false, true] {
        let scene = Scene::new(&base(), &declared());
        if odd {
            lchown(scene.directory.path(), None, Some(99)).expect("a group");
            chmod(scene.directory.path(), "", 0o2777);
            for name in ["system.posix_acl_default", "system.posix_acl_access"] {
                rustix::fs::setxattr(scene.directory.path(), name, &acl(), XattrFlags::empty()).expect("an ACL");
            }
            for name in ["upper", "work"] {
                fs::remove_dir(scene.place(name)).expect("a removal");
                fs::create_dir(scene.place(name)).expect("a directory");
            }
        }
        dress_root(&scene.place("upper"), None).expect("upper");
        scene.run(
            |root| {
                write(root, "srv/new", "1");
                write(root, "etc/motd", "changed");
                chmod(root, "data/b", 0o640);
                chmod(root, "data/sub", 0o700);
                fs::remove_file(root.join("data/a")).expect("a removal");
                write(root, "data/a", "again");
                fs::remove_dir_all(root.join("app")).expect("a removal");
                fs::create_dir(root.join("app")).expect("a directory");
            },
            |_| (),
        );
        layers.push(scene.capture_layer(&CapturePolicy::ALL).expect("a layer"));
    }
    assert_eq!(layers[0].manifest(), layers[1].manifest());
    assert_eq!(layers[0].digest(), layers[1].digest());
}

#[test]
fn endless_depth_is_an_error() {
    let directory = tempfile::tempdir().expect("a directory");
    let upper = directory.path().join("upper");
    fs::create_dir(&upper).expect("a directory");
    let open = |parent: &rustix::fd::OwnedFd| {
        rustix::fs::openat(parent, "deep", rustix::fs::OFlags::DIRECTORY, Mode::empty()).expect("a level")
    };
    let mut current = rustix::fs::openat(CWD, &upper, rustix::fs::OFlags::DIRECTORY, Mode::empty()).expect("the root");
    for _ in 0..1500 {
        rustix::fs::mkdirat(&current, "deep", Mode::RWXU).expect("a level");
        current = open(&current);
    }
    let error = capture(&upper, &NothingBelow, &CapturePolicy::ALL).expect_err("too deep");
    assert!(matches!(error, CaptureError::PathTooLong { .. }), "{error}");
    sinter_store::remove_tree(&upper).expect("removal");
}

/// What can be seen of one path.
type Seen = (u32, u32, u32, String);

/// Everything below a directory, but not the root, sockets and names of one file.
fn snapshot(root: &Path) -> BTreeMap<PathBuf, Seen> {
    let (mut seen, mut pending) = (BTreeMap::new(), vec![root.to_owned()]);
    while let Some(directory) = pending.pop() {
        for entry in fs::read_dir(&directory).expect("a listing").flatten() {
            let stat = fs::symlink_metadata(entry.path()).expect("metadata");
            let content = match FileType::from_raw_mode(stat.mode()) {
                FileType::Directory => {
                    pending.push(entry.path());
                    String::new()
                }
                FileType::RegularFile => fs::read_to_string(entry.path()).expect("content"),
                FileType::Symlink => fs::read_link(entry.path()).expect("target").display().to_string(),
                FileType::Socket => continue,
                _ => stat.rdev().to_string(),
            };
            let relative = entry.path().strip_prefix(root).expect("a prefix").to_owned();
            seen.insert(relative, (stat.mode(), stat.uid(), stat.gid(), content));
        }
    }
    seen
}

fn name(random: &mut Random) -> String {
    let depth = 1 + random.below(3);
    (0..depth).map(|_| ["a", "a-b", "b", "c"][random.below(4) as usize]).collect::<Vec<_>>().join("/")
}

fn random_lower(random: &mut Random) -> Sample {
    let mut manifest: BTreeMap<TreePath, ()> = BTreeMap::new();
    let mut sample = Sample::new();
    for _ in 0..12 {
        let at = path(name(random));
        let taken = manifest.keys().any(|other| other.starts_with(&at) || at.starts_with(other));
        if taken {
            continue;
        }
        manifest.insert(at.clone(), ());
        match random.below(4) {
            0 => sample.add(at.as_bytes(), Kind::Directory, 0o755),
            1 => sample.add(at.as_bytes(), Kind::Symlink { target: b"a".as_slice().into() }, 0o777),
            _ => sample.file(at.as_bytes(), &[b'0' + random.below(3) as u8], 0o644),
        };
    }
    sample
}

/// One change; most fail for want of a suitable path, which is fine.
fn disturb(root: &Path, random: &mut Random) -> std::io::Result<()> {
    let (at, other) = (root.join(name(random)), root.join(name(random)));
    match random.below(13) {
        0..=2 => fs::write(&at, random.below(3).to_string()),
        3 => fs::create_dir_all(&at),
        4 => fs::remove_file(&at),
        5 | 6 => fs::remove_dir_all(&at),
        7 => fs::rename(&at, &other),
        8 => symlink("a", &at),
        9 => fs::hard_link(&at, &other),
        10 => fs::set_permissions(&at, fs::Permissions::from_mode([0o644, 0o755, 0o700][random.below(3) as usize])),
        11 => lchown(&at, Some(random.below(2) as u32), None),
        _ => std::os::unix::net::UnixListener::bind(&at).map(|_| ()),
    }
}

/// For any changes: lower and captured layer, as data and mounted, show what the script saw at its end.
#[test]
fn captured_layers_reproduce_what_was_seen() {
    let rounds = if std::env::var_os("SINTER_SOAK").is_some() { 3000 } else { 60 };
    for seed in 1..=rounds {
        let mut random = Random(0x9E37_79B9_7F4A_7C15_u64.wrapping_mul(seed));
        let lower = random_lower(&mut random);
        let scene = Scene::new(&lower, &Sample::new());
        let changes = random.below(25);
        let script = |root: &Path| (0..changes).for_each(|_| drop(disturb(root, &mut random)));
        let seen = scene.run(script, snapshot);
        let manifest = scene.capture(&CapturePolicy::ALL).expect("a manifest");
        manifest.check().unwrap_or_else(|error| panic!("seed {seed}: {error}"));
        assert_eq!(as_seen(&lower, &manifest, &scene), seen, "seed {seed}: as data");
        let mounted = scene.mount(&[scene.place("upper"), scene.place("lower")], false);
        assert_eq!(snapshot(&mounted.0), seen, "seed {seed}: as overlay");
        drop(mounted);
        check_minimal(&scene, &manifest, seed);
        check_disk(&scene, &manifest, &format!("seed {seed}"));
    }
}

/// What the stack of both manifests shows, in the words of [`snapshot`].
fn as_seen(lower: &Sample, upper: &Manifest, scene: &Scene) -> BTreeMap<PathBuf, Seen> {
    let lower = lower.manifest();
    let tree = Tree::stack([(LayerIndex(0), &lower), (LayerIndex(1), upper)]);
    let places = [scene.place("lower"), scene.place("upper")];
    let seen = tree.iter().filter(|shown| !shown.entry.path.is_root()).map(|shown| {
        let entry = &shown.entry;
        let carrier = shown.link_of.as_ref().unwrap_or(&entry.path);
        let (kind, content) = match &entry.kind {
            Kind::File { .. } => {
                let place = places[shown.layer.0].join(carrier.to_os_path());
                (FileType::RegularFile, fs::read_to_string(place).expect("content"))
            }
            Kind::Symlink { target } => (FileType::Symlink, String::from_utf8_lossy(target).into_owned()),
            Kind::Directory => (FileType::Directory, String::new()),
            other => panic!("unexpected {other:?}"),
        };
        let place = PathBuf::from(std::ffi::OsStr::from_bytes(entry.path.as_bytes()));
        (place, (kind.as_raw_mode() | entry.mode, entry.uid, entry.gid, content))
    });
    seen.collect()
}

/// No entry says again what the lower layer says, but parents and names of changed files.
fn check_minimal(scene: &Scene, manifest: &Manifest, seed: u64) {
    let entries = manifest.entries();
    for entry in entries {
        let below = scene.from.get(&entry.path);
        let is_parent = entries.iter().any(|other| other.path != entry.path && other.path.starts_with(&entry.path));
        let is_linked = entries.iter().any(|other| matches!(&other.kind, Kind::HardLink { to } if *to == entry.path));
        let repeats = below.is_some_and(|below| below.entry.same_but_time(entry));
        assert!(!repeats || is_parent || is_linked, "seed {seed}: {} is not a change", entry.path);
        assert!(entry.kind != Kind::Whiteout || below.is_some(), "seed {seed}: {} was never there", entry.path);
    }
}

#[test]
fn views_keep_every_path_its_own_inode_under_overlay() {
    let mut files = Sample::new();
    for name in ["app/a/__init__.py", "app/b/__init__.py", "app/c/__init__.py"] {
        files.file(name, b"", 0o644);
    }
    let scene = Scene::new(&base(), &files);
    let inodes = scene.run(
        |_| {},
        |root| {
            ["a", "b", "c"].map(|name| {
                let stat = fs::metadata(root.join("app").join(name).join("__init__.py")).expect("metadata");
                (stat.ino(), stat.nlink())
            })
        },
    );
    assert!(inodes[0].0 != inodes[1].0 && inodes[1].0 != inodes[2].0 && inodes[0].0 != inodes[2].0);
    assert!(inodes.iter().all(|(_, names)| *names == 1));
    let again = tempfile::tempdir().expect("a directory");
    let refused = write_view(again.path(), &files.manifest(), &|_| support::open(b"changed"));
    assert!(refused.is_err());
}
