//! Small things named by SHA-256.

use std::fs::File;
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};

use sinter_graph::digest::BlobDigest;

use crate::error::StoreError;
use crate::pipeline::hash_through;
use crate::record::BLOB;
use crate::store::{Object, Store};

impl Store {
    /// Keeps `bytes` and gives their digest.
    ///
    /// # Errors
    /// If they cannot be written.
    pub fn put_blob(&self, bytes: &[u8]) -> Result<BlobDigest, StoreError> {
        let digest = BlobDigest::of(bytes);
        if self.blob(&digest).is_none() {
            let draft = self.scratch_path()?;
            let written = File::create_new(&draft).and_then(|mut file| file.write_all(bytes));
            written.map_err(|error| {
                let _ = std::fs::remove_file(&draft);
                StoreError::io(&self.blob_path(&digest), "write", error)
            })?;
            self.publish_blob(&draft, &digest, bytes.len() as u64)?;
        }
        Ok(digest)
    }

    /// Keeps a file of a workspace, which is moved away, after checking that it is what it is said to be.
    ///
    /// # Errors
    /// If its digest or size is another one, or if it cannot be read or moved.
    pub fn adopt_blob(&self, file: &Path, expected: BlobDigest, size: u64) -> Result<(), StoreError> {
        let (found, found_size) = digest_of(file).map_err(|error| StoreError::io(file, "read", error))?;
        if (found, found_size) != (expected, size) {
            let (path, expected_size) = (file.to_owned(), size);
            return Err(StoreError::WrongDigest { path, expected, expected_size, found, found_size });
        }
        self.publish_blob(file, &expected, size)
    }

    /// Where a blob lies, if it is here: a file nobody changes, of the length that was published. Its bytes are not
    /// checked again; [`Store::read_blob`] does that.
    #[must_use]
    pub fn blob(&self, digest: &BlobDigest) -> Option<PathBuf> {
        let size: [u8; 8] = self.fact(BLOB, &digest.hex())?.try_into().ok()?;
        let path = self.blob_path(digest);
        let found = std::fs::symlink_metadata(&path).ok()?;
        (found.is_file() && found.len() == u64::from_le_bytes(size)).then_some(path)
    }

    /// The bytes of a blob, verified.
    ///
    /// # Errors
    /// If it is not here, cannot be read, or is damaged; a damaged blob is dropped.
    pub fn read_blob(&self, digest: &BlobDigest) -> Result<Vec<u8>, StoreError> {
        let path = self.blob(digest).ok_or(StoreError::MissingBlob { digest: *digest })?;
        let bytes = std::fs::read(&path).map_err(|error| StoreError::io(&path, "read", error))?;
        if BlobDigest::of(&bytes) == *digest {
            return Ok(bytes);
        }
        self.withdraw(&Object { path: path.clone(), namespace: BLOB, key: &digest.hex() })?;
        Err(StoreError::Damaged { path, reason: "its bytes do not have the digest it is named by".to_owned() })
    }

    fn publish_blob(&self, file: &Path, digest: &BlobDigest, size: u64) -> Result<(), StoreError> {
        let object = Object { path: self.blob_path(digest), namespace: BLOB, key: &digest.hex() };
        self.publish(file, &object, || self.blob(digest).is_some(), &size.to_le_bytes())
    }

    fn blob_path(&self, digest: &BlobDigest) -> PathBuf {
        self.root().join("blobs").join(digest.hex())
    }
}

fn digest_of(file: &Path) -> io::Result<(BlobDigest, u64)> {
    let mut file = File::open(file)?;
    let expected = file.metadata()?.len();
    let mut buffer = vec![0; 256 * 1024];
    let ((), digest, size) = hash_through(&mut io::sink(), expected, |out| {
        loop {
            match file.read(&mut buffer) {
                Ok(0) => return Ok::<(), io::Error>(()),
                Ok(count) => out.write_all(&buffer[..count])?,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
    })?;
    Ok((BlobDigest::from_bytes(digest), size))
}
