//! Reads a lock.

use serde::Deserialize;

use super::kinds::Document;
use super::text::Place;
use super::{LOCK_VERSION, Lock, LockError};

pub(super) fn parse(text: &str) -> Result<Lock, LockError> {
    refuse_conflict_markers(text)?;
    if text.trim().is_empty() {
        return Ok(Lock::default());
    }
    let document: Document = toml::from_str(text).map_err(|error| {
        // A newer lock may not fit this shape at all: then its version is the reason worth telling.
        version_of(text).filter(|&found| found > LOCK_VERSION).map_or_else(
            || Place::at(text, error.span().map_or(0, |span| span.start)).broken(&error.message()),
            |found| LockError::Newer { found },
        )
    })?;
    match *document.version.get_ref() {
        LOCK_VERSION => document.into_lock(text),
        found if found > LOCK_VERSION => Err(LockError::Newer { found }),
        found => {
            let place = Place::at(text, document.version.span().start);
            Err(place.broken(&format_args!("there is no version {found} of the lock")))
        }
    }
}

fn refuse_conflict_markers(text: &str) -> Result<(), LockError> {
    let is_marker = |line: &str| line.starts_with("<<<<<<<") || line.starts_with(">>>>>>>") || line == "=======";
    match text.lines().position(is_marker) {
        Some(index) => Err(LockError::ConflictMarkers { line: index + 1 }),
        None => Ok(()),
    }
}

fn version_of(text: &str) -> Option<i64> {
    #[derive(Deserialize)]
    struct OnlyVersion {
        version: i64,
    }
    toml::from_str::<OnlyVersion>(text).ok().map(|only| only.version)
}
