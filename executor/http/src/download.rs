//! Fetching bytes: bounded, resumed after a cut, verified while they stream.
//!
//! Rules: what is kept has the expected size and digest; a partial file survives the process, so that the next one goes on
//! where this one stopped.

use std::fs::{File, OpenOptions};
use std::io::{Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};
use std::time::Duration;

use sha2::{Digest as _, Sha256};
use sinter_graph::digest::BlobDigest;

use crate::address::shown;
use crate::client::Http;
use crate::error::FetchError;
use crate::exchange::{HttpRequest, HttpResponse, Method};
use crate::retry::Retry;

const CHUNK: usize = 256 * 1024;
/// So much more than ever before is worth further tries.
const PROGRESS: u64 = 64 * 1024;

/// What a download must turn out to be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Expected {
    /// Its digest.
    pub digest: BlobDigest,
    /// Its size in bytes.
    pub size: u64,
}

/// How one try ended without a final result.
enum Interrupted {
    /// Worth another try, perhaps after some time.
    Again(FetchError, Option<Duration>),
    /// Not worth it.
    Final(FetchError),
}

impl Http {
    /// The body of an address, in memory.
    ///
    /// # Errors
    /// If there is none, if it has more than `limit` bytes, or if the server cannot be reached.
    pub fn get(&self, url: &str, limit: u64) -> Result<Vec<u8>, FetchError> {
        retry(|_| {
            let asked = self.send(HttpRequest::new(Method::Get, url)).map_err(again_or_final)?;
            good(asked)?.bytes(limit).map_err(again_or_final)
        })
    }

    /// Downloads into `part`, going on where an earlier call stopped. `on_bytes` hears how many bytes are new (or, when
    /// a server starts again from the beginning, how many were for nothing, as a negative number).
    ///
    /// # Errors
    /// As [`Http::get`]; also if the bytes are not the expected ones (then `part` is removed), or cannot be written.
    pub fn download(
        &self,
        url: &str,
        part: &Path,
        expected: &Expected,
        on_bytes: &dyn Fn(i64),
    ) -> Result<(), FetchError> {
        download_by(&|range| self.send(ranged(HttpRequest::new(Method::Get, url), range)), part, expected, on_bytes)
    }
}

/// The same request for the bytes from an offset on (RFC 9110, 14.2).
#[must_use]
pub fn ranged(request: HttpRequest<'_>, offset: u64) -> HttpRequest<'_> {
    if offset == 0 { request } else { request.with("range", format!("bytes={offset}-")) }
}

/// As [`Http::download`], for who asks in a way of his own: `ask` is given the offset from which bytes are wanted.
///
/// # Errors
/// As [`Http::download`].
pub fn download_by(
    ask: &dyn Fn(u64) -> Result<HttpResponse, FetchError>,
    part: &Path,
    expected: &Expected,
    on_bytes: &dyn Fn(i64),
) -> Result<(), FetchError> {
    let mut sink = Sink::open(part, expected.size, on_bytes)?;
    match fill_and_check(ask, &mut sink, expected) {
        Err(FetchError::Mismatch { .. }) if sink.is_pieced => {
            // A part that was there may have been rubbish, or the content another one after a cut: once more, in one go.
            sink.restart()?;
            fill_and_check(ask, &mut sink, expected)
        }
        other => other,
    }
    .inspect_err(|error| {
        if matches!(error, FetchError::Mismatch { .. }) {
            // What is wrong is of no use to the next try; that it cannot be removed changes nothing.
            let _ = std::fs::remove_file(part);
        }
    })
}

fn fill_and_check(
    ask: &dyn Fn(u64) -> Result<HttpResponse, FetchError>,
    sink: &mut Sink<'_>,
    expected: &Expected,
) -> Result<(), FetchError> {
    let url = fill(ask, sink, expected)?;
    sink.check(&url, expected)
}

/// Gives the address that the bytes came from.
fn fill(
    ask: &dyn Fn(u64) -> Result<HttpResponse, FetchError>,
    sink: &mut Sink<'_>,
    expected: &Expected,
) -> Result<String, FetchError> {
    let mut url = String::new();
    let mut farthest = sink.length;
    retry(|tries| {
        // Even where nothing is expected, somebody must be named if that is wrong.
        if sink.length == expected.size && sink.length > 0 {
            return Ok(());
        }
        let result = continue_at(ask, sink, expected, &mut url);
        // Who starts again from the beginning, or gives one byte a time, gets no further by that.
        if sink.length >= farthest + PROGRESS {
            farthest = sink.length;
            tries.progressed();
        }
        result
    })?;
    Ok(url)
}

fn continue_at(
    ask: &dyn Fn(u64) -> Result<HttpResponse, FetchError>,
    sink: &mut Sink<'_>,
    expected: &Expected,
    url: &mut String,
) -> Result<(), Interrupted> {
    let mut asked = ask(sink.length).map_err(again_or_final)?;
    // The range does not fit what the server has: from the beginning, by way of a fresh request.
    if asked.status() == 416 && sink.length > 0 {
        sink.restart().map_err(Interrupted::Final)?;
        asked = ask(0).map_err(again_or_final)?;
    }
    let mut response = good(asked)?;
    *url = shown(response.url());
    let broken =
        |reason: String| Interrupted::Again(FetchError::Transport { url: url.clone(), reason, is_final: false }, None);
    match response.begins_at() {
        Some(begin) if begin == sink.length => sink.is_pieced |= begin > 0,
        Some(0) => sink.restart().map_err(Interrupted::Final)?,
        _ => {
            // Nothing says what these bytes are. The next try asks for all of them.
            sink.restart().map_err(Interrupted::Final)?;
            return Err(broken("it answers with a part that was not asked for".to_owned()));
        }
    }
    let mut body = response.reader();
    let mut chunk = vec![0; CHUNK];
    loop {
        let count = body.read(&mut chunk).map_err(|error| broken(error.to_string()))?;
        if count == 0 {
            break;
        }
        if sink.length + count as u64 > expected.size {
            return Err(Interrupted::Final(mismatch(url, &size_text(expected.size), "more bytes")));
        }
        sink.append(&chunk[..count]).map_err(Interrupted::Final)?;
    }
    if sink.length == expected.size {
        return Ok(());
    }
    // A server that declared a shorter body will send the same again; only a cut is worth another try.
    Err(broken(format!("it ended after {} of {} bytes", sink.length, expected.size)))
}

/// An answer with a body.
fn good(response: HttpResponse) -> Result<HttpResponse, Interrupted> {
    let url = shown(response.url());
    match response.status() {
        200 | 206 => Ok(response),
        404 | 410 => Err(Interrupted::Final(FetchError::Gone { url })),
        status if Retry::is_worthwhile(status) => {
            let asked = Retry::asked_by(&response);
            Err(Interrupted::Again(FetchError::Status { url, status }, asked))
        }
        status => Err(Interrupted::Final(FetchError::Status { url, status })),
    }
}

/// Errors of the address or of our own request do not go away by trying again, and name servers have been asked again.
fn again_or_final(error: FetchError) -> Interrupted {
    match &error {
        FetchError::Transport { is_final: false, .. } => Interrupted::Again(error, None),
        _ => Interrupted::Final(error),
    }
}

fn retry<T>(mut attempt: impl FnMut(&mut Retry) -> Result<T, Interrupted>) -> Result<T, FetchError> {
    let mut tries = Retry::default();
    loop {
        match attempt(&mut tries) {
            Ok(value) => return Ok(value),
            Err(Interrupted::Final(error)) => return Err(error),
            Err(Interrupted::Again(error, asked)) => {
                if !tries.wait(asked) {
                    return Err(error);
                }
            }
        }
    }
}

fn size_text(size: u64) -> String {
    format!("{size} bytes")
}

fn mismatch(url: &str, expected: &str, found: &str) -> FetchError {
    FetchError::Mismatch { url: url.to_owned(), expected: expected.to_owned(), found: found.to_owned() }
}

/// A partial file and the hash of what is in it.
struct Sink<'a> {
    file: File,
    path: PathBuf,
    hash: Sha256,
    length: u64,
    /// Whether it comes from more than one answer.
    is_pieced: bool,
    on_bytes: &'a dyn Fn(i64),
}

impl<'a> Sink<'a> {
    fn open(path: &Path, limit: u64, on_bytes: &'a dyn Fn(i64)) -> Result<Self, FetchError> {
        let failed = |source| FetchError::Io { path: path.to_owned(), source };
        let file = OpenOptions::new().read(true).write(true).create(true).truncate(false).open(path).map_err(failed)?;
        let mut sink = Self { file, path: path.to_owned(), hash: Sha256::new(), length: 0, is_pieced: false, on_bytes };
        sink.read_prefix(limit).map_err(failed)?;
        sink.is_pieced = sink.length > 0;
        Ok(sink)
    }

    fn read_prefix(&mut self, limit: u64) -> std::io::Result<()> {
        if self.file.metadata()?.len() > limit {
            self.file.set_len(0)?;
        }
        let mut chunk = vec![0; CHUNK];
        loop {
            let count = self.file.read(&mut chunk)?;
            if count == 0 {
                return Ok(());
            }
            self.count(&chunk[..count]);
        }
    }

    fn count(&mut self, bytes: &[u8]) {
        self.hash.update(bytes);
        self.length += bytes.len() as u64;
        (self.on_bytes)(i64::try_from(bytes.len()).unwrap_or(i64::MAX));
    }

    fn append(&mut self, bytes: &[u8]) -> Result<(), FetchError> {
        self.file.write_all(bytes).map_err(|source| FetchError::Io { path: self.path.clone(), source })?;
        self.count(bytes);
        Ok(())
    }

    fn restart(&mut self) -> Result<(), FetchError> {
        let truncated = self.file.set_len(0).and_then(|()| self.file.seek(SeekFrom::Start(0)));
        truncated.map_err(|source| FetchError::Io { path: self.path.clone(), source })?;
        (self.on_bytes)(i64::try_from(self.length).map_or(i64::MIN, |length| -length));
        self.hash = Sha256::new();
        self.length = 0;
        self.is_pieced = false;
        Ok(())
    }

    fn check(&self, url: &str, expected: &Expected) -> Result<(), FetchError> {
        let found = BlobDigest::from_bytes(self.hash.clone().finalize().into());
        if self.length != expected.size {
            return Err(mismatch(url, &size_text(expected.size), &size_text(self.length)));
        }
        if found == expected.digest {
            return Ok(());
        }
        Err(mismatch(url, &expected.digest.to_string(), &found.to_string()))
    }
}
