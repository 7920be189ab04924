//! A step that looks for a file it did not declare fails, and is told which.

use crate::support::Place;

fn place() -> Place {
    let place = Place::tiny(
        r#"
let shown = run {
  from   = tiny
  files  = src["README"]
  script = sh """
    echo start
    cat data/secret.txt
  """
}
target out = shown["nothing"]
"#,
    );
    place.write("README", "declared\n");
    place.write("data/secret.txt", "undeclared\n");
    place
}

#[test]
fn message_names_file_step_line_and_change() {
    let place = place();
    let ran = place.sinter(&["build"]);
    ran.fails(
        1,
        &[
            "step `shown` exited with 1",
            "data/secret.txt",
            "main.build:",
            "cat data/secret.txt",
            r#"files = src["README", "data/secret.txt"]"#,
        ],
    );
}

#[test]
fn suggested_change_makes_it_work() {
    let place = place();
    let text = place.read("main.build");
    let text = text.replace(r#"src["README"]"#, r#"src["README", "data/secret.txt"]"#);
    place.write("main.build", &text.replace(r#"shown["nothing"]"#, "shown"));
    let ran = place.sinter(&["build", "--progress", "plain"]);
    assert!(ran.succeeds().stderr.contains("shown | undeclared"), "{}", ran.stderr);
}

#[test]
fn silent_checks_name_the_file_too() {
    for check in [
        "test -f data/secret.txt || exit 3",
        "[ -e /app/data/secret.txt ]",
        "if ! [ -e data/secret.txt ]; then\n      exit 3\n    fi",
    ] {
        let place = place();
        let text = place.read("main.build");
        place.write("main.build", &text.replace("cat data/secret.txt", check));
        let ran = place.sinter(&["build"]);
        ran.fails(1, &["data/secret.txt", r#"files = src["README", "data/secret.txt"]"#]);
    }
}

#[test]
fn failure_for_another_reason_names_no_file() {
    let place = place();
    let text = place.read("main.build");
    place.write("main.build", &text.replace("cat data/secret.txt", "grep -q needle README || exit 3"));
    let ran = place.sinter(&["build"]);
    ran.fails(1, &["step `shown` exited with 3"]);
    assert!(!ran.stderr.contains("does not declare"), "{}", ran.stderr);
}
