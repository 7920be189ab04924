//! Whatever happens to a store, the next build heals it or says so, and no wrong byte leaves it.

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::{PermissionsExt as _, chown, symlink};
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::support::{Built, Place, Ran, run};

const BUILD: &str = r#"
let first = run {
  from   = small
  script = sh """
    echo first > /data/file
    echo below > /data/deep/file
    ln -s file /data/link
    ln /data/file /data/second-name
    chmod 640 /data/deep/file
  """
}
let second = run {
  from   = first
  script = sh """
    cat /data/file /data/deep/file > /data/copy
  """
}
target it = image {
  layers = [second]
  cmd    = ["cat", "/data/copy"]
}
"#;

/// A step that stands on all that and reads it, with words that differ each time.
const ABOVE: &str = r#"
let above = run {
  from   = second
  script = sh """
    : NUMBER
    cat /data/link /data/second-name /data/deep/file /data/copy /data/deep/base > /above
    test -x /data/deep/file && echo executable >> /above
    true
  """
}
target above-it = image {
  layers = [above]
  cmd    = ["cat", "/above"]
}
"#;

const SEEN: &str = "first\nfirst\nbelow\nfirst\nbelow\nbase\n";

/// A store that holds builds of both targets, and what is right.
struct Scene {
    place: Place,
    right: BTreeMap<&'static str, String>,
    builds: usize,
}

impl Scene {
    fn new() -> Self {
        let mut scene = Self { place: Place::small(""), right: BTreeMap::new(), builds: 0 };
        for target in ["it", "above-it"] {
            let built = Built::of(&scene.build(target));
            scene.right.insert(target, built.digest);
        }
        scene
    }

    /// Builds a target, the upper one with a step that has not run yet, to places that want every byte.
    fn build(&mut self, target: &str) -> Ran {
        self.builds += 1;
        let above = ABOVE.replace("NUMBER", &self.builds.to_string());
        self.place.write("main.build", &format!("{}{BUILD}{above}", crate::support::SMALL));
        let [image, tree] = ["oci", "dir"].map(|form| format!("{form}:out/{form}-{}", self.builds));
        fs::create_dir_all(self.place.project().join("out")).expect("a directory");
        self.place.sinter(&["build", target, "-o", &image, "-o", &tree])
    }

    /// What came out of the last build is whole and right.
    #[track_caller]
    fn is_right(&self, name: &str, target: &str, ran: &Ran) {
        assert_eq!(ran.code, Some(0), "{name}, {target}\n{}", ran.stderr);
        assert_eq!(Built::of(ran).digest, self.right[target], "{name}, {target}");
        let out = self.place.project().join("out");
        let text = |path: &str| fs::read_to_string(out.join(format!("dir-{}/{path}", self.builds))).expect(name);
        assert_eq!(text("data/copy"), "first\nbelow\n", "{name}");
        if target == "above-it" {
            assert_eq!(text("above"), SEEN, "{name}");
        }
        for blob in children(&out.join(format!("oci-{}/blobs/sha256", self.builds))) {
            let mut sum = Command::new("sha256sum");
            let sum = run({
                sum.arg(&blob);
                sum
            });
            let name_of_blob = blob.file_name().expect("a name").to_string_lossy().into_owned();
            assert!(sum.stdout.starts_with(&name_of_blob), "{name}: {}", sum.stdout);
        }
        fs::remove_dir_all(out).expect("what was written");
    }

    fn store(&self, path: &str) -> PathBuf {
        self.place.store().join(path)
    }

    /// The directory of the layer that brings `path`.
    fn layer(&self, path: &str) -> PathBuf {
        let layers = children(&self.store("layers"));
        let found = layers.into_iter().find(|layer| fs::symlink_metadata(layer.join("fs").join(path)).is_ok());
        found.unwrap_or_else(|| panic!("no layer brings {path}"))
    }

    fn file(&self, path: &str) -> PathBuf {
        self.layer(path).join("fs").join(path)
    }

    /// What belongs to the layer that brings `path`, below `records`.
    fn facts(&self, path: &str) -> PathBuf {
        self.store("records/layer").join(self.layer(path).file_name().expect("a name"))
    }

    /// The blobs whose text contains `text`.
    fn blobs(&self, text: &str) -> Vec<PathBuf> {
        let has = |path: &PathBuf| fs::read_to_string(path).is_ok_and(|found| found.contains(text));
        let found: Vec<PathBuf> = children(&self.store("blobs")).into_iter().filter(has).collect();
        assert!(!found.is_empty(), "no blob contains {text}");
        found
    }
}

fn children(directory: &Path) -> Vec<PathBuf> {
    let mut found: Vec<PathBuf> = fs::read_dir(directory).expect("a listing").flatten().map(|at| at.path()).collect();
    found.sort();
    found
}

fn remove(path: &Path) {
    let is_directory = fs::symlink_metadata(path).expect("something to damage").is_dir();
    let removed = if is_directory { fs::remove_dir_all(path) } else { fs::remove_file(path) };
    removed.expect("damage");
}

/// Other bytes of the same length, and the times as before.
fn change_unseen(path: &Path) {
    let before = fs::metadata(path).expect("a file");
    let mut bytes = fs::read(path).expect("bytes");
    bytes[0] ^= 1;
    fs::write(path, bytes).expect("damage");
    let times = fs::FileTimes::new().set_modified(before.modified().expect("a time"));
    fs::File::options().write(true).open(path).and_then(|file| file.set_times(times)).expect("times");
}

fn mode(path: &Path, mode: u32) {
    fs::set_permissions(path, fs::Permissions::from_mode(mode)).expect("damage");
}

fn replace_by_directory(path: &Path) {
    remove(path);
    fs::create_dir(path).expect("damage");
    fs::write(path.join("in-the-way"), "x").expect("damage");
}

fn tear(path: &Path) {
    let length = fs::metadata(path).expect("something to tear").len();
    fs::File::options().write(true).open(path).and_then(|file| file.set_len(length / 2)).expect("damage");
}

fn all(directory: &Path, damage: impl Fn(&Path)) {
    let found = children(directory);
    assert!(!found.is_empty(), "nothing to damage in {}", directory.display());
    found.iter().for_each(|path| damage(path));
}

/// Every record takes the bytes of its neighbour.
fn exchange(directory: &Path) {
    let found = children(directory);
    let bytes: Vec<Vec<u8>> = found.iter().map(|path| fs::read(path).expect("a record")).collect();
    assert!(found.len() > 1);
    found.iter().zip(bytes.iter().cycle().skip(1)).for_each(|(path, bytes)| fs::write(path, bytes).expect("damage"));
}

type Damage = (&'static str, fn(&Scene));

const OF_LAYERS: &[Damage] = &[
    ("content changed unseen", |scene| change_unseen(&scene.file("data/deep/file"))),
    ("content changed", |scene| fs::write(scene.file("data/file"), "else").expect("damage")),
    ("content of a file of the base changed unseen", |scene| change_unseen(&scene.file("data/deep/base"))),
    ("content of the top changed unseen", |scene| change_unseen(&scene.file("data/copy"))),
    ("file gone", |scene| remove(&scene.file("data/deep/file"))),
    ("file is a directory", |scene| replace_by_directory(&scene.file("data/deep/file"))),
    ("file is a link", |scene| {
        let file = scene.file("data/deep/file");
        remove(&file);
        symlink("../file", &file).expect("damage");
    }),
    ("file is a pipe", |scene| {
        // The script that reads it would wait for a writer for ever.
        let file = scene.file("data/deep/file");
        remove(&file);
        assert!(Command::new("mkfifo").arg(&file).status().expect("mkfifo").success());
    }),
    ("link leads elsewhere", |scene| {
        let link = scene.file("data/link");
        remove(&link);
        symlink("copy", &link).expect("damage");
    }),
    ("second name is a file of its own", |scene| {
        let name = scene.file("data/second-name");
        let bytes = fs::read(&name).expect("bytes");
        remove(&name);
        fs::write(&name, bytes).expect("damage");
    }),
    ("file truncated", |scene| tear(&scene.file("data/file"))),
    ("mode of a file", |scene| mode(&scene.file("data/deep/file"), 0o755)),
    ("setuid bit of a file", |scene| mode(&scene.file("data/deep/file"), 0o4640)),
    ("mode of a directory", |scene| mode(&scene.layer("data/file").join("fs/data/deep"), 0o700)),
    ("mode of the root", |scene| mode(&scene.layer("data/deep/base").join("fs"), 0o500)),
    ("owner of a file", |scene| chown(scene.file("data/file"), Some(7), Some(7)).expect("damage")),
    ("time of a file", |scene| {
        let file = fs::File::options().write(true).open(scene.file("data/file")).expect("a file");
        file.set_modified(std::time::SystemTime::UNIX_EPOCH).expect("damage");
    }),
    ("attribute of a file", |scene| {
        let set = "import os, sys; os.setxattr(sys.argv[1], 'user.damage', b'x')";
        let mut python = Command::new("python3");
        assert!(python.args(["-c", set]).arg(scene.file("data/file")).status().expect("python3").success());
    }),
    ("directory gone", |scene| remove(&scene.layer("data/file").join("fs/data"))),
    ("extra file", |scene| fs::write(scene.layer("data/file").join("fs/data/deep/extra"), "x").expect("damage")),
    ("extra file in the root", |scene| fs::write(scene.layer("data/file").join("fs/extra"), "x").expect("damage")),
    ("bytes of a layer gone", |scene| remove(&scene.layer("data/file").join("fs"))),
    ("bytes of a layer are a file", |scene| {
        let layer = scene.layer("data/file").join("fs");
        remove(&layer);
        fs::write(&layer, "x").expect("damage");
    }),
    ("layer gone", |scene| remove(&scene.layer("data/file"))),
    ("layer is a file", |scene| {
        let layer = scene.layer("data/file");
        remove(&layer);
        fs::write(&layer, "x").expect("damage");
    }),
    ("all layers gone", |scene| all(&scene.store("layers"), remove)),
    ("seal gone", |scene| remove(&scene.layer("data/file").join("seal"))),
    ("seal torn", |scene| tear(&scene.layer("data/file").join("seal"))),
    ("seal of another layer, and content changed", |scene| {
        fs::copy(scene.layer("data/copy").join("seal"), scene.layer("data/file").join("seal")).expect("damage");
        change_unseen(&scene.file("data/deep/file"));
    }),
];

const OF_RECORDS: &[Damage] = &[
    ("manifests torn", |scene| all(&scene.store("manifests"), tear)),
    ("manifests gone", |scene| all(&scene.store("manifests"), remove)),
    ("manifests are directories", |scene| all(&scene.store("manifests"), replace_by_directory)),
    ("facts torn", |scene| tear(&scene.facts("data/file"))),
    ("facts gone", |scene| remove(&scene.facts("data/file"))),
    ("facts are those of another layer", |scene| exchange(&scene.store("records/layer"))),
    ("facts are directories", |scene| all(&scene.store("records/layer"), replace_by_directory)),
    ("image documents changed unseen", |scene| {
        scene.blobs("schemaVersion").iter().for_each(|blob| change_unseen(blob));
    }),
    ("image configurations changed unseen", |scene| {
        scene.blobs("rootfs").iter().for_each(|blob| change_unseen(blob));
    }),
    ("blobs torn", |scene| all(&scene.store("blobs"), tear)),
    ("blobs gone", |scene| all(&scene.store("blobs"), remove)),
    ("blobs are directories", |scene| all(&scene.store("blobs"), replace_by_directory)),
    ("definition records torn", |scene| all(&scene.store("records/definition"), tear)),
    ("definition records exchanged", |scene| exchange(&scene.store("records/definition"))),
    ("definition records are directories", |scene| all(&scene.store("records/definition"), replace_by_directory)),
    ("content records torn", |scene| all(&scene.store("records/content"), tear)),
    ("content records exchanged", |scene| exchange(&scene.store("records/content"))),
    ("content records are directories", |scene| all(&scene.store("records/content"), replace_by_directory)),
    ("stack records torn", |scene| all(&scene.store("records/stack"), tear)),
    ("stack records exchanged", |scene| exchange(&scene.store("records/stack"))),
    ("stack records are directories", |scene| all(&scene.store("records/stack"), replace_by_directory)),
    ("logs gone", |scene| remove(&scene.store("logs"))),
    ("logs are directories", |scene| all(&scene.store("logs"), replace_by_directory)),
    ("caches gone", |scene| remove(&scene.store("index"))),
    ("caches torn", |scene| {
        all(&scene.store("index"), |path| if path.is_file() { tear(path) } else { all(path, |_| ()) })
    }),
    ("what every sandbox stands on gone", |scene| remove(&scene.store("index/skeleton"))),
    ("leases and turns gone", |scene| ["leases", "turns"].iter().for_each(|part| remove(&scene.store(part)))),
    ("work and trash full", |scene| {
        for part in ["work", "trash"] {
            fs::create_dir_all(scene.store(part).join("left/deep")).expect("damage");
            fs::write(scene.store(part).join("file"), "x").expect("damage");
        }
    }),
];

/// Each kind of damage stands in a store that healed from the one before, and is met by a build that writes every byte and
/// by one whose new step mounts what was damaged; in both orders.
fn heals(damages: &[Damage]) {
    let mut scene = Scene::new();
    for (number, (name, damage)) in damages.iter().enumerate() {
        damage(&scene);
        let mut order = ["it", "above-it"];
        order.rotate_left(number % 2);
        for target in order {
            let ran = scene.build(target);
            scene.is_right(name, target, &ran);
        }
    }
}

#[test]
fn damaged_layers_heal() {
    heals(OF_LAYERS);
}

#[test]
fn damaged_records_heal() {
    heals(OF_RECORDS);
}

/// What sinter does not take away, because it may be somebody's, is named with its path.
#[test]
fn what_stands_in_the_way_heals_or_is_named() {
    let mut scene = Scene::new();
    let files = ["version", "lock", "index/skeleton", "work", "trash", "records", "layers", "leases"];
    for path in files {
        let (at, aside) = (scene.store(path), scene.store("").join("../aside"));
        fs::rename(&at, &aside).expect("damage");
        if aside.is_dir() {
            fs::write(&at, "x").expect("damage");
        } else {
            fs::create_dir(&at).expect("damage");
        }
        let ran = scene.build("above-it");
        let place =
            if path == "version" { scene.place.store().display().to_string() } else { at.display().to_string() };
        match ran.code {
            Some(0) => scene.is_right(path, "above-it", &ran),
            _ => drop(ran.fails(4, &[&place])),
        }
        if fs::symlink_metadata(&at).is_ok() {
            remove(&at);
        }
        fs::rename(&aside, &at).expect("as before");
        let ran = scene.build("above-it");
        scene.is_right(path, "above-it", &ran);
    }
    fs::write(scene.store("version"), "torn").expect("damage");
    scene.build("it").fails(2, &[&scene.place.store().display().to_string()]);
}
