//! Contents on their way: written and hashed under a number, until it is known that they are wanted.

use std::fs::File;
use std::io::{Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};

use sinter_graph::FsError;
use sinter_graph::digest::ContentHash;

use crate::error::ForeignError;

static ZEROS: [u8; 64 * 1024] = [0; 64 * 1024];

/// A file that is being written from its beginning to its end.
pub(super) struct StagedFile {
    path: PathBuf,
    file: File,
    hasher: blake3::Hasher,
    pub(super) size: u64,
}

impl StagedFile {
    /// An empty file of a number that has none yet.
    pub(super) fn create(staged: &Path, number: u64) -> Result<Self, ForeignError> {
        let path = staged.join(number.to_string());
        let file = File::create_new(&path).map_err(|error| FsError::new(&path, "create", error))?;
        Ok(Self { path, file, hasher: blake3::Hasher::new(), size: 0 })
    }

    pub(super) fn write(&mut self, bytes: &[u8]) -> Result<(), ForeignError> {
        self.hasher.update(bytes);
        self.file.write_all(bytes).map_err(|error| FsError::new(&self.path, "write", error))?;
        self.size += bytes.len() as u64;
        Ok(())
    }

    /// Makes a hole up to an offset.
    pub(super) fn skip_to(&mut self, offset: u64) -> Result<(), ForeignError> {
        let mut left = offset.saturating_sub(self.size);
        if left == 0 {
            return Ok(());
        }
        let made = self.file.set_len(offset).and_then(|()| self.file.seek(SeekFrom::Start(offset)));
        made.map_err(|error| FsError::new(&self.path, "write", error))?;
        self.size = offset;
        while left > 0 {
            let count = usize::try_from(left).unwrap_or(usize::MAX).min(ZEROS.len());
            self.hasher.update(&ZEROS[..count]);
            left -= count as u64;
        }
        Ok(())
    }

    /// The length and hash of what was written.
    pub(super) fn finish(self) -> (u64, ContentHash) {
        (self.size, ContentHash::from_bytes(*self.hasher.finalize().as_bytes()))
    }
}
