//! Finding layers, and one layer on top, that show what is wanted.

use std::collections::BTreeSet;

use sinter_graph::path::TreePath;
use sinter_graph::tree::{Entry, Kind, LayerIndex, Manifest, Shown, Tree};

use super::compare::{Decisions, Wanted, same};
use super::error::MergeError;
use super::forest::extended;
use super::order::{Edge, Occurrence, order};
use super::{Branch, Manifests, Merged};

/// Orders the layers; as long as a file is not shown that should be, what hides it goes further down.
pub(super) fn assemble(
    branches: &[Branch<'_>],
    base: &[Occurrence],
    decisions: &Decisions<'_>,
    manifests: &Manifests<'_>,
) -> Result<Merged, MergeError> {
    let stacks: Vec<&[Occurrence]> = branches.iter().map(|branch| branch.layers.as_slice()).collect();
    let mut edges: BTreeSet<Edge> = BTreeSet::new();
    loop {
        let layers = order(&stacks, base, &edges);
        let differing = differing(decisions, &stacked(branches, &layers, decisions, manifests));
        let hidden: Vec<&TreePath> = differing.iter().filter(|path| needs_content(&decisions.at(path))).collect();
        let Some(first) = hidden.first() else {
            let layers = layers.iter().map(|layer| layer.digest).collect();
            return Ok(Merged { layers, fixup: fixup(&differing, decisions) });
        };
        let before = edges.len();
        for path in &hidden {
            edges.extend(lifting(path, &decisions.at(path), branches, &layers, manifests));
        }
        if edges.len() == before {
            let operand = branches[decisions.at(first).branch].name.to_owned();
            return Err(MergeError::NeedsContent { path: (*first).clone(), operand });
        }
    }
}

/// What the ordered layers show. They mostly begin with those of the base, so that its tree can be shared.
fn stacked(
    branches: &[Branch<'_>],
    layers: &[Occurrence],
    decisions: &Decisions<'_>,
    manifests: &Manifests<'_>,
) -> Tree {
    let bottom = branches.first().map_or(&[][..], |first| &first.layers[..decisions.base_depth]);
    match layers.strip_prefix(bottom) {
        Some(above) => extended(decisions.base.clone(), above, bottom.len(), manifests),
        None => extended(Tree::new(), layers, 0, manifests),
    }
}

/// Where a stack shows something else than is wanted, in order of the paths. Times do not count.
fn differing(decisions: &Decisions<'_>, stacked: &Tree) -> Vec<TreePath> {
    // The stack can show what no operand does: something below a directory that is wanted, or below nothing.
    let changed = stacked.changes_since(decisions.base).into_iter().map(|(path, _)| path);
    let paths: BTreeSet<&TreePath> = decisions.paths.keys().chain(changed).collect();
    let differ = |path: &&TreePath| !same(decisions.at(path).shown, stacked.get(path));
    paths.into_iter().filter(differ).cloned().collect()
}

fn needs_content(wanted: &Wanted<'_>) -> bool {
    wanted.shown.is_some_and(|shown| matches!(shown.entry.kind, Kind::File { .. }))
}

/// What has to go below which layer so that it shows what is wanted.
fn lifting(
    path: &TreePath,
    wanted: &Wanted<'_>,
    branches: &[Branch<'_>],
    layers: &[Occurrence],
    manifests: &Manifests<'_>,
) -> Vec<Edge> {
    let Some(LayerIndex(index)) = wanted.shown.map(|shown| shown.layer) else { return Vec::new() };
    let provider = branches[wanted.branch].layers[index];
    let above = layers.iter().skip_while(|layer| **layer != provider).skip(1);
    above.filter(|layer| hides(&manifests(&layer.digest), path)).map(|layer| (*layer, provider)).collect()
}

fn hides(manifest: &Manifest, path: &TreePath) -> bool {
    let no_directory = |path: TreePath| manifest.get(&path).is_some_and(|entry| entry.kind != Kind::Directory);
    manifest.get(path).is_some() || path.ancestors().any(no_directory)
}

/// The layer that makes the differences good; none of them needs file content.
fn fixup(differing: &[TreePath], decisions: &Decisions<'_>) -> Option<Manifest> {
    if differing.is_empty() {
        return None;
    }
    let mut entries: Vec<Entry> = Vec::new();
    for path in differing {
        let entry = decisions.at(path).shown.map_or_else(|| whiteout(path), |shown| shown.entry.clone());
        let parents: Vec<Option<&Shown>> = path.ancestors().map(|path| decisions.at(&path).shown).collect();
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
