//! Reading the canonical tar back: exactly what [`super::write_archive`] writes, and nothing else.
//!
//! An entry is taken only if writing it again gives the very bytes that were read, its name comes after the one before
//! it, its parent is a directory of the same archive, and a hard link names a file of it. So no name can lead out of the
//! place an archive is unpacked to, and the digest of what was unpacked is the digest of what was read. Memory grows with
//! the number of entries, each of which has cost a block of input.

use std::collections::{BTreeMap, HashSet};
use std::io::{self, Read};

use sinter_graph::digest::ContentHash;
use sinter_graph::path::TreePath;
use sinter_graph::tree::{Entry, Kind, Manifest};

use super::{BLOCK, Records, ZEROS, bare_name, header, padding};

/// The longest extended header, in bytes.
const HEADER_LIMIT: u64 = 1024 * 1024;

/// Why bytes are not a canonical archive.
#[derive(Debug, thiserror::Error)]
pub enum ReadError {
    /// The bytes cannot be read.
    #[error("cannot read the archive: {0}")]
    Input(#[from] io::Error),
    /// They are not what sinter writes.
    #[error("not a layer as sinter writes it: `{entry}` {reason}")]
    NotCanonical {
        /// The entry, or the one before, made printable.
        entry: String,
        /// What is wrong with it.
        reason: &'static str,
    },
}

/// Reads the canonical tar of `size` bytes that `input` gives to its end, and hands each entry to `visit` with its
/// content, of which what is left unread is skipped. The hash of a content is not known before it was read: until then
/// it is all zeros. A hard link has the attributes of its file.
///
/// # Errors
/// If the bytes are not a canonical archive of that size, or if `visit` fails.
pub fn read_archive<E: From<ReadError>>(
    input: &mut dyn Read,
    size: u64,
    visit: &mut dyn FnMut(&Entry, &mut dyn Read) -> Result<(), E>,
) -> Result<Manifest, E> {
    let mut reader = Reader { input, left: size, entries: Vec::new(), directories: HashSet::new() };
    while let Some(mut entry) = reader.next()? {
        let length = if let Kind::File { size, .. } = entry.kind { size } else { 0 };
        let mut content = Content { reader: &mut reader, left: length, hasher: blake3::Hasher::new() };
        visit(&entry, &mut content)?;
        io::copy(&mut content, &mut io::sink()).map_err(ReadError::Input)?;
        let hash = ContentHash::from_bytes(*content.hasher.finalize().as_bytes());
        if let Kind::File { content, .. } = &mut entry.kind {
            *content = hash;
        }
        reader.padding(&entry, length)?;
        reader.entries.push(entry);
    }
    Ok(reader.finish()?)
}

struct Reader<'a> {
    input: &'a mut dyn Read,
    /// How many bytes of the archive are still to come.
    left: u64,
    entries: Vec<Entry>,
    directories: HashSet<TreePath>,
}

impl Reader<'_> {
    /// The next entry, or `None` at the end of the archive.
    fn next(&mut self) -> Result<Option<Entry>, ReadError> {
        let mut raw = self.bytes(BLOCK as u64)?;
        if raw == ZEROS {
            return self.end().map(|()| None);
        }
        let mut records = Records::new();
        if raw[156] == b'x' {
            let length = octal(&raw[124..136]).filter(|length| *length <= HEADER_LIMIT);
            let length = length.ok_or_else(|| self.malformed("has an extended header that is too long"))?;
            let body = self.bytes(length.next_multiple_of(BLOCK as u64))?;
            let parsed = usize::try_from(length).ok().and_then(|length| parse_records(&body[..length]));
            records = parsed.ok_or_else(|| self.malformed("is followed by an odd extended header"))?;
            raw.extend(body);
            raw.extend(self.bytes(BLOCK as u64)?);
        }
        let entry = parse_entry(&raw[raw.len() - BLOCK..], &records);
        let mut entry = entry.ok_or_else(|| self.malformed("is followed by an odd header"))?;
        if header(&entry).ok().as_ref() != Some(&raw) {
            return Err(malformed(&entry, "has a header in another form"));
        }
        self.check(&mut entry)?;
        Ok(Some(entry))
    }

    fn check(&mut self, entry: &mut Entry) -> Result<(), ReadError> {
        if self.entries.last().is_some_and(|last| bare_name(last) >= bare_name(entry)) {
            return Err(malformed(entry, "is out of order or there twice"));
        }
        let parent = entry.path.parent().filter(|parent| !parent.is_root());
        if parent.is_some_and(|parent| !self.directories.contains(&parent)) {
            return Err(malformed(entry, "lacks its parent directory"));
        }
        match &entry.kind {
            Kind::Directory => {
                self.directories.insert(entry.path.clone());
            }
            Kind::File { size, .. } if *size > self.left => return Err(malformed(entry, "is larger than the archive")),
            Kind::HardLink { to } => {
                let carrier = self.entries.binary_search_by(|other| bare_name(other).as_slice().cmp(to.as_bytes()));
                let carrier = carrier.ok().map(|place| &self.entries[place]);
                let carrier = carrier.filter(|carrier| matches!(carrier.kind, Kind::File { .. }));
                let carrier = carrier.ok_or_else(|| malformed(entry, "is a name of no earlier file"))?;
                entry.xattrs.clone_from(&carrier.xattrs);
            }
            _ => {}
        }
        Ok(())
    }

    fn bytes(&mut self, count: u64) -> Result<Vec<u8>, ReadError> {
        if count > self.left {
            return Err(self.malformed("is where the archive is cut off"));
        }
        let mut bytes = vec![0; usize::try_from(count).map_err(|_| self.malformed("is followed by too much"))?];
        self.input.read_exact(&mut bytes)?;
        self.left -= count;
        Ok(bytes)
    }

    fn padding(&mut self, entry: &Entry, size: u64) -> Result<(), ReadError> {
        let expected = padding(size);
        let same = self.bytes(expected.len() as u64)? == expected;
        if same { Ok(()) } else { Err(malformed(entry, "is not padded with zeros")) }
    }

    /// After the first of the two blocks of zeros.
    fn end(&mut self) -> Result<(), ReadError> {
        let is_end = self.bytes(BLOCK as u64)? == ZEROS && self.left == 0 && self.input.read(&mut [0])? == 0;
        if is_end { Ok(()) } else { Err(self.malformed("is followed by something after the end")) }
    }

    fn finish(self) -> Result<Manifest, ReadError> {
        let count = self.entries.len();
        let manifest = Manifest::new(self.entries);
        let broken = if manifest.entries().len() == count { manifest.check().is_err() } else { true };
        let reason = "holds a path twice or breaks another rule of layers";
        if broken { Err(ReadError::NotCanonical { entry: "the archive".to_owned(), reason }) } else { Ok(manifest) }
    }

    /// What is wrong after the last entry.
    fn malformed(&self, reason: &'static str) -> ReadError {
        let start = || ReadError::NotCanonical { entry: "the start".to_owned(), reason };
        self.entries.last().map_or_else(start, |entry| malformed(entry, reason))
    }
}

fn malformed(entry: &Entry, reason: &'static str) -> ReadError {
    ReadError::NotCanonical { entry: entry.path.to_string(), reason }
}

/// The content of one entry.
struct Content<'a, 'r> {
    reader: &'a mut Reader<'r>,
    left: u64,
    hasher: blake3::Hasher,
}

impl Read for Content<'_, '_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let wanted = usize::try_from(self.left).unwrap_or(usize::MAX).min(buffer.len());
        if wanted == 0 {
            return Ok(0);
        }
        let count = self.reader.input.read(&mut buffer[..wanted])?;
        if count == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        self.hasher.update(&buffer[..count]);
        self.left -= count as u64;
        self.reader.left = self.reader.left.saturating_sub(count as u64);
        Ok(count)
    }
}

/// `LENGTH KEY=VALUE\n` records.
fn parse_records(mut body: &[u8]) -> Option<Records> {
    let mut records = Records::new();
    while !body.is_empty() {
        let space = body.iter().take(8).position(|&byte| byte == b' ')?;
        let length: usize = number(&body[..space])?;
        let (record, rest) = body.split_at_checked(length)?;
        let record = record.get(space + 1..)?.strip_suffix(b"\n")?;
        let equals = record.iter().position(|&byte| byte == b'=')?;
        records.insert(record[..equals].to_vec(), record[equals + 1..].to_vec());
        body = rest;
    }
    Some(records)
}

/// What a header and its records say; anything odd shows when the entry is written again.
fn parse_entry(block: &[u8], records: &Records) -> Option<Entry> {
    let named = |key: &str, field: &[u8]| match records.get(key.as_bytes()) {
        Some(value) => number(value),
        None => octal(field),
    };
    let name = records.get(&b"path"[..]).cloned().unwrap_or_else(|| split_back(block));
    let link = records.get(&b"linkpath"[..]).map_or_else(|| text(&block[157..257]), Vec::as_slice);
    let device = (named("SCHILY.devmajor", &block[329..337])?, named("SCHILY.devminor", &block[337..345])?);
    let size = named("size", &block[124..136])?;
    let (path, is_whiteout) = parse_name(&name)?;
    if is_whiteout {
        return (block[156] == b'0').then(|| Entry { mtime: 0, ..Entry::new(path, Kind::Whiteout, 0) });
    }
    let mut entry = Entry::new(path, parse_kind(block[156], size, link, device)?, number_of(&block[100..108])?);
    entry.uid = u32::try_from(named("uid", &block[108..116])?).ok()?;
    entry.gid = u32::try_from(named("gid", &block[116..124])?).ok()?;
    entry.mtime = match records.get(&b"mtime"[..]) {
        Some(value) => number(value)?,
        None => i64::try_from(octal(&block[136..148])?).ok()?,
    };
    entry.xattrs = attributes(records);
    Some(entry)
}

fn parse_kind(flag: u8, size: u64, link: &[u8], device: (u64, u64)) -> Option<Kind> {
    let (major, minor) = (u32::try_from(device.0).ok()?, u32::try_from(device.1).ok()?);
    Some(match flag {
        b'0' => Kind::File { size, content: ContentHash::from_bytes([0; 32]) },
        b'1' => Kind::HardLink { to: TreePath::new(link).ok()? },
        b'2' => Kind::Symlink { target: link.into() },
        b'3' => Kind::CharacterDevice { major, minor },
        b'4' => Kind::BlockDevice { major, minor },
        b'5' => Kind::Directory,
        b'6' => Kind::Fifo,
        _ => return None,
    })
}

/// The path of a name in the archive, and whether it says that the path is deleted.
fn parse_name(name: &[u8]) -> Option<(TreePath, bool)> {
    if name == b"./" {
        return Some((TreePath::root(), false));
    }
    let path = TreePath::new(name.strip_suffix(b"/").unwrap_or(name)).ok().filter(|path| !path.is_root())?;
    let last = path.name()?;
    let Some(deleted) = last.strip_prefix(b".wh.") else { return Some((path, false)) };
    if deleted.starts_with(b".wh.") {
        return None;
    }
    let parent = &path.as_bytes()[..path.as_bytes().len() - last.len()];
    Some((TreePath::new([parent, deleted].concat()).ok()?, true))
}

fn attributes(records: &Records) -> BTreeMap<Box<[u8]>, Box<[u8]>> {
    let attributes = records.iter().filter_map(|(key, value)| Some((key.strip_prefix(b"SCHILY.xattr.")?, value)));
    attributes.map(|(name, value)| (name.into(), value.as_slice().into())).collect()
}

fn split_back(block: &[u8]) -> Vec<u8> {
    let (name, prefix) = (text(&block[..100]), text(&block[345..500]));
    if prefix.is_empty() { name.to_vec() } else { [prefix, b"/", name].concat() }
}

/// A field up to its first NUL.
fn text(field: &[u8]) -> &[u8] {
    field.split(|&byte| byte == 0).next().unwrap_or_default()
}

fn octal(field: &[u8]) -> Option<u64> {
    u64::from_str_radix(std::str::from_utf8(text(field)).ok()?, 8).ok()
}

fn number_of(field: &[u8]) -> Option<u32> {
    u32::try_from(octal(field)?).ok()
}

fn number<T: std::str::FromStr>(digits: &[u8]) -> Option<T> {
    std::str::from_utf8(digits).ok()?.parse().ok()
}
