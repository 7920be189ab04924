//! Merging trees that grew from common layers.
//!
//! A tree is an ordered list of layers. Two trees are compared against the layers both contain: what one of them
//! changed since, deletes included, replaces what the other left alone; what both changed must be equal in everything
//! but time, or it is a conflict. With more than two trees each pair is compared so, because then it does not matter in
//! which groups trees are merged: a tree that contains a layer has seen what that layer holds, and what it shows
//! instead replaces it. Files or links against directories, a delete against something new below, and a file of
//! several names (hard links) of which two trees changed different ones, are conflicts too.
//!
//! The result is a list of layers: all layers of all operands, once each, such that
//! 1. each operand's own order is kept,
//! 2. layers that all operands contain go first where that leaves a choice, then those with the smaller digest,
//! 3. and if that would show something else than the merged tree, layers that hide what belongs there go below the
//!    layer that holds it.
//!
//! What then still differs and needs no file content (metadata of directories, links, deletes) goes into one fix-up
//! layer on top. No file is copied; if only a copy would help, that is an error.
//!
//! Rules: the order of operands changes nothing, not even which time a file has; an operand that stands on another one
//! takes its place; empty operands do not count. Must not know: what files mean. So package databases that two trees
//! changed are conflicts.

mod common;
mod compare;
mod error;
mod fixup;
mod forest;
mod links;
mod order;
#[cfg(test)]
mod tests;

use std::sync::Arc;

use sinter_graph::digest::LayerDigest;
use sinter_graph::path::TreePath;
use sinter_graph::tree::{Kind, Manifest};

use compare::Comparison;
pub use error::{Conflict, Instead, MergeError, Side};
use fixup::assemble;
use forest::Forest;
use order::{Occurrence, common, is_subsequence, occurrences};

/// A tree to be merged.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Operand {
    /// Its layers, the bottom one first.
    pub layers: Vec<LayerDigest>,
    /// What messages call it: the name of its step.
    pub name: String,
}

/// A merged tree.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Merged {
    /// Its layers, the bottom one first, without the fix-up.
    pub layers: Vec<LayerDigest>,
    /// What goes on top, if anything does: directories, links and whiteouts only.
    pub fixup: Option<Manifest>,
}

/// Gives the entries of a layer.
pub type Manifests<'a> = dyn Fn(&LayerDigest) -> Arc<Manifest> + 'a;

/// An operand. They are sorted by layers.
struct Branch<'a> {
    name: &'a str,
    layers: Vec<Occurrence>,
}

/// Merges trees.
///
/// # Errors
/// If they share no layer, if they conflict, or if only copying a file could bring them together.
pub fn merge(operands: &[Operand], manifests: &Manifests<'_>) -> Result<Merged, MergeError> {
    let operands = canonical(operands);
    if let Some(whole) = containing_all(&operands) {
        return Ok(Merged { layers: whole.layers.clone(), fixup: None });
    }
    let layers: Vec<Vec<Occurrence>> = operands.iter().map(|operand| occurrences(&operand.layers)).collect();
    let base = common(&layers);
    if base.is_empty() && operands.len() > 1 {
        return Err(strangers(&operands, manifests));
    }
    let branches: Vec<Branch<'_>> =
        operands.iter().zip(layers).map(|(operand, layers)| Branch { name: &operand.name, layers }).collect();
    let forest = Forest::of(&branches, manifests);
    let decisions = Comparison::new(&branches, &forest, manifests).decide_all()?;
    assemble(&branches, &base, &decisions, manifests)
}

/// Sorted by layers, each list of layers once, none of them empty: from here on the order of operands is forgotten.
fn canonical(operands: &[Operand]) -> Vec<&Operand> {
    let mut kept: Vec<&Operand> = operands.iter().filter(|operand| !operand.layers.is_empty()).collect();
    kept.sort_by(|left, right| (&left.layers, &left.name).cmp(&(&right.layers, &right.name)));
    kept.dedup_by(|later, earlier| later.layers == earlier.layers);
    kept
}

/// The error for trees without a common layer. The largest of them is likely the one to be taken as a whole.
fn strangers(operands: &[&Operand], manifests: &Manifests<'_>) -> MergeError {
    let size =
        |operand: &&Operand| -> usize { operand.layers.iter().map(|layer| manifests(layer).entries().len()).sum() };
    let smallest = operands.iter().copied().min_by_key(|operand| (size(operand), &operand.name));
    let pattern = |operand: &Operand| operand.layers.last().map(|top| selection_of(&manifests(top)));
    let selection = Instead {
        operand: smallest.map(|operand| operand.name.clone()).unwrap_or_default(),
        pattern: smallest.and_then(pattern).unwrap_or_else(|| "/".to_owned()),
    };
    MergeError::NoCommonBase { operands: operands.iter().map(|operand| operand.name.clone()).collect(), selection }
}

/// A pattern for what a layer adds: the deepest directory that holds all of it, or the first file if that is the root.
fn selection_of(layer: &Manifest) -> String {
    let mut files = layer.entries().iter().filter(|entry| !matches!(entry.kind, Kind::Directory | Kind::Whiteout));
    let Some(first) = files.next().map(|entry| entry.path.clone()) else { return "/".to_owned() };
    let holds_all = |directory: &TreePath| files.clone().all(|entry| entry.path.starts_with(directory));
    let common = first.ancestors().find(holds_all);
    let is_plain =
        |path: &TreePath| path.as_bytes().iter().all(|byte| byte.is_ascii_graphic() && !b"*?[]{}\\\"$".contains(byte));
    common.or(Some(first)).filter(is_plain).map_or_else(|| "/".to_owned(), |path| format!("/{path}"))
}

/// The operand that stands on all others, if there is one.
fn containing_all<'a>(operands: &[&'a Operand]) -> Option<&'a Operand> {
    let longest = operands.iter().max_by_key(|operand| operand.layers.len())?;
    operands.iter().all(|operand| is_subsequence(&operand.layers, &longest.layers)).then_some(*longest)
}
