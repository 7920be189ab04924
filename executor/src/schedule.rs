//! Realising derivations: asked from the target downwards, so that a build that changed nothing is one look-up, and run
//! from the inputs upwards, independent ones at once.
//!
//! For each derivation the definition key is asked first. Below a miss, what it is derived from is realised, and then the
//! content key is asked: as soon as an output comes out equal, everything above it hits again.
//!
//! In one build each derivation has exactly one result: nodes of one definition key are realised once, and steps of one
//! content key run once. A hit that contradicts a result already chosen, or whose bytes turn out to be gone, revokes the
//! look-up: the pass starts over, believes content keys only, and looks whether what they promise is there. A pass that failed starts nothing more, and the first failure is
//! the one that is told: what it stopped is no failure of its own.

mod choices;

use std::collections::HashMap;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::time::Duration;

use futures_util::future::{BoxFuture, try_join_all};
use sinter_graph::derivation::{Derivation, NodeId};
use sinter_graph::digest::{DefinitionKey, RecordDigest};
use tokio::runtime::Runtime;
use tokio::sync::{OnceCell, Semaphore};

use crate::context::Context;
use crate::error::BuildError;
use crate::events::Event;
use crate::needed::direct;
use crate::record::{DefinitionRecord, Input, Known, Outcome, Realised};
use crate::work;
use choices::Choices;

/// How often a build starts over because what it counted on is gone. From the second pass on definition keys of steps are
/// not believed, so another one is needed only if something deletes from the store while the build runs.
const PASSES: usize = 8;

/// How long a build that failed waits for work that cannot be interrupted (downloads, unpacking); scripts are killed.
const PATIENCE: Duration = Duration::from_secs(5);

/// The result of a derivation, or the first failure of its pass.
type Ended = Result<Arc<Realised>, Arc<BuildError>>;

/// How many steps ran, for the last line.
#[derive(Debug, Default)]
pub(crate) struct Counters {
    pub(crate) ran: AtomicUsize,
    pub(crate) cached: AtomicUsize,
}

impl Counters {
    pub(crate) fn ran(&self) -> usize {
        self.ran.load(Ordering::SeqCst)
    }

    /// Steps whose own result was found in a cache by what they see.
    pub(crate) fn cached(&self) -> usize {
        self.cached.load(Ordering::SeqCst)
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
    consume: &dyn Fn(&Known) -> Result<(), BuildError>,
) -> Result<Known, Arc<BuildError>> {
    let runtime = runtime(context.jobs).map_err(|source| BuildError::Runtime { source })?;
    let permits = Arc::new(Semaphore::new(context.jobs));
    let attempt = |pass: usize| {
        if pass > 0 {
            context.suspicious.store(true, Ordering::SeqCst);
        }
        let pass = Arc::new(Pass::new(context, counters, &permits));
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
    attempt: impl Fn(usize) -> Result<Known, Arc<BuildError>>,
) -> Result<Known, Arc<BuildError>> {
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
    cells: Mutex<HashMap<DefinitionKey, Arc<OnceCell<Ended>>>>,
    choices: Choices,
    /// Shared by all passes: what an earlier one began counts until it ends.
    permits: Arc<Semaphore>,
    failure: OnceLock<Arc<BuildError>>,
}

impl Pass {
    fn new(context: &Arc<Context>, counters: &Arc<Counters>, permits: &Arc<Semaphore>) -> Self {
        Self {
            context: context.clone(),
            counters: counters.clone(),
            cells: Mutex::default(),
            choices: Choices::default(),
            permits: permits.clone(),
            failure: OnceLock::new(),
        }
    }

    async fn roots(self: Arc<Self>, roots: &[NodeId]) -> Result<Known, Arc<BuildError>> {
        let known = self.all(roots).await?;
        self.check_fit().map_err(Arc::new)?;
        Ok(known)
    }

    async fn all(self: &Arc<Self>, nodes: &[NodeId]) -> Result<Known, Arc<BuildError>> {
        let realised = try_join_all(nodes.iter().map(|&node| self.realise(node))).await;
        Ok(nodes.iter().copied().zip(realised?).collect())
    }

    fn realise(self: &Arc<Self>, id: NodeId) -> BoxFuture<'static, Ended> {
        let pass = self.clone();
        let mut cells = self.cells.lock().unwrap_or_else(PoisonError::into_inner);
        let cell = cells.entry(self.context.keys.get(id)).or_default().clone();
        Box::pin(async move { cell.get_or_init(|| pass.start(id)).await.clone() })
    }

    /// Each derivation is a task of its own, so that a deep graph is no deep stack of calls.
    async fn start(self: Arc<Self>, id: NodeId) -> Ended {
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
            self.context.runner.stop();
        }
        first
    }

    async fn find_or_make(self: Arc<Self>, id: NodeId) -> Result<Realised, BuildError> {
        if let Some(realised) = self.find(id)? {
            self.context.listener.on(Event::Hit { node: id, name: self.context.name(id) });
            return Ok(realised);
        }
        let below = direct(&self.context.graph.node(id).derivation);
        // What failed below has been kept already.
        let known = self.all(&below).await.map_err(|_| BuildError::Stopped)?;
        self.check_fit()?;
        let known = Arc::new(known);
        let outcome = self.make(id, known.clone()).await?;
        if !self.choices.take_made(self.context.keys.get(id), &outcome) {
            return Err(self.contradiction(&format!("`{}` came out differently from", self.context.name(id))));
        }
        let record = self.remember(id, outcome, &known)?;
        Ok(Realised { outcome, record })
    }

    /// Makes the result on a thread that may block, with one of the build's permits while it does so.
    async fn make(&self, id: NodeId, known: Arc<Known>) -> Result<Outcome, BuildError> {
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
                Derivation::Pull(input) => work::pull::pull(&context, id, *input),
                Derivation::Step(step) => {
                    let made = work::step::run(&context, id, step, &known)?;
                    counters.ran.fetch_add(usize::from(made.ran), Ordering::SeqCst);
                    counters.cached.fetch_add(usize::from(made.cached), Ordering::SeqCst);
                    Ok(made.outcome)
                }
                Derivation::Merge(merge) => work::merge::merge(&context, id, merge, &known),
                Derivation::Image(image) => work::image::assemble(&context, id, image, &known),
            }
        });
        made.await.map_err(|panic| BuildError::Panicked { reason: panic.to_string() })?
    }

    /// Asks the definition key.
    fn find(&self, id: NodeId) -> Result<Option<Realised>, BuildError> {
        let is_suspicious = self.context.is_suspicious();
        if is_suspicious && !self.is_content(id) {
            return Ok(None);
        }
        let key = self.context.keys.get(id);
        let Some((record, digest)) = self.context.records.definition(&key)? else { return Ok(None) };
        if is_suspicious && !self.context.is_there(&record.outcome)? {
            return Ok(None);
        }
        let taken = self.choices.take_hit(key, &record, digest);
        Ok(taken.then_some(Realised { outcome: record.outcome, record: digest }))
    }

    /// Whether the definition key of a derivation covers content alone: it is derived from nothing.
    fn is_content(&self, id: NodeId) -> bool {
        matches!(self.context.graph.node(id).derivation, Derivation::Unpack(_) | Derivation::Pull(_))
    }

    fn check_fit(&self) -> Result<(), BuildError> {
        let fit = self.choices.fit(&self.context.records)?;
        if fit { Ok(()) } else { Err(self.contradiction("a hit was computed from another result than")) }
    }

    fn contradiction(&self, what: &str) -> BuildError {
        BuildError::Revoked { reason: format!("{what} the one that another hit was computed from") }
    }

    fn remember(&self, id: NodeId, outcome: Outcome, known: &Known) -> Result<RecordDigest, BuildError> {
        let input = |(node, realised): (&NodeId, &Arc<Realised>)| Input {
            key: self.context.keys.get(*node),
            outcome: realised.outcome.digest(),
            record: realised.record,
        };
        let mut inputs: Vec<Input> = known.iter().map(input).collect();
        inputs.sort_unstable();
        inputs.dedup();
        let record = DefinitionRecord { outcome, inputs };
        Ok(self.context.records.put_definition(&self.context.keys.get(id), &record)?)
    }
}

#[cfg(test)]
mod tests;
