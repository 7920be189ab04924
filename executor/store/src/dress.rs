//! Giving the directory a script writes to the face of the tree's `/`.
//!
//! A directory of the store shows whatever the caller's umask and the store's own directory handed down: a setgid bit, a
//! group, ACLs that everything made below would inherit. A script must see none of that.
//!
//! Must not know: overlays, steps.

use std::path::Path;

use rustix::fs::{Gid, Mode, Uid, XattrFlags, fchmod, fchown, fsetxattr, futimens};
use rustix::io::Errno;
use sinter_graph::FsError;
use sinter_graph::path::TreePath;
use sinter_graph::tree::Entry;

use crate::tree_io::{open_root, whole_seconds};
use crate::xattrs::clear;

/// Gives an empty directory exactly the owner, mode, attributes and time of `root`, or those of a plain root directory
/// if there is none. To be called for the upper directory of an overlay before it is mounted; overlay itself strips what
/// its work directory inherits.
///
/// # Errors
/// If the file system refuses.
pub fn dress_root(directory: &Path, root: Option<&Entry>) -> Result<(), FsError> {
    let plain = Entry::directory(TreePath::root());
    let entry = root.unwrap_or(&plain);
    let error = |action: &'static str| move |source: Errno| FsError::new(directory, action, source);
    let opened = open_root(directory).map_err(|source| FsError::new(directory, "open", source))?;
    clear(&opened).map_err(error("remove an extended attribute"))?;
    // Owner before mode, because a change of owner may clear bits of the mode.
    fchown(&opened, Some(Uid::from_raw(entry.uid)), Some(Gid::from_raw(entry.gid))).map_err(error("set the owner"))?;
    fchmod(&opened, Mode::from_raw_mode(entry.mode)).map_err(error("set the mode"))?;
    for (name, value) in &entry.xattrs {
        fsetxattr(&opened, &name[..], value, XattrFlags::empty()).map_err(error("set an extended attribute"))?;
    }
    futimens(&opened, &whole_seconds(entry.mtime)).map_err(error("set the time"))
}
