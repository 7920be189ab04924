//! What selections mean in this build: the answers that placement needs from the work tree, the made trees and the store.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use sinter_graph::derivation::{Files, InputId, NodeId};
use sinter_graph::digest::{ContentHash, LayerDigest};
use sinter_graph::path::TreePath;
use sinter_graph::tree::Tree;
use sinter_source::directory::{DirectoryError, SourceFile};

use crate::context::Context;
use crate::error::BuildError;
use crate::needed::leaf;
use crate::placement::{PlacementError, Selected, SourceView, Supply, TreeView};
use crate::record::Outcome;

/// The tree that files will land on, for the names of owners.
pub(crate) struct Ground<'a> {
    pub(crate) layers: &'a [LayerDigest],
    pub(crate) tree: &'a Tree,
}

/// Every file that `files` mean.
pub(crate) fn select(
    context: &Context,
    id: NodeId,
    files: &[Files],
    known: &BTreeMap<NodeId, Arc<Outcome>>,
    ground: &Ground<'_>,
) -> Result<Vec<Selected>, BuildError> {
    let trees = views(context, files, known)?;
    let answers = Answers { context, trees, ground };
    let mut selected = Vec::new();
    for selection in files {
        selected.extend(crate::placement::select(selection, &answers).map_err(|error| failed(context, id, error))?);
    }
    Ok(selected)
}

/// The files of each source that `files` declare.
pub(crate) fn declared_sources(context: &Context, files: &[Files]) -> BTreeMap<InputId, BTreeSet<TreePath>> {
    let mut declared: BTreeMap<InputId, BTreeSet<TreePath>> = BTreeMap::new();
    for selection in files {
        if let Files::Source { input, patterns } = leaf(selection) {
            let paths =
                context.sources.selected(*input, patterns).into_iter().map(|selected| selected.file.path.clone());
            declared.entry(*input).or_default().extend(paths);
        }
    }
    declared
}

/// A placement that failed, in the executor's words.
pub(crate) fn failed(context: &Context, id: NodeId, error: PlacementError) -> BuildError {
    match error {
        PlacementError::Unmatched { pattern, origin, nearest, advice } => {
            let suggestion =
                nearest.map(|path| format!("did you mean `{path}`?")).or_else(|| advice.map(str::to_owned));
            BuildError::NoMatch { node: Some(id), pattern, place: format!("`{origin}`"), suggestion }
        }
        PlacementError::Pattern(invalid) => {
            BuildError::BadPattern { node: Some(id), pattern: invalid.pattern, reason: invalid.reason.to_owned() }
        }
        source => BuildError::Placement { node: id, name: context.name(id), source },
    }
}

fn views(
    context: &Context,
    files: &[Files],
    known: &BTreeMap<NodeId, Arc<Outcome>>,
) -> Result<BTreeMap<NodeId, TreeView>, BuildError> {
    let mut views = BTreeMap::new();
    for selection in files {
        let Files::Tree { tree, .. } = leaf(selection) else { continue };
        let layers = &known[tree].layers;
        let workdir = context.configurations.of_node(*tree)?;
        let view = TreeView {
            name: context.name(*tree),
            tree: context.tree(layers)?,
            layers: Arc::new(layers.clone()),
            workdir: TreePath::normalized(workdir.workdir()).unwrap_or_else(|_| TreePath::root()),
        };
        views.insert(*tree, view);
    }
    Ok(views)
}

struct Answers<'a> {
    context: &'a Context,
    trees: BTreeMap<NodeId, TreeView>,
    ground: &'a Ground<'a>,
}

impl Supply for Answers<'_> {
    fn source(&self, input: InputId) -> Result<SourceView, DirectoryError> {
        Ok(self.context.sources.view(input))
    }

    fn hash(&self, input: InputId, files: &[&SourceFile]) -> Result<Vec<ContentHash>, DirectoryError> {
        self.context.sources.hashes(input, files)
    }

    fn tree(&self, node: NodeId) -> TreeView {
        self.trees[&node].clone()
    }

    fn owner(&self, name: &str) -> Option<(u32, u32)> {
        self.context.identity(name, self.ground.layers, self.ground.tree).map(|who| (who.uid, who.gid))
    }
}
