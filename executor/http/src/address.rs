//! Addresses: what a `Location` means, which two reach the same server, and how they are shown.
//!
//! Rules: addresses come from strangers and decide whom credentials reach. Doubtful ones are refused rather than understood:
//! browsers, curl and the URI grammar disagree about user names, backslashes and control characters in them.

use std::net::IpAddr;

use ureq::http::Uri;

use crate::error::FetchError;

/// No server needs a longer one.
const LONGEST: usize = 16 << 10;

/// An address for messages: without credentials, and without a query, which may be a signature.
pub(crate) fn shown(url: &str) -> String {
    let (address, _) = url.split_once('?').unwrap_or((url, ""));
    let Some((scheme, rest)) = address.split_once("://") else { return address.to_owned() };
    let (authority, path) = rest.split_once('/').map_or((rest, ""), |(authority, path)| (authority, path));
    let host = authority.rsplit_once('@').map_or(authority, |(_, host)| host);
    format!("{scheme}://{host}/{path}")
}

/// Scheme, host and port.
fn origin(url: &str) -> Option<(String, String, u16)> {
    let uri: Uri = url.parse().ok()?;
    let scheme = uri.scheme_str()?.to_ascii_lowercase();
    let host = uri.host().filter(|host| !host.is_empty())?.to_ascii_lowercase();
    // `http` takes anything for a port.
    let said = uri.authority()?.as_str().rsplit('@').next()?.get(host.len()..)?;
    let port = match said.strip_prefix(':') {
        Some(port) => port.parse().ok()?,
        None => {
            if scheme == "https" {
                443
            } else {
                80
            }
        }
    };
    Some((scheme, host, port))
}

/// Whether two addresses have one scheme, host and port, so that what is secret for the one may go to the other.
#[must_use]
pub fn same_origin(one: &str, other: &str) -> bool {
    origin(one).is_some_and(|one| Some(one) == origin(other))
}

/// The address that a server at `base` means by `location` (RFC 3986, section 5.2, as far as servers use it).
///
/// # Errors
/// If it is no address of HTTP, if it is a doubtful one, or if it leads from https to http but on this machine.
pub fn resolve(base: &str, location: &str) -> Result<String, FetchError> {
    let joined = join(base, location);
    let (from, to) = (origin(base), origin(&joined));
    let Some((scheme, host, _)) = to.filter(|_| is_plain(&joined)) else {
        return Err(refused(base, "it sends us to something that is no address, or a doubtful one".to_owned()));
    };
    let downgrade = from.is_some_and(|(scheme, ..)| scheme == "https") && scheme == "http" && !is_this_machine(&host);
    if downgrade || !matches!(scheme.as_str(), "http" | "https") {
        return Err(refused(base, format!("it sends us to {}, which is not followed", shown(&joined))));
    }
    // What follows the hash is for browsers.
    let end = joined.find('#').unwrap_or(joined.len());
    Ok(joined[..end].to_owned())
}

fn refused(base: &str, reason: String) -> FetchError {
    FetchError::Transport { url: shown(base), reason, is_final: true }
}

fn is_plain(url: &str) -> bool {
    let authority = url.split_once("://").map_or("", |(_, rest)| rest).split(['/', '?', '#']).next();
    let has_user = authority.is_some_and(|authority| authority.contains('@'));
    !has_user && url.len() <= LONGEST && url.bytes().all(|byte| byte.is_ascii_graphic() && byte != b'\\')
}

fn join(base: &str, location: &str) -> String {
    let is_scheme = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_alphanumeric());
    if location.split_once("://").is_some_and(|(scheme, _)| is_scheme(scheme)) {
        return location.to_owned();
    }
    let Some((scheme, rest)) = base.split_once("://") else { return location.to_owned() };
    if let Some(authority) = location.strip_prefix("//") {
        return format!("{scheme}://{authority}");
    }
    let (authority, path) = rest.split_once('/').unwrap_or((rest, ""));
    if location.starts_with('/') {
        return format!("{scheme}://{authority}{location}");
    }
    let path = path.split_once('?').map_or(path, |(path, _)| path);
    if location.starts_with('?') {
        return format!("{scheme}://{authority}/{path}{location}");
    }
    let directory = path.rsplit_once('/').map_or("", |(directory, _)| directory);
    let slash = if directory.is_empty() { "" } else { "/" };
    format!("{scheme}://{authority}/{directory}{slash}{location}")
}

fn is_this_machine(host: &str) -> bool {
    let bare = host.trim_start_matches('[').trim_end_matches(']');
    bare == "localhost" || bare.parse().is_ok_and(|address: IpAddr| address.is_loopback())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn locations_are_joined_to_their_base() {
        let base = "http://localhost:5000/v2/a/blobs/uploads/?x=1";
        for (location, expected) in [
            ("https://other/x?y", "https://other/x?y"),
            ("//other/x", "http://other/x"),
            ("/v2/b?c=d", "http://localhost:5000/v2/b?c=d"),
            ("x", "http://localhost:5000/v2/a/blobs/uploads/x"),
            ("?y=2", "http://localhost:5000/v2/a/blobs/uploads/?y=2"),
            ("/up?next=http://c.example/", "http://localhost:5000/up?next=http://c.example/"),
            ("/x?y=a%2Fb#z", "http://localhost:5000/x?y=a%2Fb"),
            ("HTTPS://Other/x", "HTTPS://Other/x"),
        ] {
            assert_eq!(resolve(base, location).expect(location), expected);
        }
        assert!(resolve("https://a/", "http://127.0.0.1:1/").is_ok());
        assert!(resolve("https://a/", "HTTP://127.0.0.1:1/").is_ok());
    }

    #[test]
    fn doubtful_addresses_are_refused() {
        for location in [
            "http://b/",
            "HTTP://b/",
            "http://127.0.0.1.example/",
            "//user@b/",
            "ftp://b/",
            "file:///etc/passwd",
            "javascript://x",
            "https://",
            "https:///x",
            "https://user@b/",
            "https://user:secret@b/",
            "https://a@b/",
            "https://a\\@b/",
            "https://a\\.b/",
            "/\\b/x",
            "\\\\b\\x",
            "https://b:port/",
            "https://b:1:2/",
            "https://b /",
            "/a b",
            "/a\tb",
            "/a\r\nAuthorization: x",
            "https://\u{e4}/",
        ] {
            let error = resolve("https://a/v2/", location).expect_err(location).to_string();
            assert!(error.contains("https://a/v2/ cannot be read: it sends us to "), "{error}");
            assert!(!error.contains("secret"), "{error}");
        }
        assert!(resolve("https://a/", &format!("/{}", "x".repeat(LONGEST))).is_err());
    }

    #[test]
    fn one_server_has_one_scheme_host_and_port() {
        for (one, other, expected) in [
            ("https://a/x", "https://A:443/y?z", true),
            ("HTTPS://a/x", "https://a", true),
            ("http://a/", "http://a:80/", true),
            ("http://a/", "https://a/", false),
            ("http://a:443/", "https://a/", false),
            ("http://a:1/", "http://a:2/", false),
            ("http://a/", "http://a.b/", false),
            ("http://a/", "http://b@a.b/", false),
            ("nothing", "nothing", false),
            ("http://", "http://", false),
        ] {
            assert_eq!(same_origin(one, other), expected, "{one} {other}");
        }
    }

    #[test]
    fn addresses_are_shown_without_secrets() {
        for (url, expected) in [
            ("https://user:secret@host:1/a/b?token=x", "https://host:1/a/b"),
            ("http://host", "http://host/"),
            ("nothing", "nothing"),
        ] {
            assert_eq!(shown(url), expected);
        }
    }
}
