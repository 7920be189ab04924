//! Tests of selecting and placing.

use std::path::PathBuf;

use sinter_graph::derivation::Files;
use sinter_graph::pattern::Patterns;
use sinter_graph::tree::{Entry, LayerIndex};
use sinter_graph::{EPOCH, ErrorClass};
use sinter_source::directory::{SourceKind, StatIdentity};

use super::*;

fn path(text: &str) -> TreePath {
    TreePath::new(text).expect("a test path")
}

fn file(at: &str, text: &str, mode: u32) -> Entry {
    let kind = Kind::File { size: text.len() as u64, content: ContentHash::of(text.as_bytes()) };
    Entry::new(path(at), kind, mode)
}

fn link(at: &str, target: &str) -> Entry {
    Entry::new(path(at), Kind::Symlink { target: target.as_bytes().into() }, 0o777)
}

fn hard_link(at: &str, to: &str) -> Entry {
    Entry::new(path(at), Kind::HardLink { to: path(to) }, 0o644)
}

/// One source with a few files and one tree of one layer.
struct World {
    files: Vec<SourceFile>,
    tree: Tree,
}

fn world() -> World {
    let stat = StatIdentity { size: 1, mtime: 0, ctime: 0, inode: 0, device: 0 };
    let source = |at: &str, kind| SourceFile { path: path(at), kind, size: 1, stat };
    let regular = |executable| SourceKind::Regular { executable };
    let files = vec![
        source("link", SourceKind::Symlink { target: b"src/a"[..].into() }),
        source("run", regular(true)),
        source("src/a", regular(false)),
        source("src/b", regular(false)),
        source("x.build", regular(false)),
    ];
    let mut owned = file("srv/dist/tool", "t", 0o4755);
    (owned.uid, owned.gid) = (7, 7);
    let manifest = Manifest::new([owned, file("srv/dist/page", "p", 0o640), file("etc/conf", "c", 0o600)]);
    World { files, tree: Tree::stack([(LayerIndex(0), &manifest)]) }
}

impl Supply for World {
    fn source(&self, _: InputId) -> Result<SourceView, DirectoryError> {
        Ok(SourceView { name: "src".to_owned(), files: Arc::new(self.files.clone()) })
    }

    fn hash(&self, input: InputId, files: &[&SourceFile]) -> Result<Vec<ContentHash>, DirectoryError> {
        if input == InputId::new(7) {
            return Ok(vec![]);
        }
        if input == InputId::new(9) {
            return Err(DirectoryError::Changed { path: PathBuf::from("x") });
        }
        Ok(files.iter().map(|file| ContentHash::of(file.path.as_bytes())).collect())
    }

    fn matched(&self, input: InputId, _: &Patterns) -> Option<&[usize]> {
        (input == InputId::new(8)).then_some(&[2, 4])
    }

    fn tree(&self, _: NodeId) -> TreeView {
        let layers = Arc::new(vec![LayerDigest::from_bytes([1; 32])]);
        TreeView { name: "assets".to_owned(), tree: Arc::new(self.tree.clone()), layers, workdir: path("srv") }
    }

    fn owner(&self, name: &str) -> Option<(u32, u32)> {
        (name == "www").then_some((33, 34))
    }
}

fn patterns(include: &[&str]) -> Patterns {
    Patterns::new(include.iter().map(|text| (*text).to_owned()), []).expect("test patterns")
}

fn source(include: &[&str]) -> Files {
    Files::Source { input: InputId::new(0), patterns: patterns(include) }
}

fn tree(include: &[&str]) -> Files {
    Files::Tree { tree: NodeId::new(0), patterns: patterns(include) }
}

fn moved(what: Files, to: &str) -> Files {
    Files::Place { what: Arc::new(what), to: to.to_owned(), mode: None, owner: None }
}

fn sub(what: Files, directory: &str) -> Files {
    Files::Sub { what: Arc::new(what), directory: directory.to_owned() }
}

fn literal(at: &str, text: &str) -> Files {
    Files::Literal { path: at.to_owned(), text: text.into(), mode: None }
}

fn narrow(what: Files, include: &[&str]) -> Files {
    Files::Narrow { what: Arc::new(what), patterns: patterns(include) }
}

/// Relative paths as they are, absolute ones with a slash; modes behind.
fn selected(files: &Files) -> String {
    let line = |selected: &Selected| match &selected.path {
        SelectedPath::Relative(path) => format!("{path} {:o}", selected.mode),
        SelectedPath::Absolute(path) => format!("/{path} {:o}", selected.mode),
    };
    select(files, &world()).expect("a selection").iter().map(line).collect::<Vec<_>>().join(", ")
}

#[test]
fn descriptions_select_what_they_say() {
    for (files, expected) in [
        (source(&[]), "link 777, run 755, src/a 644, src/b 644"),
        (source(&["x.build", "src/a"]), "src/a 644, x.build 644"),
        (tree(&["dist"]), "/srv/dist 755, /srv/dist/page 640, /srv/dist/tool 4755"),
        (tree(&["/etc/*"]), "/etc/conf 600"),
        (literal("/etc/motd", "hi"), "/etc/motd 644"),
        (moved(source(&["src"]), "lib/"), "lib/src/a 644, lib/src/b 644"),
        (moved(source(&["src/a"]), "/opt/one"), "/opt/one 644"),
        (sub(source(&["src", "run"]), "src"), "a 644, b 644"),
        (sub(tree(&["dist"]), "dist"), "page 640, tool 4755"),
        (sub(tree(&["dist"]), "/srv"), "dist 755, dist/page 640, dist/tool 4755"),
        (moved(sub(tree(&["dist"]), "dist"), "/www/"), "/www/page 640, /www/tool 4755"),
        (narrow(source(&["src"]), &["src/a"]), "src/a 644"),
        (narrow(tree(&[]), &["dist/p*", "/etc"]), "/etc 755, /etc/conf 600, /srv/dist/page 640"),
    ] {
        assert_eq!(selected(&files), expected, "{files:?}");
    }
}

#[test]
fn what_was_matched_is_not_matched_again() {
    let from = |input: u32| Files::Source { input: InputId::new(input), patterns: patterns(&["run"]) };
    assert_eq!(selected(&from(8)), "src/a 644, x.build 644");
    // A file whose content nobody knows must not get lost.
    let lost = select(&from(7), &world()).expect_err("a hash is missing");
    assert!(matches!(lost, PlacementError::Lost { .. }) && lost.class() == ErrorClass::Internal, "{lost}");
}

#[test]
fn moving_sets_mode_and_owner() {
    for (owner, expected) in [("www", (33, 34)), ("5", (5, 5)), ("www:5", (33, 5)), ("5:www", (5, 34))] {
        let what = Arc::new(source(&["run"]));
        let files = Files::Place { what, to: "/bin/".to_owned(), mode: Some(0o500), owner: Some(owner.to_owned()) };
        let found = select(&files, &world()).expect("a selection");
        assert_eq!((found[0].mode, found[0].owner), (0o500, Some(expected)), "{owner}");
    }
}

#[test]
fn wrong_descriptions_say_what_to_do() {
    let owned = |owner: &str| Files::Place {
        what: Arc::new(source(&["run"])),
        to: "/bin/".to_owned(),
        mode: None,
        owner: Some(owner.to_owned()),
    };
    for (files, words) in [
        (source(&["src/c"]), "did you mean `src/a`"),
        (source(&["*.{a,b}"]), "one pattern for each"),
        (source(&["/src"]), "relative"),
        (tree(&["disd"]), "matches nothing in `assets`"),
        (sub(source(&["src"]), "scr"), "holds nothing"),
        (moved(source(&["src"]), "lib"), "`lib/`"),
        (moved(source(&["run"]), "../x"), "`..`"),
        (moved(source(&["run"]), "."), "names a directory"),
        (moved(source(&["run"]), "/."), "names a directory"),
        (literal("a/", ""), "names a directory"),
        (literal("", ""), "empty"),
        (narrow(source(&["src"]), &["/src"]), "relative"),
        (owned("nobody"), "no user or group `nobody`"),
        (owned("70000"), "ids up to 65535 only"),
        (owned("www:70000"), "ids up to 65535 only"),
    ] {
        let error = select(&files, &world()).expect_err("it is wrong");
        assert!(error.to_string().contains(words), "{error} should say {words}");
        assert_eq!(error.class(), ErrorClass::User);
    }
    let unreadable = Files::Source { input: InputId::new(9), patterns: patterns(&["run"]) };
    assert_eq!(select(&unreadable, &world()).expect_err("it changed").class(), ErrorClass::Environment);
}

fn placed_on(files: &[Files], onto: &[Entry], purpose: Purpose) -> Result<Placed, PlacementError> {
    placed_from(&world(), files, onto, purpose)
}

fn placed_from(world: &World, files: &[Files], onto: &[Entry], purpose: Purpose) -> Result<Placed, PlacementError> {
    let mut all = Vec::new();
    for files in files {
        all.extend(select(files, world)?);
    }
    place(&all, &path("app"), &Tree::single(&Manifest::new(onto.iter().cloned())), (1000, 1001), purpose)
}

fn described(placed: &Placed) -> String {
    let line = |entry: &Entry| format!("{} {:o} {}", entry.path, entry.mode, entry.uid);
    placed.manifest.entries().iter().map(line).collect::<Vec<_>>().join(", ")
}

/// A link to a directory that is not there yet is followed, for the directory and for what is in it.
const DATA: &str = "data 755 0, data/dist 755 0, data/dist/page 640 0, data/dist/tool 755 0";

#[test]
fn files_land_where_the_tree_says() {
    let private = Entry { uid: 9, mode: 0o700, ..Entry::directory(path("app")) };
    let library = [Entry::directory(path("usr")), Entry::directory(path("usr/lib")), link("lib", "usr/lib")];
    let linked = [Entry::directory(path("data")), link("app", "/data")];
    for (files, onto, purpose, expected) in [
        (source(&["run"]), &[][..], Purpose::Step, "app 755 1000, app/run 755 1000"),
        (source(&["run"]), &[], Purpose::Image, "app 755 0, app/run 755 0"),
        (source(&["run"]), &[private], Purpose::Step, "app 700 9, app/run 755 1000"),
        (source(&["run"]), &linked, Purpose::Step, "data 755 0, data/run 755 1000"),
        (literal("/lib/x", ""), &library, Purpose::Image, "usr 755 0, usr/lib 755 0, usr/lib/x 644 0"),
        (moved(source(&["link"]), "/lib"), &library, Purpose::Image, "lib 777 0"),
        (moved(source(&["link"]), "/usr/x"), &[file("usr/x", "", 0o600)], Purpose::Image, "usr 755 0, usr/x 777 0"),
        (moved(tree(&["dist"]), "/"), &[link("srv", "data")], Purpose::Image, DATA),
        (literal("/o/x", ""), &[], Purpose::Step, "app 755 1000, o 755 0, o/x 644 1000"),
        (tree(&["dist/tool"]), &[], Purpose::Image, "srv 755 0, srv/dist 755 0, srv/dist/tool 755 0"),
    ] {
        let placed = placed_on(std::slice::from_ref(&files), onto, purpose).expect("a placement");
        assert_eq!(described(&placed), expected, "{files:?}");
        placed.manifest.check().expect("a layer");
    }
}

#[test]
fn one_time_is_newer_than_all_below() {
    let old = Entry { mtime: 2_000_000_000, ..file("old", "x", 0o644) };
    let kept = Entry { mtime: 0, ..Entry::directory(path("app")) };
    let times = |files: &Files, onto: &[Entry]| -> Vec<i64> {
        let placed = placed_on(std::slice::from_ref(files), onto, Purpose::Image).expect("a placement");
        placed.manifest.entries().iter().map(|entry| entry.mtime).collect()
    };
    let found = times(&source(&["src"]), &[old, kept]);
    assert_eq!(found[0], 0, "a directory that is there keeps its time");
    assert!(found[1..].iter().all(|time| *time == found[1]) && (2_000_000_001..2_000_004_097).contains(&found[1]));
    let alone = times(&literal("a", "1"), &[]);
    assert!((EPOCH + 1..EPOCH + 4097).contains(&alone[0]));
    assert_ne!(alone, times(&literal("a", "2"), &[]), "another content has another time");
    let far = Entry { mtime: i64::MAX, ..file("old", "x", 0o644) };
    assert_eq!(times(&literal("a", "1"), &[far])[1], i64::MAX);
}

#[test]
fn order_of_selections_changes_nothing() {
    let (one, two) = (source(&["src"]), literal("/etc/x", "1"));
    let forwards = placed_on(&[one.clone(), two.clone(), one.clone()], &[], Purpose::Step).expect("a placement");
    let backwards = placed_on(&[two, one], &[], Purpose::Step).expect("a placement");
    assert_eq!(forwards, backwards);
    assert_eq!(forwards.content.len(), 3);
    let other = placed_on(&[source(&["src"])], &[], Purpose::Image).expect("a placement");
    assert_ne!(forwards.digest, other.digest);
}

#[test]
fn different_things_at_one_path_clash() {
    for (left, right) in [
        (literal("src/a", "else"), source(&["src"])),
        (literal("src", "a file"), source(&["src"])),
        (literal("a", "1"), literal("/app/a", "2")),
    ] {
        let error = placed_on(&[left, right], &[], Purpose::Step).expect_err("a clash");
        assert!(matches!(error, PlacementError::Clash { .. }), "{error}");
    }
    let loops = placed_on(&[literal("/l/x", "")], &[link("l", "l")], Purpose::Step);
    assert!(matches!(loops, Err(PlacementError::LinkLoop { .. })));
    let lost = placed_on(&[literal("/x", "")], &[link("app", "app")], Purpose::Step);
    assert!(matches!(lost, Err(PlacementError::LinkLoop { .. })));
}

#[test]
fn patterns_walk_over_links_to_directories() {
    let entries = [
        file("usr/bin/ls", "l", 0o755),
        file("usr/bin/[x", "l", 0o755),
        link("bin", "usr/bin"),
        link("sbin", "bin"),
        link("usr/bin/sh", "dash"),
        link("srv", "/data/now"),
        link("data/now", "v*1"),
        file("data/v*1/page", "p", 0o644),
        file("data/v21/page", "p", 0o644),
        link("loop", "loop"),
    ];
    let world = World { tree: Tree::single(&Manifest::new(entries)), ..world() };
    let found = |files: &Files| -> Result<Vec<String>, PlacementError> {
        let path = |selected: &Selected| match &selected.path {
            SelectedPath::Relative(path) => path.to_string(),
            SelectedPath::Absolute(path) => format!("/{path}"),
        };
        Ok(select(files, &world)?.iter().map(path).collect())
    };
    let without = |include: &str, exclude: &str| Files::Tree {
        tree: NodeId::new(0),
        patterns: Patterns::new([include.to_owned()], [exclude.to_owned()]).expect("patterns"),
    };
    for (files, expected) in [
        (tree(&["/bin/ls"]), &["/usr/bin/ls"][..]),
        (tree(&["/sbin/ls", "/usr/bin/ls"]), &["/usr/bin/ls"]),
        (tree(&["/sbin/[[]x"]), &["/usr/bin/[x"]),
        (tree(&["/bin/l*"]), &["/usr/bin/ls"]),
        (tree(&["/bin"]), &["/bin"]),
        (tree(&["/bin/"]), &["/bin"]),
        (tree(&["/bin/sh"]), &["/usr/bin/sh"]),
        (tree(&["page"]), &["/data/v*1/page"]),
        (without("/usr/bin", "/bin/[!l]*"), &["/usr/bin", "/usr/bin/ls"]),
        (sub(tree(&["/bin/ls"]), "/bin"), &["ls"]),
        (narrow(tree(&["/usr/bin"]), &["/bin/ls"]), &["/usr/bin/ls"]),
    ] {
        assert_eq!(found(&files).expect("a selection"), expected, "{files:?}");
    }
    for pattern in ["/bin/lx", "/loop/x", "/usr/bin/sh/x"] {
        let error = found(&tree(&[pattern])).expect_err("nothing is there");
        assert!(matches!(&error, PlacementError::Unmatched { pattern: found, .. } if found == pattern), "{error}");
    }
}

/// Files as they are, links with what they are linked to.
fn linked(placed: &Placed) -> String {
    let line = |entry: &Entry| match &entry.kind {
        Kind::File { .. } => Some(entry.path.to_string()),
        Kind::HardLink { to } => Some(format!("{}=={to}", entry.path)),
        _ => None,
    };
    placed.manifest.entries().iter().filter_map(line).collect::<Vec<_>>().join(" ")
}

/// A tree whose layer has one file of 5 MB under 21 names, and a top layer that replaced the name `m`.
fn world_of_links() -> World {
    let kind = Kind::File { size: 5_000_000, content: ContentHash::of(b"five million") };
    let mut entries = vec![Entry::new(path("bin/a"), kind, 0o755)];
    entries.extend(('b'..='u').map(|name| hard_link(&format!("bin/{name}"), "bin/a")));
    let (below, above) = (Manifest::new(entries), Manifest::new([file("bin/m", "else", 0o755)]));
    World { tree: Tree::stack([(LayerIndex(0), &below), (LayerIndex(0), &above)]), ..world() }
}

#[test]
fn names_of_one_file_stay_linked() {
    let world = world_of_links();
    let placed = placed_from(&world, &[tree(&["/bin"])], &[], Purpose::Image).expect("a placement");
    placed.manifest.check().expect("a layer");
    let links = placed.manifest.entries().iter().filter(|entry| entry.kind == Kind::HardLink { to: path("bin/a") });
    assert_eq!((links.count(), placed.content.len()), (19, 2), "{}", linked(&placed));

    let owned = |what: Files, to: &str| Files::Place {
        what: Arc::new(what),
        to: to.to_owned(),
        mode: Some(0o700),
        owner: Some("5".to_owned()),
    };
    let one = |name: &str| tree(&[&format!("/bin/{name}")]);
    for (files, expected) in [
        (vec![one("a"), one("m")], "bin/a bin/m"),
        (vec![one("c"), one("b")], "bin/b bin/c==bin/b"),
        (vec![moved(one("b"), "/z"), moved(one("c"), "/y")], "y z==y"),
        (vec![moved(one("b"), "/z"), moved(one("b"), "/y")], "y z"),
        (
            vec![moved(one("b"), "/x/"), moved(one("c"), "/y/"), moved(one("b"), "/z/")],
            "x/bin/b y/bin/c==x/bin/b z/bin/b",
        ),
        (vec![owned(one("b"), "/x"), one("c"), one("d"), owned(one("e"), "/y")], "bin/c bin/d==bin/c x y==x"),
        (vec![moved(one("b"), "/x"), moved(one("c"), "/x"), one("b")], "bin/b x==bin/b"),
    ] {
        for purpose in [Purpose::Step, Purpose::Image] {
            let mut files = files.clone();
            let forwards = placed_from(&world, &files, &[], purpose).expect("a placement");
            files.reverse();
            assert_eq!(placed_from(&world, &files, &[], purpose).expect("a placement"), forwards, "{expected}");
            assert_eq!(linked(&forwards), expected);
            forwards.manifest.check().expect("a layer");
            assert_eq!(forwards.content.len(), expected.split(' ').filter(|name| !name.contains('=')).count());
        }
    }
}

#[test]
fn what_would_hide_a_directory_is_refused() {
    let onto = [
        Entry::directory(path("app")),
        file("app/src/x", "", 0o600),
        file("app/plain", "x", 0o600),
        link("lib", "app/src"),
        link("app/to-plain", "plain"),
        link("void", "nowhere"),
    ];
    for (files, purpose, words) in [
        (literal("/app", ""), Purpose::Step, "`file(\"/app\")` cannot be placed at `/app`: the tree has a directory"),
        (moved(source(&["src/a"]), "src"), Purpose::Step, "`src/a` of `src` cannot be placed at `/app/src`"),
        (moved(source(&["link"]), "/app"), Purpose::Image, "a link of `src`"),
        (moved(tree(&["dist/tool"]), "/app"), Purpose::Image, "`/srv/dist/tool` of `assets`"),
        (literal("/lib", ""), Purpose::Image, "a link to `app/src` there, and so the directory `/app/src`"),
        (literal("plain/x", ""), Purpose::Step, "`/app/plain` of the tree is a file, and no directory"),
        (moved(source(&["src"]), "plain/"), Purpose::Image, "`/app/plain` of the tree is a file"),
        (literal("to-plain/x", ""), Purpose::Image, "`/app/plain` of the tree is a file"),
        (moved(narrow(tree(&[]), &["/srv/dist"]), "plain/"), Purpose::Image, "`/app/plain` of the tree is a file"),
        (moved(narrow(sub(tree(&[]), "/"), &["etc"]), "/app/plain/"), Purpose::Image, "a directory of `assets`"),
    ] {
        let error = placed_on(std::slice::from_ref(&files), &onto, purpose).expect_err("something is in the way");
        assert!(
            matches!(error, PlacementError::Blocked { .. }) && error.to_string().contains(words),
            "{error} / {words}"
        );
        assert!(error.help().is_some_and(|help| help.contains("`/` forgotten")));
    }
}

#[test]
fn a_working_directory_must_be_one() {
    let run = source(&["run"]);
    for (files, onto, words) in [
        (run.clone(), &[file("app", "x", 0o600)][..], "the working directory cannot be placed at `/app`"),
        (run, &[link("app", "/x/y"), file("x", "", 0o600)], "`/x` of the tree is a file"),
        (literal("/app", ""), &[], "the working directory is to be `/app`"),
    ] {
        let error = placed_on(&[files], onto, Purpose::Step).expect_err("it is none");
        assert!(
            matches!(error, PlacementError::Blocked { .. }) && error.to_string().contains(words),
            "{error} / {words}"
        );
    }
}

#[test]
fn names_that_mean_deletions_are_refused() {
    let run = || source(&["run"]);
    for files in [
        literal("/etc/.wh.x", ""),
        literal(".wh..opq", ""),
        moved(run(), "a/.wh.dir/"),
        moved(run(), "/.wh.run"),
        moved(tree(&["dist"]), "/.wh.d/"),
    ] {
        let error = placed_on(&[files], &[], Purpose::Image).expect_err("a reserved name");
        assert!(matches!(error, PlacementError::Reserved { .. }) && error.to_string().contains("exclude"), "{error}");
    }
    let through_a_link = placed_on(&[literal("l/x", "")], &[link("app/l", "/.wh.x")], Purpose::Image);
    assert!(matches!(through_a_link, Err(PlacementError::Reserved { .. })));
    assert!(placed_on(&[literal("a.wh.b", "")], &[], Purpose::Image).is_ok());
}

#[test]
fn nothing_to_place_is_an_empty_manifest() {
    let onto = [Entry::directory(path("app"))];
    assert!(placed_on(&[], &onto, Purpose::Step).expect("a placement").manifest.is_empty());
    assert_eq!(described(&placed_on(&[], &[], Purpose::Step).expect("a placement")), "app 755 1000");
}
