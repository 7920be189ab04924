//! Taking a result of another machine for one of ours.

use sinter_graph::digest::RecordDigest;

use super::entry::{CachedResult, Entry};
use crate::context::Context;
use crate::error::BuildError;
use crate::record::ContentRecord;

/// Remembers what an entry says: facts first, then what counts on them. Gives what names the record of a definition.
///
/// # Errors
/// If the store cannot be written.
pub(crate) fn import(context: &Context, entry: &Entry) -> Result<Option<RecordDigest>, BuildError> {
    for (layer, facts) in &entry.layers {
        context.store.put_facts_alone(layer, facts)?;
    }
    match &entry.result {
        CachedResult::Definition { key, record, documents, chains } => {
            for document in documents {
                context.store.put_blob(document)?;
            }
            context.records.keep_stack(&entry.stack())?;
            for (chain, layer) in chains {
                let record = ContentRecord { layer: *layer, from: record.outcome.stack, marks: record.outcome.marks };
                context.records.put_content(chain, &record)?;
            }
            Ok(Some(context.records.put_definition(key, record)?))
        }
        CachedResult::Content { key, record } => {
            context.records.put_content(key, record)?;
            Ok(None)
        }
    }
}
