//! Files of several names.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::rc::Rc;

use sinter_graph::digest::LayerDigest;
use sinter_graph::path::TreePath;
use sinter_graph::tree::{Kind, Manifest, Shown};

use super::Manifests;
use super::order::Occurrence;

/// A file: the layer that holds it and the path in it that carries it.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct File {
    pub(super) layer: Occurrence,
    pub(super) carrier: TreePath,
}

impl File {
    /// The file that a tree of these layers shows somewhere; `None` if it shows something else.
    pub(super) fn of(shown: &Shown, layers: &[Occurrence]) -> Option<Self> {
        let Kind::File { .. } = shown.entry.kind else { return None };
        let carrier = shown.link_of.as_ref().unwrap_or(&shown.entry.path).clone();
        Some(Self { layer: *layers.get(shown.layer.0)?, carrier })
    }
}

/// The names of files that have several in their layer, by carrier; in order.
type Names = BTreeMap<TreePath, Vec<TreePath>>;

/// The names that layers give to their files, looked up once for each layer.
pub(super) struct Links<'a> {
    manifests: &'a Manifests<'a>,
    known: RefCell<BTreeMap<LayerDigest, Rc<Names>>>,
}

impl<'a> Links<'a> {
    pub(super) fn new(manifests: &'a Manifests<'a>) -> Self {
        Self { manifests, known: RefCell::default() }
    }

    /// All names of a file in its layer; empty if it has one only.
    pub(super) fn in_layer(&self, file: &File) -> Vec<TreePath> {
        let digest = file.layer.digest;
        let known = self.known.borrow().get(&digest).cloned();
        let names = known.unwrap_or_else(|| {
            let names = Rc::new(names(&(self.manifests)(&digest)));
            self.known.borrow_mut().insert(digest, Rc::clone(&names));
            names
        });
        names.get(&file.carrier).cloned().unwrap_or_default()
    }

    /// The names of a file that a tree of these layers still shows as such; empty if it is one only. `get` looks into
    /// the tree.
    pub(super) fn shown<'t>(
        &self,
        file: &File,
        layers: &[Occurrence],
        get: impl Fn(&TreePath) -> Option<&'t Shown>,
    ) -> Vec<TreePath> {
        let is_name = |path: &TreePath| get(path).and_then(|shown| File::of(shown, layers)).as_ref() == Some(file);
        let names: Vec<TreePath> = self.in_layer(file).into_iter().filter(is_name).collect();
        if names.len() > 1 { names } else { Vec::new() }
    }
}

fn names(manifest: &Manifest) -> Names {
    let mut names = Names::new();
    for entry in manifest.entries() {
        if let Kind::HardLink { to } = &entry.kind {
            names.entry(to.clone()).or_insert_with(|| vec![to.clone()]).push(entry.path.clone());
        }
    }
    names
}
