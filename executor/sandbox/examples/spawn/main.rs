//! Prints what a sandbox costs: `cargo run --release -p sinter-sandbox --example spawn [RUNS]`.
//!
//! Beside it stands the same by hand (`by_hand.rs`): what the kernel and the shell alone take.
//!
//! The script is `true` in a tree that holds a copy of this machine's `/bin/sh`, so that mostly the sandbox is measured.

mod by_hand;

use std::collections::BTreeMap;
use std::error::Error;
use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use sinter_sandbox::{Job, Outcome, enter_user_namespace, prepare, skeleton};

fn main() -> Result<(), Box<dyn Error>> {
    enter_user_namespace()?;
    let runs = std::env::args().nth(1).map_or(Ok(200), |text| text.parse())?;
    let place = tempfile::tempdir()?;
    let tree = place.path().join("tree");
    install(&tree, Path::new("/bin/sh"))?;
    skeleton(&place.path().join("skeleton"))?;
    for depth in [1, 50, 400] {
        let layers = (1..depth).map(|number| layer(place.path(), number)).collect::<Result<Vec<_>, _>>()?;
        let mut samples =
            (0..runs).map(|number| sample(place.path(), number, &layers)).collect::<Result<Vec<_>, _>>()?;
        print(depth, &mut samples);
        let mut floor =
            (0..runs).map(|number| by_hand(place.path(), number, &layers)).collect::<Result<Vec<_>, _>>()?;
        line("by hand", &mut floor);
    }
    Ok(())
}

/// A layer with one file.
fn layer(place: &Path, number: usize) -> Result<PathBuf, Box<dyn Error>> {
    let layer = place.join("layers").join(number.to_string());
    fs::create_dir_all(layer.join("made"))?;
    fs::write(layer.join("made").join(number.to_string()), "")?;
    Ok(layer)
}

fn install(tree: &Path, program: &Path) -> Result<(), Box<dyn Error>> {
    let listed = Command::new("ldd").arg(program).output()?;
    let text = String::from_utf8(listed.stdout)?;
    let libraries = text.split_whitespace().filter(|word| word.starts_with('/')).map(Path::new);
    for file in libraries.chain([program]) {
        let to = tree.join(file.strip_prefix("/")?);
        fs::create_dir_all(to.parent().unwrap_or(tree))?;
        fs::copy(file, to)?;
    }
    Ok(())
}

/// A run and the time from giving the job to its answer, after the preparation, as in a builder that prepares ahead.
fn sample(place: &Path, number: usize, layers: &[PathBuf]) -> Result<Sample, Box<dyn Error>> {
    let own = place.join(number.to_string());
    for dir in ["upper", "work"] {
        fs::create_dir_all(own.join(dir))?;
    }
    let job = Job {
        lowers: [layers, &[place.join("tree"), place.join("skeleton")]].concat(),
        upper: own.join("upper"),
        work: own.join("work"),
        script: b"#!/bin/sh\ntrue\n".to_vec(),
        interpreter: vec!["/bin/sh".to_owned()],
        env: BTreeMap::new(),
        uid: 0,
        gid: 0,
        groups: vec![],
        workdir: PathBuf::from("/"),
        timeout: None,
    };
    let began = Instant::now();
    let prepared = prepare(File::create("/dev/null")?.into())?;
    std::thread::sleep(Duration::from_millis(5));
    let ordered = Instant::now();
    let (outcome, remains) = prepared.run(&job);
    let answered = ordered.elapsed();
    let outcome = outcome?;
    drop(remains);
    let all = began.elapsed().saturating_sub(Duration::from_millis(5));
    fs::remove_dir_all(own)?;
    Ok(Sample { all, answered, outcome })
}

fn by_hand(place: &Path, number: usize, layers: &[PathBuf]) -> Result<Duration, Box<dyn Error>> {
    let own = place.join(format!("hand-{number}"));
    let lowers = [layers, &[place.join("tree"), place.join("skeleton")]].concat();
    let taken = by_hand::run(&by_hand::Place { lowers: &lowers, own: &own })?;
    fs::remove_dir_all(own)?;
    Ok(taken)
}

struct Sample {
    /// Without the pause after the preparation.
    all: Duration,
    answered: Duration,
    outcome: Outcome,
}

type Part = (&'static str, fn(&Sample) -> Duration);

fn print(depth: usize, samples: &mut [Sample]) {
    let parts: [Part; 6] = [
        ("all in", |sample| sample.all),
        ("answer", |sample| sample.answered),
        ("preparation", |sample| sample.outcome.phases.preparation),
        ("mounts", |sample| sample.outcome.phases.mounts),
        ("script", |sample| sample.outcome.phases.script),
        ("teardown", |sample| sample.outcome.phases.teardown),
    ];
    println!("{depth} layers, {} runs: min and median in ms", samples.len());
    for (part, of) in parts {
        line(part, &mut samples.iter().map(of).collect::<Vec<_>>());
    }
}

fn line(part: &str, times: &mut [Duration]) {
    times.sort();
    let at = |index: usize| times.get(index).map_or(0.0, |time| time.as_secs_f64() * 1000.0);
    println!("  {part:12} {:6.2} {:6.2}", at(0), at(times.len() / 2));
}
