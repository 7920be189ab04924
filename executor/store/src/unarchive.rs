//! Reading a canonical tar back: headers to entries.
//!
//! The bytes may come from anywhere. What is read is not believed to be canonical: whoever takes it in makes the tar again
//! and compares digests. So the rules here are those of safety only: names stay below the directory and rise strictly, a
//! parent is a directory of the same archive, lengths are bounded.
//!
//! Format: the head of [`crate::archive`]. Must not know: directories, the store.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::io::{self, Read};

use sinter_graph::digest::ContentHash;
use sinter_graph::path::TreePath;
use sinter_graph::tree::{Entry, Kind};

const BLOCK: usize = 512;
/// An extended header holds names, links and attributes; the kernel bounds them far below.
const EXTENDED_LIMIT: u64 = 1 << 20;

type Attributes = BTreeMap<Box<[u8]>, Box<[u8]>>;

/// Reads entry by entry.
pub(crate) struct Unarchiver<'a> {
    source: &'a mut dyn Read,
    last_name: Option<Vec<u8>>,
    directories: HashSet<TreePath>,
    files: HashMap<TreePath, Entry>,
}

/// A header, read.
struct Header {
    name: Vec<u8>,
    kind: u8,
    link: Vec<u8>,
    size: u64,
    device: (u32, u32),
    mode: u32,
    uid: u32,
    gid: u32,
    mtime: i64,
    xattrs: Attributes,
}

impl<'a> Unarchiver<'a> {
    pub(crate) fn new(source: &'a mut dyn Read) -> Self {
        Self { source, last_name: None, directories: HashSet::from([TreePath::root()]), files: HashMap::new() }
    }

    /// The next entry, for a file with the length of its content, which has to be taken with [`Unarchiver::content`]
    /// before the next call. `None` at the end.
    ///
    /// # Errors
    /// If the source fails, or gives what no canonical tar holds.
    pub(crate) fn next(&mut self) -> io::Result<Option<Entry>> {
        let Some(header) = self.header()? else { return Ok(None) };
        let bare = header.name.strip_suffix(b"/").unwrap_or(&header.name).to_vec();
        let is_root = bare == b"." && header.kind == b'5';
        if !is_root && self.last_name.as_ref().is_some_and(|last| *last >= bare) {
            return Err(bad("its names are out of order, or one is there twice"));
        }
        let entry = self.entry(header, &bare, is_root)?;
        if !is_root {
            self.last_name = Some(bare);
        }
        if !entry.path.parent().is_none_or(|parent| self.directories.contains(&parent)) {
            return Err(bad("an entry lies below what is no directory of the archive"));
        }
        if entry.kind == Kind::Directory {
            self.directories.insert(entry.path.clone());
        }
        Ok(Some(entry))
    }

    /// Reads the content of the file that [`Unarchiver::next`] gave, passes it on, and notes its hash in the entry.
    ///
    /// # Errors
    /// If the source ends early, or those of `take`.
    pub(crate) fn content(
        &mut self,
        entry: &mut Entry,
        buffer: &mut [u8],
        mut take: impl FnMut(&[u8]) -> io::Result<()>,
    ) -> io::Result<()> {
        let Kind::File { size, content } = &mut entry.kind else { return Ok(()) };
        let (mut left, mut hasher) = (*size, blake3::Hasher::new());
        while left > 0 {
            let length = usize::try_from(left).unwrap_or(usize::MAX).min(buffer.len());
            self.source.read_exact(&mut buffer[..length])?;
            hasher.update(&buffer[..length]);
            take(&buffer[..length])?;
            left -= length as u64;
        }
        *content = ContentHash::from_bytes(*hasher.finalize().as_bytes());
        let padding = usize::try_from(size.next_multiple_of(BLOCK as u64) - *size).unwrap_or(0);
        self.source.read_exact(&mut [0; BLOCK][..padding])?;
        self.files.insert(entry.path.clone(), entry.clone());
        Ok(())
    }

    fn header(&mut self) -> io::Result<Option<Header>> {
        let mut block = self.block()?;
        if block == [0; BLOCK] {
            let rest = self.block()?;
            let behind = self.source.read(&mut [0; 1])?;
            return if rest == [0; BLOCK] && behind == 0 { Ok(None) } else { Err(bad("bytes follow its end")) };
        }
        let mut records = BTreeMap::new();
        if block[156] == b'x' {
            records = self.records(octal(&block[124..136])?)?;
            block = self.block()?;
        }
        Header::read(&block, records).map(Some)
    }

    fn block(&mut self) -> io::Result<[u8; BLOCK]> {
        let mut block = [0; BLOCK];
        self.source.read_exact(&mut block)?;
        Ok(block)
    }

    fn records(&mut self, size: u64) -> io::Result<BTreeMap<Vec<u8>, Vec<u8>>> {
        if size > EXTENDED_LIMIT {
            return Err(bad("an extended header is too long"));
        }
        let mut body = vec![0; usize::try_from(size.next_multiple_of(BLOCK as u64)).unwrap_or(0)];
        self.source.read_exact(&mut body)?;
        body.truncate(usize::try_from(size).unwrap_or(0));
        parse_records(&body).ok_or_else(|| bad("an extended header is malformed"))
    }

    fn entry(&self, header: Header, bare: &[u8], is_root: bool) -> io::Result<Entry> {
        let path = if is_root { TreePath::root() } else { relative(bare)? };
        let (major, minor) = header.device;
        let kind = match header.kind {
            b'0' if path.name().is_some_and(|name| name.starts_with(b".wh.")) => return whiteout(&path),
            b'0' => Kind::File { size: header.size, content: ContentHash::from_bytes([0; 32]) },
            b'1' => return self.hard_link(path, &header),
            b'2' => Kind::Symlink { target: header.link.into() },
            b'3' => Kind::CharacterDevice { major, minor },
            b'4' => Kind::BlockDevice { major, minor },
            b'5' => Kind::Directory,
            b'6' => Kind::Fifo,
            _ => return Err(bad("an entry is of a kind that no layer holds")),
        };
        let Header { mode, uid, gid, mtime, xattrs, .. } = header;
        Ok(Entry { path, kind, mode, uid, gid, mtime, xattrs })
    }

    /// A hard link is its file: what is recorded there is not repeated.
    fn hard_link(&self, path: TreePath, header: &Header) -> io::Result<Entry> {
        let to = relative(&header.link)?;
        let carrier = self.files.get(&to).ok_or_else(|| bad("a hard link names no earlier file of the archive"))?;
        Ok(Entry { path, kind: Kind::HardLink { to }, ..carrier.clone() })
    }
}

impl Header {
    fn read(block: &[u8; BLOCK], mut records: BTreeMap<Vec<u8>, Vec<u8>>) -> io::Result<Self> {
        let mut summed = *block;
        summed[148..156].fill(b' ');
        let sum: u64 = summed.iter().map(|&byte| u64::from(byte)).sum();
        if octal(&block[148..155])? != sum || &block[257..265] != b"ustar\x0000" {
            return Err(bad("a header is damaged"));
        }
        let prefix = text(&block[345..500]);
        let short = text(&block[..100]);
        let name = if prefix.is_empty() { short.to_vec() } else { [prefix, b"/", short].concat() };
        let mut number = |key: &str, field: &[u8]| match records.remove(key.as_bytes()) {
            Some(value) => decimal(&value),
            None => octal(field).and_then(|number| i64::try_from(number).map_err(|_| bad("a number is too large"))),
        };
        let size = number("size", &block[124..136])?;
        let (uid, gid) = (number("uid", &block[108..116])?, number("gid", &block[116..124])?);
        let mtime = number("mtime", &block[136..148])?;
        let device = (number("SCHILY.devmajor", &block[329..337])?, number("SCHILY.devminor", &block[337..345])?);
        let small = |number: i64| u32::try_from(number).map_err(|_| bad("a number is too large"));
        Ok(Self {
            name: records.remove(&b"path"[..]).unwrap_or(name),
            kind: block[156],
            link: records.remove(&b"linkpath"[..]).unwrap_or_else(|| text(&block[157..257]).to_vec()),
            size: u64::try_from(size).map_err(|_| bad("a length is negative"))?,
            device: (small(device.0)?, small(device.1)?),
            mode: small(octal(&block[100..108])?.cast_signed())? & 0o7777,
            uid: small(uid)?,
            gid: small(gid)?,
            mtime,
            xattrs: attributes(records)?,
        })
    }
}

fn bad(reason: &'static str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, reason)
}

fn whiteout(path: &TreePath) -> io::Result<Entry> {
    let name = path.name().and_then(|name| name.strip_prefix(b".wh.")).unwrap_or_default();
    if name.is_empty() || name.starts_with(b".wh.") {
        return Err(bad("a deletion names nothing"));
    }
    let path = path.parent().unwrap_or_else(TreePath::root).join(&relative(name)?);
    Ok(Entry { mtime: 0, ..Entry::new(path, Kind::Whiteout, 0) })
}

fn relative(name: &[u8]) -> io::Result<TreePath> {
    match TreePath::new(name) {
        Ok(path) if !path.is_root() => Ok(path),
        _ => Err(bad("a name is no path below the root")),
    }
}

fn attributes(records: BTreeMap<Vec<u8>, Vec<u8>>) -> io::Result<Attributes> {
    let attribute = |(key, value): (Vec<u8>, Vec<u8>)| match key.strip_prefix(b"SCHILY.xattr.") {
        Some(name) if !name.is_empty() => Ok((name.into(), value.into())),
        _ => Err(bad("an extended header holds what no layer does")),
    };
    records.into_iter().map(attribute).collect()
}

/// `LENGTH KEY=VALUE\n` records, where LENGTH counts itself.
fn parse_records(mut body: &[u8]) -> Option<BTreeMap<Vec<u8>, Vec<u8>>> {
    let mut records = BTreeMap::new();
    while !body.is_empty() {
        let space = body.iter().take(20).position(|&byte| byte == b' ')?;
        let length: usize = std::str::from_utf8(&body[..space]).ok()?.parse().ok()?;
        let (record, rest) = body.split_at_checked(length)?;
        let record = record.get(space + 1..)?.strip_suffix(b"\n")?;
        let equals = record.iter().position(|&byte| byte == b'=')?;
        records.insert(record[..equals].to_vec(), record[equals + 1..].to_vec());
        body = rest;
    }
    Some(records)
}

fn text(field: &[u8]) -> &[u8] {
    field.split(|&byte| byte == 0).next().unwrap_or_default()
}

fn octal(field: &[u8]) -> io::Result<u64> {
    let digits = text(field).trim_ascii_end();
    let number = std::str::from_utf8(digits).ok().and_then(|digits| u64::from_str_radix(digits, 8).ok());
    number.ok_or_else(|| bad("a header is damaged"))
}

fn decimal(value: &[u8]) -> io::Result<i64> {
    let number = std::str::from_utf8(value).ok().and_then(|digits| digits.parse().ok());
    number.ok_or_else(|| bad("an extended header is malformed"))
}
