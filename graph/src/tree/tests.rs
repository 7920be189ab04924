//! Tests of manifests and trees, on layers written as lines of text.

use std::collections::BTreeSet;

use proptest::prelude::*;

use super::*;

fn path(text: &str) -> TreePath {
    TreePath::new(text).expect("a test path")
}

/// `a/` directory, `a=text` file, `a->b` link, `a==b` hard link, `-a` whiteout; a trailing `@7` is the time.
fn entry(line: &str) -> Entry {
    let (line, mtime) = match line.rsplit_once('@') {
        Some((line, time)) => (line, time.parse().expect("a test time")),
        None => (line, crate::EPOCH),
    };
    let file = |text: &str| Kind::File { size: text.len() as u64, content: ContentHash::of(text.as_bytes()) };
    let new = |at: &str, kind, mode| Entry { mtime, ..Entry::new(path(at), kind, mode) };
    if let Some(at) = line.strip_prefix('-') {
        Entry { mtime: 0, ..Entry::new(path(at), Kind::Whiteout, 0) }
    } else if let Some((at, target)) = line.split_once("->") {
        new(at, Kind::Symlink { target: target.as_bytes().into() }, 0o777)
    } else if let Some(at) = line.strip_suffix('/') {
        new(at, Kind::Directory, 0o755)
    } else if let Some((at, to)) = line.split_once("==") {
        new(at, Kind::HardLink { to: path(to) }, 0o644)
    } else {
        let (at, text) = line.split_once('=').expect("a test entry");
        new(at, file(text), 0o644)
    }
}

fn manifest(lines: &str) -> Manifest {
    Manifest::new(lines.split_whitespace().map(entry))
}

fn tree(layers: &[&str]) -> Tree {
    let manifests: Vec<Manifest> = layers.iter().map(|lines| manifest(lines)).collect();
    Tree::stack(manifests.iter().enumerate().map(|(index, manifest)| (LayerIndex(index), manifest)))
}

fn shown(tree: &Tree) -> String {
    let line = |shown: &Shown| format!("{}:{}", shown.entry.path, shown.layer.0);
    tree.iter().map(line).collect::<Vec<_>>().join(" ")
}

fn everything() -> Manifest {
    let devices = [
        Entry::new(path("dev/c"), Kind::CharacterDevice { major: 1, minor: 3 }, 0o666),
        Entry::new(path("dev/b"), Kind::BlockDevice { major: 8, minor: 0 }, 0o660),
        Entry::new(path("dev/p"), Kind::Fifo, 0o600),
    ];
    let mut entries: Vec<Entry> = "a/ a/f=x a/l->f b==a/f -gone".split_whitespace().map(entry).chain(devices).collect();
    entries[1].xattrs.insert(b"user.k"[..].into(), b"v\0w"[..].into());
    entries[1].mode = 0o4755;
    entries[1].uid = 7;
    entries.push(Entry::directory(TreePath::root()));
    entries.push(Entry::new(TreePath::new(b"odd\xff\n").expect("bytes are fine"), Kind::Directory, 0o700));
    Manifest::new(entries)
}

#[test]
fn encoding_is_pinned_and_round_trips() {
    let bytes = everything().encode();
    assert_eq!(Manifest::decode(&bytes), Ok(everything()));
    assert_eq!(Manifest::decode(&Manifest::default().encode()), Ok(Manifest::default()));
    let golden = "8189398458052aae809a0745b5a79a198bd25fdba34a3226bc4fd21de6f114c9";
    assert_eq!(ContentHash::of(&bytes).hex(), golden);
}

#[test]
fn cut_and_extended_bytes_are_refused() {
    let bytes = everything().encode();
    (0..bytes.len()).for_each(|end| assert!(Manifest::decode(&bytes[..end]).is_err(), "{end}"));
    assert!(Manifest::decode(&[&bytes[..], &[0]].concat()).is_err());
    let mut newer = bytes.clone();
    newer[16] = 9;
    assert_eq!(Manifest::decode(&newer), Err(ManifestError::Version { found: 9 }));
    let mut boastful = bytes;
    boastful[20..28].copy_from_slice(&u64::MAX.to_le_bytes());
    assert!(matches!(Manifest::decode(&boastful), Err(ManifestError::Damaged { .. })));
}

fn attribute(entries: &mut [Entry], name: &[u8], value: &[u8]) {
    entries[0].xattrs.insert(name.into(), value.into());
}

#[test]
fn entries_that_are_no_layer_are_refused() {
    let with = |lines: &[&str], change: fn(&mut Vec<Entry>)| {
        let mut entries: Vec<Entry> = lines.iter().map(|line| entry(line)).collect();
        change(&mut entries);
        Manifest { entries }
    };
    for (manifest, part) in [
        (with(&["b=1", "a=1"], |_| {}), "order"),
        (with(&["a=1", "a=1"], |_| {}), "twice"),
        (with(&["a/b=1"], |_| {}), "lacks its parent"),
        (with(&["a=1", "a/b=1"], |_| {}), "no directory"),
        (with(&["-a", "a/b=1"], |_| {}), "no directory"),
        (with(&["a==b", "b=1"], |_| {}), "hard link"),
        (with(&["a/", "b==a"], |_| {}), "hard link"),
        (with(&["a->"], |_| {}), "empty target"),
        (with(&["a/"], |entries| entries[0].mode = 0o10000), "12 bits"),
        (with(&["-a"], |entries| entries[0].mtime = 1), "whiteout"),
        (with(&["a=1"], |entries| entries[0].path = TreePath::root()), "root"),
        (with(&[".wh.a=1"], |_| {}), "begins with `.wh.`"),
        (with(&[".wh..wh..opq=1"], |_| {}), "begins with `.wh.`"),
        (with(&[".wh.d/", ".wh.d/a=1"], |_| {}), "begins with `.wh.`"),
        (with(&["a/", "a/.wh.b->c"], |_| {}), "`a/.wh.b` has a name"),
        (with(&["-.wh.a"], |_| {}), "begins with `.wh.`"),
        (with(&["a=1"], |entries| attribute(entries, b"user.a=b", b"x")), "`=` or NUL"),
        (with(&["a=1"], |entries| attribute(entries, b"user.a\0", b"x")), "`=` or NUL"),
        (with(&["a=1"], |entries| attribute(entries, b"", b"x")), "is empty"),
        (with(&["a=1"], |entries| attribute(entries, b"user.a", b"")), "without a value"),
    ] {
        let refused = Manifest::decode(&manifest.encode()).expect_err("it is no layer").to_string();
        assert!(refused.contains(part), "{refused} should say {part}");
    }
}

#[test]
fn stacks_show_the_topmost_entries() {
    for (layers, expected) in [
        (&["a/ a/x=1 b=1"][..], "a:0 a/x:0 b:0"),
        (&["a/ a/x=1 a-b=1", "a/ a/y=2"], "a:1 a-b:0 a/x:0 a/y:1"),
        (&["a/ a/x=1 a-b=1 a0=1", "-a"], "a-b:0 a0:0"),
        (&["a/ a/x=1", "a=2"], "a:1"),
        (&["a/ a/x=1", "a->b"], "a:1"),
        (&["a=1", "a/ a/x=2"], "a:1 a/x:1"),
        (&["a/ a/x=1", "-a", "a/ a/y=2"], "a:2 a/y:2"),
        (&["a/ a/x=1", "a/ -a/x"], "a:1"),
        (&["-a -b/c", "x=1"], "b:0 x:1"),
        (&[], ""),
    ] {
        assert_eq!(shown(&tree(layers)), expected, "{layers:?}");
    }
}

#[test]
fn hard_links_show_their_file() {
    let tree = tree(&["a=text b==a c==missing", "a=new"]);
    let link = tree.get(&path("b")).expect("the other name stays");
    assert_eq!(link.entry.kind, entry("b=text").kind);
    assert_eq!((link.layer, &link.link_of), (LayerIndex(0), &Some(path("a"))));
    assert_eq!(tree.get(&path("a")).map(|shown| shown.layer), Some(LayerIndex(1)));
    assert_eq!(tree.get(&path("c")), None);
}

#[test]
fn links_are_followed_inside_the_tree() {
    let tree = tree(&["usr/ usr/lib/ usr/lib/x=1 lib->usr/lib abs->/usr/lib up->../../usr usr/back->../lib \
                       loop->loop dir->usr/ f->usr/lib/x gone->nothing deep/ deep/dots->.././lib"]);
    for (from, to) in [
        ("lib/x", Some("usr/lib/x")),
        ("abs/x", Some("usr/lib/x")),
        ("up/lib", Some("usr/lib")),
        ("usr/back/x", Some("usr/lib/x")),
        ("dir", Some("usr")),
        ("f", Some("usr/lib/x")),
        ("deep/dots/x", Some("usr/lib/x")),
        ("", Some("")),
        ("loop", None),
        ("gone", None),
        ("usr/lib/x/y", None),
        ("nothing", None),
    ] {
        assert_eq!(tree.resolve(&path(from)), to.map(path), "{from}");
    }
    for (from, to) in [
        ("lib/new", Some("usr/lib/new")),
        ("lib", Some("lib")),
        ("gone/a/b", Some("nothing/a/b")),
        ("a/b/c", Some("a/b/c")),
        ("usr/lib/x/y", Some("usr/lib/x/y")),
        ("loop/x", None),
        ("", Some("")),
    ] {
        assert_eq!(tree.resolve_parent(&path(from)), to.map(path), "{from}");
    }
    assert_eq!(tree.resolve_directory(&path("lib")), Some(path("usr/lib")));
}

#[test]
fn children_skip_what_is_deeper() {
    let tree = tree(&["a/ a/b/ a/b/c=1 a/b-c=1 a/b/d/ a/e=1 a-x=1 z=1@400000000"]);
    let names = |directory: &str| -> Vec<String> {
        tree.children(&path(directory)).map(|shown| shown.entry.path.to_string()).collect()
    };
    assert_eq!(names("a"), ["a/b", "a/b-c", "a/e"]);
    assert_eq!(names(""), ["a", "a-x", "z"]);
    assert_eq!(names("a/b/c"), Vec::<String>::new());
    assert_eq!(tree.below(&path("a")).count(), 5);
    assert_eq!(tree.newest_mtime(), Some(400_000_000));
    assert!(tree.is_directory(&TreePath::root()) && !tree.is_directory(&path("z")));
}

/// Lines for one layer: directories and files over few names, so that they collide.
fn layer_lines() -> impl Strategy<Value = Vec<Entry>> {
    let name = proptest::sample::select(&["a", "b", "a-", "a/a", "a/b", "b/a", "b/a/b", "a/a/a"][..]);
    let line = (name, 0..4_u8).prop_map(|(name, kind)| match kind {
        0 => entry(&format!("-{name}")),
        1 => entry(&format!("{name}/")),
        2 => entry(&format!("{name}=1")),
        _ => entry(&format!("{name}->x")),
    });
    proptest::collection::vec(line, 0..6)
}

/// A manifest without anything below what is no directory.
fn valid(entries: Vec<Entry>) -> Manifest {
    let manifest = Manifest::new(entries);
    let is_directory = |path: &TreePath| manifest.get(path).is_some_and(|entry| entry.kind == Kind::Directory);
    let kept = manifest.entries().iter().filter(|entry| entry.path.ancestors().all(|path| is_directory(&path)));
    Manifest::new(kept.cloned())
}

/// A layer over so many names that its tree has several runs; some of its entries delete or replace directories.
fn wide_layer() -> impl Strategy<Value = Vec<Entry>> {
    let line = (0..8_u32, 0..60_u32, 0..12_u8).prop_map(|(directory, file, kind)| match kind {
        0 => entry(&format!("-{directory}")),
        1 => entry(&format!("{directory}=1")),
        2 => entry(&format!("-{directory}/{file}")),
        _ => entry(&format!("{directory}/{file}=1@{file}")),
    });
    proptest::collection::vec(line, 0..400)
}

/// The slow and obvious way: each entry deletes what it hides, then is put there.
fn naive_stack(layers: &[Manifest]) -> Vec<(TreePath, usize)> {
    let mut paths: BTreeMap<TreePath, (usize, bool)> = BTreeMap::new();
    for (index, layer) in layers.iter().enumerate() {
        for entry in layer.entries() {
            if entry.kind != Kind::Directory {
                paths.retain(|path, _| !path.starts_with(&entry.path));
            }
            if entry.kind != Kind::Whiteout {
                paths.insert(entry.path.clone(), (index, true));
            }
        }
    }
    paths.into_iter().map(|(path, (index, _))| (path, index)).collect()
}

/// Every path of two trees at which they differ.
fn naive_changes<'a>(tree: &'a Tree, other: &Tree) -> Vec<(TreePath, Option<&'a Shown>)> {
    let paths: BTreeSet<TreePath> = tree.iter().chain(other).map(|shown| shown.entry.path.clone()).collect();
    let changed = paths.into_iter().filter(|path| tree.get(path) != other.get(path));
    changed.map(|path| (path.clone(), tree.get(&path))).collect()
}

proptest! {
    #[test]
    fn stacking_equals_the_naive_model(layers in proptest::collection::vec(layer_lines(), 0..5)) {
        let layers: Vec<Manifest> = layers.into_iter().map(valid).collect();
        let tree = Tree::stack(layers.iter().enumerate().map(|(index, manifest)| (LayerIndex(index), manifest)));
        let shown: Vec<_> = tree.iter().map(|shown| (shown.entry.path.clone(), shown.layer.0)).collect();
        prop_assert_eq!(shown, naive_stack(&layers));
        for layer in &layers {
            prop_assert_eq!(Manifest::decode(&layer.encode()), Ok(layer.clone()));
        }
    }

    #[test]
    fn wide_trees_equal_the_naive_model(layers in proptest::collection::vec(wide_layer(), 1..5)) {
        let layers: Vec<Manifest> = layers.into_iter().map(valid).collect();
        let mut trees = vec![Tree::new()];
        for (index, layer) in layers.iter().enumerate() {
            trees.push(trees[index].with(LayerIndex(index), layer));
        }
        // The trees below must not have changed when those above were made of them.
        for (count, tree) in trees.iter().enumerate() {
            let naive = naive_stack(&layers[..count]);
            let shown: Vec<_> = tree.iter().map(|shown| (shown.entry.path.clone(), shown.layer.0)).collect();
            prop_assert_eq!(&shown, &naive);
            prop_assert_eq!(tree.len(), naive.len());
            prop_assert_eq!(tree.newest_mtime(), tree.iter().map(|shown| shown.entry.mtime).max());
            for directory in std::iter::once(TreePath::root()).chain((0..8).map(|name| path(&name.to_string()))) {
                let children: Vec<_> = tree.children(&directory).map(|shown| &shown.entry.path).collect();
                let expected = naive.iter().map(|(path, _)| path);
                let expected: Vec<_> = expected.filter(|path| path.parent() == Some(directory.clone())).collect();
                prop_assert_eq!(children, expected);
                let below = naive.iter().filter(|(path, _)| *path != directory && path.starts_with(&directory)).count();
                prop_assert_eq!(tree.below(&directory).count(), below);
            }
            for other in &trees {
                let changes: Vec<_> = tree.changes_since(other).into_iter().map(|(path, now)| (path.clone(), now)).collect();
                prop_assert_eq!(changes, naive_changes(tree, other));
            }
            prop_assert!(naive.iter().all(|(path, _)| tree.get(path).is_some_and(|shown| shown.entry.path == *path)));
        }
    }

    #[test]
    fn changed_bytes_are_another_manifest(at in 0..2000_usize, byte in any::<u8>()) {
        let mut bytes = everything().encode();
        let at = at % bytes.len();
        bytes[at] = byte;
        if let Ok(decoded) = Manifest::decode(&bytes) {
            prop_assert_eq!(decoded.encode(), bytes);
        }
    }

    #[test]
    fn any_bytes_decode_without_panic(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
        let body = [&b"sinter-manifest\n\x01\0\0\0"[..], &bytes].concat();
        prop_assert!(Manifest::decode(&body).is_ok() == (bytes == [0; 8]));
    }
}
