//! Hashing files of a work tree, two at a time, and only those that changed.

use std::fs::File;
use std::io::Read as _;
use std::path::Path;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{SystemTime, UNIX_EPOCH};

use sinter_graph::digest::ContentHash;
use sinter_graph::path::TreePath;

use super::{DirectoryError, HashCache, SourceFile, SourceKind, StatIdentity, WorkTree};

/// How many files are read at a time.
const THREADS: usize = 2;

/// A file whose times are younger than this when it is hashed may change again without its times showing it: file
/// systems keep time in steps of up to two seconds.
const RACY_NANOSECONDS: i128 = 2_000_000_000;

/// A file that has to be read: its place among the answers, its path from the root, itself.
type Unknown<'a> = (usize, TreePath, &'a SourceFile);

/// What reading a file gave: the hash, and whether it may be remembered.
struct Known {
    content: ContentHash,
    settled: bool,
}

impl WorkTree {
    /// The hashes of files from the listing of `relative_directory`, in the order of `files`. The hash of a link is
    /// that of its target. What `cache` knows is not read again; what is read is added to it.
    ///
    /// # Errors
    /// If a file cannot be read, or is no longer what the listing says.
    pub fn hash(
        &self,
        relative_directory: &str,
        files: &[&SourceFile],
        cache: &mut HashCache,
    ) -> Result<Vec<ContentHash>, DirectoryError> {
        let base = TreePath::normalized(relative_directory).unwrap_or_else(|_| TreePath::root());
        let mut hashes: Vec<Option<ContentHash>> = Vec::with_capacity(files.len());
        let mut unknown: Vec<Unknown<'_>> = Vec::new();
        for (index, file) in files.iter().enumerate() {
            let path = base.join(&file.path);
            let known = match &file.kind {
                SourceKind::Symlink { target } => Some(ContentHash::of(target)),
                SourceKind::Regular { .. } => cache.get(&path, &file.stat),
            };
            if known.is_none() {
                unknown.push((index, path, file));
            }
            hashes.push(known);
        }
        for ((index, path, file), known) in unknown.iter().zip(read_all(&self.root, &unknown)?) {
            hashes[*index] = Some(known.content);
            if known.settled {
                cache.insert(path.clone(), file.stat, known.content);
            }
        }
        let known = |(file, hash): (&&SourceFile, Option<ContentHash>)| {
            hash.ok_or_else(|| DirectoryError::Changed { path: self.locate(relative_directory, &file.path) })
        };
        files.iter().zip(hashes).map(known).collect()
    }
}

fn read_all(root: &Path, unknown: &[Unknown<'_>]) -> Result<Vec<Known>, DirectoryError> {
    if unknown.len() < 2 * THREADS {
        return unknown.iter().map(|(_, path, file)| read(root, path, file)).collect();
    }
    let next = AtomicUsize::new(0);
    let results: Mutex<Vec<Option<Result<Known, DirectoryError>>>> =
        Mutex::new(std::iter::repeat_with(|| None).take(unknown.len()).collect());
    std::thread::scope(|scope| {
        for _ in 0..THREADS {
            scope.spawn(|| work(root, unknown, &next, &results));
        }
    });
    let results = results.into_inner().unwrap_or_else(std::sync::PoisonError::into_inner);
    results.into_iter().flatten().collect()
}

/// Takes files until none is left, or until one fails.
fn work(
    root: &Path,
    unknown: &[Unknown<'_>],
    next: &AtomicUsize,
    results: &Mutex<Vec<Option<Result<Known, DirectoryError>>>>,
) {
    while let Some((index, (_, path, file))) = take(next, unknown) {
        let result = read(root, path, file);
        if result.is_err() {
            next.store(unknown.len(), Ordering::Relaxed);
        }
        results.lock().unwrap_or_else(std::sync::PoisonError::into_inner)[index] = Some(result);
    }
}

fn take<'a, 'b>(next: &AtomicUsize, unknown: &'a [Unknown<'b>]) -> Option<(usize, &'a Unknown<'b>)> {
    let index = next.fetch_add(1, Ordering::Relaxed);
    unknown.get(index).map(|item| (index, item))
}

fn read(root: &Path, path: &TreePath, file: &SourceFile) -> Result<Known, DirectoryError> {
    let absolute = root.join(path.to_os_path());
    let failed = |error| DirectoryError::io("read", &absolute, error);
    let mut opened = open_without_following(&absolute).map_err(failed)?;
    let mut hasher = blake3::Hasher::new();
    let mut buffer = [0; 64 * 1024];
    let mut length = 0;
    loop {
        match opened.read(&mut buffer) {
            Ok(0) => break,
            Ok(count) => {
                hasher.update(&buffer[..count]);
                length += count as u64;
            }
            Err(error) if error.kind() == std::io::ErrorKind::Interrupted => {}
            Err(error) => return Err(failed(error)),
        }
    }
    let after = StatIdentity::of(&opened.metadata().map_err(failed)?);
    if after != file.stat || length != file.size {
        return Err(DirectoryError::Changed { path: absolute });
    }
    Ok(Known { content: ContentHash::from_bytes(*hasher.finalize().as_bytes()), settled: is_settled(&after) })
}

fn open_without_following(path: &Path) -> std::io::Result<File> {
    use rustix::fs::{Mode, OFlags};
    // Without NONBLOCK, opening a pipe that took the file's place would wait for ever.
    let flags = OFlags::RDONLY | OFlags::CLOEXEC | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::NOCTTY;
    Ok(rustix::fs::open(path, flags, Mode::empty())?.into())
}

fn is_settled(stat: &StatIdentity) -> bool {
    let since_1970 = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    let now = i128::try_from(since_1970.as_nanos()).unwrap_or(i128::MAX);
    stat.mtime.max(stat.ctime) < now - RACY_NANOSECONDS
}
