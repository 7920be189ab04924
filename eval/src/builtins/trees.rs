//! What `from` and `layers` say: one tree, or a list that is merged.

use std::collections::HashSet;

use sinter_graph::derivation::{Derivation, Image, Item, Merge, NodeId};
use sinter_graph::path::AbsolutePath;
use sinter_lang::source::Span;

use super::files::is_whole_source;
use crate::arguments::Arguments;
use crate::budget::{Outcome, Stop};
use crate::evaluator::Evaluator;
use crate::value::Value;

impl Evaluator<'_> {
    /// The operands of a merge in an argument; each once.
    pub(super) fn merge_items(&mut self, arguments: &Arguments<'_>, name: &str) -> Outcome<Vec<Item>> {
        let mut items: Vec<Item> = Vec::new();
        let mut known: HashSet<Item> = HashSet::new();
        for (index, value) in arguments.items(name).iter().enumerate() {
            if is_whole_source(value) {
                self.warn_of_whole_source(arguments.item_span(name, index));
            }
            let item = match value {
                Value::Tree(node) if self.is_scratch(*node) => continue,
                Value::Tree(node) => Item::Tree(*node),
                other => Item::Files(other.to_files().ok_or(Stop)?),
            };
            if known.insert(item.clone()) {
                items.push(item);
            }
        }
        Ok(items)
    }

    /// The tree that operands make: nothing, one tree as it is, or a merge named by the argument.
    pub(super) fn merged(
        &mut self,
        items: Vec<Item>,
        workdir: Option<&AbsolutePath>,
        configuration_from: Option<NodeId>,
        (name, span): (&str, Span),
    ) -> Option<NodeId> {
        match items.as_slice() {
            [] => None,
            [Item::Tree(node)] => Some(*node),
            _ => {
                let workdir = workdir.cloned();
                let origin = self.origin(span);
                let name = format!("{}.{name}", self.name);
                Some(self.builder.add(&name, Merge { items, workdir, configuration_from }.into(), origin))
            }
        }
    }

    /// Whether a node is the empty image without any configuration.
    pub(super) fn is_scratch(&self, node: NodeId) -> bool {
        matches!(self.builder.derivation(node), Derivation::Image(image) if **image == Image::default())
    }
}
