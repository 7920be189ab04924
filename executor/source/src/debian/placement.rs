//! Where the files of many packages land: the tree dpkg would have made, in memory.
//!
//! Rules, as dpkg has them: a path below a symlinked directory lands where the link leads (so merged `/usr` works); a
//! directory that is there stays as it is, also when a package brings a symlink for it; a file that two packages bring is
//! an error unless one of them `Replaces` the other. No path leads out of the tree: links are resolved here, never by the
//! kernel.
//! Must not know: compression, how files are written.

use std::collections::BTreeMap;
use std::path::PathBuf;

use sinter_graph::digest::ContentHash;
use sinter_graph::path::TreePath;

/// How many links one path may go through, as in Linux (path_resolution(7)).
const MAX_LINKS: usize = 40;

/// Index of a package, in the order of placement.
pub(super) type Owner = usize;

/// Where the bytes of a file are until it is written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Bytes {
    /// In a file beside the tree, with mode, owner and time already right.
    Staged(PathBuf),
    /// Here.
    Memory(Vec<u8>),
}

/// What is placed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Thing {
    Directory,
    File {
        size: u64,
        content: ContentHash,
        bytes: Bytes,
    },
    Symlink {
        target: Vec<u8>,
    },
    /// Another name of a file the same package brought before.
    HardLink {
        to: TreePath,
    },
    Fifo,
}

/// One entry of a package, as it is written there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Placed {
    pub(super) path: TreePath,
    pub(super) thing: Thing,
    pub(super) mode: u32,
    pub(super) uid: u32,
    pub(super) gid: u32,
}

/// Why an entry cannot be placed.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Misplaced {
    /// Something else brought this path.
    Conflict { path: TreePath, first: Owner },
    /// The entry makes no sense.
    Malformed(String),
}

/// What stands at a path. For a hard link, `Thing::HardLink` holds the resolved path of the file it names.
#[derive(Debug)]
pub(super) struct Node {
    pub(super) placed: Placed,
    pub(super) owner: Owner,
    /// The path as the owner wrote it.
    written: TreePath,
}

/// Whether the first package may take over files of the second.
pub(super) type Replaces<'r> = &'r dyn Fn(Owner, Owner) -> bool;

/// The tree that is being made.
#[derive(Debug, Default)]
pub(super) struct Placement {
    nodes: BTreeMap<TreePath, Node>,
    /// Paths, as their package wrote them, that another package took over.
    pub(super) lost: Vec<(Owner, TreePath)>,
}

impl Placement {
    /// Everything that was placed, by resolved path; parents before children.
    pub(super) fn into_nodes(self) -> BTreeMap<TreePath, Node> {
        self.nodes
    }

    /// Whether anything stands below a directory.
    pub(super) fn has_below(&self, directory: &TreePath) -> bool {
        let after = self.nodes.range(directory.clone()..).nth(1);
        after.is_some_and(|(path, _)| path.starts_with(directory))
    }

    /// Removes a directory or link that nothing depends on.
    pub(super) fn remove(&mut self, path: &TreePath) {
        self.nodes.remove(path);
    }

    /// Places one entry of a package.
    ///
    /// # Errors
    /// If the path is taken by another package, or leads through something that is no directory.
    pub(super) fn place(&mut self, mut placed: Placed, owner: Owner, replaces: Replaces<'_>) -> Result<(), Misplaced> {
        if placed.path.is_root() {
            return match placed.thing {
                Thing::Directory => Ok(()),
                _ => Err(Misplaced::Malformed("it has a file in place of the root directory".to_owned())),
            };
        }
        let written = placed.path.clone();
        let path = self.resolve_parent(&written)?;
        self.add_parents(&path, owner)?;
        if let Thing::HardLink { to } = &placed.thing {
            placed.thing = Thing::HardLink { to: self.link_target(to, owner)? };
        }
        if self.keeps_existing(&path, &placed.thing, owner, replaces)? {
            if !matches!(placed.thing, Thing::Directory) {
                self.lost.extend(self.is_foreign(&path, owner).then_some((owner, written)));
            }
            return Ok(());
        }
        placed.path = path.clone();
        if let Some(old) = self.nodes.insert(path.clone(), Node { placed, owner, written }) {
            self.keep_other_names(&path, old.placed);
        }
        Ok(())
    }

    /// The file at `path` was replaced: its other names keep the old one.
    fn keep_other_names(&mut self, path: &TreePath, old: Placed) {
        if !matches!(old.thing, Thing::File { .. }) {
            return;
        }
        let mut holder: Option<TreePath> = None;
        for (name, node) in &mut self.nodes {
            match &mut node.placed.thing {
                Thing::HardLink { to } if to == path => match &holder {
                    Some(holder) => *to = holder.clone(),
                    None => {
                        holder = Some(name.clone());
                        node.placed = Placed { path: name.clone(), ..old.clone() };
                    }
                },
                _ => {}
            }
        }
    }

    fn is_foreign(&self, path: &TreePath, owner: Owner) -> bool {
        self.nodes.get(path).is_some_and(|node| node.owner != owner && !matches!(node.placed.thing, Thing::Directory))
    }

    /// Whether what stands at `path` stays, rather than the new thing being put there.
    fn keeps_existing(
        &mut self,
        path: &TreePath,
        thing: &Thing,
        owner: Owner,
        replaces: Replaces<'_>,
    ) -> Result<bool, Misplaced> {
        let Some(node) = self.nodes.get(path) else { return Ok(false) };
        let conflict = Misplaced::Conflict { path: path.clone(), first: node.owner };
        match (&node.placed.thing, thing) {
            (Thing::Directory, Thing::Directory | Thing::Symlink { .. }) => Ok(true),
            (Thing::Symlink { .. }, Thing::Directory) if self.leads_to_directory(path) => Ok(true),
            (Thing::Directory, _) | (_, Thing::Directory) => Err(conflict),
            _ if node.owner == owner => Ok(false),
            _ if replaces(owner, node.owner) => {
                self.lost.push((node.owner, node.written.clone()));
                Ok(false)
            }
            _ if replaces(node.owner, owner) => Ok(true),
            (Thing::Symlink { target: old }, Thing::Symlink { target: new }) if old == new => Ok(true),
            _ => Err(conflict),
        }
    }

    fn leads_to_directory(&self, link: &TreePath) -> bool {
        let followed = self.follow(link, true).ok().and_then(|path| self.nodes.get(&path));
        followed.is_some_and(|node| matches!(node.placed.thing, Thing::Directory))
    }

    /// dpkg would refuse a path whose directory was not shipped; some packages leave out `usr/`, so it is added.
    fn add_parents(&mut self, path: &TreePath, owner: Owner) -> Result<(), Misplaced> {
        let mut missing = Vec::new();
        for parent in path.ancestors() {
            match self.nodes.get(&parent) {
                None => missing.push(parent),
                Some(node) if matches!(node.placed.thing, Thing::Directory) => break,
                Some(node) => return Err(Misplaced::Conflict { path: parent, first: node.owner }),
            }
        }
        for parent in missing {
            let thing = Thing::Directory;
            let placed = Placed { path: parent.clone(), thing, mode: 0o755, uid: 0, gid: 0 };
            self.nodes.insert(parent.clone(), Node { placed, owner, written: parent });
        }
        Ok(())
    }

    fn link_target(&self, to: &TreePath, owner: Owner) -> Result<TreePath, Misplaced> {
        let path = self.resolve_parent(to)?;
        match self.nodes.get(&path) {
            Some(Node { placed: Placed { thing: Thing::File { .. }, .. }, owner: other, .. }) if *other == owner => {
                Ok(path)
            }
            Some(Node { placed: Placed { thing: Thing::HardLink { to }, .. }, owner: other, .. })
                if *other == owner =>
            {
                Ok(to.clone())
            }
            _ => Err(Misplaced::Malformed(format!("it has a hard link to {to}, which is no file of it"))),
        }
    }

    /// The path with all links among its directories followed, the last component left as it is.
    fn resolve_parent(&self, path: &TreePath) -> Result<TreePath, Misplaced> {
        self.follow(path, false)
    }

    fn follow(&self, path: &TreePath, last_too: bool) -> Result<TreePath, Misplaced> {
        let mut pending: Vec<Vec<u8>> = path.components().map(<[u8]>::to_vec).collect();
        pending.reverse();
        let mut done = TreePath::root();
        let mut links = 0;
        while let Some(component) = pending.pop() {
            if component == b".." {
                // Above the root is the root.
                done = done.parent().unwrap_or_else(TreePath::root);
                continue;
            }
            let next = done.join(&TreePath::new(&component).map_err(|error| Misplaced::Malformed(error.to_string()))?);
            match self.nodes.get(&next).map(|node| &node.placed.thing) {
                Some(Thing::Symlink { target }) if last_too || !pending.is_empty() => {
                    links += 1;
                    if links > MAX_LINKS {
                        return Err(Misplaced::Malformed(format!("{path} goes through too many links")));
                    }
                    if target.starts_with(b"/") {
                        done = TreePath::root();
                    }
                    let parts = target.split(|&byte| byte == b'/').filter(|part| !part.is_empty() && *part != b".");
                    let parts: Vec<Vec<u8>> = parts.map(<[u8]>::to_vec).collect();
                    pending.extend(parts.into_iter().rev());
                }
                _ => done = next,
            }
        }
        Ok(done)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn path(text: &str) -> TreePath {
        TreePath::normalized(text).expect("a path")
    }

    fn file(text: &str) -> Thing {
        let bytes = Bytes::Memory(text.as_bytes().to_vec());
        Thing::File { size: text.len() as u64, content: ContentHash::of(text.as_bytes()), bytes }
    }

    fn link(target: &str) -> Thing {
        Thing::Symlink { target: target.as_bytes().to_vec() }
    }

    /// Places all entries, in which no package replaces another but 9 everyone.
    fn placed(entries: Vec<(Owner, &str, Thing)>) -> Result<Placement, Misplaced> {
        let mut placement = Placement::default();
        for (owner, text, thing) in entries {
            let placed = Placed { path: path(text), thing, mode: 0o755, uid: 0, gid: 0 };
            placement.place(placed, owner, &|new, _| new == 9)?;
        }
        Ok(placement)
    }

    fn paths(placement: &Placement) -> Vec<String> {
        placement.nodes.keys().map(ToString::to_string).collect()
    }

    #[test]
    fn files_land_behind_symlinked_directories() {
        let placement = placed(vec![
            (0, "usr/lib", Thing::Directory),
            (0, "lib", link("usr/lib")),
            (1, "lib", Thing::Directory),
            (1, "lib/x/y", file("y")),
            (1, "a", link("/lib/../lib/x")),
            (1, "a/z", file("z")),
            (2, "up", link("../../../../usr")),
            (2, "up/f", file("f")),
        ])
        .expect("a tree");
        assert_eq!(
            paths(&placement),
            ["a", "lib", "up", "usr", "usr/f", "usr/lib", "usr/lib/x", "usr/lib/x/y", "usr/lib/x/z"]
        );
        assert!(placement.has_below(&path("usr/lib/x")) && !placement.has_below(&path("usr/lib/x/y")));
    }

    #[test]
    fn directories_win_over_links_to_them() {
        let placement = placed(vec![(0, "d/f", file("f")), (1, "d", link("e"))]).expect("a tree");
        assert!(matches!(placement.nodes[&path("d")].placed.thing, Thing::Directory));
    }

    #[test]
    fn one_path_of_two_packages_is_a_conflict() {
        let conflicts = [
            vec![(0, "f", file("a")), (1, "f", file("a"))],
            vec![(0, "f", file("a")), (1, "f", Thing::Directory)],
            vec![(0, "f", Thing::Directory), (1, "f", file("a"))],
            vec![(0, "f", link("a")), (1, "f", link("b"))],
            vec![(0, "f", link("nowhere")), (1, "f", Thing::Directory)],
        ];
        for entries in conflicts {
            let shown = format!("{entries:?}");
            assert_eq!(
                placed(entries).map(|placement| paths(&placement)),
                Err(Misplaced::Conflict { path: path("f"), first: 0 }),
                "{shown}"
            );
        }
        let through_file = placed(vec![(0, "f", file("a")), (1, "f/x", file("b"))]).map(|p| paths(&p));
        assert_eq!(through_file, Err(Misplaced::Conflict { path: path("f"), first: 0 }));
    }

    #[test]
    fn replacing_works_in_both_orders() {
        for owners in [[1, 9], [9, 1]] {
            let text = |owner: Owner| file(if owner == 9 { "new" } else { "old" });
            let placement = placed(owners.iter().map(|&owner| (owner, "f", text(owner))).collect()).expect("a tree");
            assert_eq!(placement.nodes[&path("f")].owner, 9);
            assert_eq!(placement.lost, [(1, path("f"))]);
        }
    }

    #[test]
    fn malformed_entries_are_refused() {
        let circle = vec![(0, "a", link("b")), (0, "b", link("a")), (0, "a/x", file("x"))];
        let foreign_link = vec![(0, "f", file("f")), (1, "g", Thing::HardLink { to: path("f") })];
        let no_target = vec![(0, "g", Thing::HardLink { to: path("f") })];
        let link_to_directory = vec![(0, "d", Thing::Directory), (0, "g", Thing::HardLink { to: path("d") })];
        for entries in [circle, foreign_link, no_target, link_to_directory, vec![(0, "/", file("x"))]] {
            let shown = format!("{entries:?}");
            assert!(matches!(placed(entries), Err(Misplaced::Malformed(_))), "{shown}");
        }
    }

    #[test]
    fn hard_links_name_the_resolved_file() {
        let placement = placed(vec![
            (0, "usr/bin", Thing::Directory),
            (0, "bin", link("usr/bin")),
            (0, "bin/a", file("a")),
            (0, "bin/b", Thing::HardLink { to: path("bin/a") }),
            (0, "bin/c", Thing::HardLink { to: path("usr/bin/b") }),
        ])
        .expect("a tree");
        for name in ["usr/bin/b", "usr/bin/c"] {
            assert_eq!(placement.nodes[&path(name)].placed.thing, Thing::HardLink { to: path("usr/bin/a") });
        }
    }

    #[test]
    fn other_names_outlive_a_replaced_file() {
        let placement = placed(vec![
            (0, "a", file("old")),
            (0, "b", Thing::HardLink { to: path("a") }),
            (0, "c", Thing::HardLink { to: path("a") }),
            (9, "a", file("new")),
        ])
        .expect("a tree");
        let thing = |name: &str| placement.nodes[&path(name)].placed.thing.clone();
        assert_eq!((thing("a"), thing("b"), thing("c")), (file("new"), file("old"), Thing::HardLink { to: path("b") }));
    }
}
