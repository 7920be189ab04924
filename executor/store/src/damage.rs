//! Forgetting what counted on an object that turned out to be damaged or gone.
//!
//! Payloads hold the digests and keys that they count on as their plain 32 bytes, so a record that counts on an object
//! holds its bytes; and whoever counts on such a record by its key is found the same way. A false hit costs a look-up,
//! never a wrong result.
//!
//! Damage is rare, so there is no index: all records are read.

use std::collections::HashSet;

use crate::error::StoreError;
use crate::record::RecordKind;
use crate::store::Store;

type Name = [u8; 32];

/// A record that has not been dropped yet.
struct Remaining {
    kind: RecordKind,
    key: String,
    name: Option<Name>,
    /// Every 32 bytes of its payload that could be a name.
    payload: Vec<u8>,
}

impl Store {
    /// Drops every record that names `object`, or that names such a record.
    pub(crate) fn drop_naming(&self, object: Name) -> Result<(), StoreError> {
        let mut remaining = self.all_records()?;
        let mut tainted = HashSet::from([object]);
        loop {
            let (named, others): (Vec<_>, Vec<_>) =
                remaining.into_iter().partition(|record| record.names_any(&tainted));
            if named.is_empty() {
                return Ok(());
            }
            tainted.clear();
            for record in &named {
                self.drop_fact(record.kind.namespace(), &record.key)?;
                tainted.extend(record.name);
            }
            remaining = others;
        }
    }

    fn all_records(&self) -> Result<Vec<Remaining>, StoreError> {
        let mut records = Vec::new();
        for kind in RecordKind::ALL {
            let directory = self.root().join("records").join(kind.namespace());
            let error = |error| StoreError::io(&directory, "read", error);
            for entry in std::fs::read_dir(&directory).map_err(error)? {
                let key = entry.map_err(error)?.file_name().to_string_lossy().into_owned();
                if let Some(payload) = self.record(kind, &key).unwrap_or_default() {
                    let name = format!("c1-{key}").parse().ok();
                    let name = name.map(|key: sinter_graph::digest::ContentKey| *key.as_bytes());
                    records.push(Remaining { kind, key, name, payload });
                }
            }
        }
        Ok(records)
    }
}

impl Remaining {
    fn names_any(&self, tainted: &HashSet<Name>) -> bool {
        self.payload.windows(32).any(|window| window.try_into().is_ok_and(|name: Name| tainted.contains(&name)))
    }
}
