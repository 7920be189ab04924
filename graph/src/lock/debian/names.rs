//! What Debian's names, versions and paths may look like.

/// Whether `name` may name a binary package: lower-case letters, digits, `+ - .`, at least two characters, the first
/// a letter or digit (Debian Policy 5.6.1).
#[must_use]
pub fn is_package_name(name: &str) -> bool {
    let bytes = name.as_bytes();
    (2..=128).contains(&bytes.len())
        && (bytes[0].is_ascii_lowercase() || bytes[0].is_ascii_digit())
        && bytes.iter().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || b"+-.".contains(byte))
}

/// Whether `version` consists of the characters a version may have (Debian Policy 5.6.12).
#[must_use]
pub fn is_version(version: &str) -> bool {
    let allowed = |byte: u8| byte.is_ascii_alphanumeric() || b".+-:~".contains(&byte);
    (1..=256).contains(&version.len()) && version.bytes().all(allowed)
}

/// Whether `name` may name a suite: letters, digits, `- . _`, starting with a letter or digit.
#[must_use]
pub fn is_suite_name(name: &str) -> bool {
    let bytes = name.as_bytes();
    (1..=128).contains(&bytes.len())
        && bytes[0].is_ascii_alphanumeric()
        && bytes.iter().all(|byte| byte.is_ascii_alphanumeric() || b"-._".contains(byte))
}

/// Whether `name` may name an architecture: lower-case letters, digits, `-` (Debian Policy 11.1).
#[must_use]
pub fn is_architecture(name: &str) -> bool {
    (1..=64).contains(&name.len())
        && name.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-')
}

/// Whether `path` is a place in a mirror's pool: below `pool/`, no empty, `.` or `..` component, only characters that
/// mean themselves in a URL path.
#[must_use]
pub fn is_pool_path(path: &str) -> bool {
    let allowed = |byte: u8| byte.is_ascii_alphanumeric() || b"/+-._~:%=@,^()".contains(&byte);
    path.len() <= 1024
        && path.starts_with("pool/")
        && path.bytes().all(allowed)
        && crate::path::TreePath::new(path).is_ok()
        && !path.to_ascii_lowercase().contains("%2")
}
