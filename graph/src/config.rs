//! Image configuration as plain data, and how one configuration is made from another.

use std::collections::BTreeMap;

use crate::decode::{DecodeError, Decoder};
use crate::encode::Encoder;
use crate::path::AbsolutePath;

/// What an `image { }` says about the configuration. Absent means: not said, so inherited.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Default)]
pub struct ImageFields {
    /// Variables, added to the inherited ones key by key.
    pub env: BTreeMap<String, String>,
    /// Directories that go before the inherited PATH.
    pub path: Vec<AbsolutePath>,
    /// User name or number.
    pub user: Option<String>,
    /// Working directory.
    pub workdir: Option<AbsolutePath>,
    /// Program and first arguments.
    pub entrypoint: Option<Vec<String>>,
    /// Default arguments.
    pub cmd: Option<Vec<String>>,
    /// Ports as `8080/tcp`, `53/udp`.
    pub expose: Option<Vec<String>>,
    /// Directories meant to hold data; absolute.
    pub volumes: Option<Vec<String>>,
    /// Labels, added to the inherited ones key by key.
    pub labels: BTreeMap<String, String>,
    /// For instance `SIGTERM`.
    pub stop_signal: Option<String>,
    /// How to tell that the container is well.
    pub healthcheck: Option<Healthcheck>,
}

/// How to tell that a container is well (the field docker and podman read; not part of the OCI specification).
#[derive(Debug, Clone, PartialEq, Eq, Hash, Default)]
pub struct Healthcheck {
    /// Program and arguments.
    pub test: Vec<String>,
    /// Nanoseconds between two checks; 0: the consumer's default.
    pub interval_nanos: u64,
    /// Nanoseconds one check may take; 0: the consumer's default.
    pub timeout_nanos: u64,
    /// Nanoseconds after the start in which failures do not count; 0: the consumer's default.
    pub start_period_nanos: u64,
    /// Consecutive failures that count as unwell; 0: the consumer's default.
    pub retries: u64,
}

/// The PATH of a tree that does not say otherwise.
pub const DEFAULT_PATH: &str = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

/// Where relative paths land, and where scripts and containers start, if nothing says otherwise.
pub const DEFAULT_WORKDIR: &AbsolutePath = &AbsolutePath::APP;

/// A complete image configuration.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Configuration {
    /// Variables, PATH among them.
    pub env: BTreeMap<String, String>,
    /// User name or number.
    pub user: Option<String>,
    /// Working directory. `None`: [`DEFAULT_WORKDIR`].
    pub workdir: Option<AbsolutePath>,
    /// Program and first arguments.
    pub entrypoint: Vec<String>,
    /// Default arguments.
    pub cmd: Vec<String>,
    /// Ports as `8080/tcp`.
    pub expose: Vec<String>,
    /// Directories meant to hold data.
    pub volumes: Vec<String>,
    /// Labels.
    pub labels: BTreeMap<String, String>,
    /// For instance `SIGTERM`.
    pub stop_signal: Option<String>,
    /// How to tell that the container is well.
    pub healthcheck: Option<Healthcheck>,
}

impl Configuration {
    /// The PATH.
    #[must_use]
    pub fn path(&self) -> &str {
        self.env.get("PATH").map_or(DEFAULT_PATH, String::as_str)
    }

    /// The working directory. A pulled image may say `/` or nothing; both mean [`DEFAULT_WORKDIR`].
    #[must_use]
    pub fn workdir(&self) -> &AbsolutePath {
        self.workdir.as_ref().filter(|workdir| !workdir.is_root()).unwrap_or(DEFAULT_WORKDIR)
    }

    /// The names of the fields in which two configurations differ.
    #[must_use]
    pub fn differences(&self, other: &Self) -> Vec<&'static str> {
        let Self { env, user, workdir, entrypoint, cmd, expose, volumes, labels, stop_signal, healthcheck } = self;
        let fields = [
            ("env", *env != other.env),
            ("user", *user != other.user),
            ("workdir", *workdir != other.workdir),
            ("entrypoint", *entrypoint != other.entrypoint),
            ("cmd", *cmd != other.cmd),
            ("expose", *expose != other.expose),
            ("volumes", *volumes != other.volumes),
            ("labels", *labels != other.labels),
            ("stop_signal", *stop_signal != other.stop_signal),
            ("healthcheck", *healthcheck != other.healthcheck),
        ];
        fields.into_iter().filter_map(|(name, differs)| differs.then_some(name)).collect()
    }

    /// PATH with `directories` before the inherited ones.
    #[must_use]
    pub fn extended_path(&self, directories: &[AbsolutePath]) -> String {
        let mut parts: Vec<&str> = directories.iter().map(AbsolutePath::as_str).collect();
        parts.push(self.path());
        parts.join(":")
    }

    /// This configuration as the base of an image that says `fields`: maps are added key by key, lists replace, a new
    /// entrypoint clears an inherited cmd.
    #[must_use]
    pub fn with(mut self, fields: &ImageFields) -> Self {
        let ImageFields {
            env,
            path,
            user,
            workdir,
            entrypoint,
            cmd,
            expose,
            volumes,
            labels,
            stop_signal,
            healthcheck,
        } = fields;
        self.env.extend(env.clone());
        let path = self.extended_path(path);
        self.env.insert("PATH".to_owned(), path);
        self.labels.extend(labels.clone());
        if entrypoint.is_some() {
            self.cmd.clear();
        }
        replace(&mut self.entrypoint, entrypoint.as_ref());
        replace(&mut self.cmd, cmd.as_ref());
        replace(&mut self.expose, expose.as_ref());
        replace(&mut self.volumes, volumes.as_ref());
        self.user = user.clone().or(self.user);
        self.workdir = workdir.clone().or(self.workdir);
        self.stop_signal = stop_signal.clone().or(self.stop_signal);
        self.healthcheck = healthcheck.clone().or(self.healthcheck);
        self
    }
}

impl Configuration {
    /// Writes every field that is not default.
    pub fn encode(&self, e: &mut Encoder) {
        let Self { env, user, workdir, entrypoint, cmd, expose, volumes, labels, stop_signal, healthcheck } = self;
        e.text_map_field("env", env);
        e.optional_text_field("user", user.as_deref());
        e.optional_text_field("workdir", workdir.as_ref().map(AbsolutePath::as_str));
        e.texts_field("entrypoint", entrypoint);
        e.texts_field("cmd", cmd);
        e.texts_field("expose", expose);
        e.texts_field("volumes", volumes);
        e.text_map_field("labels", labels);
        e.optional_text_field("stop_signal", stop_signal.as_deref());
        if let Some(healthcheck) = healthcheck {
            healthcheck.encode(e.field("healthcheck"));
        }
    }

    /// Reads what [`Configuration::encode`] wrote.
    ///
    /// # Errors
    /// If a field holds something else, or its default.
    pub fn decode(d: &mut Decoder<'_>) -> Result<Self, DecodeError> {
        Ok(Self {
            env: d.text_map_field("env")?,
            user: d.optional_text_field("user")?,
            workdir: if d.optional_field("workdir") { Some(d.parsed("an absolute path")?) } else { None },
            entrypoint: d.texts_field("entrypoint")?,
            cmd: d.texts_field("cmd")?,
            expose: d.texts_field("expose")?,
            volumes: d.texts_field("volumes")?,
            labels: d.text_map_field("labels")?,
            stop_signal: d.optional_text_field("stop_signal")?,
            healthcheck: if d.optional_field("healthcheck") { Some(Healthcheck::decode(d)?) } else { None },
        })
    }
}

impl Healthcheck {
    fn encode(&self, e: &mut Encoder) {
        let Self { test, interval_nanos, timeout_nanos, start_period_nanos, retries } = self;
        e.texts(test).integer(*interval_nanos).integer(*timeout_nanos).integer(*start_period_nanos).integer(*retries);
    }

    fn decode(d: &mut Decoder<'_>) -> Result<Self, DecodeError> {
        Ok(Self {
            test: d.texts()?,
            interval_nanos: d.integer()?,
            timeout_nanos: d.integer()?,
            start_period_nanos: d.integer()?,
            retries: d.integer()?,
        })
    }
}

fn replace(list: &mut Vec<String>, said: Option<&Vec<String>>) {
    if let Some(said) = said {
        list.clone_from(said);
    }
}

#[cfg(test)]
mod tests;
