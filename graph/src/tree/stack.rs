//! What a stack of layers shows.
//!
//! Rules: the topmost entry of a path counts; a directory over a directory replaces its metadata and keeps what is
//! below; anything else replaces the path and all below; a whiteout deletes both. Links are followed as the kernel
//! would after `chroot`: never out of the tree, at most [`MAX_LINKS`] of them.

pub use super::runs::Iter;
use super::runs::Runs;
use super::{Entry, Kind, LayerIndex, Manifest, Shown};
use crate::path::TreePath;

/// How many symbolic links one look-up follows (Linux: `MAXSYMLINKS`).
const MAX_LINKS: usize = 40;

/// What a stack of layers shows: at most one entry per path, in order of the path bytes. Cheap to copy, and a tree made
/// by [`Tree::with`] shares with the one it was made from what is the same in both.
#[derive(Debug, Clone, Default)]
pub struct Tree {
    shown: Runs,
}

impl Tree {
    /// The empty tree.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// What these layers show, the bottom one first. The indices are handed back in [`Shown::layer`].
    #[must_use]
    pub fn stack<'a>(layers: impl IntoIterator<Item = (LayerIndex, &'a Manifest)>) -> Self {
        layers.into_iter().fold(Self::new(), |below, (layer, manifest)| below.extended(layer, manifest))
    }

    /// What this tree shows with one more layer on top.
    #[must_use]
    pub fn with(&self, layer: LayerIndex, manifest: &Manifest) -> Self {
        self.clone().extended(layer, manifest)
    }

    /// [`Tree::with`] for a tree that nobody needs as it was: what it shares with no other is changed in place.
    #[must_use]
    pub fn extended(mut self, layer: LayerIndex, manifest: &Manifest) -> Self {
        if self.is_empty() {
            let shown = manifest.entries().iter().filter_map(|entry| show(layer, manifest, entry));
            return Self { shown: Runs::of(shown) };
        }
        manifest.entries().iter().for_each(|entry| self.put(layer, manifest, entry));
        self
    }

    /// The paths at which this tree shows something else than another one, in order, with what it shows. Costs what the
    /// two do not share.
    #[must_use]
    pub fn changes_since<'a>(&'a self, older: &'a Self) -> Vec<(&'a TreePath, Option<&'a Shown>)> {
        self.shown.changes_since(&older.shown)
    }

    /// What one layer alone shows.
    #[must_use]
    pub fn single(manifest: &Manifest) -> Self {
        Self::stack([(LayerIndex(0), manifest)])
    }

    /// All paths, in order.
    pub fn iter(&self) -> Iter<'_> {
        self.shown.iter()
    }

    /// How many paths there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.shown.len()
    }

    /// Whether nothing is there.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.shown.is_empty()
    }

    /// What is at exactly this path; links are not followed.
    #[must_use]
    pub fn get(&self, path: &TreePath) -> Option<&Shown> {
        self.shown.get(path)
    }

    /// Everything below this path, at any depth, without the path itself.
    pub fn below(&self, directory: &TreePath) -> impl Iterator<Item = &Shown> + use<'_> {
        let behind = path_behind(directory);
        self.first_below(directory).take_while(move |shown| behind.as_ref().is_none_or(|path| shown.entry.path < *path))
    }

    /// What stands directly in this directory, in order of the names.
    pub fn children(&self, directory: &TreePath) -> impl Iterator<Item = &Shown> + use<'_> {
        let (depth, behind) = (directory.components().count() + 1, path_behind(directory));
        let mut rest = self.first_below(directory);
        std::iter::from_fn(move || {
            loop {
                let shown = rest.next().filter(|shown| behind.as_ref().is_none_or(|path| shown.entry.path < *path))?;
                match ancestor_at(&shown.entry.path, depth) {
                    None => return Some(shown),
                    Some(child) => rest = self.shown.from(&subtree_bounds(&child).1),
                }
            }
        })
    }

    fn first_below(&self, directory: &TreePath) -> Iter<'_> {
        if !directory.is_root() {
            return self.shown.from(&subtree_bounds(directory).0);
        }
        let mut all = self.iter();
        if self.get(directory).is_some() {
            all.next();
        }
        all
    }

    /// The newest modification time, in seconds since 1970; `None` in an empty tree.
    #[must_use]
    pub fn newest_mtime(&self) -> Option<i64> {
        self.shown.newest()
    }

    /// The entry a path leads to when all links on the way, the last one too, are followed inside the tree; `None` if
    /// there is nothing, or a loop. The root is there even if no layer has an entry for it.
    #[must_use]
    pub fn resolve(&self, path: &TreePath) -> Option<TreePath> {
        let walk = Walk::of(self, path.as_bytes(), Missing::Fail)?;
        Some(walk.here)
    }

    /// Where an entry named `path` comes to stand when it is written: links to directories on the way are followed,
    /// the last component is not, and what does not exist yet is taken as it is written. `None` if the links loop.
    #[must_use]
    pub fn resolve_parent(&self, path: &TreePath) -> Option<TreePath> {
        let (Some(parent), Some(name)) = (path.parent(), path.name()) else {
            return Some(TreePath::root());
        };
        child(&self.resolve_directory(&parent)?, name)
    }

    /// Where a directory comes to stand when it is made with all its parents: links to directories on the way and at
    /// the end are followed, and what does not exist yet is taken as it is written. `None` if the links loop.
    #[must_use]
    pub fn resolve_directory(&self, path: &TreePath) -> Option<TreePath> {
        Walk::of(self, path.as_bytes(), Missing::Keep).map(|walk| walk.here)
    }

    /// Whether there is a directory at exactly this path. The root always is one.
    #[must_use]
    pub fn is_directory(&self, path: &TreePath) -> bool {
        path.is_root() || self.get(path).is_some_and(|shown| shown.entry.kind == Kind::Directory)
    }

    fn put(&mut self, layer: LayerIndex, manifest: &Manifest, entry: &Entry) {
        if entry.kind != Kind::Directory && self.is_directory(&entry.path) {
            self.remove_below(&entry.path);
        }
        match show(layer, manifest, entry) {
            Some(shown) => self.shown.insert(shown),
            None => self.shown.remove(&entry.path),
        }
    }

    fn remove_below(&mut self, path: &TreePath) {
        if path.is_root() {
            self.shown.clear();
            return;
        }
        let (first, behind) = subtree_bounds(path);
        self.shown.remove_range(&first, &behind);
    }
}

impl PartialEq for Tree {
    fn eq(&self, other: &Self) -> bool {
        self.iter().eq(other.iter())
    }
}

impl Eq for Tree {}

impl<'a> IntoIterator for &'a Tree {
    type Item = &'a Shown;
    type IntoIter = Iter<'a>;

    fn into_iter(self) -> Self::IntoIter {
        self.iter()
    }
}

/// `None` for whiteouts and for links to nothing.
fn show(layer: LayerIndex, manifest: &Manifest, entry: &Entry) -> Option<Shown> {
    match &entry.kind {
        Kind::Whiteout => None,
        Kind::HardLink { to } => {
            let carrier = manifest.get(to).filter(|carrier| matches!(carrier.kind, Kind::File { .. }))?;
            let entry = Entry { path: entry.path.clone(), ..carrier.clone() };
            Some(Shown { entry, layer, link_of: Some(to.clone()) })
        }
        _ => Some(Shown { entry: entry.clone(), layer, link_of: None }),
    }
}

/// The smallest path that can lie below `path`, and a path behind everything below it: no name is smaller than the
/// byte 1, and `0` follows `/`.
fn subtree_bounds(path: &TreePath) -> (TreePath, TreePath) {
    let with = |tail: &[u8]| {
        TreePath::new([path.as_bytes(), tail].concat()).expect("a valid path with a longer last name is valid")
    };
    (with(b"/\x01"), with(b"0"))
}

/// A path behind everything below `directory`; `None` if nothing is behind it.
fn path_behind(directory: &TreePath) -> Option<TreePath> {
    (!directory.is_root()).then(|| subtree_bounds(directory).1)
}

/// The first `depth` components of a longer path.
fn ancestor_at(path: &TreePath, depth: usize) -> Option<TreePath> {
    let mut components = path.components();
    let first: Vec<&[u8]> = components.by_ref().take(depth).collect();
    components.next()?;
    TreePath::new(first.join(&b'/')).ok()
}

fn child(directory: &TreePath, name: &[u8]) -> Option<TreePath> {
    TreePath::new(name).ok().map(|name| directory.join(&name))
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Missing {
    /// What is not there ends the walk without a result.
    Fail,
    /// What is not there, or is no directory although something is wanted below it, counts as a directory to be made.
    Keep,
}

/// A walk through a tree, component by component.
struct Walk {
    here: TreePath,
    /// Components still to be walked, the next one last.
    pending: Vec<Box<[u8]>>,
    links: usize,
}

impl Walk {
    fn of(tree: &Tree, path: &[u8], missing: Missing) -> Option<Self> {
        let mut walk = Self { here: TreePath::root(), pending: Vec::new(), links: 0 };
        walk.push(path);
        while let Some(component) = walk.pending.pop() {
            walk.step(tree, &component, missing)?;
        }
        Some(walk)
    }

    fn push(&mut self, path: &[u8]) {
        self.pending.extend(path.split(|&byte| byte == b'/').rev().map(Box::from));
    }

    fn step(&mut self, tree: &Tree, component: &[u8], missing: Missing) -> Option<()> {
        if missing == Missing::Fail && !tree.is_directory(&self.here) {
            return None;
        }
        match component {
            b"" | b"." => {}
            b".." => self.here = self.here.parent().unwrap_or_else(TreePath::root),
            name => {
                let next = child(&self.here, name)?;
                self.enter(tree, next, missing)?;
            }
        }
        Some(())
    }

    fn enter(&mut self, tree: &Tree, next: TreePath, missing: Missing) -> Option<()> {
        match tree.get(&next).map(|shown| &shown.entry.kind) {
            Some(Kind::Symlink { target }) => {
                self.links += 1;
                if self.links > MAX_LINKS {
                    return None;
                }
                if target.starts_with(b"/") {
                    self.here = TreePath::root();
                }
                self.push(target);
            }
            None if missing == Missing::Fail => return None,
            _ => self.here = next,
        }
        Some(())
    }
}
