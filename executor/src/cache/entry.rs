//! What a cache holds under a key: the record, and all that a machine needs to count on it without a byte of a layer.
//!
//! Form: the canonical encoding of `sinter_graph::encode`, domain `cache-entry`: the key, the records that are remembered
//! under it, the layers of the stack with their facts, and the documents of an image. It is what is signed.
//!
//! Rules: an entry comes from elsewhere, so it is believed only after everything in it fits together and to the key that
//! was asked for. That the result belongs to the key nobody can check: that is what signatures are for. Must not know:
//! registries, the store.

use sinter_graph::decode::{DecodeError, Decoder};
use sinter_graph::digest::{BlobDigest, ContentKey, DefinitionKey, LayerDigest, RecordDigest};
use sinter_graph::encode::Encoder;
use sinter_graph::marks::Marks;
use sinter_graph::stack::Stack;
use sinter_store::LayerFacts;

use crate::record::{ContentRecord, DefinitionRecord};

const DOMAIN: &str = "cache-entry";

/// One result, as it travels.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Entry {
    /// What was asked and what came of it.
    pub(crate) result: CachedResult,
    /// The layers that the result counts on, the bottom one first, with what is known about each.
    pub(crate) layers: Vec<(LayerDigest, LayerFacts)>,
}

/// A key with its record.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum CachedResult {
    /// The result of a derivation.
    Definition {
        /// Its key.
        key: DefinitionKey,
        /// What is remembered.
        record: DefinitionRecord,
        /// For an image, its configuration and its manifest.
        documents: Vec<Vec<u8>>,
        /// For a pulled image, what each of its layers came to.
        chains: Vec<(ContentKey, Option<LayerDigest>)>,
    },
    /// The layer of a step.
    Content {
        /// Its key.
        key: ContentKey,
        /// What is remembered.
        record: ContentRecord,
    },
}

/// Why an entry is not believed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum EntryError {
    /// It is no entry, or one of another version.
    #[error(transparent)]
    Form(#[from] DecodeError),
    /// It answers another question.
    #[error("it holds the result of another key")]
    OtherKey,
    /// Its parts contradict each other.
    #[error("its {0} are not those that its record names")]
    Unfit(&'static str),
}

impl Entry {
    pub(crate) fn encode(&self) -> Vec<u8> {
        let Self { result, layers } = self;
        let mut e = Encoder::new(DOMAIN);
        match result {
            CachedResult::Definition { key, record, documents, chains } => {
                e.field("definition").bytes(key.as_bytes()).bytes(&record.encode());
                if !documents.is_empty() {
                    e.field("documents").list(documents.iter(), |e, document| {
                        e.bytes(document);
                    });
                }
                if !chains.is_empty() {
                    e.field("chains").list(chains.iter(), |e, (chain, layer)| {
                        e.bytes(chain.as_bytes()).bytes(layer.as_ref().map_or(&[], |layer| layer.as_bytes()));
                    });
                }
            }
            CachedResult::Content { key, record } => {
                e.field("content").bytes(key.as_bytes()).bytes(&record.encode());
            }
        }
        e.field("layers").list(layers.iter(), |e, (layer, facts)| {
            e.bytes(layer.as_bytes()).bytes(&facts.encode());
        });
        e.finish()
    }

    /// Reads an entry and checks that it fits together.
    ///
    /// # Errors
    /// If it is no entry, or if what it holds is not what its record names.
    pub(crate) fn decode(bytes: &[u8]) -> Result<Self, EntryError> {
        let mut d = Decoder::new(bytes, DOMAIN)?;
        let result = if d.optional_field("definition") {
            let key = DefinitionKey::from_bytes(d.array()?);
            let record = DefinitionRecord::decode(d.bytes()?)?;
            let documents = match d.optional_field("documents") {
                true => d.list(|d| Ok(d.bytes()?.to_vec()))?,
                false => vec![],
            };
            let chains = match d.optional_field("chains") {
                true => d.list(|d| {
                    let chain = ContentKey::from_bytes(d.array()?);
                    let before = d.clone();
                    Ok((
                        chain,
                        if d.bytes()?.is_empty() {
                            None
                        } else {
                            Some(LayerDigest::from_bytes(before.clone().array()?))
                        },
                    ))
                })?,
                false => vec![],
            };
            CachedResult::Definition { key, record, documents, chains }
        } else {
            d.field("content")?;
            let key = ContentKey::from_bytes(d.array()?);
            CachedResult::Content { key, record: ContentRecord::decode(d.bytes()?)? }
        };
        let layers = d.field("layers")?.list(|d| {
            let layer = LayerDigest::from_bytes(d.array()?);
            Ok((layer, LayerFacts::decode(d.bytes()?)?))
        })?;
        d.finish()?;
        let entry = Self { result, layers };
        entry.check()?;
        Ok(entry)
    }

    /// The stack of all its layers.
    pub(crate) fn stack(&self) -> Stack {
        Stack::of(self.layers.iter().map(|(layer, _)| *layer))
    }

    fn check(&self) -> Result<(), EntryError> {
        let layers_fit = match &self.result {
            CachedResult::Definition { record, .. } => self.stack().digest() == record.outcome.stack,
            CachedResult::Content { record, .. } => self.layers.iter().map(|(layer, _)| layer).eq(record.layer.iter()),
        };
        if !layers_fit {
            return Err(EntryError::Unfit("layers"));
        }
        let CachedResult::Definition { record, documents, chains, .. } = &self.result else { return Ok(()) };
        let unpacked = chains.iter().filter_map(|(_, layer)| layer.as_ref());
        if !chains.is_empty() && !unpacked.eq(self.layers.iter().map(|(layer, _)| layer)) {
            return Err(EntryError::Unfit("chains"));
        }
        let named = record.outcome.image.map(|image| vec![image.config, image.manifest]).unwrap_or_default();
        if documents.iter().map(|document| BlobDigest::of(document)).eq(named) {
            return Ok(());
        }
        Err(EntryError::Unfit("documents"))
    }

    /// Checks that it answers what was asked.
    ///
    /// # Errors
    /// If it does not.
    pub(crate) fn answers(self, asked: &Question) -> Result<Self, EntryError> {
        if self.question() == *asked { Ok(self) } else { Err(EntryError::OtherKey) }
    }

    /// Whether the result may be shared at all.
    pub(crate) fn is_unmarked(&self) -> bool {
        match &self.result {
            CachedResult::Definition { record, .. } => record.outcome.marks == Marks::NONE,
            CachedResult::Content { record, .. } => record.marks == Marks::NONE,
        }
    }

    /// What names the record of a definition.
    pub(crate) fn record_digest(&self) -> Option<RecordDigest> {
        match &self.result {
            CachedResult::Definition { record, .. } => Some(RecordDigest::of(&record.encode())),
            CachedResult::Content { .. } => None,
        }
    }

    /// What it answers.
    pub(crate) fn question(&self) -> Question {
        match &self.result {
            CachedResult::Definition { key, .. } => Question::Definition(*key),
            CachedResult::Content { key, .. } => Question::Content(*key),
        }
    }
}

/// What a cache is asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) enum Question {
    /// The result of a derivation.
    Definition(DefinitionKey),
    /// The layer of a step.
    Content(ContentKey),
}

impl Question {
    /// The tag under which the answer lies: `d1-HEX` or `c1-HEX`.
    pub(crate) fn tag(&self) -> String {
        match self {
            Self::Definition(key) => key.to_string(),
            Self::Content(key) => key.to_string(),
        }
    }
}

#[cfg(test)]
mod tests {
    use sinter_graph::digest::OutcomeDigest;
    use sinter_store::Origin;

    use super::*;
    use crate::record::{ImageBlobs, Input, Outcome};

    fn layer(byte: u8) -> (LayerDigest, LayerFacts) {
        let facts = LayerFacts {
            size: u64::from(byte) * 512,
            manifest: BlobDigest::of(&[byte]),
            origin: Origin::Captured,
            disk_bytes: 4096,
        };
        (LayerDigest::from_bytes([byte; 32]), facts)
    }

    fn definition(layers: Vec<(LayerDigest, LayerFacts)>, documents: Vec<Vec<u8>>) -> Entry {
        let stack = Stack::of(layers.iter().map(|(layer, _)| *layer)).digest();
        let digest = |index: usize| documents.get(index).map(|document| BlobDigest::of(document));
        let image = digest(0).zip(digest(1)).map(|(config, manifest)| ImageBlobs { config, manifest });
        let input = Input {
            key: DefinitionKey::from_bytes([8; 32]),
            outcome: OutcomeDigest::from_bytes([9; 32]),
            record: RecordDigest::from_bytes([10; 32]),
        };
        let record = DefinitionRecord { outcome: Outcome { stack, image, marks: Marks::NONE }, inputs: vec![input] };
        Entry {
            result: CachedResult::Definition {
                key: DefinitionKey::from_bytes([7; 32]),
                record,
                documents,
                chains: vec![],
            },
            layers,
        }
    }

    fn content(layers: Vec<(LayerDigest, LayerFacts)>) -> Entry {
        let from = Stack::empty().digest();
        let record = ContentRecord { layer: layers.first().map(|(layer, _)| *layer), from, marks: Marks::NONE };
        Entry { result: CachedResult::Content { key: ContentKey::from_bytes([6; 32]), record }, layers }
    }

    #[test]
    fn entries_are_read_as_they_were_written() {
        for entry in [
            definition(vec![layer(1), layer(2)], vec![b"config".to_vec(), b"manifest".to_vec()]),
            definition(vec![layer(1)], vec![]),
            definition(vec![], vec![]),
            content(vec![layer(3)]),
            content(vec![]),
        ] {
            assert_eq!(Entry::decode(&entry.encode()), Ok(entry.clone()));
            assert_eq!(entry.clone().answers(&entry.question()), Ok(entry));
        }
    }

    #[test]
    fn entries_that_do_not_fit_are_not_believed() {
        let documents = vec![b"config".to_vec(), b"manifest".to_vec()];
        let whole = definition(vec![layer(1), layer(2)], documents.clone());
        let edited = |edit: fn(&mut Entry)| {
            let mut entry = whole.clone();
            edit(&mut entry);
            Entry::decode(&entry.encode())
        };
        assert_eq!(edited(|entry| drop(entry.layers.pop())), Err(EntryError::Unfit("layers")));
        assert_eq!(edited(|entry| entry.layers.swap(0, 1)), Err(EntryError::Unfit("layers")));
        let swapped = edited(|entry| {
            if let CachedResult::Definition { documents, .. } = &mut entry.result {
                documents.swap(0, 1);
            }
        });
        assert_eq!(swapped, Err(EntryError::Unfit("documents")));
        let mut two = content(vec![layer(1)]);
        two.layers.push(layer(2));
        assert_eq!(Entry::decode(&two.encode()), Err(EntryError::Unfit("layers")));
        let other = Question::Definition(DefinitionKey::from_bytes([1; 32]));
        assert_eq!(whole.clone().answers(&other), Err(EntryError::OtherKey));
        let bytes = whole.encode();
        for length in 0..bytes.len() {
            assert!(Entry::decode(&bytes[..length]).is_err(), "cut at {length}");
        }
    }

    #[test]
    fn tags_say_what_is_asked() {
        let tag = Question::Definition(DefinitionKey::from_bytes([7; 32])).tag();
        assert_eq!((tag.len(), &tag[..5]), (3 + 64, "d1-07"));
        assert!(Question::Content(ContentKey::from_bytes([7; 32])).tag().starts_with("c1-07"));
    }
}
