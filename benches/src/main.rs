//! The numbers of README.md, measured on this machine in one run, beside the peers that Debian has.
//!
//! `cargo xtask bench` builds the release binary and starts this program with its path. Absolute times depend on the
//! machine; ratios are taken pair by pair, the two commands in turn. Nothing here is a test: no figure is asserted.

mod chain;
mod example;
mod figures;
mod peers;

use std::path::PathBuf;

fn main() {
    let Some(sinter) = std::env::args_os().nth(1).map(PathBuf::from) else {
        eprintln!("usage: sinter-benches PATH-OF-SINTER (run `cargo xtask bench`)");
        std::process::exit(2);
    };
    println!("| what | figure | peer | ratio |\n| --- | --- | --- | --- |");
    example::run(&sinter);
    chain::run(&sinter);
    peers::run(&sinter);
    if let Ok(metadata) = std::fs::metadata(&sinter) {
        figures::row("release binary", &format!("{:.1} MB", figures::megabytes(metadata.len())), "", "");
    }
}
