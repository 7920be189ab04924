//! Small things named by SHA-256.

use std::fs::File;
use std::io::{self, Read, Seek, Write};
use std::path::{Path, PathBuf};

use sinter_graph::digest::BlobDigest;

use crate::error::StoreError;
use crate::namespaces::BLOB;
use crate::pipeline::hash_through;
use crate::small_file::open_small;
use crate::store::{Object, Store};

const WRONG_BYTES: &str = "its bytes do not have the digest it is named by";

impl Store {
    /// Keeps `bytes` and gives their digest.
    ///
    /// # Errors
    /// If they cannot be written.
    pub fn put_blob(&self, bytes: &[u8]) -> Result<BlobDigest, StoreError> {
        let digest = BlobDigest::of(bytes);
        if !self.has_blob(&digest)? {
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
        let opened = File::open(file).and_then(|mut file| digest_of(&mut file));
        let (found, found_size) = opened.map_err(|error| StoreError::io(file, "read", error))?;
        if (found, found_size) != (expected, size) {
            let (path, expected_size) = (file.to_owned(), size);
            return Err(StoreError::WrongDigest { path, expected, expected_size, found, found_size });
        }
        self.publish_blob(file, &expected, size)
    }

    /// Whether a blob is here, with the length that was published; it is leased then. Its bytes are not checked again.
    ///
    /// # Errors
    /// If nobody can tell.
    pub fn has_blob(&self, digest: &BlobDigest) -> Result<bool, StoreError> {
        Ok(self.open_blob(digest)?.is_some())
    }

    /// Opens a blob, if it is here with the length that was published, and leases it. Its bytes are not checked again;
    /// [`Store::read_blob`] does that.
    ///
    /// # Errors
    /// If nobody can tell, or if it cannot be opened.
    pub fn open_blob(&self, digest: &BlobDigest) -> Result<Option<File>, StoreError> {
        let Some(size) = self.fact(BLOB, &digest.hex())? else { return Ok(None) };
        let Ok(size) = size.try_into().map(u64::from_le_bytes) else { return Ok(None) };
        self.leases().add([*digest.as_bytes()])?;
        let path = self.blob_path(digest);
        let file = open_small(&path)?;
        let length = file.as_ref().map(|file| file.metadata()).transpose();
        let length = length.map_err(|error| StoreError::io(&path, "read", error))?.map(|found| found.len());
        Ok(file.filter(|_| length == Some(size)))
    }

    /// The bytes of a blob, verified.
    ///
    /// # Errors
    /// If it is not here, cannot be read, or is damaged; a damaged blob is dropped.
    pub fn read_blob(&self, digest: &BlobDigest) -> Result<Vec<u8>, StoreError> {
        let path = self.blob_path(digest);
        let mut file = self.open_blob(digest)?.ok_or(StoreError::MissingBlob { digest: *digest })?;
        let mut bytes = Vec::new();
        file.read_to_end(&mut bytes).map_err(|error| StoreError::io(&path, "read", error))?;
        if BlobDigest::of(&bytes) == *digest {
            return Ok(bytes);
        }
        self.withdraw_blob(digest)?;
        Err(StoreError::Damaged { path, reason: WRONG_BYTES.to_owned() })
    }

    /// Opens a blob after reading all of it: what comes out of the file is what the digest names.
    ///
    /// # Errors
    /// As [`Store::read_blob`].
    pub fn verified_blob(&self, digest: &BlobDigest) -> Result<File, StoreError> {
        let path = self.blob_path(digest);
        let mut file = self.open_blob(digest)?.ok_or(StoreError::MissingBlob { digest: *digest })?;
        let error = |error| StoreError::io(&path, "read", error);
        let (found, _) = digest_of(&mut file).map_err(error)?;
        if found != *digest {
            self.withdraw_blob(digest)?;
            return Err(StoreError::Damaged { path, reason: WRONG_BYTES.to_owned() });
        }
        file.rewind().map_err(error)?;
        Ok(file)
    }

    /// Forgets a blob that is not what it should be, together with every record that names it.
    ///
    /// # Errors
    /// If a record cannot be removed.
    pub fn withdraw_blob(&self, digest: &BlobDigest) -> Result<(), StoreError> {
        let _lock = self.lock()?;
        self.drop_fact(BLOB, &digest.hex())?;
        self.drop_naming(*digest.as_bytes())?;
        let _ = self.discard_object(&self.blob_path(digest));
        Ok(())
    }

    fn publish_blob(&self, file: &Path, digest: &BlobDigest, size: u64) -> Result<(), StoreError> {
        self.leases().add([*digest.as_bytes()])?;
        let object = Object { path: self.blob_path(digest), namespace: BLOB, key: &digest.hex() };
        self.publish(file, &object, || self.has_blob(digest), &size.to_le_bytes())
    }

    fn blob_path(&self, digest: &BlobDigest) -> PathBuf {
        self.root().join("blobs").join(digest.hex())
    }
}

fn digest_of(file: &mut File) -> io::Result<(BlobDigest, u64)> {
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
