//! Reading a blob that comes over the network, as if it were a file.

use std::io::{self, Read};

use sinter_graph::digest::BlobDigest;
use sinter_http::{HttpResponse, Method, Retry};

use super::error::RegistryError;
use super::exchange::Ask;
use super::pull::Repository;

/// So much more is worth further tries.
const PROGRESS: u64 = 64 << 10;

/// The bytes of a blob, unchecked. After a cut it goes on where that was.
pub struct BlobReader {
    repository: Repository,
    blob: BlobDigest,
    body: Box<dyn Read + Send>,
    read: u64,
    /// How much was read at the last cut.
    cut_at: u64,
    retry: Retry,
}

impl Repository {
    /// The bytes of a blob as they come, unchecked, going on after cuts; `None` if it is not there.
    ///
    /// # Errors
    /// If the registry denies or cannot be reached.
    pub fn blob(&self, blob: &BlobDigest) -> Result<Option<BlobReader>, RegistryError> {
        let response = self.host.ask(&Ask::new(Method::Get, &self.blob_url(blob), &self.name, "pull"))?;
        match response.status() {
            200 => Ok(Some(BlobReader::new(self.clone(), *blob, response))),
            404 => Ok(None),
            status => Err(self.odd(format!("it answers {status} where a blob is asked for"))),
        }
    }
}

impl BlobReader {
    fn new(repository: Repository, blob: BlobDigest, response: HttpResponse) -> Self {
        let body = response.into_reader();
        Self { repository, blob, body, read: 0, cut_at: 0, retry: Retry::default() }
    }

    /// Asks for the rest.
    fn reopen(&mut self) -> io::Result<()> {
        let response = self.repository.open_blob(&self.blob, self.read).map_err(io::Error::other)?;
        let skipped = match response.status() {
            206 if response.begins_at() == Some(self.read) => 0,
            200 => self.read,
            status => {
                return Err(io::Error::other(format!("it answers {status} where the rest of a blob is asked for")));
            }
        };
        self.body = response.into_reader();
        let found = io::copy(&mut (&mut self.body).take(skipped), &mut io::sink())?;
        if found == skipped { Ok(()) } else { Err(io::ErrorKind::UnexpectedEof.into()) }
    }
}

impl Read for BlobReader {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let mut result = self.body.read(buffer);
        while let Err(error) = result {
            if self.read >= self.cut_at + PROGRESS {
                self.retry.progressed();
                self.cut_at = self.read;
            }
            if !self.retry.wait(None) {
                return Err(io::Error::other(format!("{} breaks off: {error}", self.repository.host())));
            }
            result = self.reopen().and_then(|()| self.body.read(buffer));
        }
        let count = result?;
        self.read += count as u64;
        Ok(count)
    }
}
