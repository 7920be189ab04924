//! What there is to do to make a directory hold a tree.
//!
//! Must not know: how it is done.

use std::collections::HashMap;

use sinter_graph::path::TreePath;
use sinter_graph::tree::{Entry, Kind, LayerIndex, Tree};

use super::compare::Found;
use super::place::Seen;

/// Where the content of a file lies; names of one file share it.
pub(super) type Carrier = (LayerIndex, TreePath);

/// One path that the directory is to hold.
pub(super) struct Wanted {
    pub(super) entry: Entry,
    /// For a file: where its content is.
    pub(super) carrier: Option<Carrier>,
    /// For another name of a file: the place of its first name in the list.
    pub(super) link_of: Option<usize>,
    /// What is there now and belongs to an earlier export.
    pub(super) present: Option<Seen>,
    /// Whether that is what is wanted, down to every time.
    pub(super) is_right: bool,
}

/// All that is to be there, the root first, and what has to go.
pub(super) struct Plan {
    pub(super) wanted: Vec<Wanted>,
    pub(super) removed: Vec<(TreePath, Seen)>,
}

impl Plan {
    pub(super) fn new(tree: &Tree, root: &Seen, root_is_untouched: Option<&Entry>, found: &[Found]) -> Self {
        let mut plan = Self { wanted: wanted(tree), removed: Vec::new() };
        plan.compare(found);
        let first = &mut plan.wanted[0];
        first.present = Some(*root);
        first.is_right = root_is_untouched == Some(&first.entry);
        plan.drop_wrong_links();
        plan
    }

    /// Whether nothing has to be done.
    pub(super) fn is_done(&self) -> bool {
        self.removed.is_empty() && self.wanted.iter().all(|wanted| wanted.is_right)
    }

    fn compare(&mut self, found: &[Found]) {
        let index: HashMap<TreePath, usize> =
            self.wanted.iter().enumerate().map(|(index, wanted)| (wanted.entry.path.clone(), index)).collect();
        for found in found {
            let wanted = index.get(&found.entry.path).map(|index| &mut self.wanted[*index]);
            let both_directories =
                |wanted: &Wanted| (wanted.entry.kind == Kind::Directory) == found.seen.is_directory();
            match wanted.filter(|wanted| both_directories(wanted)) {
                Some(wanted) => {
                    wanted.present = Some(found.seen);
                    wanted.is_right = found.is_untouched && found.entry == wanted.entry;
                }
                None => self.removed.push((found.entry.path.clone(), found.seen)),
            }
        }
    }

    /// Names of one file must be one file on the disk, and other files must be others.
    fn drop_wrong_links(&mut self) {
        let mut first_by_inode: HashMap<u64, usize> = HashMap::new();
        for index in 0..self.wanted.len() {
            let wanted = &self.wanted[index];
            let (Some(seen), true, Kind::File { .. }) = (wanted.present, wanted.is_right, &wanted.entry.kind) else {
                continue;
            };
            let is_right = match wanted.link_of {
                Some(first) => first_by_inode.get(&seen.inode) == Some(&first),
                None => *first_by_inode.entry(seen.inode).or_insert(index) == index,
            };
            self.wanted[index].is_right = is_right;
        }
    }
}

fn wanted(tree: &Tree) -> Vec<Wanted> {
    let plain = |entry| Wanted { entry, carrier: None, link_of: None, present: None, is_right: false };
    let mut list = Vec::with_capacity(tree.len() + 1);
    if tree.get(&TreePath::root()).is_none() {
        list.push(plain(Entry::directory(TreePath::root())));
    }
    let mut first_names: HashMap<Carrier, usize> = HashMap::new();
    for shown in tree.iter() {
        let mut wanted = plain(shown.entry.clone());
        if matches!(wanted.entry.kind, Kind::File { .. }) {
            let carrier = (shown.layer, shown.link_of.as_ref().unwrap_or(&shown.entry.path).clone());
            wanted.link_of = first_names.get(&carrier).copied();
            first_names.entry(carrier.clone()).or_insert(list.len());
            wanted.carrier = Some(carrier);
        }
        list.push(wanted);
    }
    list
}
