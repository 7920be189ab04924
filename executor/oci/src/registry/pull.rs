//! Reading from a repository.

use std::path::Path;
use std::sync::Arc;

use sha2::{Digest as _, Sha256};
use sinter_graph::digest::BlobDigest;
use sinter_graph::image_reference::ImageReference;
use sinter_http::{Expected, FetchError, HttpResponse, Method, download_by, resolve};

use super::error::RegistryError;
use super::exchange::Ask;
use super::host::Host;

/// No document of an image is larger (distribution's own limit).
pub(crate) const LONGEST_DOCUMENT: u64 = 4 << 20;

/// Every manifest that we can read.
const ACCEPTED: &str = "application/vnd.oci.image.index.v1+json, application/vnd.oci.image.manifest.v1+json, \
    application/vnd.docker.distribution.manifest.list.v2+json, application/vnd.docker.distribution.manifest.v2+json";

/// A repository of a registry.
#[derive(Debug, Clone)]
pub struct Repository {
    pub(super) host: Arc<Host>,
    pub(super) name: String,
}

/// A document, checked against its digest.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Document {
    /// What it says it is.
    pub media_type: String,
    /// SHA-256 of its bytes.
    pub digest: BlobDigest,
    /// Its bytes.
    pub bytes: Vec<u8>,
}

impl Repository {
    pub(super) const fn new(host: Arc<Host>, name: String) -> Self {
        Self { host, name }
    }

    /// The host's name, as references spell it.
    #[must_use]
    pub fn host(&self) -> &str {
        &self.host.name
    }

    /// The repository's name on its host.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Whether another repository is on the same host.
    #[must_use]
    pub fn is_beside(&self, other: &Self) -> bool {
        self.host.name == other.host.name
    }

    /// The manifest of a tag or digest; `None` if there is none.
    ///
    /// # Errors
    /// If the registry denies, cannot be reached, or sends other bytes than the digest names.
    pub fn manifest(&self, what: &str) -> Result<Option<Document>, RegistryError> {
        let url = format!("/v2/{}/manifests/{what}", self.name);
        let mut ask = Ask::new(Method::Get, &url, &self.name, "pull");
        ask.headers.push(("accept", ACCEPTED.to_owned()));
        let (response, bytes) = self.host.ask_whole(&ask, LONGEST_DOCUMENT)?;
        match response.status() {
            200 => {}
            404 => return Ok(None),
            _ => return Err(self.host.refused(&ask, response)),
        }
        let media_type = response.header("content-type").unwrap_or_default();
        let media_type = media_type.split(';').next().unwrap_or_default().trim().to_owned();
        if media_type.eq_ignore_ascii_case("text/html") {
            // Somebody who wants to be clicked at, with a status that says otherwise.
            return Err(self.odd("it answers with a page for people where a manifest is asked for"));
        }
        let digest = BlobDigest::from_bytes(Sha256::digest(&bytes).into());
        let said = response.header("docker-content-digest").and_then(|digest| digest.parse().ok());
        for expected in what.parse().into_iter().chain(said) {
            if expected != digest {
                return Err(RegistryError::Mismatch { host: self.host.name.clone(), expected, found: digest });
            }
        }
        Ok(Some(Document { media_type, digest, bytes }))
    }

    /// The digest of the manifest that a tag names now, without the manifest; `None` if there is none.
    ///
    /// # Errors
    /// If the registry denies or cannot be reached.
    pub fn manifest_digest(&self, tag: &str) -> Result<Option<BlobDigest>, RegistryError> {
        let url = format!("/v2/{}/manifests/{tag}", self.name);
        let mut ask = Ask::new(Method::Head, &url, &self.name, "pull");
        ask.headers.push(("accept", ACCEPTED.to_owned()));
        let response = self.host.ask(&ask)?;
        match response.status() {
            200 => match response.header("docker-content-digest").and_then(|digest| digest.parse().ok()) {
                Some(digest) => Ok(Some(digest)),
                // Not every registry says it.
                None => Ok(self.manifest(tag)?.map(|document| document.digest)),
            },
            404 => Ok(None),
            _ => Err(self.host.refused(&ask, response)),
        }
    }

    /// Whether a blob is there.
    ///
    /// # Errors
    /// If the registry denies or cannot be reached.
    pub fn has_blob(&self, blob: &BlobDigest) -> Result<bool, RegistryError> {
        let url = self.blob_url(blob);
        let ask = Ask::new(Method::Head, &url, &self.name, "pull");
        let response = self.host.ask(&ask)?;
        match response.status() {
            200 => Ok(true),
            404 => Ok(false),
            _ => Err(self.host.refused(&ask, response)),
        }
    }

    /// Downloads a blob into `part`, going on where an earlier call stopped; size and digest are checked.
    ///
    /// # Errors
    /// If it is not there, if the bytes are others, or if they cannot be had or written.
    pub fn download_blob(
        &self,
        blob: BlobDigest,
        size: u64,
        part: &Path,
        on_bytes: &dyn Fn(i64),
    ) -> Result<(), RegistryError> {
        let expected = Expected { digest: blob, size };
        // What the registry itself said, which a download has no words for.
        let refused = std::cell::RefCell::new(None);
        let ask = |offset: u64| {
            self.open_blob(&blob, offset).map_err(|error| match error {
                RegistryError::Http(error) => error,
                error => {
                    let reason = error.to_string();
                    refused.replace(Some(error));
                    FetchError::Transport { url: blob.to_string(), reason, is_final: true }
                }
            })
        };
        let downloaded = download_by(&ask, part, &expected, on_bytes);
        match (downloaded, refused.into_inner()) {
            (Ok(()), _) => Ok(()),
            (Err(_), Some(error)) => Err(error),
            (Err(error), None) => Err(error.into()),
        }
    }

    /// A small blob, checked; `None` if it is not there.
    ///
    /// # Errors
    /// If it has other bytes, more than any document, or cannot be had.
    pub fn small_blob(&self, blob: &BlobDigest) -> Result<Option<Vec<u8>>, RegistryError> {
        self.blob_up_to(blob, LONGEST_DOCUMENT)
    }

    /// A blob of at most `limit` bytes, checked; `None` if it is not there.
    ///
    /// # Errors
    /// As [`Repository::small_blob`].
    pub fn blob_up_to(&self, blob: &BlobDigest, limit: u64) -> Result<Option<Vec<u8>>, RegistryError> {
        let url = self.blob_url(blob);
        let ask = Ask::new(Method::Get, &url, &self.name, "pull");
        let (response, bytes) = self.host.ask_whole(&ask, limit)?;
        match response.status() {
            200 => {}
            404 => return Ok(None),
            _ => return Err(self.host.refused(&ask, response)),
        }
        let found = BlobDigest::of(&bytes);
        if found != *blob {
            return Err(RegistryError::Mismatch { host: self.host.name.clone(), expected: *blob, found });
        }
        Ok(Some(bytes))
    }

    pub(super) fn blob_url(&self, blob: &BlobDigest) -> String {
        format!("/v2/{}/blobs/{blob}", self.name)
    }

    /// The error for an answer that breaks the protocol.
    pub(super) fn odd(&self, reason: impl Into<String>) -> RegistryError {
        RegistryError::Protocol { host: self.host.name.clone(), reason: reason.into() }
    }

    /// Asks for a blob from an offset on.
    pub(super) fn open_blob(&self, blob: &BlobDigest, offset: u64) -> Result<HttpResponse, RegistryError> {
        let url = self.blob_url(blob);
        let mut ask = Ask::new(Method::Get, &url, &self.name, "pull");
        ask.is_resumed = true;
        if offset > 0 {
            ask.headers.push(("range", format!("bytes={offset}-")));
        }
        self.host.ask(&ask)
    }

    /// All tags.
    ///
    /// # Errors
    /// If the registry denies, cannot be reached, answers something else, or lists more than a million.
    pub fn tags(&self) -> Result<Vec<String>, RegistryError> {
        let mut tags = Vec::new();
        let mut url = format!("/v2/{}/tags/list?n={TAGS_PAGE}", self.name);
        for _ in 0..MOST_PAGES {
            let ask = Ask::new(Method::Get, &url, &self.name, "pull");
            let (response, bytes) = self.host.ask_whole(&ask, LONGEST_DOCUMENT * 4)?;
            match response.status() {
                200 => {}
                404 => return Ok(tags),
                _ => return Err(self.host.refused(&ask, response)),
            }
            let page: Tags = serde_json::from_slice(&bytes).map_err(|_| self.odd("its list of tags is none"))?;
            // What is no tag names nothing that can be asked for.
            tags.extend(page.tags.unwrap_or_default().into_iter().filter(|tag| ImageReference::is_tag(tag)));
            match response.header("link").and_then(|link| next_page(response.url(), link)) {
                Some(next) if next != url && tags.len() <= MOST_TAGS => url = next,
                Some(_) => break,
                None => return Ok(tags),
            }
        }
        Err(self.odd("its list of tags does not end"))
    }
}

const TAGS_PAGE: usize = 1000;
const MOST_PAGES: usize = 1000;
const MOST_TAGS: usize = 1_000_000;

/// One page of tags (distribution-spec v1.1, "Listing Tags").
#[derive(serde::Deserialize)]
struct Tags {
    tags: Option<Vec<String>>,
}

/// The address of the next page (RFC 8288). Registries behind others know neither their scheme nor their host: what counts is
/// the path, on the same host.
fn next_page(base: &str, link: &str) -> Option<String> {
    let (address, relation) = link.split_once('>')?;
    let address = address.trim().strip_prefix('<')?;
    if !relation.contains("next") {
        return None;
    }
    let path = match address.split_once("://") {
        Some((scheme, rest)) if scheme.bytes().all(|byte| byte.is_ascii_alphabetic()) => &rest[rest.find('/')?..],
        _ => address,
    };
    if path.starts_with('/') { Some(path.to_owned()) } else { resolve(base, path).ok() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn next_pages_are_on_the_same_host() {
        for (link, expected) in [
            ("</v2/a/tags/list?last=x&n=1>; rel=\"next\"", Some("/v2/a/tags/list?last=x&n=1")),
            ("<http://elsewhere:1/v2/a/tags/list?last=x>; rel=next", Some("/v2/a/tags/list?last=x")),
            ("<list?last=x>; rel=\"next\"", Some("http://h:1/v2/a/tags/list?last=x")),
            ("<?last=x>; rel=\"next\"", Some("http://h:1/v2/a/tags/list?last=x")),
            ("</v2/a?u=http://x/>; rel=\"next\"", Some("/v2/a?u=http://x/")),
            ("</v2/a/tags/list>; rel=\"prev\"", None),
            ("<http://elsewhere>; rel=\"next\"", None),
            ("<a\\b>; rel=\"next\"", None),
            ("next", None),
            ("<>; rel=\"next\"", Some("http://h:1/v2/a/tags/")),
        ] {
            assert_eq!(next_page("http://h:1/v2/a/tags/list?n=5", link).as_deref(), expected, "{link}");
        }
    }
}
