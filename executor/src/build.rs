//! One build from start to end.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::sync::atomic::AtomicBool;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use sinter_graph::config::Configuration;
use sinter_graph::derivation::{Derivation, Graph, NodeId, TargetValue};
use sinter_graph::digest::BlobDigest;
use sinter_graph::inherit::Configurations;
use sinter_graph::lock::Lock;
use sinter_graph::platform::Platform;
use sinter_oci::Destination;
use sinter_oci::registry::Registries;
use sinter_source::debian::{Debian, MirrorConfig, MirrorError};
use sinter_source::directory::WorkTree;
use sinter_store::{Elsewhere, Options, Store, StoreError, WaitListener};

use crate::cache::{CacheSettings, CachedBytes, Caches, prefetch, publish};
use crate::context::Context;
use crate::error::BuildError;
use crate::events::{Event, Listener};
use crate::images::Images;
use crate::keys::{DefinitionKeys, KeyInputs};
use crate::needed::Needed;
use crate::output;
use crate::pins::{self, LockFile, Locking, Resolvers};
use crate::record::{Known, Outcome};
use crate::records::Records;
use crate::runner::Runner;
use crate::schedule::{Counters, realise_all};
use crate::sources::Sources;
use crate::trees::Trees;

/// What is to be built, and how.
pub struct Request {
    /// What evaluation yielded.
    pub graph: Graph,
    /// Names of targets; each is in the graph.
    pub targets: Vec<String>,
    /// Where results are written.
    pub destinations: Vec<Destination>,
    /// The platform of the evaluation.
    pub platform: Platform,
    /// Where sources come from.
    pub work_tree: WorkTree,
    /// The lock file.
    pub lock: PathBuf,
    /// What may happen to the lock.
    pub locking: Locking,
    /// Whether no socket may be opened.
    pub offline: bool,
    /// Where packages come from.
    pub mirrors: Result<MirrorConfig, MirrorError>,
    /// Where images come from and go to.
    pub registries: Registries,
    /// Where other machines' results are.
    pub caches: CacheSettings,
    /// The store's directory.
    pub store: PathBuf,
    /// How many steps run at once; at least 1.
    pub jobs: usize,
    /// Whether every layer is made anew from its manifest and contents before a step mounts it. That it gives the same keys
    /// and images shows that steps see nothing but what the layer's archive holds; it makes builds slower.
    pub reload: bool,
    /// What runs steps.
    pub runner: Arc<dyn Runner>,
    /// Who may have the bytes of layers that are not on this disk.
    pub elsewhere: Option<Arc<dyn Elsewhere>>,
}

/// What a build gave.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Report {
    /// The asked targets in order.
    pub targets: Vec<TargetReport>,
    /// The last line.
    pub summary: Summary,
}

/// What a target is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TargetReport {
    /// Its name.
    pub name: String,
    /// For an image the digest of its manifest; for a tree or files, SHA-256 of the list of layers.
    pub digest: BlobDigest,
}

/// How much of a build was work.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Summary {
    /// Steps that the asked targets need.
    pub steps: usize,
    /// Those that ran.
    pub ran: usize,
    /// Those whose result, or one made from it, was found in a cache.
    pub cached: usize,
    /// The time it all took.
    pub elapsed: Duration,
}

impl Summary {
    /// Steps whose result was in the store.
    #[must_use]
    pub fn local_hits(&self) -> usize {
        self.steps.saturating_sub(self.ran + self.cached)
    }
}

/// Builds `request`.
///
/// # Errors
/// If anything the targets need cannot be had or made, or if a destination cannot be written. Nothing is written to a
/// destination unless every target succeeded.
pub fn build(mut request: Request, listener: Arc<dyn Listener>) -> Result<Report, Arc<BuildError>> {
    let started = Instant::now();
    let roots = roots(&mut request);
    let caches = Arc::new(Caches::new(&request.registries, &cache_settings(&request), &listener));
    let store = open_store(&request, &caches, &listener).map_err(BuildError::from)?;
    let settling = store.settle_meanwhile();
    let counters = Arc::new(Counters::default());
    let destinations = std::mem::take(&mut request.destinations);
    let (context, steps) = prepare(request, &roots, store, caches, listener)?;
    let context = Arc::new(context);
    let nodes: Vec<NodeId> = roots.iter().map(|(_, node)| *node).collect();
    let found = prefetch(&context, &nodes)?;
    let consume = |known: &Known| output::write_all(&context, &roots, known, &destinations);
    let outcomes = realise_all(&context, &nodes, &counters, &consume);
    drop(settling);
    // What was made is worth keeping also when something else failed.
    let settled = context.store.settle();
    let outcomes = outcomes?;
    settled.map_err(BuildError::from)?;
    publish(&context, &nodes, &found);
    let targets = roots
        .iter()
        .map(|(name, node)| TargetReport { name: name.clone(), digest: digest(&outcomes[node].outcome) })
        .collect();
    let (ran, elapsed) = (counters.ran(), started.elapsed());
    let cached = (cached_steps(&context, &found) + counters.cached()).min(steps.saturating_sub(ran));
    Ok(Report { targets, summary: Summary { steps, ran, cached, elapsed } })
}

/// The caches that were asked for; else, where images are pushed, their own repositories.
fn cache_settings(request: &Request) -> CacheSettings {
    let mut settings = request.caches.clone();
    if request.offline {
        settings.repositories.clear();
    } else if settings.repositories.is_empty() {
        let pushed = request.destinations.iter().filter(|destination| !destination.has_target_placeholder());
        settings.repositories = pushed.filter_map(|destination| destination.reference().ok()).collect();
    }
    settings
}

/// How many steps need not be looked at because they, or what was made from them, were found in a cache.
fn cached_steps(context: &Context, found: &BTreeSet<NodeId>) -> usize {
    let below = Needed::by_nodes(&context.graph, found.iter().copied()).nodes;
    below.iter().filter(|id| matches!(context.graph.node(**id).derivation, Derivation::Step(_))).count()
}

/// The store, which tells when another process makes this one wait.
fn open_store(request: &Request, caches: &Arc<Caches>, listener: &Arc<dyn Listener>) -> Result<Store, StoreError> {
    let listener = listener.clone();
    let on_wait: WaitListener = Arc::new(move |wait| listener.on(Event::Waiting(wait.clone())));
    let cached = || -> Arc<dyn Elsewhere> { Arc::new(CachedBytes(caches.clone())) };
    let elsewhere = request.elsewhere.clone().or_else(|| (!caches.is_empty()).then(cached));
    Store::open_with(&request.store, Options { on_wait: Some(on_wait), elsewhere, ..Options::default() })
}

/// The asked targets as nodes.
fn roots(request: &mut Request) -> Vec<(String, NodeId)> {
    request.graph.root_targets();
    let asked = std::mem::take(&mut request.targets);
    let node = |name: &String| {
        let target = request.graph.targets.iter().find(|target| target.name == *name)?;
        match target.value {
            TargetValue::Node(node) => Some((name.clone(), node)),
            TargetValue::Files(_) => None,
        }
    };
    asked.iter().filter_map(node).collect()
}

/// Everything that is known before anything runs: pins, sources, configurations, keys. Gives the number of steps too.
fn prepare(
    request: Request,
    roots: &[(String, NodeId)],
    store: Store,
    caches: Arc<Caches>,
    listener: Arc<dyn Listener>,
) -> Result<(Context, usize), BuildError> {
    let values: Vec<TargetValue> = roots.iter().map(|(_, node)| TargetValue::Node(*node)).collect();
    let needed = Needed::by(&request.graph, &values);
    let sources = Sources::load(&request.graph, &needed, &request.work_tree, &store)?;
    let pins = pinned(&request, &needed, &store, &listener)?;
    let configurations = Configurations::of(&request.graph, &pins.configurations());
    let image_configurations = image_configurations(&request.graph, &needed, &configurations)?;
    let inputs = KeyInputs {
        graph: &request.graph,
        sources: &sources,
        pins: &pins,
        platform: &request.platform,
        configurations: &configurations,
        image_configurations: &image_configurations,
    };
    let keys = DefinitionKeys::of(&inputs, &needed.nodes);
    let is_step = |node: &&NodeId| matches!(request.graph.node(**node).derivation, Derivation::Step(_));
    let steps = needed.nodes.iter().filter(is_step).count();
    let context = Context {
        graph: request.graph,
        configurations,
        image_configurations,
        keys,
        sources,
        pins,
        platform: request.platform,
        records: Records::new(store.clone()),
        store,
        trees: Trees::default(),
        listener,
        runner: request.runner,
        mirrors: request.mirrors,
        registries: request.registries,
        caches,
        made: Mutex::default(),
        unpacked: Mutex::default(),
        offline: request.offline,
        jobs: request.jobs.max(1),
        reload: request.reload,
        suspicious: AtomicBool::new(false),
    };
    Ok((context, steps))
}

fn pinned(
    request: &Request,
    needed: &Needed,
    store: &Store,
    listener: &Arc<dyn Listener>,
) -> Result<pins::Pins, BuildError> {
    let architecture = request.platform.architecture();
    let mut file = LockFile::read(&request.lock)?;
    let mut alone = None;
    if request.locking == Locking::Add && !file.is_complete(&request.graph, &needed.inputs, architecture) {
        (file, alone) = LockFile::read_alone(&request.lock)?;
    }
    let progress = |progress| listener.on(Event::Packages(progress));
    let debian = Debian::new(store.clone(), request.mirrors.clone(), request.offline, &progress);
    let on_image = |progress| listener.on(Event::Image(progress));
    let images = Images {
        store,
        work_tree: request.work_tree.root(),
        registries: &request.registries,
        offline: request.offline,
        progress: &on_image,
    };
    let resolvers = Resolvers { debian: &debian, images: &images, platform: &request.platform };
    let resolved = pins::resolve(&request.graph, &needed.inputs, &file, request.locking, &resolvers)?;
    drop(alone);
    if !resolved.added.is_empty() {
        listener.on(Event::LockWritten { path: file.path, added: resolved.added });
    }
    Ok(resolved.pins)
}

/// Which inputs are to be pinned, and how.
pub struct LockRequest<'a> {
    /// What evaluation yielded: all its inputs are meant.
    pub graph: &'a Graph,
    /// The lock as it is.
    pub file: &'a LockFile,
    /// What may happen to it.
    pub locking: Locking,
    /// The platform pins are wanted for.
    pub platform: &'a Platform,
    /// The store's directory.
    pub store: &'a Path,
    /// Where packages come from.
    pub mirrors: Result<MirrorConfig, MirrorError>,
    /// Where images come from.
    pub registries: &'a Registries,
    /// What paths of images are relative to.
    pub work_tree: &'a Path,
    /// Whether no socket may be opened.
    pub offline: bool,
}

/// Pins every input of a file without building anything; gives the complete lock.
///
/// # Errors
/// If an input cannot be resolved, or the lock not written.
pub fn lock(request: LockRequest<'_>, listener: &dyn Listener) -> Result<Lock, BuildError> {
    let store = Store::open(request.store)?;
    let progress = |progress| listener.on(Event::Packages(progress));
    let debian = Debian::new(store.clone(), request.mirrors, request.offline, &progress);
    let on_image = |progress| listener.on(Event::Image(progress));
    let images = Images {
        store: &store,
        work_tree: request.work_tree,
        registries: request.registries,
        offline: request.offline,
        progress: &on_image,
    };
    let resolvers = Resolvers { debian: &debian, images: &images, platform: request.platform };
    let all = request.graph.input_ids().collect();
    let resolved = pins::resolve(request.graph, &all, request.file, request.locking, &resolvers)?;
    Ok(resolved.lock)
}

fn image_configurations(
    graph: &Graph,
    needed: &Needed,
    configurations: &Configurations,
) -> Result<BTreeMap<NodeId, Configuration>, BuildError> {
    let mut known = BTreeMap::new();
    for &node in &needed.nodes {
        if matches!(graph.node(node).derivation, Derivation::Image(_)) {
            known.insert(node, configurations.of_node(node)?);
        }
    }
    Ok(known)
}

fn digest(outcome: &Outcome) -> BlobDigest {
    outcome.image.map_or_else(|| BlobDigest::of(&outcome.encode()), |image| image.manifest)
}
