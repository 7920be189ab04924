//! What a package says about itself: the `control.tar` member (deb-control(5), deb-conffiles(5)).
//!
//! Must not know: data, other packages.

use std::collections::BTreeMap;
use std::io::Read;

use sinter_graph::lock::PinnedPackage;
use sinter_graph::path::TreePath;

use super::deb822::{Paragraph, single_paragraph};
use super::tape::{Tape, TapeKind};

/// All control files of one package together; the largest known are some hundred kilobytes.
const MAX_CONTROL_BYTES: u64 = 64 << 20;

/// The control files of one package.
#[derive(Debug, Clone)]
pub(super) struct Control {
    /// The text of the file `control`; it holds exactly one paragraph.
    text: String,
    /// Every other file, by name.
    pub(super) files: BTreeMap<String, Vec<u8>>,
    pub(super) name: String,
    pub(super) version: String,
    pub(super) architecture: String,
}

impl Control {
    /// Reads the decompressed `control.tar`.
    ///
    /// # Errors
    /// A sentence that says what is malformed, or how the package is not the pinned one.
    pub(super) fn read(archive: impl Read, pin: &PinnedPackage) -> Result<Self, String> {
        let mut files = control_files(archive)?;
        let text = files.remove("control").ok_or("it has no `control` file")?;
        let text = String::from_utf8(text).map_err(|_| "its `control` file is not UTF-8")?;
        let paragraph = single_paragraph(&text).map_err(|error| format!("its `control` file, {error}"))?;
        let field = |name: &str| paragraph.get(name).unwrap_or_default().to_owned();
        let (name, version, architecture) = (field("Package"), field("Version"), field("Architecture"));
        if (&name, &version, &architecture) != (&pin.name, &pin.version, &pin.architecture) {
            return Err(format!("it says that it is {name} {version} ({architecture}), the lock says otherwise"));
        }
        Ok(Self { text, files, name, version, architecture })
    }

    /// The fields of the file `control`.
    pub(super) fn paragraph(&self) -> Paragraph<'_> {
        // It was read once, so it is there; a control without fields is as good as none.
        single_paragraph(&self.text).unwrap_or_default()
    }

    pub(super) fn field(&self, name: &str) -> &str {
        self.paragraph().get(name).unwrap_or_default()
    }

    pub(super) fn is_essential(&self) -> bool {
        self.field("Essential") == "yes"
    }

    /// How dpkg names the files of this package in its database: several architectures of a `Multi-Arch: same` package
    /// may be installed at once.
    pub(super) fn database_name(&self) -> String {
        if self.field("Multi-Arch") == "same" {
            format!("{}:{}", self.name, self.architecture)
        } else {
            self.name.clone()
        }
    }

    /// The configuration files that the package ships (lines with a flag in front name files it no longer has).
    pub(super) fn conffiles(&self) -> Vec<TreePath> {
        let text = self.files.get("conffiles").map(|bytes| String::from_utf8_lossy(bytes)).unwrap_or_default();
        let lines = text.lines().map(str::trim_end).filter(|line| line.starts_with('/'));
        lines.filter_map(|line| TreePath::normalized(line).ok()).collect()
    }
}

fn control_files(archive: impl Read) -> Result<BTreeMap<String, Vec<u8>>, String> {
    let mut tape = Tape::new(archive);
    let mut files = BTreeMap::new();
    let mut total = 0;
    while let Some(entry) = tape.next_entry()? {
        if entry.kind == TapeKind::Directory {
            continue;
        }
        let name = String::from_utf8_lossy(entry.path.strip_prefix(b"./").unwrap_or(&entry.path)).into_owned();
        let plain = name.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_.+".contains(&byte));
        if entry.kind != TapeKind::File || !plain || name.is_empty() || name.starts_with('.') {
            return Err(format!("its control archive has `{}`, which is no plain file", name.escape_debug()));
        }
        total += entry.size;
        if total > MAX_CONTROL_BYTES {
            return Err("its control archive is too large".to_owned());
        }
        let mut bytes = Vec::new();
        let mut buffer = [0; 8192];
        while let count @ 1.. = tape.read_content(&mut buffer)? {
            bytes.extend_from_slice(&buffer[..count]);
        }
        files.insert(name, bytes);
    }
    Ok(files)
}
