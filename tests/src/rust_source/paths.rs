//! The paths in Rust code: what `use` brings in, and what is named in place. Takes code without comments and literals.

/// The segments of a path.
pub type Path = Vec<String>;

/// One name that a `use` brings in.
#[derive(Debug, PartialEq, Eq)]
pub struct Import {
    /// The name; `*` for everything.
    pub name: String,
    /// What is behind it.
    pub path: Path,
    /// Whether others may use it from here.
    pub is_reexport: bool,
}

/// All paths of a file.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Paths {
    /// Those of `use`.
    pub imports: Vec<Import>,
    /// Those in place, of two segments or more.
    pub inline: Vec<Path>,
}

/// The modules that are declared as files: `mod NAME;`.
#[must_use]
pub fn declared_modules(code: &str) -> Vec<String> {
    let tokens = tokens(code);
    let declares = |window: &[&str]| (window[0] == "mod" && window[2] == ";").then(|| window[1].to_owned());
    tokens.windows(3).filter_map(declares).collect()
}

/// All paths in code.
#[must_use]
pub fn of(code: &str) -> Paths {
    let tokens = tokens(code);
    let mut paths = Paths::default();
    let mut at = 0;
    while at < tokens.len() {
        if tokens[at] == "use" {
            // `pub use` and `pub(crate) use`.
            let is_reexport = at > 0 && matches!(tokens[at - 1], "pub" | ")");
            at = tree(&tokens, at + 1, &vec![], is_reexport, &mut paths.imports);
        } else if is_word(tokens[at]) {
            let (path, next) = sequence(&tokens, at);
            if path.len() > 1 {
                paths.inline.push(path);
            }
            at = next;
        } else {
            at += 1;
        }
    }
    paths
}

/// Reads one tree of a `use`; gives the position behind it.
fn tree(tokens: &[&str], start: usize, head: &Path, is_reexport: bool, found: &mut Vec<Import>) -> usize {
    let (tail, mut at) = sequence(tokens, start);
    let mut path = [head.as_slice(), &tail].concat();
    match tokens.get(at) {
        Some(&"{") => {
            at += 1;
            while at < tokens.len() && tokens[at] != "}" {
                at = tree(tokens, at, &path, is_reexport, found);
                at += usize::from(tokens.get(at) == Some(&","));
            }
            return at + 1;
        }
        Some(&"*") => {
            path.push("*".to_owned());
            found.push(Import { name: "*".to_owned(), path, is_reexport });
            return at + 1;
        }
        _ => {}
    }
    if path.len() > 1 && path.last().is_some_and(|last| last == "self") {
        path.pop();
    }
    let mut name = path.last().cloned().unwrap_or_default();
    if tokens.get(at) == Some(&"as") {
        name = tokens.get(at + 1).map(|name| (*name).to_owned()).unwrap_or_default();
        at += 2;
    }
    found.push(Import { name, path, is_reexport });
    at.max(start + 1)
}

/// The segments from a position on, and the position behind them and a `::` that may follow.
fn sequence(tokens: &[&str], start: usize) -> (Path, usize) {
    let (mut path, mut at) = (vec![], start);
    while let Some(word) = tokens.get(at).filter(|token| is_word(token)) {
        path.push((*word).to_owned());
        at += 1;
        if tokens.get(at) != Some(&"::") {
            break;
        }
        at += 1;
    }
    (path, at)
}

fn is_word(token: &str) -> bool {
    token.starts_with(|first: char| first.is_alphabetic() || first == '_') && token != "as"
}

/// Words, `::`, and every other character by itself.
fn tokens(code: &str) -> Vec<&str> {
    let is_part = |c: char| c.is_alphanumeric() || c == '_';
    let mut tokens = Vec::new();
    let mut rest = code.trim_start();
    while let Some(first) = rest.chars().next() {
        let length = match first {
            _ if rest.starts_with("::") => 2,
            first if is_part(first) => rest.find(|c: char| !is_part(c)).unwrap_or(rest.len()),
            first => first.len_utf8(),
        };
        tokens.push(&rest[..length]);
        rest = rest[length..].trim_start();
    }
    tokens
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn trees_of_uses_are_taken_apart() {
        let code = "use crate::{a, b::{self, C as D}, e::*};\npub(crate) use f::G;\nuse h;";
        let found: Vec<String> = of(code)
            .imports
            .into_iter()
            .map(|import| {
                format!("{}={}{}", import.name, import.path.join("."), if import.is_reexport { " out" } else { "" })
            })
            .collect();
        assert_eq!(found, ["a=crate.a", "b=crate.b", "D=crate.b.C", "*=crate.e.*", "G=f.G out", "h=h"]);
    }

    #[test]
    fn paths_in_place_have_two_segments() {
        let found: Vec<String> = of("fn f(x: crate::a::B) -> C { d::e::<F>(g, super::h!()) }")
            .inline
            .iter()
            .map(|path| path.join("."))
            .collect();
        assert_eq!(found, ["crate.a.B", "d.e", "super.h"]);
    }

    #[test]
    fn modules_in_files_are_declared() {
        assert_eq!(declared_modules("mod a;\npub(crate) mod b;\nmod c { mod d; }\n"), ["a", "b", "d"]);
    }
}
