//! Where packages come from and whose signatures count: from the command line, the environment, or apt's configuration.
//!
//! Rules: no address is built in. An explicit address beats apt's configuration. Of apt's sources only those count whose
//! path ends in `/debian` or `/debian-security`.
//! Must not know: what is on a mirror.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::path::{Path, PathBuf};

use super::deb822::Paragraphs;
use super::error::MirrorError;

/// The archive of security updates.
pub const SECURITY_ARCHIVE: &str = "debian-security";

/// What the user and the machine say about mirrors.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MirrorSettings {
    /// Address of the main archive, if said explicitly.
    pub debian: Option<String>,
    /// Address of the security archive, if said explicitly.
    pub security: Option<String>,
    /// The keyring, if said explicitly.
    pub keyring: Option<PathBuf>,
    /// Directory of apt's configuration.
    pub apt_directory: PathBuf,
    /// Directory of the machine's keyrings.
    pub keyring_directory: PathBuf,
}

/// Whose signatures count.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Keyring {
    /// The keys in these files.
    Files(Vec<PathBuf>),
    /// The keys in this armored text, which stands in apt's configuration file of this path.
    Inline {
        /// The armored keys.
        armored: String,
        /// Where they stand.
        file: PathBuf,
    },
}

/// One mirror of one archive.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ArchiveMirror {
    /// `debian` or `debian-security`.
    pub archive: String,
    /// Address of the directory that holds `dists` and `pool`, without a slash at the end.
    pub url: String,
    /// The suites it is configured for; none means any.
    pub suites: Vec<String>,
    /// Whose signatures count for it.
    pub keyring: Keyring,
    /// Whether nobody said that it exists: it stands beside the main archive on many mirrors.
    pub presumed: bool,
}

/// The mirrors that may be asked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MirrorConfig {
    /// In order of preference.
    pub mirrors: Vec<ArchiveMirror>,
}

impl MirrorSettings {
    /// Settings of this machine: `flags` are the `--mirror KIND=URL` of the command line, which beat `variable`, the
    /// look-up of an environment variable.
    #[must_use]
    pub fn of_machine(flags: &BTreeMap<String, String>, variable: impl Fn(&str) -> Option<OsString>) -> Self {
        let text = |name: &str| variable(name).and_then(|value| value.into_string().ok()).filter(|v| !v.is_empty());
        let address = |kind: &str, name: &str| flags.get(kind).cloned().or_else(|| text(name));
        Self {
            debian: address("debian", "SINTER_MIRROR_DEBIAN"),
            security: address(SECURITY_ARCHIVE, "SINTER_MIRROR_DEBIAN_SECURITY"),
            keyring: variable("SINTER_KEYRING_DEBIAN").filter(|value| !value.is_empty()).map(PathBuf::from),
            apt_directory: PathBuf::from("/etc/apt"),
            keyring_directory: PathBuf::from("/usr/share/keyrings"),
        }
    }
}

impl MirrorConfig {
    /// Settles which mirrors may be asked. Reads apt's configuration only where nothing explicit is said.
    ///
    /// # Errors
    /// If there is no mirror of the main archive, an address cannot be used, or no keyring is found.
    pub fn settle(settings: &MirrorSettings) -> Result<Self, MirrorError> {
        let mut mirrors = Vec::new();
        match &settings.debian {
            Some(url) => {
                let url = address(url)?;
                let sibling = url.strip_suffix("/debian").map(|base| format!("{base}/{SECURITY_ARCHIVE}"));
                mirrors.push(explicit(settings, sinter_graph::lock::MAIN_ARCHIVE, url)?);
                if let (None, Some(sibling)) = (&settings.security, sibling) {
                    mirrors.push(ArchiveMirror { presumed: true, ..explicit(settings, SECURITY_ARCHIVE, sibling)? });
                }
            }
            None => mirrors = from_apt(settings)?,
        }
        if let Some(url) = &settings.security {
            mirrors.retain(|mirror| mirror.archive != SECURITY_ARCHIVE);
            mirrors.push(explicit(settings, SECURITY_ARCHIVE, address(url)?)?);
        }
        if mirrors.iter().any(|mirror| mirror.archive == sinter_graph::lock::MAIN_ARCHIVE) {
            return Ok(Self { mirrors });
        }
        Err(MirrorError::Unknown { apt_directory: settings.apt_directory.clone() })
    }

    /// The mirrors of an archive, those configured for the suite first.
    #[must_use]
    pub fn of(&self, archive: &str, suite: &str) -> Vec<&ArchiveMirror> {
        let names = |mirror: &ArchiveMirror| {
            mirror.suites.is_empty() || mirror.suites.iter().any(|configured| configured == suite)
        };
        let mut mirrors: Vec<&ArchiveMirror> = self.mirrors.iter().filter(|mirror| mirror.archive == archive).collect();
        mirrors.sort_by_key(|mirror| !names(mirror));
        mirrors
    }
}

fn explicit(settings: &MirrorSettings, archive: &str, url: String) -> Result<ArchiveMirror, MirrorError> {
    let keyring = default_keyring(settings)?;
    Ok(ArchiveMirror { archive: archive.to_owned(), url, suites: vec![], keyring, presumed: false })
}

fn address(url: &str) -> Result<String, MirrorError> {
    let host = url.strip_prefix("http://").or_else(|| url.strip_prefix("https://")).unwrap_or_default();
    let printable = url.bytes().all(|byte| byte.is_ascii_graphic() && !b"\"<>\\^`{|}?#".contains(&byte));
    if !printable || host.is_empty() || host.starts_with('/') {
        return Err(MirrorError::Address { url: url.to_owned() });
    }
    Ok(url.trim_end_matches('/').to_owned())
}

fn default_keyring(settings: &MirrorSettings) -> Result<Keyring, MirrorError> {
    if let Some(file) = &settings.keyring {
        return Ok(Keyring::Files(vec![file.clone()]));
    }
    let names = ["debian-archive-keyring.gpg", "debian-archive-keyring.pgp"];
    let found = names.iter().map(|name| settings.keyring_directory.join(name)).find(|file| file.is_file());
    found
        .map(|file| Keyring::Files(vec![file]))
        .ok_or_else(|| MirrorError::NoKeyring { looked_in: settings.keyring_directory.clone() })
}

/// One source of apt's configuration.
#[derive(Debug, PartialEq, Eq)]
struct AptSource {
    uri: String,
    suites: Vec<String>,
    signed_by: Option<Keyring>,
}

fn from_apt(settings: &MirrorSettings) -> Result<Vec<ArchiveMirror>, MirrorError> {
    let mut mirrors: Vec<ArchiveMirror> = Vec::new();
    for source in apt_sources(&settings.apt_directory) {
        let Ok(url) = address(&source.uri) else { continue };
        let Some(archive) = url.rsplit('/').next().filter(|last| ["debian", SECURITY_ARCHIVE].contains(last)) else {
            continue;
        };
        let archive = archive.to_owned();
        let keyring = match (&settings.keyring, source.signed_by) {
            (None, Some(keyring)) => keyring,
            _ => default_keyring(settings)?,
        };
        let same = |mirror: &&mut ArchiveMirror| mirror.url == url && mirror.keyring == keyring;
        match mirrors.iter_mut().find(same) {
            Some(mirror) => mirror.suites.extend(source.suites),
            None => mirrors.push(ArchiveMirror { archive, url, suites: source.suites, keyring, presumed: false }),
        }
    }
    Ok(mirrors)
}

/// The sources apt would read (sources.list(5)), in its order. What cannot be read is skipped, as it says nothing.
fn apt_sources(directory: &Path) -> Vec<AptSource> {
    let mut files: Vec<PathBuf> = std::fs::read_dir(directory.join("sources.list.d"))
        .map(|entries| entries.filter_map(Result::ok).map(|entry| entry.path()).collect())
        .unwrap_or_default();
    files.sort();
    files.insert(0, directory.join("sources.list"));
    let mut sources = Vec::new();
    for file in files {
        let Ok(text) = std::fs::read_to_string(&file) else { continue };
        match file.extension().and_then(|extension| extension.to_str()) {
            Some("list") => sources.extend(text.lines().filter_map(one_line_source)),
            Some("sources") => sources.extend(deb822_sources(&text, &file)),
            _ => {}
        }
    }
    sources
}

/// `deb [ option=value ... ] uri suite component ...`
fn one_line_source(line: &str) -> Option<AptSource> {
    let rest = line.split('#').next()?.trim().strip_prefix("deb")?;
    let rest = rest.strip_prefix([' ', '\t'])?.trim_start();
    let (options, rest) = match rest.strip_prefix('[') {
        Some(bracket) => bracket.split_once(']')?,
        None => ("", rest),
    };
    let mut words = rest.split_whitespace();
    let (uri, suite) = (words.next()?, words.next()?);
    let signed_by = options.split_whitespace().find_map(|option| option.strip_prefix("signed-by="));
    let signed_by = signed_by.and_then(|files| keyring_files(files.split(',')));
    Some(AptSource { uri: uri.to_owned(), suites: vec![suite.to_owned()], signed_by })
}

fn deb822_sources(text: &str, file: &Path) -> Vec<AptSource> {
    let text: String = text.lines().filter(|line| !line.starts_with('#')).flat_map(|line| [line, "\n"]).collect();
    let mut sources = Vec::new();
    for paragraph in Paragraphs::new(&text).map_while(Result::ok) {
        let disabled = paragraph.get("Enabled").is_some_and(|word| ["no", "false", "0", "off"].contains(&word));
        if disabled || !paragraph.words("Types").any(|word| word == "deb") {
            continue;
        }
        let signed_by = paragraph.get("Signed-By").and_then(|value| {
            if value.contains("-----BEGIN") {
                return Some(Keyring::Inline { armored: unfold(value), file: file.to_owned() });
            }
            keyring_files(value.split([',', ' ', '\n']))
        });
        let suites: Vec<String> = paragraph.words("Suites").map(str::to_owned).collect();
        sources.extend(paragraph.words("URIs").map(|uri| AptSource {
            uri: uri.to_owned(),
            suites: suites.clone(),
            signed_by: signed_by.clone(),
        }));
    }
    sources
}

/// Fingerprints are skipped: they only narrow what a keyring says.
fn keyring_files<'a>(words: impl Iterator<Item = &'a str>) -> Option<Keyring> {
    let files: Vec<PathBuf> = words.map(str::trim).filter(|word| word.starts_with('/')).map(PathBuf::from).collect();
    if files.is_empty() { None } else { Some(Keyring::Files(files)) }
}

/// The lines of a folded field; a single dot stands for an empty line (deb822(5)).
fn unfold(value: &str) -> String {
    value.lines().map(str::trim).flat_map(|line| [if line == "." { "" } else { line }, "\n"]).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn settings(directory: &Path) -> MirrorSettings {
        std::fs::create_dir_all(directory.join("apt/sources.list.d")).expect("a directory");
        std::fs::write(directory.join("debian-archive-keyring.gpg"), b"").expect("a file");
        MirrorSettings {
            debian: None,
            security: None,
            keyring: None,
            apt_directory: directory.join("apt"),
            keyring_directory: directory.to_owned(),
        }
    }

    fn shown(config: &MirrorConfig) -> Vec<String> {
        let text = |mirror: &ArchiveMirror| format!("{} {} {:?}", mirror.archive, mirror.url, mirror.suites);
        config.mirrors.iter().map(text).collect()
    }

    #[test]
    fn apt_configuration_of_both_forms_is_read() {
        let directory = tempfile::tempdir().expect("a directory");
        let settings = settings(directory.path());
        let apt = &settings.apt_directory;
        let list = "# deb http://no.test/debian x main\ndeb [arch=amd64 signed-by=/k.gpg] http://a.test/debian/ old main # c\n\
                    deb-src http://b.test/debian x main\ndeb http://c.test/ubuntu x main\ndeb cdrom:[x]/ y main\n";
        std::fs::write(apt.join("sources.list"), list).expect("a file");
        let sources = "Types: deb deb-src\nURIs: https://d.test/debian\nSuites: bookworm bookworm-updates\n# note\n\
                       Components: main\nSigned-By:\n -----BEGIN PGP PUBLIC KEY BLOCK-----\n .\n abc\n\n\
                       Types: deb\nURIs: https://e.test/x/debian-security\nSuites: bookworm-security\n\n\
                       Enabled: no\nTypes: deb\nURIs: https://f.test/debian\nSuites: sid\n";
        std::fs::write(apt.join("sources.list.d/d.sources"), sources).expect("a file");
        std::fs::write(apt.join("sources.list.d/d.disabled"), sources).expect("a file");
        let config = MirrorConfig::settle(&settings).expect("mirrors");
        assert_eq!(
            shown(&config),
            [
                "debian http://a.test/debian [\"old\"]",
                "debian https://d.test/debian [\"bookworm\", \"bookworm-updates\"]",
                "debian-security https://e.test/x/debian-security [\"bookworm-security\"]",
            ]
        );
        assert_eq!(config.mirrors[0].keyring, Keyring::Files(vec!["/k.gpg".into()]));
        let Keyring::Inline { armored, .. } = &config.mirrors[1].keyring else { panic!("an inline keyring") };
        assert_eq!(armored.trim(), "-----BEGIN PGP PUBLIC KEY BLOCK-----\n\nabc");
        let order: Vec<&str> = config.of("debian", "bookworm").iter().map(|mirror| mirror.url.as_str()).collect();
        assert_eq!(order, ["https://d.test/debian", "http://a.test/debian"]);
    }

    #[test]
    fn explicit_addresses_beat_apt() {
        let directory = tempfile::tempdir().expect("a directory");
        let mut settings = settings(directory.path());
        std::fs::write(settings.apt_directory.join("sources.list"), "deb http://a.test/debian x main").expect("a file");
        settings.security = Some("http://s.test/security/".to_owned());
        let config = MirrorConfig::settle(&settings).expect("mirrors");
        assert_eq!(
            shown(&config),
            ["debian http://a.test/debian [\"x\"]", "debian-security http://s.test/security []"]
        );
        settings.debian = Some("http://m.test/debian/".to_owned());
        settings.security = None;
        let config = MirrorConfig::settle(&settings).expect("mirrors");
        assert_eq!(
            shown(&config),
            ["debian http://m.test/debian []", "debian-security http://m.test/debian-security []"]
        );
        assert_eq!(config.mirrors.iter().map(|mirror| mirror.presumed).collect::<Vec<_>>(), [false, true]);
    }

    #[test]
    fn missing_parts_are_named() {
        let directory = tempfile::tempdir().expect("a directory");
        let mut settings = settings(directory.path());
        assert!(matches!(MirrorConfig::settle(&settings), Err(MirrorError::Unknown { .. })));
        for bad in ["ftp://a.test/debian", "http://", "http:///x", "http://a b/debian", "a.test/debian", "http://a/?q"]
        {
            settings.debian = Some(bad.to_owned());
            assert!(matches!(MirrorConfig::settle(&settings), Err(MirrorError::Address { .. })), "{bad}");
        }
        settings.debian = Some("http://a.test/debian".to_owned());
        settings.keyring_directory = directory.path().join("none");
        let error = MirrorConfig::settle(&settings).expect_err("no keyring").to_string();
        assert!(error.contains("install the package debian-archive-keyring"), "{error}");
    }

    #[test]
    fn flags_beat_variables() {
        let flags = BTreeMap::from([("debian".to_owned(), "http://flag.test/debian".to_owned())]);
        let variable = |name: &str| Some(OsString::from(format!("http://{}.test", name.to_lowercase())));
        let settings = MirrorSettings::of_machine(&flags, variable);
        assert_eq!(settings.debian.as_deref(), Some("http://flag.test/debian"));
        assert_eq!(settings.security.as_deref(), Some("http://sinter_mirror_debian_security.test"));
        assert!(settings.keyring.is_some());
        assert_eq!(MirrorSettings::of_machine(&BTreeMap::new(), |_| Some(OsString::new())).debian, None);
    }
}
