//! Realising derivations: asked from the target downwards, so that a build that changed nothing is one look-up, and run
//! from the inputs upwards, independent ones at once.
//!
//! For each derivation the definition key is asked first. Below a miss, what it is derived from is realised, and then the
//! content key is asked: as soon as an output comes out equal, everything above it hits again.
//!
//! In one build each derivation has exactly one result: nodes of one definition key are realised once, and steps of one
//! content key run once. A hit that contradicts a result already chosen, or whose bytes turn out to be gone, revokes the
//! look-up: the pass starts over, asking what is left. A pass that failed starts nothing more, and the first failure is
//! the one that is told: what it stopped is no failure of its own.

use std::collections::{BTreeMap, HashMap};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::Duration;

use futures_util::future::{BoxFuture, try_join_all};
use sinter_graph::derivation::{Derivation, NodeId};
use sinter_graph::digest::DefinitionKey;
use tokio::runtime::Runtime;
use tokio::sync::{OnceCell, Semaphore};

use crate::context::Context;
use crate::error::BuildError;
use crate::events::Event;
use crate::needed::direct;
use crate::record::{DefinitionRecord, Outcome, OutcomeDigest};
use crate::work;

/// How often a build starts over because what it counted on is gone. From the second pass on definition keys of steps are
/// not believed, so another one is needed only if something deletes from the store while the build runs.
const PASSES: usize = 8;

/// How long a build that failed waits for work that cannot be interrupted (downloads, unpacking); scripts are killed.
const PATIENCE: Duration = Duration::from_secs(5);

/// The result of a derivation, or the first failure of its pass.
type Realised = Result<Arc<Outcome>, Arc<BuildError>>;

/// The results of the asked derivations.
pub(crate) type Outcomes = BTreeMap<NodeId, Arc<Outcome>>;

/// How many steps ran, for the last line.
#[derive(Debug, Default)]
pub(crate) struct Counters {
    pub(crate) ran: AtomicUsize,
}

impl Counters {
    pub(crate) fn ran(&self) -> usize {
        self.ran.load(Ordering::SeqCst)
    }
}

/// Realises `roots`, hands their outcomes to `consume` and gives them back. Where `consume` finds that bytes are gone,
/// they are made again and it is called again.
///
/// # Errors
/// The first thing that went wrong; every script that was running has been killed then.
pub(crate) fn realise_all(
    context: &Arc<Context>,
    roots: &[NodeId],
    counters: &Arc<Counters>,
    consume: &dyn Fn(&Outcomes) -> Result<(), BuildError>,
) -> Result<Outcomes, Arc<BuildError>> {
    let runtime = runtime(context.jobs).map_err(|source| BuildError::Runtime { source })?;
    let permits = Arc::new(Semaphore::new(context.jobs));
    let attempt = |pass: usize| {
        let pass = Arc::new(Pass::new(context, counters, &permits, pass > 0));
        let outcomes = runtime.block_on(pass.roots(roots))?;
        consume(&outcomes)?;
        Ok(outcomes)
    };
    let result = until_settled(context, attempt);
    runtime.shutdown_timeout(PATIENCE);
    result
}

fn runtime(jobs: usize) -> std::io::Result<Runtime> {
    tokio::runtime::Builder::new_current_thread().max_blocking_threads(jobs.saturating_add(2)).build()
}

fn until_settled(
    context: &Context,
    attempt: impl Fn(usize) -> Result<Outcomes, Arc<BuildError>>,
) -> Result<Outcomes, Arc<BuildError>> {
    let mut result = attempt(0);
    for pass in 1..PASSES {
        match &result {
            Err(error) if matches!(**error, BuildError::Revoked { .. }) => {
                context.listener.on(Event::Revoked { reason: error.to_string() });
                result = attempt(pass);
            }
            _ => break,
        }
    }
    result
}

/// One attempt at realising everything.
struct Pass {
    context: Arc<Context>,
    counters: Arc<Counters>,
    cells: Mutex<HashMap<DefinitionKey, Arc<OnceCell<Realised>>>>,
    chosen: Mutex<HashMap<DefinitionKey, OutcomeDigest>>,
    /// Shared by all passes: what an earlier one began counts until it ends.
    permits: Arc<Semaphore>,
    failure: OnceLock<Arc<BuildError>>,
    /// After a revoked hit, definition keys are no longer believed; content keys are.
    distrust: bool,
}

impl Pass {
    fn new(context: &Arc<Context>, counters: &Arc<Counters>, permits: &Arc<Semaphore>, distrust: bool) -> Self {
        Self {
            context: context.clone(),
            counters: counters.clone(),
            cells: Mutex::default(),
            chosen: Mutex::default(),
            permits: permits.clone(),
            failure: OnceLock::new(),
            distrust,
        }
    }

    async fn roots(self: Arc<Self>, roots: &[NodeId]) -> Result<Outcomes, Arc<BuildError>> {
        self.all(roots).await
    }

    async fn all(self: &Arc<Self>, nodes: &[NodeId]) -> Result<Outcomes, Arc<BuildError>> {
        let outcomes = try_join_all(nodes.iter().map(|&node| self.realise(node))).await;
        Ok(nodes.iter().copied().zip(outcomes?).collect())
    }

    fn realise(self: &Arc<Self>, id: NodeId) -> BoxFuture<'static, Realised> {
        let pass = self.clone();
        let cell = lock(&self.cells).entry(self.context.keys.get(id)).or_default().clone();
        Box::pin(async move { cell.get_or_init(|| pass.start(id)).await.clone() })
    }

    /// Each derivation is a task of its own, so that a deep graph is no deep stack of calls.
    async fn start(self: Arc<Self>, id: NodeId) -> Realised {
        let pass = self.clone();
        let task = tokio::spawn(async move { pass.find_or_make(id).await });
        let realised = task.await.unwrap_or_else(|panic| Err(BuildError::Panicked { reason: panic.to_string() }));
        realised.map(Arc::new).map_err(|error| self.fail(error))
    }

    /// Keeps the first failure of this pass and gives it back. Nobody needs what still runs then, unless the pass is
    /// only to start over.
    fn fail(&self, error: BuildError) -> Arc<BuildError> {
        let first = self.failure.get_or_init(|| Arc::new(error)).clone();
        if !matches!(*first, BuildError::Revoked { .. }) {
            self.context.running.stop();
        }
        first
    }

    async fn find_or_make(self: Arc<Self>, id: NodeId) -> Result<Outcome, BuildError> {
        if let Some(outcome) = self.find(id) {
            self.context.listener.on(Event::Hit { node: id, name: self.context.name(id) });
            return Ok(outcome);
        }
        let below = direct(&self.context.graph.node(id).derivation);
        // What failed below has been kept already.
        let known = self.all(&below).await.map_err(|_| BuildError::Stopped)?;
        let outcome = self.make(id, known).await?;
        self.choose(id, &outcome)?;
        self.remember(id, &outcome)?;
        Ok(outcome)
    }

    /// Makes the result on a thread that may block, with one of the build's permits while it does so.
    async fn make(&self, id: NodeId, known: Outcomes) -> Result<Outcome, BuildError> {
        let permit = self.permits.clone().acquire_owned().await.map_err(|_| BuildError::Stopped)?;
        if self.failure.get().is_some() {
            return Err(BuildError::Stopped);
        }
        let context = self.context.clone();
        let counters = self.counters.clone();
        let made = tokio::task::spawn_blocking(move || {
            let _permit = permit;
            match &context.graph.node(id).derivation {
                Derivation::Unpack(unpack) => work::unpack::unpack(&context, id, unpack),
                Derivation::Step(step) => work::step::run(&context, id, step, &known, &counters),
                Derivation::Merge(merge) => work::merge::merge(&context, id, merge, &known),
                Derivation::Image(image) => work::image::assemble(&context, id, image, &known),
            }
        });
        made.await.map_err(|panic| BuildError::Panicked { reason: panic.to_string() })?
    }

    /// Asks the definition key.
    fn find(&self, id: NodeId) -> Option<Outcome> {
        if self.distrust && !self.is_content(id) {
            return None;
        }
        let key = self.context.keys.get(id);
        let record = self.context.records.definition(&key)?;
        if !self.context.is_present(&record.outcome) {
            return None;
        }
        let digest = record.outcome.digest();
        let mut chosen = lock(&self.chosen);
        let contradicts =
            |(key, result): &(DefinitionKey, OutcomeDigest)| chosen.get(key).is_some_and(|known| known != result);
        if contradicts(&(key, digest.clone())) || record.closure.iter().any(contradicts) {
            return None;
        }
        chosen.extend(record.closure);
        chosen.insert(key, digest);
        Some(record.outcome)
    }

    /// Whether the definition key of a derivation covers content alone: it is derived from nothing.
    fn is_content(&self, id: NodeId) -> bool {
        matches!(self.context.graph.node(id).derivation, Derivation::Unpack(_))
    }

    /// Makes `outcome` the one result of `id` in this build.
    fn choose(&self, id: NodeId, outcome: &Outcome) -> Result<(), BuildError> {
        let digest = outcome.digest();
        match lock(&self.chosen).insert(self.context.keys.get(id), digest.clone()) {
            Some(known) if known != digest => Err(BuildError::Revoked {
                reason: format!(
                    "`{}` came out differently from the result that another hit was computed from",
                    self.context.name(id)
                ),
            }),
            _ => Ok(()),
        }
    }

    fn remember(&self, id: NodeId, outcome: &Outcome) -> Result<(), BuildError> {
        // A hit whose record does not name everything it was computed from hides what this result was computed from.
        let Some(closure) = self.closure(id) else { return Ok(()) };
        let record = DefinitionRecord { outcome: outcome.clone(), closure };
        self.context.records.put_definition(&self.context.keys.get(id), &record)
    }

    /// Every derived thing below `id` with the result that was used; `None` if one of them is not known.
    fn closure(&self, id: NodeId) -> Option<Vec<(DefinitionKey, OutcomeDigest)>> {
        let chosen = lock(&self.chosen);
        let below = self.context.below(id).into_iter().map(|node| self.context.keys.get(node));
        let mut closure = below.map(|key| Some((key, chosen.get(&key)?.clone()))).collect::<Option<Vec<_>>>()?;
        closure.sort_by_key(|(key, _)| *key);
        closure.dedup();
        Some(closure)
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests;
