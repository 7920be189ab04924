//! Deciding what stays, and making the directory match it.

use std::collections::{BTreeMap, HashMap, HashSet};

use rustix::fs::{AtFlags, FileType, Mode, mknodat, unlinkat, utimensat};
use sinter_graph::EPOCH;
use sinter_graph::path::TreePath;
use sinter_graph::tree::{Entry, Kind, Manifest};

use super::content::Contents;
use super::walk::{Found, What};
use super::{Below, CaptureError, CapturePolicy, Upper};
use crate::tree_io::{os_path, whole_seconds};

/// Drops what is equal to what lies below, writes explicit whiteouts, sets all times, and gives the manifest.
pub(super) fn settle(
    upper: &Upper<'_>,
    below: &dyn Below,
    policy: &CapturePolicy<'_>,
    found: Vec<Found>,
    contents: Contents,
) -> Result<Manifest, CaptureError> {
    let links = Links::among(&found);
    let mut difference = Difference {
        upper,
        below,
        policy,
        contents,
        links,
        equal_links: HashMap::new(),
        needed: HashSet::new(),
        kept: BTreeMap::new(),
    };
    difference.expand_opaque(&found)?;
    // From the leaves upwards, so that a directory is asked last.
    for entry in found.iter().rev() {
        difference.decide(entry)?;
    }
    difference.set_times()?;
    Ok(Manifest::new(difference.kept.into_values()))
}

/// Files with several names.
struct Links {
    /// All names of each, in byte order.
    names: HashMap<(u64, u64), Vec<TreePath>>,
}

impl Links {
    fn among(found: &[Found]) -> Self {
        let mut names: HashMap<(u64, u64), Vec<TreePath>> = HashMap::new();
        for entry in found.iter().filter(|entry| entry.has_other_names && !matches!(entry.what, What::Directory { .. }))
        {
            names.entry(entry.identity).or_default().push(entry.path.clone());
        }
        names.retain(|_, names| names.len() > 1);
        Self { names }
    }
}

struct Difference<'a> {
    upper: &'a Upper<'a>,
    below: &'a dyn Below,
    policy: &'a CapturePolicy<'a>,
    contents: Contents,
    links: Links,
    /// Whether all names of a file are equal to what lies below.
    equal_links: HashMap<(u64, u64), bool>,
    /// Directories in which something stays.
    needed: HashSet<TreePath>,
    kept: BTreeMap<TreePath, Entry>,
}

impl Difference<'_> {
    /// Writes whiteouts for what an opaque directory hides and does not replace.
    fn expand_opaque(&mut self, found: &[Found]) -> Result<(), CaptureError> {
        let below = self.below;
        for directory in found.iter().filter(|entry| matches!(entry.what, What::Directory { opaque: true, .. })) {
            for hidden in below.children(&directory.path) {
                let path = &hidden.entry.path;
                let replaced = found.binary_search_by(|entry| entry.path.cmp(path)).is_ok();
                let mounted = self.policy.mount_points.contains(path);
                if !replaced && !mounted && !hidden.is_declared && self.policy.admits(path) {
                    self.write_whiteout(path)?;
                    self.keep(whiteout(path.clone()));
                }
            }
        }
        Ok(())
    }

    fn decide(&mut self, found: &Found) -> Result<(), CaptureError> {
        let below = self.below;
        match &found.what {
            What::Directory { xattrs, .. } => {
                let entry = Entry { xattrs: xattrs.clone(), ..found.entry(Kind::Directory) };
                self.decide_directory(entry)
            }
            What::File => self.decide_file(found),
            What::Special(kind) => self.decide_special(found, kind),
            What::Whiteout if self.is_of_tree(&found.path) => {
                self.keep(whiteout(found.path.clone()));
                Ok(())
            }
            What::Whiteout => self.remove(&found.path, AtFlags::empty()),
            What::Gone => {
                self.remove(&found.path, AtFlags::empty())?;
                if below.get(&found.path).is_some_and(|entry| !entry.is_declared) {
                    self.write_whiteout(&found.path)?;
                    self.keep(whiteout(found.path.clone()));
                }
                Ok(())
            }
        }
    }

    fn decide_directory(&mut self, entry: Entry) -> Result<(), CaptureError> {
        if entry.path.is_root() {
            if self.policy.admits(&entry.path) && !self.is_unchanged_root(&entry) {
                self.keep(entry);
            }
            return Ok(());
        }
        let wanted = self.policy.admits(&entry.path) && !self.is_equal_below(&entry);
        if wanted || self.needed.contains(&entry.path) {
            self.keep(entry);
            return Ok(());
        }
        self.remove(&entry.path, AtFlags::REMOVEDIR)
    }

    /// The root stays only if its metadata changed: no layer needs it as a parent.
    fn is_unchanged_root(&self, entry: &Entry) -> bool {
        match self.below.get(&entry.path) {
            Some(below) => below.entry.same_but_time(entry),
            None => Entry::directory(TreePath::root()).same_but_time(entry),
        }
    }

    fn decide_file(&mut self, found: &Found) -> Result<(), CaptureError> {
        let content = self.contents.get(&found.identity).expect("every file among the entries was read");
        let (size, content, xattrs) = (content.size, content.hash, content.xattrs.clone());
        self.decide_named(found, Entry { xattrs, ..found.entry(Kind::File { size, content }) })
    }

    fn decide_special(&mut self, found: &Found, kind: &Kind) -> Result<(), CaptureError> {
        let entry = found.entry(kind.clone());
        self.keep_unless(self.is_equal_below(&entry), entry)
    }

    fn decide_named(&mut self, found: &Found, entry: Entry) -> Result<(), CaptureError> {
        let Some(names) = self.links.names.get(&found.identity) else {
            return self.keep_unless(self.is_equal_below(&entry), entry);
        };
        let first = names[0].clone();
        let equal = match self.equal_links.get(&found.identity) {
            Some(equal) => *equal,
            None => names.iter().all(|name| self.is_equal_below(&Entry { path: name.clone(), ..entry.clone() })),
        };
        self.equal_links.insert(found.identity, equal);
        let kind = if first == found.path { entry.kind.clone() } else { Kind::HardLink { to: first } };
        self.keep_unless(equal, Entry { kind, ..entry })
    }

    fn keep_unless(&mut self, equal: bool, entry: Entry) -> Result<(), CaptureError> {
        if equal {
            return self.remove(&entry.path, AtFlags::empty());
        }
        self.keep(entry);
        Ok(())
    }

    fn is_equal_below(&self, entry: &Entry) -> bool {
        let Some(below) = self.below.get(&entry.path) else { return false };
        match &below.entry.kind {
            Kind::HardLink { to } => self.below.get(to).is_some_and(|carrier| carrier.entry.same_but_time(entry)),
            _ => below.entry.same_but_time(entry),
        }
    }

    fn is_of_tree(&self, path: &TreePath) -> bool {
        self.below.get(path).is_some_and(|below| !below.is_declared)
    }

    fn keep(&mut self, entry: Entry) {
        self.needed.extend(entry.path.parent());
        self.kept.insert(entry.path.clone(), entry);
    }

    fn remove(&self, path: &TreePath, flags: AtFlags) -> Result<(), CaptureError> {
        unlinkat(&self.upper.root, os_path(path), flags).map_err(|error| self.upper.error(path, "remove", error))
    }

    fn write_whiteout(&self, path: &TreePath) -> Result<(), CaptureError> {
        mknodat(&self.upper.root, os_path(path), FileType::CharacterDevice, Mode::empty(), 0)
            .map_err(|error| self.upper.error(path, "mark as deleted", error))
    }

    /// Times of what is no file, last of all and from the leaves upwards: every change above touches the directory it
    /// happens in.
    fn set_times(&self) -> Result<(), CaptureError> {
        let times = whole_seconds(EPOCH);
        let root = TreePath::root();
        let root = (!self.kept.contains_key(&root)).then_some(&root);
        let is_timed = |entry: &Entry| matches!(entry.kind, Kind::File { .. } | Kind::HardLink { .. } | Kind::Whiteout);
        let untimed = self.kept.iter().rev().filter(|(_, entry)| !is_timed(entry)).map(|(path, _)| path);
        for path in untimed.chain(root) {
            utimensat(&self.upper.root, os_path(path), &times, AtFlags::SYMLINK_NOFOLLOW)
                .map_err(|error| self.upper.error(path, "set the time", error))?;
        }
        Ok(())
    }
}

impl Found {
    fn entry(&self, kind: Kind) -> Entry {
        let (mode, uid, gid) = (self.mode, self.uid, self.gid);
        Entry { uid, gid, ..Entry::new(self.path.clone(), kind, mode) }
    }
}

/// A deletion has no metadata.
fn whiteout(path: TreePath) -> Entry {
    Entry { mtime: 0, ..Entry::new(path, Kind::Whiteout, 0) }
}
