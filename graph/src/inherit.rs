//! Which configuration a derivation carries: `image` makes one, a pulled image brings one, everything else passes on what it
//! stands on.

use std::collections::BTreeMap;

use crate::config::Configuration;
use crate::derivation::{Derivation, Graph, InputId, Item, NodeId};
use crate::path::AbsolutePath;

/// Two trees of one list carry different configurations, so neither can be chosen.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "`{first}` and `{second}` carry different configurations ({differences}): say which one counts with `from = ...` of an image, or say the field yourself"
)]
pub struct ConfigurationClash {
    /// The merge, step or image in which they meet.
    pub node: NodeId,
    /// Name of one tree.
    pub first: String,
    /// Name of the other tree.
    pub second: String,
    /// The fields in which they differ.
    pub differences: String,
}

/// What each node of a graph carries, by node.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Configurations(Vec<Result<Configuration, ConfigurationClash>>);

impl Configurations {
    /// Works out every node's configuration, each once. `pulled` holds those of the needed images that others made; what
    /// stands on another one is not needed either.
    #[must_use]
    pub fn of(graph: &Graph, pulled: &BTreeMap<InputId, Configuration>) -> Self {
        let mut known = Self(Vec::with_capacity(graph.nodes.len()));
        for id in graph.node_ids() {
            let configuration = known.derive(graph, pulled, id);
            known.0.push(configuration);
        }
        known
    }

    /// The configuration that `id` carries. A tree on which nobody said anything carries the default one, which never
    /// clashes.
    ///
    /// # Errors
    /// If two trees of one list carry different configurations and nothing chooses between them.
    ///
    /// # Panics
    /// If the id belongs to another graph.
    pub fn of_node(&self, id: NodeId) -> Result<Configuration, ConfigurationClash> {
        self.0[id.index()].clone()
    }

    /// The configuration of what something stands on; `None` is the empty tree.
    ///
    /// # Errors
    /// As [`Configurations::of_node`].
    pub fn inherited(&self, from: Option<NodeId>) -> Result<Configuration, ConfigurationClash> {
        from.map_or_else(|| Ok(Configuration::default()), |from| self.of_node(from))
    }

    fn derive(
        &self,
        graph: &Graph,
        pulled: &BTreeMap<InputId, Configuration>,
        id: NodeId,
    ) -> Result<Configuration, ConfigurationClash> {
        match &graph.node(id).derivation {
            Derivation::Unpack(_) => Ok(Configuration::default()),
            Derivation::Pull(input) => Ok(pulled.get(input).cloned().unwrap_or_default()),
            Derivation::Step(step) => Ok(self.inherited(step.from)?.at(step.workdir.as_ref())),
            Derivation::Merge(merge) => {
                let trees = merge.items.iter().filter_map(|item| match item {
                    Item::Tree(tree) => Some(*tree),
                    Item::Files(_) => None,
                });
                let common = match merge.configuration_from {
                    Some(chosen) => self.of_node(chosen)?,
                    None => self.common(graph, id, trees, merge.workdir.is_some())?,
                };
                Ok(common.at(merge.workdir.as_ref()))
            }
            Derivation::Image(image) => {
                Ok(self.inherited(image.configuration_from.or(image.tree))?.with(&image.fields))
            }
        }
    }

    /// The one configuration of several trees. Their working directories count only if nothing else says where files land.
    fn common(
        &self,
        graph: &Graph,
        node: NodeId,
        trees: impl Iterator<Item = NodeId>,
        workdir_is_said: bool,
    ) -> Result<Configuration, ConfigurationClash> {
        let mut chosen: Option<(NodeId, Configuration)> = None;
        for tree in trees {
            let mut configuration = self.of_node(tree)?;
            if workdir_is_said {
                configuration.workdir = None;
            }
            if configuration == Configuration::default() {
                continue;
            }
            match &chosen {
                Some((first, known)) if *known != configuration => {
                    return Err(ConfigurationClash {
                        node,
                        first: graph.node(*first).name.clone(),
                        second: graph.node(tree).name.clone(),
                        differences: known.differences(&configuration).join(", "),
                    });
                }
                _ => chosen = Some((tree, configuration)),
            }
        }
        Ok(chosen.map(|(_, configuration)| configuration).unwrap_or_default())
    }
}

impl Configuration {
    /// The same configuration in another working directory, if one is said. `/` means the default one, so that a step which
    /// only runs there leaves no mark on its tree.
    #[must_use]
    fn at(mut self, workdir: Option<&AbsolutePath>) -> Self {
        if let Some(workdir) = workdir {
            self.workdir = Some(workdir.clone()).filter(|workdir| !workdir.is_root());
        }
        self
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::ImageFields;
    use crate::derivation::{Image, InputId, Merge, Node, Step, Unpack};

    fn add(graph: &mut Graph, name: &str, derivation: Derivation) -> NodeId {
        graph.add(Node { name: name.to_owned(), derivation })
    }

    fn absolute(path: &str) -> AbsolutePath {
        AbsolutePath::new(path).expect("an absolute path")
    }

    fn step(graph: &mut Graph, from: NodeId, workdir: Option<&str>) -> NodeId {
        let step = Step { from: Some(from), workdir: workdir.map(absolute), ..Step::default() };
        add(graph, "step", Derivation::from(step))
    }

    fn image(graph: &mut Graph, tree: NodeId, from: Option<NodeId>, user: Option<&str>) -> NodeId {
        let fields = ImageFields { user: user.map(str::to_owned), ..ImageFields::default() };
        add(
            graph,
            user.unwrap_or("image"),
            Derivation::from(Image { tree: Some(tree), configuration_from: from, fields }),
        )
    }

    fn base(graph: &mut Graph) -> NodeId {
        add(graph, "base", Derivation::Unpack(Unpack { packages: InputId::new(0), system: true }))
    }

    #[test]
    fn workdir_of_a_step_stays_with_its_tree() {
        let mut graph = Graph::default();
        let base = base(&mut graph);
        let built = step(&mut graph, base, Some("/src"));
        let tested = step(&mut graph, built, None);
        assert_eq!(
            Configurations::of(&graph, &BTreeMap::new()).of_node(tested).map(|c| c.workdir().clone()),
            Ok(absolute("/src"))
        );
    }

    #[test]
    fn working_directories_clash_unless_one_is_said() {
        let mut graph = Graph::default();
        let base = base(&mut graph);
        let (a, b) = (step(&mut graph, base, Some("/a")), step(&mut graph, base, Some("/b")));
        let items = vec![Item::Tree(a), Item::Tree(b), Item::Tree(step(&mut graph, base, Some("/")))];
        let said = Merge { items: items.clone(), workdir: Some(absolute("/c")), ..Merge::default() };
        let silent = add(&mut graph, "both", Derivation::from(Merge { items, ..Merge::default() }));
        let said = add(&mut graph, "both", Derivation::from(said));
        let known = Configurations::of(&graph, &BTreeMap::new());
        assert_eq!(known.of_node(silent).map_err(|clash| clash.differences), Err("workdir".to_owned()));
        assert_eq!(known.of_node(said).map(|c| c.workdir().clone()), Ok(absolute("/c")));
    }

    #[test]
    fn differing_images_in_one_list_clash() {
        let mut graph = Graph::default();
        let base = base(&mut graph);
        let a = image(&mut graph, base, None, Some("a"));
        let b = image(&mut graph, base, None, Some("b"));
        let items = vec![Item::Tree(base), Item::Tree(a), Item::Tree(b)];
        let both = add(&mut graph, "both", Derivation::from(Merge { items, ..Merge::default() }));
        let clash = Configurations::of(&graph, &BTreeMap::new()).of_node(both).expect_err("a and b differ");
        assert_eq!((clash.first.as_str(), clash.second.as_str()), ("a", "b"));
        let chosen = image(&mut graph, both, Some(a), None);
        assert_eq!(
            Configurations::of(&graph, &BTreeMap::new()).of_node(chosen).map(|c| c.user),
            Ok(Some("a".to_owned()))
        );
    }
}
