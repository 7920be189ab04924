//! Which caches a build has: the command line, else variables, else the user's file.
//!
//! The file is `sinter/config.toml` in the user's configuration directory (`XDG_CONFIG_HOME`, else `~/.config`); its keys are
//! `cache` (a list of repositories), `cache-write`, `trusted-keys` and `signing-key` (the path of a file).

use std::path::{Path, PathBuf};

use serde::Deserialize;
use sinter_executor::{CacheSettings, PublicKey, SecretKey};
use sinter_graph::image_reference::ImageReference;

use crate::arguments::CacheOptions;
use crate::failure::Failure;

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
struct File {
    #[serde(default)]
    cache: Vec<String>,
    #[serde(default)]
    cache_write: bool,
    #[serde(default)]
    trusted_keys: Vec<String>,
    signing_key: Option<PathBuf>,
}

/// The settings of a build.
///
/// # Errors
/// If the file, a key or the name of a repository is wrong.
pub(crate) fn settings(options: &CacheOptions) -> Result<CacheSettings, Failure> {
    let file = user_file()?;
    let variable = |name: &str| std::env::var(name).ok().filter(|value| !value.is_empty());
    let words = |name: &str| variable(name).map(|value| value.split_whitespace().map(str::to_owned).collect());
    let said = Some(options.caches.clone()).filter(|caches| !caches.is_empty());
    let repositories: Vec<String> = said.or_else(|| words("SINTER_CACHE")).unwrap_or(file.cache);
    let write = options.cache_write
        || variable("SINTER_CACHE_WRITE").map_or(file.cache_write, |value| value != "0" && value != "false");
    let trusted: Vec<String> = words("SINTER_TRUSTED_KEYS").unwrap_or(file.trusted_keys);
    let signer = variable("SINTER_SIGNING_KEY").map(PathBuf::from).or(file.signing_key);
    Ok(CacheSettings {
        repositories: repositories.iter().map(|text| repository(text)).collect::<Result<_, _>>()?,
        write,
        trusted: trusted.iter().map(|text| public_key(text)).collect::<Result<_, _>>()?,
        signer: signer.map(|path| secret_key(&path)).transpose()?,
    })
}

fn user_file() -> Result<File, Failure> {
    let directory = std::env::var_os("XDG_CONFIG_HOME").filter(|value| !value.is_empty()).map(PathBuf::from);
    let directory = directory.or_else(|| Some(PathBuf::from(std::env::var_os("HOME")?).join(".config")));
    let Some(path) = directory.map(|directory| directory.join("sinter/config.toml")) else {
        return Ok(File::default());
    };
    match std::fs::read_to_string(&path) {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(File::default()),
        Err(error) => Err(Failure::environment(format!("{}: {error}", path.display()))),
        Ok(text) => toml::from_str(&text).map_err(|error| {
            let help = "its keys are cache, cache-write, trusted-keys and signing-key";
            Failure::usage(format!("{}: {}", path.display(), error.message()), help)
        }),
    }
}

fn repository(text: &str) -> Result<ImageReference, Failure> {
    let help = "name a repository, for instance registry.example.org/team/cache";
    let wrong = |reason: &str| Failure::usage(format!("`{text}` is no repository for a cache: {reason}"), help);
    let reference: ImageReference = text.parse().map_err(|error| wrong(&format!("{error}")))?;
    let is_bare = reference.digest().is_none() && !text.rsplit('/').next().is_some_and(|last| last.contains(':'));
    if is_bare { Ok(reference) } else { Err(wrong("results have tags of their own, so leave the tag out")) }
}

fn public_key(text: &str) -> Result<PublicKey, Failure> {
    text.parse().map_err(|error| {
        Failure::usage(format!("the trusted key `{text}`: {error}"), "`sinter cache keygen` makes a pair of keys")
    })
}

fn secret_key(path: &Path) -> Result<SecretKey, Failure> {
    let text = std::fs::read_to_string(path)
        .map_err(|error| Failure::environment(format!("the signing key {}: {error}", path.display())))?;
    text.parse().map_err(|error| {
        let help = "`sinter cache keygen` makes a pair of keys";
        Failure::usage(format!("the signing key {}: {error}", path.display()), help)
    })
}
