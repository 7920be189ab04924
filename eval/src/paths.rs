//! Paths as they are written in `.build` files, as text: relative ones that stay in the work tree, and places in trees.

use sinter_graph::path::AbsolutePath;

/// Why a path is not accepted.
pub(crate) type Reason = &'static str;

/// The directory of a file, both relative to the root of the work tree.
pub(crate) fn directory_of(file: &str) -> &str {
    file.rfind('/').map_or("", |slash| &file[..slash])
}

/// `path`, relative to `directory`, in normal form relative to the root.
///
/// # Errors
/// If it is empty or absolute, leaves the root, or has a NUL.
pub(crate) fn within(directory: &str, path: &str) -> Result<String, Reason> {
    if path.is_empty() {
        return Err("it is empty; this directory is `.`");
    }
    if path.starts_with('/') {
        return Err("it is absolute; paths are relative to the file they stand in");
    }
    if path.contains(['\0', '\\']) {
        return Err("it contains a NUL byte or a backslash");
    }
    let mut parts: Vec<&str> = directory.split('/').filter(|part| !part.is_empty()).collect();
    for part in path.split('/') {
        match part {
            "" | "." => {}
            ".." => drop(parts.pop().ok_or("it leaves the work tree")?),
            name => parts.push(name),
        }
    }
    Ok(parts.join("/"))
}

/// A place in a tree, relative to the working directory or absolute, in normal form; a trailing slash stays.
///
/// # Errors
/// If it is empty, contains `..` or a NUL.
pub(crate) fn place(path: &str) -> Result<String, Reason> {
    if path.is_empty() {
        return Err("it is empty");
    }
    let absolute = AbsolutePath::normalized(&format!("/{path}")).map_err(|refused| refused.reason)?;
    let normal = if path.starts_with('/') { absolute.as_str() } else { &absolute.as_str()[1..] };
    let directory = path.ends_with('/') || path.ends_with("/.") || path == ".";
    Ok(match normal {
        "/" => "/".to_owned(),
        "" => "./".to_owned(),
        normal if directory => format!("{normal}/"),
        normal => normal.to_owned(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn relative_paths_stay_in_the_root() {
        for (directory, path, expected) in [
            ("", ".", Ok("")),
            ("services", ".", Ok("services")),
            ("services/api", "../web/./src/", Ok("services/web/src")),
            ("services", "..", Ok("")),
            ("services", "../..", Err(())),
            ("", "..", Err(())),
            ("", "a/../..", Err(())),
            ("", "/etc", Err(())),
            ("", "", Err(())),
            ("", "a\0b", Err(())),
        ] {
            assert_eq!(within(directory, path).map_err(|_| ()), expected.map(str::to_owned), "{directory} {path}");
        }
    }

    #[test]
    fn places_keep_their_trailing_slash() {
        for (path, expected) in [
            ("bin/", Ok("bin/")),
            ("bin//x", Ok("bin/x")),
            ("/usr/share/", Ok("/usr/share/")),
            ("/", Ok("/")),
            (".", Ok("./")),
            ("./", Ok("./")),
            ("./x", Ok("x")),
            ("../x", Err(())),
        ] {
            assert_eq!(place(path).map_err(|_| ()), expected.map(str::to_owned), "{path}");
        }
    }
}
