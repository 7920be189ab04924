//! The canonical tar of a layer: one byte string per manifest and contents.
//!
//! Format: POSIX.1-2017 `pax` interchange format ("ustar" headers, extended headers of type `x`), read with the OCI
//! image specification v1.1, `layer.md`. The choices that format leaves open:
//!
//! * Order: bytes of the name in the archive without its trailing slash, so parents come before children.
//! * Names are relative, without `./`; directories end in `/`; the root is `./`.
//! * A deleted path `a/b` is the empty regular file `a/.wh.b` of mode 0, owner 0, time [`EPOCH`] (`layer.md`,
//!   "Whiteouts"). There are no opaque marks and no sparse entries.
//! * Other names of a file are entries of type `1` that name the first one in byte order and repeat its metadata.
//! * User and group names are empty, numbers are octal with a trailing NUL, times are whole seconds.
//! * A name over 100 bytes is split at the first slash that lets both halves fit. An extended header is written only for
//!   what a field cannot hold: names, link targets, sizes of 8 GiB and more, ids over 2097151, times before 1970 or
//!   after 2242, device numbers over 2097151 (`SCHILY.devmajor`, `SCHILY.devminor`), and extended attributes
//!   (`SCHILY.xattr.NAME`). Its records are sorted by key, and it is called `././@PaxHeader`.
//! * The end is two blocks of zeros; there is no padding to a record of 20 blocks.
//!
//! Rules: pure but for the reader and writer it is given; total for every manifest; any change of the bytes raises
//! `sinter_graph::SEMANTICS`. Must not know: the store, directories.

mod read;

use std::collections::BTreeMap;
use std::io::{self, Read, Write};

pub use read::{ReadError, read_archive};
use sinter_graph::EPOCH;
use sinter_graph::digest::ContentHash;
use sinter_graph::path::TreePath;
use sinter_graph::tree::{Entry, Kind, Manifest};

pub(crate) const BLOCK: usize = 512;
pub(crate) const ZEROS: [u8; BLOCK] = [0; BLOCK];
const MAX_OCTAL_7: u64 = 0o7_777_777;
const MAX_OCTAL_11: u64 = 0o77_777_777_777;
const NAME_LENGTH: usize = 100;
const PREFIX_LENGTH: usize = 155;

/// Why a manifest and its files do not make an archive.
#[derive(Debug, thiserror::Error)]
pub enum ArchiveError {
    /// The file cannot be read.
    #[error("{path}: cannot be read: {source}")]
    Read {
        /// The path in the layer.
        path: TreePath,
        /// The reason.
        source: io::Error,
    },
    /// What lies there is not what the manifest says.
    #[error("{path}: {what} is not as recorded")]
    Changed {
        /// The path in the layer.
        path: TreePath,
        /// What differs.
        what: &'static str,
    },
    /// The name of an extended attribute holds `=`, which an extended header cannot express.
    #[error("{path}: the name of the extended attribute `{name}` contains `=`, which no tar can hold; remove it")]
    AttributeName {
        /// The path in the layer.
        path: TreePath,
        /// The attribute, made printable.
        name: String,
    },
    /// An extended attribute without a value, which an extended header cannot express: there it means a deletion.
    #[error("{path}: the extended attribute `{name}` is empty, which no tar can hold; remove it or give it a value")]
    EmptyAttribute {
        /// The path in the layer.
        path: TreePath,
        /// The attribute, made printable.
        name: String,
    },
    /// The receiver of the bytes failed.
    #[error("cannot write the archive: {0}")]
    Write(io::Error),
}

/// Writes the canonical tar of `manifest` to `out`, taking the bytes of each file from `content` and checking them
/// against the manifest while they pass.
///
/// # Errors
/// If `out` fails, if a file cannot be read or is not what the manifest says, or if an extended attribute cannot be
/// expressed.
pub fn write_archive<R: Read>(
    manifest: &Manifest,
    mut content: impl FnMut(&Entry) -> Result<R, ArchiveError>,
    out: &mut dyn Write,
) -> Result<(), ArchiveError> {
    let mut buffer = vec![0; 256 * 1024];
    for entry in in_order(manifest.entries()).into_iter().map(|index| &manifest.entries()[index]) {
        out.write_all(&header(entry)?).map_err(ArchiveError::Write)?;
        if let Kind::File { size, content: hash } = &entry.kind {
            copy_content(entry, *size, hash, &mut content(entry)?, &mut buffer, out)?;
        }
    }
    out.write_all(&[ZEROS, ZEROS].concat()).map_err(ArchiveError::Write)
}

/// The length in bytes of the canonical tar of `manifest`.
///
/// # Errors
/// If an extended attribute cannot be expressed.
pub fn archive_size(manifest: &Manifest) -> Result<u64, ArchiveError> {
    let mut total = 2 * BLOCK as u64;
    for entry in manifest.entries() {
        total = total.saturating_add(header_size(entry)?);
        if let Kind::File { size, .. } = entry.kind {
            total = total.saturating_add(size.div_ceil(BLOCK as u64).saturating_mul(BLOCK as u64));
        }
    }
    Ok(total)
}

/// The places of entries sorted by path in the order of their names in the archive, which differ from their paths for
/// whiteouts only: files keep their order.
pub(crate) fn in_order(entries: &[Entry]) -> Vec<usize> {
    let mut order: Vec<usize> = (0..entries.len()).collect();
    if entries.iter().any(|entry| entry.kind == Kind::Whiteout) {
        order.sort_by_cached_key(|&index| bare_name(&entries[index]));
    }
    order
}

fn copy_content(
    entry: &Entry,
    size: u64,
    hash: &ContentHash,
    content: &mut impl Read,
    buffer: &mut [u8],
    out: &mut dyn Write,
) -> Result<(), ArchiveError> {
    let changed = |what| ArchiveError::Changed { path: entry.path.clone(), what };
    let (mut left, mut hasher) = (size, blake3::Hasher::new());
    loop {
        let count = match content.read(buffer) {
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            result => result.map_err(|source| ArchiveError::Read { path: entry.path.clone(), source })?,
        };
        if count == 0 {
            break;
        }
        left = left.checked_sub(count as u64).ok_or_else(|| changed("the size"))?;
        hasher.update(&buffer[..count]);
        out.write_all(&buffer[..count]).map_err(ArchiveError::Write)?;
    }
    if left != 0 {
        return Err(changed("the size"));
    }
    if hasher.finalize().as_bytes() != hash.as_bytes() {
        return Err(changed("the content"));
    }
    out.write_all(padding(size)).map_err(ArchiveError::Write)
}

/// What follows a content of this size up to the end of its block.
pub(crate) fn padding(size: u64) -> &'static [u8] {
    let over = usize::try_from(size % BLOCK as u64).unwrap_or(0);
    &ZEROS[..(BLOCK - over) % BLOCK]
}

/// The fields of one header before they are fitted into it.
struct Fields<'a> {
    name: Vec<u8>,
    kind: u8,
    link: &'a [u8],
    size: u64,
    device: (u64, u64),
    mode: u32,
    uid: u64,
    gid: u64,
    mtime: i64,
}

/// The blocks before the content of an entry: the extended header if one is needed, and the header.
pub(crate) fn header(entry: &Entry) -> Result<Vec<u8>, ArchiveError> {
    let fields = fields(entry);
    let records = extended_records(entry, &fields)?;
    let mut blocks = Vec::with_capacity(BLOCK * 3);
    if !records.is_empty() {
        write_extended_header(&records, &mut blocks);
    }
    blocks.extend_from_slice(&ustar_block(&fields));
    Ok(blocks)
}

/// The length of [`header`] without making it.
fn header_size(entry: &Entry) -> Result<u64, ArchiveError> {
    let records = extended_records(entry, &fields(entry))?;
    if records.is_empty() {
        return Ok(BLOCK as u64);
    }
    let body: usize = records.iter().map(|(key, value)| record_length(key.len() + value.len() + 3)).sum();
    Ok((2 * BLOCK + body.next_multiple_of(BLOCK)) as u64)
}

fn fields(entry: &Entry) -> Fields<'_> {
    let (kind, link, size, device) = match &entry.kind {
        Kind::File { size, .. } => (b'0', &b""[..], *size, (0, 0)),
        Kind::Whiteout => return whiteout_fields(entry),
        Kind::HardLink { to } => (b'1', to.as_bytes(), 0, (0, 0)),
        Kind::Symlink { target } => (b'2', &target[..], 0, (0, 0)),
        Kind::CharacterDevice { major, minor } => (b'3', &b""[..], 0, (u64::from(*major), u64::from(*minor))),
        Kind::BlockDevice { major, minor } => (b'4', &b""[..], 0, (u64::from(*major), u64::from(*minor))),
        Kind::Directory => (b'5', &b""[..], 0, (0, 0)),
        Kind::Fifo => (b'6', &b""[..], 0, (0, 0)),
    };
    let (mode, uid, gid) = (entry.mode & 0o7777, u64::from(entry.uid), u64::from(entry.gid));
    Fields { name: archive_name(entry), kind, link, size, device, mode, uid, gid, mtime: entry.mtime }
}

fn whiteout_fields(entry: &Entry) -> Fields<'static> {
    let name = bare_name(entry);
    Fields { name, kind: b'0', link: b"", size: 0, device: (0, 0), mode: 0, uid: 0, gid: 0, mtime: EPOCH }
}

/// The name in the archive without a trailing slash.
pub(crate) fn bare_name(entry: &Entry) -> Vec<u8> {
    match (&entry.kind, entry.path.name()) {
        (Kind::Whiteout, Some(name)) => {
            let parent = &entry.path.as_bytes()[..entry.path.as_bytes().len() - name.len()];
            [parent, b".wh.", name].concat()
        }
        _ => entry.path.as_bytes().to_vec(),
    }
}

fn archive_name(entry: &Entry) -> Vec<u8> {
    let mut name = if entry.path.is_root() { b".".to_vec() } else { bare_name(entry) };
    if entry.kind == Kind::Directory {
        name.push(b'/');
    }
    name
}

type Records = BTreeMap<Vec<u8>, Vec<u8>>;

fn extended_records(entry: &Entry, fields: &Fields<'_>) -> Result<Records, ArchiveError> {
    let mut records = Records::new();
    let mut put = |needed: bool, key: &str, value: &dyn std::fmt::Display| {
        if needed {
            records.insert(key.into(), value.to_string().into_bytes());
        }
    };
    put(fields.size > MAX_OCTAL_11, "size", &fields.size);
    put(fields.uid > MAX_OCTAL_7, "uid", &fields.uid);
    put(fields.gid > MAX_OCTAL_7, "gid", &fields.gid);
    put(!(0..=MAX_OCTAL_11 as i64).contains(&fields.mtime), "mtime", &fields.mtime);
    put(fields.device.0 > MAX_OCTAL_7, "SCHILY.devmajor", &fields.device.0);
    put(fields.device.1 > MAX_OCTAL_7, "SCHILY.devminor", &fields.device.1);
    if split_name(&fields.name).is_none() {
        records.insert(b"path".to_vec(), fields.name.clone());
    }
    if fields.link.len() > NAME_LENGTH {
        records.insert(b"linkpath".to_vec(), fields.link.to_vec());
    }
    // A hard link is its file: what is recorded there is not repeated. A whiteout has no metadata.
    if matches!(entry.kind, Kind::HardLink { .. } | Kind::Whiteout) {
        return Ok(records);
    }
    for (name, value) in &entry.xattrs {
        let printable = || String::from_utf8_lossy(name).into_owned();
        if name.contains(&b'=') {
            return Err(ArchiveError::AttributeName { path: entry.path.clone(), name: printable() });
        }
        if value.is_empty() {
            return Err(ArchiveError::EmptyAttribute { path: entry.path.clone(), name: printable() });
        }
        records.insert([b"SCHILY.xattr.", &name[..]].concat(), value.to_vec());
    }
    Ok(records)
}

/// Writes `LENGTH KEY=VALUE\n` records, where LENGTH counts itself, as an entry of type `x`.
fn write_extended_header(records: &Records, blocks: &mut Vec<u8>) {
    let mut body = Vec::new();
    for (key, value) in records {
        let length = record_length(key.len() + value.len() + 3);
        body.extend_from_slice(length.to_string().as_bytes());
        body.extend_from_slice(&[b" ", &key[..], b"=", value, b"\n"].concat());
    }
    let size = body.len() as u64;
    let name = b"././@PaxHeader".to_vec();
    let fields =
        Fields { name, kind: b'x', link: b"", size, device: (0, 0), mode: 0o644, uid: 0, gid: 0, mtime: EPOCH };
    blocks.extend_from_slice(&ustar_block(&fields));
    blocks.extend_from_slice(&body);
    blocks.extend_from_slice(padding(size));
}

/// The length of a record whose parts other than the length have `rest` bytes.
fn record_length(rest: usize) -> usize {
    let digits = |number: usize| number.to_string().len();
    let length = rest + digits(rest);
    rest + digits(length)
}

/// The `name` and `prefix` of a name that fits into them.
fn split_name(name: &[u8]) -> Option<(&[u8], &[u8])> {
    if name.len() <= NAME_LENGTH {
        return Some((name, b""));
    }
    let first = name.len() - NAME_LENGTH - 1;
    let slash = first + name[first..].iter().position(|&byte| byte == b'/')?;
    let (prefix, rest) = (&name[..slash], &name[slash + 1..]);
    (!rest.is_empty() && !prefix.is_empty() && prefix.len() <= PREFIX_LENGTH).then_some((rest, prefix))
}

/// A header block. What does not fit is cut or zero, and stands in the extended header.
fn ustar_block(fields: &Fields<'_>) -> [u8; BLOCK] {
    let mut block = ZEROS;
    let (name, prefix) = split_name(&fields.name).unwrap_or((&fields.name, b""));
    put_text(&mut block[0..100], name);
    put_octal(&mut block[100..108], u64::from(fields.mode));
    put_octal(&mut block[108..116], fields.uid);
    put_octal(&mut block[116..124], fields.gid);
    put_octal(&mut block[124..136], fields.size);
    put_octal(&mut block[136..148], u64::try_from(fields.mtime).unwrap_or(0));
    block[156] = fields.kind;
    put_text(&mut block[157..257], fields.link);
    block[257..265].copy_from_slice(b"ustar\x0000");
    put_octal(&mut block[329..337], fields.device.0);
    put_octal(&mut block[337..345], fields.device.1);
    put_text(&mut block[345..500], prefix);
    put_checksum(&mut block);
    block
}

/// The sum of all bytes of the header with the field itself as spaces: six octal digits, NUL, space.
fn put_checksum(block: &mut [u8; BLOCK]) {
    block[148..156].fill(b' ');
    let sum: u64 = block.iter().map(|&byte| u64::from(byte)).sum();
    put_octal(&mut block[148..155], sum);
}

fn put_text(field: &mut [u8], text: &[u8]) {
    let length = text.len().min(field.len());
    field[..length].copy_from_slice(&text[..length]);
}

/// Octal digits that fill the field up to a trailing NUL; 0 for a value that has too many.
fn put_octal(field: &mut [u8], value: u64) {
    let width = field.len() - 1;
    let fits = u32::try_from(3 * width).is_ok_and(|bits| value.checked_shr(bits).unwrap_or(0) == 0);
    let mut rest = if fits { value } else { 0 };
    for digit in field[..width].iter_mut().rev() {
        *digit = b'0' + (rest % 8) as u8;
        rest /= 8;
    }
}

#[cfg(test)]
mod tests;
