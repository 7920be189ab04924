//! Numbers in words people read.

use std::time::Duration;

use sinter_executor::{Summary, Work};

/// A number of bytes, for instance `3.4 MB` (powers of ten, as package tools print sizes).
pub(crate) fn bytes(count: u64) -> String {
    const UNITS: [&str; 4] = ["kB", "MB", "GB", "TB"];
    if count < 1000 {
        return format!("{count} B");
    }
    #[expect(clippy::cast_precision_loss, reason = "a figure for people has two digits")]
    let mut value = count as f64 / 1000.0;
    let mut unit = 0;
    while value >= 999.95 && unit + 1 < UNITS.len() {
        value /= 1000.0;
        unit += 1;
    }
    format!("{value:.1} {}", UNITS[unit])
}

/// A duration, for instance `4.2 s`, `12 ms`.
pub(crate) fn duration(duration: Duration) -> String {
    match duration.as_secs_f64() {
        seconds if seconds < 0.1 => format!("{:.0} ms", seconds * 1000.0),
        seconds if seconds < 100.0 => format!("{seconds:.1} s"),
        seconds => format!("{:.0} min {:.0} s", (seconds / 60.0).floor(), seconds % 60.0),
    }
}

/// What is being done, as the first word of a line.
pub(crate) fn work(work: Work) -> &'static str {
    match work {
        Work::Run => "run",
        Work::Unpack => "unpack",
        Work::Pull => "pull",
        Work::Merge => "merge",
    }
}

/// The last line of a build, documented in `spec.md`.
pub(crate) fn summary(summary: &Summary) -> String {
    let hits = summary.local_hits();
    format!(
        "sinter: {}: {} ran, {}, {} in {}",
        counted(summary.steps, "step"),
        summary.ran,
        counted(hits, "local hit"),
        counted(summary.cached, "cache hit"),
        duration(summary.elapsed)
    )
}

/// A number and its noun, for instance `1 step`, `2 steps`.
pub(crate) fn counted(count: usize, noun: &str) -> String {
    let plural = if count == 1 { "" } else { "s" };
    format!("{count} {noun}{plural}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn figures_have_two_digits() {
        for (count, text) in [
            (0, "0 B"),
            (999, "999 B"),
            (1000, "1.0 kB"),
            (999_949, "999.9 kB"),
            (999_950, "1.0 MB"),
            (3_400_000_000, "3.4 GB"),
        ] {
            assert_eq!(bytes(count), text);
        }
        for (millis, text) in [(12, "12 ms"), (4210, "4.2 s"), (125_000, "2 min 5 s")] {
            assert_eq!(duration(Duration::from_millis(millis)), text);
        }
    }

    #[test]
    fn summary_is_the_documented_line() {
        let figures = Summary { steps: 12, ran: 3, cached: 1, elapsed: Duration::from_millis(4200) };
        assert_eq!(summary(&figures), "sinter: 12 steps: 3 ran, 8 local hits, 1 cache hit in 4.2 s");
    }
}
