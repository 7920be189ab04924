//! Properties of definition keys over arbitrary steps and selections.

use std::sync::Arc;

use proptest::collection::{btree_map, vec};
use proptest::option;
use proptest::prelude::*;
use proptest::sample::select;
use proptest::test_runner::RngSeed;
use sinter_graph::derivation::InputId;
use sinter_graph::path::AbsolutePath;
use sinter_graph::pattern::Patterns;

use super::tests::{World, on_base};
use super::*;

/// The same rounds each time; more of them if `SINTER_SOAK` says so.
fn rounds(small: u32) -> ProptestConfig {
    let cases = std::env::var("SINTER_SOAK").ok().and_then(|value| value.parse().ok()).unwrap_or(small);
    ProptestConfig { cases, rng_seed: RngSeed::Fixed(6), failure_persistence: None, ..ProptestConfig::default() }
}

fn text() -> impl Strategy<Value = String> {
    select(&["", "a", "b", "ab", "keep", "\u{2}\u{1}\0\0\0\0\0\0\0a", "/"][..]).prop_map(str::to_owned)
}

fn texts() -> impl Strategy<Value = Vec<String>> {
    vec(text(), 0..3)
}

fn absolute() -> impl Strategy<Value = AbsolutePath> {
    select(&["/", "/a", "/ab", "/a/b"][..]).prop_map(|text| text.parse().expect("an absolute path"))
}

fn patterns() -> impl Strategy<Value = Patterns> {
    let pattern = || select(&["a", "b", "/a", "**"][..]).prop_map(str::to_owned);
    (vec(pattern(), 0..2), vec(pattern(), 0..2))
        .prop_map(|(include, exclude)| Patterns::new(include, exclude).expect("patterns"))
}

fn mode() -> impl Strategy<Value = Option<u32>> {
    option::of(select(&[0, 0o600, 0o755][..]))
}

fn tree() -> impl Strategy<Value = NodeId> {
    select(&[0, 1][..]).prop_map(NodeId::new)
}

/// Of sources only what selects differently: a key holds what was selected, not how.
fn files() -> impl Strategy<Value = Files> {
    let source = select(&["a.c", "b.c", "*.c"][..]).prop_map(|text| Files::Source {
        input: InputId::new(0),
        patterns: Patterns::new([text.to_owned()], []).expect("a pattern"),
    });
    let leaf = prop_oneof![
        source,
        (tree(), patterns()).prop_map(|(tree, patterns)| Files::Tree { tree, patterns }),
        (text(), text(), mode()).prop_map(|(path, text, mode)| Files::Literal { path, text: text.into(), mode }),
    ];
    leaf.prop_recursive(3, 6, 1, |what| {
        let what = || what.clone().prop_map(Arc::new);
        prop_oneof![
            (what(), text(), mode(), option::of(text())).prop_map(|(what, to, mode, owner)| Files::Place {
                what,
                to,
                mode,
                owner
            }),
            (what(), text()).prop_map(|(what, directory)| Files::Sub { what, directory }),
            (what(), patterns()).prop_map(|(what, patterns)| Files::Narrow { what, patterns }),
        ]
    })
}

prop_compose! {
    fn step()(
        (from, files) in (option::of(tree()), vec(files(), 0..3)),
        (text, interpreter) in (text(), texts()),
        (env, path) in (btree_map(text(), text(), 0..3), vec(absolute(), 0..3)),
        (user, workdir) in (option::of(text()), option::of(absolute())),
        (keep, drop) in (option::of(patterns()), patterns()),
        timeout_seconds in option::of(0..3_u64),
        platform in option::of(select(&["linux/arm64", "linux/arm/v7"][..])),
    ) -> Step {
        let script = Script { text, interpreter };
        let platform = platform.map(|text| text.parse().expect("a platform"));
        Step { from, files, script, env, path, user, workdir, keep, drop, timeout_seconds, platform }
    }
}

/// Copies of `$base` with one field each as `$other` has it. Names every field, so that none can be forgotten.
macro_rules! with_one_field_of {
    ($base:expr, $other:expr, $($field:ident),*) => {{
        let Step { $($field: _),* } = $base;
        [$((stringify!($field), Step { $field: $other.$field.clone(), ..$base.clone() })),*]
    }};
}

/// What is in no key.
fn without_limit(step: &Step) -> Step {
    Step { timeout_seconds: None, ..step.clone() }
}

proptest! {
    #![proptest_config(rounds(40))]

    #[test]
    fn each_field_alone_moves_the_key(base in step(), other in step()) {
        let world = World::new();
        let key = |step: &Step| world.key(&on_base(step.clone()));
        let variants = with_one_field_of!(
            &base, &other, from, files, script, env, path, user, workdir, keep, drop, timeout_seconds, platform
        );
        let before = key(&base);
        for (field, variant) in variants {
            let same = without_limit(&variant) == without_limit(&base);
            prop_assert_eq!(key(&variant) == before, same, "{}: {:?}", field, variant);
        }
        prop_assert_eq!(key(&other) == before, without_limit(&other) == without_limit(&base));
    }

    #[test]
    fn each_part_of_a_selection_moves_the_key(
        what in files(),
        (one, other) in ((text(), mode(), option::of(text())), (text(), mode(), option::of(text()))),
        (first, second) in (patterns(), patterns()),
    ) {
        let world = World::new();
        let place = |to: &String, mode, owner: &Option<String>| {
            Files::Place { what: Arc::new(what.clone()), to: to.clone(), mode, owner: owner.clone() }
        };
        let selections = [
            what.clone(),
            place(&one.0, one.1, &one.2),
            place(&other.0, one.1, &one.2),
            place(&one.0, other.1, &one.2),
            place(&one.0, one.1, &other.2),
            Files::Sub { what: Arc::new(what.clone()), directory: one.0.clone() },
            Files::Sub { what: Arc::new(what.clone()), directory: other.0 },
            Files::Narrow { what: Arc::new(what.clone()), patterns: first },
            Files::Narrow { what: Arc::new(what.clone()), patterns: second },
        ];
        let key = |files: &Files| world.key(&on_base(Step { files: vec![files.clone()], ..Step::default() }));
        let keyed: Vec<(String, &Files)> = selections.iter().map(|files| (key(files), files)).collect();
        for (index, (left_key, left)) in keyed.iter().enumerate() {
            for (right_key, right) in &keyed[index + 1..] {
                prop_assert_eq!(left_key == right_key, left == right, "{:?} {:?}", left, right);
            }
        }
    }
}
