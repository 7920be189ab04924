//! The machine's settings for registries: containers-registries.conf(5), version 2, and containers-certs.d(5), which docker
//! has too.
//!
//! Files: `CONTAINERS_REGISTRIES_CONF` alone if it is set; else the user's `containers/registries.conf`, else the system's;
//! and on top of that, in order of their names, `registries.conf.d/*.conf` of the system and of the user.

use std::path::{Path, PathBuf};

use serde::Deserialize;
use sinter_graph::image_reference::ImageReference;
use sinter_http::Trust;

use super::environment::Environment;
use super::error::RegistryError;

/// Where images of a reference are to be looked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Place {
    /// The host to talk to.
    pub(super) host: String,
    /// The repository there.
    pub(super) repository: String,
    /// Whether plain http, and any certificate, will do.
    pub(super) insecure: bool,
}

/// The settings, read once.
#[derive(Debug, Clone, Default)]
pub(super) struct Settings {
    registries: Vec<(Registry, PathBuf)>,
    certificates: Vec<PathBuf>,
}

#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "kebab-case")]
struct File {
    #[serde(default)]
    registry: Vec<Registry>,
}

#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "kebab-case")]
struct Registry {
    prefix: Option<String>,
    location: Option<String>,
    #[serde(default)]
    insecure: bool,
    #[serde(default)]
    blocked: bool,
    #[serde(default)]
    mirror_by_digest_only: bool,
    #[serde(default)]
    mirror: Vec<Mirror>,
}

#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "kebab-case")]
struct Mirror {
    location: String,
    #[serde(default)]
    insecure: bool,
    pull_from_mirror: Option<String>,
}

impl Settings {
    /// Reads the files.
    ///
    /// # Errors
    /// If one is no TOML, or not of version 2.
    pub(super) fn read(environment: &Environment) -> Result<Self, RegistryError> {
        let user = environment.configuration().map(|directory| directory.join("containers"));
        let system = environment.system().join("containers");
        let mut registries: Vec<(Registry, PathBuf)> = Vec::new();
        for file in files(environment, user.as_deref(), &system) {
            let Ok(text) = std::fs::read_to_string(&file) else { continue };
            let failed = |error: toml::de::Error| {
                let reason = where_it_breaks(&text, &error);
                RegistryError::Settings { path: file.clone(), reason }
            };
            for registry in toml::from_str::<File>(&text).map_err(failed)?.registry {
                // A later file replaces what an earlier one says about the same prefix.
                registries.retain(|(known, _)| known.prefix() != registry.prefix());
                registries.push((registry, file.clone()));
            }
        }
        let docker = environment.configuration().map(|directory| directory.join("docker"));
        let certificates = [user, docker, Some(system), Some(environment.system().join("docker"))];
        let certificates = certificates.into_iter().flatten().map(|directory| directory.join("certs.d")).collect();
        Ok(Self { registries, certificates })
    }

    /// Where to read an image: mirrors first, the registry itself last.
    ///
    /// # Errors
    /// If it is blocked.
    pub(super) fn sources(&self, image: &ImageReference) -> Result<Vec<Place>, RegistryError> {
        let own = self.destination(image)?;
        let Some((registry, prefix, _)) = self.of(image) else { return Ok(vec![own]) };
        let is_used = |mirror: &&Mirror| match mirror.pull_from_mirror.as_deref() {
            Some("digest-only") => image.digest().is_some(),
            Some("tag-only") => image.digest().is_none(),
            _ => image.digest().is_some() || !registry.mirror_by_digest_only,
        };
        let mirrors = registry.mirror.iter().filter(is_used);
        let mirrors = mirrors.map(|mirror| place(image, &prefix, Some(&mirror.location), mirror.insecure));
        Ok(mirrors.chain([own]).collect())
    }

    /// Where to write an image.
    ///
    /// # Errors
    /// If it is blocked.
    pub(super) fn destination(&self, image: &ImageReference) -> Result<Place, RegistryError> {
        let Some((registry, prefix, path)) = self.of(image) else { return Ok(place(image, "", None, false)) };
        if registry.blocked {
            return Err(RegistryError::Blocked { prefix, path: path.to_owned() });
        }
        Ok(place(image, &prefix, registry.location.as_deref(), registry.insecure))
    }

    /// What is said about the longest prefix of an image, with as much of its name as that is.
    fn of(&self, image: &ImageReference) -> Option<(&Registry, String, &Path)> {
        let fitting = self.registries.iter().filter_map(|(registry, path)| {
            let prefix = matched(registry.prefix()?, &image.name())?;
            Some((registry, prefix, path.as_path()))
        });
        fitting.max_by_key(|(_, prefix, _)| prefix.len())
    }

    /// The certificates for a host.
    ///
    /// # Errors
    /// If a certificate and its key cannot be used.
    pub(super) fn trust(&self, host: &str, insecure: bool) -> Result<Trust, RegistryError> {
        let mut trust = Trust { anybody: insecure, ..Trust::default() };
        for directory in self.certificates.iter().map(|directory| directory.join(host)) {
            let mut names: Vec<PathBuf> =
                std::fs::read_dir(&directory).into_iter().flatten().flatten().map(|entry| entry.path()).collect();
            names.sort();
            for path in names {
                let Ok(bytes) = std::fs::read(&path) else { continue };
                match path.extension().and_then(|extension| extension.to_str()) {
                    Some("crt") => trust.authorities.push(bytes),
                    Some("cert") if trust.identity.is_none() => {
                        let key = path.with_extension("key");
                        let failed = |reason: String| RegistryError::Settings { path: path.clone(), reason };
                        let key = std::fs::read(&key)
                            .map_err(|error| failed(format!("{} belongs beside it: {error}", key.display())))?;
                        trust.identity = Some((bytes, key));
                        trust.check().map_err(|reason| failed(reason.to_owned()))?;
                    }
                    _ => {}
                }
            }
        }
        Ok(trust)
    }

    /// Whether there are certificates for a host, so that it is not meant to be asked over plain http.
    pub(super) fn has_certificates(&self, host: &str) -> bool {
        self.certificates.iter().any(|directory| directory.join(host).is_dir())
    }
}

impl Registry {
    fn prefix(&self) -> Option<&str> {
        self.prefix.as_deref().filter(|prefix| !prefix.is_empty()).or(self.location.as_deref())
    }
}

/// Why a text is no settings, without what stands there: a location may hold a password.
fn where_it_breaks(text: &str, error: &toml::de::Error) -> String {
    let before = error.span().and_then(|span| text.get(..span.start)).unwrap_or_default();
    // The odd pieces are values.
    let pieces = error.message().split('"').enumerate();
    let message: String = pieces.map(|(index, piece)| if index % 2 == 1 { "\"...\"" } else { piece }).collect();
    format!("line {} is no setting of containers-registries.conf(5), version 2: {message}", before.split('\n').count())
}

fn files(environment: &Environment, user: Option<&Path>, system: &Path) -> Vec<PathBuf> {
    if let Some(said) = environment.path("CONTAINERS_REGISTRIES_CONF") {
        return vec![said];
    }
    let main = user.map(|user| user.join("registries.conf")).filter(|path| path.is_file());
    let mut files = vec![main.unwrap_or_else(|| system.join("registries.conf"))];
    for directory in [Some(system), user].into_iter().flatten().map(|directory| directory.join("registries.conf.d")) {
        let mut dropped: Vec<PathBuf> =
            std::fs::read_dir(directory).into_iter().flatten().flatten().map(|entry| entry.path()).collect();
        dropped.retain(|path| path.extension().is_some_and(|extension| extension == "conf"));
        dropped.sort();
        files.extend(dropped);
    }
    files
}

/// As much of `HOST/REPOSITORY` as a prefix means; `*.example.org` means every host below that one.
fn matched(prefix: &str, name: &str) -> Option<String> {
    if let Some(domain) = prefix.strip_prefix("*.") {
        let host = name.split('/').next().unwrap_or(name);
        return host.strip_suffix(domain).filter(|rest| rest.ends_with('.')).map(|_| host.to_owned());
    }
    let fits = name == prefix || name.strip_prefix(prefix).is_some_and(|rest| rest.starts_with('/'));
    fits.then(|| prefix.to_owned())
}

/// The image with its prefix replaced by a location.
fn place(image: &ImageReference, prefix: &str, location: Option<&str>, insecure: bool) -> Place {
    let name = image.name();
    let moved = match location.filter(|location| !location.is_empty()) {
        Some(location) => format!("{location}{}", &name[prefix.len()..]),
        None => name,
    };
    let (host, repository) =
        moved.split_once('/').map_or((moved.as_str(), ""), |(host, repository)| (host, repository));
    Place { host: host.to_owned(), repository: repository.to_owned(), insecure }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn settings(files: &[(&str, &str)]) -> (tempfile::TempDir, Settings) {
        let directory = tempfile::tempdir().expect("a directory");
        for (name, text) in files {
            let path = directory.path().join(name);
            std::fs::create_dir_all(path.parent().expect("a parent")).expect("a directory");
            std::fs::write(path, text).expect("a file");
        }
        let home = directory.path().join("home");
        let environment = Environment::made_of(&[("HOME", &home)], directory.path());
        let settings = Settings::read(&environment).expect("settings");
        (directory, settings)
    }

    fn sources(settings: &Settings, image: &str) -> Vec<String> {
        let places = settings.sources(&image.parse().expect("a reference")).expect("places");
        let shown = |place: Place| {
            format!("{}/{}{}", place.host, place.repository, if place.insecure { " insecure" } else { "" })
        };
        places.into_iter().map(shown).collect()
    }

    #[test]
    fn mirrors_come_before_their_registry() {
        let text = r#"
            unqualified-search-registries = ["example.org"]
            [[registry]]
            prefix = "docker.io"
            location = "docker.io"
            [[registry.mirror]]
            location = "mirror.example:5000/hub"
            insecure = true
            [[registry.mirror]]
            location = "second.example"
            pull-from-mirror = "digest-only"
            [[registry]]
            prefix = "docker.io/library/special"
            location = "other.example/moved"
            [[registry]]
            prefix = "*.corp.example"
            location = "gate.example"
            [[registry]]
            location = "insecure.example"
            insecure = true
        "#;
        let (_directory, settings) = settings(&[("containers/registries.conf", text)]);
        let digest = format!("node@sha256:{}", "0".repeat(64));
        for (image, expected) in [
            ("node", vec!["mirror.example:5000/hub/library/node insecure", "docker.io/library/node"]),
            (
                &digest,
                vec![
                    "mirror.example:5000/hub/library/node insecure",
                    "second.example/library/node",
                    "docker.io/library/node",
                ],
            ),
            ("special:1", vec!["other.example/moved"]),
            ("a.corp.example/x", vec!["gate.example/x"]),
            ("corp.example/x", vec!["corp.example/x"]),
            ("insecure.example/x/y", vec!["insecure.example/x/y insecure"]),
            ("insecure.example.org/x", vec!["insecure.example.org/x"]),
        ] {
            assert_eq!(sources(&settings, image), expected, "{image}");
        }
    }

    #[test]
    fn later_files_replace_earlier_ones() {
        let one = "[[registry]]\nlocation = \"a.example\"\nblocked = true\n";
        let two = "[[registry]]\nlocation = \"a.example\"\ninsecure = true\n";
        let (_directory, blocked) = settings(&[("containers/registries.conf", one)]);
        let error = blocked.sources(&"a.example/x".parse().expect("a reference")).expect_err("blocked").to_string();
        assert!(error.contains("a.example is blocked by") && error.contains("registries.conf"), "{error}");
        let files = [("containers/registries.conf", one), ("containers/registries.conf.d/50.conf", two)];
        assert_eq!(sources(&settings(&files).1, "a.example/x"), ["a.example/x insecure"]);
        let files = [("containers/registries.conf", one), ("home/.config/containers/registries.conf", two)];
        assert_eq!(sources(&settings(&files).1, "a.example/x"), ["a.example/x insecure"]);
    }

    #[test]
    fn errors_do_not_show_what_is_in_a_file() {
        for (text, line, reason) in [
            ("\n[[registry]]\nlocation = \"user:hidden@host\"\ninsecure = \"hidden\"\n", 4, "expected a boolean"),
            ("\n[[registry]]\nlocation = hidden@host\n", 3, ""),
            ("[[registry]\nlocation = \"hidden\"\n", 1, ""),
            ("[[registry]]\n[[registry.mirror]]\ninsecure = true\n", 2, "missing field `location`"),
        ] {
            let directory = tempfile::tempdir().expect("a directory");
            let path = directory.path().join("some.conf");
            std::fs::write(&path, text).expect("a file");
            let environment = Environment::made_of(&[("CONTAINERS_REGISTRIES_CONF", &path)], directory.path());
            let error = Settings::read(&environment).expect_err(text).to_string();
            assert!(error.contains("some.conf") && error.contains(&format!("line {line} ")), "{error}");
            assert!(error.contains(reason) && !error.contains("hidden"), "{error}");
        }
    }

    #[test]
    fn certificates_are_found_by_host() {
        let (_directory, settings) = settings(&[
            ("docker/certs.d/a.example:5000/ca.crt", "A"),
            ("containers/certs.d/b.example/client.cert", "C"),
            ("containers/certs.d/c.example/client.cert", "C"),
            ("containers/certs.d/c.example/client.key", "K"),
        ]);
        let trust = settings.trust("a.example:5000", false).expect("certificates");
        assert_eq!((trust.authorities, trust.identity), (vec![b"A".to_vec()], None));
        for (host, reason) in [("b.example", "client.key belongs beside it"), ("c.example", "no certificate")] {
            let error = settings.trust(host, false).expect_err(reason).to_string();
            assert!(error.contains(reason) && error.contains("client.cert"), "{error}");
        }
        assert!(settings.has_certificates("a.example:5000") && !settings.has_certificates("a.example"));
    }
}
