//! Reading what may be equal to what lies below, before anything else is read.

use std::io::{self, Read};

use sinter_graph::digest::ContentHash;
use sinter_graph::tree::{Entry, Kind};

use super::{CaptureError, Upper};
use crate::tree_io::open_file;
use crate::xattrs::normalise;

/// The entry of a file with its content and attributes. Removes attributes that are not kept.
pub(super) fn read(upper: &Upper<'_>, entry: &Entry) -> Result<Entry, CaptureError> {
    let path = &entry.path;
    let mut file = open_file(&upper.root, path).map_err(|error| upper.error(path, "open", error))?;
    let (xattrs, _) = normalise(&file).map_err(|error| upper.error(path, "read the attributes", error))?;
    let (size, content) = hash(&mut file).map_err(|error| upper.error(path, "read", error))?;
    Ok(Entry { xattrs, kind: Kind::File { size, content }, ..entry.clone() })
}

fn hash(file: &mut impl Read) -> io::Result<(u64, ContentHash)> {
    let (mut hasher, mut size, mut buffer) = (blake3::Hasher::new(), 0, vec![0; 64 * 1024]);
    loop {
        match file.read(&mut buffer) {
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
