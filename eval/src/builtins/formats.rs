//! Texts with a form of their own: durations, ports, modes, signals, names of variables and users.

/// A duration such as `30s`, `10m`, `1h`, `500ms`, in nanoseconds.
///
/// # Errors
/// What is wrong.
pub(super) fn duration(text: &str) -> Result<u64, &'static str> {
    const REASON: &str = "a duration is a whole number and `ms`, `s`, `m` or `h`, for instance \"30s\"";
    let digits = text.bytes().take_while(u8::is_ascii_digit).count();
    let unit = match &text[digits..] {
        "ms" => 1_000_000,
        "s" => 1_000_000_000,
        "m" => 60_000_000_000,
        "h" => 3_600_000_000_000,
        _ => return Err(REASON),
    };
    let number: u64 = text[..digits].parse().map_err(|_| REASON)?;
    match number.checked_mul(unit) {
        Some(0) => Err("a duration is longer than nothing"),
        // What signed 64-bit consumers can hold: 292 years.
        Some(nanos) if i64::try_from(nanos).is_ok() => Ok(nanos),
        _ => Err("a duration is shorter than 292 years"),
    }
}

/// A port such as `8080`, `53/udp`, in the form of the image specification.
///
/// # Errors
/// What is wrong.
pub(super) fn port(text: &str) -> Result<String, &'static str> {
    let (number, protocol) = text.split_once('/').unwrap_or((text, "tcp"));
    if !matches!(protocol, "tcp" | "udp" | "sctp") {
        return Err("the protocol of a port is `tcp`, `udp` or `sctp`");
    }
    let digits = !number.is_empty() && number.bytes().all(|byte| byte.is_ascii_digit());
    match number.parse::<u16>() {
        Ok(number) if digits && number > 0 => Ok(format!("{number}/{protocol}")),
        _ => Err("a port is a number from 1 to 65535, and perhaps a protocol: \"53/udp\""),
    }
}

/// Permission bits such as `755` or `0644`.
///
/// # Errors
/// What is wrong.
pub(super) fn mode(text: &str) -> Result<u32, &'static str> {
    let octal = (3..=4).contains(&text.len()) && text.bytes().all(|byte| (b'0'..=b'7').contains(&byte));
    let mode = u32::from_str_radix(text, 8).ok().filter(|_| octal);
    mode.ok_or("permission bits are three or four octal digits, for instance \"755\"")
}

/// A signal such as `SIGTERM`, `SIGRTMIN+3` or `15`.
///
/// # Errors
/// What is wrong.
pub(super) fn signal(text: &str) -> Result<String, &'static str> {
    const NAMES: &str = "ABRT ALRM BUS CHLD CONT FPE HUP ILL INT IO KILL PIPE POLL PROF PWR QUIT SEGV STKFLT STOP SYS TERM TRAP TSTP TTIN TTOU URG USR1 USR2 VTALRM WINCH XCPU XFSZ";
    const REASON: &str = "a signal is a name such as \"SIGTERM\" or a number from 1 to 64";
    if let Ok(number) = text.parse::<u8>() {
        return if (1..=64).contains(&number) { Ok(number.to_string()) } else { Err(REASON) };
    }
    let name = text.strip_prefix("SIG").ok_or(REASON)?;
    let offset = |prefix: &str| name.strip_prefix(prefix).and_then(|offset| offset.parse::<u8>().ok());
    let real_time = matches!(name, "RTMIN" | "RTMAX") || offset("RTMIN+").or(offset("RTMAX-")).is_some_and(|n| n <= 30);
    if real_time || NAMES.split(' ').any(|known| known == name) { Ok(text.to_owned()) } else { Err(REASON) }
}

/// The name of an environment variable.
///
/// # Errors
/// What is wrong.
pub(super) fn variable(name: &str) -> Result<(), &'static str> {
    let word = name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_');
    if name.is_empty() || !word || name.starts_with(|c: char| c.is_ascii_digit()) {
        return Err("a variable is named with letters, digits and `_`, and does not begin with a digit");
    }
    Ok(())
}

/// The largest id of a user or group: the one behind it, 2^32-1, stands for "none" in system calls.
const LARGEST_ID: u32 = u32::MAX - 1;

/// The largest id that a file of a layer can belong to: a sandbox maps the ids that a user's subordinate range holds
/// everywhere, and no others.
const LARGEST_OWNER: u32 = 65_535;

/// A user: a name or a number, or two of them with a `:` between, for user and group.
///
/// # Errors
/// What is wrong.
pub(super) fn user(text: &str) -> Result<(), &'static str> {
    names_or_numbers(text, LARGEST_ID, "a user is a name or a number of at most 4294967294")
}

/// The owner of files, written like a user.
///
/// # Errors
/// What is wrong.
pub(super) fn owner(text: &str) -> Result<(), &'static str> {
    names_or_numbers(text, LARGEST_OWNER, "an owner is a name or a number below 65536")
}

fn names_or_numbers(text: &str, largest: u32, limit: &'static str) -> Result<(), &'static str> {
    let part = |text: &str| {
        if !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit()) {
            return text.parse::<u32>().ok().filter(|id| *id <= largest).map(drop).ok_or(limit);
        }
        let allowed = |byte: u8| byte.is_ascii_alphanumeric() || b"_-.".contains(&byte);
        if text.is_empty() || text.len() > 32 || !text.bytes().all(allowed) || text.starts_with(['-', '.']) {
            return Err(
                "a user is a name (at most 32 letters, digits, `_`, `-`, `.`) or a number, with `:` and a group behind it \
                 or without",
            );
        }
        Ok(())
    };
    let (user, group) = text.split_once(':').map_or((text, None), |(user, group)| (user, Some(group)));
    part(user).and_then(|()| group.map_or(Ok(()), part))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_have_units() {
        for (text, nanos) in [
            ("30s", Some(30_000_000_000)),
            ("10m", Some(600_000_000_000)),
            ("1h", Some(3_600_000_000_000)),
            ("500ms", Some(500_000_000)),
            ("0s", None),
            ("30", None),
            ("s", None),
            ("-1s", None),
            ("1.5s", None),
            ("99999999999999999999h", None),
            ("9999999999h", None),
            ("30 s", None),
        ] {
            assert_eq!(duration(text).ok(), nanos, "{text}");
        }
    }

    #[test]
    fn ports_are_normalised() {
        for (text, normal) in [
            ("8080", Some("8080/tcp")),
            ("53/udp", Some("53/udp")),
            ("0", None),
            ("65536", None),
            ("+80", None),
            ("80/http", None),
            ("", None),
            ("8080:80", None),
        ] {
            assert_eq!(port(text).ok().as_deref(), normal, "{text}");
        }
    }

    #[test]
    fn modes_are_octal() {
        for (text, bits) in [
            ("755", Some(0o755)),
            ("0644", Some(0o644)),
            ("4755", Some(0o4755)),
            ("799", None),
            ("5", None),
            ("+75", None),
        ] {
            assert_eq!(mode(text).ok(), bits, "{text}");
        }
    }

    #[test]
    fn signals_are_known() {
        for (text, good) in [
            ("SIGTERM", true),
            ("SIGRTMIN+3", true),
            ("SIGRTMIN+99", false),
            ("15", true),
            ("65", false),
            ("TERM", false),
            ("SIGFOO", false),
            ("", false),
        ] {
            assert_eq!(signal(text).is_ok(), good, "{text}");
        }
    }

    #[test]
    fn names_of_variables_and_users() {
        for (text, good) in [("A_1", true), ("1A", false), ("", false), ("A-B", false), ("A=B", false)] {
            assert_eq!(variable(text).is_ok(), good, "{text}");
        }
        for (text, fits_user, fits_owner) in [
            ("www-data", true, true),
            ("1000", true, true),
            ("1000:0", true, true),
            ("www-data:1000", true, true),
            ("65535:65535", true, true),
            ("65536", true, false),
            ("0:65536", true, false),
            ("4294967294:4294967294", true, false),
            ("4294967295", false, false),
            ("1:4294967295", false, false),
            ("99999999999", false, false),
            ("a:", false, false),
            (":a", false, false),
            ("a:b:c", false, false),
            ("-x", false, false),
            ("", false, false),
        ] {
            assert_eq!((user(text).is_ok(), owner(text).is_ok()), (fits_user, fits_owner), "{text}");
        }
    }
}
