//! Tests of the checks themselves: each must find its violation and be silent without one.

use super::*;

const RULES: &str = r#"
crates = { top = ["middle"], middle = ["base"], base = [] }
never = [{ from = "top", to = "base", reason = "layers" }]
homes = { syscalls = ["base"] }
pure = { crates = ["base"], foreign = ["hash"] }
unsafe = { crates = ["base"] }
forbidden = { except = ["lock"], hosts = [["mirror", ".example"]] }
[limits]
file_lines = 4
file_lines_ninth_decile = 4
function_lines = 3
function_lines_ninth_decile = 3
function_lines_median = 2
packages = 9
"#;

fn rules() -> Rules {
    toml::from_str(RULES).expect("rules")
}

fn packages(list: &[(&str, &[&str])]) -> Vec<Package> {
    let package = |(name, dependencies): &(&str, &[&str])| {
        let lines: String = dependencies.iter().map(|name| format!("{name} = \"1\"\n")).collect();
        let manifest = format!("[package]\nname = \"{name}\"\n[dependencies]\n{lines}");
        Package::new(&format!("directory/{name}"), &manifest.parse().expect("a manifest"))
    };
    list.iter().map(package).collect()
}

fn file(path: &str, text: &str) -> TrackedFile {
    TrackedFile { path: path.to_owned(), text: text.to_owned() }
}

#[test]
fn dependencies_are_read_from_every_section() {
    let manifest = r#"
        [package]
        name = "x"
        [dependencies]
        a = "1"
        renamed = { package = "b", version = "1" }
        [build-dependencies]
        c.workspace = true
        [dev-dependencies]
        d = "1"
        [target.'cfg(unix)'.dependencies]
        e = "1"
    "#;
    let package = Package::new("x", &manifest.parse().expect("a manifest"));
    assert_eq!(package.dependencies, ["a", "b", "c", "e"].map(str::to_owned).into());
}

#[test]
fn edges_outside_the_table_are_found() {
    let fine = packages(&[("top", &["middle", "foreign"]), ("middle", &["base"]), ("base", &[])]);
    assert_eq!(forbidden_edges(&rules(), &fine), Vec::<String>::new());
    let wrong = packages(&[("top", &["base"]), ("middle", &[]), ("new", &[])]);
    let expected = ["new has no row in [crates]", "[crates] names base, which is no package of the workspace"];
    assert_eq!(forbidden_edges(&rules(), &wrong), expected);
    let upward = packages(&[("top", &[]), ("middle", &[]), ("base", &["top"])]);
    assert_eq!(forbidden_edges(&rules(), &upward), ["base -> top (directory/base/Cargo.toml)"]);
}

#[test]
fn path_through_others_is_printed() {
    let connected = packages(&[("top", &["middle"]), ("middle", &["top", "base"]), ("base", &[])]);
    assert_eq!(forbidden_paths(&rules(), &connected), ["top -> middle -> base (layers)"]);
    let apart = packages(&[("top", &["middle"]), ("middle", &["top"]), ("base", &[])]);
    assert_eq!(forbidden_paths(&rules(), &apart), Vec::<String>::new());
}

#[test]
fn foreign_words_stay_at_home() {
    let fine = packages(&[("top", &["any"]), ("base", &["hash"])]);
    assert_eq!(strangers(&rules(), &fine), Vec::<String>::new());
    let wrong = packages(&[("top", &["syscalls"]), ("base", &["syscalls", "any"])]);
    let expected = [
        "top -> syscalls (directory/top/Cargo.toml)",
        "base -> any (directory/base/Cargo.toml)",
        "base -> syscalls (directory/base/Cargo.toml)",
    ];
    assert_eq!(strangers(&rules(), &wrong), expected);
}

#[test]
fn circles_of_modules_are_found_and_the_list_shrinks() {
    let files = [
        file("directory/base/src/lib.rs", "mod a;\nmod b;"),
        file("directory/base/src/a.rs", "use crate::b::B;"),
        file("directory/base/src/b.rs", "use crate::a::A;"),
    ];
    let (packages, mut rules) = (packages(&[("base", &[])]), rules());
    assert_eq!(module_circles(&rules, &packages, &files), ["base: a -> b, b -> a"]);
    let listed = |modules: &[&str]| Circle {
        package: "base".to_owned(),
        modules: modules.iter().map(|module| (*module).to_owned()).collect(),
        reason: String::new(),
    };
    rules.circles = vec![listed(&["a", "b"])];
    assert_eq!(module_circles(&rules, &packages, &files), Vec::<String>::new());
    rules.circles.push(listed(&["a", "c"]));
    assert_eq!(
        module_circles(&rules, &packages, &files),
        ["base: [[circles]] lists a, c, which is no circle any more"]
    );
}

#[test]
fn heads_are_needed_in_sources_only() {
    let files = [
        file("a.rs", "//! What it is for.\n"),
        file("b.rs", "\n//! Too late.\n"),
        file("c.rs", "//! Placeholder head.\n"),
        file("d.rs", ""),
        file("e.md", "# Text"),
    ];
    assert_eq!(files_without_head(&files), ["b.rs", "c.rs", "d.rs"]);
}

#[test]
fn unsafe_is_found_outside_its_home() {
    let code = "fn f() { unsafe { g() } }";
    let files = [file("directory/base/x.rs", code), file("directory/top/x.rs", code), file("directory/top/x.md", code)];
    let packages = packages(&[("top", &[]), ("base", &[])]);
    assert_eq!(unsafe_files(&rules(), &packages, &files), ["directory/top/x.rs"]);
}

#[test]
fn long_files_and_functions_are_found() {
    let limits = rules().limits;
    let short = file("a.rs", "fn a() {}\nfn b() {}\nfn c() {\n}\n");
    assert_eq!(oversized(&limits, std::slice::from_ref(&short)), Vec::<String>::new());
    let long = file("b.rs", "\nfn long() {\n\n\n}\n");
    let found = oversized(&limits, &[long]);
    assert_eq!(found[0], "file b.rs: 5 lines, and 4 are allowed");
    assert_eq!(found[1], "function b.rs:2 long: 4 lines, and 3 are allowed");
    assert_eq!(found[2], "9 of 10 files have up to 5 lines, and 4 are allowed");
    assert_eq!(found.len(), 5);
}

#[test]
fn forbidden_texts_are_found_by_line() {
    let host = registry_hosts(&rules());
    let text = format!("fine\nhttp://{}/x\n", host.concat());
    let files = [file("a.md", &text), file("lock", &text), file("b.md", "mirror .example")];
    assert_eq!(forbidden_texts(&rules(), &host, &files), ["a.md:2"]);
}

#[test]
fn packages_of_a_lock_are_counted() {
    assert_eq!(locked_packages("version = 4\n\n[[package]]\nname = \"a\"\n\n[[package]]\nname = \"b\"\n"), 2);
}
