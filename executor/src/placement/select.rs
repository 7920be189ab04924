//! From a description of files to the files.
//!
//! Every description ends in one source, tree or text, so all its files are of one kind: relative paths or absolute
//! ones. Only what is left at the end is hashed.

use std::collections::BTreeMap;
use std::sync::Arc;

use sinter_graph::derivation::{Files, InputId, NodeId};
use sinter_graph::digest::ContentHash;
use sinter_graph::path::TreePath;
use sinter_graph::pattern::{Patterns, Selection, SourceRules, advice, nearest_path};
use sinter_graph::tree::{Kind, Shown, Tree};
use sinter_source::directory::{SourceFile, SourceKind};

use crate::users::LARGEST_ID;

use super::follow::follow;
use super::{ContentSource, LayerName, PlacementError, Selected, SelectedPath, Supply, TreeView};

/// Why a path is none of a file.
const NAMES_DIRECTORY: &str = "it names a directory, not a file";

/// Lists and hashes the files that are meant, sorted by path.
///
/// # Errors
/// If a pattern matches nothing, if a path or owner is wrong, or if a source cannot be read.
pub fn select(files: &Files, supply: &dyn Supply) -> Result<Vec<Selected>, PlacementError> {
    pick(files, supply)?.finish(supply)
}

/// Files on their way through a description.
struct Picked {
    origin: Arc<str>,
    /// Whether paths are absolute.
    absolute: bool,
    /// What relative patterns and directories are relative to.
    base: TreePath,
    items: Vec<Item>,
    /// The tree they come from, as long as they are where they are in it: links on the way of a pattern are followed.
    tree: Option<Arc<Tree>>,
}

struct Item {
    path: TreePath,
    mode: u32,
    owner: Option<(u32, u32)>,
    content: Content,
}

/// What an item is, as far as it is known without reading it.
enum Content {
    Unread { input: InputId, file: SourceFile },
    Shown { view: TreeView, shown: Shown },
    Literal(Arc<str>),
}

fn pick(files: &Files, supply: &dyn Supply) -> Result<Picked, PlacementError> {
    match files {
        Files::Source { input, patterns } => from_source(*input, patterns, supply),
        Files::Tree { tree, patterns } => from_tree(*tree, patterns, supply),
        Files::Literal { path, text, mode } => literal(path, text, *mode),
        Files::Place { what, to, mode, owner } => {
            let owner = owner.as_deref().map(|name| owner_of(name, supply)).transpose()?;
            pick(what, supply)?.placed(to, *mode, owner)
        }
        Files::Sub { what, directory } => pick(what, supply)?.below(directory),
        Files::Narrow { what, patterns } => pick(what, supply)?.narrowed(patterns),
    }
}

fn from_source(input: InputId, patterns: &Patterns, supply: &dyn Supply) -> Result<Picked, PlacementError> {
    let view = supply.source(input)?;
    let matched = match supply.matched(input, patterns) {
        Some(known) => known.to_vec(),
        None => {
            let selection = patterns.select_from_source(&view.files, |file| &file.path)?;
            all_matched(&selection, &view.name, || view.files.iter().map(|file| &file.path))?;
            selection.matched
        }
    };
    let item = |&index: &usize| {
        let file = view.files[index].clone();
        let mode = match file.kind {
            SourceKind::Regular { executable: false } => 0o644,
            SourceKind::Regular { executable: true } => 0o755,
            SourceKind::Symlink { .. } => 0o777,
        };
        Item { path: file.path.clone(), mode, owner: None, content: Content::Unread { input, file } }
    };
    let items = matched.iter().map(item).collect();
    Ok(Picked { origin: view.name.into(), absolute: false, base: TreePath::root(), items, tree: None })
}

fn from_tree(node: NodeId, patterns: &Patterns, supply: &dyn Supply) -> Result<Picked, PlacementError> {
    let view = supply.tree(node);
    let paths: Vec<&Shown> = view.tree.iter().collect();
    let followed = follow(patterns, &view.workdir, &view.tree);
    let mut selection = followed.matcher.select(&paths, |shown| &shown.entry.path, SourceRules::Tree);
    selection.unmatched.iter_mut().for_each(|pattern| *pattern = followed.as_written(pattern).to_owned());
    all_matched(&selection, &view.name, || paths.iter().map(|shown| &shown.entry.path))?;
    let item = |&index: &usize| {
        let shown = paths[index].clone();
        let content = Content::Shown { view: view.clone(), shown };
        Item { path: paths[index].entry.path.clone(), mode: paths[index].entry.mode, owner: None, content }
    };
    let items = selection.matched.iter().map(item).filter(|item| !item.path.is_root()).collect();
    let (origin, base, tree) = (view.name.as_str().into(), view.workdir.clone(), Some(view.tree));
    Ok(Picked { origin, absolute: true, base, items, tree })
}

fn literal(path: &str, text: &str, mode: Option<u32>) -> Result<Picked, PlacementError> {
    let (absolute, tree_path) = parse_path(path)?;
    if tree_path.is_root() || path.ends_with('/') {
        return Err(PlacementError::Path { path: path.to_owned(), reason: NAMES_DIRECTORY });
    }
    let content = Content::Literal(text.into());
    let item = Item { path: tree_path, mode: mode.unwrap_or(0o644) & 0o7777, owner: None, content };
    Ok(Picked { origin: path.into(), absolute, base: TreePath::root(), items: vec![item], tree: None })
}

impl Picked {
    fn placed(mut self, to: &str, mode: Option<u32>, owner: Option<(u32, u32)>) -> Result<Self, PlacementError> {
        let (absolute, target) = parse_path(to)?;
        if to.ends_with('/') {
            self.items.iter_mut().for_each(|item| item.path = target.join(&item.path));
        } else if let [item] = self.items.as_mut_slice() {
            if target.is_root() {
                return Err(PlacementError::Path { path: to.to_owned(), reason: NAMES_DIRECTORY });
            }
            item.path = target;
        } else {
            return Err(PlacementError::OnePlace { to: to.to_owned(), count: self.items.len() });
        }
        self.absolute = absolute;
        self.tree = None;
        for item in &mut self.items {
            if let Some(mode) = mode.filter(|_| item.is_file()) {
                item.mode = mode & 0o7777;
            }
            item.owner = owner.or(item.owner);
        }
        Ok(self)
    }

    fn below(mut self, directory: &str) -> Result<Self, PlacementError> {
        let (from_root, path) = parse_path(directory)?;
        let path = if from_root || !self.absolute { path } else { self.base.join(&path) };
        let path = self.tree.as_ref().and_then(|tree| tree.resolve_directory(&path)).unwrap_or(path);
        let known: Vec<TreePath> = self.items.iter().map(|item| item.path.clone()).collect();
        self.items.retain_mut(|item| match item.path.strip_prefix(&path) {
            Some(rest) if !rest.is_root() => {
                item.path = rest;
                true
            }
            _ => false,
        });
        if self.items.is_empty() {
            let nearest = nearest_path(directory, &known);
            return Err(PlacementError::EmptyDirectory {
                directory: directory.to_owned(),
                origin: self.origin.to_string(),
                nearest,
            });
        }
        Ok(Self { absolute: false, base: TreePath::root(), tree: None, ..self })
    }

    fn narrowed(mut self, patterns: &Patterns) -> Result<Self, PlacementError> {
        if !self.absolute {
            patterns.validate_relative()?;
        }
        self.items.sort_by(|left, right| left.path.cmp(&right.path));
        let base = if self.absolute { self.base.clone() } else { TreePath::root() };
        let no_links = Tree::new();
        let followed = follow(patterns, &base, self.tree.as_deref().unwrap_or(&no_links));
        let mut selection = followed.matcher.select(&self.items, |item| &item.path, SourceRules::Tree);
        selection.unmatched.iter_mut().for_each(|pattern| *pattern = followed.as_written(pattern).to_owned());
        all_matched(&selection, &self.origin, || self.items.iter().map(|item| &item.path))?;
        let mut index = 0;
        self.items.retain(|_| {
            index += 1;
            selection.matched.binary_search(&(index - 1)).is_ok()
        });
        Ok(self)
    }

    fn finish(mut self, supply: &dyn Supply) -> Result<Vec<Selected>, PlacementError> {
        self.items.sort_by(|left, right| left.path.cmp(&right.path));
        let mut hashes = hash_unread(&self.items, supply)?;
        let (absolute, origin) = (self.absolute, self.origin);
        let finish = |(index, item): (usize, Item)| item.finish(absolute, &origin, hashes.remove(&index));
        self.items.into_iter().enumerate().map(finish).collect()
    }
}

/// The hashes of the regular files of sources, by index.
fn hash_unread(items: &[Item], supply: &dyn Supply) -> Result<BTreeMap<usize, ContentHash>, PlacementError> {
    let mut unread: BTreeMap<InputId, Vec<(usize, &SourceFile)>> = BTreeMap::new();
    for (index, item) in items.iter().enumerate() {
        if let Content::Unread { input, file } = &item.content
            && item.is_file()
        {
            unread.entry(*input).or_default().push((index, file));
        }
    }
    let mut hashes = BTreeMap::new();
    for (input, files) in unread {
        let listed: Vec<&SourceFile> = files.iter().map(|(_, file)| *file).collect();
        let found = supply.hash(input, &listed)?;
        hashes.extend(files.iter().map(|(index, _)| *index).zip(found));
    }
    Ok(hashes)
}

impl Item {
    fn is_file(&self) -> bool {
        match &self.content {
            Content::Unread { file, .. } => matches!(file.kind, SourceKind::Regular { .. }),
            Content::Shown { shown, .. } => matches!(shown.entry.kind, Kind::File { .. }),
            Content::Literal(_) => true,
        }
    }

    /// Fails only if [`Supply`] gave fewer hashes or layers than there are: a file must not get lost silently.
    fn finish(self, absolute: bool, origin: &Arc<str>, hash: Option<ContentHash>) -> Result<Selected, PlacementError> {
        let lost = PlacementError::Lost { path: self.path.clone(), origin: origin.to_string() };
        let path = if absolute { SelectedPath::Absolute(self.path) } else { SelectedPath::Relative(self.path) };
        let mut selected = Selected {
            path,
            kind: Kind::Directory,
            mode: self.mode,
            owner: self.owner,
            former_owner: None,
            xattrs: BTreeMap::new(),
            source: ContentSource::Nothing,
            name: None,
            origin: Arc::clone(origin),
        };
        match self.content {
            Content::Literal(text) => {
                selected.kind = Kind::File { size: text.len() as u64, content: ContentHash::of(text.as_bytes()) };
                selected.source = ContentSource::Literal(text);
            }
            Content::Unread { input, file } => match file.kind {
                SourceKind::Symlink { target } => selected.kind = Kind::Symlink { target },
                SourceKind::Regular { .. } => {
                    selected.kind = Kind::File { size: file.size, content: hash.ok_or(lost)? };
                    selected.source = ContentSource::WorkTree { input, path: file.path };
                }
            },
            Content::Shown { view, shown } => {
                selected.former_owner = Some((shown.entry.uid, shown.entry.gid));
                if let Kind::File { .. } = shown.entry.kind {
                    let (layer, name) = (*view.layers.get(shown.layer.0).ok_or(lost)?, shown.entry.path);
                    let carrier = shown.link_of.unwrap_or_else(|| name.clone());
                    selected.source = ContentSource::Layer { digest: layer, path: carrier.clone() };
                    selected.name = Some(LayerName { layer, carrier, name });
                }
                selected.xattrs = shown.entry.xattrs;
                selected.kind = shown.entry.kind;
            }
        }
        Ok(selected)
    }
}

fn all_matched<'a, I: Iterator<Item = &'a TreePath>>(
    selection: &Selection,
    origin: &str,
    paths: impl FnOnce() -> I,
) -> Result<(), PlacementError> {
    let Some(pattern) = selection.unmatched.first() else { return Ok(()) };
    Err(PlacementError::Unmatched {
        pattern: pattern.clone(),
        origin: origin.to_owned(),
        nearest: nearest_path(pattern, paths()),
        advice: advice(pattern),
    })
}

/// Whether a path is absolute, and the path without slashes at its ends.
fn parse_path(text: &str) -> Result<(bool, TreePath), PlacementError> {
    let path = TreePath::normalized(text)
        .map_err(|invalid| PlacementError::Path { path: text.to_owned(), reason: invalid.reason })?;
    if text.is_empty() {
        return Err(PlacementError::Path { path: text.to_owned(), reason: "it is empty" });
    }
    Ok((text.starts_with('/'), path))
}

/// `user` or `user:group`, each a name or a number; one number stands for both.
fn owner_of(text: &str, supply: &dyn Supply) -> Result<(u32, u32), PlacementError> {
    let unknown = |name: &str| PlacementError::UnknownOwner { name: name.to_owned() };
    let find = |name: &str| match name.parse::<u32>() {
        Ok(number) => Ok((number, number)),
        Err(_) => supply.owner(name).ok_or_else(|| unknown(name)),
    };
    let (user, group) = match text.split_once(':') {
        None => find(text)?,
        Some((user, group)) => (find(user)?.0, find(group)?.1),
    };
    match user.max(group) {
        number if number > LARGEST_ID => {
            Err(PlacementError::LargeOwner { owner: text.to_owned(), number, largest: LARGEST_ID })
        }
        _ => Ok((user, group)),
    }
}
