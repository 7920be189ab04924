//! Small files, read in batches by two threads and given out in order.
//!
//! Both threads take the next batch nobody has taken; the one that gives files out does so whenever the batch it needs is
//! still being read. At most [`AHEAD`] finished batches wait on either side, so memory is bounded.

use std::collections::{BTreeMap, VecDeque};
use std::io::{self, Read};
use std::ops::Range;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::{Receiver, sync_channel};

use sinter_graph::digest::ContentHash;
use sinter_graph::tree::{Entry, Kind};

use super::{Subject, changed, unreadable};
use crate::archive::ArchiveError;
use crate::seal::Stamp;
use crate::xattrs::Xattrs;

/// Files of more bytes than this are not read ahead.
const LARGE: u64 = 256 * 1024;
/// How many entries, and about how many bytes, make a batch.
const BATCH_ENTRIES: usize = 64;
const BATCH_BYTES: u64 = 256 * 1024;
const AHEAD: usize = 4;
/// Below this many batches a second thread costs more than it saves.
const THREAD_WORTHWHILE: usize = 2;

/// Whether a file of this size is streamed instead of being read ahead.
pub(super) const fn is_large(size: u64) -> bool {
    size > LARGE
}

/// What reading one small file gave.
pub(super) struct FileRead {
    pub(super) content: ContentHash,
    pub(super) xattrs: Xattrs,
    pub(super) stamp: Stamp,
    bytes: Range<usize>,
}

/// Some neighbouring small files.
#[derive(Default)]
struct Batch {
    files: VecDeque<FileRead>,
    bytes: Vec<u8>,
}

/// The small files of a subject, one after the other.
pub(super) struct Files<'a> {
    subject: &'a Subject<'a>,
    batches: &'a [Range<usize>],
    untaken: &'a AtomicUsize,
    from_other: Receiver<(usize, Result<Batch, ArchiveError>)>,
    ready: BTreeMap<usize, Result<Batch, ArchiveError>>,
    /// The batch that is given out, and how many there were.
    current: Batch,
    taken: usize,
}

/// Lets `work` take all small files of the subject in order.
pub(super) fn with_files<T>(subject: &Subject<'_>, work: impl FnOnce(&mut Files<'_>) -> T) -> T {
    let batches = batches(subject.entries);
    let untaken = AtomicUsize::new(0);
    let (to_main, from_other) = sync_channel(AHEAD);
    std::thread::scope(|scope| {
        if batches.len() >= THREAD_WORTHWHILE {
            let (batches, untaken) = (&batches, &untaken);
            scope.spawn(move || {
                let numbers = std::iter::repeat_with(|| untaken.fetch_add(1, Ordering::Relaxed));
                // An error ends the run of whoever receives it, and a send without receiver this one.
                numbers
                    .take_while(|number| *number < batches.len())
                    .find(|&number| to_main.send((number, read_batch(subject, batches[number].clone()))).is_err())
            });
        } else {
            drop(to_main);
        }
        let (ready, current) = (BTreeMap::new(), Batch::default());
        let (batches, untaken) = (&batches[..], &untaken);
        work(&mut Files { subject, batches, untaken, from_other, ready, current, taken: 0 })
    })
}

impl Files<'_> {
    /// The next file and its bytes.
    pub(super) fn next(&mut self) -> Result<(FileRead, &[u8]), ArchiveError> {
        if self.current.files.is_empty() {
            self.current = self.batch(self.taken)?;
            self.taken += 1;
        }
        let file = self.current.files.pop_front().ok_or_else(|| reader_gone("more files than there are"))?;
        let bytes = &self.current.bytes[file.bytes.clone()];
        Ok((file, bytes))
    }

    fn batch(&mut self, number: usize) -> Result<Batch, ArchiveError> {
        loop {
            self.ready.extend(self.from_other.try_iter());
            if let Some(batch) = self.ready.remove(&number) {
                return batch;
            }
            if self.ready.len() < AHEAD {
                let mine = self.untaken.fetch_add(1, Ordering::Relaxed);
                if let Some(batch) = self.batches.get(mine) {
                    self.ready.insert(mine, read_batch(self.subject, batch.clone()));
                    continue;
                }
            }
            let (other, batch) = self.from_other.recv().map_err(|_| reader_gone("the reading thread ended early"))?;
            self.ready.insert(other, batch);
        }
    }
}

/// Neighbouring entries, cut where enough small files are together.
fn batches(entries: &[Entry]) -> Vec<Range<usize>> {
    let (mut batches, mut start, mut bytes, mut files) = (Vec::new(), 0, 0, 0);
    for (index, entry) in entries.iter().enumerate() {
        let Some(size) = small_size(entry) else { continue };
        if files == BATCH_ENTRIES || (files > 0 && bytes + size > BATCH_BYTES) {
            batches.push(start..index);
            (start, bytes, files) = (index, 0, 0);
        }
        (bytes, files) = (bytes + size, files + 1);
    }
    if files > 0 {
        batches.push(start..entries.len());
    }
    batches
}

fn small_size(entry: &Entry) -> Option<u64> {
    match entry.kind {
        Kind::File { size, .. } if !is_large(size) => Some(size),
        _ => None,
    }
}

fn read_batch(subject: &Subject<'_>, range: Range<usize>) -> Result<Batch, ArchiveError> {
    let mut batch = Batch::default();
    for entry in &subject.entries[range] {
        if let Some(size) = small_size(entry) {
            let file = read_file(subject, entry, size, &mut batch.bytes)?;
            batch.files.push_back(file);
        }
    }
    Ok(batch)
}

fn read_file(subject: &Subject<'_>, entry: &Entry, size: u64, bytes: &mut Vec<u8>) -> Result<FileRead, ArchiveError> {
    let (mut file, xattrs) = subject.open(entry)?;
    let start = bytes.len();
    bytes.resize(start + usize::try_from(size).map_err(|_| changed(entry, "the size"))?, 0);
    let read = file.read_exact(&mut bytes[start..]);
    read.map_err(|error| match error.kind() {
        io::ErrorKind::UnexpectedEof => changed(entry, "the size"),
        _ => unreadable(entry, error),
    })?;
    let stamp = subject.stamp_open(entry, &file)?;
    let content = ContentHash::of(&bytes[start..]);
    Ok(FileRead { content, xattrs, stamp, bytes: start..bytes.len() })
}

fn reader_gone(reason: &'static str) -> ArchiveError {
    ArchiveError::Write(io::Error::other(reason))
}
