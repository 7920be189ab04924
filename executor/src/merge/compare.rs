//! What the merged tree shows, path by path.
//!
//! Only paths that some operand changed since the base are looked at, and at each path operands that cannot differ are
//! looked at once: they are one voice.

use std::collections::{BTreeMap, BTreeSet};

use sinter_graph::path::TreePath;
use sinter_graph::tree::{Kind, Shown, Tree};

use super::common::{Common, Commons};
use super::error::{Conflict, MergeError, Side, description};
use super::forest::Forest;
use super::links::{File, Links};
use super::{Branch, Manifests};

/// What the merged tree shall show at a path.
#[derive(Debug, Clone, Copy)]
pub(super) struct Wanted<'a> {
    /// `None`: nothing is there.
    pub(super) shown: Option<&'a Shown>,
    /// The branch that decided it.
    pub(super) branch: usize,
}

/// What the merged tree shall show: the base, but at some paths.
pub(super) struct Decisions<'a> {
    pub(super) base: &'a Tree,
    /// How many layers the base has.
    pub(super) base_depth: usize,
    pub(super) paths: BTreeMap<TreePath, Wanted<'a>>,
}

impl<'a> Decisions<'a> {
    /// What shall be at a path. Where no operand changed anything, the first can speak for all.
    pub(super) fn at(&self, path: &TreePath) -> Wanted<'a> {
        self.paths.get(path).copied().unwrap_or(Wanted { shown: self.base.get(path), branch: 0 })
    }
}

/// Operands that share the same layers with others and show the same at a path, its other names included.
pub(super) struct Voice<'a> {
    /// The first of them, which speaks for all.
    branch: usize,
    class: usize,
    shown: Option<&'a Shown>,
}

pub(super) struct Comparison<'a> {
    branches: &'a [Branch<'a>],
    forest: &'a Forest,
    commons: Commons<'a>,
    links: Links<'a>,
}

pub(super) fn same(left: Option<&Shown>, right: Option<&Shown>) -> bool {
    match (left, right) {
        (None, None) => true,
        (Some(left), Some(right)) => left.entry.same_but_time(&right.entry),
        _ => false,
    }
}

impl<'a> Comparison<'a> {
    pub(super) fn new(branches: &'a [Branch<'a>], forest: &'a Forest, manifests: &'a Manifests<'a>) -> Self {
        Self { branches, forest, commons: Commons::new(branches, forest, manifests), links: Links::new(manifests) }
    }

    /// Decides every path that some branch changed, or another name of which was changed.
    pub(super) fn decide_all(&self) -> Result<Decisions<'a>, MergeError> {
        let mut conflicts = Vec::new();
        let mut paths = BTreeMap::new();
        for path in self.paths() {
            match self.decide(&path, &self.voices(&path)) {
                Ok(decision) => drop(paths.insert(path, decision)),
                Err(conflict) => conflicts.push(conflict),
            }
        }
        conflicts.extend(self.links_changed_apart());
        if conflicts.is_empty() {
            conflicts = self.misplaced(&paths);
        }
        if !conflicts.is_empty() {
            return Err(MergeError::conflicts(conflicts));
        }
        Ok(Decisions { base: &self.forest.base, base_depth: self.forest.base_depth, paths })
    }

    /// The paths to decide.
    pub(super) fn paths(&self) -> BTreeSet<TreePath> {
        let mut paths: BTreeSet<TreePath> = self.forest.changed_paths().cloned().collect();
        for path in self.forest.changed_paths() {
            let file = self.forest.base.get(path).and_then(|shown| self.file(0, shown));
            paths.extend(file.map(|file| self.links.in_layer(&file)).unwrap_or_default());
        }
        paths
    }

    fn file(&self, branch: usize, shown: &Shown) -> Option<File> {
        File::of(shown, &self.branches[branch].layers)
    }

    /// In order of their branches. Together they are all operands.
    pub(super) fn voices(&self, path: &TreePath) -> Vec<Voice<'a>> {
        let files = self.forest.versions(path).filter_map(|(branch, shown)| self.file(branch, shown));
        let names: Vec<TreePath> = files.flat_map(|file| self.links.in_layer(&file)).collect();
        self.voices_at(path, std::iter::once(path).chain(&names))
    }

    /// Divides the operands so that those of a voice show the same at all of `paths`.
    fn voices_at<'p>(&self, path: &TreePath, paths: impl Iterator<Item = &'p TreePath>) -> Vec<Voice<'a>> {
        let groups = self.forest.groups(self.branches.len(), paths);
        let firsts = groups.iter().flat_map(|group| {
            self.commons.classes().filter_map(move |(class, members)| Some((group.first_of(members)?, class)))
        });
        let voice = |(branch, class)| Voice { branch, class, shown: self.forest.shown(branch, path) };
        let mut voices: Vec<Voice<'a>> = firsts.map(voice).collect();
        voices.sort_by_key(|voice| voice.branch);
        voices
    }

    fn decide(&self, path: &TreePath, voices: &[Voice<'a>]) -> Result<Wanted<'a>, Conflict> {
        let all_equal = voices.windows(2).all(|pair| same(pair[0].shown, pair[1].shown));
        let mut seen = Seen { comparison: self, path, known: BTreeMap::new() };
        let standing: Vec<&Voice<'a>> =
            voices.iter().filter(|voice| all_equal || !seen.is_replaced(voice, voices)).collect();
        let Some((first, others)) = standing.split_first() else {
            let differing = voices.iter().find(|voice| !same(voices[0].shown, voice.shown)).unwrap_or(&voices[0]);
            return Err(self.conflict(path, &voices[0], differing));
        };
        match others.iter().find(|other| !self.agree(first, other)) {
            Some(other) => Err(self.conflict(path, first, other)),
            None => Ok(Wanted { shown: first.shown, branch: first.branch }),
        }
    }

    /// Whether two branches have the same file under the same names, or one of them left alone what both had: that the
    /// other took names of the file away is no conflict with it.
    fn agree(&self, one: &Voice<'_>, other: &Voice<'_>) -> bool {
        if !same(one.shown, other.shown) {
            return false;
        }
        let (names, others) = (self.names(one), self.names(other));
        names == others || self.left_alone(one, other, &names) || self.left_alone(other, one, &others)
    }

    /// Whether a branch shows the file that it has in common with another one, under all names that it had there.
    fn left_alone(&self, voice: &Voice<'_>, other: &Voice<'_>, names: &[TreePath]) -> bool {
        let common = self.commons.of(voice.class, other.class);
        let get = |path: &TreePath| common.tree.get(path);
        let file = |voice: &Voice<'_>| voice.shown.and_then(|shown| self.file(voice.branch, shown));
        match file(voice) {
            Some(left) if Some(&left) == file(other).as_ref() => self.links.shown(&left, &common.layers, get) == names,
            _ => false,
        }
    }

    /// All names of this file in its tree, itself among them; empty if it has one name only.
    fn names(&self, voice: &Voice<'_>) -> Vec<TreePath> {
        let Some(file) = voice.shown.and_then(|shown| self.file(voice.branch, shown)) else { return Vec::new() };
        let layers = &self.branches[voice.branch].layers;
        self.links.shown(&file, layers, |path| self.forest.shown(voice.branch, path))
    }

    fn conflict(&self, path: &TreePath, left: &Voice<'_>, right: &Voice<'_>) -> Conflict {
        let side = |voice: &Voice<'_>, other: &Voice<'_>| {
            let mut has = description(voice.shown, other.shown);
            if same(voice.shown, other.shown) && voice.shown.is_some() {
                has = described_links(has, path, &self.names(voice));
            }
            Side { operand: self.branches[voice.branch].name.to_owned(), has }
        };
        Conflict { path: path.clone(), left: side(left, right), right: side(right, left) }
    }

    /// Files of several names of which two branches changed different ones, or in different ways.
    fn links_changed_apart(&self) -> Vec<Conflict> {
        let versions = self.forest.changed_paths().flat_map(|path| self.forest.versions(path));
        let files: BTreeSet<File> = versions.filter_map(|(branch, shown)| self.file(branch, shown)).collect();
        files.iter().flat_map(|file| self.names_changed_apart(file)).collect()
    }

    fn names_changed_apart(&self, file: &File) -> Vec<Conflict> {
        let names = self.links.in_layer(file);
        let Some(first) = names.first() else { return Vec::new() };
        let is_other = |voice: &Voice<'_>, name: &TreePath| {
            let shown = self.forest.shown(voice.branch, name);
            shown.is_some_and(|shown| self.file(voice.branch, shown).as_ref() != Some(file))
        };
        let mut changers = self.voices_at(first, names.iter());
        changers.retain(|voice| names.iter().any(|name| is_other(voice, name)));
        let pairs = (0..changers.len()).flat_map(|left| (left + 1..changers.len()).map(move |right| (left, right)));
        let changers = &changers;
        pairs.filter_map(|(left, right)| self.changed_apart(file, &names, &changers[left], &changers[right])).collect()
    }

    fn changed_apart(&self, file: &File, names: &[TreePath], left: &Voice<'_>, right: &Voice<'_>) -> Option<Conflict> {
        let common = self.commons.of(left.class, right.class);
        let is_file = |shown: &Shown| File::of(shown, &common.layers).as_ref() == Some(file);
        let names: Vec<&TreePath> = names.iter().filter(|name| common.tree.get(name).is_some_and(is_file)).collect();
        if !names.iter().any(|name| **name != file.carrier) {
            return None;
        }
        let path = apart(&self.changes(left, &common, &names), &self.changes(right, &common, &names))?.clone();
        let side = |voice: &Voice<'_>| {
            let has = format!("changed one of the names of a file: {}", listed(names.iter().copied()));
            Side { operand: self.branches[voice.branch].name.to_owned(), has }
        };
        Some(Conflict { path, left: side(left), right: side(right) })
    }

    /// Which of these paths a branch changed since `common`, not counting those it deleted.
    fn changes<'p>(&self, voice: &Voice<'_>, common: &Common, paths: &[&'p TreePath]) -> Vec<Change<'p, 'a>> {
        let now = paths.iter().map(|path| (*path, self.forest.shown(voice.branch, path)));
        now.filter(|(path, shown)| shown.is_some() && !same(*shown, common.tree.get(path))).collect()
    }

    /// What shall be shown below something that is no directory in the merged tree. Where no operand changed the parent,
    /// what is below fits it.
    fn misplaced(&self, paths: &BTreeMap<TreePath, Wanted<'a>>) -> Vec<Conflict> {
        let name = |branch: usize| self.branches[branch].name.to_owned();
        let mut conflicts: Vec<Conflict> = Vec::new();
        for (path, decision) in paths.iter().filter(|(_, decision)| decision.shown.is_some()) {
            let Some((parent, above)) = path.parent().and_then(|parent| paths.get_key_value(&parent)) else { continue };
            if above.shown.is_some_and(|shown| shown.entry.kind == Kind::Directory)
                || conflicts.last().is_some_and(|known| known.path == *parent)
            {
                continue;
            }
            let below = format!("`/{path}` below it");
            conflicts.push(Conflict {
                path: parent.clone(),
                left: Side { operand: name(above.branch), has: description(above.shown, None) },
                right: Side { operand: name(decision.branch), has: below },
            });
        }
        conflicts
    }
}

/// What classes have in common at one path.
struct Seen<'a, 'b> {
    comparison: &'b Comparison<'a>,
    path: &'b TreePath,
    known: BTreeMap<(usize, usize), Option<Shown>>,
}

impl Seen<'_, '_> {
    /// Whether another branch has seen what this voice has here, and shows something else.
    fn is_replaced(&mut self, voice: &Voice<'_>, voices: &[Voice<'_>]) -> bool {
        voices
            .iter()
            .any(|other| !same(other.shown, voice.shown) && same(self.in_common(voice.class, other.class), voice.shown))
    }

    fn in_common(&mut self, one: usize, other: usize) -> Option<&Shown> {
        let find = || self.comparison.commons.of(one, other).tree.get(self.path).cloned();
        self.known.entry((one.min(other), one.max(other))).or_insert_with(find).as_ref()
    }
}

/// A path and what a branch has there.
type Change<'p, 'a> = (&'p TreePath, Option<&'a Shown>);

/// The first path of two sets of changes that are both there and not equal.
fn apart<'p>(left: &[Change<'p, '_>], right: &[Change<'p, '_>]) -> Option<&'p TreePath> {
    let equal = left.len() == right.len()
        && left.iter().zip(right).all(|(left, right)| left.0 == right.0 && same(left.1, right.1));
    let (first, other) = (left.first()?.0, right.first()?.0);
    (!equal).then(|| first.min(other))
}

fn described_links(has: String, path: &TreePath, names: &[TreePath]) -> String {
    let mut others = names.iter().filter(|name| *name != path).peekable();
    if others.peek().is_none() { format!("{has} of its own") } else { format!("{has} linked with {}", listed(others)) }
}

fn listed<'p>(names: impl Iterator<Item = &'p TreePath>) -> String {
    let quoted: Vec<String> = names.take(3).map(|name| format!("`/{name}`")).collect();
    quoted.join(", ")
}
