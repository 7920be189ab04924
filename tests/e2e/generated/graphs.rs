//! Random projects: steps on steps, merges, selections, placed files, images.
//!
//! Rules: every project is valid; independent steps mostly change paths of their own, so that most merges succeed. Must
//! not know: who builds them.

use std::collections::BTreeSet;
use std::fmt::Write as _;

use super::scripts::{Room, script};
use crate::random::Random;

/// The head of every project: a tree with a shell and few commands, small enough to be carried about.
pub(crate) const SMALL: &str = r#"
let commands = ["cat", "chmod", "chown", "cp", "dash", "ln", "mkdir", "mkfifo", "mv", "rm", "sh", "stat", "touch", "truncate"]
let small = run {
  from    = [tiny[
    "/bin", "/lib*", "/usr/lib*/**/*.so*", !"/usr/lib/*/gconv", ["/usr/bin/${{ name }}" for name in commands]
  ]]
  workdir = "/srv"
  script  = sh """echo shared > file"""
}
"#;

/// A tree of the graph.
struct Node {
    name: String,
    /// The steps whose directories it holds.
    steps: BTreeSet<usize>,
}

struct Graph<'random> {
    random: &'random mut Random,
    nodes: Vec<Node>,
    text: String,
    used: BTreeSet<usize>,
}

/// The declarations of the project of this seed.
pub(super) fn project(seed: u64) -> String {
    let mut random = Random::new(seed);
    let count = 3 + random.below(10);
    let nodes = vec![Node { name: "small".to_owned(), steps: BTreeSet::new() }];
    let mut graph = Graph { random: &mut random, nodes, text: SMALL.to_owned(), used: BTreeSet::from([0]) };
    for _ in 0..count {
        if graph.nodes.len() > 2 && graph.random.chance(15) { graph.image() } else { graph.step() }
    }
    graph.targets();
    graph.text
}

impl Graph<'_> {
    fn step(&mut self) {
        let number = self.nodes.len();
        let from = self.trees();
        let steps: BTreeSet<usize> = from.iter().flat_map(|&tree| self.nodes[tree].steps.clone()).collect();
        let below: Vec<usize> = steps.iter().copied().collect();
        let mut items: Vec<String> = from.iter().map(|&tree| self.nodes[tree].name.clone()).collect();
        if self.random.chance(25) {
            items.push(self.files(number, "p"));
        }
        writeln!(self.text, "let n{number} = run {{\n  from    = [{}]", items.join(", ")).expect("a text");
        if self.random.chance(40) {
            let files = [self.files(number, "p"), self.files(number, "q")];
            let files = &files[..if self.random.chance(50) { 1 } else { 2 }];
            writeln!(self.text, "  files   = [{}]", files.join(", ")).expect("a text");
        }
        self.fields(number);
        let lines = script(self.random, &Room { number, below: &below });
        let lines: String = lines.iter().map(|line| format!("    {line}\n")).collect();
        write!(self.text, "  workdir = \"/d{number}\"\n  script  = sh \"\"\"\n{lines}  \"\"\"\n}}\n").expect("a text");
        let own = [number].into_iter();
        self.nodes.push(Node { name: format!("n{number}"), steps: steps.into_iter().chain(own).collect() });
    }

    fn fields(&mut self, number: usize) {
        let kept = format!("  keep    = [\"/d{number}\"]\n");
        let dropped = format!("  drop    = [\"/d{number}/c\", \"/d{number}/**/b\"]\n");
        for (field, percent) in [("  user    = \"1000\"\n", 10), (&kept, 10), (&dropped, 10)] {
            if self.random.chance(percent) {
                self.text.push_str(field);
            }
        }
    }

    fn image(&mut self) {
        let number = self.nodes.len();
        let from = self.trees();
        let mut items: Vec<String> = from.iter().map(|&tree| self.nodes[tree].name.clone()).collect();
        if self.random.chance(50) {
            items.push(self.files(number, "p"));
        }
        let items = items.join(", ");
        writeln!(self.text, "let n{number} = image {{ layers = [{items}], workdir = \"/srv\", cmd = [\"cat\"] }}")
            .expect("a text");
        let steps = from.iter().flat_map(|&tree| self.nodes[tree].steps.clone()).collect();
        self.nodes.push(Node { name: format!("n{number}"), steps });
    }

    /// One tree, or a few to merge. Later ones are likelier, so that graphs are deep as well as wide.
    fn trees(&mut self) -> Vec<usize> {
        let count = if self.random.chance(65) { 1 } else { 2 + usize::from(self.random.chance(30)) };
        let last = self.nodes.len().saturating_sub(4);
        let recent: Vec<usize> = (if self.random.chance(60) { last } else { 0 }..self.nodes.len()).collect();
        let trees = self.random.some(&recent, count);
        self.used.extend(&trees);
        trees
    }

    /// Files of a source, of another node, or made in place; `place` keeps two of them in one list apart.
    fn files(&mut self, number: usize, place: &str) -> String {
        let to = format!("/{place}{number}");
        let holders: Vec<usize> = (1..self.nodes.len()).filter(|&node| !self.nodes[node].steps.is_empty()).collect();
        let kind = self.random.below(if holders.is_empty() { 3 } else { 9 });
        if kind < 3 {
            let text = self.random.below(3);
            return match kind {
                0 => format!("file(\"{to}/file\", \"text {text}\", mode = \"{}\")", self.random.pick(&["600", "4711"])),
                1 => format!("place(src[\"data/*.txt\"], \"{to}/\", owner = \"7\")"),
                _ => "src[\"data\"]".to_owned(),
            };
        }
        let node = *self.random.pick(&holders);
        self.used.insert(node);
        let steps: Vec<usize> = self.nodes[node].steps.iter().copied().collect();
        let (name, step) = (&self.nodes[node].name, self.random.pick(&steps));
        match kind {
            3 => format!("{name}[\"/d{step}\"]"),
            4 => format!("{name}[\"/d{step}/**\", !\"/d{step}/a\"]"),
            5 => format!("place({name}[\"/d{step}/mark\"], \"{to}/one\", mode = \"4755\", owner = \"7\")"),
            6 => format!("place({name}[\"/d{step}\"], \"{to}/\")"),
            7 => format!("place(sub({name}[\"/d{step}\"], \"/d{step}\"), \"{to}/\", owner = \"1000\")"),
            _ => format!("sub({name}[\"/d{step}\"], \"/d{step}\")"),
        }
    }

    /// Every tree that nothing stands on is asked for, half of them as images.
    fn targets(&mut self) {
        for number in (1..self.nodes.len()).filter(|number| !self.used.contains(number)) {
            let image = self.random.chance(50);
            let line = if image {
                format!("target t{number} = image {{ layers = [n{number}], cmd = [\"cat\", \"mark\"] }}\n")
            } else {
                format!("target t{number} = n{number}\n")
            };
            self.text.push_str(&line);
        }
    }
}
