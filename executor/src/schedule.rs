//! Realising derivations: asked from the target downwards, so that a build that changed nothing is one look-up, and run
//! from the inputs upwards, independent ones at once.
//!
//! For each derivation the definition key is asked first. Below a miss, what it is derived from is realised, and then the
//! content key is asked: as soon as an output comes out equal, everything above it hits again.
//!
//! In one build each derivation has exactly one result. A hit that contradicts a result already chosen, or whose bytes
//! turn out to be gone, revokes the look-up: the pass starts over, asking what is left.

use std::collections::{BTreeMap, HashMap};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use futures_util::future::{BoxFuture, try_join_all};
use sinter_graph::derivation::{Derivation, Files, NodeId};
use sinter_graph::digest::DefinitionKey;
use tokio::sync::{OnceCell, Semaphore};

use crate::context::Context;
use crate::error::BuildError;
use crate::events::Event;
use crate::needed::{dependencies, leaf};
use crate::record::{DefinitionRecord, Outcome, OutcomeDigest};
use crate::work;

/// How often a build starts over because what it counted on is gone. Each time it finds strictly less to count on.
const PASSES: usize = 8;

type Realising<'a> = BoxFuture<'a, Result<Arc<Outcome>, Arc<BuildError>>>;

/// How many steps ran, for the last line.
#[derive(Debug, Default)]
pub(crate) struct Counters {
    pub(crate) ran: AtomicUsize,
}

/// Realises `roots` and gives their outcomes.
///
/// # Errors
/// The first thing that went wrong; everything that was running has been killed then.
pub(crate) fn realise_all(
    context: &Arc<Context>,
    roots: &[NodeId],
    counters: &Arc<Counters>,
) -> Result<BTreeMap<NodeId, Arc<Outcome>>, Arc<BuildError>> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .max_blocking_threads(context.jobs + 2)
        .build()
        .map_err(|source| BuildError::Runtime { source })?;
    let mut last = None;
    for pass in 0..PASSES {
        let pass = Pass::new(context.clone(), counters.clone(), pass > 0);
        match runtime.block_on(pass.roots(roots)) {
            Err(error) if matches!(*error, BuildError::Revoked { .. }) => {
                context.listener.on(Event::Revoked { reason: error.to_string() });
                last = Some(error);
            }
            result => return result,
        }
    }
    Err(last.unwrap_or_else(|| Arc::new(BuildError::Unsettled)))
}

/// One attempt at realising everything.
struct Pass {
    context: Arc<Context>,
    counters: Arc<Counters>,
    cells: Vec<OnceCell<Arc<Outcome>>>,
    chosen: Mutex<HashMap<DefinitionKey, OutcomeDigest>>,
    permits: Semaphore,
    /// After a revoked hit, definition keys are no longer believed; content keys are.
    distrust: bool,
}

impl Pass {
    fn new(context: Arc<Context>, counters: Arc<Counters>, distrust: bool) -> Self {
        let cells = context.graph.nodes.iter().map(|_| OnceCell::new()).collect();
        let permits = Semaphore::new(context.jobs);
        Self { context, counters, cells, chosen: Mutex::default(), permits, distrust }
    }

    async fn roots(&self, roots: &[NodeId]) -> Result<BTreeMap<NodeId, Arc<Outcome>>, Arc<BuildError>> {
        let outcomes = self.all(roots).await.inspect_err(|_| self.context.running.stop())?;
        Ok(roots.iter().copied().zip(outcomes).collect())
    }

    async fn all(&self, nodes: &[NodeId]) -> Result<Vec<Arc<Outcome>>, Arc<BuildError>> {
        try_join_all(nodes.iter().map(|&node| self.realise(node))).await
    }

    fn realise(&self, id: NodeId) -> Realising<'_> {
        Box::pin(
            async move { self.cells[id.0 as usize].get_or_try_init(|| self.find_or_make(id)).await.map(Arc::clone) },
        )
    }

    async fn find_or_make(&self, id: NodeId) -> Result<Arc<Outcome>, Arc<BuildError>> {
        if let Some(outcome) = self.find(id) {
            self.context.listener.on(Event::Hit { node: id, name: self.context.graph.node(id).name.clone() });
            return Ok(Arc::new(outcome));
        }
        let derivation = &self.context.graph.node(id).derivation;
        let (trees, files) = dependencies(derivation);
        let selected: Vec<NodeId> = files
            .into_iter()
            .filter_map(|files| match leaf(files) {
                Files::Tree { tree, .. } => Some(*tree),
                _ => None,
            })
            .collect();
        let below: Vec<NodeId> = trees.into_iter().chain(selected).collect();
        let outcomes = self.all(&below).await?;
        let known: BTreeMap<NodeId, Arc<Outcome>> = below.iter().copied().zip(outcomes).collect();
        let outcome = self.make(id, known).await?;
        self.choose(id, &outcome)?;
        self.remember(id, &outcome).map_err(Arc::new)?;
        Ok(Arc::new(outcome))
    }

    /// Makes the result on a thread that may block, with one of the build's permits while it does so.
    async fn make(&self, id: NodeId, known: BTreeMap<NodeId, Arc<Outcome>>) -> Result<Outcome, Arc<BuildError>> {
        let permit = self.permits.acquire().await.map_err(|_| Arc::new(BuildError::Unsettled))?;
        let context = self.context.clone();
        let counters = self.counters.clone();
        let made = tokio::task::spawn_blocking(move || match &context.graph.node(id).derivation {
            Derivation::Unpack(unpack) => work::unpack::unpack(&context, id, unpack),
            Derivation::Step(step) => work::step::run(&context, id, step, &known, &counters),
            Derivation::Merge(merge) => work::merge::merge(&context, id, merge, &known),
            Derivation::Image(image) => work::image::assemble(&context, id, image, &known),
        })
        .await;
        drop(permit);
        made.map_err(|panic| BuildError::Panicked { reason: panic.to_string() })?.map_err(Arc::new)
    }

    /// Asks the definition key.
    fn find(&self, id: NodeId) -> Option<Outcome> {
        if self.distrust {
            return None;
        }
        let key = self.context.keys.get(id);
        let record = self.context.records.definition(&key)?;
        if !self.context.is_present(&record.outcome) {
            return None;
        }
        let digest = record.outcome.digest();
        let mut chosen = self.chosen();
        let contradicts = record
            .closure
            .iter()
            .chain([&(key, digest.clone())])
            .any(|(key, result)| chosen.get(key).is_some_and(|known| known != result));
        if contradicts {
            return None;
        }
        chosen.extend(record.closure);
        chosen.insert(key, digest);
        Some(record.outcome)
    }

    /// Makes `outcome` the one result of `id` in this build.
    fn choose(&self, id: NodeId, outcome: &Outcome) -> Result<(), Arc<BuildError>> {
        let digest = outcome.digest();
        match self.chosen().insert(self.context.keys.get(id), digest.clone()) {
            Some(known) if known != digest => Err(Arc::new(BuildError::Revoked {
                reason: format!(
                    "`{}` came out differently from the result that another hit was computed from",
                    self.context.graph.node(id).name
                ),
            })),
            _ => Ok(()),
        }
    }

    fn remember(&self, id: NodeId, outcome: &Outcome) -> Result<(), BuildError> {
        let mut closure = Vec::new();
        let chosen = self.chosen();
        for node in self.context.below(id) {
            let key = self.context.keys.get(node);
            if let Some(digest) = chosen.get(&key) {
                closure.push((key, digest.clone()));
            }
        }
        drop(chosen);
        closure.sort_by_key(|(key, _)| *key);
        closure.dedup();
        let record = DefinitionRecord { outcome: outcome.clone(), closure };
        self.context.records.put_definition(&self.context.keys.get(id), &record)
    }

    fn chosen(&self) -> MutexGuard<'_, HashMap<DefinitionKey, OutcomeDigest>> {
        self.chosen.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Counters {
    pub(crate) fn ran(&self) -> usize {
        self.ran.load(Ordering::SeqCst)
    }
}
