//! Reads the archive of a foreign layer: ustar, pax and GNU headers, as docker, podman, buildah and GNU tar write them.
//!
//! Contents are written to files called by number; names, owners and modes stay data until the whole layer is known to be
//! right.

use std::cell::Cell;
use std::io::{self, Read};
use std::num::IntErrorKind;
use std::path::Path;

use sinter_graph::FsError;
use sinter_graph::digest::ContentHash;
use sinter_graph::path::TreePath;
use sinter_graph::tree::{Entry, Kind};
use tar::{EntryType, Header};

use super::apply::{Applied, Astray, Body, Source};
use super::name::{Name, child, parse};
use super::owners::{Owners, no_id};
use super::sparse::{self, MapError, Piece, Sparse};
use super::staged::StagedFile;
use crate::error::ForeignError;
use crate::xattrs::{is_kept, plain_capability, settle_lists};

/// The most entries of one layer.
const MOST_ENTRIES: u64 = 10_000_000;
/// The times that ext4 holds, from 1901 to 2446 (kernel documentation, `filesystems/ext4/inodes.rst`); xfs and btrfs hold
/// them too. Others become the nearest of them, as on ext4 itself, so that a layer does not depend on the disk of a store.
const EARLIEST: i64 = i32::MIN as i64;
const LATEST: i64 = EARLIEST + (1 << 34) - 1;
const ATTRIBUTE: &str = "SCHILY.xattr.";

/// The most bytes from the content of one entry to that of the next: all its headers, which are held in memory.
const LONGEST_HEADERS: u64 = 4 << 20;

/// Reads `archive` to its end and applies what it says; contents, of at most `limit` bytes with all holes, go to `staged`.
pub(super) fn read(
    archive: &mut dyn Read,
    staged: &Path,
    limit: u64,
    applied: &mut Applied<'_>,
) -> Result<(), ForeignError> {
    let allowance = Cell::new(LONGEST_HEADERS);
    let mut archive = tar::Archive::new(Metered { archive, allowance: &allowance });
    let owners = Owners::of_this_process()?;
    let mut reader = Reader { staged, applied, owners, count: 0, left: limit, limit, buffer: vec![0; 256 * 1024] };
    let mut entries = archive.entries().map_err(ForeignError::Input)?;
    loop {
        allowance.set(LONGEST_HEADERS);
        let Some(entry) = entries.next() else { return Ok(()) };
        let mut entry = entry.map_err(ForeignError::Input)?;
        allowance.set(u64::MAX);
        reader.take(&mut entry)?;
    }
}

/// Gives no more bytes than are allowed.
struct Metered<'a> {
    archive: &'a mut dyn Read,
    allowance: &'a Cell<u64>,
}

impl Read for Metered<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let allowed = usize::try_from(self.allowance.get()).unwrap_or(usize::MAX).min(buffer.len());
        if allowed == 0 && !buffer.is_empty() {
            return Err(io::Error::other("the header of an entry is longer than any honest one"));
        }
        let count = self.archive.read(&mut buffer[..allowed])?;
        self.allowance.set(self.allowance.get() - count as u64);
        Ok(count)
    }
}

struct Reader<'a, 'b> {
    staged: &'a Path,
    applied: &'a mut Applied<'b>,
    owners: Owners,
    count: u64,
    /// How many bytes contents may have from here on.
    left: u64,
    limit: u64,
    buffer: Vec<u8>,
}

type TarEntry<'a, 'b> = tar::Entry<'a, Metered<'b>>;

impl Reader<'_, '_> {
    fn take(&mut self, entry: &mut TarEntry<'_, '_>) -> Result<(), ForeignError> {
        self.count += 1;
        if self.count > MOST_ENTRIES {
            return Err(ForeignError::TooMuch { limit: MOST_ENTRIES, what: "entries" });
        }
        let mut name = entry.path_bytes().into_owned();
        self.apply(entry, &mut name).map_err(|refused| match refused {
            Refused::Reason(reason) => {
                ForeignError::Entry { entry: String::from_utf8_lossy(&name).escape_debug().to_string(), reason }
            }
            Refused::Failed(error) => error,
        })?;
        for number in self.applied.take_unwanted() {
            let path = self.staged.join(number.to_string());
            std::fs::remove_file(&path).map_err(|error| FsError::new(&path, "remove", error))?;
        }
        Ok(())
    }

    fn apply(&mut self, entry: &mut TarEntry<'_, '_>, name: &mut Vec<u8>) -> Result<(), Refused> {
        let kind = entry.header().entry_type();
        if kind == EntryType::XGlobalHeader {
            return Ok(());
        }
        let mut sparse = if kind == EntryType::Regular { sparse_of(entry)? } else { None };
        if let Some(real) = sparse.as_mut().and_then(|sparse| sparse.name.take()) {
            *name = real;
        }
        match parse(name)? {
            Name::Ignored => Ok(()),
            Name::Root if kind == EntryType::Directory => {
                let made = self.dressed(entry, TreePath::root(), Kind::Directory)?;
                Ok(self.applied.put(made)?)
            }
            Name::Root => Err("has no name".into()),
            Name::Opaque(way) => {
                if let Some(directory) = self.emptied(&way)? {
                    self.applied.opaque(&directory);
                }
                Ok(())
            }
            Name::Whiteout(way, deleted) => {
                if let Some(directory) = self.emptied(&way)? {
                    self.applied.whiteout(&child(&directory, &deleted)?);
                }
                Ok(())
            }
            Name::Entry(way, last) => {
                let path = child(&self.applied.directory(&way)?, &last)?;
                match sparse {
                    Some(sparse) => self.file(entry, path, Some(sparse)),
                    None => self.put(entry, path, kind, name.ends_with(b"/")),
                }
            }
        }
    }

    /// The directory in which something is deleted; `None` if there is none, and so nothing to delete.
    fn emptied(&self, way: &[Vec<u8>]) -> Result<Option<TreePath>, Refused> {
        match self.applied.directory(way) {
            Err(Astray::NoDirectory(_)) => Ok(None),
            result => Ok(Some(result?)),
        }
    }

    fn put(
        &mut self,
        entry: &mut TarEntry<'_, '_>,
        path: TreePath,
        kind: EntryType,
        ends_in_slash: bool,
    ) -> Result<(), Refused> {
        let device = |entry: &TarEntry<'_, '_>| -> Result<(u32, u32), Refused> {
            let header = entry.header();
            let (major, minor) = (header.device_major().map_err(odd)?, header.device_minor().map_err(odd)?);
            Ok((major.unwrap_or(0), minor.unwrap_or(0)))
        };
        let kind = match kind {
            // Before POSIX a directory was a file whose name ends in a slash.
            EntryType::Regular if ends_in_slash => Kind::Directory,
            EntryType::Regular | EntryType::Continuous | EntryType::GNUSparse => return self.file(entry, path, None),
            EntryType::Directory => Kind::Directory,
            EntryType::Symlink => Kind::Symlink { target: link_name(entry)?.into() },
            EntryType::Link => {
                let target = link_name(entry)?;
                let Name::Entry(way, last) = parse(&target)? else { return Err("is a link to nothing".into()) };
                let target = child(&self.applied.directory(&way)?, &last)?;
                return Ok(self.applied.link(path, &target)?);
            }
            EntryType::Fifo => Kind::Fifo,
            EntryType::Char => {
                let (major, minor) = device(entry)?;
                if (major, minor) == (0, 0) {
                    return Err("is the character device 0:0, which overlay file systems take for a deletion".into());
                }
                Kind::CharacterDevice { major, minor }
            }
            EntryType::Block => {
                let (major, minor) = device(entry)?;
                Kind::BlockDevice { major, minor }
            }
            other => return Err(format!("is of the type {:?}, which no file has", other.as_byte() as char).into()),
        };
        let made = self.dressed(entry, path, kind)?;
        Ok(self.applied.put(made)?)
    }

    /// An entry with its metadata, if it can be had here.
    fn dressed(&self, entry: &mut TarEntry<'_, '_>, path: TreePath, kind: Kind) -> Result<Entry, Refused> {
        let made = dressed(entry, path, kind)?;
        self.owners.check(&made)?;
        Ok(made)
    }

    fn file(&mut self, entry: &mut TarEntry<'_, '_>, path: TreePath, sparse: Option<Sparse>) -> Result<(), Refused> {
        let empty = Kind::File { size: 0, content: ContentHash::from_bytes([0; 32]) };
        let made = self.dressed(entry, path, empty)?;
        let number = self.count;
        let (size, hash) = match sparse {
            Some(sparse) => self.stage_sparse(entry, number, sparse)?,
            None => self.stage(entry, number)?,
        };
        let source = Source::Staged(usize::try_from(number).unwrap_or(usize::MAX));
        Ok(self.applied.put_file(made, Body { source, size, hash })?)
    }

    /// Writes the content of an entry to the staged file of a number.
    fn stage(&mut self, entry: &mut TarEntry<'_, '_>, number: u64) -> Result<(u64, ContentHash), ForeignError> {
        let mut file = StagedFile::create(self.staged, number)?;
        while self.pass(entry, u64::MAX, &mut file)? > 0 {}
        if file.size != entry.size() && entry.header().entry_type() != EntryType::GNUSparse {
            return Err(ForeignError::Input(io::ErrorKind::UnexpectedEof.into()));
        }
        Ok(file.finish())
    }

    /// Writes the pieces of a sparse file, and leaves holes between them.
    fn stage_sparse(
        &mut self,
        entry: &mut TarEntry<'_, '_>,
        number: u64,
        sparse: Sparse,
    ) -> Result<(u64, ContentHash), Refused> {
        let mut file = StagedFile::create(self.staged, number)?;
        let size = sparse.size;
        for Piece { offset, length } in sparse.pieces(entry)? {
            self.skip_to(offset, &mut file)?;
            while file.size < offset + length {
                if self.pass(entry, offset + length - file.size, &mut file)? == 0 {
                    return Err(ForeignError::Input(io::ErrorKind::UnexpectedEof.into()).into());
                }
            }
        }
        self.skip_to(size, &mut file)?;
        Ok(file.finish())
    }

    /// Passes some bytes of a content on, at most `most`; 0 at its end.
    fn pass(&mut self, entry: &mut TarEntry<'_, '_>, most: u64, file: &mut StagedFile) -> Result<usize, ForeignError> {
        let most = usize::try_from(most).unwrap_or(usize::MAX).min(self.buffer.len());
        loop {
            match entry.read(&mut self.buffer[..most]) {
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                result => {
                    let count = result.map_err(ForeignError::Input)?;
                    self.count_bytes(count as u64)?;
                    file.write(&self.buffer[..count])?;
                    return Ok(count);
                }
            }
        }
    }

    fn skip_to(&mut self, offset: u64, file: &mut StagedFile) -> Result<(), ForeignError> {
        self.count_bytes(offset - file.size)?;
        file.skip_to(offset)
    }

    /// Holes count: in a layer of ours they are zeros.
    fn count_bytes(&mut self, count: u64) -> Result<(), ForeignError> {
        let left = self.left.checked_sub(count);
        self.left = left.ok_or(ForeignError::TooMuch { limit: self.limit, what: "bytes" })?;
        Ok(())
    }
}

/// An entry that cannot be taken, or an error that has nothing to do with it.
enum Refused {
    Reason(String),
    Failed(ForeignError),
}

impl From<&str> for Refused {
    fn from(reason: &str) -> Self {
        Self::Reason(reason.to_owned())
    }
}

impl From<String> for Refused {
    fn from(reason: String) -> Self {
        Self::Reason(reason)
    }
}

impl From<Astray> for Refused {
    fn from(astray: Astray) -> Self {
        Self::Reason(astray.into())
    }
}

impl From<ForeignError> for Refused {
    fn from(error: ForeignError) -> Self {
        Self::Failed(error)
    }
}

impl From<MapError> for Refused {
    fn from(error: MapError) -> Self {
        match error {
            MapError::Odd(reason) => reason.into(),
            MapError::Read(error) => Self::Failed(ForeignError::Input(error)),
        }
    }
}

fn odd(error: io::Error) -> Refused {
    Refused::Reason(format!("has an odd header: {error}"))
}

fn id(what: &str, number: u64) -> Result<u32, Refused> {
    u32::try_from(number).map_err(|_| Refused::Reason(no_id(what, number)))
}

fn link_name(entry: &TarEntry<'_, '_>) -> Result<Vec<u8>, Refused> {
    let name = entry.link_name_bytes().map(|name| name.into_owned()).unwrap_or_default();
    if name.is_empty() || name.contains(&0) {
        return Err("is a link to nothing".into());
    }
    Ok(name)
}

/// An entry with the metadata of its header and its extended header.
fn dressed(entry: &mut TarEntry<'_, '_>, path: TreePath, kind: Kind) -> Result<Entry, Refused> {
    let header = entry.header();
    let fields = header.as_old();
    let mut made = Entry::new(path, kind, field(&fields.mode, || header.mode())? & 0o7777);
    made.uid = id("user", field(&fields.uid, || header.uid())?)?;
    made.gid = id("group", field(&fields.gid, || header.gid())?)?;
    made.mtime = field(&fields.mtime, || header_seconds(header))?;
    if matches!(made.kind, Kind::Symlink { .. }) {
        // Linux has no other mode for links.
        made.mode = 0o777;
    }
    extend(&mut made, entry)?;
    made.mtime = made.mtime.clamp(EARLIEST, LATEST);
    if matches!(made.kind, Kind::Directory | Kind::File { .. }) {
        settle_lists(&mut made.mode, &mut made.xattrs);
    } else {
        // Nothing else gets attributes on the disk, so no layer may say that it has any.
        made.xattrs.clear();
    }
    Ok(made)
}

/// What the extended header says about holes.
fn sparse_of(entry: &mut TarEntry<'_, '_>) -> Result<Option<Sparse>, Refused> {
    let Some(records) = entry.pax_extensions().map_err(odd)? else { return Ok(None) };
    let mut found = sparse::Records::default();
    for record in records {
        let record = record.map_err(odd)?;
        if let Some(key) = record.key().ok().and_then(|key| key.strip_prefix(sparse::PREFIX)) {
            found.take(key, record.value_bytes())?;
        }
    }
    Ok(found.sparse()?)
}

/// Takes over what the extended header says.
fn extend(made: &mut Entry, entry: &mut TarEntry<'_, '_>) -> Result<(), Refused> {
    let Some(records) = entry.pax_extensions().map_err(odd)? else { return Ok(()) };
    for record in records {
        let record = record.map_err(odd)?;
        let (Ok(key), value) = (record.key(), record.value_bytes()) else { continue };
        let number = || std::str::from_utf8(value).ok().and_then(|text| text.parse::<u64>().ok());
        match key {
            "uid" => made.uid = id("user", number().ok_or("has an odd owner")?)?,
            "gid" => made.gid = id("group", number().ok_or("has an odd group")?)?,
            "mtime" => made.mtime = seconds(value).ok_or("has an odd time")?,
            key => {
                let name = key.strip_prefix(ATTRIBUTE).map(str::as_bytes).filter(|name| is_kept(name));
                if let Some(name) = name.filter(|_| !value.is_empty()) {
                    made.xattrs.insert(name.into(), plain_capability(name, value.to_vec()).into());
                }
            }
        }
    }
    Ok(())
}

/// A number of a header. Fields that nobody filled in are zeros, as for GNU tar and Go.
fn field<T: Default>(bytes: &[u8], parse: impl FnOnce() -> io::Result<T>) -> Result<T, Refused> {
    if bytes.iter().all(|byte| matches!(byte, 0 | b' ')) { Ok(T::default()) } else { parse().map_err(odd) }
}

/// The time in a header. GNU tar writes times before 1970 as binary numbers that begin with ones.
fn header_seconds(header: &Header) -> io::Result<i64> {
    let number = header.mtime()?;
    let is_negative = header.as_old().mtime[0] == 0xff;
    Ok(if is_negative { number.cast_signed() } else { i64::try_from(number).unwrap_or(i64::MAX) })
}

/// Whole seconds of a decimal number, rounded down as the kernel does; the nearest number there is for those beyond all.
fn seconds(value: &[u8]) -> Option<i64> {
    let text = std::str::from_utf8(value).ok()?;
    let (whole, fraction) = text.split_once('.').unwrap_or((text, ""));
    if !fraction.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    let seconds = match whole.parse::<i64>() {
        Err(error) if *error.kind() == IntErrorKind::PosOverflow => i64::MAX,
        Err(error) if *error.kind() == IntErrorKind::NegOverflow => i64::MIN,
        result => result.ok()?,
    };
    let is_below = text.starts_with('-') && fraction.bytes().any(|byte| byte != b'0');
    Some(if is_below { seconds.saturating_sub(1) } else { seconds })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_whole_seconds() {
        for (text, expected) in [
            ("1", Some(1)),
            ("1.9", Some(1)),
            ("-1.5", Some(-2)),
            ("-2.000", Some(-2)),
            ("99999999999999999999", Some(i64::MAX)),
            ("-99999999999999999999.5", Some(i64::MIN)),
            ("x", None),
            ("1.x", None),
        ] {
            assert_eq!(seconds(text.as_bytes()), expected, "{text}");
        }
    }
}
