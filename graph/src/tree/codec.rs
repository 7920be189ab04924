//! The canonical bytes of a [`Manifest`]: what the store keeps beside a layer, and what names a set of placed files.
//!
//! Form, all numbers little-endian: the magic `sinter-manifest\n`, the version (u32), the number of entries (u64), then
//! the entries in order of their path bytes. An entry is: path, tag (u8), mode, uid, gid (u32 each), mtime (i64), what
//! its kind adds, the number of extended attributes (u32), then each name and value in order of the names. A path,
//! name, value or link target is its length (u32) and its bytes.
//!
//! Rules: one manifest has one encoding; decoding accepts nothing else, so equal bytes and equal manifests are the same
//! thing. Hostile bytes cost at most memory in proportion to their length.

use std::collections::BTreeMap;

use super::{Entry, Kind, Manifest};
use crate::ErrorClass;
use crate::digest::ContentHash;
use crate::path::TreePath;

const MAGIC: &[u8] = b"sinter-manifest\n";
const VERSION: u32 = 1;

/// Begins the names by which an image layer says that something is deleted (OCI image-spec, "Whiteouts").
const RESERVED: &[u8] = b".wh.";

/// The fewest bytes an entry takes: an empty path, tag, mode, owner, group, time and no attributes.
const SMALLEST_ENTRY: usize = 4 + 1 + 3 * 4 + 8 + 4;

const DIRECTORY: u8 = 0;
const FILE: u8 = 1;
const SYMLINK: u8 = 2;
const HARD_LINK: u8 = 3;
const FIFO: u8 = 4;
const CHARACTER_DEVICE: u8 = 5;
const BLOCK_DEVICE: u8 = 6;
const WHITEOUT: u8 = 7;

/// Bytes that are no manifest, or entries that cannot be one.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ManifestError {
    /// The bytes do not begin like a manifest.
    #[error("the bytes are no manifest: they do not begin with its magic")]
    Magic,
    /// A newer sinter wrote it.
    #[error("the manifest has version {found}, this sinter reads version {VERSION}: use a newer sinter")]
    Version {
        /// The version in the bytes.
        found: u32,
    },
    /// The bytes end within an entry, or go on behind the last one.
    #[error("the manifest is damaged at byte {offset}: {reason}")]
    Damaged {
        /// Where the fault was noticed, counted from the first byte.
        offset: usize,
        /// What is wrong there.
        reason: &'static str,
    },
    /// The entries read well but are no layer.
    #[error("the manifest is no layer: `{path}` {reason}")]
    Entry {
        /// The entry at fault.
        path: TreePath,
        /// Which rule it breaks.
        reason: &'static str,
    },
}

impl ManifestError {
    /// Whose fault it is: manifests are read from disk and from registries.
    #[must_use]
    pub fn class(&self) -> ErrorClass {
        ErrorClass::Environment
    }
}

impl Manifest {
    /// The canonical bytes; [`Manifest::decode`] reads them.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        let mut out = Vec::with_capacity(MAGIC.len() + 12 + self.entries.len() * (SMALLEST_ENTRY + 80));
        out.extend_from_slice(MAGIC);
        out.extend_from_slice(&VERSION.to_le_bytes());
        out.extend_from_slice(&(self.entries.len() as u64).to_le_bytes());
        self.entries.iter().for_each(|entry| write_entry(&mut out, entry));
        out
    }

    /// Reads what [`Manifest::encode`] wrote.
    ///
    /// # Errors
    /// If the bytes are anything but the encoding of a manifest that passes [`Manifest::check`].
    pub fn decode(bytes: &[u8]) -> Result<Self, ManifestError> {
        let mut reader = Reader { bytes, offset: 0 };
        if reader.take(MAGIC.len()).ok() != Some(MAGIC) {
            return Err(ManifestError::Magic);
        }
        match reader.u32()? {
            VERSION => {}
            found => return Err(ManifestError::Version { found }),
        }
        let count = reader.count_of(SMALLEST_ENTRY)?;
        let mut entries: Vec<Entry> = Vec::with_capacity(count);
        for _ in 0..count {
            entries.push(read_entry(&mut reader)?);
        }
        if reader.offset != bytes.len() {
            return Err(reader.damaged("bytes follow the last entry"));
        }
        let manifest = Self { entries };
        manifest.check()?;
        Ok(manifest)
    }

    /// Checks what every layer must keep to: entries sorted, no path twice, parents present and directories, the root
    /// a directory, hard links to files of this layer that come before them, no mode beyond 12 bits, whiteouts without
    /// metadata, no name that begins with `.wh.`, no extended attribute without a value or with `=` or NUL in its name.
    ///
    /// # Errors
    /// [`ManifestError::Entry`] names the first entry at fault.
    pub fn check(&self) -> Result<(), ManifestError> {
        let mut known_directory: Option<&TreePath> = None;
        let mut previous: Option<&TreePath> = None;
        for entry in &self.entries {
            let reason = if previous.is_some_and(|previous| previous >= &entry.path) {
                Some("is out of order or there twice")
            } else {
                entry_fault(entry).or_else(|| self.relation_fault(entry, &mut known_directory))
            };
            if let Some(reason) = reason {
                return Err(ManifestError::Entry { path: entry.path.clone(), reason });
            }
            previous = Some(&entry.path);
        }
        Ok(())
    }

    /// `known_directory` remembers the parent found last: neighbours mostly share it.
    fn relation_fault<'a>(&'a self, entry: &Entry, known_directory: &mut Option<&'a TreePath>) -> Option<&'static str> {
        if let Kind::HardLink { to } = &entry.kind
            && (to >= &entry.path || !self.get(to).is_some_and(|carrier| matches!(carrier.kind, Kind::File { .. })))
        {
            return Some("is a hard link to something that is no earlier file of the layer");
        }
        let parent = entry.path.parent().filter(|parent| !parent.is_root())?;
        if *known_directory == Some(&parent) {
            return None;
        }
        match self.get(&parent) {
            Some(Entry { path, kind: Kind::Directory, .. }) => {
                *known_directory = Some(path);
                None
            }
            Some(_) => Some("lies below something that is no directory"),
            None => Some("lacks its parent directory"),
        }
    }
}

fn entry_fault(entry: &Entry) -> Option<&'static str> {
    let bare = |entry: &Entry| {
        entry.mode == 0 && entry.uid == 0 && entry.gid == 0 && entry.mtime == 0 && entry.xattrs.is_empty()
    };
    match &entry.kind {
        kind if entry.path.is_root() && *kind != Kind::Directory => Some("(the root) is no directory"),
        Kind::Symlink { target } if target.is_empty() || target.contains(&0) => {
            Some("is a symbolic link with an empty target or a NUL in it")
        }
        Kind::Whiteout if !bare(entry) => Some("is a whiteout with metadata"),
        _ if entry.mode > 0o7777 => Some("has a mode of more than 12 bits"),
        _ if entry.path.components().any(|name| name.starts_with(RESERVED)) => {
            Some("has a name that begins with `.wh.`, which means a deletion in an image layer")
        }
        _ => entry.xattrs.iter().find_map(|(name, value)| attribute_fault(name, value)),
    }
}

/// What a pax record `SCHILY.xattr.NAME=VALUE` cannot hold, or what readers of layers take for a deletion of it.
fn attribute_fault(name: &[u8], value: &[u8]) -> Option<&'static str> {
    if name.is_empty() || name.contains(&b'=') || name.contains(&0) {
        return Some("has an extended attribute whose name is empty or contains `=` or NUL");
    }
    value.is_empty().then_some("has an extended attribute without a value")
}

fn write_entry(out: &mut Vec<u8>, entry: &Entry) {
    write_bytes(out, entry.path.as_bytes());
    out.push(tag(&entry.kind));
    for number in [entry.mode, entry.uid, entry.gid] {
        out.extend_from_slice(&number.to_le_bytes());
    }
    out.extend_from_slice(&entry.mtime.to_le_bytes());
    write_kind(out, &entry.kind);
    write_length(out, entry.xattrs.len());
    for (name, value) in &entry.xattrs {
        write_bytes(out, name);
        write_bytes(out, value);
    }
}

fn tag(kind: &Kind) -> u8 {
    match kind {
        Kind::Directory => DIRECTORY,
        Kind::File { .. } => FILE,
        Kind::Symlink { .. } => SYMLINK,
        Kind::HardLink { .. } => HARD_LINK,
        Kind::Fifo => FIFO,
        Kind::CharacterDevice { .. } => CHARACTER_DEVICE,
        Kind::BlockDevice { .. } => BLOCK_DEVICE,
        Kind::Whiteout => WHITEOUT,
    }
}

fn write_kind(out: &mut Vec<u8>, kind: &Kind) {
    match kind {
        Kind::Directory | Kind::Fifo | Kind::Whiteout => {}
        Kind::File { size, content } => {
            out.extend_from_slice(&size.to_le_bytes());
            out.extend_from_slice(content.as_bytes());
        }
        Kind::Symlink { target } => write_bytes(out, target),
        Kind::HardLink { to } => write_bytes(out, to.as_bytes()),
        Kind::CharacterDevice { major, minor } | Kind::BlockDevice { major, minor } => {
            out.extend_from_slice(&major.to_le_bytes());
            out.extend_from_slice(&minor.to_le_bytes());
        }
    }
}

fn write_bytes(out: &mut Vec<u8>, bytes: &[u8]) {
    write_length(out, bytes.len());
    out.extend_from_slice(bytes);
}

fn write_length(out: &mut Vec<u8>, length: usize) {
    let length = u32::try_from(length).expect("the kernel bounds paths and attributes to 64 KiB, archives to 8 MiB");
    out.extend_from_slice(&length.to_le_bytes());
}

struct Reader<'a> {
    bytes: &'a [u8],
    offset: usize,
}

impl<'a> Reader<'a> {
    fn damaged(&self, reason: &'static str) -> ManifestError {
        ManifestError::Damaged { offset: self.offset, reason }
    }

    fn take(&mut self, length: usize) -> Result<&'a [u8], ManifestError> {
        let end = self.offset.checked_add(length).filter(|&end| end <= self.bytes.len());
        let end = end.ok_or_else(|| self.damaged("the bytes end too early"))?;
        let taken = &self.bytes[self.offset..end];
        self.offset = end;
        Ok(taken)
    }

    fn array<const N: usize>(&mut self) -> Result<[u8; N], ManifestError> {
        let mut array = [0; N];
        array.copy_from_slice(self.take(N)?);
        Ok(array)
    }

    fn u32(&mut self) -> Result<u32, ManifestError> {
        self.array().map(u32::from_le_bytes)
    }

    fn u64(&mut self) -> Result<u64, ManifestError> {
        self.array().map(u64::from_le_bytes)
    }

    fn sized(&mut self) -> Result<&'a [u8], ManifestError> {
        let length = self.u32()?;
        self.take(length as usize)
    }

    fn path(&mut self) -> Result<TreePath, ManifestError> {
        let bytes = self.sized()?;
        TreePath::new(bytes).map_err(|invalid| self.damaged(invalid.reason))
    }

    /// A number of items that each take at least `smallest` bytes, so that no lie makes us allocate.
    fn count_of(&mut self, smallest: usize) -> Result<usize, ManifestError> {
        let count = usize::try_from(self.u64()?).ok();
        let room = (self.bytes.len() - self.offset) / smallest;
        count
            .filter(|&count| count <= room)
            .ok_or_else(|| self.damaged("it promises more entries than there are bytes"))
    }
}

fn read_entry(reader: &mut Reader<'_>) -> Result<Entry, ManifestError> {
    let path = reader.path()?;
    let [tag] = reader.array()?;
    let (mode, uid, gid) = (reader.u32()?, reader.u32()?, reader.u32()?);
    let mtime = i64::from_le_bytes(reader.array()?);
    let kind = read_kind(tag, reader)?;
    let xattrs = read_xattrs(reader)?;
    Ok(Entry { path, kind, mode, uid, gid, mtime, xattrs })
}

fn read_kind(tag: u8, reader: &mut Reader<'_>) -> Result<Kind, ManifestError> {
    Ok(match tag {
        DIRECTORY => Kind::Directory,
        FILE => Kind::File { size: reader.u64()?, content: ContentHash::from_bytes(reader.array()?) },
        SYMLINK => Kind::Symlink { target: reader.sized()?.into() },
        HARD_LINK => Kind::HardLink { to: reader.path()? },
        FIFO => Kind::Fifo,
        CHARACTER_DEVICE => Kind::CharacterDevice { major: reader.u32()?, minor: reader.u32()? },
        BLOCK_DEVICE => Kind::BlockDevice { major: reader.u32()?, minor: reader.u32()? },
        WHITEOUT => Kind::Whiteout,
        _ => return Err(reader.damaged("an entry is of a kind this sinter does not know")),
    })
}

type Attributes = BTreeMap<Box<[u8]>, Box<[u8]>>;

fn read_xattrs(reader: &mut Reader<'_>) -> Result<Attributes, ManifestError> {
    let mut xattrs = Attributes::new();
    for _ in 0..reader.u32()? {
        let name: Box<[u8]> = reader.sized()?.into();
        if xattrs.last_key_value().is_some_and(|(last, _)| *last >= name) {
            return Err(reader.damaged("extended attributes are out of order"));
        }
        xattrs.insert(name, reader.sized()?.into());
    }
    Ok(xattrs)
}
