//! Progress on a terminal: one line for everything that is running, redrawn in place; what is done scrolls away above.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use indicatif::{MultiProgress, ProgressBar, ProgressStyle};
use sinter_executor::{Event, ImageProgress, Listener};
use sinter_graph::derivation::NodeId;
use sinter_source::debian::Progress as Packages;

use crate::console;
use crate::render::plain;
use crate::render::progress::Progress;
use crate::render::text::{bytes, work};
use crate::visible::{self, Colours};

/// The lines of one build.
pub(crate) struct Live {
    lines: MultiProgress,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    running: BTreeMap<NodeId, Line>,
    download: Option<Line>,
}

/// A line for something that is running.
struct Line {
    bar: ProgressBar,
    what: String,
}

impl Line {
    /// Says how far it is.
    fn show(&self, state: &str) {
        let between = if state.is_empty() { "" } else { ": " };
        self.bar.set_message(one_row(&format!("{}{between}{state}", self.what)));
    }

    fn clear(&self) {
        self.bar.finish_and_clear();
    }
}

/// Neither line ends nor tabs, whose width only the terminal knows.
fn one_row(text: &str) -> String {
    text.replace(['\n', '\t'], " ")
}

impl Live {
    pub(crate) fn new() -> Self {
        Self { lines: MultiProgress::new(), state: Mutex::default() }
    }

    /// A line for what is running. Its last field takes what is left of the width and is cut there, so it never wraps.
    fn spinner(&self, what: &str) -> Line {
        let bar = self.lines.add(ProgressBar::new_spinner());
        if let Ok(style) = ProgressStyle::with_template("{spinner} {elapsed} {wide_msg}") {
            bar.set_style(style);
        }
        bar.enable_steady_tick(Duration::from_millis(100));
        let line = Line { bar, what: visible::text(what) };
        line.show("");
        line
    }

    fn say(&self, event: &Event) {
        if let Some(line) = plain::line(event, console::colours()) {
            // Printed with a line end of its own: what the drawing library prints ends at the right margin, which glues it to
            // the next line where the terminal's width changes or the text is copied.
            self.lines.suspend(|| console::say(&format!("{line}\n")));
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
        let line = state.download.get_or_insert_with(|| self.spinner("packages"));
        line.show(&visible::text(&text));
        let finished = match progress {
            Packages::Download { done_bytes, total_bytes, .. } => done_bytes >= total_bytes,
            Packages::Unpack { done, total, .. } => done >= total,
            Packages::IndexReady { .. } => true,
            Packages::IndexFetching { .. } | Packages::ArchiveLeftOut { .. } => false,
        };
        if finished && let Some(line) = state.download.take() {
            line.clear();
        }
    }
}

impl Live {
    fn transfer(&self, state: &mut State, done: u64, total: u64, what: &str) {
        let line = state.download.get_or_insert_with(|| self.spinner("image"));
        line.show(&visible::text(&format!("{} of {} {what}", bytes(done), bytes(total))));
        if done >= total
            && let Some(line) = state.download.take()
        {
            line.clear();
        }
    }
}

impl Listener for Live {
    fn on(&self, event: Event) {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        match &event {
            Event::Started { node, name, work: kind } => {
                let line = self.spinner(&format!("{} {name}", work(*kind)));
                state.running.insert(*node, line);
            }
            Event::Output { node, line, .. } => {
                if let Some(running) = state.running.get(node) {
                    running.show(&visible::output_line(line, Colours::Dropped));
                }
            }
            Event::Packages(progress) => self.packages(&mut state, progress),
            Event::Image(ImageProgress::Download { done_bytes, total_bytes, image }) => {
                self.transfer(&mut state, *done_bytes, *total_bytes, &format!("of {image}"));
            }
            Event::Image(ImageProgress::Upload { done_bytes, total_bytes, image }) => {
                self.transfer(&mut state, *done_bytes, *total_bytes, &format!("to {image}"));
            }
            Event::Finished { node, .. } => {
                if let Some(line) = state.running.remove(node) {
                    line.clear();
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
        running.into_values().chain(download).for_each(|line| line.clear());
    }
}
