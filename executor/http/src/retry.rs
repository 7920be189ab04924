//! Whether and when to try again.
//!
//! Between two tries lies a random time below a bound that doubles (full jitter), so that many who failed at once do not
//! come back at once; a server that names a time gets it, within reason.

use std::time::{Duration, SystemTime};

use rand::Rng as _;

use crate::exchange::HttpResponse;

const FIRST_BOUND: Duration = Duration::from_millis(200);
const LARGEST_BOUND: Duration = Duration::from_secs(10);
/// No server is obeyed for longer than this.
const LONGEST_ASKED: Duration = Duration::from_secs(60);
/// How often something is tried that never gets any further.
const FRUITLESS_TRIES: u32 = 4;

/// The tries of one thing.
#[derive(Debug, Default)]
pub struct Retry {
    fruitless: u32,
}

impl Retry {
    /// Notes that the last try got further: what came before does not count any more.
    pub fn progressed(&mut self) {
        self.fruitless = 0;
    }

    /// Waits before another try; `false` if there is none. `asked` is how long the server wants to be left alone.
    pub fn wait(&mut self, asked: Option<Duration>) -> bool {
        self.fruitless += 1;
        if self.fruitless >= FRUITLESS_TRIES {
            return false;
        }
        let bound = LARGEST_BOUND.min(FIRST_BOUND * 2_u32.pow(self.fruitless - 1));
        let jitter = bound.mul_f64(rand::thread_rng().gen_range(0.1..1.0));
        std::thread::sleep(asked.map_or(jitter, |asked| asked.min(LONGEST_ASKED)));
        true
    }

    /// Whether an answer may be another one next time (RFC 9110, section 15; RFC 6585, section 4).
    #[must_use]
    pub fn is_worthwhile(status: u16) -> bool {
        matches!(status, 408 | 425 | 429 | 500..=599)
    }

    /// What an answer asks for with `Retry-After` (RFC 9110, 10.2.3): seconds, or a date.
    #[must_use]
    pub fn asked_by(response: &HttpResponse) -> Option<Duration> {
        let value = response.header("retry-after")?.trim();
        if let Ok(seconds) = value.parse() {
            return Some(Duration::from_secs(seconds));
        }
        let moment = parse_date(value)?;
        Some(moment.duration_since(SystemTime::now()).unwrap_or_default())
    }
}

/// An IMF-fixdate, the one form of a date that is sent today (RFC 9110, 5.6.7): `Sun, 06 Nov 1994 08:49:37 GMT`.
fn parse_date(text: &str) -> Option<SystemTime> {
    const MONTHS: [&str; 12] = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];
    let (_, rest) = text.split_once(", ")?;
    let words: Vec<&str> = rest.split(' ').collect();
    let [day, month, year, time, "GMT"] = words[..] else { return None };
    let month = MONTHS.iter().position(|known| *known == month)?;
    let clock: Vec<u64> = time.split(':').map(|part| part.parse().ok()).collect::<Option<_>>()?;
    let [hours, minutes, seconds] = clock[..] else { return None };
    let days = days_since_epoch(year.parse().ok()?, u64::try_from(month).ok()? + 1, day.parse().ok()?)?;
    // A second may be a leap second.
    let is_time = hours < 24 && minutes < 60 && seconds <= 60;
    let total = is_time.then(|| days * 86_400 + hours * 3600 + minutes * 60 + seconds)?;
    SystemTime::UNIX_EPOCH.checked_add(Duration::from_secs(total))
}

/// Days of the Gregorian calendar since 1970 (H. Hinnant, "chrono-compatible low-level date algorithms").
fn days_since_epoch(year: u64, month: u64, day: u64) -> Option<u64> {
    if !(1970..10_000).contains(&year) || !(1..=31).contains(&day) {
        return None;
    }
    let year = if month <= 2 { year - 1 } else { year };
    let (era, of_era) = (year / 400, year % 400);
    let of_year = (153 * ((month + 9) % 12) + 2) / 5 + day - 1;
    (era * 146_097 + of_era * 365 + of_era / 4 - of_era / 100 + of_year).checked_sub(719_468)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dates_are_moments() {
        let seconds = |text| parse_date(text).and_then(|at| at.duration_since(SystemTime::UNIX_EPOCH).ok());
        for (text, expected) in [
            ("Sun, 06 Nov 1994 08:49:37 GMT", Some(784_111_777)),
            ("Thu, 01 Jan 1970 00:00:00 GMT", Some(0)),
            ("Thu, 29 Feb 2024 12:00:00 GMT", Some(1_709_208_000)),
            ("Sunday, 06-Nov-94 08:49:37 GMT", None),
            ("soon", None),
            ("Sun, 06 Nov 99999999999 08:49:37 GMT", None),
            ("Sun, 00 Nov 1994 08:49:37 GMT", None),
            ("Fri, 31 Dec 9999 23:59:60 GMT", Some(253_402_300_800)),
            ("Thu, 01 Jan 1970 5124095576030431:00:60 GMT", None),
            ("Thu, 01 Jan 1970 00:60:00 GMT", None),
            ("Thu, 01 Jan 1970 18446744073709551616:00:00 GMT", None),
        ] {
            assert_eq!(seconds(text).map(|at| at.as_secs()), expected, "{text}");
        }
    }

    #[test]
    fn what_gets_no_further_is_given_up() {
        let mut retry = Retry::default();
        let tries = |retry: &mut Retry| (0..10).take_while(|_| retry.wait(Some(Duration::ZERO))).count();
        assert_eq!(tries(&mut retry), 3);
        retry.progressed();
        assert_eq!(tries(&mut retry), 3);
    }
}
