//! What the work tree holds for a build: each `dir` input listed once, and the selected files hashed once.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::File;
use std::path::Path;
use std::sync::Arc;

use sinter_graph::derivation::{Derivation, Files, Graph, Input, InputId, Item, NodeId, TargetValue};
use sinter_graph::digest::ContentHash;
use sinter_graph::encode::Encoder;
use sinter_graph::inherit::Configurations;
use sinter_graph::path::TreePath;
use sinter_graph::pattern::{Patterns, advice, nearest_path};
use sinter_source::directory::{DirectoryError, HashCache, SourceFile, SourceKind, WorkTree};
use sinter_store::Store;

use crate::error::BuildError;
use crate::needed::{Needed, leaf};
use crate::placement::SourceView;

/// What is wrong with the patterns of a file, found without running anything.
pub type SourceProblem = BuildError;

/// The listed inputs and their hashes.
pub(crate) struct Sources {
    pub(crate) work_tree: WorkTree,
    listings: BTreeMap<InputId, Listing>,
}

/// One `dir` input.
struct Listing {
    work_tree: WorkTree,
    name: String,
    directory: String,
    /// Sorted by path.
    files: Arc<Vec<SourceFile>>,
    /// Of the selected files, by their index.
    hashes: BTreeMap<usize, ContentHash>,
    /// Every selection of the needed derivations: many of them are made by more than one.
    selections: BTreeMap<Patterns, Vec<usize>>,
}

/// A file of a source that some derivation selects.
pub(crate) struct SelectedSource<'a> {
    pub(crate) file: &'a SourceFile,
    pub(crate) content: ContentHash,
}

impl Sources {
    /// Lists the needed inputs and hashes what is selected from them.
    ///
    /// # Errors
    /// If a directory cannot be read, or if a pattern is malformed or matches nothing.
    pub(crate) fn load(
        graph: &Graph,
        needed: &Needed,
        work_tree: &WorkTree,
        store: &Store,
    ) -> Result<Self, BuildError> {
        let mut sources = Self::list(graph, &needed.inputs, work_tree)?;
        for (node, input, patterns) in selections(graph, Some(&needed.nodes)) {
            if let Some(listing) = sources.listings.get_mut(&input)
                && !listing.selections.contains_key(patterns)
            {
                let indices = listing.select(node, patterns)?;
                listing.selections.insert(patterns.clone(), indices);
            }
        }
        sources.hash(store)?;
        Ok(sources)
    }

    fn list(graph: &Graph, inputs: &BTreeSet<InputId>, work_tree: &WorkTree) -> Result<Self, BuildError> {
        let mut listings = BTreeMap::new();
        for &id in inputs {
            let declared = graph.input(id);
            if let Input::Directory { path } = &declared.input {
                let files = Arc::new(work_tree.list(path)?);
                let (name, directory) = (declared.name.clone(), path.clone());
                let work_tree = work_tree.clone();
                listings.insert(
                    id,
                    Listing { work_tree, name, directory, files, hashes: BTreeMap::new(), selections: BTreeMap::new() },
                );
            }
        }
        Ok(Self { work_tree: work_tree.clone(), listings })
    }

    /// Hashes what is selected.
    fn hash(&mut self, store: &Store) -> Result<(), BuildError> {
        if self.listings.values().all(|listing| listing.selections.is_empty()) {
            return Ok(());
        }
        let mut cache = HashCache::open(&store.index_directory(), self.work_tree.root());
        for listing in self.listings.values_mut() {
            let indices: BTreeSet<usize> = listing.selections.values().flatten().copied().collect();
            let files: Vec<&SourceFile> = indices.iter().map(|&index| &listing.files[index]).collect();
            let hashes = self.work_tree.hash(&listing.directory, &files, &mut cache)?;
            listing.hashes = indices.into_iter().zip(hashes).collect();
        }
        // A cache that cannot be written makes the next build slower and nothing worse.
        let _ = cache.save();
        Ok(())
    }

    /// The files of a selection that a needed derivation makes, by path.
    pub(crate) fn selected(&self, input: InputId, patterns: &Patterns) -> Vec<SelectedSource<'_>> {
        let listing = self.listings.get(&input).expect("every input of a needed derivation was listed");
        let indices = listing.selections.get(patterns).expect("every selection of a needed derivation was made");
        let file = |&index: &usize| SelectedSource { file: &listing.files[index], content: listing.hashes[&index] };
        indices.iter().map(file).collect()
    }

    /// The indices of the files of a selection, if it was made when the sources were loaded.
    pub(crate) fn matched(&self, input: InputId, patterns: &Patterns) -> Option<&[usize]> {
        self.listings.get(&input)?.selections.get(patterns).map(Vec::as_slice)
    }

    /// Writes the content of a selection: paths, kinds and hashes.
    pub(crate) fn encode(&self, e: &mut Encoder, input: InputId, patterns: &Patterns) {
        let selected = self.selected(input, patterns);
        e.field("source").list(selected.iter(), |e, selected| {
            let kind = match selected.file.kind {
                SourceKind::Regular { executable } => u64::from(executable),
                SourceKind::Symlink { .. } => 2,
            };
            e.bytes(selected.file.path.as_bytes()).integer(kind).bytes(selected.content.as_bytes());
        });
    }

    /// Opens a file of a source for reading, if it still is a file.
    ///
    /// # Errors
    /// If it is gone, something else now, or cannot be read.
    pub(crate) fn open(&self, input: InputId, path: &TreePath) -> std::io::Result<File> {
        self.work_tree.open(self.listings.get(&input).map_or("", |listing| &listing.directory), path)
    }

    /// All files of a source.
    pub(crate) fn view(&self, input: InputId) -> SourceView {
        match self.listings.get(&input) {
            Some(listing) => SourceView { name: listing.name.clone(), files: listing.files.clone() },
            None => SourceView { name: String::new(), files: Arc::default() },
        }
    }

    /// The hashes of files that some derivation selects, which were worked out when the sources were loaded.
    pub(crate) fn hashes(&self, input: InputId, files: &[&SourceFile]) -> Result<Vec<ContentHash>, DirectoryError> {
        let Some(listing) = self.listings.get(&input) else { return Ok(vec![]) };
        let known: Option<Vec<ContentHash>> = files.iter().map(|file| listing.hash(&file.path)).collect();
        match known {
            Some(hashes) => Ok(hashes),
            // A selection that was not known when the sources were loaded: read it now, remember nothing.
            None => self.work_tree.hash(&listing.directory, files, &mut HashCache::open(Path::new(""), Path::new(""))),
        }
    }

    /// Every source of the graph, also those that nothing needed so far. One that cannot be listed is left out.
    pub(crate) fn all(&self, graph: &Graph) -> Vec<(InputId, SourceView)> {
        let list = |id| match (self.listings.get(&id), &graph.input(id).input) {
            (Some(_), _) => Some((id, self.view(id))),
            (None, Input::Directory { path }) => {
                let files = Arc::new(self.work_tree.list(path).ok()?);
                Some((id, SourceView { name: graph.input(id).name.clone(), files }))
            }
            (None, Input::Debian { .. } | Input::Pull { .. }) => None,
        };
        graph.input_ids().filter_map(list).collect()
    }
}

impl Listing {
    fn hash(&self, path: &TreePath) -> Option<ContentHash> {
        let index = self.files.binary_search_by(|file| file.path.cmp(path)).ok()?;
        self.hashes.get(&index).copied()
    }

    fn select(&self, node: Option<NodeId>, patterns: &Patterns) -> Result<Vec<usize>, BuildError> {
        let selection = patterns.select_from_source(&self.files, |file| &file.path).map_err(|invalid| {
            BuildError::BadPattern { node, pattern: invalid.pattern, reason: invalid.reason.to_owned() }
        })?;
        match selection.unmatched.into_iter().next() {
            None => Ok(selection.matched),
            Some(pattern) => Err(self.no_match(node, pattern)),
        }
    }

    /// What to do about a pattern that names something behind a link: links of a source are never followed.
    fn link_on_the_way(&self, pattern: &str) -> Option<String> {
        let ancestors = TreePath::normalized(pattern).ok()?.ancestors().collect::<Vec<_>>();
        ancestors.iter().find_map(|directory| {
            let index = self.files.binary_search_by(|file| file.path.cmp(directory)).ok()?;
            let SourceKind::Symlink { target } = &self.files[index].kind else { return None };
            let target = String::from_utf8_lossy(target);
            Some(format!("`{directory}` is a link to `{target}`, which is not followed: name what it leads to"))
        })
    }

    /// What to do about a pattern that names something in a submodule whose files nobody has asked git for.
    fn missing_submodule(&self, pattern: &str) -> Option<String> {
        let literal: Vec<&str> = pattern.split('/').take_while(|segment| !segment.contains(['*', '?', '['])).collect();
        let directory = TreePath::normalized(&self.directory).ok()?;
        let place = directory.join(&TreePath::normalized(literal.join("/")).ok()?);
        let missing = self.work_tree.missing_submodules().unwrap_or_default();
        let near = missing.iter().find(|path| path.starts_with(&place) || place.starts_with(path))?;
        Some(format!(
            "the submodule `{near}` is not there: run `git submodule update --init {near}` in the top directory"
        ))
    }

    fn no_match(&self, node: Option<NodeId>, pattern: String) -> BuildError {
        let near = || nearest_path(&pattern, self.files.iter().map(|file| &file.path));
        let suggestion = self
            .link_on_the_way(&pattern)
            .or_else(|| self.missing_submodule(&pattern))
            .or_else(|| near().map(|path| format!("did you mean `{path}`?")))
            .or_else(|| advice(&pattern).map(str::to_owned));
        let directory = if self.directory.is_empty() { "." } else { &self.directory };
        BuildError::NoMatch { node, pattern, place: format!("`{}` (dir \"{directory}\")", self.name), suggestion }
    }
}

/// Where trees with different configurations meet; what stands on such a place is not reported again.
fn clashes(graph: &Graph) -> Vec<BuildError> {
    let configurations = Configurations::of(graph, &BTreeMap::new());
    let own = graph.node_ids().filter_map(|id| configurations.of_node(id).err().filter(|clash| clash.node == id));
    own.map(BuildError::Configuration).collect()
}

/// Every selection from a source, with the derivation that makes it.
fn selections<'a>(
    graph: &'a Graph,
    needed: Option<&'a BTreeSet<NodeId>>,
) -> impl Iterator<Item = (Option<NodeId>, InputId, &'a Patterns)> {
    let ids = graph.node_ids().filter(move |id| needed.is_none_or(|needed| needed.contains(id)));
    ids.flat_map(|id| {
        own_files(&graph.node(id).derivation).into_iter().filter_map(move |files| match leaf(files) {
            Files::Source { input, patterns } => Some((Some(id), *input, patterns)),
            _ => None,
        })
    })
}

fn own_files(derivation: &Derivation) -> Vec<&Files> {
    match derivation {
        Derivation::Step(step) => step.files.iter().collect(),
        Derivation::Merge(merge) => merge
            .items
            .iter()
            .filter_map(|item| match item {
                Item::Files(files) => Some(files),
                Item::Tree(_) => None,
            })
            .collect(),
        Derivation::Unpack(_) | Derivation::Pull(_) | Derivation::Image(_) => vec![],
    }
}

/// Everything wrong with `graph` that can be told without making anything: patterns that are malformed or match nothing in
/// their source, configurations that clash. Reads directories, no file.
///
/// # Errors
/// If a directory cannot be listed.
pub fn check_sources(graph: &Graph, work_tree: &WorkTree) -> Result<Vec<SourceProblem>, BuildError> {
    let mut used: Vec<(Option<NodeId>, InputId, &Patterns)> = selections(graph, None).collect();
    for target in &graph.targets {
        if let TargetValue::Files(files) = &target.value
            && let Files::Source { input, patterns } = leaf(files)
        {
            used.push((None, *input, patterns));
        }
    }
    let inputs: BTreeSet<InputId> = used.iter().map(|(_, input, _)| *input).collect();
    let sources = Sources::list(graph, &inputs, work_tree)?;
    let mut problems = clashes(graph);
    for (node, input, patterns) in used {
        if let Some(listing) = sources.listings.get(&input)
            && let Err(problem) = listing.select(node, patterns)
        {
            problems.push(problem);
        }
    }
    Ok(problems)
}
