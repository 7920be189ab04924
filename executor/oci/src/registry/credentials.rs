//! Who one is at which registry: the files of docker and podman, and the programs they name.
//!
//! Files, the first that knows the registry counts: `REGISTRY_AUTH_FILE` alone if it is set; else podman's
//! `containers/auth.json` below `XDG_RUNTIME_DIR` and the configuration directory (containers-auth.json(5)), and docker's
//! `config.json` below `DOCKER_CONFIG` or `~/.docker`. A key may name a part of a repository; the longest that fits counts.

use std::fmt;
use std::path::{Path, PathBuf};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::Value;

use super::credential_helper;
use super::environment::Environment;
use super::error::RegistryError;

/// What docker calls the default registry in its files.
const DOCKER_KEY: &str = "https://index.docker.io/v1/";

/// Proof of who one is.
#[derive(Clone, PartialEq, Eq)]
pub(super) enum Credentials {
    /// A name and a password.
    Password { user: String, password: String },
    /// A token that gets other tokens.
    Identity(String),
    /// The token itself.
    Token(String),
}

impl fmt::Debug for Credentials {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Credentials")
    }
}

/// Credentials, and the file that they are from.
pub(super) type Found = (Credentials, PathBuf);

/// Looks for the credentials of a repository.
///
/// # Errors
/// If a file is broken, or a program that it names fails.
pub(super) fn find(environment: &Environment, host: &str, repository: &str) -> Result<Option<Found>, RegistryError> {
    for file in files(environment) {
        let Ok(bytes) = std::fs::read(&file) else { continue };
        let document: Value =
            serde_json::from_slice(&bytes).map_err(|error| failed(&file, &format!("it is {}", no_json(&error))))?;
        if let Some(found) = in_file(environment, &file, &document, host, repository)? {
            // Names and passwords are encoded; a token is sent as it is.
            if matches!(&found, Credentials::Token(token) if !token.bytes().all(|byte| byte.is_ascii_graphic())) {
                return Err(failed(&file, &format!("the token for {host} has characters that no header can hold")));
            }
            return Ok(Some((found, file)));
        }
    }
    Ok(None)
}

/// The files that may hold credentials, in order.
pub(super) fn files(environment: &Environment) -> Vec<PathBuf> {
    if let Some(said) = environment.path("REGISTRY_AUTH_FILE") {
        return vec![said];
    }
    let podman = [environment.path("XDG_RUNTIME_DIR"), environment.configuration()];
    let podman = podman.into_iter().flatten().map(|directory| directory.join("containers/auth.json"));
    let docker = environment.path("DOCKER_CONFIG").or_else(|| Some(environment.home()?.join(".docker")));
    podman.chain(docker.map(|directory| directory.join("config.json"))).collect()
}

fn failed(file: &Path, reason: &str) -> RegistryError {
    RegistryError::Settings { path: file.to_owned(), reason: reason.to_owned() }
}

fn in_file(
    environment: &Environment,
    file: &Path,
    document: &Value,
    host: &str,
    repository: &str,
) -> Result<Option<Credentials>, RegistryError> {
    let helper = document["credHelpers"].as_object().and_then(|helpers| {
        let known = helpers.iter().find(|(key, _)| host_of(key) == normal(host));
        known.and_then(|(key, name)| Some((name.as_str()?, key.as_str())))
    });
    if let Some((name, key)) = helper {
        return ask(environment, file, name, key);
    }
    let auths = document["auths"].as_object();
    let known = auths.and_then(|auths| best(auths, host, repository));
    let store = document["credsStore"].as_str().filter(|name| !name.is_empty());
    match (known.and_then(plain), store) {
        (Some(found), _) => Ok(Some(found)),
        (None, Some(name)) => {
            let key =
                if normal(host) == normal(sinter_graph::image_reference::DEFAULT_HOST) { DOCKER_KEY } else { host };
            ask(environment, file, name, key)
        }
        (None, None) => Ok(None),
    }
}

/// The entry whose key fits best: the longest that is the repository or a part of it, else one that names the host alone.
fn best<'a>(auths: &'a serde_json::Map<String, Value>, host: &str, repository: &str) -> Option<&'a Value> {
    let full = format!("{}/{repository}", normal(host));
    let fits = |key: &str| {
        let key = bare(key);
        full == key || full.strip_prefix(&key).is_some_and(|rest| rest.starts_with('/'))
    };
    let exact = auths.iter().filter(|(key, _)| fits(key)).max_by_key(|(key, _)| bare(key).len());
    exact.or_else(|| auths.iter().find(|(key, _)| host_of(key) == normal(host))).map(|(_, value)| value)
}

/// A key without its scheme and the version that old ones end in, with the default host under one name.
fn bare(key: &str) -> String {
    let key = key.trim_start_matches("https://").trim_start_matches("http://").trim_end_matches('/');
    let key = key.strip_suffix("/v1").or_else(|| key.strip_suffix("/v2")).unwrap_or(key);
    let (host, rest) = key.split_once('/').map_or((key, None), |(host, rest)| (host, Some(rest)));
    rest.map_or_else(|| normal(host).to_owned(), |rest| format!("{}/{rest}", normal(host)))
}

fn host_of(key: &str) -> String {
    let bare = bare(key);
    bare.split_once('/').map_or(bare.clone(), |(host, _)| host.to_owned())
}

fn normal(host: &str) -> &str {
    match host {
        "index.docker.io" | "registry-1.docker.io" => sinter_graph::image_reference::DEFAULT_HOST,
        host => host,
    }
}

/// What stands in an entry itself.
fn plain(entry: &Value) -> Option<Credentials> {
    let text = |name: &str| entry[name].as_str().filter(|text| !text.is_empty()).map(str::to_owned);
    if let Some(token) = text("registrytoken") {
        return Some(Credentials::Token(token));
    }
    if let Some(token) = text("identitytoken") {
        return Some(Credentials::Identity(token));
    }
    let pair = text("auth").and_then(|encoded| {
        let bytes = STANDARD.decode(encoded.trim()).ok()?;
        let decoded = String::from_utf8(bytes).ok()?;
        let (user, password) = decoded.split_once(':')?;
        Some((user.to_owned(), password.trim_end_matches('\0').to_owned()))
    });
    let pair = pair.or_else(|| Some((text("username")?, text("password")?)));
    pair.map(|(user, password)| Credentials::Password { user, password })
}

/// Asks a helper program.
fn ask(environment: &Environment, file: &Path, name: &str, key: &str) -> Result<Option<Credentials>, RegistryError> {
    let program = format!("docker-credential-{name}");
    let broken = |what: String| failed(file, &format!("it names the program `{program}`, which {what}"));
    if name.contains('/') {
        return Err(failed(file, &format!("`{name}` is no name of a credential helper")));
    }
    let said = credential_helper::ask(&program, environment.path("PATH").as_deref(), key).map_err(broken)?;
    if !said.is_success {
        let is_unknown = said.text.contains("not found");
        return if is_unknown { Ok(None) } else { Err(broken(format!("failed: {}", shown(&said.text)))) };
    }
    // Where it breaks, and not with what.
    let answer: Value =
        serde_json::from_str(&said.text).map_err(|error| broken(format!("answers {}", no_json(&error))))?;
    let (user, secret) = (answer["Username"].as_str(), answer["Secret"].as_str());
    Ok(match (user, secret) {
        (Some("<token>"), Some(secret)) => Some(Credentials::Identity(secret.to_owned())),
        (Some(user), Some(secret)) => {
            Some(Credentials::Password { user: user.to_owned(), password: secret.to_owned() })
        }
        _ => None,
    })
}

/// Where a text breaks. What stands there may be a secret.
fn no_json(error: &serde_json::Error) -> String {
    format!("no JSON (line {}, column {})", error.line(), error.column())
}

/// A message of a program, on one line.
fn shown(text: &str) -> String {
    let plain = text.trim().chars().map(|character| if character.is_control() { ' ' } else { character });
    plain.take(200).collect()
}

#[cfg(test)]
#[path = "credentials_tests.rs"]
mod tests;
