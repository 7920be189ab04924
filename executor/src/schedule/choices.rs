//! One realisation: in one build each derivation has exactly one result.
//!
//! A step that is not reproducible may have been run twice, and results were computed from both. A hit says what it was
//! computed from; that says it again, and so on. Two hits, or a hit and something made, fit together if nowhere in all
//! that two results of one derivation are named.
//!
//! Rules: one hit alone cannot contradict itself, so an unchanged build walks nothing. What a hit was computed from and
//! what is no longer remembered, or differently, counts as a contradiction: then content decides. No record is read while
//! the lock is held.

use std::collections::{HashMap, HashSet};
use std::sync::{Mutex, MutexGuard, PoisonError};

use sinter_graph::digest::{DefinitionKey, OutcomeDigest, RecordDigest};
use sinter_store::StoreError;

use crate::record::{DefinitionRecord, Input, Outcome};
use crate::records::Records;

/// Which result each derivation has in this pass.
#[derive(Default)]
pub(super) struct Choices(Mutex<Chosen>);

#[derive(Default)]
struct Chosen {
    results: HashMap<DefinitionKey, OutcomeDigest>,
    /// Records that were walked, or are about to be.
    walked: HashSet<RecordDigest>,
    /// What hits were computed from, not looked at yet.
    pending: Vec<Input>,
    /// How many results were found or made, not counting those that only others were computed from.
    count: usize,
}

impl Chosen {
    /// Whether `outcome` can be the result of `key`; it is from then on.
    fn choose(&mut self, key: DefinitionKey, outcome: OutcomeDigest) -> bool {
        *self.results.entry(key).or_insert(outcome) == outcome
    }
}

impl Choices {
    /// Takes a hit. `false` if another result of the same derivation was chosen: then it is none.
    pub(super) fn take_hit(&self, key: DefinitionKey, record: &DefinitionRecord, digest: RecordDigest) -> bool {
        let mut chosen = self.lock();
        if !chosen.choose(key, record.outcome.digest()) {
            return false;
        }
        chosen.count += 1;
        if chosen.walked.insert(digest) {
            chosen.pending.extend(&record.inputs);
        }
        true
    }

    /// Takes a result that was made. `false` if a hit was computed from another one.
    pub(super) fn take_made(&self, key: DefinitionKey, outcome: &Outcome) -> bool {
        let mut chosen = self.lock();
        chosen.count += 1;
        chosen.choose(key, outcome.digest())
    }

    /// Looks whether everything found and made so far fits together. `false` if it does not.
    ///
    /// # Errors
    /// If a record cannot be read.
    pub(super) fn fit(&self, records: &Records) -> Result<bool, StoreError> {
        while let Some(input) = self.next() {
            let chosen = self.lock().choose(input.key, input.outcome);
            if !chosen {
                return Ok(false);
            }
            if !self.lock().walked.insert(input.record) {
                continue;
            }
            match records.definition(&input.key)? {
                Some((record, digest)) if digest == input.record => self.lock().pending.extend(record.inputs),
                _ => return Ok(false),
            }
        }
        Ok(true)
    }

    fn next(&self) -> Option<Input> {
        let mut chosen = self.lock();
        if chosen.count < 2 { None } else { chosen.pending.pop() }
    }

    fn lock(&self) -> MutexGuard<'_, Chosen> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
