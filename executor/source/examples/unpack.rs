//! Resolves, fetches and unpacks Debian packages, and says how long each part took.
//!
//! `cargo run --release -p sinter-source --example unpack -- STORE INTO SUITE PACKAGE...`
//!
//! With `system` as the first package, the Essential set goes below. INTO must not exist; it should lie on the same file
//! system as STORE.

use std::path::Path;
use std::time::Instant;

use sinter_graph::lock::{DebianQuestion, Lock, PinnedPackage};
use sinter_graph::platform::Platform;
use sinter_graph::tree::Kind;
use sinter_source::debian::{Debian, MirrorConfig, MirrorSettings, Progress};
use sinter_store::Store;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [store, into, suite, packages @ ..] = &arguments[..] else {
        return Err("usage: unpack STORE INTO SUITE [system] PACKAGE...".into());
    };
    let system = packages.first().is_some_and(|word| word == "system");
    let packages = &packages[usize::from(system)..];
    let settings = MirrorSettings::of_machine(&Default::default(), |name| std::env::var_os(name));
    let report = |event: Progress| match event {
        Progress::Download { .. } | Progress::Unpack { .. } => {}
        other => eprintln!("{other:?}"),
    };
    let offline = std::env::var_os("OFFLINE").is_some();
    let debian = Debian::new(Store::open(Path::new(store))?, MirrorConfig::settle(&settings), offline, &report);
    let architecture = Platform::native().architecture().to_owned();
    let lock_file = Path::new(store).join("example.lock");
    let mut lock = Lock::parse(&std::fs::read_to_string(&lock_file).unwrap_or_default())?;

    let start = Instant::now();
    let pinned = lock.debian.release(suite).cloned();
    let (release, pin) = debian.resolve(suite, packages, &architecture, pinned.as_ref())?;
    eprintln!("resolve: {:?}", start.elapsed());
    let mut wanted: Vec<PinnedPackage> = pin.packages[&architecture].clone();
    if system {
        wanted.extend(release.essential[&architecture].clone());
        wanted.sort();
        wanted.dedup();
    }
    lock.debian.insert_release(suite, release)?;
    lock.debian.insert_closure(DebianQuestion::new(suite, packages), pin)?;
    std::fs::write(&lock_file, lock.render())?;

    let start = Instant::now();
    debian.fetch(&wanted.iter().collect::<Vec<_>>())?;
    let packed: u64 = wanted.iter().map(|package| package.size).sum();
    eprintln!("fetch: {} packages, {:.1} MB: {:?}", wanted.len(), packed as f64 / 1e6, start.elapsed());

    std::fs::create_dir(into)?;
    let start = Instant::now();
    let manifest = debian.unpack(&wanted, system, Path::new(into))?;
    let elapsed = start.elapsed().as_secs_f64();
    let size = |kind: &Kind| if let Kind::File { size, .. } = kind { *size } else { 0 };
    let bytes: u64 = manifest.entries().iter().map(|entry| size(&entry.kind)).sum();
    eprintln!(
        "unpack: {} entries, {:.1} MB in {elapsed:.3} s: {:.0} MB/s",
        manifest.entries().len(),
        bytes as f64 / 1e6,
        bytes as f64 / 1e6 / elapsed
    );
    Ok(())
}
