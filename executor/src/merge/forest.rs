//! What operands show, held once where they agree.
//!
//! Operands are sorted by their layers, so those that begin alike are neighbours. What all begin with is one tree, the
//! base. Above it, each place where neighbours part is a node that holds only what its layers changed. So thousands of
//! steps on one tree cost what the steps changed, and a path that no node changed is looked at by nobody.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;
use std::rc::Rc;

use sinter_graph::path::TreePath;
use sinter_graph::tree::{LayerIndex, Shown, Tree};

use super::order::Occurrence;
use super::{Branch, Manifests};

/// All operands.
pub(super) struct Forest {
    /// What the layers show that every operand begins with.
    pub(super) base: Tree,
    /// How many layers those are.
    pub(super) base_depth: usize,
    /// The members of each node, in order of the first, those that hold others before these.
    nodes: Vec<Range<usize>>,
    /// By path: the nodes that changed it, in their order.
    changed: BTreeMap<TreePath, Vec<Version>>,
}

/// Paths with what is there instead of what was.
type Changes = Vec<(TreePath, Option<Shown>)>;

/// What a node shows at a path that its layers changed.
struct Version {
    node: usize,
    shown: Option<Shown>,
}

/// Neighbours for which something holds, without those of them for which something else does.
pub(super) struct Group {
    members: Range<usize>,
    /// In order.
    without: Vec<Range<usize>>,
}

impl Forest {
    /// `branches` are sorted by their layers, each list of layers once.
    pub(super) fn of(branches: &[Branch<'_>], manifests: &Manifests<'_>) -> Self {
        let all = 0..branches.len();
        let base_depth = alike(branches, &all);
        let bottom: &[Occurrence] = branches.first().map_or(&[], |first| &first.layers[..base_depth]);
        let base = extended(Tree::new(), bottom, 0, manifests);
        let mut grown: Vec<(Range<usize>, Changes)> = Vec::new();
        let mut pending = vec![(all, base_depth, Rc::new(base.clone()))];
        while let Some((members, depth, tree)) = pending.pop() {
            for members in parting(branches, members, depth) {
                let depth_above = alike(branches, &members);
                let layers = &branches[members.start].layers[depth..depth_above];
                let above = extended(Tree::clone(&tree), layers, depth, manifests);
                let owned = |(path, shown): (&TreePath, Option<&Shown>)| (path.clone(), shown.cloned());
                grown.push((members.clone(), above.changes_since(&tree).into_iter().map(owned).collect()));
                if members.len() > 1 {
                    pending.push((members, depth_above, Rc::new(above)));
                }
            }
        }
        grown.sort_by_key(|(members, _)| (members.start, std::cmp::Reverse(members.end)));
        let mut forest = Self { base, base_depth, nodes: Vec::new(), changed: BTreeMap::new() };
        grown.into_iter().for_each(|(members, changes)| forest.add(members, changes));
        forest
    }

    fn add(&mut self, members: Range<usize>, changes: Changes) {
        let node = self.nodes.len();
        self.nodes.push(members);
        for (path, shown) in changes {
            self.changed.entry(path).or_default().push(Version { node, shown });
        }
    }

    /// The paths at which some operand shows something else than the base, in order.
    pub(super) fn changed_paths(&self) -> impl Iterator<Item = &TreePath> {
        self.changed.keys()
    }

    /// What an operand shows at a path.
    pub(super) fn shown(&self, branch: usize, path: &TreePath) -> Option<&Shown> {
        let versions = self.changed.get(path).map_or(&[][..], Vec::as_slice);
        let behind = versions.partition_point(|version| self.nodes[version.node].start <= branch);
        match versions[..behind].iter().rfind(|version| self.nodes[version.node].contains(&branch)) {
            Some(version) => version.shown.as_ref(),
            None => self.base.get(path),
        }
    }

    /// Everything that some operand shows at a path, the base's first, if there is anything.
    pub(super) fn versions(&self, path: &TreePath) -> impl Iterator<Item = (usize, &Shown)> {
        let changed = self.changed.get(path).map_or(&[][..], Vec::as_slice);
        // The base's layers are those of every operand, so the first can speak for it.
        let base = self.base.get(path).map(|shown| (0, shown));
        let above =
            changed.iter().filter_map(|version| Some((self.nodes[version.node].start, version.shown.as_ref()?)));
        base.into_iter().chain(above)
    }

    /// Divides the operands into those that show the same at all of these paths.
    pub(super) fn groups<'p>(&self, all: usize, paths: impl Iterator<Item = &'p TreePath>) -> Vec<Group> {
        let changed = paths.filter_map(|path| self.changed.get(path));
        let nodes: BTreeSet<usize> = changed.flatten().map(|version| version.node).collect();
        let ranges: Vec<Range<usize>> =
            std::iter::once(0..all).chain(nodes.into_iter().map(|node| self.nodes[node].clone())).collect();
        let group = |(index, members): (usize, &Range<usize>)| Group {
            members: members.clone(),
            without: within(members, &ranges[index + 1..]),
        };
        ranges.iter().enumerate().map(group).collect()
    }
}

impl Group {
    /// The first of `candidates`, which are in order, that belongs to the group.
    pub(super) fn first_of(&self, candidates: &[usize]) -> Option<usize> {
        let mut next = candidates.partition_point(|&branch| branch < self.members.start);
        for hole in &self.without {
            match candidates.get(next) {
                Some(branch) if hole.contains(branch) => {
                    next += candidates[next..].partition_point(|&branch| branch < hole.end);
                }
                Some(branch) if *branch < hole.start => break,
                _ => {}
            }
        }
        candidates.get(next).copied().filter(|branch| self.members.contains(branch))
    }
}

/// The outermost of `ranges` that lie in `members`; they are in order, and each lies in another or apart from it.
fn within(members: &Range<usize>, ranges: &[Range<usize>]) -> Vec<Range<usize>> {
    let mut outermost: Vec<Range<usize>> = Vec::new();
    for range in ranges.iter().take_while(|range| range.start < members.end) {
        if outermost.last().is_none_or(|last| last.end <= range.start) {
            outermost.push(range.clone());
        }
    }
    outermost
}

/// With how many layers all of these neighbours begin: the first and the last decide, because they are sorted.
fn alike(branches: &[Branch<'_>], members: &Range<usize>) -> usize {
    let layers = |index: usize| branches.get(index).map_or(&[][..], |branch| &branch.layers);
    let (first, last) = (layers(members.start), layers(members.end.saturating_sub(1)));
    first.iter().zip(last).take_while(|(one, other)| one == other).count()
}

/// Neighbours that are alike up to `depth`, divided by the next layer; one that ends there belongs to none.
fn parting(branches: &[Branch<'_>], members: Range<usize>, depth: usize) -> Vec<Range<usize>> {
    let mut divided: Vec<Range<usize>> = Vec::new();
    for index in members {
        let Some(layer) = branches[index].layers.get(depth) else { continue };
        match divided.last_mut() {
            Some(last) if branches[last.start].layers[depth] == *layer => last.end = index + 1,
            _ => divided.push(index..index + 1),
        }
    }
    divided
}

/// A tree with more layers on top, the first of which has the index `depth`.
pub(super) fn extended(tree: Tree, layers: &[Occurrence], depth: usize, manifests: &Manifests<'_>) -> Tree {
    let numbered = layers.iter().enumerate();
    numbered.fold(tree, |tree, (index, layer)| tree.extended(LayerIndex(depth + index), &manifests(&layer.digest)))
}
