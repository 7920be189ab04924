//! The numbers of README.md, measured on this machine in one run, beside the peers that Debian has.
//!
//! `cargo xtask bench` builds the release binaries and starts this program, which finds them beside itself. Absolute
//! times depend on the machine; ratios are taken from runs of both commands in turn. Nothing here is a test: no figure
//! is asserted. A peer that is not installed is left out and said to be.

mod chain;
mod example;
mod figures;
mod ground;
mod growth;
mod peers;
mod sandbox;
mod unpack;

use std::path::{Path, PathBuf};

use figures::{machine, row};
use sandbox::Sandbox;

/// The programs that are measured.
struct Programs {
    sinter: PathBuf,
    /// The example `unpack` of `sinter-source`.
    unpack: PathBuf,
    /// The example `spawn` of `sinter-sandbox`.
    spawn: PathBuf,
}

impl Programs {
    fn beside(own: &Path) -> Option<Self> {
        let release = own.parent()?;
        let example = |name: &str| release.join("examples").join(name);
        let programs = Self { sinter: release.join("sinter"), unpack: example("unpack"), spawn: example("spawn") };
        [&programs.sinter, &programs.unpack, &programs.spawn].iter().all(|path| path.is_file()).then_some(programs)
    }
}

fn main() {
    let Some(programs) = std::env::current_exe().ok().and_then(|own| Programs::beside(&own)) else {
        eprintln!("the programs to measure are not beside this one: run `cargo xtask bench`");
        std::process::exit(2);
    };
    // Nothing is deleted while something is measured: ext4 makes files more slowly for minutes after mass deletions.
    let place = tempfile::tempdir().expect("a temporary directory");
    println!("| what | sinter | peer | sinter : peer |\n| --- | --- | --- | --- |");
    example::run(&programs.sinter, place.path());
    let sandbox = Sandbox::measure(&programs.spawn);
    chain::run(&programs, &sandbox, place.path());
    growth::run(&programs, &sandbox, place.path());
    ground::run(&programs.sinter, place.path());
    unpack::run(&programs.unpack, place.path());
    peers::run(&programs.sinter, place.path());
    if let Ok(metadata) = std::fs::metadata(&programs.sinter) {
        row("release binary, static", &format!("{:.1} MB", figures::megabytes(metadata.len())), "", "");
    }
    println!("\n{}", machine());
}
