//! What the merged tree shows, path by path.

use std::collections::BTreeMap;

use sinter_graph::path::TreePath;
use sinter_graph::tree::{Kind, LayerIndex, Shown, Tree};

use super::error::{Conflict, MergeError, Side, description};
use super::order::{Occurrence, common};
use super::{Branch, Manifests, stack};

/// What the merged tree shall show at a path.
#[derive(Debug, Clone, Copy)]
pub(super) struct Wanted<'a> {
    pub(super) path: &'a TreePath,
    /// `None`: nothing is there.
    pub(super) shown: Option<&'a Shown>,
    /// The branch that decided it.
    pub(super) branch: usize,
}

/// Branches with the trees that each two of them have in common.
struct Comparison<'a> {
    branches: &'a [Branch<'a>],
    bases: Vec<Tree>,
    /// By pair of branches, the smaller index first: an index into `bases`.
    base_of: BTreeMap<(usize, usize), usize>,
    links: Vec<Links<'a>>,
}

/// The files of a tree that have several names.
struct Links<'a>(BTreeMap<(LayerIndex, &'a TreePath), Vec<&'a TreePath>>);

/// Decides every path that some branch has. Sorted by path.
pub(super) fn compare<'a>(
    branches: &'a [Branch<'a>],
    manifests: &Manifests<'_>,
) -> Result<Vec<Wanted<'a>>, MergeError> {
    let comparison = Comparison::new(branches, manifests);
    let mut conflicts = Vec::new();
    let mut wanted = Vec::new();
    for_each_path(branches, |path, versions| match comparison.decide(path, versions) {
        Ok(decision) => wanted.push(decision),
        Err(conflict) => conflicts.push(conflict),
    });
    conflicts.extend(comparison.links_changed_apart());
    if conflicts.is_empty() {
        conflicts = misplaced(branches, &wanted);
    }
    if conflicts.is_empty() { Ok(wanted) } else { Err(MergeError::conflicts(conflicts)) }
}

pub(super) fn same(left: Option<&Shown>, right: Option<&Shown>) -> bool {
    match (left, right) {
        (None, None) => true,
        (Some(left), Some(right)) => left.entry.same_but_time(&right.entry),
        _ => false,
    }
}

/// Walks all trees at once: each path with what each branch has there.
fn for_each_path<'a>(branches: &'a [Branch<'a>], mut visit: impl FnMut(&'a TreePath, &[Option<&'a Shown>])) {
    let mut rest: Vec<_> = branches.iter().map(|branch| branch.tree.iter().peekable()).collect();
    let mut versions = vec![None; branches.len()];
    while let Some(path) = rest.iter_mut().filter_map(|rest| rest.peek().map(|shown| &shown.entry.path)).min() {
        for (rest, version) in rest.iter_mut().zip(&mut versions) {
            *version = rest.next_if(|shown| shown.entry.path == *path);
        }
        visit(path, &versions);
    }
}

impl<'a> Comparison<'a> {
    fn new(branches: &'a [Branch<'a>], manifests: &Manifests<'_>) -> Self {
        let mut stacks: BTreeMap<Vec<Occurrence>, usize> = BTreeMap::new();
        let mut bases = Vec::new();
        let mut base_of = BTreeMap::new();
        for left in 0..branches.len() {
            for right in left + 1..branches.len() {
                let layers = common(&[branches[left].layers.clone(), branches[right].layers.clone()]);
                let index = *stacks.entry(layers).or_insert_with_key(|layers| {
                    bases.push(stack(layers, manifests));
                    bases.len() - 1
                });
                base_of.insert((left, right), index);
            }
        }
        let links = branches.iter().map(|branch| Links::of(&branch.tree)).collect();
        Self { branches, bases, base_of, links }
    }

    /// The tree that two different branches have in common.
    fn base(&self, one: usize, other: usize) -> &Tree {
        &self.bases[self.base_of[&(one.min(other), one.max(other))]]
    }

    fn decide(&self, path: &'a TreePath, versions: &[Option<&'a Shown>]) -> Result<Wanted<'a>, Conflict> {
        let all_equal = versions.windows(2).all(|pair| same(pair[0], pair[1]));
        let standing: Vec<usize> = if all_equal {
            (0..versions.len()).collect()
        } else {
            (0..versions.len()).filter(|&branch| !self.is_replaced(path, versions, branch)).collect()
        };
        let Some((&first, others)) = standing.split_first() else {
            let differing = (1..versions.len()).find(|&other| !same(versions[0], versions[other])).unwrap_or(0);
            return Err(self.conflict(path, versions, 0, differing));
        };
        match others.iter().find(|&&other| !self.agree(versions, first, other)) {
            Some(&other) => Err(self.conflict(path, versions, first, other)),
            None => Ok(Wanted { path, shown: versions[first], branch: first }),
        }
    }

    /// Whether another branch has seen what this branch has here, and shows something else.
    fn is_replaced(&self, path: &TreePath, versions: &[Option<&Shown>], branch: usize) -> bool {
        (0..versions.len()).filter(|&other| other != branch).any(|other| {
            !same(versions[other], versions[branch]) && same(self.base(branch, other).get(path), versions[branch])
        })
    }

    fn agree(&self, versions: &[Option<&Shown>], one: usize, other: usize) -> bool {
        let names = |branch: usize| versions[branch].map(|shown| self.links[branch].names(shown));
        same(versions[one], versions[other]) && names(one) == names(other)
    }

    fn conflict(&self, path: &TreePath, versions: &[Option<&Shown>], left: usize, right: usize) -> Conflict {
        let side = |branch: usize, other: usize| {
            let mut has = description(versions[branch], versions[other]);
            if same(versions[branch], versions[other])
                && let Some(shown) = versions[branch]
            {
                has = described_links(has, path, self.links[branch].names(shown));
            }
            Side { operand: self.branches[branch].name.to_owned(), has }
        };
        Conflict { path: path.clone(), left: side(left, right), right: side(right, left) }
    }

    /// Files of several names of which two branches changed different ones, or in different ways.
    fn links_changed_apart(&self) -> Vec<Conflict> {
        let mut conflicts = Vec::new();
        for (&(left, right), &base) in &self.base_of {
            for names in Links::of(&self.bases[base]).0.values() {
                let changed = |branch| self.changed(branch, &self.bases[base], names);
                let side = |branch: usize| {
                    let has = format!("changed one of the names of a file: {}", listed(names));
                    Side { operand: self.branches[branch].name.to_owned(), has }
                };
                let conflict = |path: &TreePath| Conflict { path: path.clone(), left: side(left), right: side(right) };
                conflicts.extend(apart(&changed(left), &changed(right)).map(conflict));
            }
        }
        conflicts
    }

    /// Which of these paths a branch changed since `base`, not counting those it deleted.
    fn changed<'b>(&'b self, branch: usize, base: &Tree, paths: &[&'b TreePath]) -> Vec<Change<'b>> {
        let now = paths.iter().map(|path| (*path, self.branches[branch].tree.get(path)));
        now.filter(|(path, shown)| shown.is_some() && !same(*shown, base.get(path))).collect()
    }
}

/// A path and what a branch has there.
type Change<'a> = (&'a TreePath, Option<&'a Shown>);

/// The first path of two sets of changes that are both there and not equal.
fn apart<'a>(left: &[Change<'a>], right: &[Change<'a>]) -> Option<&'a TreePath> {
    let equal = left.len() == right.len()
        && left.iter().zip(right).all(|(left, right)| left.0 == right.0 && same(left.1, right.1));
    let (first, other) = (left.first()?.0, right.first()?.0);
    (!equal).then(|| first.min(other))
}

fn described_links(has: String, path: &TreePath, names: &[&TreePath]) -> String {
    let others: Vec<&TreePath> = names.iter().filter(|name| **name != path).copied().collect();
    if others.is_empty() { format!("{has} of its own") } else { format!("{has} linked with {}", listed(&others)) }
}

fn listed(names: &[&TreePath]) -> String {
    let quoted: Vec<String> = names.iter().take(3).map(|name| format!("`/{name}`")).collect();
    quoted.join(", ")
}

impl<'a> Links<'a> {
    fn of(tree: &'a Tree) -> Self {
        let mut names: BTreeMap<(LayerIndex, &'a TreePath), Vec<&'a TreePath>> = BTreeMap::new();
        for shown in tree {
            if let Some(carrier) = &shown.link_of {
                names.entry((shown.layer, carrier)).or_default().push(&shown.entry.path);
            }
        }
        for (&(layer, carrier), group) in &mut names {
            if let Some(shown) = tree.get(carrier).filter(|shown| shown.layer == layer) {
                group.insert(0, &shown.entry.path);
            }
        }
        Self(names)
    }

    /// All names of this file in its tree, itself among them; empty if it has one name only.
    fn names<'b>(&'b self, shown: &'b Shown) -> &'b [&'b TreePath] {
        let carrier = shown.link_of.as_ref().unwrap_or(&shown.entry.path);
        self.0.get(&(shown.layer, carrier)).map(Vec::as_slice).filter(|names| names.len() > 1).unwrap_or_default()
    }
}

/// What shall be shown below something that is no directory in the merged tree.
fn misplaced(branches: &[Branch<'_>], wanted: &[Wanted<'_>]) -> Vec<Conflict> {
    let find = |path: &TreePath| wanted.binary_search_by(|decision| decision.path.cmp(path)).ok().map(|at| wanted[at]);
    let mut conflicts: Vec<Conflict> = Vec::new();
    for decision in wanted.iter().filter(|decision| decision.shown.is_some()) {
        let Some(parent) = decision.path.parent().and_then(|parent| find(&parent)) else { continue };
        if parent.shown.is_some_and(|shown| shown.entry.kind == Kind::Directory)
            || conflicts.last().is_some_and(|known| known.path == *parent.path)
        {
            continue;
        }
        let name = |branch: usize| branches[branch].name.to_owned();
        let below = format!("`/{}` below it", decision.path);
        conflicts.push(Conflict {
            path: parent.path.clone(),
            left: Side { operand: name(parent.branch), has: description(parent.shown, None) },
            right: Side { operand: name(decision.branch), has: below },
        });
    }
    conflicts
}
