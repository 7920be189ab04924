//! Writes a placement to the disk and describes it as a manifest.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::Write;
use std::os::fd::AsFd;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt};
use std::path::Path;

use rustix::fs::{AtFlags, CWD, Gid, Mode, Timespec, Timestamps, Uid};
use sinter_graph::EPOCH;
use sinter_graph::path::TreePath;
use sinter_graph::tree::{Entry, Kind, Manifest};

use super::super::error::DebianError;
use super::super::placement::{Bytes, Node, Placed, Thing};
use super::io_fault;

/// The one time everything has.
pub(super) const EPOCH_TIMES: Timestamps = Timestamps {
    last_access: Timespec { tv_sec: EPOCH, tv_nsec: 0 },
    last_modification: Timespec { tv_sec: EPOCH, tv_nsec: 0 },
};

/// Gives a fresh file its owner, if it is another than the process's own.
pub(super) fn set_owner(file: impl AsFd, uid: u32, gid: u32) -> std::io::Result<()> {
    if is_own(uid, gid) {
        return Ok(());
    }
    Ok(rustix::fs::fchown(file, Some(Uid::from_raw(uid)), Some(Gid::from_raw(gid)))?)
}

fn is_own(uid: u32, gid: u32) -> bool {
    (uid, gid) == (rustix::process::geteuid().as_raw(), rustix::process::getegid().as_raw())
}

/// Writes all nodes below `into`, files by renaming them from where they are staged.
///
/// # Errors
/// If the disk refuses.
pub(super) fn write(into: &Path, nodes: BTreeMap<TreePath, Node>) -> Result<Manifest, DebianError> {
    let carriers = carriers(&nodes);
    let mut entries = Vec::with_capacity(nodes.len());
    for (path, node) in &nodes {
        let group = match &node.placed.thing {
            Thing::HardLink { to } => to,
            _ => path,
        };
        let carrier = carriers.get(group).copied().unwrap_or(path);
        // The file itself is in the node its package named first, which need not be the first by order.
        let placed = nodes.get(group).map_or(&node.placed, |holder| &holder.placed);
        let target = into.join(path.to_os_path());
        let written = if carrier == path { write_one(&target, placed) } else { link(into, carrier, &target) };
        written.map_err(|source| io_fault("write", &target, source))?;
        entries.push(describe(path, carrier, placed));
    }
    for (path, node) in nodes.iter().rev().filter(|(_, node)| matches!(node.placed.thing, Thing::Directory)) {
        let target = into.join(path.to_os_path());
        finish_directory(&target, &node.placed).map_err(|source| io_fault("write", &target, source))?;
    }
    Ok(Manifest::new(entries))
}

/// Gives the top directory its mode and time, after the last change in it.
pub(super) fn settle_root(into: &Path) -> Result<(), DebianError> {
    let root = Placed { path: TreePath::root(), thing: Thing::Directory, mode: 0o755, uid: 0, gid: 0 };
    finish_directory(into, &root).map_err(|source| io_fault("write", into, source))
}

/// For each file with several names, the first of them in byte order: it carries the file.
fn carriers(nodes: &BTreeMap<TreePath, Node>) -> BTreeMap<&TreePath, &TreePath> {
    let mut carriers: BTreeMap<&TreePath, &TreePath> = BTreeMap::new();
    for (path, node) in nodes {
        if let Thing::HardLink { to } = &node.placed.thing {
            let first = carriers.entry(to).or_insert(to);
            *first = (*first).min(path);
        }
    }
    carriers
}

fn describe(path: &TreePath, carrier: &TreePath, placed: &Placed) -> Entry {
    let kind = match &placed.thing {
        _ if carrier != path => Kind::HardLink { to: carrier.clone() },
        Thing::Directory => Kind::Directory,
        Thing::File { size, content, .. } => Kind::File { size: *size, content: *content },
        Thing::Symlink { target } => Kind::Symlink { target: target.as_slice().into() },
        Thing::HardLink { to } => Kind::HardLink { to: to.clone() },
        Thing::Fifo => Kind::Fifo,
    };
    Entry { uid: placed.uid, gid: placed.gid, ..Entry::new(path.clone(), kind, placed.mode) }
}

fn write_one(target: &Path, placed: &Placed) -> std::io::Result<()> {
    match &placed.thing {
        // Mode and time follow when everything below is there.
        Thing::Directory => std::fs::create_dir(target),
        Thing::File { bytes: Bytes::Staged(staged), .. } => std::fs::rename(staged, target),
        Thing::File { bytes: Bytes::Memory(bytes), .. } => write_file(target, bytes, placed),
        Thing::Symlink { target: to } => {
            std::os::unix::fs::symlink(std::ffi::OsStr::from_bytes(to), target)?;
            finish_node(target, placed)
        }
        Thing::Fifo => {
            rustix::fs::mkfifoat(CWD, target, Mode::from_raw_mode(0o600))?;
            finish_node(target, placed)?;
            std::fs::set_permissions(target, std::fs::Permissions::from_mode(placed.mode))
        }
        Thing::HardLink { .. } => Ok(()),
    }
}

fn write_file(target: &Path, bytes: &[u8], placed: &Placed) -> std::io::Result<()> {
    let mut file = File::options().write(true).create_new(true).mode(0o600).open(target)?;
    file.write_all(bytes)?;
    set_owner(&file, placed.uid, placed.gid)?;
    file.set_permissions(std::fs::Permissions::from_mode(placed.mode))?;
    Ok(rustix::fs::futimens(&file, &EPOCH_TIMES)?)
}

fn link(into: &Path, carrier: &TreePath, target: &Path) -> std::io::Result<()> {
    std::fs::hard_link(into.join(carrier.to_os_path()), target)
}

fn finish_directory(target: &Path, placed: &Placed) -> std::io::Result<()> {
    let directory = File::open(target)?;
    set_owner(&directory, placed.uid, placed.gid)?;
    directory.set_permissions(std::fs::Permissions::from_mode(placed.mode))?;
    Ok(rustix::fs::futimens(&directory, &EPOCH_TIMES)?)
}

fn finish_node(target: &Path, placed: &Placed) -> std::io::Result<()> {
    if !is_own(placed.uid, placed.gid) {
        let owner = (Some(Uid::from_raw(placed.uid)), Some(Gid::from_raw(placed.gid)));
        rustix::fs::chownat(CWD, target, owner.0, owner.1, AtFlags::SYMLINK_NOFOLLOW)?;
    }
    Ok(rustix::fs::utimensat(CWD, target, &EPOCH_TIMES, AtFlags::SYMLINK_NOFOLLOW)?)
}
