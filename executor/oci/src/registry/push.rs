//! Writing to a repository (distribution-spec v1.1, "Push").

use std::io::{self, Read};

use sinter_graph::digest::BlobDigest;
use sinter_http::{FetchError, HttpResponse, Method, Retry};

use super::error::RegistryError;
use super::exchange::{Ask, Content};
use super::pull::Repository;
use super::token::escaped;

/// Larger blobs go in pieces of this size: some registries stand behind servers that take no larger body.
const PIECE: u64 = 64 << 20;
/// How often a session is taken up again after it broke.
const RESUMPTIONS: usize = 5;

/// Bytes that can be read from any place on, again and again.
pub trait BlobSource: Sync {
    /// Opens the bytes from an offset on.
    ///
    /// # Errors
    /// If they cannot be read.
    fn open(&self, offset: u64) -> io::Result<Box<dyn Read + '_>>;
}

impl BlobSource for &[u8] {
    fn open(&self, offset: u64) -> io::Result<Box<dyn Read + '_>> {
        Ok(Box::new(self.get(usize::try_from(offset).map_err(io::Error::other)?..).unwrap_or_default()))
    }
}

/// How a blob came to be in a repository.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Pushed {
    /// It was there.
    Present,
    /// The registry has it in another repository and uses that one.
    Mounted,
    /// Its bytes were sent.
    Sent,
}

impl Repository {
    /// Brings a blob into the repository: not at all if it is there, from one of `beside` (repositories of the same host)
    /// if the registry can, else by sending its bytes.
    ///
    /// # Errors
    /// If the registry denies, breaks off for good, or if the bytes cannot be read.
    pub fn push_blob(
        &self,
        blob: BlobDigest,
        size: u64,
        beside: &[&str],
        source: &dyn BlobSource,
    ) -> Result<Pushed, RegistryError> {
        if self.has_blob(&blob)? {
            return Ok(Pushed::Present);
        }
        let mut session = None;
        for from in beside.iter().filter(|from| **from != self.name) {
            match self.mount(&blob, from)? {
                Mounting::Done => return Ok(Pushed::Mounted),
                Mounting::Declined(opened) => session = opened.or(session),
            }
        }
        let session = session.map_or_else(|| self.begin(), Ok)?;
        self.upload(blob, size, session, source)?;
        Ok(Pushed::Sent)
    }

    /// Puts a manifest under a tag or its digest. Everything that it names must be there.
    ///
    /// # Errors
    /// If the registry denies or refuses it.
    pub fn put_manifest(&self, what: &str, media_type: &str, bytes: &[u8]) -> Result<(), RegistryError> {
        let url = format!("/v2/{}/manifests/{what}", self.name);
        let mut ask = Ask::new(Method::Put, &url, &self.name, "pull,push");
        ask.headers.push(("content-type", media_type.to_owned()));
        ask.content = Content::Bytes(bytes);
        let mut retry = Retry::default();
        loop {
            let response = self.host.ask(&ask)?;
            match response.status() {
                200..=202 => return self.check_stored(&response, &BlobDigest::of(bytes)),
                // Some registries do not see a blob for a moment while another machine brings the same one.
                400 | 404 if retry.wait(None) => {}
                _ => return Err(self.host.refused(&ask, response)),
            }
        }
    }

    /// Refuses an answer that tells of other bytes than were sent.
    fn check_stored(&self, response: &HttpResponse, sent: &BlobDigest) -> Result<(), RegistryError> {
        let said: Option<BlobDigest> = response.header("docker-content-digest").and_then(|said| said.parse().ok());
        match said.filter(|said| said != sent) {
            Some(said) => Err(self.odd(format!("it was sent {sent} and says that it has {said}"))),
            None => Ok(()),
        }
    }

    /// Deletes a manifest.
    ///
    /// # Errors
    /// If the registry denies it, or does not delete.
    pub fn delete_manifest(&self, digest: &BlobDigest) -> Result<(), RegistryError> {
        let url = format!("/v2/{}/manifests/{digest}", self.name);
        let ask = Ask::new(Method::Delete, &url, &self.name, "delete,pull,push");
        let response = self.host.ask(&ask)?;
        match response.status() {
            200..=202 | 404 => Ok(()),
            _ => Err(self.host.refused(&ask, response)),
        }
    }

    fn mount(&self, blob: &BlobDigest, from: &str) -> Result<Mounting, RegistryError> {
        let url = format!("/v2/{}/blobs/uploads/?mount={blob}&from={}", self.name, escaped(from));
        let mut ask = Ask::new(Method::Post, &url, &self.name, "pull,push");
        ask.from = Some(from);
        match self.host.ask(&ask) {
            Ok(response) if response.status() == 201 => Ok(Mounting::Done),
            Ok(response) if response.status() == 202 => Ok(Mounting::Declined(self.location(&response).ok())),
            // Whoever may not read there, or cannot mount at all, can still send the bytes.
            Ok(_) | Err(RegistryError::Denied { .. } | RegistryError::Status { .. }) => Ok(Mounting::Declined(None)),
            Err(error) => Err(error),
        }
    }

    /// Begins to send a blob; gives the address of the session.
    fn begin(&self) -> Result<String, RegistryError> {
        let url = format!("/v2/{}/blobs/uploads/", self.name);
        let ask = Ask::new(Method::Post, &url, &self.name, "pull,push");
        let response = self.host.ask(&ask)?;
        match response.status() {
            202 => self.location(&response),
            _ => Err(self.host.refused(&ask, response)),
        }
    }

    fn upload(
        &self,
        blob: BlobDigest,
        size: u64,
        session: String,
        source: &dyn BlobSource,
    ) -> Result<(), RegistryError> {
        let (mut opened, mut retry) = (Some(session), Retry::default());
        loop {
            let session = opened.take().map_or_else(|| self.begin(), Ok)?;
            let sent = if size <= PIECE {
                self.finish(&session, blob, Some(size), source)
            } else {
                self.in_pieces(blob, size, session, source)
            };
            match sent {
                // What the registry has of the session is not known, or it is lost: another one, from the beginning.
                Err(error) if is_lost(&error) && retry.wait(None) => {
                    if self.has_blob(&blob)? {
                        // Only the answer was lost.
                        return Ok(());
                    }
                }
                result => return result,
            }
        }
    }

    fn in_pieces(
        &self,
        blob: BlobDigest,
        size: u64,
        mut session: String,
        source: &dyn BlobSource,
    ) -> Result<(), RegistryError> {
        let (mut offset, mut resumed) = (0, 0);
        while offset < size {
            let length = PIECE.min(size - offset);
            match self.piece(&session, offset, length, source) {
                Ok(next) => {
                    session = next;
                    offset += length;
                }
                Err(RegistryError::Http(_)) if resumed < RESUMPTIONS => {
                    resumed += 1;
                    (session, offset) = self.state(&session, offset + length)?;
                }
                Err(error) => return Err(error),
            }
        }
        self.finish(&session, blob, None, source)
    }

    /// Sends one piece; gives the address for the next.
    fn piece(&self, session: &str, offset: u64, length: u64, source: &dyn BlobSource) -> Result<String, RegistryError> {
        let open = || -> io::Result<Box<dyn Read + '_>> { Ok(Box::new(source.open(offset)?.take(length))) };
        let mut ask = Ask::new(Method::Patch, session, &self.name, "pull,push");
        ask.headers.push(("content-type", "application/octet-stream".to_owned()));
        ask.headers.push(("content-range", format!("{offset}-{}", offset + length - 1)));
        ask.is_resumed = true;
        ask.content = Content::Opened(length, &open);
        let response = self.host.ask(&ask)?;
        match response.status() {
            202 => self.location(&response),
            _ => Err(self.host.refused(&ask, response)),
        }
    }

    /// How far a session has come, which is `most` at most.
    fn state(&self, session: &str, most: u64) -> Result<(String, u64), RegistryError> {
        let ask = Ask::new(Method::Get, session, &self.name, "pull,push");
        let response = self.host.ask(&ask)?;
        if response.status() != 204 {
            return Err(self.host.refused(&ask, response));
        }
        let last = response.header("range").and_then(|range| range.rsplit('-').next()?.parse::<u64>().ok());
        let next = last.filter(|last| *last > 0).map_or(0, |last| last.saturating_add(1));
        if next > most {
            return Err(self.odd("it says that it has more of a blob than it was sent"));
        }
        Ok((response.location()?.unwrap_or_else(|| session.to_owned()), next))
    }

    /// Ends a session, with all bytes (`whole`) or without any.
    fn finish(
        &self,
        session: &str,
        blob: BlobDigest,
        whole: Option<u64>,
        source: &dyn BlobSource,
    ) -> Result<(), RegistryError> {
        let separator = if session.contains('?') { '&' } else { '?' };
        let url = format!("{session}{separator}digest={}", escaped(&blob.to_string()));
        let open = || source.open(0);
        let mut ask = Ask::new(Method::Put, &url, &self.name, "pull,push");
        ask.headers.push(("content-type", "application/octet-stream".to_owned()));
        ask.is_resumed = true;
        if let Some(size) = whole {
            ask.content = Content::Opened(size, &open);
        }
        let response = self.host.ask(&ask)?;
        match response.status() {
            201 | 204 => self.check_stored(&response, &blob),
            _ => Err(self.host.refused(&ask, response)),
        }
    }

    /// The address of the session that an answer opens.
    fn location(&self, response: &HttpResponse) -> Result<String, RegistryError> {
        response.location()?.ok_or_else(|| self.odd("it opens an upload without saying where"))
    }
}

/// Whether an upload may succeed in another session.
const fn is_lost(error: &RegistryError) -> bool {
    match error {
        RegistryError::Http(FetchError::Transport { is_final, .. }) => !*is_final,
        RegistryError::Status { status, .. } => matches!(*status, 404 | 416),
        _ => false,
    }
}

enum Mounting {
    Done,
    /// Perhaps with a session that was opened instead.
    Declined(Option<String>),
}
