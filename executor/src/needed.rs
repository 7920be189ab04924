//! What the asked targets need: nothing else is listed, locked, downloaded or run.

use std::collections::BTreeSet;

use sinter_graph::derivation::{Derivation, Files, Graph, InputId, Item, NodeId, TargetValue};

/// The derivations and inputs that some targets need, closed under "is derived from".
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Needed {
    /// Derivations, in topological order.
    pub nodes: BTreeSet<NodeId>,
    /// Inputs.
    pub inputs: BTreeSet<InputId>,
}

impl Needed {
    /// What these values need.
    #[must_use]
    pub fn by<'a>(graph: &Graph, values: impl IntoIterator<Item = &'a TargetValue>) -> Self {
        let mut needed = Self::default();
        for value in values {
            match value {
                TargetValue::Node(id) => needed.add_node(graph, *id),
                TargetValue::Files(files) => needed.add_files(graph, files),
            }
        }
        needed
    }

    /// What these derivations need, themselves included.
    pub(crate) fn by_nodes(graph: &Graph, ids: impl IntoIterator<Item = NodeId>) -> Self {
        let mut needed = Self::default();
        ids.into_iter().for_each(|id| needed.add_node(graph, id));
        needed
    }

    fn add_node(&mut self, graph: &Graph, id: NodeId) {
        let mut pending = vec![id];
        while let Some(id) = pending.pop() {
            let derivation = &graph.node(id).derivation;
            if !self.nodes.insert(id) {
                continue;
            }
            self.inputs.extend(match derivation {
                Derivation::Unpack(unpack) => Some(unpack.packages),
                Derivation::Pull(input) => Some(*input),
                _ => None,
            });
            let (_, files) = dependencies(derivation);
            self.inputs.extend(files.into_iter().filter_map(|files| match leaf(files) {
                Files::Source { input, .. } => Some(*input),
                _ => None,
            }));
            pending.extend(direct(derivation));
        }
    }

    fn add_files(&mut self, graph: &Graph, files: &Files) {
        match leaf(files) {
            Files::Source { input, .. } => {
                self.inputs.insert(*input);
            }
            Files::Tree { tree, .. } => self.add_node(graph, *tree),
            _ => {}
        }
    }
}

/// The trees a derivation stands on and the files it takes.
pub(crate) fn dependencies(derivation: &Derivation) -> (Vec<NodeId>, Vec<&Files>) {
    match derivation {
        Derivation::Unpack(_) | Derivation::Pull(_) => (vec![], vec![]),
        Derivation::Step(step) => (step.from.into_iter().collect(), step.files.iter().collect()),
        Derivation::Merge(merge) => {
            let mut trees = vec![];
            let mut files = vec![];
            for item in &merge.items {
                match item {
                    Item::Tree(tree) => trees.push(*tree),
                    Item::Files(selection) => files.push(selection),
                }
            }
            (trees, files)
        }
        // Where an image takes its configuration from need not be built: configurations are known before anything runs.
        Derivation::Image(image) => (image.tree.into_iter().collect(), vec![]),
    }
}

/// Every derivation that one stands on or selects from; some may be there twice.
pub(crate) fn direct(derivation: &Derivation) -> Vec<NodeId> {
    let (trees, files) = dependencies(derivation);
    let selected = files.into_iter().filter_map(|files| match leaf(files) {
        Files::Tree { tree, .. } => Some(*tree),
        _ => None,
    });
    trees.into_iter().chain(selected).collect()
}

/// Where a selection's files come from in the end: a source, a tree or a literal.
pub(crate) fn leaf(files: &Files) -> &Files {
    files.leaf()
}
