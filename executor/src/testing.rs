//! Builds for unit tests: the whole executor over a real store, with a runner that needs no sandbox.

use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};

use sinter_graph::derivation::{
    Derivation, Files, Graph, Image, Item, Merge, Node, NodeId, Script, Step, Target, TargetValue,
};
use sinter_graph::pattern::Patterns;
use sinter_oci::Destination;
use sinter_oci::registry::{Environment, Registries};
use sinter_source::debian::MirrorError;
use sinter_source::directory::WorkTree;
use sinter_store::Elsewhere;

use crate::cache::CacheSettings;
use crate::pins::Locking;
use crate::runner::{LocalRunner, RunnerProgram};
use crate::{BuildError, Event, Listener, Report, Request, build};

/// A runner that runs the script in the upper directory instead of in a sandbox; `sed` reads its request.
const RUNNER: &str = r#"
request=$(cat)
field() { printf '%s' "$request" | sed "s/.*\"$1\":\"\(.*\)\",\"$2\":.*/\1/"; }
cd "$(field upper work)"
printf '%b' "$(field script interpreter)" > ../script
code=0
sh -eu ../script >&2 < /dev/null || code=$?
printf '{"Ran":{"ending":{"Code":%s},"line":null}}' "$code"
"#;

/// A private work tree and store.
pub(crate) struct Place {
    directory: tempfile::TempDir,
    recorder: Arc<Recorder>,
    pub(crate) jobs: usize,
    pub(crate) elsewhere: Option<Arc<dyn Elsewhere>>,
}

impl Place {
    pub(crate) fn new() -> Self {
        let directory = tempfile::tempdir().expect("a directory");
        std::fs::create_dir(directory.path().join("project")).expect("a project");
        Self { directory, recorder: Arc::default(), jobs: 2, elsewhere: None }
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }

    pub(crate) fn store(&self) -> PathBuf {
        self.path("store")
    }

    /// Builds `root` of `graph`, and nothing it does not need.
    pub(crate) fn build(&self, graph: &Graph, root: NodeId) -> Result<Report, Arc<BuildError>> {
        self.build_to(graph, root, vec![])
    }

    pub(crate) fn build_to(
        &self,
        graph: &Graph,
        root: NodeId,
        destinations: Vec<Destination>,
    ) -> Result<Report, Arc<BuildError>> {
        let mut graph = graph.clone();
        graph.targets = vec![Target { name: "it".to_owned(), value: TargetValue::Node(root) }];
        let program = RunnerProgram { program: "/bin/sh".into(), arguments: vec!["-c".to_owned(), RUNNER.to_owned()] };
        let request = Request {
            graph,
            targets: vec!["it".to_owned()],
            destinations,
            platform: "linux/amd64".parse().expect("a platform"),
            work_tree: WorkTree::discover(&self.path("project")).expect("a work tree"),
            lock: self.path("project/sinter.lock"),
            locking: Locking::Add,
            offline: true,
            registries: Registries::new(Environment::default(), true),
            caches: CacheSettings::default(),
            mirrors: Err(MirrorError::Unknown { apt_directory: "none".into() }),
            store: self.store(),
            jobs: self.jobs,
            reload: false,
            runner: Arc::new(LocalRunner::new(program, false)),
            elsewhere: self.elsewhere.clone(),
        };
        build(request, self.recorder.clone())
    }

    /// What happened since the last call, a word and a name each.
    pub(crate) fn events(&self) -> Vec<String> {
        std::mem::take(&mut *self.recorder.events.lock().expect("no test panicked with it"))
    }

    /// Every file or directory of a part of the store, sorted.
    pub(crate) fn stored(&self, part: &str) -> Vec<PathBuf> {
        let listed = std::fs::read_dir(self.store().join(part)).expect("a part of the store");
        let mut paths: Vec<PathBuf> = listed.map(|entry| entry.expect("an entry").path()).collect();
        paths.sort();
        paths
    }
}

/// Deletes a file or a directory.
pub(crate) fn delete(path: &Path) {
    let deleted = if path.is_dir() { std::fs::remove_dir_all(path) } else { std::fs::remove_file(path) };
    deleted.unwrap_or_else(|error| panic!("cannot delete {}: {error}", path.display()));
}

#[derive(Default)]
struct Recorder {
    events: Mutex<Vec<String>>,
}

impl Listener for Recorder {
    fn on(&self, event: Event) {
        let line = match event {
            Event::Started { name, .. } => format!("run {name}"),
            Event::Finished { name, .. } => format!("done {name}"),
            Event::Hit { name, .. } => format!("hit {name}"),
            Event::Output { name, line, .. } => format!("{name} | {line}"),
            Event::Revoked { .. } => "revoked".to_owned(),
            Event::NotReproducible { name, first_difference } => format!("differs {name} {first_difference:?}"),
            Event::CacheAway { .. }
            | Event::Published { .. }
            | Event::LockWritten { .. }
            | Event::Packages(_)
            | Event::Image(_)
            | Event::Written { .. }
            | Event::Waiting(_) => return,
        };
        self.events.lock().expect("no test panicked with it").push(line);
    }
}

/// A step with a script of one line.
pub(crate) fn step(graph: &mut Graph, name: &str, from: Option<NodeId>, script: &str) -> NodeId {
    let script = Script { text: format!("{script}\n"), interpreter: vec!["sh".to_owned(), "-eu".to_owned()] };
    add(graph, name, Derivation::from(Step { from, script, ..Step::default() }))
}

/// Trees as one.
pub(crate) fn merge(graph: &mut Graph, name: &str, trees: &[NodeId]) -> NodeId {
    let items = trees.iter().copied().map(Item::Tree).collect();
    add(graph, name, Derivation::from(Merge { items, ..Merge::default() }))
}

/// One file as a tree.
pub(crate) fn literal(graph: &mut Graph, name: &str, path: &str, text: &str) -> NodeId {
    let files = Files::Literal { path: path.to_owned(), text: text.into(), mode: None };
    add(graph, name, Derivation::from(Merge { items: vec![Item::Files(files)], ..Merge::default() }))
}

/// Files of several trees as one tree: for each tree a pattern.
pub(crate) fn gather(graph: &mut Graph, name: &str, selections: &[(NodeId, &str)]) -> NodeId {
    let item = |&(tree, pattern): &(NodeId, &str)| {
        Item::Files(Files::Tree { tree, patterns: Patterns::new([pattern.to_owned()], []).expect("a pattern") })
    };
    let items = selections.iter().map(item).collect();
    add(graph, name, Derivation::from(Merge { items, ..Merge::default() }))
}

/// An image of a tree.
pub(crate) fn image(graph: &mut Graph, name: &str, tree: NodeId) -> NodeId {
    add(graph, name, Derivation::from(Image { tree: Some(tree), ..Image::default() }))
}

pub(crate) fn add(graph: &mut Graph, name: &str, derivation: Derivation) -> NodeId {
    graph.add(Node { name: name.to_owned(), derivation })
}
