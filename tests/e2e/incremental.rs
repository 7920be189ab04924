//! What runs again after a change, and what does not.

use crate::support::{Built, Place, c_server};

/// The built example with its store, in a project of the test's own.
fn example() -> (Place, Built) {
    let (place, built) = c_server();
    (Place::copy_of(place).with_store(place.store()), built.clone())
}

fn edit(place: &Place, file: &str, from: &str, to: &str) {
    let text = place.read(file);
    assert!(text.contains(from), "{file} does not contain {from}");
    place.write(file, &text.replacen(from, to, 1));
}

#[test]
fn unchanged_project_runs_nothing() {
    let (place, built) = example();
    assert_eq!(place.build(&[]), Built { ran: 0, ..built });
}

#[test]
fn undeclared_files_do_not_matter() {
    let (place, built) = example();
    place.write("NOTES.md", "nobody declares this\n");
    place.write("docs/more.txt", "nor this\n");
    edit(&place, "c-server.build", "# An HTTP server in C", "# An HTTP server in the C language");
    assert_eq!(place.build(&[]), Built { ran: 0, ..built });
}

#[test]
fn comment_reruns_one_step_and_then_hits() {
    let (place, built) = example();
    edit(&place, "src/http/answer.c", "static const char *reason", "/* in words */ static const char *reason");
    let again = place.sinter(&["build", "--progress", "plain"]);
    assert_eq!(Built::of(&again), Built { ran: 1, ..built });
    assert!(again.stderr.contains("run http"), "another step ran:\n{}", again.stderr);
}

#[test]
fn real_change_reruns_what_can_see_it() {
    let (place, built) = example();
    edit(&place, "src/http/request.c", "strstr(request->path, \"..\")", "strstr(request->path, \"/..\")");
    let again = place.sinter(&["build", "--progress", "plain"]);
    let rebuilt = Built::of(&again);
    assert_ne!(rebuilt.digest, built.digest);
    assert_eq!(rebuilt.ran, 3, "compile, link, test:\n{}", again.stderr);
    for untouched in ["run files", "run main", "run toolchain"] {
        assert!(!again.stderr.contains(untouched), "{untouched}:\n{}", again.stderr);
    }
}

#[test]
fn change_of_a_placed_file_reruns_only_the_test() {
    let (place, built) = example();
    edit(&place, "public/index.html", "Hello from", "Hello again from");
    let again = place.sinter(&["build", "--progress", "plain"]);
    let rebuilt = Built::of(&again);
    assert_ne!(rebuilt.digest, built.digest);
    assert_eq!(rebuilt.ran, 1, "{}", again.stderr);
}

#[test]
fn failing_test_keeps_the_image_from_being_written() {
    let (place, _) = example();
    edit(&place, "public/index.html", "Hello from", "Goodbye from");
    place.sinter(&["build", "-o", "oci:never"]).fails(1, &["tested"]);
    assert!(!place.project().join("never").exists());
}

#[test]
fn up_to_date_destination_is_left_alone() {
    let (place, _) = example();
    place.build(&["-o", "oci:image"]);
    let index = place.project().join("image/index.json");
    let before = std::fs::metadata(&index).and_then(|data| data.modified()).expect("an index");
    let again = place.sinter(&["build", "--progress", "plain", "-o", "oci:image"]);
    assert!(again.succeeds().stderr.contains("up to date"), "{}", again.stderr);
    assert_eq!(std::fs::metadata(&index).and_then(|data| data.modified()).expect("an index"), before);
}
