//! The command line: each flag's name, help and parsing in one place.

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand, ValueEnum};

/// Builds OCI images from `.build` files: hermetic, pinned, the same bytes everywhere.
#[derive(Debug, Parser)]
#[command(name = "sinter", version, propagate_version = true, disable_help_subcommand = true, max_term_width = 100)]
pub(crate) struct Arguments {
    #[command(subcommand)]
    pub(crate) command: Command,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Build targets and write them where -o says
    Build(Build),
    /// Build one target and push its image under all the given references
    Push(Push),
    /// Check a file: syntax, names, types, patterns, without running anything
    Check(Check),
    /// Add missing pins to sinter.lock
    Lock(Lock),
    /// Replace pins by what their origin offers now
    Update(Update),
    /// Explain a diagnostic code
    Explain {
        /// For instance E0201; without it, all codes are listed
        code: Option<String>,
    },
    /// Look after the store, and make keys for caches
    #[command(subcommand)]
    Cache(Cache),
    /// Run one script in one sandbox; for sinter's own use
    #[command(hide = true)]
    Runner,
}

/// What is done to the store, or for caches.
#[derive(Debug, Subcommand)]
pub(crate) enum Cache {
    /// Make a pair of keys: FILE is the secret one, which signs results; the public one is printed
    Keygen {
        /// Where the secret key is written
        file: PathBuf,
    },
    /// Delete the whole store, of whatever layout; results are made again
    Clear {
        /// The store; default: SINTER_STORE, else sinter in the XDG cache directory
        #[arg(long, value_name = "DIR")]
        store: Option<PathBuf>,
    },
}

/// Which file and targets are meant.
#[derive(Debug, Args)]
pub(crate) struct Selection {
    /// FILE (the argument that ends in .build; default: the only one here, or default.build), then targets
    #[arg(value_name = "FILE|TARGET")]
    pub(crate) words: Vec<String>,
    /// Set a `param` of the file
    #[arg(long = "set", value_name = "NAME=VALUE", value_parser = pair)]
    pub(crate) parameters: Vec<(String, String)>,
}

/// Where things are kept and come from.
#[derive(Debug, Args)]
pub(crate) struct Resources {
    /// Open no socket
    #[arg(long)]
    pub(crate) offline: bool,
    /// Where packages come from, for instance debian=URL; default: SINTER_MIRROR_DEBIAN, else this machine's apt configuration
    #[arg(long = "mirror", value_name = "KIND=URL", value_parser = pair)]
    pub(crate) mirrors: Vec<(String, String)>,
    /// The store; default: SINTER_STORE, else sinter in the XDG cache directory
    #[arg(long, value_name = "DIR")]
    pub(crate) store: Option<PathBuf>,
}

#[derive(Debug, Args)]
pub(crate) struct Build {
    #[command(flatten)]
    pub(crate) selection: Selection,
    /// Write the result: oci:DIR, oci-archive:FILE, docker-archive:FILE, docker://REF or dir:DIR; {target} becomes the target's name
    #[arg(short = 'o', long = "output", value_name = "DEST")]
    pub(crate) outputs: Vec<String>,
    #[command(flatten)]
    pub(crate) options: BuildOptions,
}

#[derive(Debug, Args)]
pub(crate) struct Push {
    /// FILE (the argument that ends in .build), then one target, then the references to push it to
    #[arg(value_name = "FILE|TARGET|REF", required = true)]
    pub(crate) words: Vec<String>,
    /// Set a `param` of the file
    #[arg(long = "set", value_name = "NAME=VALUE", value_parser = pair)]
    pub(crate) parameters: Vec<(String, String)>,
    #[command(flatten)]
    pub(crate) options: BuildOptions,
}

/// How a build runs.
#[derive(Debug, Args)]
pub(crate) struct BuildOptions {
    /// Never write sinter.lock; a missing pin is an error (implied by CI=true)
    #[arg(long)]
    pub(crate) locked: bool,
    /// How many steps run at once; default: four for each processor, which they share
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..))]
    pub(crate) jobs: Option<u16>,
    /// How progress is shown
    #[arg(long, value_name = "HOW", default_value = "auto")]
    pub(crate) progress: ProgressStyle,
    #[command(flatten)]
    pub(crate) caches: CacheOptions,
    #[command(flatten)]
    pub(crate) resources: Resources,
}

#[derive(Debug, Args)]
pub(crate) struct CacheOptions {
    /// Look up results in this repository of a registry (several, in order); default: SINTER_CACHE, else where images are pushed to
    #[arg(long = "cache", value_name = "REF")]
    pub(crate) caches: Vec<String>,
    /// Publish results to the first cache
    #[arg(long)]
    pub(crate) cache_write: bool,
}

#[derive(Debug, Args)]
pub(crate) struct Check {
    #[command(flatten)]
    pub(crate) selection: Selection,
}

#[derive(Debug, Args)]
pub(crate) struct Lock {
    #[command(flatten)]
    pub(crate) selection: Selection,
    /// Write nothing; exit with 3 if the lock would change
    #[arg(long)]
    pub(crate) check: bool,
    #[command(flatten)]
    pub(crate) resources: Resources,
}

#[derive(Debug, Args)]
pub(crate) struct Update {
    /// FILE (the argument that ends in .build), then names of inputs; default: all
    #[arg(value_name = "FILE|NAME")]
    pub(crate) words: Vec<String>,
    /// Write nothing, only show what would change
    #[arg(long)]
    pub(crate) dry_run: bool,
    #[command(flatten)]
    pub(crate) resources: Resources,
}

/// How progress is shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum ProgressStyle {
    /// Live on a terminal, else plain
    Auto,
    /// One line for each event
    Plain,
    /// Nothing but errors
    Quiet,
}

fn pair(text: &str) -> Result<(String, String), String> {
    match text.split_once('=') {
        Some((name, value)) if !name.is_empty() => Ok((name.to_owned(), value.to_owned())),
        _ => Err("expected NAME=VALUE".to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::CommandFactory as _;

    #[test]
    fn definition_is_consistent() {
        Arguments::command().debug_assert();
    }

    #[test]
    fn pairs_need_a_name() {
        assert_eq!(pair("a=b=c"), Ok(("a".to_owned(), "b=c".to_owned())));
        assert_eq!(pair("a="), Ok(("a".to_owned(), String::new())));
        assert!(pair("=b").is_err() && pair("a").is_err());
    }
}
