//! Extended attributes: which are kept, and in which form.

use std::collections::BTreeMap;
use std::ffi::CString;

use rustix::fd::AsFd;
use rustix::fs::{fgetxattr, flistxattr, fremovexattr};
use rustix::io::Errno;

/// Attributes by name, as an [`sinter_graph::tree::Entry`] holds them.
pub(crate) type Xattrs = BTreeMap<Box<[u8]>, Box<[u8]>>;

/// Overlay's own attributes of a file or directory, mounted with `userxattr`
/// (kernel documentation, `filesystems/overlayfs.rst`).
const OVERLAY: &[u8] = b"user.overlay.";
pub(crate) const WHITEOUT: &[u8] = b"user.overlay.whiteout";
const OPAQUE: &[u8] = b"user.overlay.opaque";

/// What the attributes of a directory say beside its own metadata.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub(crate) struct OverlayMarks {
    /// It hides what lies below.
    pub(crate) opaque: bool,
    /// Some of its empty files may be whiteouts by attribute.
    pub(crate) holds_whiteouts: bool,
}

/// The attributes of an open file or directory that a layer records.
pub(crate) fn read(file: impl AsFd) -> Result<Xattrs, Errno> {
    let mut kept = Xattrs::new();
    for name in list(&file)?.into_iter().filter(|name| is_kept(name.as_bytes())) {
        if let Some(value) = get(&file, &name)? {
            kept.insert(name.as_bytes().into(), plain_capability(name.as_bytes(), value).into());
        }
    }
    Ok(kept)
}

/// Removes what a layer would record, so that nothing of where a directory was made stays with it.
pub(crate) fn clear(file: impl AsFd) -> Result<(), Errno> {
    for name in list(&file)?.into_iter().filter(|name| is_kept(name.as_bytes())) {
        match fremovexattr(&file, &name) {
            Ok(()) | Err(Errno::NODATA) => {}
            Err(error) => return Err(error),
        }
    }
    Ok(())
}

/// Reads the attributes of an open file or directory, and removes from it those that are not kept.
pub(crate) fn normalise(file: impl AsFd) -> Result<(Xattrs, OverlayMarks), Errno> {
    let (mut kept, mut marks) = (Xattrs::new(), OverlayMarks::default());
    for name in list(&file)? {
        let bytes = name.as_bytes();
        if is_kept(bytes) {
            if let Some(value) = get(&file, &name)? {
                kept.insert(bytes.into(), plain_capability(bytes, value).into());
            }
            continue;
        }
        if bytes == OPAQUE {
            let value = get(&file, &name)?.unwrap_or_default();
            marks = OverlayMarks { opaque: value == b"y", holds_whiteouts: value == b"x" };
        }
        remove(&file, &name)?;
    }
    Ok((kept, marks))
}

/// Whether an open file is marked as deleted.
pub(crate) fn is_marked_whiteout(file: impl AsFd) -> Result<bool, Errno> {
    Ok(list(&file)?.iter().any(|name| name.as_bytes() == WHITEOUT))
}

pub(crate) fn is_kept(name: &[u8]) -> bool {
    (name.starts_with(b"user.") && !name.starts_with(OVERLAY))
        || matches!(name, b"security.capability" | b"system.posix_acl_access" | b"system.posix_acl_default")
}

fn list(file: impl AsFd) -> Result<Vec<CString>, Errno> {
    let mut first = [0_u8; 256];
    match flistxattr(&file, &mut first[..]) {
        Ok(length) => return Ok(split(&first[..length])),
        Err(Errno::RANGE) => {}
        Err(Errno::NOTSUP) => return Ok(Vec::new()),
        Err(error) => return Err(error),
    }
    let mut buffer = vec![0; 8 * 1024];
    loop {
        match flistxattr(&file, &mut buffer[..]) {
            Ok(length) => return Ok(split(&buffer[..length])),
            Err(Errno::RANGE) => buffer.resize(buffer.len() * 8, 0),
            Err(error) => return Err(error),
        }
    }
}

fn split(names: &[u8]) -> Vec<CString> {
    let names = names.split(|&byte| byte == 0).filter(|name| !name.is_empty());
    names.filter_map(|name| CString::new(name).ok()).collect()
}

fn get(file: impl AsFd, name: &CString) -> Result<Option<Vec<u8>>, Errno> {
    let mut buffer = vec![0; 256];
    loop {
        match fgetxattr(&file, name, &mut buffer[..]) {
            Ok(length) => {
                buffer.truncate(length);
                return Ok(Some(buffer));
            }
            Err(Errno::RANGE) => buffer.resize(buffer.len() * 8, 0),
            Err(Errno::NODATA | Errno::NOTSUP) => return Ok(None),
            Err(error) => return Err(error),
        }
    }
}

/// Labels of a security module cannot always be removed; nobody captures them, so they may stay.
fn remove(file: impl AsFd, name: &CString) -> Result<(), Errno> {
    match fremovexattr(file, name) {
        Err(_) if !name.as_bytes().starts_with(OVERLAY) => Ok(()),
        Err(Errno::NODATA) => Ok(()),
        result => result,
    }
}

/// File capabilities as version 2 (`VFS_CAP_REVISION_2` of `linux/capability.h`): version 3 only adds the id of the
/// namespace's root, which is 0 for whoever runs the image.
pub(crate) fn plain_capability(name: &[u8], value: Vec<u8>) -> Vec<u8> {
    const LENGTH_2: usize = 20;
    const LENGTH_3: usize = 24;
    if name != b"security.capability" || value.len() != LENGTH_3 || value[3] != 3 {
        return value;
    }
    let mut plain = value[..LENGTH_2].to_vec();
    plain[3] = 2;
    plain
}

/// The attributes that hold an access control list (`linux/posix_acl_xattr.h`, version 2): a number of 4 bytes, then for
/// each entry its tag, its permissions and an id, little-endian.
const ACCESS_LIST: &[u8] = b"system.posix_acl_access";
const DEFAULT_LIST: &[u8] = b"system.posix_acl_default";
const LIST_VERSION: [u8; 4] = [2, 0, 0, 0];
const LIST_ENTRY: usize = 8;
const TAG_OWNER: u16 = 0x01;
const TAG_USER: u16 = 0x02;
const TAG_GROUP_OF_FILE: u16 = 0x04;
const TAG_GROUP: u16 = 0x08;
const TAG_MASK: u16 = 0x10;
const TAG_OTHER: u16 = 0x20;

/// What the kernel makes of a mode and of access control lists that are set after it (`posix_acl_update_mode` of
/// `fs/posix_acl.c`): a list changes the mode, and one that says no more than a mode is not kept. Lists that are none stay,
/// for the kernel to refuse.
pub(crate) fn settle_lists(mode: &mut u32, xattrs: &mut Xattrs) {
    for name in [ACCESS_LIST, DEFAULT_LIST] {
        let Some(mut entries) = xattrs.get(name).and_then(|value| list_entries(value)) else { continue };
        let is_access = name == ACCESS_LIST;
        if is_access && !entries.is_empty() {
            *mode = (*mode & !0o777) | list_mode(&entries);
        }
        if entries.is_empty() || (is_access && entries.iter().all(|entry| is_of_mode(entry.0))) {
            xattrs.remove(name);
            continue;
        }
        for entry in entries.iter_mut().filter(|entry| !matches!(entry.0, TAG_USER | TAG_GROUP)) {
            entry.2 = u32::MAX;
        }
        let mut value = LIST_VERSION.to_vec();
        for (tag, permissions, id) in entries {
            value.extend(tag.to_le_bytes().into_iter().chain(permissions.to_le_bytes()).chain(id.to_le_bytes()));
        }
        xattrs.insert(name.into(), value.into());
    }
}

/// Tag, permissions and id of each entry.
fn list_entries(value: &[u8]) -> Option<Vec<(u16, u16, u32)>> {
    let body = value.strip_prefix(&LIST_VERSION)?;
    if body.len() % LIST_ENTRY != 0 {
        return None;
    }
    let entry = |bytes: &[u8]| {
        let half = |at: usize| u16::from_le_bytes([bytes[at], bytes[at + 1]]);
        (half(0), half(2), u32::from_le_bytes([bytes[4], bytes[5], bytes[6], bytes[7]]))
    };
    Some(body.chunks_exact(LIST_ENTRY).map(entry).collect())
}

const fn is_of_mode(tag: u16) -> bool {
    matches!(tag, TAG_OWNER | TAG_GROUP_OF_FILE | TAG_OTHER)
}

/// The mode that a list shows as: the mask stands for the group, if there is one.
fn list_mode(entries: &[(u16, u16, u32)]) -> u32 {
    let of = |wanted: u16| entries.iter().find(|entry| entry.0 == wanted).map(|entry| u32::from(entry.1 & 7));
    let group = of(TAG_MASK).or_else(|| of(TAG_GROUP_OF_FILE));
    of(TAG_OWNER).unwrap_or(0) << 6 | group.unwrap_or(0) << 3 | of(TAG_OTHER).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn kept_names_are_the_documented_ones() {
        let cases: [(&[u8], bool); 8] = [
            (b"user.note", true),
            (b"security.capability", true),
            (b"system.posix_acl_access", true),
            (b"system.posix_acl_default", true),
            (b"user.overlay.origin", false),
            (b"user.overlay.overlay.opaque", false),
            (b"trusted.overlay.opaque", false),
            (b"security.selinux", false),
        ];
        for (name, expected) in cases {
            assert_eq!(is_kept(name), expected, "{}", String::from_utf8_lossy(name));
        }
    }

    #[test]
    fn capabilities_lose_their_namespace() {
        let mut third = vec![1, 0, 0, 3];
        third.extend([7; 16]);
        third.extend([0xe8, 3, 0, 0]);
        let second = plain_capability(b"security.capability", third.clone());
        assert_eq!((second.len(), &second[..4]), (20, &[1, 0, 0, 2][..]));
        assert_eq!(plain_capability(b"security.capability", second.clone()), second);
        assert_eq!(plain_capability(b"user.x", third.clone()), third);
    }
}
