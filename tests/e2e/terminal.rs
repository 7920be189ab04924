//! What a script prints is shown and never obeyed, on terminals of every width and in pipes.

use crate::support::{Place, Ran, SINTER, copy_store, run};

/// What a hostile or careless script may print: a title, a jump, a screen cleared, a NUL, an 8-bit CSI, text turned round,
/// bytes that are not UTF-8, wide characters, a progress bar, a colour that does not end.
const PRINTED: &str =
    r"printf '\033]0;title\007\033[2J\033[9;9H\000\302\2332J\342\200\256abc\377\n%s\r%s\n\033[31mred\n' 10% 90%";

/// A project whose only step prints that and then does `after`.
fn place(after: &str) -> Place {
    let place = Place::tiny(&format!(
        r#"
let it = run {{
  from   = tiny
  script = sh """
    {PRINTED}
    i=0; while [ $i -lt 5 ]; do echo "漢字漢字漢字漢字漢字漢字漢字漢字漢字漢字漢字漢字漢字漢字漢字漢字漢字漢字漢字漢字"; sleep 0.15; i=$((i+1)); done
    {after}
  """
}}
target out = it
"#
    ));
    let own = place.root().join("store");
    copy_store(place.store(), &own);
    place.with_store(&own)
}

/// Runs a build on a terminal of so many columns; both streams are one, as on any terminal.
fn on_terminal(place: &Place, columns: usize, arguments: &str) -> Ran {
    let command = format!("stty rows 24 cols {columns}; exec {SINTER} build {arguments}");
    let mut script = place.program("script", &["-qec", &command, "/dev/null"]);
    script.env("TERM", "xterm");
    run(script)
}

const SHOWN: &str = "␛]0;title␇␛[2J␛[9;9H␀<U+009B>2J<U+202E>abc\u{fffd}";

fn obeys_nothing(ran: &Ran) {
    let all = format!("{}{}", ran.stdout, ran.stderr);
    for sequence in ["\u{1b}]", "\u{7}", "\u{1b}[2J", "\u{1b}[9", "\0", "\u{9b}", "\u{202e}", "10%"] {
        assert!(!all.contains(sequence), "{sequence:?} reached the terminal:\n{all:?}");
    }
}

#[test]
fn printed_control_characters_become_visible() {
    let place = place("exit 3");
    let ran = place.sinter(&["build"]);
    obeys_nothing(&ran);
    for line in [format!("it | {SHOWN}\n"), "it | 90%\n".into(), "it | red\n".into(), format!("  | {SHOWN}\n")] {
        assert!(ran.stderr.contains(&line), "{line:?} is missing in\n{:?}", ran.stderr);
    }
    let ran = on_terminal(&place, 80, "--progress plain");
    obeys_nothing(&ran);
    assert!(ran.stdout.contains("it | \u{1b}[31mred\u{1b}[0m\r\n"), "a colour that ends:\n{:?}", ran.stdout);
}

#[test]
fn live_lines_never_wrap() {
    for columns in [20, 40, 80, 200] {
        let ran = on_terminal(&place("true"), columns, "");
        obeys_nothing(&ran);
        let rows: Vec<String> = ran.stdout.split(['\r', '\n']).map(without_sequences).collect();
        let drawn: Vec<&String> = rows.iter().filter(|row| row.contains("run it")).collect();
        assert!(drawn.len() > 3, "nothing was redrawn:\n{:?}", ran.stdout);
        assert!(drawn.iter().any(|row| row.contains('漢')) || columns < 21, "{drawn:?}");
        let ended = rows.iter().any(|row| row.starts_with("done it in") && row.ends_with("changed nothing"));
        assert!(ended, "a line that stays ends with its text:\n{:?}", ran.stdout);
        let long: Vec<&&String> = drawn.iter().filter(|row| width(row) > columns).collect();
        assert!(long.is_empty(), "wider than {columns}: {long:?}");
    }
}

fn without_sequences(row: &str) -> String {
    let mut pieces = row.split("\u{1b}[");
    let first = pieces.next().unwrap_or_default().to_owned();
    pieces.fold(first, |text, piece| {
        text + piece.trim_start_matches(|c: char| !c.is_ascii_alphabetic()).get(1..).unwrap_or_default()
    })
}

/// Columns of text that is ASCII, spinner and ideographs.
fn width(row: &str) -> usize {
    row.chars().map(|c| if ('一'..='鿿').contains(&c) { 2 } else { 1 }).sum()
}

#[test]
fn names_and_source_texts_are_shown_too() {
    let place = Place::empty();
    let name = "it\u{1b}]0;title\u{7}\u{202e}.build";
    place.write(name, "target out = \"\u{1b}[2J\u{1b}[31m\u{9b}1m\u{202e}\" + 1\n");
    for line in [
        "exec $S check \"$FILE\"",
        "exec $S check \"$FILE\" \"$(printf '\\033]0;x\\007')\"",
        "exec $S build -o \"$FILE\"",
    ] {
        let mut script = place.program("script", &["-qec", line, "/dev/null"]);
        script.env("TERM", "xterm").env("S", SINTER).env("FILE", name);
        let ran = run(script);
        obeys_nothing(&ran);
        assert!(ran.stdout.contains("␛]0;title␇<U+202E>.build"), "the name is shown:\n{:?}", ran.stdout);
        assert!(!ran.stdout.contains("\u{1b}[31m\u{9b}") && ran.code == Some(2), "{:?}", ran.stdout);
    }
    let ran = place.sinter(&["check", name]);
    ran.fails(2, &["\"␛[2J␛[31m<U+009B>1m<U+202E>\" + 1"]);
}
