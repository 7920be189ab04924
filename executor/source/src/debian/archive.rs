//! Fetches and verifies what an archive says: its signed release and its package indexes, kept in the store by digest.
//!
//! Must not know: which packages are wanted.

use std::path::PathBuf;

use sinter_graph::digest::BlobDigest;
use sinter_graph::lock::PinnedArchive;

use super::compression::decompress;
use super::date::format_date;
use super::error::DebianError;
use super::index::IndexText;
use super::mirror::{ArchiveMirror, Keyring};
use super::release::{ListedFile, Release, index_paths};
use super::signature::{Keys, verified_text};
use super::{Debian, Progress};
use sinter_http::FetchError;

const MAX_RELEASE_BYTES: u64 = 16 << 20;
const MAX_INDEX_BYTES: u64 = 1 << 30;

/// What [`Debian::live_archive`] found.
pub(super) enum Live {
    /// The archive and the text of its index.
    Found(PinnedArchive, IndexText),
    /// The mirrors do not have this suite.
    Absent(String),
}

impl Debian<'_> {
    /// The current state of a suite of an archive: signed, valid now, with its index for one architecture.
    pub(super) fn live_archive(&self, archive: &str, suite: &str, architecture: &str) -> Result<Live, DebianError> {
        self.report(Progress::IndexFetching { suite: suite.to_owned() });
        let (mirror, message) = match self.fetch_in_release(archive, suite)? {
            Ok(found) => found,
            Err(absent) => return Ok(Live::Absent(absent)),
        };
        let release = self.verified_release(mirror, suite, &message)?;
        let Some(index) = release.index(architecture) else {
            return Err(DebianError::NoArchitecture { suite: suite.to_owned(), architecture: architecture.to_owned() });
        };
        let text = match self.cached_index(&index.digest, suite) {
            Some(text) => text,
            None => self.fetch_index(mirror, suite, &release, index)?,
        };
        let digest = BlobDigest::of(message.as_bytes());
        self.cache(&in_release_name(&digest), message.as_bytes())?;
        let pinned = PinnedArchive {
            archive: archive.to_owned(),
            suite: suite.to_owned(),
            version: release.version.clone(),
            date: format_date(release.date),
            sha256: digest,
            indexes: [(architecture.to_owned(), index.digest)].into(),
        };
        Ok(Live::Found(pinned, IndexText { archive: archive.to_owned(), suite: suite.to_owned(), text }))
    }

    /// The InRelease file of the first mirror that has the suite, or why none has it.
    fn fetch_in_release(
        &self,
        archive: &str,
        suite: &str,
    ) -> Result<Result<(&ArchiveMirror, String), String>, DebianError> {
        self.require_network(|| format!("the release of {suite}"))?;
        let mut absent = "no mirror of this archive is configured".to_owned();
        for mirror in self.mirrors()?.of(archive, suite) {
            let url = format!("{}/dists/{suite}/InRelease", mirror.url);
            match self.http().get(&url, MAX_RELEASE_BYTES) {
                Ok(bytes) => {
                    let text =
                        String::from_utf8(bytes).map_err(|_| release_fault(suite, "its InRelease is not UTF-8"))?;
                    return Ok(Ok((mirror, text)));
                }
                Err(FetchError::Gone { .. }) => absent = format!("{} does not have it", mirror.url),
                Err(error) if mirror.presumed => absent = format!("the presumed mirror does not answer: {error}"),
                Err(source) => return Err(DebianError::Fetch { what: format!("the release of {suite}"), source }),
            }
        }
        Ok(Err(absent))
    }

    fn verified_release(&self, mirror: &ArchiveMirror, suite: &str, message: &str) -> Result<Release, DebianError> {
        let now = now();
        let keys = read_keys(&mirror.keyring)?;
        let text = verified_text(message, &keys, now).map_err(|reason| DebianError::Signature {
            suite: suite.to_owned(),
            reason,
            keyring: keyring_file(&mirror.keyring),
        })?;
        let release = Release::parse(&text).map_err(|reason| release_fault(suite, &reason))?;
        if !release.is_of(suite) {
            let reason = format!("the mirror answers with the release of {}", release.shown_names());
            return Err(release_fault(suite, &reason));
        }
        match &release.valid_until {
            Some((until, seconds)) if *seconds < now => {
                Err(DebianError::Expired { suite: suite.to_owned(), until: until.clone() })
            }
            _ => Ok(release),
        }
    }

    fn fetch_index(
        &self,
        mirror: &ArchiveMirror,
        suite: &str,
        release: &Release,
        index: &ListedFile,
    ) -> Result<String, DebianError> {
        let url = format!("{}/dists/{suite}/{}", mirror.url, release.place(index));
        let fetched = self.http().get(&url, index.size.min(MAX_INDEX_BYTES));
        let bytes = match fetched {
            // By-hash may be announced and yet not be mirrored.
            Err(FetchError::Gone { .. }) => self
                .http()
                .get(&format!("{}/dists/{suite}/{}", mirror.url, index.path), index.size.min(MAX_INDEX_BYTES)),
            other => other,
        };
        let bytes =
            bytes.map_err(|source| DebianError::Fetch { what: format!("the package index of {suite}"), source })?;
        let found = BlobDigest::of(&bytes);
        if found != index.digest {
            return Err(DebianError::IndexMismatch { suite: suite.to_owned(), expected: index.digest, found });
        }
        self.cache(&index_name(&index.digest), &bytes)?;
        index_text(suite, &bytes)
    }

    /// The index that a lock pins: from the store, else from a mirror by its hash.
    pub(super) fn pinned_index(
        &self,
        archive: &PinnedArchive,
        architecture: &str,
        digest: &BlobDigest,
    ) -> Result<IndexText, DebianError> {
        let suite = &archive.suite;
        let text = match self.cached_index(digest, suite) {
            Some(text) => text,
            None => self.fetch_pinned_index(archive, architecture, digest)?,
        };
        Ok(IndexText { archive: archive.archive.clone(), suite: suite.clone(), text })
    }

    fn fetch_pinned_index(
        &self,
        archive: &PinnedArchive,
        architecture: &str,
        digest: &BlobDigest,
    ) -> Result<String, DebianError> {
        let suite = &archive.suite;
        self.require_network(|| format!("the package index of {suite} ({digest})"))?;
        self.report(Progress::IndexFetching { suite: suite.clone() });
        let mirrors = self.mirrors()?.of(&archive.archive, suite);
        if mirrors.is_empty() {
            let what = format!("the package index of {suite} pinned in the lock");
            return Err(DebianError::NoSuchArchive { what, archive: archive.archive.clone() });
        }
        for mirror in mirrors {
            for path in index_paths(architecture, digest) {
                let url = format!("{}/dists/{suite}/{path}", mirror.url);
                match self.http().get(&url, MAX_INDEX_BYTES) {
                    Ok(bytes) if BlobDigest::of(&bytes) == *digest => {
                        self.cache(&index_name(digest), &bytes)?;
                        return index_text(suite, &bytes);
                    }
                    // Another state of the suite, or none: the next place may have it.
                    Ok(_) | Err(FetchError::Gone { .. }) => {}
                    Err(_) if mirror.presumed => {}
                    Err(source) => {
                        return Err(DebianError::Fetch { what: format!("the package index of {suite}"), source });
                    }
                }
            }
        }
        Err(DebianError::IndexGone { suite: suite.clone(), digest: *digest })
    }

    /// The digest of the index that a pinned release has for an architecture the lock does not name yet: from the
    /// very InRelease file that is pinned, in the store or still on the mirror.
    pub(super) fn index_of_pinned_release(
        &self,
        archive: &PinnedArchive,
        architecture: &str,
    ) -> Result<BlobDigest, DebianError> {
        let message = match self.cached(&in_release_name(&archive.sha256), &archive.sha256) {
            Some(bytes) => String::from_utf8_lossy(&bytes).into_owned(),
            None => match self.fetch_in_release(&archive.archive, &archive.suite)? {
                Ok((_, message)) if BlobDigest::of(message.as_bytes()) == archive.sha256 => message,
                _ => return Err(DebianError::IndexGone { suite: archive.suite.clone(), digest: archive.sha256 }),
            },
        };
        // The lock vouches for the whole file; its signature was checked when it was pinned.
        let text = super::signature::signed_text(&message).map_err(|reason| release_fault(&archive.suite, &reason))?;
        let release = Release::parse(&text).map_err(|reason| release_fault(&archive.suite, &reason))?;
        release.index(architecture).map(|index| index.digest).ok_or_else(|| DebianError::NoArchitecture {
            suite: archive.suite.clone(),
            architecture: architecture.to_owned(),
        })
    }

    pub(super) fn require_network(&self, what: impl FnOnce() -> String) -> Result<(), DebianError> {
        if self.offline { Err(DebianError::Offline { missing: vec![what()] }) } else { Ok(()) }
    }

    fn cached_index(&self, digest: &BlobDigest, suite: &str) -> Option<String> {
        // A cached index that cannot be read is fetched again.
        self.cached(&index_name(digest), digest).and_then(|bytes| index_text(suite, &bytes).ok())
    }

    pub(super) fn cache_directory(&self) -> PathBuf {
        self.store.index_directory().join("debian")
    }

    fn cached(&self, name: &str, digest: &BlobDigest) -> Option<Vec<u8>> {
        std::fs::read(self.cache_directory().join(name)).ok().filter(|bytes| BlobDigest::of(bytes) == *digest)
    }

    /// Written beside and renamed, so that nobody ever reads half of it.
    fn cache(&self, name: &str, bytes: &[u8]) -> Result<(), DebianError> {
        let directory = self.cache_directory();
        let fault = |source| DebianError::Io { action: "write", path: directory.join(name), source };
        let workspace = self.store.workspace()?;
        let draft = workspace.path().join(name);
        std::fs::create_dir_all(&directory).map_err(fault)?;
        std::fs::write(&draft, bytes).map_err(fault)?;
        std::fs::rename(&draft, directory.join(name)).map_err(fault)
    }
}

fn in_release_name(digest: &BlobDigest) -> String {
    format!("{}.InRelease", digest.hex())
}

fn index_name(digest: &BlobDigest) -> String {
    format!("{}.Packages", digest.hex())
}

fn index_text(suite: &str, bytes: &[u8]) -> Result<String, DebianError> {
    let fault = |reason: String| release_fault(suite, &format!("its package index cannot be read: {reason}"));
    let plain = decompress(bytes, MAX_INDEX_BYTES).map_err(|error| fault(error.to_string()))?;
    String::from_utf8(plain).map_err(|_| fault("it is not UTF-8".to_owned()))
}

fn release_fault(suite: &str, reason: &str) -> DebianError {
    DebianError::Release { suite: suite.to_owned(), reason: reason.to_owned() }
}

fn now() -> i64 {
    let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since.as_secs()).unwrap_or(i64::MAX)
}

fn keyring_file(keyring: &Keyring) -> PathBuf {
    match keyring {
        Keyring::Files(files) => files.first().cloned().unwrap_or_default(),
        Keyring::Inline { file, .. } => file.clone(),
    }
}

fn read_keys(keyring: &Keyring) -> Result<Keys, DebianError> {
    let fault = |path: &std::path::Path, reason: String| DebianError::Keyring { path: path.to_owned(), reason };
    match keyring {
        Keyring::Inline { armored, file } => Keys::read(armored.as_bytes()).map_err(|reason| fault(file, reason)),
        Keyring::Files(files) => {
            let mut all: Option<Keys> = None;
            for file in files {
                let bytes = std::fs::read(file).map_err(|error| fault(file, error.to_string()))?;
                let keys = Keys::read(&bytes).map_err(|reason| fault(file, reason))?;
                match &mut all {
                    Some(all) => all.extend(keys),
                    None => all = Some(keys),
                }
            }
            all.ok_or_else(|| fault(std::path::Path::new(""), "no file is named".to_owned()))
        }
    }
}
