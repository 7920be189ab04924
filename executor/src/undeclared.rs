//! Which undeclared file a failing script looked for.
//!
//! A step sees only what it declares, so a forgotten file is a missing one, and programs say which: the words of the
//! output (and, where the output is silent, of the script's failing command) are held against the paths that exist in the
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

/// How a failing step looks from outside.
pub(crate) struct Scene<'a> {
    /// What it printed, or the end of that.
    pub(crate) output: &'a str,
    /// Its script.
    pub(crate) script: &'a str,
    /// The line of the script that failed, from 1, if known.
    pub(crate) line: Option<u32>,
    /// Where declared files land.
    pub(crate) workdir: &'a str,
}

/// The files that the output, or where it is silent the failing command, names and that were not declared.
pub(crate) fn undeclared(candidates: &[Candidates<'_>], scene: &Scene<'_>) -> Vec<Undeclared> {
    let output = without_sequences(scene.output);
    let complaints = output.lines().filter_map(complaint);
    let said: Vec<Word> =
        complaints.flat_map(|line| words(&line).into_iter().skip_while(Word::is_program).collect::<Vec<_>>()).collect();
    let named = matches(candidates, &said, scene);
    if !named.is_empty() {
        return named;
    }
    let silent = failing_command(scene.script, scene.line);
    let looked_at: Vec<Word> = silent.iter().flat_map(|line| words(line)).filter(|word| !word.is_written).collect();
    matches(candidates, &looked_at, scene)
}

fn matches(candidates: &[Candidates<'_>], words: &[Word], scene: &Scene<'_>) -> Vec<Undeclared> {
    let mut found: Vec<Undeclared> = Vec::new();
    for word in words {
        let Some(wanted) = wanted(&word.text, scene.workdir) else { continue };
        if candidates.iter().any(|source| source.declared.contains(&wanted)) {
            continue;
        }
        for file in meant(candidates, word, &wanted, scene.script) {
            if !found.iter().any(|known| (known.input, &known.path) == (file.input, &file.path)) {
                found.push(file);
            }
        }
    }
    found.truncate(MOST);
    found
}

/// How a file can be what a word means: the nearest meaning of a word is its only one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Meaning {
    /// The word is the file's path.
    Exact,
    /// The word is a directory above the file.
    Below,
    /// The path ends with the word: an include path, or a command that ran in a directory.
    Tail,
}

fn meant(candidates: &[Candidates<'_>], word: &Word, wanted: &TreePath, script: &str) -> Vec<Undeclared> {
    let all = || candidates.iter().flat_map(|source| source.files.iter().map(move |&file| (source, file)));
    let meanings = all().filter_map(|(_, file)| meaning(file, wanted, word));
    let Some(nearest) = meanings.min() else { return vec![] };
    let files: Vec<(&Candidates<'_>, &TreePath)> =
        all().filter(|(_, file)| meaning(file, wanted, word) == Some(nearest)).collect();
    if nearest == Meaning::Tail && files.iter().any(|(source, file)| source.declared.contains(*file)) {
        // A declared file answers to that name already.
        return vec![];
    }
    let undeclared = files.into_iter().filter(|(source, file)| !source.declared.contains(*file)).take(MOST);
    let describe = |(source, file): (&Candidates<'_>, &TreePath)| Undeclared {
        input: source.input,
        input_name: source.name.to_owned(),
        path: file.to_string(),
        line: naming_line(script, &word.text, file),
    };
    undeclared.map(describe).collect()
}

fn meaning(file: &TreePath, wanted: &TreePath, word: &Word) -> Option<Meaning> {
    if file == wanted {
        Some(Meaning::Exact)
    } else if word.may_be_directory && file.starts_with(wanted) {
        Some(Meaning::Below)
    } else if word.is_path_like() && ends_with(file, wanted) {
        Some(Meaning::Tail)
    } else {
        None
    }
}

/// Messages of a missing file, as libc, compilers, interpreters and build tools word them.
const COMPLAINTS: [&str; 16] = [
    "no such file or directory",
    "no such file",
    "not found",
    "cannot find",
    "can't find",
    "can't open",
    "can't cd to",
    "cannot open",
    "does not exist",
    "no rule to make target",
    "no module named",
    "couldn't read",
    "could not find",
    "failed to open",
    "missing",
    "enoent",
];

/// Output without the sequences that colour it: `ESC [`, parameters, one final letter.
fn without_sequences(output: &str) -> String {
    let mut pieces = output.split("\u{1b}[");
    let first = pieces.next().unwrap_or_default().to_owned();
    pieces.fold(first, |text, piece| {
        let rest = piece.trim_start_matches(|c: char| c.is_ascii_digit() || ";:?".contains(c));
        let mut rest = rest.chars();
        // The final letter belongs to the sequence too.
        rest.next();
        text + rest.as_str()
    })
}

/// A line that complains of something missing, without the words of the complaint, which could be names of files too.
fn complaint(line: &str) -> Option<String> {
    let mut rest = line.to_owned();
    for phrase in COMPLAINTS {
        // Lower case of ASCII alone, so that positions stay.
        while let Some(start) = rest.to_ascii_lowercase().find(phrase) {
            rest.replace_range(start..start + phrase.len(), "\u{0}");
        }
    }
    (rest != line).then_some(rest)
}

/// A piece of a line that could be a path.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Word {
    text: String,
    /// Whether it stands first and a colon follows, as the name of the program that complains does.
    is_first: bool,
    /// Whether it can name a directory: it has a slash, is quoted, is followed by a colon, or is what a test looks at.
    may_be_directory: bool,
    /// Whether the shell writes to it.
    is_written: bool,
}

impl Word {
    fn is_program(&self) -> bool {
        self.is_first && !self.is_path_like()
    }

    fn is_path_like(&self) -> bool {
        self.text.contains(['/', '.'])
    }
}

const QUOTES: &str = "\"'`‘’“”";

/// The pieces of a line that could be paths.
fn words(line: &str) -> Vec<Word> {
    let is_delimiter = |c: char| c.is_whitespace() || c == '\0' || QUOTES.contains(c) || "<>()[]{},;|&=".contains(c);
    let mut words: Vec<Word> = Vec::new();
    let mut before = ' ';
    let mut is_tested = false;
    for piece in line.split_inclusive(is_delimiter) {
        let text = piece.trim_end_matches(is_delimiter);
        let after = piece.chars().next_back().filter(|&c| is_delimiter(c)).unwrap_or(' ');
        let bare = text.trim_end_matches([':', '.', '!', '?']).trim_start_matches(':');
        if bare.len() > 1 {
            let is_named = QUOTES.contains(after) || text.ends_with(':');
            words.push(Word {
                text: bare.to_owned(),
                is_first: words.is_empty() && text.ends_with(':'),
                may_be_directory: bare.contains('/') || is_named || is_tested,
                is_written: before == '>',
            });
        }
        if !text.is_empty() || !after.is_whitespace() {
            is_tested = matches!(text, "-d" | "-e" | "-f" | "-r" | "-s" | "-x");
            before = after;
        }
        if !text.is_empty() && after.is_whitespace() {
            before = ' ';
        }
    }
    words
}

/// The command that failed: the line that was read last, and where that closes a compound command, all of it. Where no
/// line is known, the whole script.
fn failing_command(script: &str, line: Option<u32>) -> Vec<&str> {
    let lines: Vec<&str> = script.lines().collect();
    let Some(last) = line.and_then(|line| (line as usize).checked_sub(1)).filter(|&last| last < lines.len()) else {
        return lines;
    };
    let indent = |text: &str| text.len() - text.trim_start().len();
    let closes = ["fi", "done", "esac", "}"].iter().any(|word| lines[last].trim_start().starts_with(word));
    let opens =
        |&at: &usize| !lines[at].trim().is_empty() && indent(lines[at]) <= indent(lines[last]) && !is_middle(lines[at]);
    let first = if closes { (0..last).rev().find(opens).unwrap_or(last) } else { last };
    lines[first..=last].to_vec()
}

fn is_middle(line: &str) -> bool {
    ["else", "elif", "then", "do", "{"].iter().any(|word| line.trim() == *word)
        || line.trim_start().starts_with("elif ")
}

/// A word as a path relative to where declared files land.
fn wanted(word: &str, workdir: &str) -> Option<TreePath> {
    let relative = match word.strip_prefix(workdir) {
        Some(rest) if rest.starts_with('/') => rest,
        _ if word.starts_with('/') => return None,
        _ => word,
    };
    TreePath::normalized(without_parents(relative)).ok().filter(|path| !path.is_root())
}

/// A path without `..`: those in its middle take a name with them. Those at its head lead out of a directory that the script
/// went into, so what follows them is looked for anywhere.
fn without_parents(path: &str) -> String {
    let mut names: Vec<&str> = Vec::new();
    for name in path.split('/') {
        match name {
            ".." => drop(names.pop()),
            "." | "" => {}
            name => names.push(name),
        }
    }
    names.join("/")
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
        found_at(files, declared, output, script, Some(1))
    }

    fn found_at(
        files: &[&str],
        declared: &[&str],
        output: &str,
        script: &str,
        line: Option<u32>,
    ) -> Vec<(String, Option<u32>)> {
        let paths: Vec<TreePath> = files.iter().map(|file| TreePath::new(file).expect("a test path")).collect();
        let candidates = Candidates {
            input: InputId::new(0),
            name: "src",
            files: paths.iter().collect(),
            declared: declared.iter().map(|file| TreePath::new(file).expect("a test path")).collect(),
        };
        undeclared(&[candidates], &Scene { output, script, line, workdir: "/app" })
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
            "cat: ../data/secret.txt: No such file or directory",
            "cat: other/./../data/secret.txt: No such file or directory",
            "\u{1b}[1m\u{1b}[Kmain.c:1:10:\u{1b}[m\u{1b}[K fatal error: \u{1b}[1;31m\u{1b}[Ksecret.txt\u{1b}[m\u{1b}[K: No such file or directory",
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
    fn silent_failures_fall_back_to_the_failing_command() {
        for (script, line, named_on) in [
            ("test -f conf/x.json\n", Some(1), 1),
            ("true\ntest -f conf/x.json || exit 3\ntrue\n", Some(2), 2),
            ("[ -e conf/x.json ]\n", Some(1), 1),
            ("[ -e /app/conf/x.json ]\n", Some(1), 1),
            ("test -d conf\n", Some(1), 1),
            ("if ! [ -e conf/x.json ]; then\n  exit 3\nfi\n", Some(3), 1),
            ("true\nif true\nthen\n  test -e \"conf/x.json\" || exit 3\nfi\n", Some(5), 4),
            ("try:\n  open('conf/x.json')\nexcept OSError:\n  raise SystemExit(3)\n", None, 2),
        ] {
            let found = found_at(&["conf/x.json", "test/a", "exit"], &["exit"], "", script, line);
            assert_eq!(found, [("conf/x.json".to_owned(), Some(named_on))], "{script}");
        }
    }

    #[test]
    fn failures_for_other_reasons_name_nothing() {
        let files =
            ["test/a.c", "file", "directory/x", "not", "make/rules", "src/main.c", "out/report.txt", "lib/main.c"];
        for (output, script) in [
            ("2 tests failed", "make test\n"),
            ("", "grep -q needle declared.txt\n"),
            ("cat: gone: No such file or directory", "cat gone\n"),
            ("make: *** No rule to make target 'gone', needed by 'all'.  Stop.", "make all\n"),
            ("", "echo x > out/report.txt; exit 1\n"),
            ("main.c:3: error: missing semicolon", "cc main.c\n"),
            ("sh: 1: frobnicate: not found", "frobnicate\n"),
        ] {
            assert_eq!(found(&files, &["src/main.c"], output, script), [], "{output} / {script}");
        }
    }

    #[test]
    fn nearest_meaning_of_a_word_counts_alone() {
        let output = "cat: x.c: No such file or directory";
        assert_eq!(found(&["deep/x.c", "x.c"], &[], output, "cat x.c"), [("x.c".to_owned(), Some(1))]);
        let many: Vec<String> = (0..9).map(|n| format!("conf/{n}")).collect();
        let many: Vec<&str> = many.iter().map(String::as_str).collect();
        assert_eq!(found(&many, &[], "ls: cannot access 'conf': No such file or directory", "ls conf").len(), MOST);
        assert_eq!(found(&["conf/a"], &[], "sh: 1: cd: can't cd to conf", "cd conf"), []);
        assert_eq!(found(&["conf/a"], &[], "sh: 1: cd: can't cd to conf/", "cd conf/").len(), 1);
    }

    #[test]
    fn any_output_and_script_is_harmless() {
        for text in ["", "\n", "İ not found ‘", ": : ::", "> >> [ ]", "missing", "\u{0}\u{0}", "'’not found’'"] {
            for line in [None, Some(0), Some(1), Some(9), Some(u32::MAX)] {
                assert_eq!(found_at(&["a"], &[], text, text, line), []);
            }
        }
    }
}
