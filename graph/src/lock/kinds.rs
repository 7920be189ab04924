//! The list of the kinds of pins. A new kind is its own module and one line below.

use std::collections::BTreeMap;

use serde::Deserialize;
use toml::Spanned;

use super::LockError;
use super::pins::{Item, Pins};
use super::text::Place;

macro_rules! kinds {
    ($($(#[$meaning:meta])* $kind:ident: $pins:ty,)*) => {
        /// Everything a lock file says.
        #[derive(Debug, Clone, PartialEq, Eq, Default)]
        pub struct Lock {
            $($(#[$meaning])* pub $kind: $pins,)*
        }

        /// A lock as it is read.
        #[derive(Deserialize)]
        #[serde(deny_unknown_fields)]
        pub(super) struct Document {
            pub(super) version: Spanned<i64>,
            $(#[serde(default)] $kind: Tables<$pins>,)*
        }

        impl Document {
            /// Checks the pins.
            pub(super) fn into_lock(self, text: &str) -> Result<Lock, LockError> {
                Ok(Lock { $($kind: pins(self.$kind, text)?,)* })
            }
        }

        impl Lock {
            /// The name of each kind, with the lines of its tables by the questions they answer.
            pub(super) fn tables(&self) -> Vec<(&'static str, BTreeMap<String, String>)> {
                vec![$((stringify!($kind), self.$kind.tables()),)*]
            }

            /// The name of each kind, with what can be told from another lock.
            pub(super) fn items(&self) -> Vec<(&'static str, Vec<Item>)> {
                vec![$((stringify!($kind), self.$kind.items()),)*]
            }

            /// What the two sides of a conflict do not contradict each other in.
            pub(super) fn joined(&self, other: &Self) -> Self {
                Self { $($kind: self.$kind.joined(&other.$kind),)* }
            }
        }
    };
}

kinds! {
    /// What `debian` inputs were found to be.
    debian: super::debian::DebianPins,
    /// What `pull` inputs were found to be.
    pull: super::pull::PullPins,
}

type Tables<P> = BTreeMap<Spanned<String>, <P as Pins>::Table>;

fn pins<P: Pins>(tables: Tables<P>, text: &str) -> Result<P, LockError> {
    let mut pins = P::default();
    for (question, table) in tables {
        pins.add(question.get_ref(), table, Place::at(text, question.span().start))?;
    }
    Ok(pins)
}
