//! `sinter runner`: one script in one sandbox, started by `sinter build`.

use crate::failure::Failure;

pub(crate) fn run() -> Result<(), Failure> {
    sinter_executor::runner::serve()
        .map_err(|error| Failure::environment(format!("the sandbox process failed: {error}")))
}
