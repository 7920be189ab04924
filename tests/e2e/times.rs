//! Tools that decide by times what is out of date: none of them may hand out the old program.
//!
//! Each project has two steps. The first builds from `one` and leaves its outputs in its layer; the second stands on
//! that layer, is given `two`, and builds again. With one time for everything each of these tools reuses what it finds.

use std::sync::OnceLock;

use crate::support::Place;

/// What the tools work on. Old and new have the same size: Python and rsync would otherwise see the edit by that.
const OLD: [(&str, &str); 6] = [
    ("input.txt", "old\n"),
    ("word.py", "answer = \"old\"\n"),
    ("main.py", "import word\nprint(word.answer)\n"),
    ("Makefile", "program: input.txt\n\tcp input.txt program\n"),
    ("plain.ninja", "rule copy\n  command = cp $in $out\nbuild program: copy input.txt\n"),
    ("restat.ninja", "rule copy\n  command = cp $in $out\n  restat = 1\nbuild program: copy input.txt\n"),
];
const NEW: [(&str, &str); 2] = [("input.txt", "new\n"), ("word.py", "answer = \"new\"\n")];

/// The head of each project, behind that of [`Place::tiny`].
const TOOLS: &str = r#"
input tools = debian("bookworm", ["bash", "coreutils", "dash", "make", "ninja-build", "python3-minimal", "rsync"])
let machine = debian.unpack(tools)
let one = sub(src["one"], "one")
let two = sub(src["two"], "two")
"#;

/// The pins of the tools, found once; the store of [`Place::tiny`] then holds the tree.
fn lock() -> &'static str {
    static LOCK: OnceLock<String> = OnceLock::new();
    LOCK.get_or_init(|| {
        let place = Place::tiny(&format!("{TOOLS}\ntarget machine-of-tools = machine\n"));
        place.write("one/a", "");
        place.write("two/a", "");
        place.build(&[]);
        place.read("sinter.lock")
    })
}

fn project(steps: &str) -> Place {
    let place = Place::tiny(&format!("{TOOLS}\n{steps}"));
    place.write("sinter.lock", lock());
    for (name, text) in OLD {
        place.write(&format!("one/{name}"), text);
        place.write(&format!("two/{name}"), text);
    }
    place
}

/// Builds with `first`, edits, builds with `second` on top: the program is the new one. Without an edit the second step
/// changes nothing.
fn rebuilds(first: &str, second: &str) {
    let place = project(&format!(
        "target first  = run {{ from = machine, files = one, script = sh \"\"\"{first}\"\"\" }}\n\
         target second = run {{ from = first, files = two, script = sh \"\"\"{second}\"\"\" }}\n\
         target program = second[\"program\"]\n"
    ));
    let (unedited, program) = build(&place);
    assert_eq!(unedited.first, unedited.second, "building again from the same sources changed something");
    assert_eq!(program, "old\n");
    for (name, text) in NEW {
        place.write(&format!("two/{name}"), text);
    }
    let (edited, program) = build(&place);
    assert_eq!(program, "new\n", "the old program was reused");
    assert_eq!(edited.first, unedited.first);
    assert_ne!(edited.second, unedited.second);
    for (name, text) in OLD {
        place.write(&format!("two/{name}"), text);
    }
    let (reverted, _) = build(&place);
    assert_eq!(reverted, unedited);
}

/// The digests of the two trees.
#[derive(Debug, PartialEq, Eq)]
struct Digests {
    first: String,
    second: String,
}

fn build(place: &Place) -> (Digests, String) {
    let ran = place.sinter(&["build"]);
    let digest = |target: &str| {
        let line = ran.stdout.lines().find_map(|line| line.strip_prefix(&format!("{target} ")));
        line.unwrap_or_else(|| panic!("no digest of {target}\n{}\n{}", ran.stdout, ran.stderr)).to_owned()
    };
    let digests = Digests { first: digest("first"), second: digest("second") };
    // Not the whole tree: writing it takes longer than all the steps.
    place.build(&["program", "-o", "dir:out"]);
    (digests, place.read("out/app/program"))
}

#[test]
fn make_never_reuses_old_outputs() {
    rebuilds("make", "make");
}

#[test]
fn ninja_never_reuses_old_outputs() {
    rebuilds("ninja -f plain.ninja", "ninja -f plain.ninja");
}

#[test]
fn ninja_with_restat_never_reuses_old_outputs() {
    rebuilds("ninja -f restat.ninja", "test ! -e .ninja_log && ninja -f restat.ninja");
}

#[test]
fn python_never_imports_old_bytecode() {
    // An import leaves a compiled module that holds time and size of its source; `compileall` would put in a hash, as
    // SOURCE_DATE_EPOCH is set.
    let compiled = "test -e __pycache__/word.cpython-*.pyc";
    rebuilds(
        &format!("unset PYTHONDONTWRITEBYTECODE && python3 main.py > program && {compiled}"),
        &format!("{compiled} && python3 main.py > program"),
    );
}

#[test]
fn rsync_never_skips_edits_of_equal_size() {
    rebuilds("rsync -a input.txt program", "rsync -a input.txt program");
}

#[test]
fn placed_files_have_one_time_above_all_below() {
    let place = project(
        r#"
let below = run { from = machine, script = sh """mkdir made && echo made > made/file""" }
let listed = run {
  from   = below
  files  = [one, src["placed"]]
  script = sh """
    stat -c %Y input.txt main.py placed placed/deep placed/file placed/deep/file | sort -u > placed-times
    stat -c %Y made made/file /usr /usr/bin/* /usr/lib/* | sort -nu | tail -n 1 > newest
  """
}
target times = listed["placed-times", "newest"]
"#,
    );
    let times = |text: &str| {
        place.write("placed/file", text);
        place.write("placed/deep/file", "deep\n");
        place.build(&["-o", "dir:out"]);
        (place.read("out/app/placed-times"), place.read("out/app/newest"))
    };
    let number = |text: &str| text.trim().parse::<i64>().unwrap_or_else(|_| panic!("not one time: {text:?}"));
    let (placed, newest) = times("one\n");
    assert_eq!(newest, "315619200\n", "1980-01-02, whenever it was made");
    assert!(number(&placed) > number(&newest));
    let (other, _) = times("two\n");
    assert!(number(&other) > number(&newest));
    assert_ne!(other, placed, "another set has another time");
    assert_eq!(times("one\n").0, placed);
}
