//! Where each part of a graph comes from, for messages about what happens later.

use std::collections::BTreeMap;

use sinter_graph::derivation::{InputId, NodeId};
use sinter_lang::source::Span;

/// Where each part of a graph comes from.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Origins {
    /// By [`NodeId`].
    pub(crate) nodes: Vec<NodeOrigin>,
    /// By [`InputId`].
    pub(crate) inputs: Vec<Span>,
    pub(crate) targets: BTreeMap<String, Span>,
}

/// Where a node comes from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NodeOrigin {
    /// The expression that made it.
    pub call: Span,
    /// The calls that led there, innermost first: the last stands at the top level of a file.
    pub chain: Vec<Span>,
    /// The value of `files =`, if it is there.
    pub files: Option<Span>,
    /// The value of `script =`, if it is there.
    pub script: Option<Span>,
    /// The lines of the final script.
    pub lines: Vec<ScriptLine>,
}

/// A line of a final script.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ScriptLine {
    /// First byte of the line in the final script.
    pub start: usize,
    /// One past its last byte, without the line break.
    pub end: usize,
    /// The line of the `.build` file it was made from.
    pub span: Span,
}

impl Origins {
    /// Everything known about a node.
    #[must_use]
    pub fn node(&self, node: NodeId) -> Option<&NodeOrigin> {
        self.nodes.get(node.index())
    }

    /// The expression that made a node: the call of `run`, `image` or a builtin, or the list that is merged.
    #[must_use]
    pub fn node_call(&self, node: NodeId) -> Option<Span> {
        Some(self.node(node)?.call)
    }

    /// The calls of functions that led to a node, innermost first; empty if the node is made at the top level.
    #[must_use]
    pub fn call_chain(&self, node: NodeId) -> &[Span] {
        self.node(node).map_or(&[], |origin| &origin.chain)
    }

    /// The script literal of a step.
    #[must_use]
    pub fn script(&self, node: NodeId) -> Option<Span> {
        self.node(node)?.script
    }

    /// Where line `line1` (counted from 1) of a step's final script stands in a `.build` file.
    #[must_use]
    pub fn script_line(&self, node: NodeId, line1: usize) -> Option<Span> {
        Some(self.node(node)?.lines.get(line1.checked_sub(1)?)?.span)
    }

    /// The value of `files =` of a step; `None` if it says none.
    #[must_use]
    pub fn files_field(&self, node: NodeId) -> Option<Span> {
        self.node(node)?.files
    }

    /// The declaration of an input: its right side.
    #[must_use]
    pub fn input(&self, input: InputId) -> Option<Span> {
        self.inputs.get(input.index()).copied()
    }

    /// The name of a target where it is declared.
    #[must_use]
    pub fn target(&self, name: &str) -> Option<Span> {
        self.targets.get(name).copied()
    }
}
