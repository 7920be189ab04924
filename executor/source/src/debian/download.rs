//! Brings the bytes of pinned packages into the store.
//!
//! Rules: what is there costs one look; partial files lie beside the index caches under the digest they are to have, one
//! process at a time works on each; bytes become a blob only after their size and digest were found right.
//! Must not know: what is in a package.

use std::fs::File;
use std::path::Path;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};

use sinter_graph::lock::PinnedPackage;

use super::error::DebianError;
use super::{Debian, Progress};
use sinter_http::{Expected, FetchError};

const PARALLEL: usize = 8;

pub(super) fn fetch(debian: &Debian<'_>, packages: &[&PinnedPackage]) -> Result<(), DebianError> {
    let mut missing: Vec<&PinnedPackage> = Vec::new();
    for package in packages {
        if !debian.store.has_blob(&package.sha256)? {
            missing.push(package);
        }
    }
    missing.sort_by_key(|package| (std::cmp::Reverse(package.size), &package.name));
    missing.dedup_by_key(|package| package.sha256);
    if missing.is_empty() {
        return Ok(());
    }
    if debian.offline {
        let mut missing: Vec<String> =
            missing.iter().map(|package| format!("{} {}", package.name, package.version)).collect();
        missing.sort();
        return Err(DebianError::Offline { missing });
    }
    debian.mirrors()?;
    let parts = debian.cache_directory().join("partial");
    std::fs::create_dir_all(&parts).map_err(|source| DebianError::Io {
        action: "create",
        path: parts.clone(),
        source,
    })?;
    Downloads::new(debian, &missing, &parts).run()
}

struct Downloads<'d, 'p> {
    debian: &'d Debian<'p>,
    packages: &'d [&'d PinnedPackage],
    parts: &'d Path,
    next: AtomicUsize,
    stop: AtomicBool,
    done_bytes: AtomicU64,
    total_bytes: u64,
    /// The failure of the package that comes first by name, so that the message does not depend on timing alone.
    failure: Mutex<Option<(String, DebianError)>>,
}

impl<'d, 'p> Downloads<'d, 'p> {
    fn new(debian: &'d Debian<'p>, packages: &'d [&'d PinnedPackage], parts: &'d Path) -> Self {
        let total_bytes = packages.iter().map(|package| package.size).sum();
        let (next, stop, done_bytes) = (AtomicUsize::new(0), AtomicBool::new(false), AtomicU64::new(0));
        Self { debian, packages, parts, next, stop, done_bytes, total_bytes, failure: Mutex::new(None) }
    }

    fn run(self) -> Result<(), DebianError> {
        std::thread::scope(|scope| {
            for _ in 0..PARALLEL.min(self.packages.len()) {
                scope.spawn(|| self.work());
            }
        });
        let failure = self.failure.into_inner().unwrap_or_else(std::sync::PoisonError::into_inner);
        failure.map_or(Ok(()), |(_, error)| Err(error))
    }

    fn work(&self) {
        while !self.stop.load(Ordering::Relaxed) {
            let Some(package) = self.packages.get(self.next.fetch_add(1, Ordering::Relaxed)) else { return };
            if let Err(error) = self.download(package) {
                self.stop.store(true, Ordering::Relaxed);
                let mut failure = self.failure.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
                if failure.as_ref().is_none_or(|(name, _)| package.name < *name) {
                    *failure = Some((package.name.clone(), error));
                }
            }
        }
    }

    fn download(&self, package: &PinnedPackage) -> Result<(), DebianError> {
        let part = self.parts.join(package.sha256.hex());
        let _lease = lease(&part.with_extension("lock"))?;
        if self.debian.store.has_blob(&package.sha256)? {
            // Another process brought it while this one waited.
            self.advance(package, i64::try_from(package.size).unwrap_or(i64::MAX));
            return Ok(());
        }
        self.try_mirrors(package, &part)?;
        self.debian.store.adopt_blob(&part, package.sha256, package.size)?;
        Ok(())
    }

    fn try_mirrors(&self, package: &PinnedPackage, part: &Path) -> Result<(), DebianError> {
        let expected = Expected { digest: package.sha256, size: package.size };
        let mut last = None;
        for mirror in self.debian.mirrors()?.of(&package.archive, "") {
            let url = format!("{}/{}", mirror.url, package.path);
            let before = AtomicU64::new(0);
            let result = self.debian.http().download(&url, part, &expected, &|bytes| {
                before.fetch_add(bytes.cast_unsigned(), Ordering::Relaxed);
                self.advance(package, bytes);
            });
            match result {
                Ok(()) => return Ok(()),
                Err(error) => {
                    // What this mirror brought is counted again with the next one.
                    self.advance(package, before.load(Ordering::Relaxed).cast_signed().wrapping_neg());
                    last = Some(error);
                }
            }
        }
        Err(explain(package, last))
    }

    fn advance(&self, package: &PinnedPackage, bytes: i64) {
        let done =
            self.done_bytes.fetch_add(bytes.cast_unsigned(), Ordering::Relaxed).wrapping_add(bytes.cast_unsigned());
        let (name, total_bytes) = (package.name.clone(), self.total_bytes);
        self.debian.report(Progress::Download { name, done_bytes: done, total_bytes });
    }
}

/// Held while a partial file is written; the system lets go of it when the process ends.
fn lease(path: &Path) -> Result<File, DebianError> {
    let fault = |source| DebianError::Io { action: "lock", path: path.to_owned(), source };
    let file = File::create(path).map_err(fault)?;
    file.lock().map_err(fault)?;
    Ok(file)
}

fn explain(package: &PinnedPackage, last: Option<FetchError>) -> DebianError {
    let (name, version, digest) = (package.name.clone(), package.version.clone(), package.sha256);
    match last {
        None => {
            DebianError::NoSuchArchive { what: format!("package {name} {version}"), archive: package.archive.clone() }
        }
        Some(FetchError::Gone { .. }) => DebianError::PackageGone { name, version, digest },
        Some(FetchError::Mismatch { expected, found, .. }) => {
            DebianError::PackageMismatch { name, version, expected, found }
        }
        Some(source) => DebianError::Fetch { what: format!("package {name} {version}"), source },
    }
}
