//! Deciding what stays, and making the names in the directory match it.

use std::collections::{HashMap, HashSet};

use rustix::fs::{AtFlags, FileType, Mode, mknodat, unlinkat};
use sinter_graph::path::TreePath;
use sinter_graph::tree::{Entry, Kind};

use super::walk::{Found, What};
use super::{Below, CaptureError, CapturePolicy, Upper, content};
use crate::tree_io::os_path;

/// Drops what is equal to what lies below, writes explicit whiteouts, and gives the entries that stay, sorted by path.
/// The contents and attributes of files are still to be learned: only files that may be equal were read.
pub(super) fn settle(
    upper: &Upper<'_>,
    below: &dyn Below,
    policy: &CapturePolicy<'_>,
    found: Vec<Found>,
) -> Result<Vec<Entry>, CaptureError> {
    let links = links_among(&found);
    let stays = vec![false; found.len()];
    let (equal_links, needed, hidden) = (HashMap::new(), HashSet::new(), Vec::new());
    let mut difference = Difference { upper, below, policy, found, links, stays, equal_links, needed, hidden };
    difference.expand_opaque()?;
    // From the leaves upwards, so that a directory is asked last.
    for index in (0..difference.found.len()).rev() {
        difference.decide(index)?;
    }
    Ok(difference.into_entries())
}

/// The places of all names of each file with several, in byte order. Links, pipes and devices with several names are as many
/// entries: they have no content to share, and no layer can hold a name of one.
type Links = HashMap<(u64, u64), Vec<usize>>;

fn links_among(found: &[Found]) -> Links {
    let mut links = Links::new();
    let has_several = |found: &Found| found.has_other_names && matches!(found.what, What::File);
    for (index, entry) in found.iter().enumerate().filter(|(_, entry)| has_several(entry)) {
        links.entry(entry.identity).or_default().push(index);
    }
    links.retain(|_, names| names.len() > 1);
    links
}

struct Difference<'a> {
    upper: &'a Upper<'a>,
    below: &'a dyn Below,
    policy: &'a CapturePolicy<'a>,
    found: Vec<Found>,
    links: Links,
    /// What was decided, by place.
    stays: Vec<bool>,
    /// Whether all names of a file are equal to what lies below.
    equal_links: HashMap<(u64, u64), bool>,
    /// Directories in which something stays.
    needed: HashSet<TreePath>,
    /// Whiteouts for what opaque directories hid.
    hidden: Vec<Entry>,
}

impl Difference<'_> {
    /// Writes whiteouts for what an opaque directory hides and does not replace.
    fn expand_opaque(&mut self) -> Result<(), CaptureError> {
        let is_opaque = |found: &&Found| matches!(found.what, What::Directory { opaque: true });
        for directory in self.found.iter().filter(is_opaque) {
            for hidden in self.below.children(&directory.entry.path) {
                let path = &hidden.entry.path;
                let replaced = self.found.binary_search_by(|found| found.entry.path.cmp(path)).is_ok();
                let mounted = self.policy.mount_points.contains(path);
                if !replaced && !mounted && !hidden.is_declared && self.policy.admits(path) {
                    self.write_whiteout(path)?;
                    self.needed.extend(path.parent());
                    self.hidden.push(whiteout(path.clone()));
                }
            }
        }
        Ok(())
    }

    fn decide(&mut self, index: usize) -> Result<(), CaptureError> {
        let stays = match self.found[index].what {
            What::Directory { .. } => self.directory_stays(&self.found[index].entry),
            What::File | What::Special => self.named_stays(index)?,
            What::Whiteout => self.is_of_tree(&self.found[index].entry.path),
            What::Gone => return self.decide_gone(index),
        };
        if stays {
            self.keep(index);
            return Ok(());
        }
        let Found { entry, what, .. } = &self.found[index];
        match what {
            What::Directory { .. } if entry.path.is_root() => Ok(()),
            What::Directory { .. } => self.remove(&entry.path, AtFlags::REMOVEDIR),
            _ => self.remove(&entry.path, AtFlags::empty()),
        }
    }

    fn decide_gone(&mut self, index: usize) -> Result<(), CaptureError> {
        let path = &self.found[index].entry.path;
        self.remove(path, AtFlags::empty())?;
        if self.is_of_tree(path) {
            self.write_whiteout(path)?;
            self.keep(index);
        }
        Ok(())
    }

    fn directory_stays(&self, entry: &Entry) -> bool {
        let admitted = self.policy.admits(&entry.path);
        if entry.path.is_root() {
            // It stays only if its metadata changed: no layer needs it as a parent.
            return admitted && !self.is_unchanged_root(entry);
        }
        (admitted && !self.is_equal_below(entry)) || self.needed.contains(&entry.path)
    }

    fn is_unchanged_root(&self, entry: &Entry) -> bool {
        match self.below.get(&entry.path) {
            Some(below) => below.entry.same_but_time(entry),
            None => Entry::directory(TreePath::root()).same_but_time(entry),
        }
    }

    fn named_stays(&mut self, index: usize) -> Result<bool, CaptureError> {
        let identity = self.found[index].identity;
        let Some(names) = self.links.get(&identity) else { return Ok(!self.are_equal_below(&[index])?) };
        let first = names[0];
        let equal = match self.equal_links.get(&identity) {
            Some(equal) => *equal,
            None => self.are_equal_below(names)?,
        };
        self.equal_links.insert(identity, equal);
        if first != index {
            self.found[index].entry.kind = Kind::HardLink { to: self.found[first].entry.path.clone() };
        }
        Ok(!equal)
    }

    /// Whether all these names of one file are equal to what lies below. The file is read only if nothing else says no.
    fn are_equal_below(&self, names: &[usize]) -> Result<bool, CaptureError> {
        let may_be_equal = |index: &usize| self.may_be_equal_below(&self.found[*index].entry);
        if !names.iter().all(may_be_equal) {
            return Ok(false);
        }
        let Found { entry, what, .. } = &self.found[names[0]];
        let entry = if matches!(what, What::File) { content::read(self.upper, entry)? } else { entry.clone() };
        let is_equal = |index: &usize| {
            self.is_equal_below(&Entry { path: self.found[*index].entry.path.clone(), ..entry.clone() })
        };
        Ok(names.iter().all(is_equal))
    }

    /// Whether what lies below is equal in all that is known without opening a file.
    fn may_be_equal_below(&self, entry: &Entry) -> bool {
        let Some(below) = self.carrier_below(&entry.path) else { return false };
        let same_size = match (&below.kind, &entry.kind) {
            (Kind::File { size, .. }, Kind::File { size: found, .. }) => size == found,
            (below, found) => below == found,
        };
        same_size && below.mode == entry.mode && below.uid == entry.uid && below.gid == entry.gid
    }

    fn is_equal_below(&self, entry: &Entry) -> bool {
        self.carrier_below(&entry.path).is_some_and(|below| below.same_but_time(entry))
    }

    /// What lies below at this path; for a hard link the file it is a name of.
    fn carrier_below(&self, path: &TreePath) -> Option<&Entry> {
        let below = self.below.get(path)?;
        match &below.entry.kind {
            Kind::HardLink { to } => self.below.get(to).map(|carrier| carrier.entry),
            _ => Some(below.entry),
        }
    }

    fn is_of_tree(&self, path: &TreePath) -> bool {
        self.below.get(path).is_some_and(|below| !below.is_declared)
    }

    fn keep(&mut self, index: usize) {
        self.stays[index] = true;
        let parent = self.found[index].entry.path.parent();
        if let Some(parent) = parent.filter(|parent| !self.needed.contains(parent)) {
            self.needed.insert(parent);
        }
    }

    fn into_entries(self) -> Vec<Entry> {
        let mut entries = self.found;
        let mut stays = self.stays.into_iter();
        entries.retain(|_| stays.next().unwrap_or(false));
        let mut entries: Vec<Entry> = entries.into_iter().map(Found::into_entry).collect();
        if !self.hidden.is_empty() {
            entries.extend(self.hidden);
            entries.sort_unstable_by(|a, b| a.path.cmp(&b.path));
        }
        entries
    }

    fn remove(&self, path: &TreePath, flags: AtFlags) -> Result<(), CaptureError> {
        unlinkat(&self.upper.root, os_path(path), flags).map_err(|error| self.upper.error(path, "remove", error))
    }

    fn write_whiteout(&self, path: &TreePath) -> Result<(), CaptureError> {
        mknodat(&self.upper.root, os_path(path), FileType::CharacterDevice, Mode::empty(), 0)
            .map_err(|error| self.upper.error(path, "mark as deleted", error))
    }
}

impl Found {
    fn into_entry(self) -> Entry {
        match self.what {
            What::Whiteout | What::Gone => whiteout(self.entry.path),
            What::Directory { .. } | What::File | What::Special => self.entry,
        }
    }
}

/// A deletion has no metadata.
fn whiteout(path: TreePath) -> Entry {
    Entry { mtime: 0, ..Entry::new(path, Kind::Whiteout, 0) }
}
