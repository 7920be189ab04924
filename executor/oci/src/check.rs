//! Tells, before an image is written, that it could not start: a program that is not there, a user without an entry in
//! passwd, a variable no process can have.
//!
//! Pure: the tree is seen through closures. What the tree says about a path must follow symbolic links inside the tree,
//! as a container would.

use sinter_graph::ErrorClass;
use sinter_graph::config::Configuration;

/// What stands at a path of the image's tree, symbolic links followed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Found {
    /// Nothing, or a link that leads nowhere.
    Missing,
    /// A regular file that somebody may execute.
    Executable,
    /// A regular file that nobody may execute.
    NotExecutable,
    /// A directory, a device or another thing that is no program.
    NotAFile,
}

/// Why an image could not start.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum AssemblyProblem {
    /// The program is an empty word.
    #[error("the first word of `{field}` is empty: it must name a program")]
    EmptyProgram {
        /// The field of the image.
        field: &'static str,
    },
    /// No directory of PATH holds the program, or there is nothing at the path it gives.
    #[error("`{field}` starts `{program}`, which is not in the image (looked at {}): add the package or file that has it, or name its full path", looked_at.join(", "))]
    ProgramNotFound {
        /// The field of the image.
        field: &'static str,
        /// The program as the field names it.
        program: String,
        /// Absolute paths at which nothing was found.
        looked_at: Vec<String>,
    },
    /// There is something, but nobody may execute it.
    #[error("`{field}` starts `{program}`, but {path} is not executable: place it with `mode = \"755\"`")]
    ProgramNotExecutable {
        /// The field of the image.
        field: &'static str,
        /// The program as the field names it.
        program: String,
        /// The absolute path of the file.
        path: String,
    },
    /// There is something, but it is no file.
    #[error("`{field}` starts `{program}`, but {path} is a directory or a device, not a program")]
    ProgramNotAFile {
        /// The field of the image.
        field: &'static str,
        /// The program as the field names it.
        program: String,
        /// The absolute path.
        path: String,
    },
    /// The user has no line in passwd.
    #[error("user `{user}` is not in /etc/passwd of the image: add the user in a step, or give a number")]
    UnknownUser {
        /// The name.
        user: String,
    },
    /// The group has no line in group.
    #[error("group `{group}` is not in /etc/group of the image: add the group in a step, or give a number")]
    UnknownGroup {
        /// The name.
        group: String,
    },
    /// The name or value of a variable cannot stand in a process environment.
    #[error(
        "`env` has the variable `{name}`, which no process can have: a name is not empty and has no `=`, and neither \
         name nor value has a NUL"
    )]
    InvalidVariable {
        /// The name, made printable.
        name: String,
    },
}

impl AssemblyProblem {
    /// Whose fault it is: always the user's.
    #[must_use]
    pub const fn class(&self) -> ErrorClass {
        ErrorClass::User
    }

    /// The field of the image that is at fault.
    #[must_use]
    pub const fn field(&self) -> &'static str {
        match self {
            Self::EmptyProgram { field }
            | Self::ProgramNotFound { field, .. }
            | Self::ProgramNotExecutable { field, .. }
            | Self::ProgramNotAFile { field, .. } => field,
            Self::UnknownUser { .. } | Self::UnknownGroup { .. } => "user",
            Self::InvalidVariable { .. } => "env",
        }
    }
}

/// Takes a configuration, what stands at an absolute path of the tree, and the bytes of a file of the tree by absolute
/// path (`None` if there is none; asked for `/etc/passwd` and `/etc/group` only, and only if a name must be found).
/// Gives everything that would keep the image from starting; empty if it can.
///
/// An image with neither entrypoint nor cmd has no program to look for: it is a base for others.
#[must_use]
pub fn check_configuration(
    configuration: &Configuration,
    look_up: &dyn Fn(&str) -> Found,
    read: &dyn Fn(&str) -> Option<Vec<u8>>,
) -> Vec<AssemblyProblem> {
    let mut problems = Vec::new();
    problems.extend(invalid_variables(configuration));
    let (field, words) = if configuration.entrypoint.is_empty() {
        ("cmd", &configuration.cmd)
    } else {
        ("entrypoint", &configuration.entrypoint)
    };
    problems.extend(check_program(configuration, field, words, look_up));
    if let Some(healthcheck) = &configuration.healthcheck {
        problems.extend(check_program(configuration, "healthcheck", &healthcheck.test, look_up));
    }
    problems.extend(check_user(configuration.user.as_deref().unwrap_or_default(), read));
    problems
}

fn invalid_variables(configuration: &Configuration) -> impl Iterator<Item = AssemblyProblem> {
    let invalid = |name: &str, value: &str| name.is_empty() || name.contains(['=', '\0']) || value.contains('\0');
    configuration
        .env
        .iter()
        .filter(move |(name, value)| invalid(name, value))
        .map(|(name, _)| AssemblyProblem::InvalidVariable { name: name.escape_debug().to_string() })
}

fn check_program(
    configuration: &Configuration,
    field: &'static str,
    words: &[String],
    look_up: &dyn Fn(&str) -> Found,
) -> Option<AssemblyProblem> {
    let program = words.first()?;
    if program.is_empty() {
        return Some(AssemblyProblem::EmptyProgram { field });
    }
    let candidates = candidates(configuration, program);
    let found: Vec<Found> = candidates.iter().map(|path| look_up(path)).collect();
    if found.contains(&Found::Executable) {
        return None;
    }
    let first_there = found.iter().zip(&candidates).find(|(found, _)| **found != Found::Missing);
    let program = program.clone();
    Some(match first_there {
        None => AssemblyProblem::ProgramNotFound { field, program, looked_at: candidates },
        Some((Found::NotExecutable, path)) => {
            AssemblyProblem::ProgramNotExecutable { field, program, path: path.clone() }
        }
        Some((_, path)) => AssemblyProblem::ProgramNotAFile { field, program, path: path.clone() },
    })
}

/// The absolute paths at which a runtime looks for a program: a word with a slash is a path from the working directory,
/// any other is searched on PATH.
fn candidates(configuration: &Configuration, program: &str) -> Vec<String> {
    let workdir = configuration.workdir().as_str();
    if program.contains('/') {
        return vec![absolute(workdir, program)];
    }
    configuration.path().split(':').map(|directory| absolute(&absolute(workdir, directory), program)).collect()
}

/// `path` seen from `directory`, absolute, without `.` and `..`.
fn absolute(directory: &str, path: &str) -> String {
    let base = if path.starts_with('/') { "" } else { directory };
    let mut components = Vec::new();
    for component in base.split('/').chain(path.split('/')) {
        match component {
            "" | "." => {}
            ".." => drop(components.pop()),
            name => components.push(name),
        }
    }
    format!("/{}", components.join("/"))
}

/// Checks `user`, `user:group`, with names or numbers (OCI image-spec v1.1, `config.md`, "User").
fn check_user(user: &str, read: &dyn Fn(&str) -> Option<Vec<u8>>) -> Vec<AssemblyProblem> {
    let (user, group) = user.split_once(':').unwrap_or((user, ""));
    let mut problems = Vec::new();
    if is_name(user) && !has_line(read("/etc/passwd"), user) {
        problems.push(AssemblyProblem::UnknownUser { user: user.to_owned() });
    }
    if is_name(group) && !has_line(read("/etc/group"), group) {
        problems.push(AssemblyProblem::UnknownGroup { group: group.to_owned() });
    }
    problems
}

fn is_name(text: &str) -> bool {
    !text.is_empty() && text.parse::<u32>().is_err()
}

fn has_line(file: Option<Vec<u8>>, name: &str) -> bool {
    let file = file.unwrap_or_default();
    file.split(|&byte| byte == b'\n').any(|line| line.split(|&byte| byte == b':').next() == Some(name.as_bytes()))
}

#[cfg(test)]
#[path = "check_tests.rs"]
mod tests;
