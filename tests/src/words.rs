//! One word for one thing: finds synonyms that the list of words bans.
//!
//! They are looked for in names and messages of code outside of tests, and in `spec.md`. A banned word stands for its plural
//! too, and is found as a part of a longer name (`source_problems`, `AssemblyProblem`). And two crates that give one name to
//! a public type mean two things by one word.

use std::collections::BTreeMap;

use crate::repository::TrackedFile;
use crate::rules::{Package, Word};
use crate::rust_source;

/// A row of the list of words in `ARCHITECTURE.md`.
#[derive(Debug, PartialEq, Eq)]
pub struct Row {
    /// The word.
    pub word: String,
    /// What it means.
    pub meaning: String,
    /// What it is never called.
    pub banned: Vec<String>,
}

/// The rows of the table below `## Words`.
#[must_use]
pub fn list(markdown: &str) -> Vec<Row> {
    let section = markdown.split("\n## ").find_map(|section| section.strip_prefix("Words\n")).unwrap_or_default();
    let rows = section.lines().filter_map(|line| line.strip_prefix("| ")?.strip_suffix(" |"));
    let cells = rows.map(|row| row.split(" | ").map(str::trim).collect::<Vec<_>>());
    cells
        .filter_map(|cells| match cells[..] {
            [word, meaning, banned] if !word.starts_with("--") && word != "word" => Some(Row {
                word: word.to_owned(),
                meaning: meaning.to_owned(),
                banned: banned.split(", ").filter(|banned| *banned != "-").map(str::to_owned).collect(),
            }),
            _ => None,
        })
        .collect()
}

/// The list for people and the one for the check must ban the same.
#[must_use]
pub fn differences(rows: &[Row], words: &[Word]) -> Vec<String> {
    let told: BTreeMap<&str, &Vec<String>> = rows.iter().map(|row| (row.word.as_str(), &row.banned)).collect();
    let checked: BTreeMap<&str, &Vec<String>> = words.iter().map(|word| (word.word.as_str(), &word.banned)).collect();
    let differs =
        |word: &&str| told.get(word) != checked.get(word) && told.get(word).is_none_or(|list| !list.is_empty());
    let of_told = told.keys().copied().filter(differs);
    let of_checked = checked.keys().copied().filter(|word| !told.contains_key(word));
    of_told.chain(of_checked).map(|word| format!("`{word}` bans other words in ARCHITECTURE.md")).collect()
}

/// Every place with a banned word, and every exception that nothing needs any more.
#[must_use]
pub fn banned(words: &[Word], packages: &[Package], files: &[TrackedFile]) -> Vec<String> {
    let mut found = Vec::new();
    let mut unneeded: Vec<(&Word, &String)> =
        words.iter().flat_map(|word| word.except.iter().map(move |package| (word, package))).collect();
    for file in files {
        let home = home(packages, file);
        for (line, text) in texts(file, home.is_some()) {
            let parts = parts(&text);
            for word in words {
                // What is written with `_` is a name of code; the same words in a sentence are another thing.
                let mut applicable = word.banned.iter().filter(|synonym| !synonym.contains('_') || !text.contains(' '));
                let Some(synonym) = applicable.find(|synonym| says(&parts, synonym)) else { continue };
                if home.is_some_and(|home| word.except.contains(&home.name)) {
                    unneeded.retain(|(other, package)| {
                        other.word != word.word || home.is_none_or(|home| **package != home.name)
                    });
                    continue;
                }
                found.push(format!("{}:{line} says `{synonym}` for `{}`", file.path, word.word));
            }
        }
    }
    found.extend(
        unneeded
            .iter()
            .map(|(word, package)| format!("[[words]] {}: {package} needs no exception any more", word.word)),
    );
    found.dedup();
    found
}

/// Public types of two packages that have one name, each with a place in both.
#[must_use]
pub fn shared_names(packages: &[Package], files: &[TrackedFile]) -> Vec<String> {
    let mut homes: BTreeMap<String, BTreeMap<&str, String>> = BTreeMap::new();
    for file in files.iter().filter(|file| crate::architecture::is_rust(file)) {
        let Some(package) = home(packages, file) else { continue };
        for (line, name) in rust_source::public_types(&file.text) {
            homes.entry(name).or_default().entry(&package.name).or_insert(format!("{}:{line}", file.path));
        }
    }
    let shared = homes.into_iter().filter(|(_, places)| places.len() > 1);
    shared.map(|(name, places)| format!("{name}: {}", places.into_values().collect::<Vec<_>>().join(", "))).collect()
}

/// The package whose sources a file belongs to.
fn home<'a>(packages: &'a [Package], file: &TrackedFile) -> Option<&'a Package> {
    let around = packages.iter().filter(|package| file.path.starts_with(&format!("{}/src/", package.directory)));
    around.max_by_key(|package| package.directory.len())
}

/// What of a file is looked at: names and messages of code, all of the specification.
fn texts(file: &TrackedFile, is_code: bool) -> Vec<(usize, String)> {
    let is_test = file.path.contains("/tests/") || file.path.contains("tests.rs") || file.path.contains("testing");
    if is_code && !is_test && crate::architecture::is_rust(file) {
        return [rust_source::names(&file.text), rust_source::literals(&file.text)].concat();
    }
    let lines = (1..).zip(file.text.lines().map(str::to_owned));
    if file.path == "spec.md" { lines.collect() } else { vec![] }
}

/// The words of a text in lower case; `fileNames` and `file_names` have two.
fn parts(text: &str) -> Vec<String> {
    let mut parts = vec![String::new()];
    let mut was_lower = false;
    for character in text.chars() {
        let is_letter = character.is_alphanumeric();
        if (!is_letter || (character.is_uppercase() && was_lower)) && parts.last().is_some_and(|part| !part.is_empty())
        {
            parts.push(String::new());
        }
        if let (true, Some(part)) = (is_letter, parts.last_mut()) {
            part.extend(character.to_lowercase());
        }
        was_lower = character.is_lowercase();
    }
    parts
}

fn says(parts: &[String], synonym: &str) -> bool {
    let wanted: Vec<&str> = synonym.split([' ', '_']).collect();
    let is_word = |part: &str, word: &str| part == word || part.strip_suffix('s') == Some(word);
    parts.windows(wanted.len()).any(|window| window.iter().zip(&wanted).all(|(part, word)| is_word(part, word)))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn package(name: &str) -> Package {
        Package { name: name.to_owned(), directory: name.to_owned(), dependencies: std::collections::BTreeSet::new() }
    }

    fn file(path: &str, text: &str) -> TrackedFile {
        TrackedFile { path: path.to_owned(), text: text.to_owned() }
    }

    #[test]
    fn list_is_read_from_its_section() {
        let text = "# T\n\n## Words\n\nOne.\n\n| word | meaning | never |\n| --- | --- | --- |\n| layer | a set | delta, change set |\n\
                    | pin | an entry | - |\n\n## Next\n\n| word | meaning | never |\n| x | y | z |\n";
        let rows: Vec<(String, Vec<String>)> = list(text).into_iter().map(|row| (row.word, row.banned)).collect();
        let expected = [("layer", vec!["delta", "change set"]), ("pin", vec![])];
        assert_eq!(rows, expected.map(|(word, list)| (word.to_owned(), list.into_iter().map(str::to_owned).collect())));
    }

    #[test]
    fn synonyms_are_found_in_names_and_texts() {
        for (text, is_found) in [
            ("source_problems", true),
            ("AssemblyProblem", true),
            ("\"two problems were found\"", true),
            ("unproblematic", false),
            ("a change-set", true),
            ("ChangeSet", true),
            ("change the set", false),
        ] {
            let parts = parts(text);
            assert_eq!(says(&parts, "problem") || says(&parts, "change set"), is_found, "{text}");
        }
    }

    #[test]
    fn types_of_two_packages_have_two_names() {
        let files = [
            file("a/src/lib.rs", "pub struct Thing;\npub struct Own;\n"),
            file("a/src/other.rs", "pub enum Thing {}\n"),
            file("b/src/lib.rs", "\npub enum Thing {}\npub(crate) struct Own;\n"),
            file("b/tests/t.rs", "pub struct Own;\n"),
        ];
        assert_eq!(shared_names(&[package("a"), package("b")], &files), ["Thing: a/src/lib.rs:1, b/src/lib.rs:2"]);
    }

    #[test]
    fn exceptions_are_for_packages_and_only_while_needed() {
        let word = |except: &[&str]| Word {
            word: "diagnostic".to_owned(),
            banned: vec!["problem".to_owned()],
            except: except.iter().map(|package| (*package).to_owned()).collect(),
            reason: String::new(),
        };
        let files = [
            file("a/src/lib.rs", "// problem\nfn problem() {}\n"),
            file("b/src/lib.rs", "fn f() { g(\"a problem\") }\n#[cfg(test)]\nfn problem() {}\n"),
            file("spec.md", "Fine.\nProblems.\n"),
            file("README.md", "problem"),
        ];
        let packages = [package("a"), package("b")];
        let found = |except: &[&str]| banned(&[word(except)], &packages, &files);
        let [a, b, spec] = ["a/src/lib.rs:2", "b/src/lib.rs:1", "spec.md:2"]
            .map(|place| format!("{place} says `problem` for `diagnostic`"));
        assert_eq!(found(&[]), [a.clone(), b.clone(), spec.clone()]);
        assert_eq!(found(&["a"]), [b, spec.clone()]);
        let gone = "[[words]] diagnostic: c needs no exception any more".to_owned();
        assert_eq!(found(&["a", "b", "c"]), [spec, gone]);
    }
}
