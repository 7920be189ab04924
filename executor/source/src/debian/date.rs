//! Dates as archives write them (RFC 5322 with `UTC`, Debian's repository format "Date, Valid-Until") and as the lock does.

const MONTHS: [&str; 12] = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];
const DAY: i64 = 86_400;

/// Seconds since 1970 of `Sat, 17 May 2025 09:12:50 UTC`.
pub(super) fn parse_date(text: &str) -> Option<i64> {
    let text = text.split_once(',').map_or(text, |(_, rest)| rest);
    let words: Vec<&str> = text.split_whitespace().collect();
    let [day, month, year, time, zone] = words[..] else { return None };
    if !["UTC", "GMT", "+0000", "Z"].contains(&zone) {
        return None;
    }
    let clock: Vec<i64> = time.split(':').map(|part| number(part, 59)).collect::<Option<_>>()?;
    let [hour, minute, second] = clock[..] else { return None };
    let month = MONTHS.iter().position(|&name| name == month)?;
    let (day, year) = (number(day, 31).filter(|&day| day > 0)?, number(year, 9999).filter(|&year| year >= 1970)?);
    if hour > 23 {
        return None;
    }
    Some(days_since_1970(year, i64::try_from(month).ok()? + 1, day) * DAY + hour * 3600 + minute * 60 + second)
}

fn number(text: &str, max: i64) -> Option<i64> {
    let plain = !text.is_empty() && text.len() <= 4 && text.bytes().all(|byte| byte.is_ascii_digit());
    text.parse().ok().filter(|&number| plain && number <= max)
}

/// Days from 1970-01-01 to a date of the Gregorian calendar, counted in years that start in March.
fn days_since_1970(year: i64, month: i64, day: i64) -> i64 {
    let year = if month <= 2 { year - 1 } else { year };
    let era = year.div_euclid(400);
    let year_of_era = year.rem_euclid(400);
    let day_of_year = (153 * ((month + 9) % 12) + 2) / 5 + day - 1;
    era * 146_097 + year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year - 719_468
}

/// `2025-05-17T09:12:50Z` of seconds since 1970.
pub(super) fn format_date(seconds: i64) -> String {
    let days = seconds.div_euclid(DAY) + 719_468;
    let second_of_day = seconds.rem_euclid(DAY);
    let era = days.div_euclid(146_097);
    let day_of_era = days.rem_euclid(146_097);
    let year_of_era = (day_of_era - day_of_era / 1460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let shifted_month = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * shifted_month + 2) / 5 + 1;
    let month = if shifted_month < 10 { shifted_month + 3 } else { shifted_month - 9 };
    let year = year_of_era + era * 400 + i64::from(month <= 2);
    let (hour, minute, second) = (second_of_day / 3600, second_of_day / 60 % 60, second_of_day % 60);
    format!("{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}Z")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dates_read_and_write() {
        let cases = [
            ("Thu, 01 Jan 1970 00:00:00 UTC", 0, "1970-01-01T00:00:00Z"),
            ("Sat, 17 May 2025 09:12:50 UTC", 1_747_473_170, "2025-05-17T09:12:50Z"),
            ("Thu, 29 Feb 2024 23:59:59 UTC", 1_709_251_199, "2024-02-29T23:59:59Z"),
            ("1 Mar 2100 00:00:00 +0000", 4_107_542_400, "2100-03-01T00:00:00Z"),
        ];
        for (text, seconds, written) in cases {
            assert_eq!(parse_date(text), Some(seconds), "{text}");
            assert_eq!(format_date(seconds), written);
        }
        for bad in [
            "",
            "x",
            "Sat, 17 May 2025 09:12:50 EST",
            "0 May 2025 0:0:0 UTC",
            "1 Mai 2025 0:0:0 UTC",
            "1 May 2025 24:0:0 UTC",
            "1 May 99999 0:0:0 UTC",
            "1 May 2025 0:0 UTC",
            "1 May 2025 +1:0:0 UTC",
        ] {
            assert_eq!(parse_date(bad), None, "{bad}");
        }
    }
}
