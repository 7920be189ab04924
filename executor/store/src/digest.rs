//! Reading a directory once: its contents, its canonical tar's digest, and its seal.
//!
//! Every file is opened and read one time. BLAKE3 of the content and SHA-256 of the tar are taken from the same bytes;
//! small files are read ahead by a second thread ([`read_ahead`]), large ones are streamed, and holes are hashed as the
//! zeros they stand for without being read. What the kernel says about an entry is asked last, so that the seal holds
//! what will stay.
//!
//! Must not know: what lies below a layer, where layers are kept.

mod read_ahead;

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{self, Read, Write};
use std::path::Path;

use rustix::fd::OwnedFd;
use rustix::fs::{AtFlags, Mode, OFlags, SeekFrom, Stat, fstat, futimens, openat, seek, utimensat};
use rustix::io::Errno;
use sinter_graph::digest::{ContentHash, LayerDigest};
use sinter_graph::tree::{Entry, Kind, Manifest};

use crate::archive::{ArchiveError, BLOCK, ZEROS, header, in_order, padding};
use crate::error::StoreError;
use crate::pipeline::hash_through;
use crate::seal::{Seal, Stamp};
use crate::tree_io::{difference, open_file, open_root, os_path, stat, whole_seconds};
use crate::xattrs::{self, Xattrs};
use read_ahead::{Files, with_files};

static NOTHING: [u8; 64 * 1024] = [0; 64 * 1024];

/// What is done with each entry beside reading it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Treatment {
    /// It gets the time of its entry, and files lose the attributes that no layer keeps; contents and attributes of
    /// files are learned.
    Normalise,
    /// It must be what its entry says in everything.
    Verify,
}

/// What one pass over a directory learned.
pub(crate) struct Survey {
    pub(crate) digest: LayerDigest,
    pub(crate) size: u64,
    pub(crate) seal: Seal,
    /// The contents of the regular files, in order.
    pub(crate) contents: Vec<ContentHash>,
    /// Attributes of files that have any, by the place of their entry.
    pub(crate) xattrs: BTreeMap<usize, Xattrs>,
}

/// The digest and length of the canonical tar of a directory that must match `manifest`, and its seal.
///
/// # Errors
/// If the manifest breaks a rule, or if the directory differs from it or cannot be read.
pub(crate) fn digest_directory(directory: &Path, manifest: &Manifest) -> Result<(LayerDigest, u64, Seal), StoreError> {
    let path = || directory.to_owned();
    manifest.check().map_err(|source| StoreError::Manifest { path: path(), source })?;
    let root = open_root(directory).map_err(|error| StoreError::io(directory, "open", error))?;
    let survey = survey(&root, manifest.entries(), Treatment::Verify);
    let survey = survey.map_err(|source| StoreError::Mismatch { path: path(), source })?;
    Ok((survey.digest, survey.size, survey.seal))
}

/// Passes once over what lies below `root`, which must hold `entries`, sorted by path.
///
/// # Errors
/// If something differs from its entry, cannot be read, or cannot be expressed in a tar.
pub(crate) fn survey(root: &OwnedFd, entries: &[Entry], treatment: Treatment) -> Result<Survey, ArchiveError> {
    let content = |entry: &Entry| if let Kind::File { size, .. } = entry.kind { size } else { 0 };
    let expected = entries.iter().map(|entry| content(entry).saturating_add(BLOCK as u64)).fold(0, u64::saturating_add);
    let subject = Subject { root, entries, treatment };
    let (pass, digest, size) = hash_through(&mut io::sink(), expected, |out| {
        with_files(&subject, |files| {
            let stamps = vec![Stamp::default(); entries.len()];
            let mut pass =
                Pass { subject: &subject, files, stamps, contents: Vec::new(), xattrs: BTreeMap::new(), out };
            in_order(entries).into_iter().try_for_each(|index| pass.entry(index))?;
            pass.out.write_all(&[ZEROS, ZEROS].concat())?;
            Ok::<_, ArchiveError>((pass.stamps, pass.contents, pass.xattrs))
        })
    })?;
    let (stamps, contents, xattrs) = pass;
    Ok(Survey { digest: LayerDigest::from_bytes(digest), size, seal: Seal::new(stamps), contents, xattrs })
}

/// What is read, and how; shared by both threads.
struct Subject<'a> {
    root: &'a OwnedFd,
    entries: &'a [Entry],
    treatment: Treatment,
}

impl Subject<'_> {
    /// Opens a file and makes it ready to be read: its attributes, and its time unless it must have it already.
    fn open(&self, entry: &Entry) -> Result<(File, Xattrs), ArchiveError> {
        let file = open_file(self.root, &entry.path).map_err(|error| unreadable(entry, error))?;
        let xattrs = match self.treatment {
            Treatment::Verify => verified_xattrs(entry, &file)?,
            Treatment::Normalise => {
                let (xattrs, _) = xattrs::normalise(&file).map_err(|error| unreadable(entry, error))?;
                futimens(&file, &whole_seconds(entry.mtime)).map_err(|error| unreadable(entry, error))?;
                xattrs
            }
        };
        Ok((file, xattrs))
    }

    /// The stamp of an entry that was read, if it is what its entry says.
    fn stamp(&self, entry: &Entry, stat: &Stat) -> Result<Stamp, ArchiveError> {
        match difference(self.root, entry, stat) {
            Ok(None) => Ok(Stamp::of(stat)),
            Ok(Some(what)) => Err(changed(entry, what)),
            Err(error) => Err(unreadable(entry, error)),
        }
    }

    fn stamp_open(&self, entry: &Entry, file: &File) -> Result<Stamp, ArchiveError> {
        self.stamp(entry, &fstat(file).map_err(|error| unreadable(entry, error))?)
    }

    /// The stamp of what is no regular file.
    fn stamp_path(&self, entry: &Entry) -> Result<Stamp, ArchiveError> {
        let is_own = !matches!(entry.kind, Kind::HardLink { .. } | Kind::Whiteout);
        match self.treatment {
            Treatment::Normalise if is_own => {
                let times = whole_seconds(entry.mtime);
                utimensat(self.root, os_path(&entry.path), &times, AtFlags::SYMLINK_NOFOLLOW)
                    .map_err(|error| unreadable(entry, error))?;
            }
            Treatment::Verify if entry.kind == Kind::Directory => {
                let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
                let opened = openat(self.root, os_path(&entry.path), flags, Mode::empty());
                verified_xattrs(entry, &opened.map_err(|error| unreadable(entry, error))?.into())?;
            }
            Treatment::Normalise | Treatment::Verify => {}
        }
        self.stamp(entry, &stat(self.root, &entry.path).map_err(|error| unreadable(entry, error))?)
    }

    fn check_content(&self, entry: &Entry, found: &ContentHash) -> Result<(), ArchiveError> {
        let wrong = self.treatment == Treatment::Verify
            && !matches!(&entry.kind, Kind::File { content, .. } if content == found);
        if wrong { Err(changed(entry, "the content")) } else { Ok(()) }
    }
}

/// One pass in the order of the archive.
struct Pass<'a, 'f> {
    subject: &'a Subject<'a>,
    files: &'a mut Files<'f>,
    stamps: Vec<Stamp>,
    contents: Vec<ContentHash>,
    xattrs: BTreeMap<usize, Xattrs>,
    out: &'a mut dyn Write,
}

impl Pass<'_, '_> {
    fn entry(&mut self, index: usize) -> Result<(), ArchiveError> {
        let entry = &self.subject.entries[index];
        match entry.kind {
            Kind::File { size, .. } if read_ahead::is_large(size) => self.large_file(index, entry, size),
            Kind::File { .. } => self.small_file(index, entry),
            _ => {
                self.stamps[index] = self.subject.stamp_path(entry)?;
                Ok(self.out.write_all(&header(entry)?)?)
            }
        }
    }

    fn small_file(&mut self, index: usize, entry: &Entry) -> Result<(), ArchiveError> {
        let (file, bytes) = self.files.next()?;
        let length = bytes.len() as u64;
        let out = &mut *self.out;
        out.write_all(&headed(entry, &file.xattrs)?)?;
        out.write_all(bytes)?;
        out.write_all(padding(length))?;
        self.learn(index, entry, file.content, file.xattrs, file.stamp)
    }

    /// Reads a large file piece by piece, hashing each here while it is hashed into the archive beside.
    fn large_file(&mut self, index: usize, entry: &Entry, size: u64) -> Result<(), ArchiveError> {
        let (mut file, xattrs) = self.subject.open(entry)?;
        self.out.write_all(&headed(entry, &xattrs)?)?;
        let (mut hasher, out) = (blake3::Hasher::new(), &mut *self.out);
        stream(entry, &mut file, size, &mut |bytes| {
            hasher.update(bytes);
            Ok(out.write_all(bytes)?)
        })?;
        out.write_all(padding(size))?;
        let stamp = self.subject.stamp_open(entry, &file)?;
        self.learn(index, entry, ContentHash::from_bytes(*hasher.finalize().as_bytes()), xattrs, stamp)
    }

    fn learn(
        &mut self,
        index: usize,
        entry: &Entry,
        content: ContentHash,
        xattrs: Xattrs,
        stamp: Stamp,
    ) -> Result<(), ArchiveError> {
        self.subject.check_content(entry, &content)?;
        self.stamps[index] = stamp;
        if self.subject.treatment == Treatment::Normalise {
            self.contents.push(content);
            if !xattrs.is_empty() {
                self.xattrs.insert(index, xattrs);
            }
        }
        Ok(())
    }
}

/// The header of a file whose attributes were just read.
fn headed(entry: &Entry, xattrs: &Xattrs) -> Result<Vec<u8>, ArchiveError> {
    if *xattrs == entry.xattrs {
        return header(entry);
    }
    header(&Entry { xattrs: xattrs.clone(), ..entry.clone() })
}

/// Passes exactly `size` bytes of a file on; holes are zeros nobody has to read.
fn stream(
    entry: &Entry,
    file: &mut File,
    size: u64,
    pass_on: &mut dyn FnMut(&[u8]) -> Result<(), ArchiveError>,
) -> Result<(), ArchiveError> {
    let (mut buffer, mut position) = (vec![0; 256 * 1024], 0);
    let error = |error: Errno| unreadable(entry, error);
    let blocks = fstat(&*file).map_err(error)?.st_blocks;
    let has_holes = u64::try_from(blocks).is_ok_and(|blocks| blocks.saturating_mul(512) < size);
    while position < size {
        let mut end = size;
        if has_holes {
            let data = next_or(seek(&*file, SeekFrom::Data(position)), size).map_err(error)?.min(size);
            zeros(data - position, pass_on)?;
            position = data;
            end = next_or(seek(&*file, SeekFrom::Hole(data)), size).map_err(error)?.min(size);
            seek(&*file, SeekFrom::Start(data)).map_err(error)?;
        }
        while position < end {
            let wanted = usize::try_from(end - position).unwrap_or(usize::MAX).min(buffer.len());
            match file.read(&mut buffer[..wanted]) {
                Ok(0) => return Err(changed(entry, "the size")),
                Ok(count) => {
                    pass_on(&buffer[..count])?;
                    position += count as u64;
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(unreadable(entry, error)),
            }
        }
    }
    Ok(())
}

/// The end of the file where there is no more data, and where holes are unknown.
fn next_or(found: Result<u64, Errno>, end: u64) -> Result<u64, Errno> {
    if found == Err(Errno::NXIO) { Ok(end) } else { found }
}

fn zeros(mut count: u64, pass_on: &mut dyn FnMut(&[u8]) -> Result<(), ArchiveError>) -> Result<(), ArchiveError> {
    while count > 0 {
        let piece = usize::try_from(count).unwrap_or(usize::MAX).min(NOTHING.len());
        pass_on(&NOTHING[..piece])?;
        count -= piece as u64;
    }
    Ok(())
}

fn verified_xattrs(entry: &Entry, file: &File) -> Result<Xattrs, ArchiveError> {
    let found = xattrs::read(file).map_err(|error| unreadable(entry, error))?;
    if found == entry.xattrs { Ok(found) } else { Err(changed(entry, "an extended attribute")) }
}

fn changed(entry: &Entry, what: &'static str) -> ArchiveError {
    ArchiveError::Changed { path: entry.path.clone(), what }
}

fn unreadable(entry: &Entry, source: impl Into<io::Error>) -> ArchiveError {
    ArchiveError::Read { path: entry.path.clone(), source: source.into() }
}

#[cfg(test)]
mod tests;
