//! What an archive's `Release` file says (Debian's repository format, "Release files"), read from text whose signature
//! was checked.
//!
//! Must not know: mirrors, caches, signatures.

use sinter_graph::digest::BlobDigest;

use super::date::parse_date;
use super::deb822::single_paragraph;

/// The component that inputs are resolved in.
pub(super) const COMPONENT: &str = "main";

/// The parts of a release file that matter here.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Release {
    pub(super) version: Option<String>,
    /// Seconds since 1970.
    pub(super) date: i64,
    /// The end of validity as written, and in seconds since 1970.
    pub(super) valid_until: Option<(String, i64)>,
    names: [Option<String>; 2],
    by_hash: bool,
    files: Vec<ListedFile>,
}

/// A file that a release vouches for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct ListedFile {
    pub(super) digest: BlobDigest,
    pub(super) size: u64,
    pub(super) path: String,
}

/// The forms an index may have, best first.
const FORMS: [&str; 3] = ["Packages.xz", "Packages.gz", "Packages"];

/// Paths below the suite's directory under which an index of this digest may be found, most lasting first.
pub(super) fn index_paths(architecture: &str, digest: &BlobDigest) -> Vec<String> {
    let directory = format!("{COMPONENT}/binary-{architecture}");
    let by_hash = format!("{directory}/by-hash/SHA256/{}", digest.hex());
    std::iter::once(by_hash).chain(FORMS.iter().map(|form| format!("{directory}/{form}"))).collect()
}

impl Release {
    /// Reads a release.
    ///
    /// # Errors
    /// A sentence that says what is missing or malformed.
    pub(super) fn parse(text: &str) -> Result<Self, String> {
        let paragraph = single_paragraph(text).map_err(|error| format!("its Release file, {error}"))?;
        let owned = |name| paragraph.get(name).map(str::to_owned);
        let date =
            |text: &str| parse_date(text).ok_or_else(|| format!("its Release file has an unreadable date `{text}`"));
        Ok(Self {
            version: owned("Version").filter(|version| sinter_graph::lock::is_version(version)),
            date: date(paragraph.get("Date").ok_or("its Release file has no date")?)?,
            valid_until: owned("Valid-Until").map(|text| date(&text).map(|seconds| (text, seconds))).transpose()?,
            names: [owned("Codename"), owned("Suite")],
            by_hash: paragraph.get("Acquire-By-Hash") == Some("yes"),
            files: listed_files(paragraph.get("SHA256").ok_or("its Release file lists no SHA256")?)?,
        })
    }

    /// Whether the release is of the suite that was asked for, by code name or by suite name.
    pub(super) fn is_of(&self, suite: &str) -> bool {
        self.names.iter().flatten().any(|name| name == suite)
    }

    /// What the release calls itself.
    pub(super) fn shown_names(&self) -> String {
        self.names.iter().flatten().map(String::as_str).collect::<Vec<_>>().join(" or ")
    }

    /// The package index of an architecture, in the best form there is.
    pub(super) fn index(&self, architecture: &str) -> Option<&ListedFile> {
        FORMS.iter().find_map(|form| {
            let path = format!("{COMPONENT}/binary-{architecture}/{form}");
            self.files.iter().find(|file| file.path == path)
        })
    }

    /// Where to ask for a listed file, below the suite's directory.
    pub(super) fn place(&self, file: &ListedFile) -> String {
        match file.path.rsplit_once('/').filter(|_| self.by_hash) {
            Some((directory, _)) => format!("{directory}/by-hash/SHA256/{}", file.digest.hex()),
            None => file.path.clone(),
        }
    }
}

fn listed_files(text: &str) -> Result<Vec<ListedFile>, String> {
    let lines = text.lines().map(str::trim).filter(|line| !line.is_empty());
    let parsed = lines.map(|line| {
        let words: Vec<&str> = line.split_whitespace().collect();
        let [hex, size, path] = words[..] else { return None };
        let digest = format!("sha256:{hex}").parse().ok()?;
        Some(ListedFile { digest, size: size.parse().ok()?, path: path.to_owned() })
    });
    parsed.collect::<Option<_>>().ok_or_else(|| "its Release file has a malformed list of files".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(extra: &str) -> String {
        let hex = BlobDigest::of(b"index").hex();
        format!(
            "Suite: stable\nCodename: bookworm\nVersion: 12.11\nDate: Sat, 17 May 2025 09:12:50 UTC\n{extra}SHA256:\n \
             {hex} 7 main/binary-amd64/Packages.gz\n {hex}  5 main/binary-amd64/Packages\n"
        )
    }

    #[test]
    fn release_says_what_it_vouches_for() {
        let release = Release::parse(&text("Acquire-By-Hash: yes\nValid-Until: Sun, 18 May 2025 09:12:50 UTC\n"))
            .expect("a release");
        assert!(release.is_of("bookworm") && release.is_of("stable") && !release.is_of("trixie"));
        assert_eq!(release.valid_until.as_ref().map(|until| until.1 - release.date), Some(86_400));
        let index = release.index("amd64").expect("an index");
        assert_eq!(index.size, 7);
        assert!(release.place(index).starts_with("main/binary-amd64/by-hash/SHA256/"));
        assert_eq!(release.index("arm64"), None);
        let plain = Release::parse(&text("")).expect("a release");
        assert_eq!(plain.place(index), "main/binary-amd64/Packages.gz");
    }

    #[test]
    fn malformed_releases_are_refused() {
        for (from, to) in [("Date: ", "Dote: "), ("2025", "x"), (" 7 ", " seven "), ("SHA256", "MD5Sum")] {
            assert!(Release::parse(&text("").replacen(from, to, 1)).is_err(), "{to}");
        }
        assert!(Release::parse("").is_err());
    }
}
