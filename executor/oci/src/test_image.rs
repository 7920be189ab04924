//! Images and layers for the tests of this crate, without a store.

use std::collections::BTreeMap;
use std::io::Write;
use std::sync::atomic::{AtomicUsize, Ordering};

use sinter_graph::ErrorClass;
use sinter_graph::config::Configuration;
use sinter_graph::digest::{BlobDigest, LayerDigest};

use crate::{AssembledImage, LayerDescriptor, LayerError, LayerSource, assemble};

/// Layers in memory, which count how often they are asked for.
#[derive(Default)]
pub(crate) struct MemoryLayers {
    layers: BTreeMap<BlobDigest, Vec<u8>>,
    reads: AtomicUsize,
}

impl MemoryLayers {
    /// Adds a layer with these bytes, which need not be a tar, and gives its descriptor.
    pub(crate) fn add(&mut self, bytes: &[u8]) -> LayerDescriptor {
        let digest = BlobDigest::of(bytes);
        self.layers.insert(digest, bytes.to_vec());
        LayerDescriptor::uncompressed(LayerDigest::from_bytes(*digest.as_bytes()), bytes.len() as u64)
    }

    /// How many layers were written.
    pub(crate) fn reads(&self) -> usize {
        self.reads.load(Ordering::Relaxed)
    }
}

impl LayerSource for MemoryLayers {
    fn write_layer(&self, layer: &LayerDescriptor, out: &mut dyn Write) -> Result<(), LayerError> {
        self.reads.fetch_add(1, Ordering::Relaxed);
        let environment = |message: String| LayerError { class: ErrorClass::Environment, source: message.into() };
        let bytes = self.layers.get(&layer.blob).ok_or_else(|| environment(format!("no layer {}", layer.blob)))?;
        bytes.chunks(7).try_for_each(|chunk| out.write_all(chunk)).map_err(|error| environment(error.to_string()))
    }
}

/// An image with these layers whose configuration differs by `label`.
pub(crate) fn image(label: &str, layers: &[LayerDescriptor]) -> AssembledImage {
    let labels = BTreeMap::from([("label".to_owned(), label.to_owned())]);
    let configuration = Configuration { labels, ..Configuration::default() };
    assemble(&configuration, &"linux/amd64".parse().expect("a platform"), layers)
}
