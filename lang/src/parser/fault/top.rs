//! Faults between declarations, among them the habits of people who write Dockerfiles and YAML.

use super::super::cursor::Cursor;
use super::{at_leaf, at_next, found, quoted};
use crate::codes;
use crate::diagnostic::Diagnostic;
use crate::source::TextRange;
use crate::syntax::SyntaxKind as K;

/// Text at the top level that is no declaration.
pub(in super::super) fn no_declaration(input: &Cursor<'_>) -> Diagnostic {
    let text = quoted(input.text());
    let diagnostic = at_leaf(input, codes::NO_DECLARATION, format!("expected a declaration, found {text}"));
    if input.peek().kind.is_closer() {
        return diagnostic.label("nothing is open here").help("remove it, or look for a missing opening bracket above");
    }
    diagnostic.help("a line at column 0 starts with `input`, `param`, `import`, `let`, `fn` or `target`")
}

/// `  let x = 1`
pub(in super::super) fn indented_declaration(input: &Cursor<'_>) -> Diagnostic {
    let leaf = input.peek();
    let line_start = leaf.range.start.saturating_sub(leaf.indent);
    at_leaf(input, codes::INDENTED_DECLARATION, format!("`{}` stands at the start of its line", input.text()))
        .help("is a `}` before it too much?")
        .fix("remove the indentation", TextRange::new(line_start, leaf.range.start), "")
}

/// Text on the line of a complete declaration, or deeper lines that belong to nothing.
pub(in super::super) fn text_after_declaration(input: &Cursor<'_>) -> Diagnostic {
    if !input.peek().on_new_line {
        let message = format!("expected the end of the line, found {}", found(input));
        return at_leaf(input, codes::TEXT_AFTER_DECLARATION, message).label("the declaration is complete before this");
    }
    let diagnostic =
        at_leaf(input, codes::NO_DECLARATION, format!("{} belongs to no declaration", quoted(input.text())));
    diagnostic.help("is an opening bracket missing on a line above?")
}

/// `name = value` at the top level.
pub(in super::super) fn missing_keyword(input: &Cursor<'_>, keyword: K) -> Diagnostic {
    let word = keyword.fixed_text().unwrap_or_default();
    let start = input.peek().range.start;
    let message = format!("`{word}` is missing before {}", quoted(input.text()));
    let mut diagnostic = at_leaf(input, codes::MISSING_KEYWORD, message)
        .help("a declaration starts with `input`, `param`, `import`, `let`, `fn` or `target`")
        .fix(format!("insert `{word}`"), TextRange::new(start, start), format!("{word} "));
    let colon = input.peek_at(1);
    if colon.kind == K::Colon && keyword != K::ParamKeyword {
        let equals = (input.sink.span(colon.range), " =".to_owned());
        diagnostic.fixes.iter_mut().for_each(|fix| fix.edits.push(equals.clone()));
    }
    diagnostic
}

/// The keyword that is most likely meant before `name =`.
pub(in super::super) fn binding_keyword(input: &Cursor<'_>) -> K {
    const CONSTRUCTORS: [&str; 6] = ["dir", "git", "pull", "fetch", "debian", "secret"];
    let called = input.sink.text_of(input.peek_at(2).range);
    if CONSTRUCTORS.contains(&called) {
        K::InputKeyword
    } else if called == "image" {
        K::TargetKeyword
    } else {
        K::LetKeyword
    }
}

/// The keyword meant by a word of another language, or by a misspelt one.
pub(in super::super) fn keyword_meant(word: &str) -> Option<K> {
    Some(match word {
        "var" | "const" | "val" | "local" | "set" | "define" => K::LetKeyword,
        "def" | "function" | "func" | "fun" | "proc" => K::FnKeyword,
        "use" | "include" | "load" => K::ImportKeyword,
        "output" | "build" | "export" => K::TargetKeyword,
        "parameter" | "arg" | "variable" | "option" => K::ParamKeyword,
        "source" => K::InputKeyword,
        _ => return misspelt(word),
    })
}

fn misspelt(word: &str) -> Option<K> {
    const KEYWORDS: [(&str, K); 6] = [
        ("input", K::InputKeyword),
        ("param", K::ParamKeyword),
        ("import", K::ImportKeyword),
        ("target", K::TargetKeyword),
        ("let", K::LetKeyword),
        ("fn", K::FnKeyword),
    ];
    let word = word.to_ascii_lowercase();
    let distance = |keyword: &str| strsim::osa_distance(&word, keyword);
    let (keyword, kind) = KEYWORDS.into_iter().min_by_key(|(keyword, _)| distance(keyword))?;
    (word.len() <= LONGEST_WORD && distance(keyword) <= keyword.len() / 3).then_some(kind)
}

/// Longer words are no misspelt keyword; keeps the comparison cheap.
const LONGEST_WORD: usize = 16;

/// A word of another language in the place of a keyword.
pub(in super::super) fn foreign_keyword(input: &Cursor<'_>, keyword: K) -> Diagnostic {
    let word = keyword.fixed_text().unwrap_or_default();
    at_leaf(input, codes::FOREIGN_KEYWORD, format!("{} starts no declaration; `{word}` does", quoted(input.text())))
        .fix(format!("write `{word}`"), input.peek().range, word)
}

/// What a Dockerfile's instruction is called here.
const INSTRUCTIONS: &[(&str, &str)] = &[
    ("FROM", "write `input base = pull(\"...\")`, then `from = base` in a `run` or `image`"),
    ("RUN", "a command is a step: `let name = run { from = base, script = sh \"\"\"...\"\"\" }`"),
    (
        "COPY",
        "files are listed where they are used: `files = src[\"web\"]` in a `run`, `layers = [src[\"web\"]]` in an `image`",
    ),
    (
        "ADD",
        "a download is an input: `input archive = fetch(\"https://...\")`; files are listed in `files = src[\"...\"]`",
    ),
    ("CMD", "it is a field of an image: `cmd = [\"server\", \"--port\", \"80\"]`"),
    ("ENTRYPOINT", "it is a field of an image: `entrypoint = [\"server\"]`"),
    ("ENV", "it is a field of a `run` or `image`: `env = { NAME = \"value\" }`"),
    ("ARG", "a value from the command line is `param name: Str = \"default\"`"),
    ("WORKDIR", "it is a field of a `run` or `image`: `workdir = \"/app\"`"),
    ("EXPOSE", "it is a field of an image: `expose = [8080]`"),
    ("LABEL", "it is a field of an image: `labels = { \"key\" = \"value\" }`"),
    ("USER", "it is a field of a `run` or `image`: `user = \"app\"`"),
    ("VOLUME", "it is a field of an image: `volumes = [\"/data\"]`"),
    ("HEALTHCHECK", "it is a field of an image: `healthcheck = { test = [\"check\"] }`"),
    ("SHELL", "it is a field of a `run`: `shell = [\"/bin/bash\", \"-e\"]`"),
    ("STOPSIGNAL", "it is a field of an image: `stop_signal = \"SIGQUIT\"`"),
    ("ONBUILD", "there are no triggers; write a `fn` and call it"),
    ("MAINTAINER", "it is a label of an image: `labels = { \"org.opencontainers.image.authors\" = \"...\" }`"),
];

/// Whether a word is an instruction of Dockerfiles.
pub(in super::super) fn is_instruction(word: &str) -> bool {
    INSTRUCTIONS.iter().any(|(instruction, _)| *instruction == word)
}

/// A Dockerfile's instruction.
pub(in super::super) fn instruction(input: &Cursor<'_>) -> Diagnostic {
    let word = input.text();
    let help = INSTRUCTIONS.iter().find(|(instruction, _)| *instruction == word).map_or("", |(_, help)| help);
    at_leaf(input, codes::INSTRUCTION, format!("`{word}` belongs to Dockerfiles")).help(help)
}

/// `param name = value`
pub(in super::super) fn param_without_type(input: &Cursor<'_>) -> Diagnostic {
    let end = input.after_previous();
    at_leaf(input, codes::PARAM_WITHOUT_TYPE, "a param has a type: `param name: Str = \"default\"`")
        .label("the type is missing before this")
        .fix("insert `: Str`", end, ": Str")
}

/// `import` without anything that can be imported.
pub(in super::super) fn expected_import_path(input: &Cursor<'_>) -> Diagnostic {
    at_next(input, codes::IMPORT_PATH, format!("expected what to import, found {}", found(input)))
        .help("write `import std.debian` or `import \"./lib.build\" as lib`")
}

/// `import "./lib.build"`
pub(in super::super) fn import_without_alias(input: &Cursor<'_>) -> Diagnostic {
    let end = input.after_previous();
    let name_follows = input.at(K::Name) && !input.peek().on_new_line;
    let inserted = if name_follows { " as" } else { " as lib" };
    at_next(input, codes::IMPORT_ALIAS, "an imported file needs a name: `as name`").fix(
        format!("insert `{}`", inserted.trim_start()),
        end,
        inserted,
    )
}
