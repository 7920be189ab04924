//! Step documents: the canonical, engine-free description of one script run, from which the content key is made and
//! which a runner executes.

use std::collections::BTreeMap;

use crate::decode::{DecodeError, Decoder};
use crate::digest::{ContentKey, FilesDigest, LayerDigest};
use crate::encode::Encoder;
use crate::path::AbsolutePath;
use crate::pattern::Patterns;
use crate::platform::Platform;
use crate::{EPOCH, SEMANTICS};

/// Everything that can influence what a step's layer contains.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StepDocument {
    /// Where it runs.
    pub platform: Platform,
    /// The tree it stands on, bottom layer first.
    pub layers: Vec<LayerDigest>,
    /// The files placed on top of that tree: where they are, what is in them, whose they are.
    pub files: Option<FilesDigest>,
    /// The script's bytes.
    pub script: String,
    /// Program and flags to which the script's path is appended; empty: the script itself is executed.
    pub interpreter: Vec<String>,
    /// The complete environment.
    pub env: BTreeMap<String, String>,
    /// Numeric user.
    pub uid: u32,
    /// Numeric primary group.
    pub gid: u32,
    /// Numeric supplementary groups, sorted.
    pub groups: Vec<u32>,
    /// Working directory.
    pub workdir: AbsolutePath,
    /// If there, only matching paths go into the layer; relative to `workdir` unless they start with `/`.
    pub keep: Option<Patterns>,
    /// Matching paths do not go into the layer.
    pub drop: Patterns,
}

impl StepDocument {
    /// The content key: BLAKE3 of the canonical encoding.
    #[must_use]
    pub fn key(&self) -> ContentKey {
        ContentKey::from_bytes(self.encoder().hash())
    }

    /// The canonical encoding.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        self.encoder().finish()
    }

    /// Reads the canonical encoding back: whoever runs a step on another machine gets it in this form.
    ///
    /// # Errors
    /// If the bytes are anything but the encoding of a document with the [`SEMANTICS`] of this program.
    pub fn decode(bytes: &[u8]) -> Result<Self, DecodeError> {
        let mut d = Decoder::new(bytes, DOMAIN)?;
        d.field("semantics")?.value(&format!("semantics {SEMANTICS}"), |d| {
            Some(d.integer().ok()?).filter(|&semantics| semantics == u64::from(SEMANTICS))
        })?;
        let document = Self {
            platform: d.field("platform")?.parsed("a platform")?,
            layers: d.field("layers")?.list(|d| d.array().map(LayerDigest::from_bytes))?,
            files: if d.optional_field("files") { Some(FilesDigest::from_bytes(d.array()?)) } else { None },
            script: d.field("script")?.text()?.to_owned(),
            interpreter: d.texts_field("interpreter")?,
            env: d.field("env")?.text_map()?,
            uid: d.field("user")?.small_integer()?,
            gid: d.small_integer()?,
            groups: decode_groups(&mut d)?,
            workdir: d.field("workdir")?.parsed("an absolute path")?,
            keep: Patterns::decode_optional("keep", &mut d)?,
            drop: Patterns::decode_unless_default("drop", &mut d)?,
        };
        d.finish()?;
        Ok(document)
    }

    fn encoder(&self) -> Encoder {
        let Self { platform, layers, files, script, interpreter, env, uid, gid, groups, workdir, keep, drop } = self;
        let mut e = Encoder::new(DOMAIN);
        e.field("semantics").integer(u64::from(SEMANTICS));
        e.field("platform").text(&platform.to_string());
        e.field("layers").list(layers.iter(), |e, layer| {
            e.bytes(layer.as_bytes());
        });
        if let Some(files) = files {
            e.field("files").bytes(files.as_bytes());
        }
        e.field("script").text(script);
        e.texts_field("interpreter", interpreter);
        e.field("env").text_map(env);
        e.field("user").integer(u64::from(*uid)).integer(u64::from(*gid));
        if !groups.is_empty() {
            e.field("groups").list(groups.iter(), |e, &group| {
                e.integer(u64::from(group));
            });
        }
        e.field("workdir").text(workdir.as_str());
        if let Some(keep) = keep {
            keep.encode("keep", &mut e);
        }
        drop.encode_unless_default("drop", &mut e);
        e
    }
}

const DOMAIN: &str = "step";

fn decode_groups(d: &mut Decoder<'_>) -> Result<Vec<u32>, DecodeError> {
    if !d.optional_field("groups") {
        return Ok(Vec::new());
    }
    d.filled_list(Decoder::small_integer)
}

/// The environment every step starts from, before the configuration of its tree and its own `env`. Part of
/// [`SEMANTICS`].
#[must_use]
pub fn base_environment() -> BTreeMap<String, String> {
    let epoch = EPOCH.to_string();
    [
        ("HOME", "/root"),
        ("LANG", "C.UTF-8"),
        ("PATH", crate::config::DEFAULT_PATH),
        ("PYTHONDONTWRITEBYTECODE", "1"),
        ("SOURCE_DATE_EPOCH", epoch.as_str()),
        ("TMPDIR", "/tmp"),
        ("TZ", "UTC"),
    ]
    .map(|(name, value)| (name.to_owned(), value.to_owned()))
    .into()
}

#[cfg(test)]
mod tests;
