//! Faults inside declarations: names, values, strings, types.

use super::super::cursor::Cursor;
use super::super::leaves::Leaf;
use super::{at_leaf, at_next, found, place, quoted};
use crate::codes;
use crate::diagnostic::Diagnostic;
use crate::source::TextRange;
use crate::syntax::SyntaxKind as K;

/// No name where something is named.
pub(in super::super) fn expected_name(input: &Cursor<'_>) -> Diagnostic {
    let leaf = input.peek();
    if leaf.kind.is_keyword() && !leaf.on_new_line {
        let word = input.text();
        return at_leaf(input, codes::RESERVED_WORD, format!("{} is a word of the language, not a name", quoted(word)))
            .help(format!("call it `{word}_` or `{word}-value`; a key of a record may be quoted: `\"{word}\" = ...`"));
    }
    if matches!(leaf.kind, K::Colon | K::Equals) {
        return at_leaf(input, codes::EXPECTED_NAME, format!("expected a name before `{}`", input.text()));
    }
    at_next(input, codes::EXPECTED_NAME, format!("expected a name, found {}", found(input)))
}

/// No name behind a `.`.
pub(in super::super) fn expected_field_name(input: &Cursor<'_>) -> Diagnostic {
    let end = input.after_previous();
    let dot = TextRange::new(end.start.saturating_sub(1), end.start);
    if input.peek().kind.is_keyword() && !input.peek().on_new_line {
        return expected_name(input);
    }
    at_next(input, codes::EXPECTED_NAME, format!("expected the name of a field behind `.`, found {}", found(input)))
        .fix("remove the `.`", dot, "")
}

/// No value where one is needed.
pub(in super::super) fn expected_value(input: &Cursor<'_>) -> Diagnostic {
    let diagnostic = at_next(input, codes::EXPECTED_VALUE, format!("expected a value, found {}", found(input)));
    if input.peek().kind.is_keyword() && !input.peek().on_new_line {
        return diagnostic.help(format!("{} is a word of the language", quoted(input.text())));
    }
    diagnostic
}

/// No type where one is needed.
pub(in super::super) fn expected_type(input: &Cursor<'_>) -> Diagnostic {
    at_next(input, codes::EXPECTED_TYPE, format!("expected a type, found {}", found(input)))
        .help("types are `Str`, `Int`, `Bool`, `Tree`, `Source`, ..., `[T]`, `{name: T}`, `{Str: T}` and `T?`")
}

/// A function without `{ ... }`.
pub(in super::super) fn expected_body(input: &Cursor<'_>) -> Diagnostic {
    let end = input.after_previous();
    let message = format!("expected `{{` and the body of the function, found {}", found(input));
    let diagnostic = at_next(input, codes::MISSING_BODY, message);
    let body_follows = !input.at_boundary() && !input.peek().at_column_zero();
    if body_follows { diagnostic.fix("insert `{`", end, " {") } else { diagnostic }
}

/// `name = value` in the body of a function.
pub(in super::super) fn missing_let(input: &Cursor<'_>) -> Diagnostic {
    let range = input.peek().range;
    at_leaf(input, codes::MISSING_LET, format!("a name in a function is given with `let {} = ...`", input.text())).fix(
        "insert `let`",
        TextRange::new(range.start, range.start),
        "let ",
    )
}

/// `:`, `==` or `:=` where `=` is meant.
pub(in super::super) fn wrong_equals(input: &Cursor<'_>) -> Diagnostic {
    let written = input.text();
    let blank = if input.sink.text_of(input.after_previous()).is_empty() && written == ":" { " =" } else { "=" };
    at_leaf(input, codes::COLON_FOR_EQUALS, format!("a value is given with `=`, not with `{written}`")).fix(
        "write `=`",
        input.peek().range,
        blank,
    )
}

/// `a == b == c`
pub(in super::super) fn chained_comparison(input: &Cursor<'_>) -> Diagnostic {
    at_leaf(input, codes::CHAINED_COMPARISON, "comparisons cannot be chained")
        .help("join two comparisons with `and`, or use parentheses")
}

/// `&&`, `-`, `+=`, ...
pub(in super::super) fn foreign_operator(input: &Cursor<'_>) -> Diagnostic {
    let text = input.text();
    let range = input.peek().range;
    let diagnostic = at_leaf(input, codes::FOREIGN_OPERATOR, format!("there is no operator `{text}`"));
    match text {
        "&&" => diagnostic.fix("write `and`", range, "and"),
        "||" => diagnostic.fix("write `or`", range, "or"),
        "++" | "+=" => diagnostic.fix("write `+`", range, "+"),
        "-" => {
            diagnostic.help("there are no negative numbers and no subtraction; a `-` in a name has no blanks around it")
        }
        _ => diagnostic.help("the operators are `+`, `==`, `!=`, `not`, `and`, `or` and `??`"),
    }
}

/// A value between braces without a name.
pub(in super::super) fn positional_in_braces(input: &Cursor<'_>) -> Diagnostic {
    at_leaf(input, codes::POSITIONAL_IN_BRACES, "between braces every value has a name")
        .label("expected `name = value`")
        .help("values without names go between parentheses: `f(value)`")
}

/// `'text'`
pub(in super::super) fn single_quotes(input: &Cursor<'_>) -> Diagnostic {
    let text = input.text();
    let inner = text.trim_matches('\'').replace('\\', "\\\\").replace('"', "\\\"");
    at_leaf(input, codes::SINGLE_QUOTES, "strings are written with `\"`").fix(
        "use double quotes",
        input.peek().range,
        format!("\"{inner}\""),
    )
}

/// `!` where no pattern is.
pub(in super::super) fn stray_exclude(input: &Cursor<'_>) -> Diagnostic {
    at_leaf(input, codes::STRAY_EXCLUDE, "`!` excludes files and stands only in `files[\"...\", !\"...\"]`")
        .help("the opposite of a Bool is `not value`")
}

/// `sh "text"`
pub(in super::super) fn one_line_script(input: &Cursor<'_>) -> Diagnostic {
    let tag = input.text();
    let quote = input.peek_at(1);
    Diagnostic::error(codes::ONE_LINE_SCRIPT, input.sink.span(quote.range), "a script stands between `\"\"\"`")
        .help(format!("write `{tag} \"\"\"...\"\"\"`, on one line or on several"))
}

/// A string ends without its closing quotes.
pub(in super::super) fn unclosed_string(input: &Cursor<'_>, opener: &Leaf) -> Diagnostic {
    let end = input.after_previous();
    let span = input.sink.span(end);
    let start = input.sink.span(opener.range);
    if opener.kind == K::Quote {
        return Diagnostic::error(codes::UNCLOSED_STRING, start, "the string is not closed on its line")
            .with_place(span, "the line ends here")
            .help("text of several lines stands between `\"\"\"`")
            .fix("insert `\"`", end, "\"");
    }
    let indent = " ".repeat(opener.indent as usize);
    Diagnostic::error(codes::UNCLOSED_BLOCK, span, "`\"\"\"` is missing")
        .label("the text ends here, as the next line is not indented deeper than the line where it starts")
        .with_place(start, "the text starts here")
        .fix("insert `\"\"\"`", end, format!("\n{indent}\"\"\""))
}

/// `${{` without `}}` on its line.
pub(in super::super) fn unclosed_interpolation(input: &Cursor<'_>, opener: &Leaf) -> Diagnostic {
    let place = place(input);
    Diagnostic::error(codes::UNCLOSED_INTERPOLATION, input.sink.span(place), "expected `}}` behind the value")
        .with_place(input.sink.span(opener.range), "the interpolation starts here and ends on its line")
        .fix("insert `}}`", input.after_previous(), " }}")
}
