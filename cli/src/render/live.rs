//! Progress on a terminal: one line for everything that is running, redrawn in place; what is done scrolls away above.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use indicatif::{MultiProgress, ProgressBar, ProgressStyle};
use sinter_executor::{Event, Listener};
use sinter_graph::derivation::NodeId;
use sinter_source::debian::Progress as Packages;

use crate::commands::build::Progress;
use crate::render::plain;
use crate::render::text::{bytes, work};

/// The lines of one build.
pub(crate) struct Live {
    lines: MultiProgress,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    running: BTreeMap<NodeId, ProgressBar>,
    download: Option<ProgressBar>,
}

impl Live {
    pub(crate) fn new() -> Self {
        Self { lines: MultiProgress::new(), state: Mutex::default() }
    }

    fn spinner(&self, text: String) -> ProgressBar {
        let line = self.lines.add(ProgressBar::new_spinner());
        if let Ok(style) = ProgressStyle::with_template("{spinner} {prefix} {elapsed} {wide_msg}") {
            line.set_style(style);
        }
        line.set_prefix(text);
        line.enable_steady_tick(Duration::from_millis(100));
        line
    }

    fn say(&self, event: &Event) {
        if let Some(line) = plain::line(event) {
            // A terminal that has gone away must not end the build.
            let _ = self.lines.println(line);
        }
    }

    fn packages(&self, state: &mut State, progress: &Packages) {
        let text = match progress {
            Packages::IndexFetching { suite } => format!("package index of {suite}"),
            Packages::Download { done_bytes, total_bytes, name } => {
                format!("{} of {} {name}", bytes(*done_bytes), bytes(*total_bytes))
            }
            Packages::Unpack { name, done, total } => format!("unpacking {done} of {total} {name}"),
            Packages::IndexReady { .. } | Packages::ArchiveLeftOut { .. } => String::new(),
        };
        let line = state.download.get_or_insert_with(|| self.spinner("packages".to_owned()));
        line.set_message(text);
        let finished = match progress {
            Packages::Download { done_bytes, total_bytes, .. } => done_bytes >= total_bytes,
            Packages::Unpack { done, total, .. } => done >= total,
            Packages::IndexReady { .. } => true,
            Packages::IndexFetching { .. } | Packages::ArchiveLeftOut { .. } => false,
        };
        if finished && let Some(line) = state.download.take() {
            line.finish_and_clear();
        }
    }
}

impl Listener for Live {
    fn on(&self, event: Event) {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        match &event {
            Event::Started { node, name, work: kind } => {
                let line = self.spinner(format!("{} {name}", work(*kind)));
                state.running.insert(*node, line);
            }
            Event::Output { node, line, .. } => {
                if let Some(running) = state.running.get(node) {
                    running.set_message(console_safe(line));
                }
            }
            Event::Packages(progress) => self.packages(&mut state, progress),
            Event::Finished { node, .. } => {
                if let Some(line) = state.running.remove(node) {
                    line.finish_and_clear();
                }
                self.say(&event);
            }
            Event::Hit { .. } => {}
            _ => self.say(&event),
        }
    }
}

impl Progress for Live {
    fn close(&self) {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        let State { running, download } = std::mem::take(&mut *state);
        running.into_values().chain(download).for_each(|line| line.finish_and_clear());
    }
}

/// A script's line without control characters, which could move the cursor.
fn console_safe(line: &str) -> String {
    line.chars().map(|c| if c.is_control() { ' ' } else { c }).collect()
}
