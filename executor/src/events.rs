//! The one stream of events of a build. Progress, JSON output and reports are listeners; nothing else tells them.

use std::path::PathBuf;
use std::time::Duration;

use sinter_graph::derivation::NodeId;
use sinter_source::debian::Progress;
use sinter_store::Wait;

/// Something that happened.
#[derive(Debug, Clone)]
pub enum Event {
    /// The lock got new pins; one line each, for people.
    LockWritten {
        /// The lock file.
        path: PathBuf,
        /// What was added.
        added: Vec<String>,
    },
    /// Something happened to packages: index, download, unpacking.
    Packages(Progress),
    /// Something happened to an image of others.
    Image(ImageProgress),
    /// Work on a derivation began: it is no hit.
    Started {
        /// Which.
        node: NodeId,
        /// Its name.
        name: String,
        /// What is being done.
        work: Work,
    },
    /// A step's script wrote this line, without its newline.
    Output {
        /// Which step.
        node: NodeId,
        /// Its name.
        name: String,
        /// The line, invalid UTF-8 replaced.
        line: String,
    },
    /// Work on a derivation ended well.
    Finished {
        /// Which.
        node: NodeId,
        /// Its name.
        name: String,
        /// What was done.
        work: Work,
        /// How long it took.
        elapsed: Duration,
        /// Bytes of the layer it yielded; `None` if it changed nothing.
        layer_bytes: Option<u64>,
    },
    /// A result was found instead of made.
    Hit {
        /// Which derivation.
        node: NodeId,
        /// Its name.
        name: String,
    },
    /// A result that was counted on is gone or contradicts another; the build goes on without it.
    Revoked {
        /// Why, for people.
        reason: String,
    },
    /// Another process has made this one wait for two seconds.
    Waiting(Wait),
    /// A cache is not used any more, or not believed.
    CacheAway {
        /// The cache.
        cache: String,
        /// Why.
        reason: String,
    },
    /// Results were published.
    Published {
        /// The cache.
        cache: String,
        /// How many.
        results: usize,
    },
    /// A step gave another result than before for the same key.
    NotReproducible {
        /// Its name.
        name: String,
        /// The first path that differs, if the layers could be compared.
        first_difference: Option<String>,
    },
    /// A target was written somewhere.
    Written {
        /// The target.
        target: String,
        /// Where.
        destination: String,
        /// Whether anything had to be written.
        changed: bool,
        /// How many devices this process may not make, so that they are not there.
        left_out: usize,
    },
}

/// What happens to images of others.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ImageProgress {
    /// A registry is asked what a reference names.
    Resolving {
        /// The image.
        image: String,
    },
    /// Some bytes came.
    Download {
        /// The image that they belong to.
        image: String,
        /// Bytes that are here.
        done_bytes: u64,
        /// Bytes there will be.
        total_bytes: u64,
    },
    /// Some bytes of an image went to a registry.
    Upload {
        /// Where it goes.
        image: String,
        /// Bytes that are there.
        done_bytes: u64,
        /// Bytes there will be.
        total_bytes: u64,
    },
}

/// The kinds of work on a derivation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Work {
    /// A script runs.
    Run,
    /// Packages are fetched and unpacked.
    Unpack,
    /// An image is fetched and unpacked.
    Pull,
    /// Trees are merged and files placed.
    Merge,
}

/// Who wants to know. Called from several threads; must return quickly.
pub trait Listener: Send + Sync {
    /// Takes one event.
    fn on(&self, event: Event);
}
