//! Arbitrary values for the property tests of this crate.
//!
//! Texts are short and made of what an encoding could stumble over: its own tags, names of fields, NUL, what looks like a
//! length. So values differ in one place often, and neighbours could flow into each other.

#![allow(clippy::disallowed_methods, reason = "the number of rounds comes from the environment")]

use proptest::collection::{btree_map, vec};
use proptest::option;
use proptest::prelude::*;
use proptest::sample::select;
use proptest::test_runner::RngSeed;

use crate::config::{Configuration, Healthcheck};
use crate::digest::{FilesDigest, LayerDigest};
use crate::path::AbsolutePath;
use crate::pattern::Patterns;
use crate::platform::Platform;
use crate::step::StepDocument;

/// The same rounds each time; more of them if `SINTER_SOAK` says so.
pub(crate) fn rounds(small: u32) -> ProptestConfig {
    let cases = std::env::var("SINTER_SOAK").ok().and_then(|value| value.parse().ok()).unwrap_or(small);
    ProptestConfig { cases, rng_seed: RngSeed::Fixed(6), failure_persistence: None, ..ProptestConfig::default() }
}

pub(crate) fn text() -> impl Strategy<Value = String> {
    const TRICKY: &[&str] =
        &["", "a", "b", "ab", "keep", "\0", "\u{1}", "\u{2}\u{1}\0\0\0\0\0\0\0a", "\u{4}\0\0\0\0\0\0\0\0", "é\n"];
    prop_oneof![4 => select(TRICKY).prop_map(str::to_owned), 1 => ".{0,4}"]
}

pub(crate) fn texts() -> impl Strategy<Value = Vec<String>> {
    vec(text(), 0..3)
}

pub(crate) fn platform() -> impl Strategy<Value = Platform> {
    select(&["linux/amd64", "linux/arm64", "linux/arm/v7", "a/b"][..])
        .prop_map(|text| text.parse().expect("a platform"))
}

fn absolute() -> impl Strategy<Value = AbsolutePath> {
    select(&["/", "/a", "/a/b", "/ab", "/keep", "/\u{2}\u{1}"][..])
        .prop_map(|text| text.parse().expect("an absolute path"))
}

pub(crate) fn patterns() -> impl Strategy<Value = Patterns> {
    let pattern = || select(&["a", "b", "/a", "a/**", "[!a]*", "?"][..]).prop_map(str::to_owned);
    (vec(pattern(), 0..3), vec(pattern(), 0..3))
        .prop_map(|(include, exclude)| Patterns::new(include, exclude).expect("patterns"))
}

fn number() -> impl Strategy<Value = u32> {
    select(&[0, 1, 2, 1000, u32::MAX][..])
}

prop_compose! {
    pub(crate) fn step_document()(
        (platform, script, interpreter, workdir) in (platform(), text(), texts(), absolute()),
        layers in vec((0..3_u8).prop_map(|byte| LayerDigest::from_bytes([byte; 32])), 0..3),
        files in option::of((0..3_u8).prop_map(|byte| FilesDigest::from_bytes([byte; 32]))),
        env in btree_map(text(), text(), 0..3),
        (uid, gid, groups) in (number(), number(), vec(number(), 0..3)),
        (keep, drop) in (option::of(patterns()), patterns()),
    ) -> StepDocument {
        StepDocument { platform, layers, files, script, interpreter, env, uid, gid, groups, workdir, keep, drop }
    }
}

prop_compose! {
    fn healthcheck()(test in texts(), numbers in proptest::array::uniform4(select(&[0, 1, u64::MAX][..]))) -> Healthcheck {
        let [interval_nanos, timeout_nanos, start_period_nanos, retries] = numbers;
        Healthcheck { test, interval_nanos, timeout_nanos, start_period_nanos, retries }
    }
}

prop_compose! {
    pub(crate) fn configuration()(
        (env, labels) in (btree_map(text(), text(), 0..3), btree_map(text(), text(), 0..3)),
        (user, workdir, stop_signal) in (option::of(text()), option::of(absolute()), option::of(text())),
        (entrypoint, cmd, expose, volumes) in (texts(), texts(), texts(), texts()),
        healthcheck in option::of(healthcheck()),
    ) -> Configuration {
        Configuration { env, user, workdir, entrypoint, cmd, expose, volumes, labels, stop_signal, healthcheck }
    }
}

/// Copies of `$base` with one field each as `$other` has it. Names every field, so that none can be forgotten.
macro_rules! with_one_field_of {
    ($base:expr, $other:expr, $type:ident { $($field:ident),* }) => {{
        let $type { $($field: _),* } = $base;
        [$((stringify!($field), $type { $field: $other.$field.clone(), ..$base.clone() })),*]
    }};
}

pub(crate) use with_one_field_of;
