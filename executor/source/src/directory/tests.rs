//! Tests of listing and hashing. What git lists is asked of the real `git`, with no configuration but the repository's.

use std::collections::BTreeSet;
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::fs::{PermissionsExt as _, symlink};
use std::process::Command;
use std::time::{Duration, SystemTime};

use proptest::prelude::*;
use sinter_graph::digest::ContentHash;

use super::*;

struct Place(tempfile::TempDir);

impl Place {
    fn new() -> Self {
        Self(tempfile::tempdir().expect("a temporary directory"))
    }

    fn repository() -> Self {
        let place = Self::new();
        place.git(&["init", "-q"]);
        place
    }

    fn path(&self, relative: &str) -> PathBuf {
        self.0.path().join(relative)
    }

    fn write(&self, relative: &str, text: &str) -> &Self {
        let path = self.path(relative);
        std::fs::create_dir_all(path.parent().expect("a file has a parent")).expect("a directory");
        std::fs::write(path, text).expect("a file");
        self
    }

    fn git(&self, arguments: &[&str]) -> Vec<u8> {
        git(self.0.path(), arguments)
    }

    fn tree(&self) -> WorkTree {
        WorkTree::discover(self.0.path()).expect("a work tree")
    }

    fn list(&self, directory: &str) -> Vec<String> {
        names(&self.tree().list(directory).expect("a listing"))
    }
}

fn git(directory: &Path, arguments: &[&str]) -> Vec<u8> {
    let output = Command::new("git")
        .current_dir(directory)
        .env_clear()
        .env("PATH", std::env::var_os("PATH").unwrap_or_default())
        .env("GIT_CONFIG_NOSYSTEM", "1")
        .args(["-c", "user.name=t", "-c", "user.email=t@example.org", "-c", "protocol.file.allow=always"])
        .args(["-c", "safe.directory=*", "-c", "init.defaultBranch=main"])
        .args(arguments)
        .output()
        .expect("git is installed");
    assert!(output.status.success(), "git {arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
    output.stdout
}

fn names(files: &[SourceFile]) -> Vec<String> {
    files.iter().map(|file| file.path.to_string()).collect()
}

/// What `git ls-files` says there is, without what was deleted from the work tree.
fn git_listing(root: &Path, directory: &str) -> BTreeSet<Vec<u8>> {
    let there = root.join(directory);
    let listed = git(&there, &["ls-files", "-z", "--cached", "--others", "--exclude-standard", "--", "."]);
    let paths = listed.split(|&byte| byte == 0).filter(|path| !path.is_empty());
    paths
        .filter(|path| {
            let found = std::fs::symlink_metadata(there.join(std::ffi::OsStr::from_bytes(path)));
            found.is_ok_and(|found| found.is_file() || found.is_symlink())
        })
        .map(<[u8]>::to_vec)
        .collect()
}

fn assert_as_git(place: &Place, directory: &str) {
    let ours = place.tree().list(directory).expect("a listing");
    let ours: BTreeSet<Vec<u8>> = ours.iter().map(|file| file.path.as_bytes().to_vec()).collect();
    assert_eq!(ours, git_listing(place.0.path(), directory), "in {directory:?}");
}

fn make_old(path: &Path) {
    let file = std::fs::File::options().write(true).open(path).expect("a file");
    file.set_modified(SystemTime::now() - Duration::from_secs(100)).expect("a time");
}

#[test]
fn repositories_of_both_hashes_are_read() {
    for format in ["sha1", "sha256"] {
        let place = Place::new();
        place.git(&["init", "-q", &format!("--object-format={format}")]);
        place.write("a", "1").write("sub/b", "2").write("new", "3").write(".gitignore", "*.o\n").write("x.o", "4");
        place.git(&["add", "a", "sub", ".gitignore"]);
        assert_eq!(place.list(""), [".gitignore", "a", "new", "sub/b"], "{format}");
        place.git(&["commit", "-qm", "one"]);
        assert_as_git(&place, "");
        assert_as_git(&place, "sub");
    }
}

#[test]
fn submodules_that_are_not_there_are_told() {
    let (inner, library, place) = (Place::repository(), Place::repository(), Place::repository());
    inner.write("i.c", "1").git(&["add", "."]);
    inner.git(&["commit", "-qm", "one"]);
    let add = |to: &Place, what: &Place, at: &str| {
        to.git(&["submodule", "--quiet", "add", what.0.path().to_str().expect("a text path"), at]);
        to.git(&["commit", "-qm", "a submodule"]);
    };
    add(&library, &inner, "inner");
    add(&place, &library, "deps/lib");
    add(&place, &inner, "deps/other");
    let missing = |tree: &WorkTree| -> Vec<String> {
        tree.missing_submodules().expect("a repository").iter().map(ToString::to_string).collect()
    };
    assert_eq!(missing(&place.tree()), ["deps/lib/inner"], "adding one asks for its files, not for those in it");
    let clone = Place::new();
    clone.git(&["clone", "-q", place.0.path().to_str().expect("a text path"), "."]);
    assert_eq!(missing(&clone.tree()), ["deps/lib", "deps/other"]);
    std::fs::remove_dir(clone.path("deps/other")).expect("an empty directory");
    assert_eq!(missing(&clone.tree()), ["deps/lib", "deps/other"]);
    clone.git(&["submodule", "--quiet", "update", "--init", "--recursive"]);
    assert!(missing(&clone.tree()).is_empty());
    assert!(missing(&Place::new().tree()).is_empty());
}

#[test]
fn plain_directory_lists_all_files() {
    let place = Place::new();
    place.write("b", "1").write("a/x", "2").write(".hidden", "3").write(".gitignore", "*").write("x.git", "4");
    std::fs::create_dir_all(place.path("empty")).expect("a directory");
    assert_eq!(place.list(""), [".gitignore", ".hidden", "a/x", "b", "x.git"]);
    assert_eq!(place.list("a"), ["x"]);
    assert!(!place.tree().is_git());
}

#[test]
fn kinds_modes_and_sizes_are_told() {
    let place = Place::repository();
    place.write("plain", "12345").write("tool", "#!");
    std::fs::set_permissions(place.path("tool"), std::fs::Permissions::from_mode(0o711)).expect("a mode");
    symlink("../outside", place.path("link")).expect("a link");
    symlink(".", place.path("self")).expect("a link");
    rustix::fs::mkfifoat(rustix::fs::CWD, place.path("pipe"), rustix::fs::Mode::RUSR).expect("a pipe");
    let files = place.tree().list("").expect("a listing");
    let kinds: Vec<(&SourceKind, u64)> = files.iter().map(|file| (&file.kind, file.size)).collect();
    let link = |target: &str| SourceKind::Symlink { target: target.as_bytes().into() };
    let regular = |executable| SourceKind::Regular { executable };
    assert_eq!(names(&files), ["link", "plain", "self", "tool"]);
    assert_eq!(kinds, [(&link("../outside"), 10), (&regular(false), 5), (&link("."), 1), (&regular(true), 2)]);
}

#[test]
fn listing_agrees_with_git() {
    let place = Place::repository();
    place
        .write(".gitignore", "*.log\n/build/\n!keep.log\ndoc/*.txt\n**/cache\n# comment\n\\#odd\n")
        .write("sub/.gitignore", "!again.log\nlocal\n")
        .write(".git/info/exclude", "private\n")
        .write("a", "1")
        .write("a.log", "1")
        .write("keep.log", "1")
        .write("build/out", "1")
        .write("build/tracked", "1")
        .write("sub/build/in", "1")
        .write("sub/again.log", "1")
        .write("sub/local/x", "1")
        .write("doc/a.txt", "1")
        .write("doc/deep/a.txt", "1")
        .write("x/cache/y", "1")
        .write("private", "1")
        .write("#odd", "1")
        .write("staged-then-deleted", "1")
        .write("tracked.log", "1");
    std::fs::write(place.path("").join(std::ffi::OsStr::from_bytes(b"odd\xff name")), "1").expect("a file");
    place.git(&["add", "-f", "a", "build/tracked", "staged-then-deleted", "tracked.log"]);
    place.git(&["commit", "-qm", "one"]);
    place.git(&["add", "-N", "doc/deep/a.txt"]);
    std::fs::remove_file(place.path("staged-then-deleted")).expect("a deletion");
    for directory in ["", "sub", "build", "doc", "doc/deep", "x"] {
        assert_as_git(&place, directory);
    }
    assert!(place.list("").contains(&"build/tracked".to_owned()));
    assert!(!place.list("").contains(&"private".to_owned()));
}

#[test]
fn index_forms_agree_with_git() {
    for (name, commands) in [
        ("version 4", &[&["update-index", "--index-version", "4"][..]][..]),
        ("split index", &[&["update-index", "--split-index"]]),
        ("untracked cache", &[&["update-index", "--force-untracked-cache"]]),
        ("skip worktree", &[&["update-index", "--skip-worktree", "src/a"]]),
        ("sparse", &[&["sparse-checkout", "set", "--cone", "--sparse-index", "src"]]),
        ("renamed", &[&["mv", "src/a", "src/z"]]),
    ] {
        let place = Place::repository();
        place.write("src/a", "1").write("lib/b", "1").write("lib/deep/c", "1").write(".gitignore", "out\n");
        place.git(&["add", "."]);
        place.git(&["commit", "-qm", "one"]);
        commands.iter().for_each(|command| {
            place.git(command);
        });
        place.write("src/new", "1").write("src/out/x", "1");
        assert_as_git(&place, "");
        assert!(place.list("").contains(&"src/new".to_owned()), "{name}");
    }
}

#[test]
fn conflicted_paths_are_listed_once() {
    let place = Place::repository();
    place.write("f", "base");
    place.git(&["add", "."]);
    place.git(&["commit", "-qm", "base"]);
    place.git(&["checkout", "-qb", "side"]);
    place.write("f", "side");
    place.git(&["commit", "-qam", "side"]);
    place.git(&["checkout", "-q", "main"]);
    place.write("f", "main");
    place.git(&["commit", "-qam", "main"]);
    let merged = Command::new("git").current_dir(place.0.path()).args(["merge", "-q", "side"]).output().expect("git");
    assert!(!merged.status.success());
    assert_eq!(place.list(""), ["f"]);
}

#[test]
fn user_configuration_ignores_nothing() {
    let place = Place::repository();
    let ignores = place.path("my-ignores");
    place.write("my-ignores", "secret\n").write("secret", "1");
    place.git(&["config", "core.excludesFile", ignores.to_str().expect("a text path")]);
    assert_eq!(place.list(""), ["my-ignores", "secret"]);
}

#[test]
fn linked_work_trees_have_their_own_files() {
    let place = Place::repository();
    place.write("a", "1").write(".git/info/exclude", "hidden\n");
    place.git(&["add", "."]);
    place.git(&["commit", "-qm", "one"]);
    let other = Place::new();
    let linked = other.path("linked");
    place.git(&["worktree", "add", "-q", linked.to_str().expect("a text path")]);
    std::fs::write(linked.join("b"), "1").expect("a file");
    std::fs::write(linked.join("hidden"), "1").expect("a file");
    let tree = WorkTree::discover(&linked).expect("a work tree");
    assert!(tree.is_git() && tree.root().ends_with("linked"));
    assert_eq!(names(&tree.list("").expect("a listing")), ["a", "b"]);
}

#[test]
fn nested_repositories_add_their_files() {
    let library = Place::repository();
    library.write("lib.c", "1").write(".gitignore", "*.o\n");
    library.git(&["add", "."]);
    library.git(&["commit", "-qm", "one"]);
    let place = Place::repository();
    place.write(".gitignore", "*.tmp\nvendored/\n").write("main.c", "1");
    place.git(&["submodule", "--quiet", "add", library.0.path().to_str().expect("a text path"), "deps/lib"]);
    place.write("deps/lib/x.o", "1").write("deps/lib/y.tmp", "1").write("deps/lib/new.c", "1");
    place.write("vendored/z.c", "1").write("scratch/s.c", "1").write("scratch/s.o", "1");
    git(&place.path("vendored"), &["init", "-q"]);
    git(&place.path("scratch"), &["init", "-q"]);
    place.write("scratch/.gitignore", "*.o\n").write("fake/.git", "no repository").write("fake/f", "1");
    let expected = [
        ".gitignore",
        ".gitmodules",
        "deps/lib/.gitignore",
        "deps/lib/lib.c",
        "deps/lib/new.c",
        "deps/lib/y.tmp",
        "fake/f",
        "main.c",
        "scratch/.gitignore",
        "scratch/s.c",
    ];
    assert_eq!(place.list(""), expected);
    assert_eq!(place.list("deps/lib"), [".gitignore", "lib.c", "new.c", "y.tmp"]);
    assert_eq!(place.list("scratch"), [".gitignore", "s.c"]);
    let inside = WorkTree::discover(&place.path("deps/lib")).expect("a work tree");
    assert!(inside.root().ends_with("deps/lib"));
}

#[test]
fn discovery_finds_the_top() {
    let place = Place::repository();
    place.write("a/b/x.build", "");
    let tree = WorkTree::discover(&place.path("a/b")).expect("a work tree");
    assert_eq!(tree.root(), std::fs::canonicalize(place.0.path()).expect("a path"));
    assert_eq!(tree.locate("a", &TreePath::new("b/x.build").expect("a path")), tree.root().join("a/b/x.build"));
    let hollow = Place::new();
    std::fs::create_dir_all(hollow.path("sub/.git")).expect("a directory");
    assert!(!WorkTree::discover(&hollow.path("sub")).expect("a directory").is_git());
    let bare = Place::new();
    bare.git(&["init", "-q", "--bare"]);
    assert!(!bare.tree().is_git());
}

#[test]
fn broken_repositories_are_errors() {
    let missing = Place::new();
    missing.write(".git", "gitdir: nowhere\n");
    let damaged = Place::repository();
    damaged.write("a", "1");
    damaged.git(&["add", "."]);
    damaged.write(".git/index", "this is no index");
    for result in [missing.tree_or_error(), damaged.tree_or_error()] {
        let error = result.expect_err("it is broken");
        assert!(matches!(error, DirectoryError::Repository { .. }), "{error}");
        assert_eq!(error.class(), sinter_graph::ErrorClass::Environment);
    }
}

impl Place {
    fn tree_or_error(&self) -> Result<Vec<SourceFile>, DirectoryError> {
        WorkTree::discover(self.0.path())?.list("")
    }
}

#[test]
fn only_directories_of_the_tree_are_listed() {
    let place = Place::new();
    place.write("a/x", "1").write("file", "1");
    symlink("a", place.path("link")).expect("a link");
    for directory in ["link", "file", "file/x", "..", "/a", "a/", "a/../a", "missing"] {
        let error = place.tree().list(directory).expect_err(directory);
        assert_eq!(error.class(), sinter_graph::ErrorClass::User, "{error}");
    }
}

#[test]
fn hashes_follow_the_content() {
    let (place, index) = (Place::new(), Place::new());
    for number in 0..10 {
        place.write(&format!("d/{number}"), &number.to_string());
        make_old(&place.path(&format!("d/{number}")));
    }
    symlink("3", place.path("d/link")).expect("a link");
    let hash = |cache: &mut HashCache| {
        let files = place.tree().list("d").expect("a listing");
        place.tree().hash("d", &files.iter().collect::<Vec<_>>(), cache).expect("hashes")
    };
    let mut expected: Vec<ContentHash> = (0..10).map(|number| ContentHash::of(number.to_string().as_bytes())).collect();
    expected.push(ContentHash::of(b"3"));
    let open = || HashCache::open(index.0.path(), place.tree().root());
    let mut cache = open();
    assert_eq!(hash(&mut cache), expected);
    cache.save().expect("a saved cache");
    assert!(open().is_empty(), "the inodes changed just now, so nothing may be trusted");
    place.write("d/0", "x");
    expected[0] = ContentHash::of(b"x");
    assert_eq!(hash(&mut open()), expected);
}

#[test]
fn cached_hashes_need_an_unchanged_file() {
    let index = Place::new();
    let path = TreePath::new("a").expect("a path");
    let stat = StatIdentity { size: 1, mtime: 5, ctime: 6, inode: 7, device: 8 };
    let mut cache = HashCache::open(index.0.path(), Path::new("/r"));
    cache.insert(path.clone(), stat, ContentHash::of(b"a"));
    cache.save().expect("a saved cache");
    let mut cache = HashCache::open(index.0.path(), Path::new("/r"));
    assert_eq!(cache.get(&path, &stat), Some(ContentHash::of(b"a")));
    for other in [
        StatIdentity { size: 2, ..stat },
        StatIdentity { mtime: 2, ..stat },
        StatIdentity { ctime: 2, ..stat },
        StatIdentity { inode: 2, ..stat },
        StatIdentity { device: 2, ..stat },
    ] {
        assert_eq!(cache.get(&path, &other), None);
    }
    assert!(HashCache::open(index.0.path(), Path::new("/other")).is_empty());
    let file = std::fs::read_dir(index.0.path()).expect("a directory").next().expect("a file").expect("a file").path();
    let bytes = std::fs::read(&file).expect("the cache");
    for at in 0..bytes.len() {
        let mut damaged = bytes.clone();
        damaged[at] ^= 1;
        std::fs::write(&file, damaged).expect("a file");
        assert!(HashCache::open(index.0.path(), Path::new("/r")).is_empty(), "byte {at}");
    }
}

#[test]
fn a_file_that_changes_meanwhile_is_an_error() {
    let (place, index) = (Place::new(), Place::new());
    place.write("a", "1").write("b", "1");
    let files = place.tree().list("").expect("a listing");
    place.write("a", "22");
    let mut cache = HashCache::open(index.0.path(), place.tree().root());
    let changed = place.tree().hash("", &[&files[0]], &mut cache);
    assert!(matches!(changed, Err(DirectoryError::Changed { .. })), "{changed:?}");
    std::fs::remove_file(place.path("b")).expect("a deletion");
    symlink("a", place.path("b")).expect("a link");
    assert!(place.tree().hash("", &[&files[1]], &mut cache).is_err());
}

fn name() -> impl Strategy<Value = String> {
    proptest::sample::select(&["a", "b", "c.log", "a/a", "a/c.log", "b.d/x", "b.d/c/y", "a/d/e/f"][..])
        .prop_map(str::to_owned)
}

fn rule() -> impl Strategy<Value = String> {
    const RULES: &[&str] =
        &["*.log", "!c.log", "/a", "a/", "b.d/*", "!b.d/c", "**/e", "a/**", "*", "!*/", "!/b.d/c/y", "d/e", "[ab]"];
    proptest::sample::select(RULES).prop_map(str::to_owned)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]
    #[test]
    fn generated_repositories_agree_with_git(
        tracked in proptest::collection::btree_set(name(), 0..4),
        untracked in proptest::collection::btree_set(name(), 0..5),
        rules in proptest::collection::vec(rule(), 0..4),
        nested in proptest::collection::vec(rule(), 0..3),
    ) {
        let place = Place::repository();
        let mut written: BTreeSet<String> = BTreeSet::new();
        let free = |written: &BTreeSet<String>, name: &str| {
            written.iter().all(|known| !known.starts_with(&format!("{name}/")) && !name.starts_with(&format!("{known}/")))
        };
        for name in tracked.iter().chain(&untracked) {
            if free(&written, name) {
                place.write(name, "1");
                written.insert(name.clone());
            }
            if tracked.contains(name) && written.contains(name) {
                place.git(&["add", "-f", name]);
            }
        }
        place.write(".gitignore", &rules.join("\n"));
        if free(&written, "a/.gitignore") {
            place.write("a/.gitignore", &nested.join("\n"));
        }
        assert_as_git(&place, "");
    }
}
