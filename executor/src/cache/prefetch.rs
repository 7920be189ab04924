//! Asking caches before anything runs.
//!
//! From the targets downwards, all derivations of one depth at once: an unchanged build is one question for each target,
//! and below a miss only what that was made from is asked. So the number of round trips is the depth of what changed, times
//! how often [`AT_ONCE`] goes into its width.
//!
//! What was found must fit: a hit says which results it was computed from. Where this machine has another result of the
//! same derivation, from a step that is not reproducible, the one that the hit was computed from counts, so that as much
//! as possible of what follows hits too.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

use sinter_graph::derivation::NodeId;
use sinter_graph::digest::{DefinitionKey, OutcomeDigest};

use super::entry::{CachedResult, Entry, Question};
use super::import::import;
use crate::context::Context;
use crate::error::BuildError;
use crate::events::Event;
use crate::needed::{Needed, direct};
use crate::record::{DefinitionRecord, Input};

/// How many questions are under way at once.
const AT_ONCE: usize = 32;

/// Brings what caches know of `roots` and of what they are made from into the store. Gives the derivations that were
/// found.
///
/// # Errors
/// If the store fails; a cache that fails is a cache that knows nothing.
pub(crate) fn prefetch(context: &Context, roots: &[NodeId]) -> Result<BTreeSet<NodeId>, BuildError> {
    if context.caches.is_empty() {
        return Ok(BTreeSet::new());
    }
    let mut search = Search { context, found: BTreeSet::new(), hits: vec![], seen: BTreeSet::new(), missed: false };
    let (mut pending, mut given_up) = (roots.to_vec(), BTreeSet::new());
    loop {
        search.descend(pending)?;
        // One hit alone contradicts nothing.
        if !search.missed && search.hits.len() < 2 {
            break;
        }
        let unfit = search.unfit()?;
        if unfit.is_empty() {
            break;
        }
        pending = Vec::new();
        for id in unfit {
            context.records.drop_definition(&context.keys.get(id))?;
            search.found.remove(&id);
            search.missed = true;
            // A cache may know the one that fits.
            if given_up.insert(id) {
                search.seen.remove(&id);
                pending.push(id);
            } else {
                pending.extend(direct(&context.graph.node(id).derivation));
            }
        }
    }
    Ok(search.found)
}

struct Search<'a> {
    context: &'a Context,
    /// What was found in a cache.
    found: BTreeSet<NodeId>,
    /// The topmost derivations of which a result is known, here or from a cache.
    hits: Vec<NodeId>,
    seen: BTreeSet<NodeId>,
    missed: bool,
}

impl Search<'_> {
    /// Asks for what is not known, and below each miss for what that is made from.
    fn descend(&mut self, mut wave: Vec<NodeId>) -> Result<(), BuildError> {
        let context = self.context;
        while !wave.is_empty() {
            let mut unknown: BTreeMap<DefinitionKey, Vec<NodeId>> = BTreeMap::new();
            for id in wave.drain(..) {
                if !self.seen.insert(id) {
                    continue;
                }
                let key = context.keys.get(id);
                match context.records.definition(&key)? {
                    Some(_) => self.hits.push(id),
                    None => unknown.entry(key).or_default().push(id),
                }
            }
            let questions: Vec<Question> = unknown.keys().map(|key| Question::Definition(*key)).collect();
            for (nodes, answer) in unknown.into_values().zip(ask_all(context, &questions)) {
                match answer {
                    Some(entry) => {
                        import(context, &entry)?;
                        self.hits.extend(&nodes);
                        self.found.extend(nodes);
                    }
                    None => {
                        self.missed = true;
                        wave.extend(nodes.iter().flat_map(|id| direct(&context.graph.node(*id).derivation)));
                    }
                }
            }
        }
        Ok(())
    }

    /// Chooses one result for each derivation, from the hit that most stands below on; gives the hits that were computed
    /// from others, which are none then.
    fn unfit(&mut self) -> Result<Vec<NodeId>, BuildError> {
        let mut chosen = Chosen::new();
        let mut ordered = std::mem::take(&mut self.hits);
        ordered.sort_by_cached_key(|id| std::cmp::Reverse(Needed::by_nodes(&self.context.graph, [*id]).nodes.len()));
        let mut unfit = Vec::new();
        for id in ordered {
            match fitting(self.context, id, &chosen)? {
                Some(more) => {
                    chosen.extend(more);
                    self.hits.push(id);
                }
                None => unfit.push(id),
            }
        }
        Ok(unfit)
    }
}

/// One result for each derivation, by its key.
type Chosen = HashMap<DefinitionKey, OutcomeDigest>;

/// The results that a hit was computed from, if they are those that are chosen already; `None` if one is another. Makes this
/// machine remember them, as far as caches know them, also where it knew another result.
fn fitting(context: &Context, id: NodeId, chosen: &Chosen) -> Result<Option<Chosen>, BuildError> {
    let key = context.keys.get(id);
    let Some((record, _)) = context.records.definition(&key)? else { return Ok(None) };
    let mut more = Chosen::new();
    let mut fits = |key: DefinitionKey, outcome: OutcomeDigest| {
        *chosen.get(&key).unwrap_or_else(|| more.entry(key).or_insert(outcome)) == outcome
    };
    if !fits(key, record.outcome.digest()) {
        return Ok(None);
    }
    let (mut wave, mut seen) = (record.inputs, BTreeSet::new());
    while !wave.is_empty() {
        let mut wanted = Vec::new();
        for input in std::mem::take(&mut wave) {
            if !fits(input.key, input.outcome) {
                return Ok(None);
            }
            if !seen.insert(input.record) {
                continue;
            }
            match context.records.definition(&input.key)? {
                Some((record, digest)) if digest == input.record => wave.extend(record.inputs),
                other => wanted.push((input, other.map(|(record, _)| record))),
            }
        }
        let questions: Vec<Question> = wanted.iter().map(|(input, _)| Question::Definition(input.key)).collect();
        for ((input, own), answer) in wanted.into_iter().zip(ask_all(context, &questions)) {
            let Some(entry) = answer.filter(|entry| entry.record_digest() == Some(input.record)) else {
                return Ok(None);
            };
            if let Some(own) = own {
                tell(context, &own, &entry);
            }
            wave.extend(inputs(&entry));
            import(context, &entry)?;
        }
    }
    Ok(Some(more))
}

fn inputs(entry: &Entry) -> Vec<Input> {
    match &entry.result {
        CachedResult::Definition { record, .. } => record.inputs.clone(),
        CachedResult::Content { .. } => vec![],
    }
}

/// Says that a step came out differently here than there.
fn tell(context: &Context, own: &DefinitionRecord, entry: &Entry) {
    if let CachedResult::Definition { key, record, .. } = &entry.result
        && record.outcome.stack != own.outcome.stack
        && let Some(name) = context.name_of(key)
    {
        context.listener.on(Event::NotReproducible { name, first_difference: None });
    }
}

/// The answers to questions, in their order.
fn ask_all(context: &Context, questions: &[Question]) -> Vec<Option<Entry>> {
    let next = AtomicUsize::new(0);
    let answers = Mutex::new(vec![None; questions.len()]);
    let work = || {
        loop {
            let index = next.fetch_add(1, Ordering::Relaxed);
            let Some(question) = questions.get(index) else { return };
            let answer = context.caches.ask(question);
            answers.lock().unwrap_or_else(std::sync::PoisonError::into_inner)[index] = answer;
        }
    };
    if questions.len() == 1 {
        work();
    } else {
        std::thread::scope(|scope| {
            for _ in 0..AT_ONCE.min(questions.len()) {
                scope.spawn(work);
            }
        });
    }
    answers.into_inner().unwrap_or_else(std::sync::PoisonError::into_inner)
}
