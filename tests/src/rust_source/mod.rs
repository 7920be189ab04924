//! Measures Rust sources: functions with their lengths, and keywords outside comments and strings.
//!
//! A scanner and no parser: it knows comments, strings, characters and brackets, which is all that lengths need.

pub mod paths;

/// A function and where it stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Measured {
    /// Its name.
    pub name: String,
    /// The line of its `fn`, from 1.
    pub line: usize,
    /// Lines from `fn` to the closing brace, both counted.
    pub lines: usize,
}

/// The source with every character of comments, strings and character literals replaced by a space. Line breaks stay, so
/// lines keep their numbers.
#[must_use]
pub fn code_only(source: &str) -> String {
    let characters: Vec<char> = source.chars().collect();
    let mut code = String::with_capacity(source.len());
    let mut position = 0;
    while position < characters.len() {
        let end = position + opaque_length(&characters[position..], code.chars().next_back());
        if end == position {
            code.push(characters[position]);
            position += 1;
        } else {
            code.extend(characters[position..end].iter().map(|&character| if character == '\n' { '\n' } else { ' ' }));
            position = end;
        }
    }
    code
}

const TEST_MARK: &str = "#[cfg(test)]";

/// Code with spaces for the items that stand under `#[cfg(test)]`. Takes what [`code_only`] gives; lines keep their numbers.
#[must_use]
pub fn without_tests(code: &str) -> String {
    let mut kept = String::with_capacity(code.len());
    let mut rest = code;
    while let Some(start) = rest.find(TEST_MARK) {
        let behind = start + TEST_MARK.len();
        let end = behind + item_end(&rest[behind..]);
        kept.push_str(&rest[..start]);
        kept.extend(rest[start..end].chars().map(|character| if character == '\n' { '\n' } else { ' ' }));
        rest = &rest[end..];
    }
    kept + rest
}

/// The contents of string literals outside of tests, each with the line it begins in.
#[must_use]
pub fn literals(source: &str) -> Vec<(usize, String)> {
    let code = code_only(source);
    // A literal is blank in both, so the characters before it tell whether it stands in a test.
    let kept: Vec<char> = without_tests(&code).chars().collect();
    let characters: Vec<char> = source.chars().collect();
    let code: Vec<char> = code.chars().collect();
    let mut found = Vec::new();
    let (mut position, mut line, mut in_test) = (0, 1, false);
    while position < characters.len() {
        let before = position.checked_sub(1).map(|before| code[before]);
        let length = opaque_length(&characters[position..], before);
        if length == 0 {
            in_test = if code[position].is_whitespace() { in_test } else { kept[position] != code[position] };
        } else if !in_test && matches!(characters[position], '"' | 'r' | 'b' | 'c') {
            found.push((line, characters[position..position + length].iter().collect()));
        }
        let end = position + length.max(1);
        line += characters[position..end].iter().filter(|&&character| character == '\n').count();
        position = end;
    }
    found
}

/// The names in code outside of tests, each with its line.
#[must_use]
pub fn names(source: &str) -> Vec<(usize, String)> {
    let code = without_tests(&code_only(source));
    let lines = (1..).zip(code.lines());
    lines
        .flat_map(|(line, text)| words(text).map(move |(_, word)| (line, word.to_owned())).collect::<Vec<_>>())
        .collect()
}

/// The types that code outside of tests makes public (`pub`, not `pub(crate)`), each with its line.
#[must_use]
pub fn public_types(source: &str) -> Vec<(usize, String)> {
    let code = without_tests(&code_only(source));
    let lines = (1..).zip(code.lines());
    let declared = lines.filter_map(|(line, text)| {
        let rest = text.trim_start().strip_prefix("pub ")?;
        match words(rest).map(|(_, word)| word).take(2).collect::<Vec<_>>()[..] {
            ["struct" | "enum" | "trait" | "type" | "union", name] => Some((line, name.to_owned())),
            _ => None,
        }
    });
    declared.collect()
}

/// The position behind an item: its `;`, or the bracket that closes its braces.
fn item_end(rest: &str) -> usize {
    let (mut brackets, mut braces) = (0_i32, 0_i32);
    for (position, character) in rest.char_indices() {
        match character {
            '(' | '[' => brackets += 1,
            ')' | ']' => brackets -= 1,
            '{' => braces += 1,
            '}' => braces -= 1,
            _ => {}
        }
        let is_end = character == ';' || (character == '}' && braces <= 0);
        if is_end && brackets == 0 && braces <= 0 {
            return position + 1;
        }
    }
    rest.len()
}

/// How many characters at the start are a comment or literal; 0 if they are code.
fn opaque_length(rest: &[char], before: Option<char>) -> usize {
    let in_name = before.is_some_and(|character| character.is_alphanumeric() || character == '_');
    match rest {
        ['/', '/', ..] => rest.iter().position(|&character| character == '\n').unwrap_or(rest.len()),
        ['/', '*', ..] => block_comment_length(rest),
        ['"', ..] => quoted_length(rest, '"'),
        ['r', '"' | '#', ..] if !in_name => raw_string_length(rest),
        ['b' | 'c', 'r', '"' | '#', ..] if !in_name => raw_string_length(&rest[1..]).saturating_add(1),
        ['\'', '\\', ..] => quoted_length(rest, '\''),
        ['\'', _, '\'', ..] => 3,
        _ => 0,
    }
}

fn block_comment_length(rest: &[char]) -> usize {
    let (mut depth, mut position) = (0_usize, 0);
    while position + 1 < rest.len() {
        match (rest[position], rest[position + 1]) {
            ('/', '*') => (depth, position) = (depth + 1, position + 2),
            ('*', '/') => (depth, position) = (depth - 1, position + 2),
            _ => position += 1,
        }
        if depth == 0 {
            return position;
        }
    }
    rest.len()
}

fn quoted_length(rest: &[char], quote: char) -> usize {
    let mut position = 1;
    while position < rest.len() {
        match rest[position] {
            '\\' => position += 2,
            character if character == quote => return position + 1,
            _ => position += 1,
        }
    }
    rest.len()
}

/// The length of `r"..."` or `r#"..."#`; 0 for a raw identifier such as `r#type`.
fn raw_string_length(rest: &[char]) -> usize {
    let hashes = rest[1..].iter().take_while(|&&character| character == '#').count();
    if rest.get(1 + hashes) != Some(&'"') {
        return 0;
    }
    let mut close = vec!['"'];
    close.resize(1 + hashes, '#');
    let body = 2 + hashes;
    let found = rest[body..].windows(close.len()).position(|window| window == close);
    found.map_or(rest.len(), |found| body + found + close.len())
}

/// All functions that have a body, nested ones too.
#[must_use]
pub fn functions(source: &str) -> Vec<Measured> {
    let code = code_only(source);
    let starts = words(&code).filter(|(_, word)| *word == "fn").map(|(start, _)| start);
    starts.filter_map(|start| function_at(&code, start)).collect()
}

/// Whether a keyword stands anywhere in code.
#[must_use]
pub fn has_keyword(source: &str, keyword: &str) -> bool {
    words(&code_only(source)).any(|(_, word)| word == keyword)
}

fn words(code: &str) -> impl Iterator<Item = (usize, &str)> {
    let is_name = |character: char| character.is_alphanumeric() || character == '_';
    code.split(move |character| !is_name(character))
        .filter(|word| !word.is_empty())
        .map(|word| (word.as_ptr() as usize - code.as_ptr() as usize, word))
}

fn function_at(code: &str, start: usize) -> Option<Measured> {
    let rest = &code[start + "fn".len()..];
    let (_, name) = words(rest).next()?;
    // `fn(u8) -> u8` is a type and has no name of its own.
    if rest.trim_start().starts_with('(') {
        return None;
    }
    let line = 1 + code[..start].matches('\n').count();
    let end = body_end(rest)?;
    Some(Measured { name: name.to_owned(), line, lines: 1 + rest[..end].matches('\n').count() })
}

/// The position behind the body's closing brace; `None` if a `;` ends the declaration first.
fn body_end(rest: &str) -> Option<usize> {
    let (mut brackets, mut braces) = (0_i32, 0_i32);
    for (position, character) in rest.char_indices() {
        match character {
            '(' | '[' => brackets += 1,
            ')' | ']' => brackets -= 1,
            ';' if brackets == 0 && braces == 0 => return None,
            '{' if brackets == 0 || braces > 0 => braces += 1,
            '}' if braces > 0 => braces -= 1,
            _ => continue,
        }
        if character == '}' && braces == 0 {
            return Some(position + 1);
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn comments_and_literals_become_spaces() {
        for (source, expected) in [
            ("a // b\nc", "a     \nc"),
            ("a /* b /* c */ d */ e", "a                   e"),
            (r#"x("a\"{", '{', '\'', b"}")"#, "x(      ,    ,     , b   )"),
            ("r#\"a\"}\"# r#fn br\"x\\\" y", "         r#fn        y"),
            ("fn f<'a>(x: &'a str) {}", "fn f<'a>(x: &'a str) {}"),
            ("for_\"x\"", "for_   "),
            ("\"open", "     "),
        ] {
            assert_eq!(code_only(source), expected, "{source}");
        }
    }

    #[test]
    fn tests_are_left_out() {
        for (code, kept) in [
            ("a();\n#[cfg(test)]\nmod tests { fn b() { c() } }\nd();", "a();\n\n\nd();"),
            ("#[cfg(test)]\n#[path = x]\nmod tests;\nfn e() {}", "\n\n\nfn e() {}"),
            ("#[cfg(test)]\nuse a::{b, c};\nfn e() {}", "\n;\nfn e() {}"),
            ("#[cfg(test)]\nfn f(x: [u8; 2]) {}\ng();", "\n\ng();"),
        ] {
            let lines: Vec<String> = without_tests(code).lines().map(|line| line.trim().to_owned()).collect();
            assert_eq!(lines.join("\n"), kept, "{code}");
        }
    }

    #[test]
    fn literals_and_names_are_those_outside_of_tests() {
        let source = "fn a() { b(\"one\\n\", 'c') } // \"no\"\n#[cfg(test)]\nmod tests { const X: &str = \"no\"; }\nconst Y: &str = r#\"two\"#;\n";
        let found: Vec<(usize, String)> = literals(source);
        assert_eq!(found, [(1, "\"one\\n\"".to_owned()), (4, "r#\"two\"#".to_owned())]);
        let found: Vec<String> = names(source).into_iter().map(|(_, name)| name).collect();
        assert_eq!(found, ["fn", "a", "b", "const", "Y", "str"]);
    }

    #[test]
    fn public_types_are_those_of_other_crates_too() {
        let source = "pub struct A;\npub(crate) enum B {}\nstruct C;\n/// pub struct D;\n    pub trait E {}\npub fn type_of() {}\n\
                      pub type F<T> = T;\n#[cfg(test)]\nmod tests { pub struct G; }\n";
        let found: Vec<(usize, String)> = public_types(source);
        assert_eq!(found, [(1, "A"), (5, "E"), (7, "F")].map(|(line, name)| (line, name.to_owned())));
    }

    #[test]
    fn functions_are_measured_with_their_braces() {
        let source = "trait T { fn declared(&self) -> [u8; 2]; }\n\
                      fn one() {}\n\
                      fn outer(f: fn(u8) -> u8) -> u8 {\n    fn inner() {\n        \"}\";\n    }\n    f(1)\n}\n";
        let found: Vec<(String, usize, usize)> =
            functions(source).into_iter().map(|function| (function.name, function.line, function.lines)).collect();
        let expected = [("one", 2, 1), ("outer", 3, 6), ("inner", 4, 3)].map(|(n, l, c)| (n.to_owned(), l, c));
        assert_eq!(found, expected);
    }

    #[test]
    fn keywords_count_in_code_only() {
        assert!(has_keyword("unsafe { x() }", "unsafe"));
        for source in ["// unsafe", "\"unsafe\"", "forbid(unsafe_code)", "/* unsafe */"] {
            assert!(!has_keyword(source, "unsafe"), "{source}");
        }
    }
}
