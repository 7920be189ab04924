//! Results of other machines, found in a registry. A machine is a store, a checkout and a home of its own.

use sinter_oci::registry::{Environment, Registries, Repository};

use crate::registry::server::{Kind, Registry};
use crate::support::{Place, Ran};

const BUILD: &str = r#"
let one = run {
  from   = small
  files  = src["one"]
  script = sh """
    cat one > /1
  """
}
let two = run {
  from   = one
  script = sh """
    echo 2 > /2
  """
}
let three = run {
  from   = two
  files  = src["three"]
  script = sh """
    cat /1 /2 three > /3
  """
}
target app = image { from = three, layers = [src["note"]], cmd = ["cat", "/3"] }
"#;

/// A machine with this project.
fn machine(build: &str) -> Place {
    let place = Place::small(build);
    for name in ["one", "three", "note"] {
        place.write(name, &format!("{name}\n"));
    }
    place
}

fn cache(registry: &Registry) -> String {
    format!("{}/team/cache", registry.host())
}

fn repository(registry: &Registry) -> Repository {
    let registries = Registries::new(Environment::default(), false);
    registries.destination(&cache(registry).parse().expect("a reference")).expect("a repository")
}

fn build(place: &Place, registry: &Registry, more: &[&str]) -> Ran {
    let cache = cache(registry);
    let ran = place.sinter(&[&["build", "--cache", &cache], more].concat());
    assert_eq!(ran.code, Some(0), "{}", ran.stderr);
    ran
}

/// The last line without its time.
fn summary(ran: &Ran) -> &str {
    let line = ran.stderr.lines().last().expect("a line");
    line.rsplit_once(" in ").expect("a time").0
}

fn layers(place: &Place) -> usize {
    std::fs::read_dir(place.store().join("layers")).expect("a listing").count()
}

#[test]
fn a_fresh_machine_hits_and_fetches_only_what_it_mounts() {
    let registry = Registry::start(Kind::Plain);
    let first = machine(BUILD);
    let made = build(&first, &registry, &["--cache-write"]);
    assert_eq!(summary(&made), "sinter: 4 steps: 4 ran, 0 local hits, 0 cache hits");
    let second = machine(BUILD);
    let hit = build(&second, &registry, &[]);
    assert_eq!((summary(&hit), &hit.stdout), ("sinter: 4 steps: 0 ran, 0 local hits, 4 cache hits", &made.stdout));
    assert_eq!(layers(&second), 0, "facts are enough");
    // Again, it is known here.
    let again = build(&second, &registry, &[]);
    assert_eq!(summary(&again), "sinter: 4 steps: 0 ran, 4 local hits, 0 cache hits");
    // What is written needs its bytes.
    build(&second, &registry, &["-o", "oci:image"]);
    let blobs = std::fs::read_dir(second.project().join("image/blobs/sha256")).expect("blobs").count();
    assert_eq!(layers(&second), blobs - 2, "its layers, not what only steps see");
    // An edit that only the last step sees.
    let third = machine(BUILD);
    third.write("three", "edited\n");
    let edited = build(&third, &registry, &[]);
    assert_eq!(summary(&edited), "sinter: 4 steps: 1 ran, 0 local hits, 3 cache hits");
    // An edit that no step sees: the image is put together without a byte of a layer.
    let fourth = machine(BUILD);
    fourth.write("note", "edited\n");
    let edited = build(&fourth, &registry, &[]);
    assert_eq!(summary(&edited), "sinter: 4 steps: 0 ran, 0 local hits, 4 cache hits");
    assert_eq!(layers(&fourth), 1, "the note alone");
    first.write("note", "edited\n");
    assert_eq!(build(&first, &registry, &[]).stdout, edited.stdout, "the same bytes as where everything is");
    // Old commits, and a step that comes out equal, hit by what they see.
    let fifth = machine(&BUILD.replace("cat one > /1", "cat one > /1 # differently said"));
    let said = build(&fifth, &registry, &[]);
    assert_eq!(summary(&said), "sinter: 4 steps: 1 ran, 0 local hits, 3 cache hits");
    assert_eq!(said.stdout, made.stdout);
}

#[test]
fn nothing_is_published_or_asked_unless_it_is_wanted() {
    let registry = Registry::start(Kind::Plain);
    let place = machine(BUILD);
    build(&place, &registry, &[]);
    assert_eq!(repository(&registry).tags().expect("tags"), Vec::<String>::new());
    let offline = machine(BUILD);
    build(&place, &registry, &["--cache-write"]);
    assert_eq!(
        summary(&build(&offline, &registry, &["--offline"])),
        "sinter: 4 steps: 4 ran, 0 local hits, 0 cache hits"
    );
    // Where images go to is where results are looked for.
    let pushed = format!("docker://{}/team/app:1", registry.host());
    let (one, two) = (machine(BUILD), machine(BUILD));
    assert_eq!(one.sinter(&["build", "-o", &pushed, "--cache-write"]).code, Some(0));
    let ran = two.sinter(&["build", "-o", &pushed]);
    assert_eq!(summary(&ran), "sinter: 4 steps: 0 ran, 0 local hits, 4 cache hits");
    assert!(ran.stderr.contains("up to date: app"), "{}", ran.stderr);
    assert_eq!(layers(&two), 0);
}

#[test]
fn many_machines_write_at_once() {
    let registry = Registry::start(Kind::Plain);
    let machines: Vec<Place> = (0..8).map(|_| machine(BUILD)).collect();
    let outputs: Vec<String> = std::thread::scope(|scope| {
        let registry = &registry;
        let build = |place| scope.spawn(move || build(place, registry, &["--cache-write"]));
        let running: Vec<_> = machines.iter().map(build).collect();
        let ended = running.into_iter().map(|thread| thread.join().expect("a build"));
        ended
            .inspect(|ran| assert!(!ran.stderr.contains("without the cache"), "{}", ran.stderr))
            .map(|ran| ran.stdout)
            .collect()
    });
    assert!(outputs.iter().all(|output| *output == outputs[0]));
    let fresh = build(&machine(BUILD), &registry, &[]);
    assert_eq!(summary(&fresh), "sinter: 4 steps: 0 ran, 0 local hits, 4 cache hits");
}

#[test]
fn a_cache_that_fails_costs_no_build() {
    let mut registry = Registry::start(Kind::Plain);
    let first = machine(BUILD);
    build(&first, &registry, &["--cache-write"]);
    registry.kill();
    let away = build(&machine(BUILD), &registry, &["--cache-write"]);
    assert!(away.stderr.contains("without the cache"), "{}", away.stderr);
    assert_eq!(summary(&away), "sinter: 4 steps: 4 ran, 0 local hits, 0 cache hits");
    registry.revive();
    // Somebody has collected the blobs: what was promised is made again.
    let second = machine(BUILD);
    build(&second, &registry, &[]);
    let blobs = registry.directory().join("data/docker/registry/v2/blobs");
    std::fs::remove_dir_all(&blobs).expect("a removal");
    let ran = build(&second, &registry, &["-o", "dir:tree"]);
    assert_eq!(second.read("tree/3"), "one\n2\nthree\n", "{}", ran.stderr);
    let third = build(&machine(BUILD), &registry, &["--cache-write"]);
    assert_eq!(summary(&third), "sinter: 4 steps: 4 ran, 0 local hits, 0 cache hits");
}

#[test]
fn lies_are_not_believed() {
    let registry = Registry::start(Kind::Plain);
    build(&machine(BUILD), &registry, &["--cache-write"]);
    let repository = repository(&registry);
    let tags = repository.tags().expect("tags");
    let notes: Vec<_> = tags.iter().map(|tag| repository.manifest(tag).expect("an answer").expect("a note")).collect();
    // Every result under the key of another one.
    for (tag, note) in tags.iter().zip(notes.iter().cycle().skip(1)) {
        repository.put_manifest(tag, &note.media_type, &note.bytes).expect("a lie");
    }
    let ran = build(&machine(BUILD), &registry, &[]);
    assert!(ran.stderr.contains("it holds the result of another key"), "{}", ran.stderr);
    assert_eq!(summary(&ran), "sinter: 4 steps: 4 ran, 0 local hits, 0 cache hits");
    // Every result with bytes that are others.
    for (tag, note) in tags.iter().zip(&notes) {
        repository.put_manifest(tag, &note.media_type, &note.bytes).expect("the truth");
    }
    let place = machine(BUILD);
    build(&place, &registry, &[]);
    let blobs = registry.directory().join("data/docker/registry/v2/blobs/sha256");
    for group in std::fs::read_dir(&blobs).expect("a listing").flatten() {
        for blob in std::fs::read_dir(group.path()).expect("a listing").flatten() {
            let data = blob.path().join("data");
            let mut bytes = std::fs::read(&data).expect("a blob");
            if bytes.len() % 512 == 0 {
                let place = 600 % bytes.len();
                bytes[place] ^= 1;
                std::fs::write(&data, bytes).expect("damage");
            }
        }
    }
    let ran = build(&place, &registry, &["-o", "dir:tree"]);
    assert_eq!(place.read("tree/3"), "one\n2\nthree\n", "{}", ran.stderr);
}

#[test]
fn only_what_a_trusted_key_signed_is_taken() {
    let registry = Registry::start(Kind::Plain);
    let first = machine(BUILD);
    let ran = first.sinter(&["cache", "keygen", "secret"]);
    assert_eq!(ran.code, Some(0), "{}", ran.stderr);
    let public = ran.stdout.trim().to_owned();
    let other = first.sinter(&["cache", "keygen", "other"]).stdout.trim().to_owned();
    first.sinter(&["cache", "keygen", "other"]).fails(2, &["other", "never written over"]);
    let with = |place: &Place, variables: &[(&str, &str)], more: &[&str]| {
        let cache = cache(&registry);
        let mut command = place.command(&[&["build", "--cache", &cache], more].concat());
        command.envs(variables.iter().copied());
        crate::support::run(command)
    };
    let secret = first.project().join("secret").display().to_string();
    let ran = with(&first, &[("SINTER_SIGNING_KEY", &secret)], &["--cache-write"]);
    assert_eq!(ran.code, Some(0), "{}", ran.stderr);
    let trusting = with(&machine(BUILD), &[("SINTER_TRUSTED_KEYS", &format!("{other} {public}"))], &[]);
    assert_eq!(summary(&trusting), "sinter: 4 steps: 0 ran, 0 local hits, 4 cache hits");
    let strict = with(&machine(BUILD), &[("SINTER_TRUSTED_KEYS", &other)], &[]);
    assert_eq!(summary(&strict), "sinter: 4 steps: 4 ran, 0 local hits, 0 cache hits");
    assert_eq!(strict.stderr.matches("not signed by a trusted key").count(), 1, "{}", strict.stderr);
    let wrong = with(&machine(BUILD), &[("SINTER_TRUSTED_KEYS", "x")], &[]);
    assert_eq!(wrong.code, Some(2));
    assert!(wrong.stderr.contains("sinter cache keygen"), "{}", wrong.stderr);
}

/// A step that is not reproducible must not make everything after it miss.
#[test]
fn what_follows_most_decides_between_two_results() {
    let random = BUILD.replace("echo 2 > /2", "cat /proc/sys/kernel/random/uuid > /2");
    let registry = Registry::start(Kind::Plain);
    let first = machine(&random);
    let made = build(&first, &registry, &["--cache-write"]);
    // The other machine has a result of its own for the random step, and for nothing after it.
    let only_two = format!("{random}\ntarget early = image {{ from = two }}\n");
    let second = machine(&only_two);
    let ran = second.sinter(&["build", "early"]);
    assert_eq!(ran.code, Some(0), "{}", ran.stderr);
    let hit = build(&second, &registry, &["app"]);
    assert_eq!((summary(&hit), &hit.stdout), ("sinter: 4 steps: 0 ran, 0 local hits, 4 cache hits", &made.stdout));
    // Both at once: one result of the random step, and the one that more follows from.
    let both = build(&second, &registry, &[]);
    assert!(both.stdout.contains(made.stdout.trim()), "{}", both.stdout);
    assert!(summary(&both).starts_with("sinter: 4 steps: 0 ran"), "{}", both.stderr);
}

#[test]
fn pulled_bases_are_shared_without_their_bytes() {
    let registry = Registry::start(Kind::Plain);
    let base = crate::registry::push_base(&registry, &["--dest-compress-format", "gzip", "--dest-compress"]);
    let project = || {
        let place = crate::registry::on(&base);
        place.write("other.build", "");
        std::fs::remove_file(place.project().join("other.build")).expect("a removal");
        place
    };
    let first = project();
    let made = build(&first, &registry, &["--cache-write"]);
    let second = project();
    let hit = build(&second, &registry, &[]);
    assert_eq!(hit.stdout, made.stdout);
    assert_eq!(layers(&second), 0);
    // Another file in the image: the same blobs of the base, none of which is here.
    let edit = |place: &Place| {
        let text = place.read("app.build").replace("text\\n", "other\\n");
        place.write("app.build", &text);
    };
    edit(&first);
    edit(&second);
    let pushed = format!("docker://{}/team/app:2", registry.host());
    let here = build(&second, &registry, &["-o", &pushed]);
    assert_eq!(layers(&second), 1, "the file alone");
    assert_eq!(build(&first, &registry, &[]).stdout, here.stdout);
    // A step on it needs its files.
    let text = second.read("app.build").replace("echo \"$GREETING\"", "echo \"$GREETING again\"");
    second.write("app.build", &text);
    let ran = build(&second, &registry, &["-o", "dir:tree"]);
    assert_eq!(second.read("tree/made"), "hello again\n", "{}", ran.stderr);
}
