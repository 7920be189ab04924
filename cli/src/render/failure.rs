//! A failure as text for standard error.

use sinter_graph::ErrorClass;

use crate::console;
use crate::failure::{Failure, LastLines, What};
use crate::render::diagnostics::Renderer;
use crate::visible;

/// What is shown of a failure; nothing if that has happened already.
pub(crate) fn text(failure: &Failure) -> String {
    let mut text = match &failure.what {
        What::Shown => String::new(),
        What::Message(message, lines) => sentence(message, lines),
        What::Placed(placed) => {
            let output = placed.output.as_ref().map(last_lines).unwrap_or_default();
            output + &Renderer::for_stderr().render(&placed.texts, &placed.diagnostic)
        }
    };
    let bug = (failure.class == ErrorClass::Internal).then_some(BUG);
    for line in failure.help.iter().map(String::as_str).chain(bug) {
        text.push_str(&format!("  help: {}\n", visible::text(line)));
    }
    text
}

const BUG: &str = "this is a bug in sinter; please report it with the command and the .build file";

fn sentence(message: &str, lines: &[String]) -> String {
    let end = if lines.is_empty() { "" } else { ":" };
    let lines: String = lines.iter().map(|line| format!("    {}\n", output(line))).collect();
    format!("error: {}{end}\n{lines}", visible::text(message))
}

fn last_lines(last: &LastLines) -> String {
    if last.lines.is_empty() {
        return String::new();
    }
    let lines: String = last.lines.iter().map(|line| format!("  | {}\n", output(line))).collect();
    format!("the last lines of `{}`:\n{lines}", visible::text(&last.step))
}

fn output(line: &str) -> String {
    visible::output_line(line, console::colours())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn message_lines_and_next_steps_have_lines_of_their_own() {
        let differs = Failure::lock_differs(&["+ a\u{1b}[2J".to_owned()]);
        assert_eq!(text(&differs), "error: sinter.lock does not match:\n    + a␛[2J\n  help: run `sinter lock`\n");
        let bug = Failure::message(ErrorClass::Internal, "no\u{202e}");
        assert_eq!(text(&bug), format!("error: no<U+202E>\n  help: {BUG}\n"));
        assert_eq!(text(&Failure::reported()), "");
    }
}
