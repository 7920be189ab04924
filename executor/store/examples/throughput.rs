//! Measures the store on this machine: `cargo run --release -p sinter-store --example throughput [DIR]`.
//!
//! Makes 50,000 small files and one file of 1 GB in DIR (default: the directory for temporary files), captures and
//! publishes both, and prints files and bytes per second.

use std::error::Error;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::Instant;

use sinter_store::{CapturePolicy, NothingBelow, Store, capture, export_tree, remove_tree};

type Outcome<T> = Result<T, Box<dyn Error>>;

fn main() -> Outcome<()> {
    let base = std::env::args_os().nth(1).map_or_else(std::env::temp_dir, PathBuf::from);
    let root = base.join(format!("sinter-throughput-{}", std::process::id()));
    let result = measure(&root);
    remove_tree(&root)?;
    result
}

fn measure(root: &Path) -> Outcome<()> {
    let store = timed("first open", 1.0, "opens", || Store::open(root))?;
    let again = timed("next open", 1.0, "opens", || Store::open(root))?;
    drop(again);
    let layers = [layer(&store, "50,000 files", &small_files)?, layer(&store, "1 GB", &large_file)?];
    timed("settle", 1.0, "settlings", || store.settle())?;
    timed("export both", 50_000.0, "files", || export_tree(&store, &layers, &root.join("export")))?;
    timed("remove", 50_000.0, "files", || remove_tree(&root.join("export")))?;
    let records = 2000;
    let key = |number: u32| format!("{number:064x}");
    let write =
        || (0..records).try_for_each(|n| store.put_record(sinter_store::RecordKind::Content, &key(n), &[0; 200]));
    timed("write records", f64::from(records), "records", write)?;
    let read = || -> Outcome<usize> {
        Ok((0..records).filter_map(|n| store.record(sinter_store::RecordKind::Content, &key(n)).ok().flatten()).count())
    };
    timed("read records", f64::from(records), "records", read)?;
    Ok(())
}

fn layer(
    store: &Store,
    name: &str,
    fill: &dyn Fn(&Path) -> Outcome<f64>,
) -> Outcome<sinter_graph::digest::LayerDigest> {
    println!("{name}:");
    let workspace = store.workspace()?;
    let upper = workspace.path().join("upper");
    fs::create_dir(&upper)?;
    let amount = fill(&upper)?;
    let unit = if amount > 1e6 { "bytes" } else { "files" };
    let captured = timed("  capture", amount, unit, || capture(&upper, &NothingBelow, &CapturePolicy::ALL))?;
    let digest =
        timed("  publish", amount, unit, || store.publish_captured(&upper, captured, sinter_store::Origin::Captured))?;
    timed("  write tar", amount, unit, || store.write_layer(&digest, &mut std::io::sink()))?;
    let fresh = Store::open(store.root())?;
    timed("  read manifest", amount, unit, || fresh.manifest(&digest))?;
    Ok(digest)
}

/// 500 directories of 100 files of 4 KB on average.
fn small_files(upper: &Path) -> Outcome<f64> {
    for directory in 0..500_usize {
        let place = upper.join(format!("lib/package-{directory}"));
        fs::create_dir_all(&place)?;
        for file in 0..100_usize {
            let length = (directory * 131 + file * 977) % 8000;
            fs::write(place.join(format!("module-{file}.js")), vec![b'a' + (file % 26) as u8; length])?;
        }
    }
    Ok(50_000.0)
}

fn large_file(upper: &Path) -> Outcome<f64> {
    let block: Vec<u8> = (0..1_000_000_u32).map(|number| (number.wrapping_mul(2_654_435_761) >> 24) as u8).collect();
    let mut file = fs::File::create(upper.join("large"))?;
    for _ in 0..1000 {
        std::io::Write::write_all(&mut file, &block)?;
    }
    Ok(1e9)
}

fn timed<T, E: Into<Box<dyn Error>>>(
    name: &str,
    amount: f64,
    unit: &str,
    work: impl FnOnce() -> Result<T, E>,
) -> Outcome<T> {
    let (start, busy) = (Instant::now(), processor_time());
    let value = work().map_err(Into::into)?;
    let (seconds, busy) = (start.elapsed().as_secs_f64(), processor_time() - busy);
    println!(
        "{name}: {:.2} ms, {:.0} {unit}/s; {:.2} ms of processor time",
        seconds * 1e3,
        amount / seconds,
        busy * 1e3
    );
    Ok(value)
}

/// Seconds of processor time this process has used: what counts on a machine that is busy with other things.
fn processor_time() -> f64 {
    let time = rustix::time::clock_gettime(rustix::time::ClockId::ProcessCPUTime);
    time.tv_sec as f64 + time.tv_nsec as f64 / 1e9
}
