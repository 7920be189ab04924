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
