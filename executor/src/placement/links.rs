//! Names of one file stay names of one file.
//!
//! What is placed is linked if it is the same file of one layer under several of its names there, with one mode, owner
//! and set of attributes. A name that is placed twice is two files: the first copies of all names, in byte order of the
//! places, are linked with each other, and so are the second ones. So nothing depends on the order of selections.

use std::collections::BTreeMap;

use sinter_graph::digest::LayerDigest;
use sinter_graph::path::TreePath;
use sinter_graph::tree::{Entry, Kind};

/// One of the names of a file in a layer.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct LayerName {
    /// The layer.
    pub layer: LayerDigest,
    /// The name that carries the file.
    pub carrier: TreePath,
    /// This name; the carrier itself if the file is selected by that.
    pub name: TreePath,
}

/// Turns files that are further names of an earlier one into hard links. `placed` is in order of the paths.
pub(super) fn link<'a>(placed: impl Iterator<Item = (&'a mut Entry, Option<&'a LayerName>)>) {
    let mut copies: BTreeMap<&LayerName, usize> = BTreeMap::new();
    let mut carriers: BTreeMap<(&LayerDigest, &TreePath, usize), Vec<Entry>> = BTreeMap::new();
    for (entry, name) in placed {
        let Some(name) = name else { continue };
        let copy = copies.entry(name).or_default();
        *copy += 1;
        let known = carriers.entry((&name.layer, &name.carrier, *copy)).or_default();
        match known.iter().find(|known| known.same_but_time(entry)) {
            Some(first) => entry.kind = Kind::HardLink { to: first.path.clone() },
            None => known.push(entry.clone()),
        }
    }
}
