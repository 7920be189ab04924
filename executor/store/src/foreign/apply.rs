//! The changes of a foreign layer, applied to the tree below one after the other, as data.
//!
//! Rules: a later entry of a name replaces an earlier one; a deletion takes away what lower layers have and never what this
//! layer has brought, wherever it stands in the archive. What comes out is the difference to the tree below: names of one
//! file stay together, and a link to a file of a lower layer brings that file into this one.

use std::collections::{BTreeMap, BTreeSet};

use sinter_graph::digest::ContentHash;
use sinter_graph::path::TreePath;
use sinter_graph::tree::{Entry, Kind, LayerIndex, Manifest, Shown, Tree};

use super::name::child;

/// As many links as one name may lead through.
const MOST_LINKS: usize = 255;

/// Where the content of a file is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Source {
    /// In the staged file of this number.
    Staged(usize),
    /// In a layer below, under the path that carries it there.
    Lower {
        /// Which layer.
        layer: LayerIndex,
        /// The path.
        carrier: TreePath,
    },
}

/// A file that may have several names.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Body {
    pub(super) source: Source,
    pub(super) size: u64,
    pub(super) hash: ContentHash,
}

/// What this layer has at a path.
#[derive(Debug)]
struct Node {
    entry: Entry,
    /// The number of its body, if it is a file.
    body: Option<usize>,
}

/// Names by the layer and the path that carry their file.
type LinksBelow = BTreeMap<(LayerIndex, TreePath), Vec<TreePath>>;

/// A tree and the changes made to it so far.
pub(super) struct Applied<'a> {
    below: &'a Tree,
    /// The further names of the files of that tree that have several; only known once one was asked for.
    links_below: Option<LinksBelow>,
    upper: BTreeMap<TreePath, Node>,
    /// What of the tree below does not show any more, with all below it.
    hidden: BTreeSet<TreePath>,
    /// What this layer has touched, and the directories on the way to it.
    touched: BTreeSet<TreePath>,
    /// Files of the tree below that are in this layer only because another name of them is.
    brought: BTreeSet<TreePath>,
    bodies: Vec<Body>,
    /// How many names each body has in this layer.
    names: Vec<usize>,
    /// Staged files that lost their last name.
    unwanted: Vec<usize>,
}

fn links_of(tree: &Tree) -> LinksBelow {
    let mut links = LinksBelow::new();
    for shown in tree.iter() {
        if let Some(carrier) = &shown.link_of {
            links.entry((shown.layer, carrier.clone())).or_default().push(shown.entry.path.clone());
        }
    }
    links
}

/// Why a change cannot be made.
pub(super) type Reason = String;

/// Why a way leads nowhere.
pub(super) enum Astray {
    /// Its links lead in a circle.
    Circle,
    /// A part of it is something else than a directory.
    NoDirectory(TreePath),
    /// A part of it is no name.
    Name(&'static str),
}

impl From<Astray> for Reason {
    fn from(astray: Astray) -> Self {
        match astray {
            Astray::Circle => "lies behind links that lead in a circle".to_owned(),
            Astray::NoDirectory(path) => format!("lies below `{path}`, which is no directory"),
            Astray::Name(reason) => reason.to_owned(),
        }
    }
}

impl<'a> Applied<'a> {
    pub(super) const fn on(below: &'a Tree) -> Self {
        Self {
            below,
            links_below: None,
            upper: BTreeMap::new(),
            hidden: BTreeSet::new(),
            touched: BTreeSet::new(),
            brought: BTreeSet::new(),
            bodies: Vec::new(),
            names: Vec::new(),
            unwanted: Vec::new(),
        }
    }

    /// Where a directory is, when links are followed; it need not be there.
    pub(super) fn directory(&self, way: &[Vec<u8>]) -> Result<TreePath, Astray> {
        let mut here = TreePath::root();
        let mut pending: Vec<Vec<u8>> = way.iter().rev().cloned().collect();
        let mut links = 0;
        while let Some(name) = pending.pop() {
            if name == b".." {
                here = here.parent().unwrap_or_else(TreePath::root);
                continue;
            }
            let next = child(&here, &name).map_err(Astray::Name)?;
            match self.get(&next).map(|entry| &entry.kind) {
                Some(Kind::Symlink { target }) => {
                    links += 1;
                    if links > MOST_LINKS {
                        return Err(Astray::Circle);
                    }
                    if target.starts_with(b"/") {
                        here = TreePath::root();
                    }
                    let parts = target.split(|&byte| byte == b'/').filter(|part| !matches!(*part, b"" | b"."));
                    let parts: Vec<Vec<u8>> = parts.map(<[u8]>::to_vec).collect();
                    pending.extend(parts.into_iter().rev());
                }
                Some(Kind::Directory) | None => here = next,
                Some(_) => return Err(Astray::NoDirectory(next)),
            }
        }
        Ok(here)
    }

    /// What is at a path now.
    fn get(&self, path: &TreePath) -> Option<&Entry> {
        self.upper.get(path).map(|node| &node.entry).or_else(|| Some(&self.lower(path)?.entry))
    }

    fn is_directory(&self, path: &TreePath) -> bool {
        path.is_root() || self.get(path).is_some_and(|entry| entry.kind == Kind::Directory)
    }

    /// What of the tree below still shows at a path.
    fn lower(&self, path: &TreePath) -> Option<&'a Shown> {
        let found = self.below.get(path)?;
        let is_hidden = !self.hidden.is_empty()
            && (self.hidden.contains(path) || path.ancestors().any(|ancestor| self.hidden.contains(&ancestor)));
        (!is_hidden).then_some(found)
    }

    /// Puts an entry that is no file to its path.
    pub(super) fn put(&mut self, entry: Entry) -> Result<(), Reason> {
        self.place(entry, None)
    }

    /// Puts a file to its path.
    pub(super) fn put_file(&mut self, entry: Entry, body: Body) -> Result<(), Reason> {
        let body = self.add_body(body);
        self.place(entry, Some(body))
    }

    fn add_body(&mut self, body: Body) -> usize {
        self.bodies.push(body);
        self.names.push(0);
        self.bodies.len() - 1
    }

    /// The staged files that nothing shows any more, each once.
    pub(super) fn take_unwanted(&mut self) -> Vec<usize> {
        std::mem::take(&mut self.unwanted)
    }

    fn set(&mut self, path: TreePath, node: Node) {
        if let Some(body) = node.body {
            self.names[body] += 1;
        }
        let replaced = self.upper.insert(path, node);
        self.part(replaced.and_then(|node| node.body));
    }

    fn unset(&mut self, path: &TreePath) {
        let removed = self.upper.remove(path);
        self.part(removed.and_then(|node| node.body));
    }

    /// Takes a name away from a body.
    fn part(&mut self, body: Option<usize>) {
        let Some(body) = body else { return };
        self.names[body] -= 1;
        if let (0, Source::Staged(number)) = (self.names[body], &self.bodies[body].source) {
            self.unwanted.push(*number);
        }
    }

    /// Gives what is at `target` another name.
    pub(super) fn link(&mut self, path: TreePath, target: &TreePath) -> Result<(), Reason> {
        if path == *target {
            return Err("is a hard link to itself".to_owned());
        }
        let node = self.upper.get(target).map(|node| (node.entry.clone(), node.body));
        let (entry, body) = match node {
            Some((entry, Some(body))) => (entry, Some(body)),
            Some((entry, None)) => (entry, None),
            None => self.brought_up(target).ok_or_else(|| format!("is a link to `{target}`, which is not there"))?,
        };
        if entry.kind == Kind::Directory {
            return Err(format!("is a hard link to `{target}`, which is a directory"));
        }
        self.place(Entry { path, ..entry }, body)
    }

    /// Takes a file of the tree below into this layer, with all its names, so that it can get another one here.
    fn brought_up(&mut self, target: &TreePath) -> Option<(Entry, Option<usize>)> {
        let shown = self.lower(target)?;
        let entry = shown.entry.clone();
        let Kind::File { size, content } = entry.kind else { return Some((entry, None)) };
        let carrier = shown.link_of.clone().unwrap_or_else(|| entry.path.clone());
        let names = self.names_below(shown.layer, &carrier);
        let body = self.add_body(Body { source: Source::Lower { layer: shown.layer, carrier }, size, hash: content });
        for name in names {
            self.brought.insert(name.clone());
            let entry = Entry { path: name.clone(), ..entry.clone() };
            self.set(name, Node { entry, body: Some(body) });
        }
        Some((entry, Some(body)))
    }

    /// The names under which a file of a layer below still shows, and where this layer has put nothing else.
    fn names_below(&mut self, layer: LayerIndex, carrier: &TreePath) -> Vec<TreePath> {
        let file = (layer, carrier.clone());
        let links = self.links_below.get_or_insert_with(|| links_of(self.below)).get(&file).cloned();
        let shows = |path: &TreePath| {
            !self.upper.contains_key(path)
                && self.lower(path).is_some_and(|shown| {
                    shown.layer == layer && *shown.link_of.as_ref().unwrap_or(&shown.entry.path) == *carrier
                })
        };
        links.unwrap_or_default().into_iter().chain([file.1]).filter(shows).collect()
    }

    /// Deletes what lower layers have at a path.
    pub(super) fn whiteout(&mut self, path: &TreePath) {
        self.purge(path, false);
    }

    /// Deletes what lower layers have in a directory.
    pub(super) fn opaque(&mut self, directory: &TreePath) {
        self.purge(directory, true);
    }

    fn purge(&mut self, path: &TreePath, keep_itself: bool) {
        let mut pending = vec![(path.clone(), keep_itself)];
        while let Some((path, keep)) = pending.pop() {
            if !path.is_root() && self.lower(&path).is_none() {
                continue;
            }
            if keep || path.is_root() || self.touched.contains(&path) {
                pending.extend(self.below.children(&path).map(|shown| (shown.entry.path.clone(), false)));
            } else {
                let gone: Vec<TreePath> = self.brought.extract_if(.., |name| name.starts_with(&path)).collect();
                gone.iter().for_each(|name| self.unset(name));
                self.hidden.insert(path);
            }
        }
    }

    fn place(&mut self, entry: Entry, body: Option<usize>) -> Result<(), Reason> {
        let path = entry.path.clone();
        // What makes place may be the last other name of the same file.
        if let Some(body) = body {
            self.names[body] += 1;
        }
        if path.is_root() && entry.kind != Kind::Directory {
            return Err("would replace the root directory".to_owned());
        }
        self.make_parents(&path)?;
        let joins = entry.kind == Kind::Directory && self.is_directory(&path);
        if !joins {
            if self.lower(&path).is_some() {
                self.hidden.insert(path.clone());
            }
            let below: Vec<TreePath> = self.upper.range(path.clone()..).map(|(path, _)| path.clone()).collect();
            let below = below.into_iter().take_while(|other| other.as_bytes().starts_with(path.as_bytes()));
            for gone in below.filter(|other| other.starts_with(&path)).collect::<Vec<_>>() {
                self.unset(&gone);
            }
        }
        self.touch(&path);
        self.brought.remove(&path);
        self.set(path, Node { entry, body });
        self.part(body);
        Ok(())
    }

    fn touch(&mut self, path: &TreePath) {
        let mut next = Some(path.clone());
        while let Some(path) = next {
            next = path.parent();
            if !self.touched.insert(path) {
                return;
            }
        }
    }

    fn make_parents(&mut self, path: &TreePath) -> Result<(), Reason> {
        let Some(parent) = path.parent().filter(|parent| !parent.is_root()) else { return Ok(()) };
        match self.get(&parent).map(|entry| &entry.kind) {
            Some(Kind::Directory) => Ok(()),
            Some(_) => Err(Astray::NoDirectory(parent).into()),
            None => {
                self.make_parents(&parent)?;
                self.touch(&parent);
                self.set(parent.clone(), Node { entry: Entry::directory(parent), body: None });
                Ok(())
            }
        }
    }

    /// The difference to the tree below, with the body of each file that carries one.
    pub(super) fn finish(self) -> (Manifest, BTreeMap<TreePath, Body>) {
        let mut entries: BTreeMap<TreePath, Entry> = BTreeMap::new();
        let mut carriers: BTreeMap<usize, TreePath> = BTreeMap::new();
        let mut bodies = BTreeMap::new();
        for (path, node) in &self.upper {
            let entry = self.complete(node);
            let is_alone = node.body.is_none_or(|body| self.names[body] == 1);
            if is_alone && self.below.get(path).is_some_and(|shown| shown.entry == entry && shown.link_of.is_none()) {
                continue;
            }
            let entry = match node.body.map(|body| (body, carriers.get(&body))) {
                Some((_, Some(carrier))) => Entry { kind: Kind::HardLink { to: carrier.clone() }, ..entry },
                Some((body, None)) => {
                    carriers.insert(body, path.clone());
                    bodies.insert(path.clone(), self.bodies[body].clone());
                    entry
                }
                None => entry,
            };
            entries.insert(path.clone(), entry);
        }
        for path in self.deletions() {
            entries.insert(path.clone(), Entry { mtime: 0, ..Entry::new(path, Kind::Whiteout, 0) });
        }
        self.add_parents(&mut entries);
        (Manifest::new(entries.into_values()), bodies)
    }

    fn complete(&self, node: &Node) -> Entry {
        let kind = match node.body.map(|body| &self.bodies[body]) {
            Some(Body { size, hash, .. }) => Kind::File { size: *size, content: *hash },
            None => node.entry.kind.clone(),
        };
        Entry { kind, ..node.entry.clone() }
    }

    /// The topmost paths of the tree below that are not there any more, where nothing took their place.
    fn deletions(&self) -> Vec<TreePath> {
        let is_top = |path: &&TreePath| !path.ancestors().any(|ancestor| self.hidden.contains(&ancestor));
        let mut pending: Vec<TreePath> = self.hidden.iter().filter(is_top).cloned().collect();
        let mut deleted = Vec::new();
        while let Some(path) = pending.pop() {
            match (self.upper.get(&path), self.below.get(&path)) {
                (None, Some(_)) => deleted.push(path),
                (Some(node), Some(shown))
                    if node.entry.kind == Kind::Directory && shown.entry.kind == Kind::Directory =>
                {
                    pending.extend(self.below.children(&path).map(|shown| shown.entry.path.clone()));
                }
                _ => {}
            }
        }
        deleted
    }

    /// The directories on the way to what changed, as they are.
    fn add_parents(&self, entries: &mut BTreeMap<TreePath, Entry>) {
        let missing: BTreeSet<TreePath> = entries
            .keys()
            .flat_map(TreePath::ancestors)
            .filter(|path| !path.is_root() && !entries.contains_key(path))
            .collect();
        for path in missing {
            let entry = self.upper.get(&path).map(|node| &node.entry).or_else(|| Some(&self.below.get(&path)?.entry));
            entries.extend(entry.cloned().map(|entry| (path, entry)));
        }
    }
}
