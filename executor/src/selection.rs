//! What selections mean in this build: the answers that placement needs from the work tree, the made trees and the store.

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use sinter_graph::derivation::{Files, InputId, NodeId};
use sinter_graph::digest::ContentHash;
use sinter_graph::path::TreePath;
use sinter_graph::pattern::Patterns;
use sinter_graph::stack::Stack;
use sinter_graph::tree::Tree;
use sinter_source::directory::{DirectoryError, SourceFile};

use crate::context::Context;
use crate::error::BuildError;
use crate::needed::leaf;
use crate::placement::{PlacementError, Selected, SourceView, Supply, TreeView};
use crate::record::Known;
use crate::shown_files::find_user;

/// The tree that files will land on, for the names of owners.
pub(crate) struct Ground<'a> {
    pub(crate) stack: &'a Stack,
    pub(crate) tree: &'a Tree,
}

/// Every file that `files` mean.
pub(crate) fn select(
    context: &Context,
    id: NodeId,
    files: &[Files],
    known: &Known,
    ground: &Ground<'_>,
) -> Result<Vec<Selected>, BuildError> {
    let trees = views(context, files, known)?;
    let answers = Answers { context, trees, ground, failure: RefCell::new(None) };
    let mut selected = Vec::new();
    for selection in files {
        let found = crate::placement::select(selection, &answers);
        // An owner that could not be looked up looks like one that is not known.
        if let Some(failure) = answers.failure.take() {
            return Err(failure);
        }
        selected.extend(found.map_err(|error| failed(context, id, error))?);
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

fn views(context: &Context, files: &[Files], known: &Known) -> Result<BTreeMap<NodeId, TreeView>, BuildError> {
    let mut views = BTreeMap::new();
    for selection in files {
        let Files::Tree { tree, .. } = leaf(selection) else { continue };
        let stack = context.stack(&known[tree].outcome)?;
        let workdir = context.configurations.of_node(*tree)?;
        let view = TreeView {
            name: context.name(*tree),
            tree: context.tree(&stack)?,
            layers: Arc::new(stack.layers()),
            workdir: workdir.workdir().in_tree(),
        };
        views.insert(*tree, view);
    }
    Ok(views)
}

struct Answers<'a> {
    context: &'a Context,
    trees: BTreeMap<NodeId, TreeView>,
    ground: &'a Ground<'a>,
    /// Why a look-up failed that has no way to say so.
    failure: RefCell<Option<BuildError>>,
}

impl Supply for Answers<'_> {
    fn source(&self, input: InputId) -> Result<SourceView, DirectoryError> {
        Ok(self.context.sources.view(input))
    }

    fn matched(&self, input: InputId, patterns: &Patterns) -> Option<&[usize]> {
        self.context.sources.matched(input, patterns)
    }

    fn hash(&self, input: InputId, files: &[&SourceFile]) -> Result<Vec<ContentHash>, DirectoryError> {
        self.context.sources.hashes(input, files)
    }

    fn tree(&self, node: NodeId) -> TreeView {
        self.trees[&node].clone()
    }

    fn owner(&self, name: &str) -> Option<(u32, u32)> {
        match find_user(self.context, name, self.ground.stack, self.ground.tree) {
            Ok(who) => who.map(|who| (who.uid, who.gid)),
            Err(error) => {
                self.failure.replace(Some(error));
                None
            }
        }
    }
}
