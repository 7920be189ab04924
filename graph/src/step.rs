//! Step documents: the canonical, engine-free description of one script run, from which the content key is made and
//! which a runner executes.

use std::collections::BTreeMap;

use crate::digest::{ContentKey, FilesDigest, LayerDigest};
use crate::encode::Encoder;
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
    /// Absolute working directory.
    pub workdir: String,
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

    fn encoder(&self) -> Encoder {
        let mut e = Encoder::new("step");
        e.field("semantics").integer(u64::from(SEMANTICS));
        e.field("platform").text(&self.platform.to_string());
        e.field("layers").list(self.layers.iter(), |e, layer| {
            e.bytes(layer.as_bytes());
        });
        if let Some(files) = &self.files {
            e.field("files").bytes(files.as_bytes());
        }
        e.field("script").text(&self.script);
        e.texts_field("interpreter", self.interpreter.iter().map(String::as_str));
        e.field("env").list(self.env.iter(), |e, (name, value)| {
            e.text(name).text(value);
        });
        e.field("user").integer(u64::from(self.uid)).integer(u64::from(self.gid));
        if !self.groups.is_empty() {
            e.field("groups").list(self.groups.iter(), |e, &group| {
                e.integer(u64::from(group));
            });
        }
        e.field("workdir").text(&self.workdir);
        if let Some(keep) = &self.keep {
            keep.encode("keep", &mut e);
        }
        if self.drop != Patterns::default() {
            self.drop.encode("drop", &mut e);
        }
        e
    }
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
mod tests {
    use super::*;

    fn document() -> StepDocument {
        StepDocument {
            platform: "linux/amd64".parse().expect("a platform"),
            layers: vec![LayerDigest::from_bytes([1; 32])],
            files: None,
            script: "true\n".to_owned(),
            interpreter: vec!["sh".to_owned(), "-eu".to_owned()],
            env: base_environment(),
            uid: 0,
            gid: 0,
            groups: vec![],
            workdir: "/app".to_owned(),
            keep: None,
            drop: Patterns::default(),
        }
    }

    fn full() -> StepDocument {
        StepDocument {
            files: Some(FilesDigest::from_bytes([2; 32])),
            uid: 1000,
            gid: 100,
            groups: vec![4, 27],
            keep: Some(Patterns { include: vec!["dist".to_owned()], exclude: vec!["**/*.map".to_owned()] }),
            drop: Patterns { include: vec!["/var/cache".to_owned()], exclude: vec![] },
            ..document()
        }
    }

    /// These keys are what every store and cache knows results by. One changes only together with [`crate::FORMAT`] or
    /// [`SEMANTICS`], and then all of them do.
    #[test]
    fn golden_keys_guard_the_encoding() {
        assert_eq!((crate::FORMAT, SEMANTICS), (1, 1), "new numbers need new golden keys");
        for (document, golden) in [
            (document(), "479958e8c8cdb583ad0bab778c1433ac6fb65a1b8a0b637d7aaf469c5f882033"),
            (full(), "e11413ba7ff4d88eeb8c41108791825fb04affe01a70700a38e6f7ce31350120"),
        ] {
            assert_eq!(document.key().hex(), golden);
        }
    }

    #[test]
    fn every_field_enters_the_key() {
        let base = document();
        let variants: Vec<StepDocument> = vec![
            StepDocument { platform: "linux/arm64".parse().expect("a platform"), ..base.clone() },
            StepDocument { layers: vec![], ..base.clone() },
            StepDocument { files: Some(FilesDigest::from_bytes([0; 32])), ..base.clone() },
            StepDocument { script: "true\n\n".to_owned(), ..base.clone() },
            StepDocument { interpreter: vec![], ..base.clone() },
            StepDocument { env: BTreeMap::new(), ..base.clone() },
            StepDocument { uid: 1, ..base.clone() },
            StepDocument { gid: 1, ..base.clone() },
            StepDocument { groups: vec![1], ..base.clone() },
            StepDocument { workdir: "/".to_owned(), ..base.clone() },
            StepDocument { keep: Some(Patterns::default()), ..base.clone() },
            StepDocument { drop: Patterns { include: vec!["a".to_owned()], exclude: vec![] }, ..base.clone() },
        ];
        let mut keys: Vec<ContentKey> = variants.iter().map(StepDocument::key).collect();
        keys.push(base.key());
        keys.sort();
        keys.dedup();
        assert_eq!(keys.len(), 13);
    }
}
