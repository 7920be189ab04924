//! The graph of derivations that evaluation yields: what is to be made from what, before any pin, digest or key.
//!
//! A [`Graph`] is in topological order: a node refers to nodes with smaller ids only. Names are for people (messages,
//! logs); they enter no key. Copies of a graph, a derivation or a selection share what is large in them.

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::SharedText;
use crate::config::ImageFields;
use crate::image_source::ImageSource;
use crate::path::AbsolutePath;
use crate::pattern::Patterns;
use crate::platform::Platform;

/// Index of a [`Node`] in its [`Graph`], which gives it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct NodeId(u32);

/// Index of a [`DeclaredInput`] in its [`Graph`], which gives it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct InputId(u32);

impl NodeId {
    /// The node at this index. For who holds a graph, [`Graph::add`] and [`Graph::node_ids`] give ids.
    #[must_use]
    pub const fn new(index: u32) -> Self {
        Self(index)
    }

    /// The index in [`Graph::nodes`], and in any list with one item for each node.
    #[must_use]
    pub const fn index(self) -> usize {
        self.0 as usize
    }
}

impl InputId {
    /// The input at this index. For who holds a graph, [`Graph::add_input`] and [`Graph::input_ids`] give ids.
    #[must_use]
    pub const fn new(index: u32) -> Self {
        Self(index)
    }

    /// The index in [`Graph::inputs`], and in any list with one item for each input.
    #[must_use]
    pub const fn index(self) -> usize {
        self.0 as usize
    }
}

/// Everything that evaluating one `.build` file yields.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Graph {
    /// What comes from outside. Two declarations that ask the same question are one input.
    pub inputs: Vec<DeclaredInput>,
    /// The derivations, in topological order.
    pub nodes: Vec<Node>,
    /// The named results, in the order of the file.
    pub targets: Vec<Target>,
}

/// An input and the name it was first declared under.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DeclaredInput {
    /// The name in the `.build` file, for messages.
    pub name: String,
    /// What is asked for.
    pub input: Input,
}

/// What an input asks the outside world for.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Input {
    /// Files of this repository. Never in the lock.
    Directory {
        /// Relative to the root of the work tree (or the directory of the `.build` file where there is no git),
        /// normal form, empty for the root.
        path: String,
    },
    /// The closure of some packages of a Debian suite, and apart from it the suite's Essential set.
    Debian {
        /// Code name, for instance `bookworm`.
        suite: String,
        /// Package names, sorted, each once.
        packages: Vec<String>,
    },
    /// An image.
    Pull {
        /// Which one.
        image: ImageSource,
    },
}

/// A derivation and the path of names that leads to it, for instance `deps`, `auth.deps`, `web.layers[2]`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Node {
    /// For messages and logs only.
    pub name: String,
    /// What is to be made.
    pub derivation: Derivation,
}

/// One way of making something.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Derivation {
    /// Debian packages unpacked without running their scripts; yields a tree.
    Unpack(Unpack),
    /// The tree of an image that somebody else made.
    Pull(InputId),
    /// A script over a tree and files; yields the tree it stands on plus one layer.
    Step(Arc<Step>),
    /// Several trees and files as one tree.
    Merge(Arc<Merge>),
    /// An OCI image.
    Image(Arc<Image>),
}

/// Debian packages to unpack.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Unpack {
    /// The [`Input::Debian`] whose pin lists the packages.
    pub packages: InputId,
    /// Whether a full system is meant: the Essential set goes below, and the dpkg database says `unpacked`, so that
    /// `dpkg --configure` can run the scripts. Otherwise only the closure's data, with entries that scanners read.
    pub system: bool,
}

/// A script to run.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Default)]
pub struct Step {
    /// The tree it stands on; `None` is the empty tree.
    pub from: Option<NodeId>,
    /// The files it sees beside that tree.
    pub files: Vec<Files>,
    /// What runs.
    pub script: Script,
    /// Variables added to what the tree's configuration says.
    pub env: BTreeMap<String, String>,
    /// Directories that go before the inherited PATH.
    pub path: Vec<AbsolutePath>,
    /// User name or number; `None`: what the tree's configuration says, else root.
    pub user: Option<String>,
    /// Where it starts; `None`: what it stands on says, else `/app`.
    pub workdir: Option<AbsolutePath>,
    /// If there, only matching paths of what the script wrote go into the layer.
    pub keep: Option<Patterns>,
    /// Matching paths of what the script wrote do not go into the layer.
    pub drop: Patterns,
    /// How many seconds the script may run; in no key.
    pub timeout_seconds: Option<u64>,
    /// The platform it is pinned to; `None`: the platform of the evaluation.
    pub platform: Option<Platform>,
}

/// A script and what interprets it.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Default)]
pub struct Script {
    /// The text after removing indentation and inserting values; ends with a newline.
    pub text: String,
    /// Program and flags to which the script's path is appended, for instance `["sh", "-eu"]`; empty: the script is
    /// executed itself, by its `#!` line.
    pub interpreter: Vec<String>,
}

/// Several items as one tree. No item at all is `scratch`.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Default)]
pub struct Merge {
    /// What is merged.
    pub items: Vec<Item>,
    /// Where relative paths of files land. `None`: what the trees among the items say, else `/app`.
    pub workdir: Option<AbsolutePath>,
    /// Whose configuration counts where those of the trees differ: it says where relative files land, and what steps above
    /// inherit.
    pub configuration_from: Option<NodeId>,
}

/// One operand of a merge.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Item {
    /// A whole tree.
    Tree(NodeId),
    /// Files that land on the merged trees.
    Files(Files),
}

/// A selection of files.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Files {
    /// Files of a source; their paths are relative.
    Source {
        /// An [`Input::Directory`].
        input: InputId,
        /// Which of its files; relative to the input's directory.
        patterns: Patterns,
    },
    /// Files of a tree; their paths are absolute.
    Tree {
        /// Where they come from.
        tree: NodeId,
        /// Which of its files; relative to the tree's working directory unless they start with `/`.
        patterns: Patterns,
    },
    /// One file whose text stands in the `.build` file.
    Literal {
        /// Relative path, or absolute with a leading slash.
        path: String,
        /// Its text.
        text: SharedText,
        /// Permission bits; `None`: 644.
        mode: Option<u32>,
    },
    /// Files moved elsewhere.
    Place {
        /// What is moved.
        what: Arc<Files>,
        /// A directory if it ends in `/`, else the one file.
        to: String,
        /// Permission bits for all files.
        mode: Option<u32>,
        /// User name or number for all files.
        owner: Option<String>,
    },
    /// Files below one directory, with paths relative to it.
    Sub {
        /// What is narrowed.
        what: Arc<Files>,
        /// The directory that becomes the root.
        directory: String,
    },
    /// Files narrowed again.
    Narrow {
        /// What is narrowed.
        what: Arc<Files>,
        /// Which of its files.
        patterns: Patterns,
    },
}

/// An image to assemble.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Default)]
pub struct Image {
    /// What it contains: a tree, or a merge; `None` is the empty image.
    pub tree: Option<NodeId>,
    /// Whose configuration it starts from; `None`: what `tree` carries.
    pub configuration_from: Option<NodeId>,
    /// What it says itself.
    pub fields: ImageFields,
}

/// A named result.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Target {
    /// Its name in the `.build` file.
    pub name: String,
    /// What is asked for.
    pub value: TargetValue,
}

/// What a target may be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum TargetValue {
    /// An image, or a tree.
    Node(NodeId),
    /// A selection of files.
    Files(Files),
}

impl Graph {
    /// The node with this id.
    ///
    /// # Panics
    /// If the id belongs to another graph: ids are made only together with their node.
    #[must_use]
    pub fn node(&self, id: NodeId) -> &Node {
        &self.nodes[id.index()]
    }

    /// The input with this id.
    ///
    /// # Panics
    /// If the id belongs to another graph: ids are made only together with their input.
    #[must_use]
    pub fn input(&self, id: InputId) -> &DeclaredInput {
        &self.inputs[id.index()]
    }

    /// The ids of all nodes, in order.
    pub fn node_ids(&self) -> impl Iterator<Item = NodeId> + use<> {
        (0..count(&self.nodes)).map(NodeId)
    }

    /// The ids of all inputs, in order.
    pub fn input_ids(&self) -> impl Iterator<Item = InputId> + use<> {
        (0..count(&self.inputs)).map(InputId)
    }

    /// Turns every target that is a selection of files into a tree that holds them and stands on nothing, and every one
    /// that is a pulled image into an image that stands on it, so that all targets are nodes and images are assembled.
    /// Gives the nodes that were made and the names of their targets.
    pub fn root_targets(&mut self) -> Vec<(NodeId, String)> {
        let mut made = Vec::new();
        for index in 0..self.targets.len() {
            let Target { name, value } = self.targets[index].clone();
            let derivation: Derivation = match value {
                TargetValue::Files(files) => Merge { items: vec![Item::Files(files)], ..Merge::default() }.into(),
                TargetValue::Node(id) if matches!(self.node(id).derivation, Derivation::Pull(_)) => {
                    Image { tree: Some(id), ..Image::default() }.into()
                }
                TargetValue::Node(_) => continue,
            };
            let node = self.add(Node { name: name.clone(), derivation });
            self.targets[index].value = TargetValue::Node(node);
            made.push((node, name));
        }
        made
    }

    /// Adds a node and gives its id.
    pub fn add(&mut self, node: Node) -> NodeId {
        let id = NodeId(count(&self.nodes));
        self.nodes.push(node);
        id
    }

    /// Adds an input that is not there yet and gives its id.
    pub fn add_input(&mut self, name: &str, input: Input) -> InputId {
        let id = InputId(count(&self.inputs));
        self.inputs.push(DeclaredInput { name: name.to_owned(), input });
        id
    }

    /// Gives the id of this input, adding it if no equal one is there. Looks at all of them; who adds many keeps a map.
    pub fn intern_input(&mut self, name: &str, input: Input) -> InputId {
        let known = self.input_ids().find(|&id| self.input(id).input == input);
        known.unwrap_or_else(|| self.add_input(name, input))
    }
}

fn count<T>(items: &[T]) -> u32 {
    u32::try_from(items.len()).expect("evaluation is bounded far below 2^32 nodes and inputs")
}

impl Files {
    /// Where the files come from in the end: a source, a tree or a literal.
    #[must_use]
    pub fn leaf(&self) -> &Self {
        match self {
            Self::Place { what, .. } | Self::Sub { what, .. } | Self::Narrow { what, .. } => what.leaf(),
            Self::Source { .. } | Self::Tree { .. } | Self::Literal { .. } => self,
        }
    }
}

impl From<Step> for Derivation {
    fn from(step: Step) -> Self {
        Self::Step(Arc::new(step))
    }
}

impl From<Merge> for Derivation {
    fn from(merge: Merge) -> Self {
        Self::Merge(Arc::new(merge))
    }
}

impl From<Image> for Derivation {
    fn from(image: Image) -> Self {
        Self::Image(Arc::new(image))
    }
}
