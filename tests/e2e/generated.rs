//! Random graphs have one result each: whoever builds them, from where, and however many steps run at once.
//!
//! A graph that cannot be built ends alike everywhere. Few builds run here; `cargo xtask soak` has more graphs, each under
//! callers that cover every pair of circumstances. `SINTER_SOAK=1 SINTER_SEED=N` repeats the graph N.

pub(crate) mod graphs;
mod scripts;

use std::collections::BTreeSet;
use std::fmt::{Display, Formatter};
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::random::Random;
use crate::support::{Place, Ran, SINTER, TINY, User, copy, run};

/// Few enough for every run of the tests.
const FEW: u64 = 4;
/// A group that no map of ids of an unprivileged user holds.
const OTHER_GROUP: &str = "12";

/// Who builds, and how; each bit is one circumstance.
#[derive(Clone, Copy, PartialEq, Eq)]
struct Caller(u8);

const CIRCUMSTANCES: [&str; 6] = ["user", "umask 077", "setgid", "reload", "jobs 8", "apart"];
const AT_BOTH_ENDS: [Caller; 2] = [Caller(0), Caller(0b11_1111)];

impl Caller {
    fn has(self, circumstance: &str) -> bool {
        let bit = CIRCUMSTANCES.iter().position(|known| *known == circumstance).expect("a circumstance");
        self.0 >> bit & 1 == 1
    }

    /// Eight callers among whom each pair of circumstances occurs in all four ways: the rows of an orthogonal array
    /// of strength two (Rao 1947), with its columns given out and turned over at random.
    fn covering(random: &mut Random) -> Vec<Self> {
        let columns = random.some(&[0b001_u8, 0b010, 0b100, 0b011, 0b101, 0b110, 0b111], CIRCUMSTANCES.len());
        let turned = u8::try_from(random.below(64)).expect("six bits");
        let row = |row: u8| {
            let bits = columns.iter().enumerate().map(|(bit, column)| ((row & column).count_ones() as u8 & 1) << bit);
            Self(bits.sum::<u8>() ^ turned)
        };
        (0..8).map(row).collect()
    }

    /// A few, with those at both ends.
    fn few(random: &mut Random) -> Vec<Self> {
        let others = random.some(&(1..63).map(Self).collect::<Vec<_>>(), 4);
        AT_BOTH_ENDS.into_iter().chain(others).collect()
    }
}

impl Display for Caller {
    fn fmt(&self, formatter: &mut Formatter<'_>) -> std::fmt::Result {
        let names: Vec<&str> = CIRCUMSTANCES.into_iter().filter(|name| self.has(name)).collect();
        write!(formatter, "{}", if names.is_empty() { "nothing special".to_owned() } else { names.join(", ") })
    }
}

/// A store that holds the head of all graphs, and whose it is.
pub(crate) struct Base {
    pub(crate) place: Place,
    user: Option<User>,
}

impl Base {
    /// Packages come from the store that all tests share; everything else is this user's own work.
    pub(crate) fn made_by(user: Option<User>) -> Self {
        let shared = Place::tiny("");
        let place = Place::empty();
        std::fs::create_dir_all(place.store().join("records")).expect("a store");
        for part in ["version", "blobs", "index", "records/blob"] {
            copy(&shared.store().join(part), &place.store().join(part));
        }
        place.write("sinter.lock", &shared.read("sinter.lock"));
        place.write("main.build", &format!("{TINY}\n{}\ntarget head = small\n", graphs::SMALL));
        let base = Self { place, user };
        base.own(base.place.root());
        let mut command = base.place.command(&["build", "--locked", "--offline"]);
        base.become_user(&mut command);
        run(command).succeeds();
        base
    }

    fn own(&self, path: &Path) {
        if let Some(user) = &self.user {
            let mut command = Command::new("chown");
            command.args(["-R", &format!("{0}:{0}", user.uid)]).arg(path);
            run(command).succeeds();
        }
    }

    fn become_user(&self, command: &mut Command) {
        if let Some(user) = &self.user {
            command.uid(user.uid).gid(user.uid).env("USER", "sinter-test");
        }
    }

    /// A copy without the bytes of packages: what stands on them is there, so nobody asks for them. What stays is copied:
    /// a script would see that a file has more names.
    pub(crate) fn store_for(&self, place: &Place) {
        let (from, to) = (self.place.store(), place.store());
        std::fs::create_dir_all(to.join("layers")).expect("a store");
        let layers = std::fs::read_dir(from.join("layers")).expect("layers").flatten();
        let layers = layers.filter(|layer| !layer.path().join("fs/usr/share/doc").exists());
        let layers = layers.map(|layer| PathBuf::from("layers").join(layer.file_name()));
        let others = ["version", "ids", "manifests", "records", "merged", "settled"].map(PathBuf::from);
        for part in layers.chain(others) {
            copy(&from.join(&part), &to.join(&part));
        }
        let mut command = Command::new("chown");
        command.arg("--reference").arg(from).args([place.root(), to, &to.join("layers")]);
        run(command).succeeds();
    }
}

/// What a build says about its results: digests, or which errors it found.
fn outcome(ran: &Ran) -> String {
    match ran.code {
        Some(0) => ran.stdout.clone(),
        code => {
            let errors: BTreeSet<&str> = ran.stderr.lines().filter(|line| is_error(line)).collect();
            format!("exit code {code:?} {errors:?}")
        }
    }
}

fn is_error(line: &str) -> bool {
    line.len() == 5 && line.starts_with('E') && line[1..].chars().all(|digit| digit.is_ascii_digit())
}

/// A fresh place as `caller` would have it.
fn place_for(base: &Base, project: &str, caller: Caller) -> Place {
    let place = Place::empty();
    place.write("sinter.lock", &base.place.read("sinter.lock"));
    place.write("main.build", &format!("{TINY}\n{project}"));
    for name in ["one.txt", "two.txt", "below/three.txt"] {
        place.write(&format!("data/{name}"), name);
    }
    base.store_for(&place);
    base.own(&place.project());
    if caller.has("setgid") {
        // Whoever made the directory around a store may hand a group down to it.
        let mut command = Command::new("sh");
        command.args(["-euc", "chgrp $0 \"$@\"; chmod g+s \"$@\"", OTHER_GROUP]).args([place.root(), place.store()]);
        run(command).succeeds();
    }
    place
}

/// Builds the project as `caller` would.
fn built(bases: &[Base; 2], project: &str, caller: Caller) -> Ran {
    let base = &bases[usize::from(caller.has("user"))];
    let place = place_for(base, project, caller);
    let umask = if caller.has("umask 077") { "077" } else { "022" };
    let script = format!("umask {umask}; exec timeout 300 \"$0\" \"$@\"");
    let jobs = if caller.has("jobs 8") { "8" } else { "1" };
    let mut command = place.program("sh", &["-c", &script, SINTER, "build", "--locked", "--offline", "--jobs", jobs]);
    base.become_user(&mut command);
    for (circumstance, name, value) in [("reload", "SINTER_RELOAD", "1"), ("apart", "SINTER_RUNNER", "apart")] {
        if caller.has(circumstance) {
            command.env(name, value);
        }
    }
    run(command)
}

/// What to know of a graph with more than one result, or with none.
fn told(seed: u64, project: &str, results: &[(Caller, Ran)]) -> String {
    let results = results.iter().map(|(caller, ran)| format!("{caller}: {}\n{}", outcome(ran), ran.stderr));
    format!("seed {seed}:\n{project}\n{}", results.collect::<Vec<_>>().join("\n"))
}

/// The number in a variable of the environment: `SINTER_SOAK` is how many rounds a long run wants.
pub(crate) fn number_of(variable: &str) -> Option<u64> {
    std::env::var(variable).ok()?.parse().ok()
}

#[test]
fn generated_graphs_have_one_result_under_all_callers() {
    let bases = [Base::made_by(None), Base::made_by(Some(User::with_subordinate_ids("sinter-test")))];
    let (soak, first) = (number_of("SINTER_SOAK"), number_of("SINTER_SEED").unwrap_or(1));
    let (graphs, mut builds, mut failing, mut different) = (soak.unwrap_or(FEW), 0, 0, Vec::new());
    for seed in first..first + graphs {
        let (project, mut random) = (graphs::project(seed), Random::new(!seed));
        let callers = if soak.is_some() { Caller::covering(&mut random) } else { Caller::few(&mut random) };
        let results: Vec<(Caller, Ran)> =
            callers.into_iter().map(|caller| (caller, built(&bases, &project, caller))).collect();
        builds += results.len();
        let (_, one) = &results[0];
        failing += usize::from(one.code != Some(0));
        // A merge may find a conflict, a user may not write; a mistake in the text would show nothing.
        let expected = ["E0601", "E0701", "E0702"].iter().any(|code| one.stderr.contains(code));
        assert!(one.code == Some(0) || expected, "{}", told(seed, &project, &results));
        if results.iter().any(|(_, ran)| outcome(ran) != outcome(one)) {
            eprintln!("{}", told(seed, &project, &results));
            different.push(seed);
        }
    }
    assert!(different.is_empty(), "different results with the seeds {different:?}");
    println!("soak: {graphs} graphs, {builds} builds, one result for each graph; {failing} graphs end in one error");
}
