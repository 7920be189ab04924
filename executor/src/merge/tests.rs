//! Tests of merging, on layers written as lines of text and against a naive model on full trees.

use std::collections::{BTreeMap, BTreeSet};

use proptest::prelude::*;
use sinter_graph::digest::{BlobDigest, ContentHash};
use sinter_graph::tree::{Entry, LayerIndex, Shown, Tree};

use super::*;

fn path(text: &str) -> TreePath {
    TreePath::new(text).expect("a test path")
}

/// `a/` directory, `a/!700` directory of that mode, `a=text` file, `a->b` link, `a==b` hard link, `-a` whiteout.
fn entry(line: &str) -> Entry {
    let (line, mode) = line.split_once('!').map_or((line, None), |(line, mode)| (line, Some(mode)));
    let mut entry = if let Some(at) = line.strip_prefix('-') {
        Entry { mtime: 0, ..Entry::new(path(at), Kind::Whiteout, 0) }
    } else if let Some((at, target)) = line.split_once("->") {
        Entry::new(path(at), Kind::Symlink { target: target.as_bytes().into() }, 0o777)
    } else if let Some((at, to)) = line.split_once("==") {
        Entry::new(path(at), Kind::HardLink { to: path(to) }, 0o644)
    } else if let Some((at, text)) = line.split_once('=') {
        let kind = Kind::File { size: text.len() as u64, content: ContentHash::of(text.as_bytes()) };
        Entry::new(path(at), kind, 0o644)
    } else {
        Entry::directory(path(line.trim_end_matches('/')))
    };
    if let Some(mode) = mode {
        entry.mode = u32::from_str_radix(mode, 8).expect("a test mode");
    }
    entry
}

/// Layers by digest.
#[derive(Default)]
struct Layers(BTreeMap<LayerDigest, Arc<Manifest>>);

impl Layers {
    fn add(&mut self, manifest: Manifest) -> LayerDigest {
        let digest = LayerDigest::from_bytes(*BlobDigest::of(&manifest.encode()).as_bytes());
        self.0.insert(digest, Arc::new(manifest));
        digest
    }

    fn merge(&self, operands: &[Operand]) -> Result<Merged, MergeError> {
        merge(operands, &|digest| Arc::clone(&self.0[digest]))
    }

    /// Merges and gives the result as an operand, its fix-up as a layer.
    fn merged(&mut self, operands: &[Operand]) -> Result<Operand, MergeError> {
        let Merged { mut layers, fixup } = self.merge(operands)?;
        if let Some(fixup) = fixup {
            let wants_content =
                fixup.entries().iter().any(|entry| matches!(entry.kind, Kind::File { .. } | Kind::HardLink { .. }));
            assert!(!wants_content && fixup.check().is_ok(), "{fixup:?}");
            layers.push(self.add(fixup));
        }
        let names: Vec<&str> = operands.iter().map(|operand| operand.name.as_str()).collect();
        Ok(Operand { layers, name: names.join("+") })
    }

    fn tree(&self, layers: &[LayerDigest]) -> Tree {
        Tree::stack(layers.iter().enumerate().map(|(index, layer)| (LayerIndex(index), &*self.0[layer])))
    }

    /// Paths with everything but times.
    fn shown(&self, layers: &[LayerDigest]) -> BTreeMap<TreePath, Entry> {
        let timeless = |entry: &Entry| (entry.path.clone(), Entry { mtime: 0, ..entry.clone() });
        self.tree(layers).iter().map(|shown| timeless(&shown.entry)).collect()
    }
}

/// Operands from texts: layers are separated by `;`, the same text is the same layer.
fn operands(layers: &mut Layers, texts: &[&str]) -> Vec<Operand> {
    let mut operand = |(index, text): (usize, &&str)| {
        let manifests = text.split(';').map(|lines| Manifest::new(lines.split_whitespace().map(entry)));
        let layers = manifests.map(|manifest| layers.add(manifest)).collect();
        Operand { layers, name: format!("op{index}") }
    };
    texts.iter().enumerate().map(&mut operand).collect()
}

fn listing(shown: &BTreeMap<TreePath, Entry>) -> String {
    let line = |entry: &Entry| match &entry.kind {
        Kind::Directory if entry.mode == 0o755 => format!("{}/", entry.path),
        Kind::Directory => format!("{}/!{:o}", entry.path, entry.mode),
        _ => entry.path.to_string(),
    };
    shown.values().map(line).collect::<Vec<_>>().join(" ")
}

#[test]
fn independent_changes_come_together() {
    for (texts, expected, needs_fixup) in [
        (&["n=1;a=1", "n=1;b=1"][..], "a b n", false),
        (&["n=1", "n=1;b=1"], "b n", false),
        (&["n=1;a=1"], "a n", false),
        (&["n=1 f=1;-f", "n=1 f=1;b=1"], "b n", false),
        (&["n=1;same=1", "n=1;same=1 x=1"], "n same x", false),
        (&["o/ o/x=1;o/!700 o/a=1", "o/ o/x=1;o/ o/b=1"], "o/!700 o/a o/b o/x", true),
        (&["o/ o/x=1;-o", "o/ o/x=1;b=1"], "b", false),
        (&["o/ o/x=1;-o", "o/ o/x=1;o/ -o/x"], "", false),
        (&["o/ o/x=1 o/y=1;o->p", "o/ o/x=1 o/y=1;o/ -o/x"], "o", true),
        (&["n=1;d=1", "n=1;d=1;-d", "n=1;b=1"], "b n", false),
        (&["n=1;a=1", "n=1;b=1", "n=1;a=1;c=1"], "a b c n", false),
        (&["f=1;f=2;f=1", "f=1;f=3"], "f", false),
        (&["f=1 g==f h==f;f=2", "f=1 g==f h==f;b=1"], "b f g h", false),
        (&["f=1 g==f h==f;-g", "f=1 g==f h==f;b=1", "f=1 g==f h==f;c=1"], "b c f h", false),
    ] {
        let mut layers = Layers::default();
        let operands = operands(&mut layers, texts);
        let merged = layers.merge(&operands).expect("no conflict");
        let result = layers.merged(&operands).expect("no conflict");
        assert_eq!(listing(&layers.shown(&result.layers)), expected, "{texts:?}");
        assert!(!needs_fixup || merged.fixup.is_some() || merged.layers.len() > 1, "{texts:?}");
    }
}

#[test]
fn names_of_one_file_stay_linked() {
    let mut layers = Layers::default();
    let operands =
        operands(&mut layers, &["d/ d/f=1 d/g==d/f d/h==d/f;a=1 b==a", "d/ d/f=1 d/g==d/f d/h==d/f;d/!700 d/i=2"]);
    let result = layers.merged(&operands).expect("no conflict");
    let links = |shown: &Shown| shown.link_of.as_ref().map(|carrier| format!("{}=={carrier}", shown.entry.path));
    let found: Vec<String> = layers.tree(&result.layers).iter().filter_map(links).collect();
    assert_eq!(found, ["b==a", "d/g==d/f", "d/h==d/f"]);
}

#[test]
fn directory_metadata_survives_in_any_order() {
    // Whichever layer has the smaller digest, one of these stacks shows the unchanged directory on top.
    let mut fixups = 0;
    for name in ["b", "c", "d", "e", "f", "g", "h", "i"] {
        let mut layers = Layers::default();
        let operands = operands(&mut layers, &["o/;o/!700 o/a=1", &format!("o/;o/ o/{name}=1")]);
        fixups += usize::from(layers.merge(&operands).expect("no conflict").fixup.is_some());
        let result = layers.merged(&operands).expect("no conflict");
        assert_eq!(listing(&layers.shown(&result.layers)), format!("o/!700 o/a o/{name}"));
    }
    assert!(fixups > 0);
}

#[test]
fn a_changed_file_stays_on_top() {
    let mut layers = Layers::default();
    let operands = operands(&mut layers, &["f=1;f=2;f=1", "f=1;f=3"]);
    let result = layers.merged(&operands).expect("no conflict");
    assert_eq!(layers.shown(&result.layers)[&path("f")].kind, entry("f=3").kind);
}

#[test]
fn conflicts_name_path_and_both_sides() {
    for (texts, conflict_path, words) in [
        (["n=1;f=1", "n=1;f=2"], "f", "blake3"),
        (["n=1;f=1", "n=1;f=12"], "f", "2 bytes"),
        (["n=1;f=1", "n=1;f=1!4755"], "f", "4755"),
        (["n=1;f=1", "n=1;f->n"], "f", "a link to `n`"),
        (["n=1;d->a", "n=1;d->b"], "d", "a link to `a`"),
        (["n=1;f=1", "n=1;f/"], "f", "a directory"),
        (["n=1;d/", "n=1;d/!700"], "d", "700"),
        (["n=1;-n", "n=1;n=2"], "n", "deleted it"),
        (["d/ d/x=1;-d", "d/ d/x=1;d/ d/new=1"], "d", "`/d/new` below it"),
        (["d/ d/x=1;d->e", "d/ d/x=1;d/ d/new=1"], "d", "a link to `e`"),
        (["n=1;f=1 g==f", "n=1;f=1"], "f", "linked with `/g`"),
        (["f=1 g==f;f=2", "f=1 g==f;g=3"], "f", "changed one of the names"),
        (["n=1;var/lib/dpkg/status=1", "n=1;var/lib/dpkg/status=2"], "var/lib/dpkg/status", "package databases"),
    ] {
        let mut layers = Layers::default();
        let operands = operands(&mut layers, &texts);
        let error = layers.merge(&operands).expect_err("a conflict");
        let MergeError::Conflicts { conflicts, total } = &error else { panic!("{error}") };
        assert_eq!((*total, &conflicts[0].path), (1, &path(conflict_path)), "{texts:?}: {error}");
        let message = error.to_string();
        assert!(message.contains(words) && message.contains("`op0`") && message.contains("`op1`"), "{message}");
        assert_eq!(error.class(), sinter_graph::ErrorClass::User);
    }
}

#[test]
fn long_conflict_lists_are_cut() {
    let mut layers = Layers::default();
    let files = |text: &str| (0..50).map(|number| format!("f{number}={text}")).collect::<Vec<_>>().join(" ");
    let operands = operands(&mut layers, &[&format!("n=1;{}", files("1")), &format!("n=1;{}", files("2"))]);
    let error = layers.merge(&operands).expect_err("conflicts");
    assert!(matches!(&error, MergeError::Conflicts { conflicts, total: 50 } if conflicts.len() == 20), "{error}");
    assert!(error.to_string().contains("and 30 more"));
}

#[test]
fn strangers_are_refused_and_nothing_is_neutral() {
    let mut layers = Layers::default();
    let mut operands = operands(&mut layers, &["a=1", "b=1"]);
    assert!(matches!(layers.merge(&operands), Err(MergeError::NoCommonBase { .. })));
    operands[1].layers.clear();
    assert_eq!(layers.merge(&operands).map(|merged| merged.layers), Ok(operands[0].layers.clone()));
    assert_eq!(layers.merge(&[]), Ok(Merged::default()));
}

#[test]
fn strangers_are_answered_with_a_selection() {
    for (own, name, words) in [
        ("app/bin/x=1 app/lib/y=1", "built", "`built[\"/app\"]` instead of `built`"),
        ("app/bin/x=1", "built", "`built[\"/app/bin\"]`"),
        ("x=1 app/y=1", "built", "`built[\"/app/y\"]`"),
        ("app/bin/x=1 -gone", "service(a)", "`[\"/app/bin\"]` behind the expression that gives `service(a)`"),
        ("-gone", "built", "`built[\"/\"]`"),
        ("odd*/x=1", "built", "`built[\"/\"]`"),
    ] {
        let mut layers = Layers::default();
        let mut operands = operands(&mut layers, &["a=1 b=1 c=1 d=1 e=1;f=1", own]);
        operands[1].name = name.to_owned();
        let error = layers.merge(&operands).expect_err("strangers");
        let help = error.help().expect("a next step");
        assert!(help.contains(words), "{help} should say {words}");
        assert!(error.to_string().contains("no layer in common"));
    }
}

#[test]
fn deletes_in_a_diamond_stay_deletes() {
    let mut layers = Layers::default();
    let made = operands(&mut layers, &["n=1;d=1", "n=1;t/ t/f=1", "n=1;u=1"]);
    let narrow = layers.merged(&made[..2]).expect("no conflict");
    let wide = layers.merged(&made).expect("no conflict");
    let deletes = layers.add(Manifest::new(["t/", "-t/f"].map(entry)));
    let adds = layers.add(Manifest::new([entry("y=1")]));
    let x = Operand { layers: [narrow.layers, vec![deletes]].concat(), name: "x".to_owned() };
    let y = Operand { layers: [wide.layers, vec![adds]].concat(), name: "y".to_owned() };
    let result = layers.merged(&[x, y]).expect("no conflict");
    assert_eq!(listing(&layers.shown(&result.layers)), "d n t/ u y");
}

/// How often something is looked at when `steps` trees are merged that each add a file, change one in the same way as
/// all others, and stand on a tree of `files` files, but for the first, which stands on a part of it.
fn looked_at(steps: usize, files: usize) -> usize {
    let mut layers = Layers::default();
    let shared = layers.add(Manifest::new([entry("etc/os=1"), entry("var/log/x=1")]));
    let large = layers.add(Manifest::new((0..files).map(|file| entry(&format!("usr/d{}/f{file}=1", file / 40)))));
    let mut operands: Vec<Operand> = Vec::new();
    for step in 0..steps {
        let own = layers.add(Manifest::new([entry(&format!("out/o{step}=1")), entry("var/log/x=2")]));
        let stack = if step == 0 { vec![shared, own] } else { vec![shared, large, own] };
        operands.push(Operand { layers: stack, name: step.to_string() });
    }
    operands.sort_by(|left, right| left.layers.cmp(&right.layers));
    let branches: Vec<Branch<'_>> =
        operands.iter().map(|operand| Branch { name: &operand.name, layers: occurrences(&operand.layers) }).collect();
    let manifests = |digest: &LayerDigest| Arc::clone(&layers.0[digest]);
    let forest = Forest::of(&branches, &manifests);
    let comparison = Comparison::new(&branches, &forest, &manifests);
    comparison.paths().iter().map(|path| comparison.voices(path).len()).sum()
}

#[test]
fn work_grows_with_what_was_changed() {
    let (once, more_steps, more_files) = (looked_at(50, 200), looked_at(100, 200), looked_at(50, 1000));
    assert!(more_steps - once <= 50 * 8, "{once} looks at 50 steps, {more_steps} at 100");
    // The large layer is not in every operand, so its paths are looked at: by those who have it as one, not by each.
    assert!(more_files - once <= 3 * (800 + 20), "{once} looks at 200 files, {more_files} at 1000");
}

/// What a step does: paths that become something, or nothing.
type Change = (&'static str, u8);

fn changes() -> impl Strategy<Value = Vec<Change>> {
    let name = proptest::sample::select(&["a", "b", "c", "a/a", "a/b", "b/a", "b/b", "a/a/a"][..]);
    proptest::collection::vec((name, 0..6_u8), 1..4)
}

/// Makes the layer that a step doing `changes` on these layers would leave, as capture does.
fn step(layers: &mut Layers, below: &[LayerDigest], changes: &[Change]) -> Vec<LayerDigest> {
    let before = layers.shown(below);
    let mut after = before.clone();
    for &(name, what) in changes {
        let parents_fit =
            path(name).ancestors().all(|parent| after.get(&parent).is_none_or(|entry| entry.kind == Kind::Directory));
        if !parents_fit {
            continue;
        }
        let new = match what {
            0 => None,
            1 => Some(entry(&format!("{name}/"))),
            2 => Some(entry(&format!("{name}/!700"))),
            3 => Some(entry(&format!("{name}->x"))),
            _ => Some(entry(&format!("{name}={what}"))),
        };
        if new.as_ref().is_none_or(|new| new.kind != Kind::Directory) {
            after.retain(|known, _| !known.starts_with(&path(name)));
        }
        for parent in path(name).ancestors().filter(|_| new.is_some()) {
            after.entry(parent.clone()).or_insert_with(|| Entry { mtime: 0, ..Entry::directory(parent) });
        }
        if let Some(new) = new {
            after.insert(path(name), Entry { mtime: 0, ..new });
        }
    }
    let manifest = difference(&before, &after);
    if manifest.is_empty() {
        return below.to_vec();
    }
    [below, &[layers.add(manifest)]].concat()
}

fn difference(before: &BTreeMap<TreePath, Entry>, after: &BTreeMap<TreePath, Entry>) -> Manifest {
    let gone = before.keys().filter(|path| !after.contains_key(path));
    let gone = gone.filter(|path| {
        path.parent().is_none_or(|parent| {
            parent.is_root() || after.get(&parent).is_some_and(|entry| entry.kind == Kind::Directory)
        })
    });
    let mut entries: Vec<Entry> = gone.map(|path| entry(&format!("-{path}"))).collect();
    entries.extend(after.values().filter(|entry| before.get(&entry.path) != Some(entry)).cloned());
    let parents: BTreeSet<TreePath> = entries.iter().flat_map(|entry| entry.path.ancestors()).collect();
    entries.extend(parents.iter().filter_map(|parent| after.get(parent).cloned()));
    Manifest::new(entries)
}

/// A world: steps and merges that stand on earlier trees.
fn grow(layers: &mut Layers, plan: &[(usize, usize, Vec<Change>)]) -> Vec<Operand> {
    let mut trees = vec![step(layers, &[], &[("c", 5), ("a/b", 4), ("b/a", 4)])];
    for (first, second, changes) in plan {
        let (first, second) = (first % trees.len(), second % trees.len());
        let pair = [first, second].map(|index| Operand { layers: trees[index].clone(), name: index.to_string() });
        let below = layers.merged(&pair).map_or_else(|_| trees[first].clone(), |merged| merged.layers);
        trees.push(step(layers, &below, changes));
    }
    trees.into_iter().enumerate().map(|(index, layers)| Operand { layers, name: format!("t{index}") }).collect()
}

fn plan() -> impl Strategy<Value = Vec<(usize, usize, Vec<Change>)>> {
    proptest::collection::vec((0..8_usize, 0..8_usize, changes()), 1..6)
}

/// The obvious way for two trees: whoever changed a path since the common layers decides. `None`: a conflict.
fn naive_merge(layers: &Layers, one: &[LayerDigest], other: &[LayerDigest]) -> Option<BTreeMap<TreePath, Entry>> {
    let shared: Vec<LayerDigest> = one.iter().filter(|layer| other.contains(layer)).copied().collect();
    let [base, one, other] = [&shared, one, other].map(|list| layers.shown(list));
    let paths: BTreeSet<&TreePath> = base.keys().chain(one.keys()).chain(other.keys()).collect();
    let mut merged = BTreeMap::new();
    for path in paths {
        let (was, left, right) = (base.get(path), one.get(path), other.get(path));
        let decided = if left == right || right == was {
            left
        } else if left == was {
            right
        } else {
            return None;
        };
        decided.map(|entry| merged.insert(path.clone(), entry.clone()));
    }
    let is_directory = |path: &TreePath| merged.get(path).is_some_and(|entry: &Entry| entry.kind == Kind::Directory);
    let is_placed = merged.keys().all(|path| path.ancestors().all(|parent| is_directory(&parent)));
    is_placed.then_some(merged)
}

/// The obvious way for any number of trees: what some other tree has seen and shows no longer is replaced; what is left
/// must be equal. `None`: a conflict.
fn naive_merge_all(layers: &Layers, operands: &[&Operand]) -> Option<BTreeMap<TreePath, Entry>> {
    let shared = |one: &Operand, other: &Operand| -> Vec<LayerDigest> {
        one.layers.iter().filter(|layer| other.layers.contains(layer)).copied().collect()
    };
    let trees: Vec<_> = operands.iter().map(|operand| layers.shown(&operand.layers)).collect();
    let base = |one: &&Operand| operands.iter().map(|other| layers.shown(&shared(one, other))).collect::<Vec<_>>();
    let bases: Vec<Vec<_>> = operands.iter().map(base).collect();
    let mut merged = BTreeMap::new();
    for path in trees.iter().flat_map(BTreeMap::keys).collect::<BTreeSet<_>>() {
        let versions: Vec<Option<&Entry>> = trees.iter().map(|tree| tree.get(path)).collect();
        let is_replaced = |one: usize| {
            let by = |other: usize| versions[other] != versions[one] && bases[one][other].get(path) == versions[one];
            (0..versions.len()).any(by)
        };
        let standing: Vec<_> = (0..versions.len()).filter(|&one| !is_replaced(one)).map(|one| versions[one]).collect();
        let decided = standing.first().filter(|first| standing.iter().all(|other| other == *first))?;
        decided.map(|entry| merged.insert(path.clone(), entry.clone()));
    }
    let is_directory = |path: &TreePath| merged.get(path).is_some_and(|entry: &Entry| entry.kind == Kind::Directory);
    let is_placed = merged.keys().all(|path| path.ancestors().all(|parent| is_directory(&parent)));
    is_placed.then_some(merged)
}

/// Whether a layer stands twice in a stack, which the naive model cannot tell apart.
fn repeats(layers: &[LayerDigest]) -> bool {
    layers.iter().collect::<BTreeSet<_>>().len() != layers.len()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    #[test]
    fn merging_two_equals_the_naive_model(plan in plan()) {
        let mut layers = Layers::default();
        let trees = grow(&mut layers, &plan);
        for one in &trees {
            for other in trees.iter().filter(|other| !repeats(&other.layers) && !repeats(&one.layers)) {
                let merged = layers.merged(&[one.clone(), other.clone()]);
                match (naive_merge(&layers, &one.layers, &other.layers), merged) {
                    (Some(expected), Ok(merged)) => prop_assert_eq!(layers.shown(&merged.layers), expected),
                    (None, Err(MergeError::Conflicts { .. })) | (Some(_), Err(MergeError::NeedsContent { .. })) => {}
                    (expected, merged) => prop_assert!(false, "{expected:?} {merged:?}"),
                }
            }
        }
    }

    #[test]
    fn merging_many_equals_the_naive_model(plan in plan(), picks in proptest::collection::vec(0..7_usize, 2..7)) {
        let mut layers = Layers::default();
        let trees = grow(&mut layers, &plan);
        let picks: Vec<&Operand> = picks.iter().map(|pick| &trees[pick % trees.len()]).collect();
        let chosen: Vec<&Operand> = picks.into_iter().filter(|tree| !repeats(&tree.layers)).collect();
        let operands: Vec<Operand> = chosen.iter().map(|tree| (*tree).clone()).collect();
        match (naive_merge_all(&layers, &chosen), layers.merged(&operands)) {
            (Some(expected), Ok(merged)) => prop_assert_eq!(layers.shown(&merged.layers), expected),
            (None, Err(MergeError::Conflicts { .. })) | (Some(_), Err(MergeError::NeedsContent { .. })) => {}
            (expected, merged) => prop_assert!(false, "{expected:?} {merged:?}"),
        }
    }

    #[test]
    fn order_and_repetition_change_nothing(plan in plan(), picks in proptest::collection::vec(0..8_usize, 1..4)) {
        let mut layers = Layers::default();
        let trees = grow(&mut layers, &plan);
        let chosen: Vec<Operand> = picks.iter().map(|pick| trees[pick % trees.len()].clone()).collect();
        let reversed: Vec<Operand> = chosen.iter().rev().cloned().collect();
        let twice = [chosen.clone(), chosen.clone()].concat();
        let merged = layers.merge(&chosen);
        prop_assert_eq!(&merged, &layers.merge(&reversed));
        prop_assert_eq!(&merged, &layers.merge(&twice));
        if let Ok(result) = layers.merged(&chosen) {
            let again = layers.merged(&[result.clone(), chosen[0].clone()]).map(|again| layers.shown(&again.layers));
            prop_assert_eq!(again, Ok(layers.shown(&result.layers)));
        }
    }

    #[test]
    fn grouping_changes_nothing(plan in plan(), picks in (0..8_usize, 0..8_usize, 0..8_usize)) {
        let mut layers = Layers::default();
        let trees = grow(&mut layers, &plan);
        let [a, b, c] = [picks.0, picks.1, picks.2].map(|pick| trees[pick % trees.len()].clone());
        let together = layers.merged(&[a.clone(), b.clone(), c.clone()]);
        let left = layers.merged(&[a.clone(), b.clone()]).and_then(|ab| layers.merged(&[ab, c.clone()]));
        let right = layers.merged(&[b, c]).and_then(|bc| layers.merged(&[a, bc]));
        if let (Ok(together), Ok(left), Ok(right)) = (together, left, right) {
            prop_assert_eq!(layers.shown(&together.layers), layers.shown(&left.layers));
            prop_assert_eq!(layers.shown(&together.layers), layers.shown(&right.layers));
        }
    }
}
