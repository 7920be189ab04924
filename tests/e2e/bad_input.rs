//! What goes wrong is named with its place, reason and next step, ends in the documented exit code, and changes nothing.

use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

use crate::support::{Place, Ran, c_server, run, share_packages};

/// Checks a file that must be refused, and that nothing was left behind.
fn refused(build: &str, code: i32, texts: &[&str]) {
    let place = Place::empty();
    place.write("main.build", build);
    place.write("src/a.c", "int a;\n");
    for command in ["check", "build"] {
        place.sinter(&[command]).fails(code, texts);
    }
    assert!(!place.project().join("sinter.lock").exists(), "a refused file left a lock");
    assert!(!place.store().join("layers").exists() || is_empty(&place.store().join("layers")), "and layers");
}

fn is_empty(directory: &Path) -> bool {
    std::fs::read_dir(directory).is_ok_and(|mut entries| entries.next().is_none())
}

/// Runs one script that must fail.
fn step(fields: &str, script: &str) -> Ran {
    let place = Place::tiny(&format!(
        "let it = run {{\n  from = tiny\n{fields}\n  script = sh \"\"\"\n    {script}\n  \"\"\"\n}}\ntarget out = it\n"
    ));
    place.sinter(&["build"])
}

#[test]
fn several_syntax_errors_are_shown_at_once() {
    refused("let a = [1, 2\nlet b = }\ntarget t = \"unclosed\n", 2, &["main.build:1", "main.build:2", "main.build:3"]);
}

#[test]
fn type_error_shows_what_was_expected() {
    refused("target t = image { entrypoint = \"ls -l\" }\n", 2, &["entrypoint", "Str", "main.build:1"]);
}

#[test]
fn unknown_name_is_answered_with_a_suggestion() {
    refused("let base = scratch\ntarget t = image { from = bsae }\n", 2, &["bsae", "base", "main.build:2"]);
}

#[test]
fn cycle_is_named() {
    refused(
        "let a = image { from = b }\nlet b = image { from = a }\ntarget t = a\n",
        2,
        &["in a circle: a -> b -> a", "main.build:1"],
    );
}

#[test]
fn pattern_that_matches_nothing_is_an_error() {
    refused(
        "input src = dir(\".\")\ntarget t = image { layers = [src[\"src/b.c\"]] }\n",
        2,
        &["E0430", "src/b.c", "matches nothing", "src/a.c", "main.build:2"],
    );
}

#[test]
fn pattern_behind_a_link_names_the_link() {
    let place = Place::empty();
    place.write("main.build", "input src = dir(\".\")\ntarget t = image { layers = [src[\"lib/a.c\"]] }\n");
    place.write("src/a.c", "int a;\n");
    std::os::unix::fs::symlink("src", place.project().join("lib")).expect("a link");
    for command in ["check", "build"] {
        place.sinter(&[command]).fails(2, &["E0430", "`lib/a.c`", "`lib` is a link to `src`", "name what it leads to"]);
    }
}

#[test]
fn pattern_in_a_missing_submodule_names_git() {
    let place = Place::empty();
    place.write("main.build", "input src = dir(\".\")\ntarget t = image { layers = [src[\"deps/**/*.c\"]] }\n");
    let script = "git init -q && git update-index --add --cacheinfo \
                  160000,0123456789012345678901234567890123456789,deps/lib && mkdir -p deps/lib";
    run(place.program("sh", &["-c", script])).succeeds();
    place.sinter(&["check"]).fails(2, &["E0430", "`deps/lib`", "git submodule update --init deps/lib"]);
}

#[test]
fn unknown_target_is_answered_with_a_suggestion() {
    let place = Place::tiny("target server = image { layers = [tiny] }\n");
    place.sinter(&["build", "sever"]).fails(2, &["no target `sever`", "did you mean `server`?"]);
}

#[test]
fn results_that_would_replace_each_other_are_refused() {
    let place = Place::tiny("target web = image { layers = [tiny] }\ntarget Web = image { layers = [tiny] }\n");
    place.sinter(&["build", "-o", "oci:out/{target}"]).fails(2, &["`web`", "`Web`", "rename one"]);
    place
        .sinter(&["build", "web", "-o", "dir:out", "-o", "oci:./out"])
        .fails(2, &["dir:out", "oci:./out", "one place"]);
    assert!(!place.project().join("out").exists());
}

#[test]
fn directory_that_somebody_edited_is_left_alone() {
    let place = Place::tiny("target out = tiny\n");
    place.build(&["-o", "dir:out"]);
    let mine = place.project().join("out/mine");
    std::fs::write(&mine, "mine").expect("a file");
    place.sinter(&["build", "-o", "dir:out"]).fails(2, &["mine was added or changed", "move it away"]);
    std::fs::remove_file(&mine).expect("removal");
    place.build(&["-o", "dir:out"]);
    let again = place.sinter(&["build", "--progress", "plain", "-o", "dir:out"]);
    assert!(again.stderr.contains("up to date: out to dir:out"), "{}", again.stderr);
}

#[test]
fn empty_directory_gets_advice() {
    Place::empty().sinter(&["build"]).fails(2, &["no .build file here"]);
}

#[test]
fn misspelt_option_is_answered_with_a_suggestion() {
    Place::empty().sinter(&["build", "--lokced"]).fails(2, &["--lokced", "--locked"]);
}

#[test]
fn unsupported_features_say_so() {
    refused(
        "input code = git(\"https://example.org/code\", \"v1\")\ntarget t = image { from = code }\n",
        2,
        &["E09", "not supported yet"],
    );
}

fn debian(packages: &str) -> Ran {
    let place = Place::empty();
    share_packages(&place);
    std::fs::remove_file(place.project().join("sinter.lock")).expect("the shared lock");
    place.write(
        "main.build",
        &format!("import std.debian\ninput p = debian(\"bookworm\", [{packages}])\ntarget t = debian.unpack(p)\n"),
    );
    let ran = place.sinter(&["build"]);
    assert!(!place.project().join("sinter.lock").exists(), "a failed resolution left a lock");
    ran
}

#[test]
fn unknown_package_is_answered_with_a_suggestion() {
    debian("\"figlte\"").fails(2, &["figlte", "figlet", "bookworm", "main.build:2"]);
}

#[test]
fn missing_mirror_is_the_environments_fault() {
    let place = Place::empty();
    place.write(
        "main.build",
        "import std.debian\ninput p = debian(\"bookworm\", [\"hello\"])\ntarget t = debian.unpack(p)\n",
    );
    let mut command = place.command(&["build"]);
    // Nothing listens there: the port was free a moment ago.
    let port = std::net::TcpListener::bind("127.0.0.1:0").and_then(|l| l.local_addr()).expect("a free port").port();
    command.env("SINTER_MIRROR_DEBIAN", format!("http://127.0.0.1:{port}/debian"));
    run(command).fails(4, &["127.0.0.1"]);
    assert!(!place.project().join("sinter.lock").exists());
}

#[test]
fn locked_build_without_pins_shows_the_difference() {
    let (source, _) = c_server();
    let place = Place::copy_of(source).with_store(source.store());
    let lock = place.read("sinter.lock");
    let text = place.read("c-server.build");
    place.write("c-server.build", &text.replace("\"libc6-dev\"]", "\"libc6-dev\", \"make\"]"));
    for arguments in [&["build", "--locked"][..], &["build", "--offline", "--locked"]] {
        place.sinter(arguments).fails(3, &["+ debian.\"bookworm gcc libc6-dev make\"", "sinter lock"]);
    }
    let mut command = place.command(&["build"]);
    command.env("CI", "true");
    run(command).fails(3, &["--locked"]);
    assert_eq!(place.read("sinter.lock"), lock);
}

#[test]
fn lock_of_a_newer_version_is_refused_with_the_reason() {
    let place = Place::tiny("target out = tiny\n");
    let newer = place.read("sinter.lock").replace("version = 1\n", "version = 2\n");
    place.write("sinter.lock", &newer);
    place.sinter(&["build"]).fails(3, &["version 2", "newer"]);
    assert_eq!(place.read("sinter.lock"), newer);
}

#[test]
fn lock_broken_by_hand_names_the_line() {
    let place = Place::tiny("target out = tiny\n");
    let broken = place.read("sinter.lock").replacen("sha256 = \"", "sha256 = \"zz", 1);
    place.write("sinter.lock", &broken);
    place.sinter(&["build"]).fails(3, &["line ", "sinter lock"]);
    assert_eq!(place.read("sinter.lock"), broken);
}

#[test]
fn package_that_is_not_what_was_pinned_is_refused() {
    let place = Place::tiny("target out = tiny\n").with_store(&Place::empty().root().join("store"));
    let lock = place.read("sinter.lock");
    let line = lock.lines().find(|line| line.contains("name = \"dash\"")).expect("dash is pinned");
    let start = line.find("sha256 = \"").expect("a digest") + "sha256 = \"".len();
    let digest = &line[start..start + 64];
    place.write("sinter.lock", &lock.replace(digest, &digest.chars().rev().collect::<String>()));
    place.sinter(&["build"]).fails(4, &["dash", &digest[..16]]);
}

#[test]
fn failing_script_gives_its_status_and_line() {
    step("", "true\n    exit 3").fails(1, &["step `it` exited with 3", "exit 3", "main.build:"]);
}

#[test]
fn killed_script_names_the_signal() {
    step("", "kill -9 $$").fails(1, &["killed by signal 9"]);
}

#[test]
fn script_that_never_ends_is_stopped() {
    let started = Instant::now();
    step("  timeout = \"1s\"", "while :; do :; done").fails(1, &["timeout"]);
    assert!(started.elapsed() < Duration::from_secs(60), "it was not stopped");
}

#[test]
fn conflicting_branches_name_path_and_both_steps() {
    let place = Place::tiny(
        r#"
let one = run { from = tiny, script = sh """echo 1 > /etc/choice""" }
let two = run { from = tiny, script = sh """echo 2 > /etc/choice""" }
target out = image { layers = [one, two] }
"#,
    );
    place.sinter(&["build"]).fails(2, &["/etc/choice", "`one`", "`two`", "main.build:"]);
}

#[test]
fn file_where_a_directory_stands_is_an_error() {
    for (to, there) in [("/usr", "the tree has a directory there"), ("/bin/sh/x", "is a file, and no directory")] {
        let files = format!("files = [place(file(\"a\", \"\"), to = \"{to}\")]");
        step(&files, "true")
            .fails(2, &["E0702", "`file(\"a\")`", there, "forgotten at the end of `to`", "main.build:"]);
    }
    step("files = [file(\".wh.a\", \"\")]", "true").fails(2, &["E0702", "`/app/.wh.a`", "exclude"]);
}

#[test]
fn user_that_no_sandbox_has_is_an_error() {
    for (user, what) in [("70000", "user 70000"), ("1000:70000", "group 70000")] {
        step(&format!("user = \"{user}\""), "true").fails(2, &["E0605", what, "up to 65535", "main.build:"]);
    }
    step("user = \"1000:0\"", "test $(id -u):$(id -g) = 1000:0").succeeds();
    let place = Place::tiny("target out = image { layers = [tiny], user = \"1000660000:0\" }\n");
    place.sinter(&["build", "-o", "oci:image"]).succeeds();
}

#[test]
fn entrypoint_that_does_not_exist_is_an_error() {
    let place = Place::tiny("target out = image { layers = [tiny], entrypoint = [\"nginx\"] }\n");
    place.sinter(&["build"]).fails(2, &["nginx", "E0704"]);
}

#[test]
fn full_disk_is_named_and_leaves_a_usable_store() {
    let place = Place::tiny("target out = tiny\n");
    let disk = place.root().join("disk");
    std::fs::create_dir(&disk).expect("a mount point");
    let _mounted = Mount::tmpfs(&disk, "12m");
    let mut command = place.command(&["build"]);
    command.env("SINTER_STORE", disk.join("store"));
    run(command).fails(4, &["No space left"]);
    run({
        let mut command = Command::new("mount");
        command.args(["-o", "remount,size=1g"]).arg(&disk);
        command
    })
    .succeeds();
    let mut command = place.command(&["build"]);
    command.env("SINTER_STORE", disk.join("store"));
    run(command).succeeds();
}

#[test]
fn kernel_without_user_namespaces_gets_the_fix() {
    let place = Place::empty();
    place.write("main.build", "let it = run { script = sh \"\"\"true\"\"\" }\ntarget out = it\n");
    let script = "echo 0 > /proc/sys/user/max_user_namespaces && exec \"$0\" build";
    let command = place.program(
        "unshare",
        &[
            "--user",
            "--map-root-user",
            "--mount",
            "--mount-proc",
            "--pid",
            "--fork",
            "sh",
            "-c",
            script,
            crate::support::SINTER,
        ],
    );
    run(command).fails(4, &["cannot make the namespaces", "max_user_namespaces"]);
}

/// A file system for one test.
struct Mount(std::path::PathBuf);

impl Mount {
    fn tmpfs(at: &Path, size: &str) -> Self {
        run({
            let mut command = Command::new("mount");
            command.args(["-t", "tmpfs", "-o", &format!("size={size}"), "sinter-test"]).arg(at);
            command
        })
        .succeeds();
        Self(at.to_owned())
    }
}

impl Drop for Mount {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg("-l").arg(&self.0).status();
    }
}
