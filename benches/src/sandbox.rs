//! What the sandbox alone takes, by its own clock, and its floor: the same namespaces and stack made by hand in one process.
//! Both come from the example `spawn` of `sinter-sandbox`.

use std::path::Path;
use std::process::Command;
use std::time::Duration;

/// What the example printed.
pub(crate) struct Sandbox {
    text: String,
}

impl Sandbox {
    /// Runs the example.
    ///
    /// # Panics
    /// If it fails.
    pub(crate) fn measure(spawn: &Path) -> Self {
        let output = Command::new(spawn).arg("100").output().expect("the example runs");
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        Self { text: String::from_utf8_lossy(&output.stdout).into_owned() }
    }

    /// The shortest and the median time of a part on a stack of `depth` directories.
    ///
    /// # Panics
    /// If the example does not tell it.
    pub(crate) fn part(&self, depth: u32, part: &str) -> [Duration; 2] {
        let head = format!("{depth} layers");
        let line = self.text.lines().skip_while(|line| !line.starts_with(&head)).find_map(|line| {
            let mut numbers = line.trim_start().strip_prefix(part)?.split_whitespace().map(str::parse::<f64>);
            Some([numbers.next()?.ok()?, numbers.next()?.ok()?])
        });
        line.expect("the example tells its parts").map(|millis| Duration::from_secs_f64(millis / 1000.0))
    }
}
