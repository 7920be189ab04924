//! What surrounds the program may be poor: it works all the same, or says what is missing.

use crate::support::{Place, Ran, SINTER, copy_store, run};

/// A project with one step and a store of its own, so that the step runs.
fn place() -> Place {
    let place = Place::tiny(
        "let it = run { from = tiny, script = sh \"\"\"echo hello > /file; echo printed\"\"\" }\ntarget out = it\n",
    );
    let own = place.root().join("store");
    copy_store(place.store(), &own);
    place.with_store(&own)
}

/// Runs a line of shell in which `$S` is the program.
fn shell(place: &Place, line: &str) -> Ran {
    let mut command = place.program("sh", &["-c", line]);
    command.env("S", SINTER);
    run(command)
}

#[test]
fn poor_surroundings_do_not_matter() {
    let place = place();
    for line in [
        "exec $S build <&-",
        "exec $S build >&-",
        "exec $S build 2>&-",
        "exec $S build <&- >&- 2>&-",
        "unset HOME; exec $S build",
        // The soft limit of a shell is raised as far as it may be.
        "ulimit -Sn 20; exec $S build",
        "TERM= exec $S build",
        "LC_ALL=nonsense LANG= exec $S build",
    ] {
        // Another script, so that it runs.
        place.write("main.build", &place.read("main.build").replace("printed", "printed again"));
        let ran = shell(&place, line);
        assert_eq!(ran.code, Some(0), "{line}\n{}", ran.stderr);
    }
}

#[test]
fn what_is_missing_is_named() {
    let place = place();
    for (line, texts) in [
        ("ulimit -n 40; exec $S build", &["only 40 files may be open at once", "96", "ulimit -n"][..]),
        ("umount -l /proc; exec $S build", &["/proc is not mounted", "mount -t proc proc /proc"]),
        ("unset HOME SINTER_STORE; exec $S build", &["SINTER_STORE", "HOME"]),
        ("exec $S build > /dev/full", &["cannot write to standard output"]),
    ] {
        let mut command = place.program("unshare", &["--mount", "sh", "-c", line]);
        command.env("S", SINTER);
        run(command).fails(4, texts);
    }
}
