//! Giving selected files their paths, owners and time.
//!
//! Relative paths land in the working directory, absolute ones where they say; links to directories on the way, and
//! where a directory is placed at its end too, are followed in the tree below. A directory that is there already stays
//! as it is; what is missing is made with mode 755. A file hides a file or link that is below it. It never hides a
//! directory, nor a link to one, and nothing is placed below what is no directory: mostly a `/` was forgotten.
//!
//! A file whose owner changes loses its setuid and setgid bits and its capabilities, as chown(2) takes them away: they
//! were meant for the former owner.

use std::collections::BTreeMap;

use sinter_graph::EPOCH;
use sinter_graph::digest::FilesDigest;
use sinter_graph::encode::Encoder;
use sinter_graph::path::TreePath;
use sinter_graph::tree::{Entry, Kind, Manifest, Tree};

use super::links::link;
use super::obstacle::{obstacle, thing};
use super::{Placed, PlacementError, Purpose, Selected, SelectedPath};

/// The number of different times that placed sets have: enough that tools which compare times for equality see a
/// change, too few to be far in the future.
const TIMES: u64 = 4096;

/// What messages call the working directory.
const WORKDIR: &str = "the working directory";

/// Begins the names by which an image layer says that something is deleted.
const RESERVED: &[u8] = b".wh.";

/// Places files on a tree. `owner` is the user and group of the step; images ignore it.
///
/// # Errors
/// If two selections place different things at one path, if links of the tree loop, if something else stands where a
/// directory is needed or the other way round, or if a name is none that a layer can hold.
pub fn place(
    selected: &[Selected],
    workdir: &TreePath,
    onto: &Tree,
    owner: (u32, u32),
    purpose: Purpose,
) -> Result<Placed, PlacementError> {
    let owner = if purpose == Purpose::Step { owner } else { (0, 0) };
    let looped = || PlacementError::LinkLoop { path: workdir.clone(), origin: WORKDIR.to_owned() };
    let workdir = onto.resolve_directory(workdir).ok_or_else(looped)?;
    if is_reserved(&workdir) {
        return Err(PlacementError::Reserved { path: workdir, origin: WORKDIR.to_owned() });
    }
    if purpose == Purpose::Step
        && let Some(obstacle) = obstacle(onto, &workdir, &Kind::Directory)
    {
        return Err(PlacementError::Blocked { path: workdir, placed: WORKDIR.to_owned(), obstacle });
    }
    let mut placement = Placement { onto, owner, workdir, purpose, placed: BTreeMap::new() };
    for item in selected {
        placement.put(item)?;
    }
    placement.finish()
}

struct Placement<'a> {
    onto: &'a Tree,
    owner: (u32, u32),
    workdir: TreePath,
    purpose: Purpose,
    placed: BTreeMap<TreePath, (Entry, &'a Selected)>,
}

impl<'a> Placement<'a> {
    fn put(&mut self, selected: &'a Selected) -> Result<(), PlacementError> {
        let path = self.destination(selected)?;
        if selected.kind == Kind::Directory && self.onto.is_directory(&path) {
            return Ok(());
        }
        if let Some(obstacle) = obstacle(self.onto, &path, &selected.kind) {
            return Err(PlacementError::Blocked { path, placed: thing(selected), obstacle });
        }
        let entry = self.entry(path.clone(), selected);
        if let Some((known, first)) = self.placed.get(&path) {
            if *known != entry {
                return Err(clash(&path, first, selected));
            }
            // Equal things: which one is taken decides what it is linked with, so it must not be the order.
            if (&first.name, &first.source) >= (&selected.name, &selected.source) {
                return Ok(());
            }
        }
        self.placed.insert(path, (entry, selected));
        Ok(())
    }

    fn destination(&self, selected: &Selected) -> Result<TreePath, PlacementError> {
        let path = match &selected.path {
            SelectedPath::Relative(path) => self.workdir.join(path),
            SelectedPath::Absolute(path) => path.clone(),
        };
        let origin = || selected.origin.to_string();
        let resolved = match selected.kind {
            Kind::Directory => self.onto.resolve_directory(&path),
            _ => self.onto.resolve_parent(&path),
        };
        match resolved {
            None => Err(PlacementError::LinkLoop { path, origin: origin() }),
            Some(path) if is_reserved(&path) => Err(PlacementError::Reserved { path, origin: origin() }),
            Some(path) => Ok(path),
        }
    }

    fn entry(&self, path: TreePath, selected: &Selected) -> Entry {
        let (uid, gid) = selected.owner.unwrap_or(self.owner);
        let mut entry = Entry {
            uid,
            gid,
            mtime: 0,
            xattrs: selected.xattrs.clone(),
            ..Entry::new(path, selected.kind.clone(), selected.mode)
        };
        if selected.former_owner.is_some_and(|former| former != (uid, gid)) && entry.kind != Kind::Directory {
            entry.mode &= 0o1777;
            entry.xattrs.retain(|name, _| **name != *b"security.capability");
        }
        entry
    }

    fn finish(mut self) -> Result<Placed, PlacementError> {
        let mut directories: BTreeMap<TreePath, Timed> = BTreeMap::new();
        for (path, (_, selected)) in &self.placed {
            for parent in path.ancestors() {
                if let Some((entry, other)) = self.placed.get(&parent)
                    && entry.kind != Kind::Directory
                {
                    return Err(clash(&parent, other, selected));
                }
                directories.entry(parent.clone()).or_insert_with(|| self.directory(parent));
            }
        }
        if self.purpose == Purpose::Step && !self.onto.is_directory(&self.workdir) {
            self.make_workdir(&mut directories)?;
        }
        link(self.placed.values_mut().map(|(entry, selected)| (entry, selected.name.as_ref())));
        let is_file = |entry: &Entry| matches!(entry.kind, Kind::File { .. });
        let content = self.placed.iter().filter(|(_, (entry, _))| is_file(entry));
        let content = content.map(|(path, (_, selected))| (path.clone(), selected.source.clone())).collect();
        let placed = std::mem::take(&mut self.placed).into_values().map(|(entry, _)| Timed { entry, is_new: true });
        // Of two entries with one path the later one stays: a directory that was selected, not one made as a parent.
        let manifest = with_common_time(directories.into_values().chain(placed).collect(), self.onto);
        Ok(Placed { digest: digest(&manifest), manifest, content })
    }

    /// Makes the working directory, which the tree does not have.
    fn make_workdir(&self, directories: &mut BTreeMap<TreePath, Timed>) -> Result<(), PlacementError> {
        for path in std::iter::once(self.workdir.clone()).chain(self.workdir.ancestors()) {
            if let Some((entry, selected)) = self.placed.get(&path)
                && entry.kind != Kind::Directory
            {
                let obstacle = format!("the working directory is to be `/{}`", self.workdir);
                return Err(PlacementError::Blocked { path, placed: thing(selected), obstacle });
            }
            directories.entry(path.clone()).or_insert_with(|| self.directory(path));
        }
        Ok(())
    }

    /// The directory of the tree below as it is there, or a new one.
    fn directory(&self, path: TreePath) -> Timed {
        if let Some(shown) = self.onto.get(&path).filter(|shown| shown.entry.kind == Kind::Directory) {
            return Timed { entry: shown.entry.clone(), is_new: false };
        }
        let (uid, gid) = if path.starts_with(&self.workdir) { self.owner } else { (0, 0) };
        Timed { entry: Entry { uid, gid, mtime: 0, ..Entry::directory(path) }, is_new: true }
    }
}

/// An entry, and whether it still lacks its time.
struct Timed {
    entry: Entry,
    is_new: bool,
}

fn is_reserved(path: &TreePath) -> bool {
    path.components().any(|name| name.starts_with(RESERVED))
}

fn clash(path: &TreePath, left: &Selected, right: &Selected) -> PlacementError {
    PlacementError::Clash { path: path.clone(), left: left.origin.to_string(), right: right.origin.to_string() }
}

/// Gives what is new one time: later than everything below, and another one for another set.
fn with_common_time(mut entries: Vec<Timed>, onto: &Tree) -> Manifest {
    let timeless = digest(&Manifest::new(entries.iter().map(|timed| timed.entry.clone())));
    let mut first = [0; 8];
    first.copy_from_slice(&timeless.as_bytes()[..8]);
    let newest = onto.newest_mtime().unwrap_or(EPOCH).max(EPOCH);
    let time = newest.saturating_add(1).saturating_add_unsigned(u64::from_le_bytes(first) % TIMES);
    entries.iter_mut().filter(|timed| timed.is_new).for_each(|timed| timed.entry.mtime = time);
    Manifest::new(entries.into_iter().map(|timed| timed.entry))
}

fn digest(manifest: &Manifest) -> FilesDigest {
    let mut encoder = Encoder::new("files");
    encoder.field("manifest").bytes(&manifest.encode());
    FilesDigest::from_bytes(encoder.hash())
}
