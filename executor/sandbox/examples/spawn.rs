//! Prints what a sandbox costs: `cargo run --release -p sinter-sandbox --example spawn [RUNS]`.
//!
//! The script is `true` in a tree that holds a copy of this machine's `/bin/sh`, so that mostly the sandbox is measured.

use std::collections::BTreeMap;
use std::error::Error;
use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use sinter_sandbox::{Job, Outcome, enter_user_namespace, run, skeleton};

fn main() -> Result<(), Box<dyn Error>> {
    enter_user_namespace()?;
    let runs = std::env::args().nth(1).map_or(Ok(200), |text| text.parse())?;
    let place = tempfile::tempdir()?;
    let tree = place.path().join("tree");
    install(&tree, Path::new("/bin/sh"))?;
    skeleton(&place.path().join("skeleton"))?;
    for (name, interpreter) in [("line by line", vec!["/bin/sh".to_owned()]), ("as a file", vec![])] {
        let mut samples =
            (0..runs).map(|number| sample(place.path(), number, &interpreter)).collect::<Result<Vec<_>, _>>()?;
        print(name, &mut samples);
    }
    Ok(())
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

/// Everything a step pays for its sandbox: fresh directories, the run, and their removal.
fn sample(place: &Path, number: usize, interpreter: &[String]) -> Result<(Duration, Outcome), Box<dyn Error>> {
    let began = Instant::now();
    let own = place.join(number.to_string());
    for dir in ["upper", "work"] {
        fs::create_dir_all(own.join(dir))?;
    }
    let outcome = run(Job {
        lowers: vec![place.join("tree"), place.join("skeleton")],
        upper: own.join("upper"),
        work: own.join("work"),
        script: b"#!/bin/sh\ntrue\n".to_vec(),
        interpreter: interpreter.to_vec(),
        env: BTreeMap::new(),
        uid: 0,
        gid: 0,
        groups: vec![],
        workdir: PathBuf::from("/"),
        output: File::create("/dev/null")?.into(),
        timeout: None,
    })?;
    fs::remove_dir_all(own)?;
    Ok((began.elapsed(), outcome))
}

type Part = (&'static str, fn(&(Duration, Outcome)) -> Duration);

fn print(name: &str, samples: &mut [(Duration, Outcome)]) {
    let parts: [Part; 5] = [
        ("all in", |sample| sample.0),
        ("namespaces", |sample| sample.1.phases.namespaces),
        ("mounts", |sample| sample.1.phases.mounts),
        ("script", |sample| sample.1.phases.script),
        ("teardown", |sample| sample.1.phases.teardown),
    ];
    println!("script fed {name}, {} runs: min and median in ms", samples.len());
    for (part, of) in parts {
        let mut times: Vec<Duration> = samples.iter().map(of).collect();
        times.sort();
        let at = |index: usize| times.get(index).map_or(0.0, |time| time.as_secs_f64() * 1000.0);
        println!("  {part:12} {:6.2} {:6.2}", at(0), at(times.len() / 2));
    }
}
