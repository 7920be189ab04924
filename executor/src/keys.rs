//! Definition keys: a name for each derivation that is known before anything runs.
//!
//! A definition key covers the derivation's own fields, the definition keys of what it is derived from, and the content
//! of its pins and sources. Names, limits and destinations are in no key. What an image above says about environment,
//! user and working directory reaches a step's key through the key of what it stands on.
//!
//! Everything is taken apart by name, so that a new field cannot stay out of a key unnoticed: what is left out is bound
//! to a name with an underscore, beside the reason.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use sinter_graph::config::Configuration;
use sinter_graph::derivation::{Derivation, Files, Graph, Image, InputId, Item, Merge, NodeId, Script, Step, Unpack};
use sinter_graph::digest::DefinitionKey;
use sinter_graph::encode::Encoder;
use sinter_graph::inherit::Configurations;
use sinter_graph::lock::PinnedPackage;
use sinter_graph::path::AbsolutePath;
use sinter_graph::platform::Platform;
use sinter_graph::{EPOCH, SEMANTICS};

use crate::pins::Pins;
use crate::sources::Sources;

/// What keys are made from beside the graph.
pub(crate) struct KeyInputs<'a> {
    pub(crate) graph: &'a Graph,
    pub(crate) sources: &'a Sources,
    pub(crate) pins: &'a Pins,
    pub(crate) platform: &'a Platform,
    /// What every derivation carries.
    pub(crate) configurations: &'a Configurations,
    /// The complete configuration of every needed image.
    pub(crate) image_configurations: &'a BTreeMap<NodeId, Configuration>,
}

/// The definition key of each needed derivation.
#[derive(Debug, Default)]
pub(crate) struct DefinitionKeys {
    keys: BTreeMap<NodeId, DefinitionKey>,
    /// The hash of each selection's encoding: many steps take the same, and it may be long.
    selections: HashMap<Files, [u8; 32]>,
}

impl DefinitionKeys {
    /// Works out the keys of `needed`, which is closed under "is derived from".
    pub(crate) fn of(inputs: &KeyInputs<'_>, needed: &BTreeSet<NodeId>) -> Self {
        let mut keys = Self::default();
        // Ids are topologically ordered, so what a node is derived from has its key already.
        for &id in needed {
            let key = keys.derive(inputs, id);
            keys.keys.insert(id, key);
        }
        keys
    }

    /// The key of a needed derivation.
    pub(crate) fn get(&self, id: NodeId) -> DefinitionKey {
        self.keys[&id]
    }

    /// A derivation of this key.
    pub(crate) fn find(&self, key: &DefinitionKey) -> Option<NodeId> {
        self.keys.iter().find(|(_, known)| *known == key).map(|(id, _)| *id)
    }

    fn derive(&mut self, inputs: &KeyInputs<'_>, id: NodeId) -> DefinitionKey {
        let encoder = match &inputs.graph.node(id).derivation {
            Derivation::Unpack(unpack) => encode_unpack(inputs, unpack),
            Derivation::Pull(input) => encode_pull(inputs, *input),
            Derivation::Step(step) => self.encode_step(inputs, step),
            Derivation::Merge(merge) => self.encode_merge(inputs, id, merge),
            Derivation::Image(image) => self.encode_image(inputs, image, &inputs.image_configurations[&id]),
        };
        DefinitionKey::from_bytes(encoder.hash())
    }

    fn encode_step(&mut self, inputs: &KeyInputs<'_>, step: &Step) -> Encoder {
        // A limit of time decides whether there is a result, not which.
        let Step { from, files, script, env, path, user, workdir, keep, drop, timeout_seconds: _limit, platform } =
            step;
        let mut e = begin("step-definition");
        e.field("platform").text(&platform.as_ref().unwrap_or(inputs.platform).to_string());
        self.encode_node(&mut e, "from", *from);
        if !files.is_empty() {
            e.field("files").list(files.iter(), |e, files| self.encode_files(e, inputs, files));
        }
        let Script { text, interpreter } = script;
        e.field("script").text(text);
        e.texts_field("interpreter", interpreter);
        e.text_map_field("env", env);
        e.texts_field("path", path);
        e.optional_text_field("user", user.as_deref());
        e.optional_text_field("workdir", workdir.as_ref().map(AbsolutePath::as_str));
        if let Some(keep) = keep {
            keep.encode("keep", &mut e);
        }
        drop.encode_unless_default("drop", &mut e);
        e
    }

    fn encode_merge(&mut self, inputs: &KeyInputs<'_>, id: NodeId, merge: &Merge) -> Encoder {
        let Merge { items, workdir, configuration_from } = merge;
        let mut e = begin("merge");
        e.field("items").list(items.iter(), |e, item| match item {
            Item::Tree(tree) => self.encode_node(e, "tree", Some(*tree)),
            Item::Files(files) => {
                self.encode_files(e.field("files"), inputs, files);
            }
        });
        e.optional_text_field("workdir", workdir.as_ref().map(AbsolutePath::as_str));
        // What it is chosen from may be needed for nothing else, so it is named by what it says. A clash fails the build.
        if configuration_from.is_some()
            && let Ok(configuration) = inputs.configurations.of_node(id)
        {
            e.field("configuration");
            configuration.encode(&mut e);
        }
        e
    }

    fn encode_image(&self, inputs: &KeyInputs<'_>, image: &Image, configuration: &Configuration) -> Encoder {
        // `configuration` is what comes of these two.
        let Image { tree, configuration_from: _in_configuration, fields: _also_in_configuration } = image;
        let mut e = begin("image");
        e.field("platform").text(&inputs.platform.to_string());
        self.encode_node(&mut e, "tree", *tree);
        e.field("configuration");
        configuration.encode(&mut e);
        e
    }

    fn encode_node(&self, e: &mut Encoder, field: &str, id: Option<NodeId>) {
        if let Some(id) = id {
            e.field(field).bytes(self.get(id).as_bytes());
        }
    }

    /// A selection enters a key by the hash of its own encoding, so that each is encoded once.
    fn encode_files(&mut self, e: &mut Encoder, inputs: &KeyInputs<'_>, files: &Files) {
        let hash = match self.selections.get(files) {
            Some(known) => *known,
            None => {
                let hash = self.selection(inputs, files).hash();
                self.selections.insert(files.clone(), hash);
                hash
            }
        };
        e.bytes(&hash);
    }

    fn selection(&mut self, inputs: &KeyInputs<'_>, files: &Files) -> Encoder {
        let mut e = Encoder::new("selection");
        match files {
            Files::Source { input, patterns } => inputs.sources.encode(&mut e, *input, patterns),
            Files::Tree { tree, patterns } => {
                self.encode_node(&mut e, "tree", Some(*tree));
                patterns.encode("patterns", &mut e);
            }
            Files::Literal { path, text, mode } => {
                e.field("literal").text(path).bytes(text.hash().as_bytes());
                encode_mode(&mut e, *mode);
            }
            Files::Place { what, to, mode, owner } => {
                self.encode_files(e.field("place"), inputs, what);
                e.field("to").text(to);
                encode_mode(&mut e, *mode);
                e.optional_text_field("owner", owner.as_deref());
            }
            Files::Sub { what, directory } => {
                self.encode_files(e.field("sub"), inputs, what);
                e.field("directory").text(directory);
            }
            Files::Narrow { what, patterns } => {
                self.encode_files(e.field("narrow"), inputs, what);
                patterns.encode("patterns", &mut e);
            }
        }
        e
    }
}

fn begin(domain: &str) -> Encoder {
    let mut e = Encoder::new(domain);
    e.field("semantics").integer(u64::from(SEMANTICS)).integer(EPOCH.unsigned_abs());
    e
}

fn encode_unpack(inputs: &KeyInputs<'_>, unpack: &Unpack) -> Encoder {
    // The pin stands for the input that it answers.
    let Unpack { packages: _pinned, system } = unpack;
    let mut e = begin("unpack");
    e.field("packages").list(inputs.pins.packages(unpack).iter(), encode_package);
    if *system {
        // The suite decides which compatibility links a system starts with.
        e.field("system").text(inputs.pins.suite(unpack));
    }
    e
}

/// A manifest names every byte of an image; where it was found says nothing about it.
fn encode_pull(inputs: &KeyInputs<'_>, input: InputId) -> Encoder {
    let mut e = begin("pull");
    e.field("manifest").bytes(inputs.pins.pulled(input).image.manifest.as_bytes());
    e
}

fn encode_package(e: &mut Encoder, package: &PinnedPackage) {
    // Where a package is found says nothing about what is in it, and its digest covers its size.
    let PinnedPackage { name, version, architecture, sha256, size: _in_digest, path: _place, archive: _mirror } =
        package;
    e.text(name).text(version).text(architecture).bytes(sha256.as_bytes());
}

fn encode_mode(e: &mut Encoder, mode: Option<u32>) {
    if let Some(mode) = mode {
        e.field("mode").integer(u64::from(mode));
    }
}

#[cfg(test)]
mod properties;
#[cfg(test)]
mod tests;
