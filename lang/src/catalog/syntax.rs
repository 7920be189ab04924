//! Pages about syntax.

use super::Page;

/// The pages.
pub(super) const PAGES: &[Page] = &[
    Page {
        code: "E0101",
        title: "no declaration",
        text: "Every line at column 0 starts a declaration: `input`, `param`, `import`, `let`, `fn` or `target`. Deeper lines belong to the declaration above them, between its brackets. A closing bracket too much, or an opening bracket that is missing, leaves lines that belong to nothing.",
        bad: Some("\"just text\"\n"),
        good: Some("let note = \"just text\"\n"),
    },
    Page {
        code: "E0102",
        title: "the keyword is missing",
        text: "A name at column 0 needs the word that says what it is: `input` for something from outside, `let` for something computed, `target` for something wanted.",
        bad: Some("answer = 42\n"),
        good: Some("let answer = 42\n"),
    },
    Page {
        code: "E0103",
        title: "an indented declaration",
        text: "Declarations stand at column 0. Inside a function only `let` and the result may follow.",
        bad: Some("  let answer = 42\n"),
        good: Some("let answer = 42\n"),
    },
    Page {
        code: "E0104",
        title: "a name is missing",
        text: "A declaration, a parameter, a field and a `.` need a name. Names start with a letter or `_`, then come letters, digits, `_` and `-`.",
        bad: Some("let = 42\n"),
        good: Some("let answer = 42\n"),
    },
    Page {
        code: "E0105",
        title: "a word of the language as a name",
        text: "`let fn if then else for in and or not true false none` are words of the language. Choose another name; the key of a record may be quoted instead.",
        bad: Some("let in = 42\n"),
        good: Some("let in_ = 42\n"),
    },
    Page {
        code: "E0106",
        title: "a token is missing",
        text: "Something that always stands here is missing, for instance the `=` between a name and its value or the `then` of a condition.",
        bad: Some("let answer 42\n"),
        good: Some("let answer = 42\n"),
    },
    Page {
        code: "E0107",
        title: "a value is missing",
        text: "A value has to stand here: a string, a number, a name, a list, a record, a call. It may stand on the next line.",
        bad: Some("let answer = \n"),
        good: Some("let answer = 42\n"),
    },
    Page {
        code: "E0108",
        title: "two items on one line",
        text: "Items between brackets end with a comma, a newline or both. Two on one line need the comma.",
        bad: Some("let words = [\"a\" \"b\"]\n"),
        good: Some("let words = [\"a\", \"b\"]\n"),
    },
    Page {
        code: "E0109",
        title: "a bracket is not closed",
        text: "A `(`, `[` or `{` has no closing partner before the declaration ends. A line that starts a declaration closes everything; where brackets do not match, the place is found by indentation.",
        bad: Some("let words = [\"a\", \"b\"\nlet more = 1\n"),
        good: Some("let words = [\"a\", \"b\"]\nlet more = 1\n"),
    },
    Page {
        code: "E0110",
        title: "not an item",
        text: "Something between brackets is no item of this list, record or call, or there is nothing between two commas.",
        bad: Some("let words = [\"a\",, \"b\"]\n"),
        good: Some("let words = [\"a\", \"b\"]\n"),
    },
    Page {
        code: "E0111",
        title: "a string is not closed",
        text: "A string between `\"` ends on its line. Text of several lines stands between `\"\"\"`.",
        bad: Some("let word = \"a\n"),
        good: Some("let word = \"a\"\n"),
    },
    Page {
        code: "E0112",
        title: "a text of several lines is not closed",
        text: "A text between `\"\"\"` needs its closing quotes. It ends where a line is not indented deeper than the line it starts on.",
        bad: Some("let text = \"\"\"\n  a\n"),
        good: Some("let text = \"\"\"\n  a\n  \"\"\"\n"),
    },
    Page {
        code: "E0113",
        title: "an interpolation is not closed",
        text: "`${{ value }}` starts and ends on one line. To write `${{` itself, write `$${{`.",
        bad: Some("let text = \"a ${{ b\"\n"),
        good: Some("let text = \"a ${{ b }}\"\n"),
    },
    Page {
        code: "E0114",
        title: "`:` instead of `=`",
        text: "Values are given with `name = value`. The `:` separates a name from its type, in the parameters of a function and in `param`.",
        bad: Some("let limits = { memory: 512 }\n"),
        good: Some("let limits = { memory = 512 }\n"),
    },
    Page {
        code: "E0115",
        title: "a Dockerfile instruction",
        text: "`FROM`, `RUN`, `COPY` and the others have counterparts: inputs, `run` steps, `files` and the fields of `image`.",
        bad: Some("FROM debian\n"),
        good: Some("input base = pull(\"debian:bookworm-slim\")\n"),
    },
    Page {
        code: "E0116",
        title: "a word of another language",
        text: "There is one word for each kind of declaration: `let` for a value, `fn` for a function, `import`, `input`, `param`, `target`.",
        bad: Some("var answer = 42\n"),
        good: Some("let answer = 42\n"),
    },
    Page {
        code: "E0117",
        title: "single quotes",
        text: "Strings are written between `\"`. A `'` inside them is an ordinary character.",
        bad: Some("let word = 'a'\n"),
        good: Some("let word = \"a\"\n"),
    },
    Page {
        code: "E0118",
        title: "a semicolon",
        text: "Lines end by themselves; items on one line are separated by `,`.",
        bad: Some("let answer = 42;\n"),
        good: Some("let answer = 42\n"),
    },
    Page {
        code: "E0119",
        title: "not a comment",
        text: "Comments start with `#` and end with the line. `##` documents the declaration below it.",
        bad: Some("// the answer\nlet answer = 42\n"),
        good: Some("# the answer\nlet answer = 42\n"),
    },
    Page {
        code: "E0120",
        title: "an unknown character",
        text: "This character means nothing outside of strings and comments.",
        bad: Some("let answer = @ 42\n"),
        good: Some("let answer = 42\n"),
    },
    Page {
        code: "E0121",
        title: "a type is missing",
        text: "Parameters and results of functions have types: `Str`, `Int`, `Bool`, `Tree`, ..., `[T]`, `{name: T}`, `{Str: T}`, `T?`.",
        bad: Some("fn same(value: ) -> Str { value }\n"),
        good: Some("fn same(value: Str) -> Str { value }\n"),
    },
    Page {
        code: "E0122",
        title: "a function without a body",
        text: "A function yields the last expression between its braces. Only builtins, which the prelude declares, have none.",
        bad: Some("fn same(value: Str) -> Str\n"),
        good: Some("fn same(value: Str) -> Str { value }\n"),
    },
    Page {
        code: "E0123",
        title: "`let` is missing in a function",
        text: "A function names intermediate values with `let`, as files do.",
        bad: Some("fn twice(value: Str) -> Str {\n  word = value + value\n  word\n}\n"),
        good: Some("fn twice(value: Str) -> Str {\n  let word = value + value\n  word\n}\n"),
    },
    Page {
        code: "E0124",
        title: "the form of a function",
        text: "A function is `let`s and one last expression, its result.",
        bad: Some("fn twice(value: Str) -> Str {\n  let word = value + value\n}\n"),
        good: Some("fn twice(value: Str) -> Str {\n  let word = value + value\n  word\n}\n"),
    },
    Page {
        code: "E0125",
        title: "not a module",
        text: "`import std.NAME` imports a module of the standard library, `import \"./FILE.build\" as NAME` a file. The path is a plain string, so that imports are known before anything is computed.",
        bad: Some("import debian\n"),
        good: Some("import std.debian\n"),
    },
    Page {
        code: "E0126",
        title: "an imported file without a name",
        text: "A file is imported under a name: `as lib`. What it declares is then `lib.name`.",
        bad: Some("import \"./lib.build\"\n"),
        good: Some("import \"./lib.build\" as lib\n"),
    },
    Page {
        code: "E0127",
        title: "too deep",
        text: "Brackets and operators may be nested 256 levels deep. Name a part of it with `let`.",
        bad: None,
        good: None,
    },
    Page {
        code: "E0128",
        title: "chained comparisons",
        text: "`a == b == c` would compare a Bool with `c`. Join two comparisons with `and`.",
        bad: Some("let same = 1 == 1 == 1\n"),
        good: Some("let same = 1 == 1 and 1 == 1\n"),
    },
    Page {
        code: "E0129",
        title: "not a number",
        text: "Numbers are decimal digits without a leading 0, up to 9223372036854775807. There are no fractions; modes, versions and durations are strings.",
        bad: Some("let mode = 0755\n"),
        good: Some("let mode = \"755\"\n"),
    },
    Page {
        code: "E0130",
        title: "an unknown escape",
        text: "In a string between `\"` a backslash starts an escape: `\\n`, `\\t`, `\\\"`, `\\\\`, `\\u{e9}`. A text between `\"\"\"` has none.",
        bad: Some("let path = \"C:\\dir\"\n"),
        good: Some("let path = \"C:\\\\dir\"\n"),
    },
    Page {
        code: "E0131",
        title: "not a character",
        text: "`\\u{...}` takes one to six hexadecimal digits that name a character of Unicode, up to 10FFFF and without the surrogates D800 to DFFF.",
        bad: Some("let mark = \"\\u{d800}\"\n"),
        good: Some("let mark = \"\\u{e9}\"\n"),
    },
    Page {
        code: "E0132",
        title: "tabs and spaces mixed",
        text: "The indentation that all lines of a text share is removed. That needs all of them to be indented by the same characters.",
        bad: Some("let text = \"\"\"\n  a\n\tb\n  \"\"\"\n"),
        good: Some("let text = \"\"\"\n  a\n  b\n  \"\"\"\n"),
    },
    Page {
        code: "E0133",
        title: "a name given twice",
        text: "A record, a call and a function have each name once. A field from `...record` may be given again after it.",
        bad: Some("let limits = { memory = 1, memory = 2 }\n"),
        good: Some("let limits = { memory = 1, cpu = 2 }\n"),
    },
    Page {
        code: "E0134",
        title: "a value without a name",
        text: "Between braces every value has a name; `f { a = 1 }` is `f(a = 1)`. Values by position go between parentheses.",
        bad: Some("let limits = { 512 }\n"),
        good: Some("let limits = { memory = 512 }\n"),
    },
    Page {
        code: "E0135",
        title: "the form of a comprehension",
        text: "`[f(x) for x in xs]` is a whole list; further items are added with `+`.",
        bad: Some("let words = [x for x in xs, \"b\"]\n"),
        good: Some("let words = [x for x in xs] + [\"b\"]\n"),
    },
    Page {
        code: "E0136",
        title: "`!` outside of an index",
        text: "`!\"pattern\"` leaves files out of a selection like `src[\"web\", !\"**/*.test.ts\"]`. The opposite of a Bool is `not value`.",
        bad: Some("let off = !true\n"),
        good: Some("let off = not true\n"),
    },
    Page {
        code: "E0137",
        title: "an unknown operator",
        text: "The operators are `+` on strings and lists, `==`, `!=`, `not`, `and`, `or`, and `??` for a value that may be `none`. There is no arithmetic.",
        bad: Some("let both = true && true\n"),
        good: Some("let both = true and true\n"),
    },
    Page {
        code: "E0138",
        title: "text after a declaration",
        text: "A declaration is complete and something follows on its line.",
        bad: Some("let answer = 42 43\n"),
        good: Some("let answer = 42\n"),
    },
    Page {
        code: "E0139",
        title: "a script between single-line quotes",
        text: "A script stands between `\"\"\"`, on one line or on several.",
        bad: Some("let script = sh \"npm ci\"\n"),
        good: Some("let script = sh \"\"\"npm ci\"\"\"\n"),
    },
    Page {
        code: "E0140",
        title: "a param without a type",
        text: "The command line gives a param as text, so its type says how to read it.",
        bad: Some("param version = \"1\"\n"),
        good: Some("param version: Str = \"1\"\n"),
    },
    Page {
        code: "E0141",
        title: "a computed key",
        text: "The key of a record is a name or a plain string, so that its type is known.",
        bad: Some("let env = { \"${{ name }}\" = \"1\" }\n"),
        good: Some("let env = { \"NAME\" = \"1\" }\n"),
    },
    Page {
        code: "E0142",
        title: "the file is too large",
        text: "A `.build` file has at most 16 MiB.",
        bad: None,
        good: None,
    },
    Page {
        code: "E0143",
        title: "parentheses around more than one value",
        text: "Parentheses group one value. Lists stand in `[...]`, records in `{...}`; a call has its function before the `(`.",
        bad: Some("let pair = (\"a\", \"b\")\n"),
        good: Some("let pair = [\"a\", \"b\"]\n"),
    },
];

#[cfg(test)]
mod tests {
    use super::PAGES;
    use crate::source::FileId;
    use crate::{Dialect, codes, parse};

    fn codes_of(text: &str) -> Vec<&'static str> {
        parse(text, FileId(0), Dialect::User).diagnostics.iter().map(|diagnostic| diagnostic.code.0).collect()
    }

    #[test]
    fn each_code_has_a_page() {
        let pages: Vec<&str> = PAGES.iter().map(|page| page.code).collect();
        let mut codes: Vec<&str> = codes::ALL.iter().map(|code| code.0).collect();
        codes.sort_unstable();
        assert_eq!(pages, codes);
    }

    #[test]
    fn bad_examples_yield_their_code() {
        for page in PAGES {
            if let Some(bad) = page.bad {
                assert_eq!(codes_of(bad), [page.code], "{bad:?}");
            }
        }
    }

    #[test]
    fn good_examples_yield_nothing() {
        for page in PAGES {
            if let Some(good) = page.good {
                assert_eq!(codes_of(good), [""; 0], "{good:?}");
            }
        }
    }

    /// The bad example may differ from the good one where the fix is only one of several; if there is an edit and it
    /// repairs the file, nothing else may be wrong with it.
    #[test]
    fn fixes_leave_no_fault() {
        for bad in PAGES.iter().filter_map(|page| page.bad) {
            let found = parse(bad, FileId(0), Dialect::User).diagnostics;
            for (span, replacement) in
                found.iter().flat_map(|diagnostic| diagnostic.fixes.iter().flat_map(|fix| &fix.edits))
            {
                let mut text = bad.to_owned();
                text.replace_range(span.range.as_range(), replacement);
                assert_eq!(codes_of(&text), [""; 0], "{bad:?} became {text:?}");
            }
        }
    }
}
