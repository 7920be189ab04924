//! Image configuration as plain data, and how one configuration is made from another.

use std::collections::BTreeMap;

use crate::encode::Encoder;

/// What an `image { }` says about the configuration. Absent means: not said, so inherited.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Default)]
pub struct ImageFields {
    /// Variables, added to the inherited ones key by key.
    pub env: BTreeMap<String, String>,
    /// Directories that go before the inherited PATH.
    pub path: Vec<String>,
    /// User name or number.
    pub user: Option<String>,
    /// Working directory; absolute.
    pub workdir: Option<String>,
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
pub const DEFAULT_WORKDIR: &str = "/app";

/// A complete image configuration.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Configuration {
    /// Variables, PATH among them.
    pub env: BTreeMap<String, String>,
    /// User name or number.
    pub user: Option<String>,
    /// Working directory; absolute. `None`: [`DEFAULT_WORKDIR`].
    pub workdir: Option<String>,
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
    pub fn workdir(&self) -> &str {
        self.workdir.as_deref().filter(|workdir| !workdir.is_empty() && *workdir != "/").unwrap_or(DEFAULT_WORKDIR)
    }

    /// The names of the fields in which two configurations differ.
    #[must_use]
    pub fn differences(&self, other: &Self) -> Vec<&'static str> {
        let fields = [
            ("env", self.env != other.env),
            ("user", self.user != other.user),
            ("workdir", self.workdir != other.workdir),
            ("entrypoint", self.entrypoint != other.entrypoint),
            ("cmd", self.cmd != other.cmd),
            ("expose", self.expose != other.expose),
            ("volumes", self.volumes != other.volumes),
            ("labels", self.labels != other.labels),
            ("stop_signal", self.stop_signal != other.stop_signal),
            ("healthcheck", self.healthcheck != other.healthcheck),
        ];
        fields.into_iter().filter_map(|(name, differs)| differs.then_some(name)).collect()
    }

    /// PATH with `directories` before the inherited ones.
    #[must_use]
    pub fn extended_path(&self, directories: &[String]) -> String {
        let mut parts: Vec<&str> = directories.iter().map(String::as_str).collect();
        parts.push(self.path());
        parts.join(":")
    }

    /// This configuration as the base of an image that says `fields`: maps are added key by key, lists replace, a new
    /// entrypoint clears an inherited cmd.
    #[must_use]
    pub fn with(mut self, fields: &ImageFields) -> Self {
        self.env.extend(fields.env.clone());
        let path = self.extended_path(&fields.path);
        self.env.insert("PATH".to_owned(), path);
        self.labels.extend(fields.labels.clone());
        if let Some(entrypoint) = &fields.entrypoint {
            self.entrypoint.clone_from(entrypoint);
            self.cmd.clear();
        }
        replace(&mut self.cmd, fields.cmd.as_ref());
        replace(&mut self.expose, fields.expose.as_ref());
        replace(&mut self.volumes, fields.volumes.as_ref());
        self.user = fields.user.clone().or(self.user);
        self.workdir = fields.workdir.clone().or(self.workdir);
        self.stop_signal = fields.stop_signal.clone().or(self.stop_signal);
        self.healthcheck = fields.healthcheck.clone().or(self.healthcheck);
        self
    }
}

impl Configuration {
    /// Writes every field that is not default.
    pub fn encode(&self, e: &mut Encoder) {
        encode_map(e, "env", &self.env);
        e.optional_text_field("user", self.user.as_deref());
        e.optional_text_field("workdir", self.workdir.as_deref());
        e.texts_field("entrypoint", self.entrypoint.iter().map(String::as_str));
        e.texts_field("cmd", self.cmd.iter().map(String::as_str));
        e.texts_field("expose", self.expose.iter().map(String::as_str));
        e.texts_field("volumes", self.volumes.iter().map(String::as_str));
        encode_map(e, "labels", &self.labels);
        e.optional_text_field("stop_signal", self.stop_signal.as_deref());
        if let Some(healthcheck) = &self.healthcheck {
            e.field("healthcheck").list(healthcheck.test.iter(), |e, word| {
                e.text(word);
            });
            e.integer(healthcheck.interval_nanos).integer(healthcheck.timeout_nanos);
            e.integer(healthcheck.start_period_nanos).integer(healthcheck.retries);
        }
    }
}

fn encode_map(e: &mut Encoder, field: &str, map: &BTreeMap<String, String>) {
    if !map.is_empty() {
        e.field(field).list(map.iter(), |e, (name, value)| {
            e.text(name).text(value);
        });
    }
}

fn replace(list: &mut Vec<String>, said: Option<&Vec<String>>) {
    if let Some(said) = said {
        list.clone_from(said);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn strings(items: &[&str]) -> Vec<String> {
        items.iter().map(|item| (*item).to_owned()).collect()
    }

    #[test]
    fn new_entrypoint_clears_inherited_cmd() {
        let base = Configuration { cmd: strings(&["node"]), ..Configuration::default() };
        let fields = ImageFields { entrypoint: Some(strings(&["tini"])), ..ImageFields::default() };
        let image = base.clone().with(&fields);
        assert_eq!((image.entrypoint, image.cmd), (strings(&["tini"]), vec![]));
        assert_eq!(base.clone().with(&ImageFields::default()).cmd, base.cmd);
    }

    #[test]
    fn path_goes_before_the_inherited_one() {
        let base =
            Configuration { env: BTreeMap::from([("PATH".to_owned(), "/bin".to_owned())]), ..Configuration::default() };
        let fields = ImageFields { path: strings(&["/opt/a", "/opt/b"]), ..ImageFields::default() };
        assert_eq!(base.with(&fields).path(), "/opt/a:/opt/b:/bin");
    }

    #[test]
    fn path_said_in_env_replaces_the_inherited_one() {
        let env = |path: &str| BTreeMap::from([("PATH".to_owned(), path.to_owned())]);
        let base = Configuration { env: env("/bin"), ..Configuration::default() };
        let fields = ImageFields { env: env("/x"), path: strings(&["/first"]), ..ImageFields::default() };
        assert_eq!(base.with(&fields).path(), "/first:/x");
    }

    #[test]
    fn root_or_absent_workdir_means_app() {
        for said in [None, Some("/"), Some("")] {
            let configuration = Configuration { workdir: said.map(str::to_owned), ..Configuration::default() };
            assert_eq!(configuration.workdir(), "/app");
        }
    }
}
