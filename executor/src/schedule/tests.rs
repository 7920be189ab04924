//! What is asked, hit, made and revoked, on a real store.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::sync::{Arc, Mutex};

use sinter_graph::derivation::{Graph, NodeId};
use sinter_graph::digest::LayerDigest;
use sinter_oci::Destination;
use sinter_store::{Elsewhere, RecordKind, Store};

use crate::BuildError;
use crate::record::DefinitionRecord;
use crate::testing::{Place, delete, gather, image, literal, merge, step};

/// A result that no second run repeats.
const RANDOM: &str = "cat /proc/sys/kernel/random/uuid > random";

/// Two steps on one another beside a file, as an image.
fn small(first: &str) -> (Graph, NodeId) {
    let mut graph = Graph::default();
    let text = literal(&mut graph, "text", "note", "words");
    let first = step(&mut graph, "first", Some(text), first);
    let second = step(&mut graph, "second", Some(first), "echo second > second");
    let both = gather(&mut graph, "both", &[(second, "/second"), (first, "/first"), (text, "/app")]);
    let image = image(&mut graph, "image", both);
    (graph, image)
}

#[test]
fn unchanged_build_asks_only_the_root() {
    let place = Place::new();
    let (graph, root) = small("echo first > first");
    let built = place.build(&graph, root).expect("a build");
    assert_eq!(place.events(), ["run first", "done first", "run second", "done second"]);
    let again = place.build(&graph, root).expect("a build");
    assert_eq!(place.events(), ["hit image"]);
    assert_eq!((again.targets, again.summary.ran), (built.targets, 0));
}

#[test]
fn equal_output_hits_again_above_a_miss() {
    let place = Place::new();
    let (graph, root) = small("echo first > first");
    let built = place.build(&graph, root).expect("a build");
    place.events();
    let (graph, root) = small("echo first > first # in other words");
    let again = place.build(&graph, root).expect("a build");
    assert_eq!(place.events(), ["hit text", "run first", "done first", "hit second"]);
    assert_eq!((again.targets, again.summary.ran), (built.targets, 1));
}

/// Everything in the store that a build can lose, object by object.
fn losses(place: &Place) -> Vec<PathBuf> {
    let parts = ["layers", "manifests", "blobs", "logs"].into_iter();
    let records = ["definition", "content", "stack", "layer", "blob"].map(|kind| format!("records/{kind}"));
    parts.map(str::to_owned).chain(records).flat_map(|part| place.stored(&part)).collect()
}

#[test]
fn every_loss_is_made_good() {
    let place = Place::new();
    let (graph, root) = small("echo first > first");
    let built = place.build(&graph, root).expect("a build");
    let objects = losses(&place);
    assert!(objects.len() > 15, "{objects:?}");
    for (number, lost) in objects.into_iter().enumerate() {
        delete(&lost);
        let written = place.build_to(&graph, root, vec![destination(&place, number)]);
        let again = written.unwrap_or_else(|error| panic!("without {}: {error}", lost.display()));
        assert_eq!(again.targets, built.targets, "without {}", lost.display());
    }
}

/// A place of its own that wants every byte.
fn destination(place: &Place, number: usize) -> Destination {
    std::fs::create_dir_all(place.path("out")).expect("a directory");
    Destination::parse(&format!("oci:{}/{number}", place.path("out").display())).expect("a place")
}

#[test]
fn every_damaged_layer_is_made_again_while_it_is_written() {
    let place = Place::new();
    let (graph, root) = small("echo first > first");
    place.build(&graph, root).expect("a build");
    for (index, layer) in place.stored("layers").into_iter().enumerate() {
        for file in
            ["app/note", "first", "second"].map(|name| layer.join("fs").join(name)).into_iter().filter(|f| f.exists())
        {
            std::fs::write(&file, "damaged").expect("a damaged file");
        }
        place.events();
        place.build_to(&graph, root, vec![destination(&place, index)]).expect("a build that mends the store");
    }
}

#[test]
fn step_that_differs_is_reported_and_its_result_used() {
    let place = Place::new();
    let mut graph = Graph::default();
    let random = step(&mut graph, "random", None, RANDOM);
    let built = place.build(&graph, random).expect("a build");
    place.stored("layers").iter().for_each(|layer| delete(layer));
    place.events();
    let wanted = Destination::parse(&format!("dir:{}", place.path("out").display())).expect("a place");
    let again = place.build_to(&graph, random, vec![wanted]).expect("a build");
    assert_eq!(place.events(), ["hit random", "revoked", "run random", "done random", "differs random None"]);
    assert_ne!(again.targets, built.targets);
}

/// `random`, and two steps that stand on it.
fn diamond() -> (Graph, [NodeId; 4]) {
    let mut graph = Graph::default();
    let random = step(&mut graph, "random", None, RANDOM);
    let left = step(&mut graph, "left", Some(random), "echo left > left");
    let right = step(&mut graph, "right", Some(random), "echo right > right");
    let both = merge(&mut graph, "both", &[left, right]);
    (graph, [random, left, right, both])
}

#[test]
fn hit_on_another_realisation_is_revoked_once() {
    let place = Place::new();
    let (graph, [random, left, _, both]) = diamond();
    place.build(&graph, random).expect("a build");
    let of_random = [place.stored("records/definition"), place.stored("records/content")].concat();
    place.build(&graph, left).expect("a build");
    of_random.iter().for_each(|record| delete(record));
    place.events();
    // `left` is a hit on the old result of `random`; `right` needs a new one. Both in one tree would be a conflict.
    let built = place.build(&graph, both).expect("one result of `random` below both");
    let events = place.events();
    assert_eq!(events.iter().filter(|event| *event == "revoked").count(), 1, "{events:?}");
    assert_eq!(built.summary.ran, 3, "{events:?}");
    assert_eq!(place.build(&graph, both).expect("a build").targets, built.targets);
}

#[test]
fn record_that_contradicts_a_made_result_is_a_miss() {
    let place = Place::new();
    let (graph, [random, left, _, both]) = diamond();
    place.build(&graph, random).expect("a build");
    let of_random = [place.stored("records/definition"), place.stored("records/content")].concat();
    place.build(&graph, left).expect("a build");
    of_random.iter().for_each(|record| delete(record));
    place.build(&graph, random).expect("another result");
    place.events();
    let built = place.build(&graph, both).expect("one result of `random` below both");
    assert_eq!(place.build(&graph, both).expect("a build").targets, built.targets);
}

#[test]
fn equal_derivations_and_equal_sights_run_once() {
    let place = Place::new();
    let mut graph = Graph::default();
    let twins = [step(&mut graph, "one", None, RANDOM), step(&mut graph, "two", None, RANDOM)];
    // Two definitions of one tree: only the content key tells that their steps see the same, while one of them runs.
    let written = literal(&mut graph, "written", "/note", "words");
    let picked = gather(&mut graph, "picked", &[(written, "/note")]);
    let seen = [written, picked].map(|from| step(&mut graph, "seen", Some(from), &format!("sleep 0.5; {RANDOM}")));
    let all = [(merge(&mut graph, "twins", &twins), "/random"), (merge(&mut graph, "seers", &seen), "/note")];
    let all = gather(&mut graph, "all", &all);
    let built = place.build(&graph, all).expect("no conflict: each ran once");
    assert_eq!((built.summary.steps, built.summary.ran), (4, 2), "{:?}", place.events());
}

/// Two independent steps.
fn pair(left: &str, right: &str) -> (Graph, NodeId) {
    let mut graph = Graph::default();
    let steps = [step(&mut graph, "left", None, left), step(&mut graph, "right", None, right)];
    let both = gather(&mut graph, "both", &[(steps[0], "/a"), (steps[1], "/b")]);
    (graph, both)
}

#[test]
fn two_jobs_run_two_steps_at_once() {
    let place = Place::new();
    let meeting = place.path("");
    let wait = |own: &str, other: &str| {
        let meeting = meeting.display();
        format!("echo > {meeting}{own}; until test -e {meeting}{other}; do sleep 0.01; done; echo > {own}")
    };
    // Each waits for the other: one after the other they would wait for ever.
    let (graph, both) = pair(&wait("a", "b"), &wait("b", "a"));
    assert_eq!(place.build(&graph, both).expect("a build").summary.ran, 2);
}

#[test]
fn one_job_runs_one_step_after_the_other() {
    let mut place = Place::new();
    place.jobs = 1;
    let (graph, both) = pair("echo > a", "echo > b");
    place.build(&graph, both).expect("a build");
    assert_eq!(place.events(), ["run left", "done left", "run right", "done right"]);
}

#[test]
fn first_failure_is_told_and_nothing_starts_after_it() {
    for jobs in [1, 2, 8] {
        let mut place = Place::new();
        place.jobs = jobs;
        let mut graph = Graph::default();
        let bad = step(&mut graph, "bad", None, "echo oh no; exit 3");
        let above: Vec<NodeId> =
            (0..40).map(|n| step(&mut graph, "above", Some(bad), &format!("echo > {n}"))).collect();
        let all = merge(&mut graph, "all", &above);
        let error = place.build(&graph, all).expect_err("a step that fails");
        let BuildError::Step(failure) = &*error else { panic!("{error:?}") };
        assert_eq!((failure.name.as_str(), failure.tail.as_slice()), ("bad", &["oh no".to_owned()][..]));
        assert_eq!(place.events(), ["run bad", "bad | oh no"], "with {jobs} jobs");
        assert_eq!(place.stored("work"), Vec::<PathBuf>::new(), "with {jobs} jobs");
    }
}

#[test]
fn deep_graphs_do_not_exhaust_the_stack() {
    let place = Place::new();
    let mut graph = Graph::default();
    let mut top = literal(&mut graph, "bottom", "note", "words");
    for _ in 0..400 {
        top = merge(&mut graph, "above", &[top]);
    }
    place.build(&graph, top).expect("a build");
    assert_eq!(place.build(&graph, top).map(|report| report.summary.ran).ok(), Some(0));
    assert_eq!(place.events(), ["hit above"]);
}

#[test]
fn records_name_what_they_were_computed_from_directly() {
    let place = Place::new();
    let (graph, [random, left, _, both]) = diamond();
    let mut known = BTreeSet::new();
    for (root, expected) in [(random, vec![0]), (left, vec![1]), (both, vec![1, 2])] {
        place.build(&graph, root).expect("a build");
        let records: BTreeSet<PathBuf> = place.stored("records/definition").into_iter().collect();
        let mut inputs: Vec<usize> = records.difference(&known).map(|record| inputs(&place, record)).collect();
        inputs.sort_unstable();
        assert_eq!(inputs, expected);
        known = records;
    }
}

/// The number of results that a record of the store says it was computed from.
fn inputs(place: &Place, record: &std::path::Path) -> usize {
    let key = record.file_name().and_then(|name| name.to_str()).expect("a key");
    let store = Store::open(&place.store()).expect("a store");
    let payload = store.record(RecordKind::Definition, key).expect("a look").expect("a record");
    DefinitionRecord::decode(&payload).expect("a record").inputs.len()
}

/// Bytes that were in a store, and which of them were asked for.
struct Moved {
    tars: BTreeMap<LayerDigest, Vec<u8>>,
    asked: Mutex<BTreeSet<LayerDigest>>,
}

impl Moved {
    /// Takes the bytes of all layers out of the store; what is known about them stays.
    fn out_of(place: &Place) -> Self {
        let store = Store::open(&place.store()).expect("a store");
        let mut tars = BTreeMap::new();
        for layer in place.stored("layers") {
            let hex = layer.file_name().and_then(|name| name.to_str()).expect("a digest");
            let digest: LayerDigest = format!("sha256:{hex}").parse().expect("a digest");
            let mut tar = Vec::new();
            store.write_layer(&digest, &mut tar).expect("its bytes");
            tars.insert(digest, tar);
            delete(&layer);
        }
        Self { tars, asked: Mutex::default() }
    }

    fn asked(&self) -> usize {
        std::mem::take(&mut *self.asked.lock().expect("no test panicked with it")).len()
    }
}

impl Elsewhere for Moved {
    fn fetch(&self, layer: &LayerDigest, out: &mut dyn std::io::Write) -> std::io::Result<bool> {
        self.asked.lock().expect("no test panicked with it").insert(*layer);
        self.tars.get(layer).map_or(Ok(false), |tar| out.write_all(tar).map(|()| true))
    }
}

#[test]
fn image_of_hits_asks_for_no_bytes() {
    let mut place = Place::new();
    let (graph, root) = small("echo first > first");
    let built = place.build(&graph, root).expect("a build");
    let moved = Arc::new(Moved::out_of(&place));
    place.elsewhere = Some(moved.clone());
    place.stored("records/definition").iter().for_each(|record| delete(record));
    let again = place.build(&graph, root).expect("a build of hits");
    assert_eq!((again.targets, again.summary.ran), (built.targets.clone(), 0));
    assert_eq!(moved.asked(), 0, "facts are enough");
    let wanted = Destination::parse(&format!("dir:{}", place.path("out").display())).expect("a place");
    let written = place.build_to(&graph, root, vec![wanted]).expect("a build that writes");
    assert_eq!((written.targets, written.summary.ran), (built.targets, 0));
    let asked = moved.asked();
    assert!(asked > 0 && asked < moved.tars.len(), "only what is written: {asked} of {}", moved.tars.len());
    assert!(place.path("out/second").is_file());
}
