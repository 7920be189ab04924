//! Which modules of a crate use each other, and the circles among them.
//!
//! A module is a file. It uses another if its code outside of tests names something that is defined there; a re-export
//! (`pub use`) is no use, and names are followed through it to where they are defined. What the file of a directory (`mod.rs`,
//! `lib.rs`) defines belongs to all files below it, so using that is no use either. A scanner and no compiler: it sees paths,
//! not methods.

use std::collections::{BTreeMap, BTreeSet};

use crate::repository::TrackedFile;
use crate::rust_source;
use crate::rust_source::paths::{self, Path};

/// The modules of one crate: `a::b`, and `crate` for the root.
#[derive(Debug, Default)]
pub struct Modules {
    /// Module -> modules that it uses.
    pub uses: BTreeMap<String, BTreeSet<String>>,
}

/// What one file says about paths.
struct Source {
    children: BTreeSet<String>,
    /// Names that `use` brings in, with the path behind each, absolute.
    imports: BTreeMap<String, Path>,
    /// All paths that are no re-exports, as written.
    named: Vec<Path>,
}

const ROOT: &str = "crate";

impl Modules {
    /// Reads the crate whose sources lie in `directory` (`executor/store/src`).
    #[must_use]
    pub fn read(directory: &str, files: &[TrackedFile]) -> Self {
        let texts: BTreeMap<&str, &str> = files.iter().map(|file| (file.path.as_str(), file.text.as_str())).collect();
        let mut sources = BTreeMap::new();
        let mut waiting: Vec<(Path, String)> = match ["lib.rs", "main.rs"].map(|name| format!("{directory}/{name}")) {
            [lib, _] if texts.contains_key(lib.as_str()) => vec![(vec![], lib)],
            [_, main] => vec![(vec![], main)],
        };
        while let Some((module, file)) = waiting.pop() {
            let Some(text) = texts.get(file.as_str()) else { continue };
            let source = Source::read(&module, text);
            for child in &source.children {
                let child = [module.as_slice(), std::slice::from_ref(child)].concat();
                let stem = format!("{directory}/{}", child.join("/"));
                let there = [format!("{stem}.rs"), format!("{stem}/mod.rs")];
                waiting.extend(
                    there
                        .into_iter()
                        .filter(|file| texts.contains_key(file.as_str()))
                        .map(|file| (child.clone(), file)),
                );
            }
            sources.insert(module, source);
        }
        let uses = sources.iter().map(|(module, source)| (name(module), used(module, source, &sources))).collect();
        Self { uses }
    }

    /// Sets of modules that all use each other, directly or through others.
    #[must_use]
    pub fn circles(&self) -> BTreeSet<BTreeSet<String>> {
        let reached: BTreeMap<&String, BTreeSet<&String>> =
            self.uses.keys().map(|module| (module, self.reached_from(module))).collect();
        let circle = |module: &String| -> BTreeSet<String> {
            let others = reached[module].iter().filter(|other| reached[**other].contains(module));
            others.map(|other| (*other).clone()).collect()
        };
        self.uses.keys().map(circle).filter(|circle| circle.len() > 1).collect()
    }

    fn reached_from<'a>(&'a self, module: &String) -> BTreeSet<&'a String> {
        let mut reached = BTreeSet::new();
        let mut waiting: Vec<&String> = self.uses.get(module).into_iter().flatten().collect();
        while let Some(next) = waiting.pop() {
            if reached.insert(next) {
                waiting.extend(self.uses.get(next).into_iter().flatten());
            }
        }
        reached
    }

    /// The uses within a circle, for people.
    #[must_use]
    pub fn describe(&self, circle: &BTreeSet<String>) -> String {
        let edges = circle.iter().flat_map(|from| {
            let inside = self.uses.get(from).into_iter().flatten().filter(|to| circle.contains(*to));
            inside.map(move |to| format!("{from} -> {to}"))
        });
        edges.collect::<Vec<_>>().join(", ")
    }
}

impl Source {
    fn read(module: &Path, text: &str) -> Self {
        let code = rust_source::without_tests(&rust_source::code_only(text));
        let children: BTreeSet<String> = paths::declared_modules(&code).into_iter().collect();
        let found = paths::of(&code);
        let absolute = |path: &Path| absolute(module, &children, path);
        let imports = found.imports.iter().filter_map(|import| Some((import.name.clone(), absolute(&import.path)?)));
        let imports: BTreeMap<String, Path> = imports.collect();
        let private =
            found.imports.iter().filter(|import| !import.is_reexport).filter_map(|import| absolute(&import.path));
        let inline = found.inline.iter().filter_map(|path| match imports.get(&path[0]) {
            Some(import) => Some([import.as_slice(), &path[1..]].concat()),
            None => absolute(path),
        });
        let named = private.chain(inline).collect();
        Self { children, imports, named }
    }
}

/// A path from the root of the crate; `None` if it leads into another crate.
fn absolute(module: &Path, children: &BTreeSet<String>, path: &Path) -> Option<Path> {
    let first = path.first()?;
    let ups = path.iter().take_while(|segment| *segment == "super").count();
    match first.as_str() {
        "crate" => Some(path[1..].to_vec()),
        "super" => Some([&module[..module.len().checked_sub(ups)?], &path[ups..]].concat()),
        "self" => Some([module.as_slice(), &path[1..]].concat()),
        child if children.contains(child) => Some([module.as_slice(), path.as_slice()].concat()),
        _ => None,
    }
}

fn used(module: &Path, source: &Source, sources: &BTreeMap<Path, Source>) -> BTreeSet<String> {
    // That a module gets a name is no use of it; what is said through the name is.
    let said = source.named.iter().filter(|path| !sources.contains_key(*path));
    let homes = said.filter_map(|path| home(path, sources, 0));
    homes.filter(|home| !module.starts_with(home)).map(|home| name(&home)).collect()
}

/// The module in which the thing at the end of a path is defined.
fn home(path: &Path, sources: &BTreeMap<Path, Source>, followed: usize) -> Option<Path> {
    let module =
        (0..=path.len()).rev().map(|length| path[..length].to_vec()).find(|head| sources.contains_key(head))?;
    let next = path.get(module.len()).and_then(|next| sources[&module].imports.get(next));
    match next {
        // Re-exports of re-exports end somewhere; circles of them would not compile.
        Some(import) if followed < 8 => {
            let rest = &path[module.len() + 1..];
            home(&[import.as_slice(), rest].concat(), sources, followed + 1)
        }
        _ => Some(module),
    }
}

fn name(module: &Path) -> String {
    if module.is_empty() { ROOT.to_owned() } else { module.join("::") }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn circles(files: &[(&str, &str)]) -> Vec<Vec<String>> {
        let files: Vec<TrackedFile> = files
            .iter()
            .map(|(path, text)| TrackedFile { path: format!("x/src/{path}"), text: (*text).to_owned() })
            .collect();
        Modules::read("x/src", &files).circles().into_iter().map(|circle| circle.into_iter().collect()).collect()
    }

    const ROOT_OF_TWO: (&str, &str) = ("lib.rs", "mod a;\npub mod b;\n");

    #[test]
    fn modules_that_use_each_other_are_a_circle() {
        for (a, b, is_circle) in [
            ("use crate::b::B;", "use crate::a::A;", true),
            ("use crate::{b::{self, B}};", "fn f() { crate::a::f() }", true),
            ("fn f() -> super::b::B { }", "use super::a::*;", true),
            ("use crate::b::B;", "", false),
            ("use crate::b::B;", "// crate::a::A\nconst X: &str = \"crate::a\";", false),
            ("use crate::b::B;", "#[cfg(test)]\nmod tests { use crate::a::A; }", false),
            ("use crate::b::B;", "#[cfg(test)]\nuse crate::a::A;\nfn f() {}", false),
            ("use other::b::B;", "use crate::a::A;", false),
            ("use crate::b::B;", "use a::A;", false),
        ] {
            let expected = if is_circle { vec![vec!["a".to_owned(), "b".to_owned()]] } else { vec![] };
            assert_eq!(circles(&[ROOT_OF_TWO, ("a.rs", a), ("b.rs", b)]), expected, "{a} | {b}");
        }
    }

    #[test]
    fn imported_modules_lead_on() {
        let files = [
            ("lib.rs", "mod a;\nmod m;\n"),
            ("a.rs", "use crate::m;\nfn f() { m::c::f() }"),
            ("m/mod.rs", "pub mod c;\npub struct M;\nfn f() { c::f() }"),
            ("m/c.rs", "use crate::a::A;\nuse super::M;"),
        ];
        assert_eq!(circles(&files), [["a", "m::c"]], "and c may use what its directory defines");
    }

    #[test]
    fn re_exports_lead_to_the_definition() {
        let root = ("lib.rs", "mod a;\nmod m;\n");
        let user = ("a.rs", "use crate::m::Thing;\npub struct A;");
        let define = ("m/thing.rs", "pub struct Thing;");
        let other = ("m/other.rs", "use crate::a::A;\nuse super::Thing;");
        let reexport = ("m/mod.rs", "mod thing;\nmod other;\npub use thing::Thing;\n");
        assert_eq!(circles(&[root, user, define, other, reexport]), Vec::<Vec<String>>::new());
        let through = ("m/thing.rs", "use crate::a::A;\npub struct Thing;");
        assert_eq!(circles(&[root, user, through, other, reexport]), [["a", "m::thing"]]);
    }

    #[test]
    fn longer_circles_are_found_whole() {
        let files = [
            ("main.rs", "mod a;\nmod b;\nmod c;\nmod d;\nfn main() { a::f() }"),
            ("a.rs", "use crate::b::B;"),
            ("b.rs", "use crate::c::C;"),
            ("c.rs", "use crate::a::A;\nuse crate::d::D;"),
            ("d.rs", ""),
        ];
        assert_eq!(circles(&files), [["a", "b", "c"]]);
    }
}
