//! Which undeclared file a failing script looked for.
//!
//! A step sees only what it declares, so a forgotten file is a missing one, and programs say which: the words of the
//! output (and, where the output is silent, of the script's failing line) are held against the paths that exist in the
//! sources and were not declared. This is a hint beside the real error, never a verdict, and enters no key.

use std::collections::BTreeSet;

use sinter_graph::derivation::InputId;
use sinter_graph::path::TreePath;

use crate::error::Undeclared;

/// At most this many files are named.
const MOST: usize = 5;

/// A source and its files.
pub(crate) struct Candidates<'a> {
    pub(crate) input: InputId,
    pub(crate) name: &'a str,
    /// Every file of the source, relative to it.
    pub(crate) files: Vec<&'a TreePath>,
    /// Those the step declared, relative to the source.
    pub(crate) declared: BTreeSet<TreePath>,
}

/// The files that `output` or the failing line of `script` name and that were not declared.
pub(crate) fn undeclared(
    candidates: &[Candidates<'_>],
    output: &str,
    script: &str,
    line: Option<u32>,
    workdir: &str,
) -> Vec<Undeclared> {
    let complaints: Vec<&str> = output.lines().filter(|line| says_missing(line)).flat_map(words).collect();
    let named = matches(candidates, &complaints, script, workdir);
    if !named.is_empty() {
        return named;
    }
    let failing = line.and_then(|line| script.lines().nth(line as usize - 1)).unwrap_or_default();
    matches(candidates, &words(failing).collect::<Vec<_>>(), script, workdir)
}

fn matches(candidates: &[Candidates<'_>], words: &[&str], script: &str, workdir: &str) -> Vec<Undeclared> {
    let mut found = Vec::new();
    for word in words {
        let Some(wanted) = wanted(word, workdir) else { continue };
        for source in candidates {
            for file in &source.files {
                if is_meant(file, &wanted) && !source.declared.contains(*file) {
                    found.push(Undeclared {
                        input: source.input,
                        input_name: source.name.to_owned(),
                        path: file.to_string(),
                        line: naming_line(script, word, file),
                    });
                }
            }
        }
    }
    let mut seen = BTreeSet::new();
    found.retain(|file: &Undeclared| seen.insert((file.input, file.path.clone())));
    found.truncate(MOST);
    found
}

/// Messages of a missing file, as libc, compilers, interpreters and build tools word them.
fn says_missing(line: &str) -> bool {
    let line = line.to_ascii_lowercase();
    [
        "no such file",
        "not found",
        "cannot find",
        "can't find",
        "can't open",
        "cannot open",
        "does not exist",
        "no rule to make",
        "no module named",
        "couldn't read",
        "could not find",
        "failed to open",
        "missing",
        "enoent",
    ]
    .iter()
    .any(|words| line.contains(words))
}

/// The pieces of a line that could be paths.
fn words(line: &str) -> impl Iterator<Item = &str> {
    line.split(|c: char| c.is_whitespace() || "\"'`<>()[]{},;|&=‘’“”".contains(c))
        .map(|word| word.trim_end_matches([':', '.', '!', '?']).trim_start_matches(':'))
        .filter(|word| word.len() > 1)
}

/// A word as a path relative to where declared files land.
fn wanted(word: &str, workdir: &str) -> Option<TreePath> {
    let relative = match word.strip_prefix(workdir) {
        Some(rest) if rest.starts_with('/') => rest,
        _ if word.starts_with('/') => return None,
        _ => word,
    };
    TreePath::normalized(relative).ok().filter(|path| !path.is_root())
}

/// Whether `file` is the wanted path, lies below it as a directory, or ends with it (an include path).
fn is_meant(file: &TreePath, wanted: &TreePath) -> bool {
    file.starts_with(wanted) || ends_with(file, wanted)
}

fn ends_with(file: &TreePath, tail: &TreePath) -> bool {
    file.as_bytes().strip_suffix(tail.as_bytes()).is_some_and(|head| head.ends_with(b"/"))
}

fn naming_line(script: &str, word: &str, file: &TreePath) -> Option<u32> {
    let name = file.name().map(String::from_utf8_lossy).unwrap_or_default();
    [word, &name].iter().find_map(|text| {
        let index = script.lines().position(|line| line.contains(*text))?;
        u32::try_from(index + 1).ok()
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(files: &[&str], declared: &[&str], output: &str, script: &str) -> Vec<(String, Option<u32>)> {
        let paths: Vec<TreePath> = files.iter().map(|file| TreePath::new(file).expect("a test path")).collect();
        let candidates = Candidates {
            input: InputId(0),
            name: "src",
            files: paths.iter().collect(),
            declared: declared.iter().map(|file| TreePath::new(file).expect("a test path")).collect(),
        };
        undeclared(&[candidates], output, script, Some(1), "/app")
            .into_iter()
            .map(|file| (file.path, file.line))
            .collect()
    }

    #[test]
    fn messages_of_common_tools_name_the_file() {
        let script = "set -e\ncat data/secret.txt\n";
        for output in [
            "cat: data/secret.txt: No such file or directory",
            "cat: /app/data/secret.txt: No such file or directory",
            "FileNotFoundError: [Errno 2] No such file or directory: 'data/secret.txt'",
            "main.c:1:10: fatal error: secret.txt: No such file or directory",
            "make: *** No rule to make target 'data/secret.txt', needed by 'all'.  Stop.",
            "Error: ENOENT: no such file or directory, open 'data/secret.txt'",
            "sh: 2: cannot open data/secret.txt: No such file",
        ] {
            assert_eq!(
                found(&["data/secret.txt", "other"], &[], output, script),
                [("data/secret.txt".to_owned(), Some(2))],
                "{output}"
            );
        }
    }

    #[test]
    fn declared_and_foreign_files_are_not_named() {
        let output = "cat: data.txt: No such file or directory\ncat: /etc/data.txt: No such file";
        assert_eq!(found(&["data.txt"], &["data.txt"], output, "cat data.txt"), []);
        assert_eq!(found(&["mydata.txt"], &[], output, "true"), []);
    }

    #[test]
    fn silent_failures_fall_back_to_the_failing_line() {
        assert_eq!(found(&["conf/x.json"], &[], "", "test -f conf/x.json\n"), [("conf/x.json".to_owned(), Some(1))]);
    }
}
