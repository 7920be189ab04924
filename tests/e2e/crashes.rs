//! Killed at any moment: the next run completes and gives the same digest.

use std::process::Stdio;
use std::time::Duration;

use crate::support::{Built, Place, c_server, share_packages};

/// How many times a build is killed; `cargo xtask soak` sets more.
fn kills() -> u32 {
    std::env::var("SINTER_SOAK").ok().and_then(|text| text.parse().ok()).unwrap_or(12)
}

#[test]
fn killed_build_is_finished_by_the_next_one() {
    let (source, built) = c_server();
    let place = Place::copy_of(source);
    share_packages(&place);
    let mut random = Random(0x5157_e4b1);
    let mut interrupted = 0;
    for kill in 0..kills() {
        if kill % 20 == 19 {
            // Long runs start from nothing now and then, or most kills would hit a build that has nothing to do.
            std::fs::remove_dir_all(place.store().join("records")).expect("records");
        }
        edit(&place, kill);
        let mut child = place
            .command(&["build", "-o", "oci:image"])
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .expect("sinter");
        std::thread::sleep(Duration::from_millis(random.below(1500)));
        let _ = child.kill();
        interrupted += u32::from(!child.wait().expect("its status").success());
    }
    assert!(interrupted > 0, "every build ended before it was killed");
    restore(&place);
    let ran = place.sinter(&["build", "-o", "oci:image"]);
    assert_eq!(Built::of(&ran).digest, built.digest);
    println!("soak: {interrupted} of {} builds were killed before they ended, the last one is whole", kills());
}

/// Makes every build have something to do.
fn edit(place: &Place, number: u32) {
    restore(place);
    let text = place.read("public/index.html");
    place.write("public/index.html", &format!("{text}<!-- {number} -->\n"));
    let text = place.read("src/http/answer.c");
    place.write("src/http/answer.c", &format!("{text}const int edit_{number} = {number};\n"));
}

fn restore(place: &Place) {
    let (source, _) = c_server();
    for file in ["public/index.html", "src/http/answer.c"] {
        place.write(file, &source.read(file));
    }
}

/// A small generator, so that a failing run can be repeated (xorshift, Marsaglia 2003).
struct Random(u32);

impl Random {
    fn below(&mut self, limit: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 17;
        self.0 ^= self.0 << 5;
        u64::from(self.0) % limit
    }
}
