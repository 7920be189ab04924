//! Immutable directories of declared files.

use std::path::{Path, PathBuf};

use sinter_graph::digest::FilesDigest;

use crate::error::StoreError;
use crate::record::VIEW;
use crate::store::{Object, Store};

impl Store {
    /// Keeps a directory of a workspace, made by [`crate::write_view`], which is moved away. If the view is here
    /// already, the directory is deleted.
    ///
    /// # Errors
    /// If it cannot be moved.
    pub fn publish_view(&self, directory: &Path, digest: FilesDigest) -> Result<(), StoreError> {
        let object = Object { path: self.view_path(&digest), namespace: VIEW, key: &digest.hex() };
        self.publish(directory, &object, || self.view(&digest).is_some(), &[])
    }

    /// Where a view lies, if it is here.
    #[must_use]
    pub fn view(&self, digest: &FilesDigest) -> Option<PathBuf> {
        self.fact(VIEW, &digest.hex())?;
        Some(self.view_path(digest)).filter(|path| path.is_dir())
    }

    fn view_path(&self, digest: &FilesDigest) -> PathBuf {
        self.root().join("views").join(digest.hex())
    }
}
