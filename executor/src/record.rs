//! What the store remembers about results, as small JSON documents. The store adds checksum and version around them.

use serde::{Deserialize, Serialize};
use sinter_graph::digest::{BlobDigest, DefinitionKey, FilesDigest, LayerDigest};
use sinter_graph::encode::Encoder;

/// The result of one derivation: equal results have equal values.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub(crate) struct Outcome {
    /// The stack it yields, bottom first.
    pub(crate) layers: Vec<LayerDigest>,
    /// For an image, its configuration and manifest.
    pub(crate) image: Option<ImageBlobs>,
}

/// The two documents of an image.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub(crate) struct ImageBlobs {
    /// The configuration.
    pub(crate) config: BlobDigest,
    /// The manifest: what an image's digest means.
    pub(crate) manifest: BlobDigest,
}

/// Names an [`Outcome`] in the closure of another one.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub(crate) struct OutcomeDigest(String);

impl Outcome {
    /// BLAKE3 of the canonical encoding.
    #[must_use]
    pub(crate) fn digest(&self) -> OutcomeDigest {
        OutcomeDigest(FilesDigest::from_bytes(self.encoder().hash()).hex())
    }

    /// The canonical encoding.
    #[must_use]
    pub(crate) fn encode(&self) -> Vec<u8> {
        self.encoder().finish()
    }

    fn encoder(&self) -> Encoder {
        let mut e = Encoder::new("outcome");
        e.list(self.layers.iter(), |e, layer| {
            e.bytes(layer.as_bytes());
        });
        if let Some(image) = &self.image {
            e.field("image").bytes(image.config.as_bytes()).bytes(image.manifest.as_bytes());
        }
        e
    }
}

/// What is remembered under a definition key.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct DefinitionRecord {
    /// The result.
    pub(crate) outcome: Outcome,
    /// Every derived thing the result was computed from, and which result of it was used. Without this, a step that is
    /// not reproducible could enter one image in two versions.
    pub(crate) closure: Vec<(DefinitionKey, OutcomeDigest)>,
}

/// What is remembered under a content key: the one layer a step or placement adds, `None` if it changed nothing.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct ContentRecord {
    /// The layer.
    pub(crate) layer: Option<LayerDigest>,
}
