//! The graph while it grows: equal derivations are one node, names are unique, and at the end only what targets need
//! is left.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use sinter_graph::derivation::{
    Derivation, Files, Graph, Image, Input, InputId, Item, Merge, Node, NodeId, Step, Target, TargetValue,
};
use sinter_lang::source::Span;

use crate::origins::{NodeOrigin, Origins};

#[derive(Debug, Default)]
pub(crate) struct GraphBuilder {
    graph: Graph,
    origins: Origins,
    known: HashMap<Derivation, NodeId>,
    inputs: HashMap<Input, InputId>,
    names: HashSet<String>,
}

impl GraphBuilder {
    /// The node of a derivation. `name` and `origin` count only if it is new.
    pub(crate) fn add(&mut self, name: &str, derivation: Derivation, origin: NodeOrigin) -> NodeId {
        if let Some(known) = self.known.get(&derivation) {
            return *known;
        }
        let name = self.unique(name);
        let id = self.graph.add(Node { name, derivation: derivation.clone() });
        self.known.insert(derivation, id);
        self.origins.nodes.push(origin);
        id
    }

    fn unique(&mut self, name: &str) -> String {
        let numbered = (2u64..).map(|number| format!("{name}#{number}"));
        let free = std::iter::once(name.to_owned()).chain(numbered).find(|name| !self.names.contains(name));
        let free = free.unwrap_or_else(|| name.to_owned());
        self.names.insert(free.clone());
        free
    }

    pub(crate) fn input(&mut self, name: &str, input: Input, span: Span) -> InputId {
        if let Some(known) = self.inputs.get(&input) {
            return *known;
        }
        let id = self.graph.add_input(name, input.clone());
        self.inputs.insert(input, id);
        self.origins.inputs.push(span);
        id
    }

    pub(crate) fn target(&mut self, name: &str, value: TargetValue, span: Span) {
        self.graph.targets.push(Target { name: name.to_owned(), value });
        self.origins.targets.insert(name.to_owned(), span);
    }

    pub(crate) fn derivation(&self, id: NodeId) -> &Derivation {
        &self.graph.node(id).derivation
    }

    /// The graph with only those nodes that targets need, in topological order, and its origins.
    pub(crate) fn finish(mut self) -> (Graph, Origins) {
        // From here on every derivation has one holder, so renaming copies none.
        self.known.clear();
        let needed = self.needed();
        let mut renamed: Vec<Option<NodeId>> = vec![None; self.graph.nodes.len()];
        let mut graph = Graph { inputs: self.graph.inputs, ..Graph::default() };
        let mut origins = Vec::new();
        let nodes = self.graph.nodes.into_iter().zip(self.origins.nodes);
        for (index, (mut node, origin)) in nodes.enumerate() {
            if needed[index] {
                each_node(&mut node.derivation, &mut |id| rename(id, &renamed));
                renamed[index] = Some(graph.add(node));
                origins.push(origin);
            }
        }
        for mut target in self.graph.targets {
            each_node_of_target(&mut target.value, &mut |id| rename(id, &renamed));
            graph.targets.push(target);
        }
        self.origins.nodes = origins;
        (graph, self.origins)
    }

    fn needed(&mut self) -> Vec<bool> {
        let mut needed = vec![false; self.graph.nodes.len()];
        let mut mark = |id: &mut NodeId| needed[id.index()] = true;
        self.graph.targets.iter_mut().for_each(|target| each_node_of_target(&mut target.value, &mut mark));
        // A node refers to earlier ones only, so one pass from the end reaches everything.
        for index in (0..self.graph.nodes.len()).rev() {
            if needed[index] {
                each_node(&mut self.graph.nodes[index].derivation, &mut |id| needed[id.index()] = true);
            }
        }
        needed
    }
}

fn rename(id: &mut NodeId, renamed: &[Option<NodeId>]) {
    if let Some(Some(new)) = renamed.get(id.index()) {
        *id = *new;
    }
}

fn each_node_of_target(value: &mut TargetValue, visit: &mut dyn FnMut(&mut NodeId)) {
    match value {
        TargetValue::Node(id) => visit(id),
        TargetValue::Files(files) => each_node_of_files(files, visit),
    }
}

fn each_node(derivation: &mut Derivation, visit: &mut dyn FnMut(&mut NodeId)) {
    match derivation {
        Derivation::Unpack(_) | Derivation::Pull(_) => {}
        Derivation::Step(step) => {
            let Step { from, files, .. } = Arc::make_mut(step);
            from.iter_mut().for_each(&mut *visit);
            files.iter_mut().for_each(|files| each_node_of_files(files, visit));
        }
        Derivation::Merge(merge) => {
            let Merge { items, configuration_from, .. } = Arc::make_mut(merge);
            items.iter_mut().for_each(|item| match item {
                Item::Tree(id) => visit(id),
                Item::Files(files) => each_node_of_files(files, visit),
            });
            configuration_from.iter_mut().for_each(visit);
        }
        Derivation::Image(image) => {
            let Image { tree, configuration_from, .. } = Arc::make_mut(image);
            tree.iter_mut().chain(configuration_from).for_each(visit);
        }
    }
}

fn each_node_of_files(files: &mut Files, visit: &mut dyn FnMut(&mut NodeId)) {
    match files {
        Files::Source { .. } | Files::Literal { .. } => {}
        Files::Tree { tree, .. } => visit(tree),
        Files::Place { what, .. } | Files::Sub { what, .. } | Files::Narrow { what, .. } => {
            // What names no tree stays shared.
            if let Files::Tree { .. } = what.leaf() {
                each_node_of_files(Arc::make_mut(what), visit);
            }
        }
    }
}
