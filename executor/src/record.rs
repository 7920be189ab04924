//! What the store remembers about results, in one canonical encoding that can travel and be signed.
//!
//! Domains: `outcome`, `definition-record`, `content-record`, `stack-record`. Digests and keys stand in them as byte
//! strings of 32 bytes, by which the store finds what counts on a damaged object; what a record only promises stands as
//! text.
//!
//! Rules: a record names what it was computed from directly, and the record of that: so records of a chain grow as the
//! chain does, and the whole of what a result was computed from is found by walking. Must not know: the store.

use std::collections::BTreeMap;
use std::sync::Arc;

use sinter_graph::decode::{DecodeError, Decoder};
use sinter_graph::derivation::NodeId;
use sinter_graph::digest::{BlobDigest, DefinitionKey, LayerDigest, OutcomeDigest, RecordDigest, StackDigest};
use sinter_graph::encode::Encoder;
use sinter_graph::marks::Marks;

/// The result of one derivation: equal results have equal values.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) struct Outcome {
    /// The stack it yields.
    pub(crate) stack: StackDigest,
    /// For an image, its configuration and manifest.
    pub(crate) image: Option<ImageBlobs>,
    /// How it and what it stands on were made.
    pub(crate) marks: Marks,
}

/// The two documents of an image.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) struct ImageBlobs {
    /// The configuration.
    pub(crate) config: BlobDigest,
    /// The manifest: what an image's digest means.
    pub(crate) manifest: BlobDigest,
}

impl Outcome {
    /// What names the outcome.
    pub(crate) fn digest(&self) -> OutcomeDigest {
        OutcomeDigest::of(&self.encode())
    }

    /// The canonical encoding.
    pub(crate) fn encode(&self) -> Vec<u8> {
        let mut e = Encoder::new("outcome");
        self.write(&mut e);
        e.finish()
    }

    fn write(&self, e: &mut Encoder) {
        let Self { stack, image, marks } = self;
        e.field("stack").bytes(stack.as_bytes());
        if let Some(ImageBlobs { config, manifest }) = image {
            e.field("image").bytes(config.as_bytes()).bytes(manifest.as_bytes());
        }
        marks.encode(e);
    }

    fn read(d: &mut Decoder<'_>) -> Result<Self, DecodeError> {
        let stack = StackDigest::from_bytes(d.field("stack")?.array()?);
        let image = if d.optional_field("image") {
            let config = BlobDigest::from_bytes(d.array()?);
            Some(ImageBlobs { config, manifest: BlobDigest::from_bytes(d.array()?) })
        } else {
            None
        };
        Ok(Self { stack, image, marks: Marks::decode(d)? })
    }
}

/// What is remembered under a definition key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct DefinitionRecord {
    /// The result.
    pub(crate) outcome: Outcome,
    /// What it was computed from directly, sorted by key. Without this, a step that is not reproducible could enter one
    /// image in two versions.
    pub(crate) inputs: Vec<Input>,
}

/// A result that another one was computed from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Input {
    /// The derivation.
    pub(crate) key: DefinitionKey,
    /// Which result of it was used.
    pub(crate) outcome: OutcomeDigest,
    /// What was remembered about that result.
    pub(crate) record: RecordDigest,
}

impl DefinitionRecord {
    pub(crate) fn encode(&self) -> Vec<u8> {
        let Self { outcome, inputs } = self;
        let mut e = Encoder::new("definition-record");
        outcome.write(&mut e);
        e.field("inputs").list(inputs.iter(), |e, Input { key, outcome, record }| {
            e.bytes(key.as_bytes()).bytes(outcome.as_bytes()).bytes(record.as_bytes());
        });
        e.finish()
    }

    pub(crate) fn decode(bytes: &[u8]) -> Result<Self, DecodeError> {
        let mut d = Decoder::new(bytes, "definition-record")?;
        let outcome = Outcome::read(&mut d)?;
        let inputs = d.field("inputs")?.list(|d| {
            Ok(Input {
                key: DefinitionKey::from_bytes(d.array()?),
                outcome: OutcomeDigest::from_bytes(d.array()?),
                record: RecordDigest::from_bytes(d.array()?),
            })
        })?;
        d.finish()?;
        Ok(Self { outcome, inputs })
    }
}

/// What is remembered under a content key: the one layer a step or placement adds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct ContentRecord {
    /// The layer; `None` if nothing changed.
    pub(crate) layer: Option<LayerDigest>,
    /// The stack that the document of the key names, so that the record goes when a layer of it is damaged.
    pub(crate) from: StackDigest,
    /// How it was made.
    pub(crate) marks: Marks,
}

impl ContentRecord {
    pub(crate) fn encode(&self) -> Vec<u8> {
        let Self { layer, from, marks } = self;
        let mut e = Encoder::new("content-record");
        if let Some(layer) = layer {
            // As text: the record counts on what its key names, and stays true if this layer is lost.
            e.field("layer").text(&layer.to_string());
        }
        e.field("from").bytes(from.as_bytes());
        marks.encode(&mut e);
        e.finish()
    }

    pub(crate) fn decode(bytes: &[u8]) -> Result<Self, DecodeError> {
        let mut d = Decoder::new(bytes, "content-record")?;
        let layer = if d.optional_field("layer") { Some(d.parsed("the digest of a layer")?) } else { None };
        let from = StackDigest::from_bytes(d.field("from")?.array()?);
        let marks = Marks::decode(&mut d)?;
        d.finish()?;
        Ok(Self { layer, from, marks })
    }
}

/// What is remembered under the digest of a stack: the layers above another stack that is remembered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct StackRecord {
    /// The stack below; `None`: the empty one.
    pub(crate) below: Option<StackDigest>,
    /// The layers on it, the bottom one first.
    pub(crate) layers: Vec<LayerDigest>,
}

impl StackRecord {
    pub(crate) fn encode(&self) -> Vec<u8> {
        let Self { below, layers } = self;
        let mut e = Encoder::new("stack-record");
        if let Some(below) = below {
            e.field("below").bytes(below.as_bytes());
        }
        e.field("layers").list(layers.iter(), |e, layer| {
            e.bytes(layer.as_bytes());
        });
        e.finish()
    }

    pub(crate) fn decode(bytes: &[u8]) -> Result<Self, DecodeError> {
        let mut d = Decoder::new(bytes, "stack-record")?;
        let below = if d.optional_field("below") { Some(StackDigest::from_bytes(d.array()?)) } else { None };
        let layers = d.field("layers")?.list(|d| Ok(LayerDigest::from_bytes(d.array()?)))?;
        d.finish()?;
        Ok(Self { below, layers })
    }
}

/// A result that was found or made, and what names the record of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Realised {
    pub(crate) outcome: Outcome,
    pub(crate) record: RecordDigest,
}

/// The results that a derivation is made from.
pub(crate) type Known = BTreeMap<NodeId, Arc<Realised>>;

/// The marks that everything built on these inherits.
pub(crate) fn inherited_marks(known: &Known) -> Marks {
    known.values().fold(Marks::NONE, |marks, realised| marks.union(realised.outcome.marks))
}

#[cfg(test)]
mod tests {
    use sinter_graph::marks::Mark;

    use super::*;

    fn outcome(byte: u8, image: bool, marks: Marks) -> Outcome {
        let blob = |add| BlobDigest::from_bytes([byte + add; 32]);
        let image = image.then(|| ImageBlobs { config: blob(1), manifest: blob(2) });
        Outcome { stack: StackDigest::from_bytes([byte; 32]), image, marks }
    }

    fn input(byte: u8) -> Input {
        Input {
            key: DefinitionKey::from_bytes([byte; 32]),
            outcome: OutcomeDigest::from_bytes([byte + 1; 32]),
            record: RecordDigest::from_bytes([byte + 2; 32]),
        }
    }

    #[test]
    fn records_are_read_as_they_were_written() {
        let warm = Marks::NONE.with(Mark::Warm);
        for image in [false, true] {
            for marks in [Marks::NONE, warm] {
                for inputs in [vec![], vec![input(1), input(7)]] {
                    let record = DefinitionRecord { outcome: outcome(3, image, marks), inputs };
                    assert_eq!(DefinitionRecord::decode(&record.encode()), Ok(record));
                }
            }
        }
        for layer in [None, Some(LayerDigest::from_bytes([1; 32]))] {
            let record = ContentRecord { layer, from: StackDigest::from_bytes([2; 32]), marks: warm };
            assert_eq!(ContentRecord::decode(&record.encode()), Ok(record));
        }
        for below in [None, Some(StackDigest::from_bytes([2; 32]))] {
            let record = StackRecord { below, layers: vec![LayerDigest::from_bytes([1; 32])] };
            assert_eq!(StackRecord::decode(&record.encode()), Ok(record));
        }
    }

    #[test]
    fn torn_and_foreign_records_are_refused() {
        let bytes = DefinitionRecord { outcome: outcome(3, true, Marks::NONE), inputs: vec![input(1)] }.encode();
        for length in 0..bytes.len() {
            assert!(DefinitionRecord::decode(&bytes[..length]).is_err(), "cut at {length}");
        }
        assert!(DefinitionRecord::decode(&[&bytes[..], &[0]].concat()).is_err());
        assert!(ContentRecord::decode(&bytes).is_err());
    }

    #[test]
    fn every_part_of_an_outcome_names_it() {
        let base = outcome(3, true, Marks::NONE);
        let others = [
            outcome(4, true, Marks::NONE),
            outcome(3, false, Marks::NONE),
            outcome(3, true, Marks::NONE.with(Mark::Unpinned)),
        ];
        assert!(others.iter().all(|other| other.digest() != base.digest()));
    }
}
