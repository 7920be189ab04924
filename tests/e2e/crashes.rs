//! Three builds at once on one store, killed at any moment: the store stays whole, and the next run completes and gives the
//! same digest. Kills at each point where something becomes visible are in `kills.rs`.

use std::path::Path;
use std::process::{Child, Stdio};
use std::time::{Duration, Instant};

use sinter_graph::digest::LayerDigest;
use sinter_store::Store;

use crate::generated::number_of;
use crate::random::Random;
use crate::support::{Built, Place, c_server, share_packages};

const AT_ONCE: usize = 3;
/// How many builds are killed; `cargo xtask soak` sets more.
const FEW: u64 = 36;

#[test]
fn killed_builds_leave_a_whole_store_and_the_next_one_completes() {
    let (source, built) = c_server();
    let places = places(source);
    let mut random = Random::new(0x5157_e4b1);
    let rounds = number_of("SINTER_SOAK").unwrap_or(FEW).div_ceil(AT_ONCE as u64);
    let latest = usual_milliseconds(&places[0]);
    let mut interrupted = 0;
    for round in 0..rounds {
        if round % 20 == 19 {
            // Long runs start from nothing now and then, or most kills would hit builds that have nothing to do.
            std::fs::remove_dir_all(places[0].store().join("records")).expect("records");
        }
        // Two of them do the same work, so that one waits for the other, which dies.
        places.iter().enumerate().for_each(|(index, place)| edit(place, 2 * round + (index as u64) / 2));
        interrupted += killed(places.each_ref().map(start), latest, &mut random);
    }
    assert!(interrupted > 0, "every build ended before it was killed");
    for place in &places {
        restore(place);
        let ran = place.sinter(&["build", "-o", "oci:image"]);
        assert_eq!(Built::of(&ran).digest, built.digest);
    }
    let (layers, lost) = expect_whole(places[0].store());
    assert_eq!(lost, 0, "the store knows layers that it does not hold");
    let total = rounds * AT_ONCE as u64;
    println!(
        "soak: {interrupted} of {total} builds, three at once, were killed before they ended; the last one and all \
         {layers} layers of the store are whole, and nothing is left"
    );
}

/// Copies of the project that share a store.
fn places(source: &Place) -> [Place; AT_ONCE] {
    let first = Place::copy_of(source);
    share_packages(&first);
    let others = [(); AT_ONCE - 1].map(|()| {
        let place = Place::copy_of(source).with_store(first.store());
        place.write("sinter.lock", &first.read("sinter.lock"));
        place
    });
    let [second, third] = others;
    [first, second, third]
}

fn start(place: &Place) -> Child {
    let mut command = place.command(&["build", "-o", "oci:image"]);
    command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().expect("sinter")
}

/// How long an edited project is built alone, times the builds at once: later, most have ended.
fn usual_milliseconds(place: &Place) -> u64 {
    place.build(&["-o", "oci:image"]);
    edit(place, u64::MAX);
    let begun = Instant::now();
    place.build(&["-o", "oci:image"]);
    let milliseconds = u64::try_from(begun.elapsed().as_millis()).expect("a short build");
    milliseconds * AT_ONCE as u64
}

/// Kills each at a moment of its own, and tells how many had not ended.
fn killed(children: [Child; AT_ONCE], latest: u64, random: &mut Random) -> u32 {
    let mut moments = children.map(|child| (random.below(latest), child));
    moments.sort_by_key(|(moment, _)| *moment);
    let (mut now, mut interrupted) = (0, 0);
    for (moment, mut child) in moments {
        std::thread::sleep(Duration::from_millis(moment - now));
        now = moment;
        let _ = child.kill();
        interrupted += u32::from(!child.wait().expect("its status").success());
    }
    interrupted
}

/// Makes a build have something to do.
fn edit(place: &Place, number: u64) {
    restore(place);
    let text = place.read("public/index.html");
    place.write("public/index.html", &format!("{text}<!-- {number} -->\n"));
    let text = place.read("src/http/answer.c");
    place.write("src/http/answer.c", &format!("{text}const unsigned long edit_{number} = {number}ul;\n"));
}

fn restore(place: &Place) {
    let (source, _) = c_server();
    for file in ["public/index.html", "src/http/answer.c"] {
        place.write(file, &source.read(file));
    }
}

/// Expects that nobody has left anything in a store that nobody uses, and that what is there is what it is called; the
/// number of layers of which the store holds bytes, and of those it only knows.
pub(crate) fn expect_whole(root: &Path) -> (usize, usize) {
    for directory in ["work", "turns", "leases"] {
        let left = names(&root.join(directory));
        assert!(left.is_empty(), "left in {directory}: {left:?}");
    }
    let store = Store::open(root).expect("a store");
    let known = names(&root.join("records/layer"));
    let (here, elsewhere): (Vec<&String>, Vec<_>) =
        known.iter().partition(|layer| root.join("layers").join(layer).exists());
    for layer in &here {
        let digest: LayerDigest = format!("sha256:{layer}").parse().expect("a digest");
        store.verify_layer(&digest).expect("a whole layer");
    }
    (here.len(), elsewhere.len())
}

fn names(directory: &Path) -> Vec<String> {
    let entries = std::fs::read_dir(directory).expect("a directory of the store");
    entries.map(|entry| entry.expect("an entry").file_name().into_string().expect("a plain name")).collect()
}
