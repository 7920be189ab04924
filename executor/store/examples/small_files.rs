//! What one layer of many small files costs: `cargo run --release -p sinter-store --example small_files [COUNT] [DIR]`.
//!
//! Writes COUNT files of 1 KiB (default 60,000) in directories of 100, then captures and publishes them, and prints the
//! milliseconds of each and the most memory this process held.

use std::error::Error;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::Instant;

use sinter_store::{CapturePolicy, NothingBelow, Store, capture, remove_tree};

fn main() -> Result<(), Box<dyn Error>> {
    let count = std::env::args().nth(1).map_or(Ok(60_000), |text| text.parse())?;
    let base = std::env::args_os().nth(2).map_or_else(std::env::temp_dir, PathBuf::from);
    let root = base.join(format!("sinter-small-files-{}", std::process::id()));
    let result = measure(&root, count);
    remove_tree(&root)?;
    result
}

fn measure(root: &Path, count: usize) -> Result<(), Box<dyn Error>> {
    let store = Store::open(root)?;
    let workspace = store.workspace()?;
    let upper = workspace.path().join("upper");
    fs::create_dir(&upper)?;
    timed("write", || write_files(&upper, count))?;
    let captured = timed("capture", || capture(&upper, &NothingBelow, &CapturePolicy::ALL))?;
    timed("publish", || store.publish_captured(&upper, captured, sinter_store::Origin::Captured))?;
    let status = fs::read_to_string("/proc/self/status")?;
    println!("{}", status.lines().find(|line| line.starts_with("VmHWM")).unwrap_or("no memory figure"));
    Ok(())
}

fn write_files(upper: &Path, count: usize) -> std::io::Result<()> {
    for number in 0..count {
        let place = upper.join(format!("lib/package-{}", number / 100));
        if number % 100 == 0 {
            fs::create_dir_all(&place)?;
        }
        fs::write(place.join(format!("module-{number}.js")), vec![b'a' + (number % 26) as u8; 1024])?;
    }
    Ok(())
}

fn timed<T, E>(what: &str, work: impl FnOnce() -> Result<T, E>) -> Result<T, E> {
    let start = Instant::now();
    let value = work()?;
    println!("{what:10} {:8.0} ms", start.elapsed().as_secs_f64() * 1e3);
    Ok(value)
}
