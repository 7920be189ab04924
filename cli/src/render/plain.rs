//! Progress as lines: for logs, pipes and CI.

use std::sync::Mutex;
use std::time::{Duration, Instant};

use sinter_executor::{Event, ImageProgress, Listener, Work};
use sinter_source::debian::Progress as Packages;
use sinter_store::{Wait, WaitFor};

use crate::console;
use crate::render::progress::Progress;
use crate::render::text::{bytes, counted, duration, work};
use crate::visible::{self, Colours};

/// Prints nothing.
pub(crate) struct Quiet;

impl Listener for Quiet {
    fn on(&self, _: Event) {}
}

impl Progress for Quiet {
    fn close(&self) {}
}

/// Prints a line for each event that somebody who reads a log later wants to see.
#[derive(Default)]
pub(crate) struct Plain {
    last_download: Mutex<Option<Instant>>,
}

/// How many lines of a change of the lock are shown; the file has them all.
const LOCK_LINES: usize = 8;

/// How often a running download is worth a line.
const DOWNLOAD_INTERVAL: Duration = Duration::from_secs(2);

impl Listener for Plain {
    fn on(&self, event: Event) {
        if let Some((done_bytes, total_bytes)) = transfer(&event)
            && done_bytes < total_bytes
            && !self.download_is_due()
        {
            return;
        }
        if let Some(line) = line(&event, console::colours()) {
            console::say(&format!("{line}\n"));
        }
    }
}

impl Progress for Plain {
    fn close(&self) {}
}

impl Plain {
    fn download_is_due(&self) -> bool {
        let mut last = self.last_download.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        let due = last.is_none_or(|last| last.elapsed() >= DOWNLOAD_INTERVAL);
        if due {
            *last = Some(Instant::now());
        }
        due
    }
}

/// An event as a line; `None` if it is no news. Nothing of it but a script's colours directs the terminal.
pub(crate) fn line(event: &Event, colours: Colours) -> Option<String> {
    match event {
        Event::Output { name, line, .. } => {
            Some(format!("{} | {}", visible::text(name), visible::output_line(line, colours)))
        }
        event => described(event).map(|line| visible::text(&line)),
    }
}

fn described(event: &Event) -> Option<String> {
    Some(match event {
        Event::LockWritten { path, added } => {
            let lines: String = added.iter().take(LOCK_LINES).map(|line| format!("\n  {line}")).collect();
            let rest = added.len().saturating_sub(LOCK_LINES);
            let more = if rest == 0 { String::new() } else { format!("\n  and {}", counted(rest, "more line")) };
            format!("wrote {}, commit it:{lines}{more}", path.display())
        }
        Event::Packages(progress) => packages(progress)?,
        Event::Image(progress) => image(progress),
        Event::Started { name, work: kind, .. } => format!("{} {name}", work(*kind)),
        Event::Output { .. } => return None,
        Event::Finished { name, work: Work::Merge, layer_bytes: None, .. } => format!("done {name}"),
        Event::Finished { name, elapsed, layer_bytes, .. } => {
            let layer =
                layer_bytes.map_or_else(|| "changed nothing".to_owned(), |count| format!("layer of {}", bytes(count)));
            format!("done {name} in {}: {layer}", duration(*elapsed))
        }
        Event::Hit { name, .. } => format!("hit {name}"),
        Event::Revoked { reason } => format!("starting over: {reason}"),
        Event::Waiting(wait) => waiting(wait),
        Event::CacheAway { cache, reason } => format!("without the cache {cache}: {reason}"),
        Event::Published { cache, results } => format!("published {} to {cache}", counted(*results, "result")),
        Event::NotReproducible { name, first_difference } => {
            let place = first_difference.as_ref().map(|path| format!("; the first path that differs is {path}"));
            format!("not reproducible: {name} gave another result than before{}", place.unwrap_or_default())
        }
        Event::Written { target, destination, changed, left_out } => {
            let state = if *changed { "wrote" } else { "up to date:" };
            let devices = (*left_out > 0).then(|| format!(" (left out: {left_out} devices, which only root can make)"));
            format!("{state} {target} to {destination}{}", devices.unwrap_or_default())
        }
    })
}

fn waiting(wait: &Wait) -> String {
    let what = match wait.what {
        WaitFor::Store => "the store",
        WaitFor::Step => "the same step in another build",
    };
    let holder = wait.holder.map_or_else(|| "another process".to_owned(), |process| format!("process {process}"));
    let since = wait.held.map(|held| format!(" for {}", duration(held))).unwrap_or_default();
    format!("waiting for {what}: {holder} has held {}{since}", wait.path.display())
}

fn image(progress: &ImageProgress) -> String {
    match progress {
        ImageProgress::Resolving { image } => format!("resolve {image}"),
        ImageProgress::Download { image, done_bytes, total_bytes } => {
            format!("download {} of {} of {image}", bytes(*done_bytes), bytes(*total_bytes))
        }
        ImageProgress::Upload { image, done_bytes, total_bytes } => {
            format!("upload {} of {} to {image}", bytes(*done_bytes), bytes(*total_bytes))
        }
    }
}

/// How many bytes of how many, if that is what an event tells.
fn transfer(event: &Event) -> Option<(u64, u64)> {
    match event {
        Event::Packages(Packages::Download { done_bytes, total_bytes, .. })
        | Event::Image(
            ImageProgress::Download { done_bytes, total_bytes, .. }
            | ImageProgress::Upload { done_bytes, total_bytes, .. },
        ) => Some((*done_bytes, *total_bytes)),
        _ => None,
    }
}

fn packages(progress: &Packages) -> Option<String> {
    Some(match progress {
        Packages::IndexFetching { suite } => format!("package index of {suite}"),
        Packages::IndexReady { packages } => format!("package index: {packages} packages"),
        Packages::ArchiveLeftOut { suite, reason } => format!("without {suite}: {reason}"),
        Packages::Download { done_bytes, total_bytes, .. } => {
            format!("download {} of {}", bytes(*done_bytes), bytes(*total_bytes))
        }
        Packages::Unpack { .. } => return None,
    })
}
