//! Golden definition keys, and what enters them.

use std::sync::Arc;

use sinter_graph::config::ImageFields;
use sinter_graph::derivation::{Input, InputId, Node};
use sinter_graph::digest::BlobDigest;
use sinter_graph::path::AbsolutePath;
use sinter_graph::pattern::Patterns;
use sinter_source::directory::WorkTree;
use sinter_store::Store;

use super::*;
use crate::needed::Needed;

/// What a graph's keys depend on beside the graph.
pub(super) struct World {
    directory: tempfile::TempDir,
    closure: Vec<PinnedPackage>,
    essential: Vec<PinnedPackage>,
    suite: &'static str,
    platform: &'static str,
}

fn package(name: &str, version: &str) -> PinnedPackage {
    PinnedPackage {
        name: name.to_owned(),
        version: version.to_owned(),
        architecture: "amd64".to_owned(),
        sha256: BlobDigest::of(version.as_bytes()),
        size: 10,
        path: format!("pool/{name}.deb"),
        archive: "debian".to_owned(),
    }
}

impl World {
    pub(super) fn new() -> Self {
        let directory = tempfile::tempdir().expect("a directory");
        std::fs::create_dir(directory.path().join("project")).expect("a project");
        let world = Self {
            directory,
            closure: vec![package("libc6", "2.36-9")],
            essential: vec![package("base-files", "12")],
            suite: "bookworm",
            platform: "linux/amd64",
        };
        world.write("a.c", "int a;\n");
        world.write("b.c", "int b;\n");
        world
    }

    fn write(&self, path: &str, text: &str) {
        std::fs::write(self.directory.path().join("project").join(path), text).expect("a file");
    }

    /// The key of the last node, after those of all others.
    fn keys(&self, graph: &Graph) -> Vec<String> {
        let all: BTreeSet<NodeId> = graph.node_ids().collect();
        let inputs = graph.input_ids().collect();
        let needed = Needed { nodes: all, inputs };
        let store = Store::open(&self.directory.path().join("store")).expect("a store");
        let tree = WorkTree::discover(&self.directory.path().join("project")).expect("a work tree");
        let sources = Sources::load(graph, &needed, &tree, &store).expect("sources");
        let configurations = Configurations::of(graph, &std::collections::BTreeMap::new());
        let is_image = |id: &&NodeId| matches!(graph.node(**id).derivation, Derivation::Image(_));
        let images = needed.nodes.iter().filter(is_image);
        let inputs = KeyInputs {
            graph,
            sources: &sources,
            pins: &Pins::for_test(InputId::new(1), self.suite, &self.closure, &self.essential),
            platform: &self.platform.parse().expect("a platform"),
            configurations: &configurations,
            image_configurations: &images.map(|&id| (id, configurations.of_node(id).expect("no clash"))).collect(),
        };
        let keys = DefinitionKeys::of(&inputs, &needed.nodes);
        needed.nodes.iter().map(|&id| keys.get(id).hex()).collect()
    }

    pub(super) fn key(&self, graph: &Graph) -> String {
        self.keys(graph).pop().expect("a node")
    }
}

fn graph(derivations: Vec<Derivation>) -> Graph {
    let mut graph = Graph::default();
    graph.intern_input("src", Input::Directory { path: String::new() });
    graph.intern_input("debs", Input::Debian { suite: "bookworm".to_owned(), packages: vec!["libc6".to_owned()] });
    for (index, derivation) in derivations.into_iter().enumerate() {
        graph.add(Node { name: format!("node{index}"), derivation });
    }
    graph
}

fn unpack(system: bool) -> Derivation {
    Derivation::Unpack(Unpack { packages: InputId::new(1), system })
}

fn absolute(path: &str) -> AbsolutePath {
    path.parse().expect("an absolute path")
}

fn patterns(include: &str) -> Patterns {
    Patterns::new([include.to_owned()], []).expect("a pattern")
}

fn source(include: &str) -> Files {
    Files::Source { input: InputId::new(0), patterns: patterns(include) }
}

pub(super) fn on_base(step: Step) -> Graph {
    graph(vec![unpack(true), unpack(false), Derivation::from(step)])
}

fn compile() -> Step {
    Step {
        from: Some(NodeId::new(0)),
        files: vec![source("a.c")],
        script: Script { text: "cc -c a.c\n".to_owned(), interpreter: vec!["sh".to_owned(), "-eu".to_owned()] },
        ..Step::default()
    }
}

fn whole() -> Graph {
    let image = Image {
        tree: Some(NodeId::new(2)),
        fields: ImageFields { entrypoint: Some(vec!["server".to_owned()]), ..ImageFields::default() },
        ..Image::default()
    };
    let merge = Merge { items: vec![Item::Tree(NodeId::new(1)), Item::Files(source("b.c"))], ..Merge::default() };
    graph(vec![unpack(true), Derivation::from(compile()), Derivation::from(merge), Derivation::from(image)])
}

/// A key that changes makes every result of that kind unknown everywhere. These change only together with
/// [`sinter_graph::FORMAT`] or [`SEMANTICS`].
#[test]
fn golden_keys_guard_the_encoding() {
    assert_eq!((sinter_graph::FORMAT, SEMANTICS), (2, 2), "new numbers need new golden keys");
    assert_eq!(
        World::new().keys(&whole()),
        [
            "a96e9e48cdb45741b603f4739506771a143db2b3fa4831e4a503290f14c1d251",
            "2607281725989a55c07ac66708571fddc7a034a31b692514451198a151d66393",
            "80d102f2863d992fd1a81bfddf43b24a539531ff72f36bd213dd65df4a130c08",
            "9638e1f3937210691ad46de4ce116b2476f56a3526e5bb55ada88a7d5c1d3116"
        ]
    );
}

#[test]
fn names_limits_and_order_are_in_no_key() {
    let world = World::new();
    let key = world.key(&on_base(compile()));
    let mut renamed = on_base(compile());
    renamed.nodes.iter_mut().for_each(|node| node.name.push('x'));
    renamed.inputs[0].name.push('x');
    assert_eq!(world.key(&renamed), key);
    assert_eq!(world.key(&on_base(Step { timeout_seconds: Some(9), ..compile() })), key);
    let swapped =
        graph(vec![unpack(false), unpack(true), Derivation::from(Step { from: Some(NodeId::new(1)), ..compile() })]);
    assert_eq!(world.key(&swapped), key);
    world.write("undeclared", "new");
    assert_eq!(world.key(&on_base(compile())), key);
    // Another way to say the same files.
    assert_eq!(world.key(&on_base(Step { files: vec![source("a.*")], ..compile() })), key);
}

#[test]
fn every_other_field_of_a_step_is_in_its_key() {
    let text = |text: &str| Some(text.to_owned());
    let script = |text: &str, shell: &str| Script { text: text.to_owned(), interpreter: vec![shell.to_owned()] };
    let steps = [
        compile(),
        Step { from: None, ..compile() },
        Step { from: Some(NodeId::new(1)), ..compile() },
        Step { files: vec![], ..compile() },
        Step { files: vec![source("b.c")], ..compile() },
        Step { files: vec![source("*.c")], ..compile() },
        Step { script: script("cc -c a.c\n", "sh"), ..compile() },
        Step { script: script("cc -c  a.c\n", "sh"), ..compile() },
        Step { env: BTreeMap::from([("A".to_owned(), "1".to_owned())]), ..compile() },
        Step { env: BTreeMap::from([("A".to_owned(), "2".to_owned())]), ..compile() },
        Step { path: vec![absolute("/a")], ..compile() },
        Step { user: text("a"), ..compile() },
        Step { workdir: Some(absolute("/a")), ..compile() },
        Step { keep: Some(patterns("a")), ..compile() },
        Step { keep: Some(Patterns::default()), ..compile() },
        Step { drop: patterns("a"), ..compile() },
        Step { platform: Some("linux/arm64".parse().expect("a platform")), ..compile() },
    ];
    let world = World::new();
    distinct(steps.into_iter().map(|step| world.key(&on_base(step))).collect());
}

#[test]
fn every_kind_of_selection_has_its_own_key() {
    let what = || Arc::new(source("a.c"));
    let text = |text: &str| text.to_owned();
    let place = |mode, owner: Option<&str>| Files::Place { what: what(), to: text("/x"), mode, owner: owner.map(text) };
    let selections = [
        source("a.c"),
        Files::Tree { tree: NodeId::new(0), patterns: patterns("a.c") },
        Files::Tree { tree: NodeId::new(1), patterns: patterns("a.c") },
        Files::Tree { tree: NodeId::new(1), patterns: patterns("b.c") },
        Files::Literal { path: text("a.c"), text: "int a;\n".into(), mode: None },
        Files::Literal { path: text("a.c"), text: "int a;\n".into(), mode: Some(0o600) },
        Files::Literal { path: text("a."), text: "cint a;\n".into(), mode: None },
        place(None, None),
        place(Some(0o600), None),
        place(None, Some("384")),
        Files::Place { what: what(), to: text("/x/"), mode: None, owner: None },
        Files::Sub { what: what(), directory: text("/x") },
        Files::Narrow { what: what(), patterns: patterns("/x") },
    ];
    let world = World::new();
    distinct(
        selections.into_iter().map(|files| world.key(&on_base(Step { files: vec![files], ..compile() }))).collect(),
    );
}

#[test]
fn content_of_sources_and_pins_is_in_the_key() {
    let mut world = World::new();
    let mut keys = vec![world.key(&on_base(compile()))];
    world.write("a.c", "int c;\n");
    keys.push(world.key(&on_base(compile())));
    world.closure = vec![package("libc6", "2.36-10")];
    keys.push(world.key(&on_base(compile())));
    world.essential = vec![];
    keys.push(world.key(&on_base(compile())));
    world.suite = "trixie";
    keys.push(world.key(&on_base(compile())));
    world.platform = "linux/arm64";
    keys.push(world.key(&on_base(compile())));
    distinct(keys);
}

#[test]
fn place_of_a_package_is_in_no_key() {
    let mut world = World::new();
    let key = world.key(&on_base(compile()));
    world.closure[0].path = "pool/elsewhere.deb".to_owned();
    world.closure[0].archive = "debian-security".to_owned();
    assert_eq!(world.key(&on_base(compile())), key);
    // What only a whole system takes does not touch the small kind.
    let small = world.key(&graph(vec![unpack(false)]));
    world.essential = vec![];
    world.suite = "trixie";
    assert_eq!(world.key(&graph(vec![unpack(false)])), small);
}

#[test]
fn configuration_of_an_image_reaches_the_steps_above() {
    let above = |fields: ImageFields| {
        let image = Image { tree: Some(NodeId::new(0)), configuration_from: None, fields };
        let step = Step { from: Some(NodeId::new(1)), ..compile() };
        graph(vec![unpack(true), Derivation::from(image), Derivation::from(step)])
    };
    let world = World::new();
    let plain = world.key(&above(ImageFields::default()));
    let user = world.key(&above(ImageFields { user: Some("a".to_owned()), ..ImageFields::default() }));
    let workdir = world.key(&above(ImageFields { workdir: Some(absolute("/a")), ..ImageFields::default() }));
    distinct(vec![plain, user, workdir]);
}

#[test]
fn chosen_configuration_is_in_the_key_of_a_merge() {
    let image = |workdir: &str| {
        let fields = ImageFields { workdir: Some(absolute(workdir)), ..ImageFields::default() };
        Derivation::from(Image { tree: Some(NodeId::new(0)), configuration_from: None, fields })
    };
    let both = |chosen: Option<NodeId>| {
        let items = vec![Item::Tree(NodeId::new(1)), Item::Tree(NodeId::new(2)), Item::Files(source("a.c"))];
        let merge = Merge { items, configuration_from: chosen, ..Merge::default() };
        graph(vec![unpack(true), image("/a"), image("/b"), Derivation::from(merge)])
    };
    let world = World::new();
    distinct([None, Some(NodeId::new(1)), Some(NodeId::new(2))].map(|chosen| world.key(&both(chosen))).to_vec());
}

#[track_caller]
fn distinct(keys: Vec<String>) {
    for (index, key) in keys.iter().enumerate() {
        let same = keys.iter().position(|other| other == key);
        assert_eq!(same, Some(index), "two of these have one key");
    }
}
