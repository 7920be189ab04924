//! The prelude and the standard library: `.build` files that are part of the program.
//!
//! Rules: text only. Every builtin is declared here once, with its doc comment; reference pages, hover, completion and
//! the checker read these declarations. Must not know: how the texts are parsed or evaluated.

/// What every expression of every file sees.
pub const PRELUDE: &str = "prelude";

/// What may stand right of `input name =`, and nowhere else.
pub const INPUTS: &str = "prelude.inputs";

/// What the files of the standard library see beside the prelude.
pub const INTERNAL: &str = "prelude.internal";

/// Every module: its name, and its text. The names that begin with `std.` can be imported.
#[must_use]
pub fn modules() -> &'static [(&'static str, &'static str)] {
    &[
        (PRELUDE, include_str!("modules/prelude.build")),
        (INPUTS, include_str!("modules/inputs.build")),
        (INTERNAL, include_str!("modules/internal.build")),
        ("std.debian", include_str!("modules/std/debian.build")),
    ]
}

/// The text of a module.
#[must_use]
pub fn module(name: &str) -> Option<&'static str> {
    modules().iter().find(|(known, _)| *known == name).map(|(_, text)| *text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn modules_are_found_by_name() {
        assert!(module("std.debian").is_some_and(|text| text.contains("fn rootfs")));
        assert_eq!(module("std.nothing"), None);
    }

    #[test]
    fn every_declaration_has_a_comment() {
        for (name, text) in modules() {
            let lines: Vec<&str> = text.lines().collect();
            for (index, line) in lines.iter().enumerate() {
                if line.starts_with("fn ") || line.starts_with("param ") || line.starts_with("let ") {
                    let above = index.checked_sub(1).map_or("", |above| lines[above]);
                    assert!(above.starts_with("##"), "{name}:{}: {line}", index + 1);
                }
            }
        }
    }
}
