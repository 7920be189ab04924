//! Writing to the two streams, the only way there is. A reader that went away is no failure of the command; a full disk
//! is. Whatever reaches a stream has no control characters but line ends, tabs and, on standard error, colours.

use std::io::{self, IsTerminal as _, Write as _};
use std::sync::OnceLock;

use crate::failure::Failure;
use crate::visible::{self, Colours};

/// Writes a line of data to standard output.
///
/// # Errors
/// If it cannot be written, for instance to a full disk. That nobody reads any more is no error.
pub(crate) fn data(line: &str) -> Result<(), Failure> {
    match writeln!(io::stdout(), "{}", visible::text(line)) {
        Err(error) if error.kind() != io::ErrorKind::BrokenPipe => {
            Err(Failure::environment(format!("cannot write to standard output: {error}")))
        }
        _ => Ok(()),
    }
}

/// Writes text to standard error. Where even that fails there is nobody left to tell.
pub(crate) fn say(text: &str) {
    let shown = match colours() {
        Colours::Kept => visible::with_colours(text, Colours::Kept),
        Colours::Dropped | Colours::Shown => visible::text(text),
    };
    let _ = io::stderr().write_all(shown.as_bytes());
}

/// Whether lines on standard error can be drawn again: a terminal that knows how.
pub(crate) fn can_redraw() -> bool {
    let is_able = std::env::var_os("TERM").is_some_and(|name| !name.is_empty() && name != "dumb");
    io::stderr().is_terminal() && is_able
}

/// What becomes of colours on standard error: they are for a terminal whose user did not say no.
pub(crate) fn colours() -> Colours {
    static COLOURS: OnceLock<Colours> = OnceLock::new();
    *COLOURS.get_or_init(|| {
        let is_refused = std::env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty());
        if io::stderr().is_terminal() && !is_refused { Colours::Kept } else { Colours::Dropped }
    })
}
