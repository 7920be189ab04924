//! The store's records in the executor's words.
//!
//! Rules: what cannot be read is an error and never a miss; what is no record of this version is a miss.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use sinter_graph::digest::{ContentKey, DefinitionKey, RecordDigest, StackDigest};
use sinter_graph::stack::Stack;
use sinter_store::{RecordKind, Store, StoreError};

use crate::record::{ContentRecord, DefinitionRecord, StackRecord};

/// Reads and writes records.
pub(crate) struct Records {
    store: Store,
    /// Stacks that have a record.
    stacks: Mutex<HashMap<StackDigest, Stack>>,
}

impl Records {
    pub(crate) fn new(store: Store) -> Self {
        Self { store, stacks: Mutex::default() }
    }

    /// What is remembered under a definition key, and what names that record.
    pub(crate) fn definition(
        &self,
        key: &DefinitionKey,
    ) -> Result<Option<(DefinitionRecord, RecordDigest)>, StoreError> {
        let bytes = self.store.record(RecordKind::Definition, &key.hex())?;
        Ok(bytes.and_then(|bytes| Some((DefinitionRecord::decode(&bytes).ok()?, RecordDigest::of(&bytes)))))
    }

    pub(crate) fn put_definition(
        &self,
        key: &DefinitionKey,
        record: &DefinitionRecord,
    ) -> Result<RecordDigest, StoreError> {
        let bytes = record.encode();
        self.store.put_record(RecordKind::Definition, &key.hex(), &bytes)?;
        Ok(RecordDigest::of(&bytes))
    }

    /// Forgets what is remembered under a definition key.
    pub(crate) fn drop_definition(&self, key: &DefinitionKey) -> Result<(), StoreError> {
        self.store.drop_record(RecordKind::Definition, &key.hex())
    }

    /// What is remembered under a content key.
    pub(crate) fn content(&self, key: &ContentKey) -> Result<Option<ContentRecord>, StoreError> {
        let bytes = self.store.record(RecordKind::Content, &key.hex())?;
        Ok(bytes.and_then(|bytes| ContentRecord::decode(&bytes).ok()))
    }

    pub(crate) fn put_content(&self, key: &ContentKey, record: &ContentRecord) -> Result<(), StoreError> {
        self.store.put_record(RecordKind::Content, &key.hex(), &record.encode())
    }

    /// Writes what is needed to find the layers of a stack by its digest: those above the nearest stack that is known.
    pub(crate) fn keep_stack(&self, stack: &Stack) -> Result<(), StoreError> {
        let mut layers = Vec::new();
        let mut below = None;
        for part in stack.downwards() {
            if self.known(&part.digest()).is_some() {
                below = Some(part.digest());
                break;
            }
            layers.extend(part.split_top().map(|(_, layer)| layer));
        }
        if layers.is_empty() {
            return Ok(());
        }
        layers.reverse();
        let record = StackRecord { below, layers };
        self.store.put_record(RecordKind::Stack, &stack.digest().hex(), &record.encode())?;
        self.stacks().insert(stack.digest(), stack.clone());
        Ok(())
    }

    /// The stack that a digest names; `None` if the store does not know it.
    pub(crate) fn stack(&self, digest: &StackDigest) -> Result<Option<Stack>, StoreError> {
        let mut above: Vec<(StackDigest, StackRecord)> = Vec::new();
        let mut next = *digest;
        let mut stack = loop {
            if let Some(known) = self.known(&next) {
                break known;
            }
            let bytes = self.store.record(RecordKind::Stack, &next.hex())?;
            let Some(record) = bytes.and_then(|bytes| StackRecord::decode(&bytes).ok()) else { return Ok(None) };
            let below = record.below.unwrap_or_else(|| Stack::empty().digest());
            above.push((next, record));
            next = below;
        };
        while let Some((digest, record)) = above.pop() {
            stack = record.layers.into_iter().fold(stack, |below, layer| below.with(layer));
            if stack.digest() != digest {
                return Ok(None);
            }
            self.stacks().insert(digest, stack.clone());
        }
        Ok(Some(stack))
    }

    /// A stack whose record was written or read; the empty one needs none.
    fn known(&self, digest: &StackDigest) -> Option<Stack> {
        let empty = Stack::empty();
        if *digest == empty.digest() {
            return Some(empty);
        }
        self.stacks().get(digest).cloned()
    }

    fn stacks(&self) -> MutexGuard<'_, HashMap<StackDigest, Stack>> {
        self.stacks.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use sinter_graph::digest::LayerDigest;

    use super::*;

    fn stored(place: &tempfile::TempDir) -> Records {
        Records::new(Store::open(&place.path().join("store")).expect("a store"))
    }

    #[test]
    fn stacks_are_found_by_their_digest() {
        let place = tempfile::tempdir().expect("a directory");
        let layer = |byte| LayerDigest::from_bytes([byte; 32]);
        let records = stored(&place);
        let low = Stack::of([layer(1), layer(2)]);
        let high = low.with(layer(3)).with(layer(4));
        records.keep_stack(&low).expect("a record");
        records.keep_stack(&high).expect("a record");
        let anew = stored(&place);
        assert_eq!(anew.stack(&high.digest()).expect("a look"), Some(high.clone()));
        assert_eq!(anew.stack(&Stack::empty().digest()).expect("a look"), Some(Stack::empty()));
        assert_eq!(anew.stack(&low.with(layer(3)).digest()).expect("a look"), None, "it was never kept");
        let written = std::fs::read_dir(place.path().join("store/records/stack")).expect("a listing").count();
        assert_eq!(written, 2);
    }

    #[test]
    fn records_of_a_chain_grow_as_the_chain() {
        let place = tempfile::tempdir().expect("a directory");
        let records = stored(&place);
        let mut stack = Stack::empty();
        for number in 0_u8..200 {
            stack = stack.with(LayerDigest::from_bytes([number; 32]));
            records.keep_stack(&stack).expect("a record");
        }
        let sizes = std::fs::read_dir(place.path().join("store/records/stack")).expect("a listing").flatten();
        let largest = sizes.map(|entry| entry.metadata().expect("metadata").len()).max();
        assert!(largest.is_some_and(|size| size < 400), "{largest:?}");
    }
}
