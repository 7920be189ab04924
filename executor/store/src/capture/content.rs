//! Reading the contents and attributes of files, on two threads, and setting their times.

use std::collections::HashMap;
use std::io::{self, Read};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use rustix::fs::futimens;
use sinter_graph::EPOCH;
use sinter_graph::digest::ContentHash;
use sinter_graph::path::TreePath;

use super::walk::{Found, What, check_names};
use super::xattrs::{Xattrs, normalise};
use super::{CaptureError, Upper};
use crate::tree_io::{open_file, whole_seconds};

/// How many files one thread takes at a time.
const BATCH: usize = 64;
/// Below this many files a second thread costs more than it saves, unless they are large.
const THREAD_WORTHWHILE: usize = 32;

/// What a regular file holds.
#[derive(Debug, Clone)]
pub(super) struct Content {
    pub(super) size: u64,
    pub(super) hash: ContentHash,
    pub(super) xattrs: Xattrs,
}

/// Contents by device and inode.
pub(super) type Contents = HashMap<Identity, Content>;

/// Device and inode.
type Identity = (u64, u64);

/// Reads every regular file once, however many names it has, removes the attributes that are not kept and
/// sets its time.
pub(super) fn read_contents(upper: &Upper<'_>, found: &[Found]) -> Result<Contents, CaptureError> {
    let mut files: HashMap<Identity, &TreePath> = HashMap::new();
    for entry in found.iter().filter(|entry| matches!(entry.what, What::File)) {
        files.entry(entry.identity).or_insert(&entry.path);
    }
    let mut files: Vec<_> = files.into_iter().collect();
    files.sort_unstable_by_key(|(_, path)| *path);
    let (next, failed) = (AtomicUsize::new(0), AtomicBool::new(false));
    let work = || read_batches(upper, &files, &next, &failed);
    if files.len() < THREAD_WORTHWHILE {
        return Ok(work()?.into_iter().collect());
    }
    let (mine, other) = std::thread::scope(|scope| {
        let other = scope.spawn(work);
        (work(), other.join())
    });
    let other = other.map_err(|_| upper.error(&TreePath::root(), "read", io::Error::other("a thread panicked")))?;
    Ok(mine?.into_iter().chain(other?).collect())
}

type Item<'a> = (Identity, &'a TreePath);

fn read_batches(
    upper: &Upper<'_>,
    files: &[Item<'_>],
    next: &AtomicUsize,
    failed: &AtomicBool,
) -> Result<Vec<(Identity, Content)>, CaptureError> {
    let (mut contents, mut buffer) = (Vec::new(), vec![0; 256 * 1024]);
    while !failed.load(Ordering::Relaxed) {
        let start = next.fetch_add(BATCH, Ordering::Relaxed);
        let Some(batch) = files.get(start..) else { break };
        for (identity, path) in batch.iter().take(BATCH) {
            let content = read_content(upper, path, &mut buffer);
            failed.fetch_or(content.is_err(), Ordering::Relaxed);
            contents.push((*identity, content?));
        }
    }
    Ok(contents)
}

fn read_content(upper: &Upper<'_>, path: &TreePath, buffer: &mut [u8]) -> Result<Content, CaptureError> {
    let mut file = open_file(&upper.root, path).map_err(|error| upper.error(path, "open", error))?;
    let (xattrs, _) = normalise(&file).map_err(|error| upper.error(path, "read the attributes", error))?;
    check_names(path, &xattrs)?;
    // Here rather than with the other times, because here there are two threads and the file is open.
    futimens(&file, &whole_seconds(EPOCH)).map_err(|error| upper.error(path, "set the time", error))?;
    let (size, hash) = hash(&mut file, buffer).map_err(|error| upper.error(path, "read", error))?;
    Ok(Content { size, hash, xattrs })
}

fn hash(file: &mut impl Read, buffer: &mut [u8]) -> io::Result<(u64, ContentHash)> {
    let (mut hasher, mut size) = (blake3::Hasher::new(), 0);
    loop {
        match file.read(buffer) {
            Ok(0) => return Ok((size, ContentHash::from_bytes(*hasher.finalize().as_bytes()))),
            Ok(count) => {
                hasher.update(&buffer[..count]);
                size += count as u64;
            }
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
}
