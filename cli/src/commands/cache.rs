//! `sinter cache`: the store on this machine, and the keys of caches on others.

use std::io::{Read as _, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};

use sinter_executor::SecretKey;

use crate::commands::environment;
use crate::console;
use crate::failure::Failure;

/// Deletes the store. Layers hold files of many users, so it is done where those ids are ours.
pub(crate) fn clear(store: Option<&PathBuf>) -> Result<(), Failure> {
    let store = environment::store(store)?;
    sinter_sandbox::enter_user_namespace().map_err(|error| Failure::sandbox(&error))?;
    let was_there = sinter_store::clear_store(&store).map_err(|error| Failure::store(&error))?;
    let said = if was_there { "cleared" } else { "there is no store at" };
    console::data(&format!("{said} {}", store.display()))
}

/// Makes a pair of keys: the secret one in a new file that nobody else can read, the public one on standard output.
pub(crate) fn keygen(file: &Path) -> Result<(), Failure> {
    let failed = |error: std::io::Error| Failure::environment(format!("{}: {error}", file.display()));
    let mut bytes = [0; 32];
    std::fs::File::open("/dev/urandom").and_then(|mut random| random.read_exact(&mut bytes)).map_err(failed)?;
    let key = SecretKey::from_bytes(bytes);
    let mut made =
        std::fs::OpenOptions::new().write(true).create_new(true).mode(0o600).open(file).map_err(|error| match error
            .kind()
        {
            std::io::ErrorKind::AlreadyExists => Failure::usage(
                format!("{}: it is there, and a secret key is never written over", file.display()),
                "name a new file",
            ),
            _ => failed(error),
        })?;
    writeln!(made, "{}", key.text()).map_err(failed)?;
    console::data(&key.public().to_string())
}
