//! Text of others, shown and never obeyed: what a script printed, names of files, source text, errors of the system.
//!
//! The notation (`spec.md`, 15.6): control characters as their pictures (`␛`, `␀`, `␡`), everything else that would
//! direct a terminal or the order of the text as `<U+202E>`. The colours of a script (`ESC [ ... m`) stay where standard
//! error shows colours, and end with the line.
//! Must not know: where the text comes from and where it goes.

/// What becomes of the colours in a line.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Colours {
    /// They stay, and are reset at the end of the line.
    Kept,
    /// They are left out.
    Dropped,
    /// They are shown like any other control sequence.
    Shown,
}

/// Longer sequences are no colours.
const LONGEST_COLOUR: usize = 64;

const RESET: &str = "\u{1b}[0m";

/// Text of one or several lines without colours of its own: lines stay lines.
pub(crate) fn text(text: &str) -> String {
    with_colours(text, Colours::Shown)
}

/// Text of one or several lines, whose colours are treated as said.
pub(crate) fn with_colours(text: &str, colours: Colours) -> String {
    let mut shown = String::with_capacity(text.len());
    for (index, line) in text.split('\n').enumerate() {
        if index > 0 {
            shown.push('\n');
        }
        push_line(&mut shown, line.strip_suffix('\r').unwrap_or(line), colours);
    }
    shown
}

/// A line of a script's output. A line that overwrites itself, as progress bars do, shows its last state.
pub(crate) fn output_line(line: &str, colours: Colours) -> String {
    let line = line.trim_end_matches('\r');
    let last_state = line.rsplit('\r').next().unwrap_or(line);
    let mut shown = String::with_capacity(last_state.len());
    push_line(&mut shown, last_state, colours);
    shown
}

fn push_line(shown: &mut String, line: &str, colours: Colours) {
    let mut rest = line;
    let mut is_coloured = false;
    while let Some(character) = rest.chars().next() {
        let colour = if colours == Colours::Shown { None } else { colour(rest) };
        if let Some(sequence) = colour {
            if colours == Colours::Kept {
                shown.push_str(sequence);
                is_coloured = sequence != RESET;
            }
            rest = &rest[sequence.len()..];
        } else {
            push_character(shown, character);
            rest = &rest[character.len_utf8()..];
        }
    }
    if is_coloured {
        shown.push_str(RESET);
    }
}

/// The colour sequence that `text` begins with: `ESC [`, numbers, `m`.
fn colour(text: &str) -> Option<&str> {
    let parameters = text.strip_prefix("\u{1b}[")?;
    let end = parameters.find(|c: char| !c.is_ascii_digit() && c != ';' && c != ':')?;
    let is_colour = parameters[end..].starts_with('m') && end <= LONGEST_COLOUR;
    is_colour.then(|| &text[.."\u{1b}[".len() + end + 1])
}

fn push_character(shown: &mut String, character: char) {
    match character {
        '\t' => shown.push('\t'),
        // U+2400 to U+241F are the pictures of the control characters, in their order.
        '\0'..='\u{1f}' => shown.push(char::from_u32(0x2400 + u32::from(character)).unwrap_or('\u{fffd}')),
        '\u{7f}' => shown.push('\u{2421}'),
        character if is_directing(character) => shown.push_str(&format!("<U+{:04X}>", u32::from(character))),
        character => shown.push(character),
    }
}

/// C1 controls, and what changes the direction or the lines of the text around it.
fn is_directing(character: char) -> bool {
    matches!(
        character,
        '\u{80}'..='\u{9f}'
            | '\u{61c}'
            | '\u{200e}'
            | '\u{200f}'
            | '\u{2028}'..='\u{202e}'
            | '\u{2066}'..='\u{2069}'
            | '\u{feff}'
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_directs_the_terminal() {
        for (line, shown) in [
            ("plain, ünïcödé 漢字 👩‍🚀\tand tabs", "plain, ünïcödé 漢字 👩‍🚀\tand tabs"),
            ("\u{1b}]0;title\u{7}", "␛]0;title␇"),
            ("\u{1b}[2J\u{1b}[1;1H", "␛[2J␛[1;1H"),
            ("\u{1b}c \u{1b}Px\u{1b}\\", "␛c ␛Px␛\\"),
            ("a\0b\u{8}c\u{c}d\u{7f}", "a␀b␈c␌d␡"),
            ("\u{9b}31mred\u{9d}0;t\u{9c}", "<U+009B>31mred<U+009D>0;t<U+009C>"),
            (
                "ad\u{202e}min \u{2066}x\u{2069} \u{200e}\u{200f}\u{61c}",
                "ad<U+202E>min <U+2066>x<U+2069> <U+200E><U+200F><U+061C>",
            ),
            ("a\u{2028}b\u{2029}c", "a<U+2028>b<U+2029>c"),
            ("\u{1b}", "␛"),
            ("\u{1b}[", "␛["),
            ("\u{1b}[31", "␛[31"),
            ("not UTF-8: \u{fffd}", "not UTF-8: \u{fffd}"),
        ] {
            for colours in [Colours::Kept, Colours::Dropped, Colours::Shown] {
                assert_eq!(output_line(line, colours), shown, "{line:?} {colours:?}");
            }
        }
    }

    #[test]
    fn colours_end_with_their_line() {
        for (line, kept, dropped) in [
            ("\u{1b}[31mred", "\u{1b}[31mred\u{1b}[0m", "red"),
            ("\u{1b}[1;38:5:9mx\u{1b}[0m", "\u{1b}[1;38:5:9mx\u{1b}[0m", "x"),
            ("\u{1b}[m", "\u{1b}[m\u{1b}[0m", ""),
            ("\u{1b}[?31mx", "␛[?31mx", "␛[?31mx"),
        ] {
            assert_eq!(output_line(line, Colours::Kept), kept, "{line:?}");
            assert_eq!(output_line(line, Colours::Dropped), dropped, "{line:?}");
        }
        assert_eq!(text("\u{1b}[31mred"), "␛[31mred");
        let long = format!("\u{1b}[{}m", "1;".repeat(99));
        assert_eq!(output_line(&long, Colours::Kept), long.replace('\u{1b}', "␛"));
        assert_eq!(with_colours("\u{1b}[31ma\nb", Colours::Kept), "\u{1b}[31ma\u{1b}[0m\nb");
    }

    #[test]
    fn overwritten_lines_show_their_last_state() {
        for (line, shown) in
            [("10 %\r50 %\r100 %", "100 %"), ("done\r", "done"), ("10 %\rdone\r\r", "done"), ("\r", "")]
        {
            assert_eq!(output_line(line, Colours::Dropped), shown, "{line:?}");
        }
        assert_eq!(text("a\r\nb\rc\n"), "a\nb␍c\n", "elsewhere nothing overwrites");
    }
}
