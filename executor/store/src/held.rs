//! Layers that were seen in their places.
//!
//! Rules: what is remembered holds only while nothing was taken away ([`crate::withdrawals`]). Must not know: the store,
//! what is in a layer.

use std::collections::HashMap;
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use sinter_graph::digest::LayerDigest;

use crate::error::StoreError;
use crate::seal::is_absence;
use crate::withdrawals::Mark;

/// A layer that was seen in its place.
#[derive(Debug)]
pub(crate) struct Held {
    pub(crate) digest: LayerDigest,
    pub(crate) directory: PathBuf,
    identity: Identity,
}

/// What tells a directory from another one of the same name.
type Identity = (u64, u64);

impl Held {
    /// Looks for the unpacked files of a layer.
    ///
    /// # Errors
    /// If they are not there, or if nobody can tell.
    pub(crate) fn look(digest: &LayerDigest, directory: &Path) -> io::Result<Self> {
        Ok(Self { digest: *digest, directory: directory.to_owned(), identity: identity(directory)? })
    }

    /// Looks again.
    ///
    /// # Errors
    /// If they are gone or others, or if nobody can tell.
    pub(crate) fn confirm(&self) -> Result<(), StoreError> {
        match identity(&self.directory) {
            Ok(found) if found == self.identity => Ok(()),
            Err(error) if !is_absence(&error) => Err(StoreError::io(&self.directory, "read", error)),
            _ => Err(StoreError::MissingLayer { digest: self.digest }),
        }
    }
}

fn identity(path: &Path) -> io::Result<Identity> {
    let found = std::fs::symlink_metadata(path)?;
    if found.is_dir() { Ok((found.dev(), found.ino())) } else { Err(io::ErrorKind::NotADirectory.into()) }
}

/// The layers that were leased and seen in their places, and are there since nothing was taken away.
#[derive(Debug, Default)]
pub(crate) struct Seen {
    mark: Option<Mark>,
    held: HashMap<LayerDigest, Arc<Held>>,
}

impl Seen {
    /// What was seen at this mark, and what is seen from now on; all that was seen at others is forgotten.
    pub(crate) fn at(&mut self, mark: Option<Mark>) -> &mut HashMap<LayerDigest, Arc<Held>> {
        if mark.is_none() || mark != self.mark {
            *self = Self { mark, held: HashMap::new() };
        }
        &mut self.held
    }

    /// The layer is looked for again when it is next asked for.
    pub(crate) fn forget(&mut self, digest: &LayerDigest) {
        self.held.remove(digest);
    }
}
