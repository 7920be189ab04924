//! One path of a tree, and which layer it comes from. Must not know: how trees are held and put together.

use super::Entry;
use crate::path::TreePath;

/// The place of a layer in its stack; 0 is the bottom.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct LayerIndex(pub usize);

/// One path of a tree.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Shown {
    /// What is there: never a whiteout, and never a hard link, which shows as the file it is a name of.
    pub entry: Entry,
    /// The layer this entry comes from; that layer holds the content of a file under `entry.path`.
    pub layer: LayerIndex,
    /// For a hard link: the path, in that layer, of the file it is another name of. The layer of a carrier that was
    /// itself replaced further up still holds the content.
    pub link_of: Option<TreePath>,
}
