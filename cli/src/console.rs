//! Writing to the two streams. A reader that went away is no failure of the command; a full disk is.

use std::io::Write as _;

use crate::failure::Failure;

/// Writes a line of data to standard output.
///
/// # Errors
/// If it cannot be written, for instance to a full disk. That nobody reads any more is no error.
pub(crate) fn data(line: &str) -> Result<(), Failure> {
    match writeln!(std::io::stdout(), "{line}") {
        Err(error) if error.kind() != std::io::ErrorKind::BrokenPipe => {
            Err(Failure::environment(format!("cannot write to standard output: {error}")))
        }
        _ => Ok(()),
    }
}

/// Writes text to standard error as it is. Where even that fails there is nobody left to tell.
pub(crate) fn say(text: &str) {
    let _ = std::io::stderr().write_all(text.as_bytes());
}
