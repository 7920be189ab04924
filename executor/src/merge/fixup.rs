//! Finding layers, and one layer on top, that show what is wanted.

use std::collections::BTreeSet;

use sinter_graph::path::TreePath;
use sinter_graph::tree::{Entry, Kind, LayerIndex, Manifest, Shown, Tree};

use super::compare::{Wanted, same};
use super::error::MergeError;
use super::order::{Edge, Occurrence, order};
use super::{Branch, Manifests, Merged, stack};

/// Orders the layers; as long as a file is not shown that should be, what hides it goes further down.
pub(super) fn assemble(
    branches: &[Branch<'_>],
    base: &[Occurrence],
    wanted: &[Wanted<'_>],
    manifests: &Manifests<'_>,
) -> Result<Merged, MergeError> {
    let stacks: Vec<&[Occurrence]> = branches.iter().map(|branch| branch.layers.as_slice()).collect();
    let mut edges: BTreeSet<Edge> = BTreeSet::new();
    loop {
        let layers = order(&stacks, base, &edges);
        let differences = differences(wanted, &stack(&layers, manifests));
        let hidden: Vec<&Wanted<'_>> =
            differences.iter().filter_map(Difference::wanted).filter(|wanted| needs_content(wanted)).collect();
        let Some(first) = hidden.first() else {
            let layers = layers.iter().map(|layer| layer.digest).collect();
            return Ok(Merged { layers, fixup: fixup(&differences, wanted) });
        };
        let before = edges.len();
        for wanted in &hidden {
            edges.extend(lifting(wanted, branches, &layers, manifests));
        }
        if edges.len() == before {
            let operand = branches[first.branch].name.to_owned();
            return Err(MergeError::NeedsContent { path: first.path.clone(), operand });
        }
    }
}

/// A path at which a stack does not show what is wanted.
enum Difference<'a> {
    /// Something else is wanted.
    Wrong(Wanted<'a>),
    /// Nothing is wanted.
    Surplus(TreePath),
}

impl<'a> Difference<'a> {
    fn wanted(&self) -> Option<&Wanted<'a>> {
        match self {
            Self::Wrong(wanted) => Some(wanted),
            Self::Surplus(_) => None,
        }
    }
}

/// Where a stack shows something else than is wanted, in order of the paths. Times do not count.
fn differences<'a>(wanted: &[Wanted<'a>], stacked: &Tree) -> Vec<Difference<'a>> {
    let mut found = Vec::new();
    let mut rest = stacked.iter().peekable();
    for wanted in wanted {
        // The stack can show what no operand does: something below a directory that is wanted, or below nothing.
        while let Some(shown) = rest.next_if(|shown| shown.entry.path < *wanted.path) {
            found.push(Difference::Surplus(shown.entry.path.clone()));
        }
        match (wanted.shown, rest.next_if(|shown| shown.entry.path == *wanted.path)) {
            (None, Some(shown)) => found.push(Difference::Surplus(shown.entry.path.clone())),
            (shown, here) if !same(shown, here) => found.push(Difference::Wrong(*wanted)),
            _ => {}
        }
    }
    found.extend(rest.map(|shown| Difference::Surplus(shown.entry.path.clone())));
    found
}

fn needs_content(wanted: &Wanted<'_>) -> bool {
    wanted.shown.is_some_and(|shown| matches!(shown.entry.kind, Kind::File { .. }))
}

/// What has to go below which layer so that it shows what is wanted.
fn lifting(
    wanted: &Wanted<'_>,
    branches: &[Branch<'_>],
    layers: &[Occurrence],
    manifests: &Manifests<'_>,
) -> Vec<Edge> {
    let Some(LayerIndex(index)) = wanted.shown.map(|shown| shown.layer) else { return Vec::new() };
    let provider = branches[wanted.branch].layers[index];
    let above = layers.iter().skip_while(|layer| **layer != provider).skip(1);
    above.filter(|layer| hides(&manifests(&layer.digest), wanted.path)).map(|layer| (*layer, provider)).collect()
}

fn hides(manifest: &Manifest, path: &TreePath) -> bool {
    let no_directory = |path: TreePath| manifest.get(&path).is_some_and(|entry| entry.kind != Kind::Directory);
    manifest.get(path).is_some() || path.ancestors().any(no_directory)
}

/// The layer that makes the differences good; none of them needs file content.
fn fixup(differences: &[Difference<'_>], wanted: &[Wanted<'_>]) -> Option<Manifest> {
    if differences.is_empty() {
        return None;
    }
    let find = |path: &TreePath| wanted.binary_search_by(|decision| decision.path.cmp(path)).ok().map(|at| wanted[at]);
    let mut entries: Vec<Entry> = Vec::new();
    for difference in differences {
        let entry = match difference {
            Difference::Wrong(Wanted { shown: Some(shown), .. }) => shown.entry.clone(),
            Difference::Wrong(wanted) => whiteout(wanted.path),
            Difference::Surplus(path) => whiteout(path),
        };
        let shown_at = |path: &TreePath| find(path).and_then(|wanted| wanted.shown);
        let parents: Vec<Option<&Shown>> = entry.path.ancestors().map(|path| shown_at(&path)).collect();
        // Where the parent goes or becomes something else, what is below goes with it.
        if parents.iter().all(|parent| parent.is_some_and(|shown| shown.entry.kind == Kind::Directory)) {
            entries.extend(parents.into_iter().flatten().map(|shown| shown.entry.clone()));
            entries.push(entry);
        }
    }
    Some(Manifest::new(entries))
}

fn whiteout(path: &TreePath) -> Entry {
    Entry { mtime: 0, ..Entry::new(path.clone(), Kind::Whiteout, 0) }
}
