//! Messages to and from name servers (RFC 1035, section 4; RFC 3596 for IPv6).

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// Which addresses are asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    V4,
    V6,
}

impl Kind {
    fn number(self) -> u16 {
        match self {
            Self::V4 => 1,
            Self::V6 => 28,
        }
    }
}

/// What a server knows.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Answer {
    /// The addresses of the name, perhaps none of this kind.
    Addresses(Vec<IpAddr>),
    /// There is no such name.
    NoSuchName,
}

/// What became of a question.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Reply {
    Answer(Answer),
    /// The answer does not fit in a packet: ask again over TCP.
    Truncated,
    /// The server refuses or fails, with its code.
    Refused(u8),
    /// Not an answer to this question.
    Unrelated,
}

const HEADER: usize = 12;
const CLASS_INTERNET: u16 = 1;

/// A question with recursion desired; `None` if the name cannot be one.
pub(super) fn question(id: u16, name: &str, kind: Kind) -> Option<Vec<u8>> {
    let mut message = Vec::with_capacity(HEADER + name.len() + 6);
    for number in [id, 0x0100, 1, 0, 0, 0] {
        message.extend(number.to_be_bytes());
    }
    for label in name.split('.') {
        let length = u8::try_from(label.len()).ok().filter(|length| (1..=63).contains(length))?;
        message.push(length);
        message.extend(label.as_bytes());
    }
    message.push(0);
    if message.len() - HEADER > 255 {
        return None;
    }
    message.extend(kind.number().to_be_bytes());
    message.extend(CLASS_INTERNET.to_be_bytes());
    Some(message)
}

/// What a message says to a question. Any bytes may come.
pub(super) fn reply(question: &[u8], message: &[u8], kind: Kind) -> Reply {
    let asked = question.get(HEADER..).unwrap_or_default();
    let is_related = message.get(..2) == question.get(..2)
        && message.get(2).is_some_and(|flags| flags & 0x80 != 0)
        && message.get(4..6) == Some(&[0, 1])
        && message.get(HEADER..HEADER + asked.len()).is_some_and(|echo| echo.eq_ignore_ascii_case(asked));
    if !is_related {
        return Reply::Unrelated;
    }
    match (message[2] & 0x02 != 0, message[3] & 0x0f) {
        (true, _) => Reply::Truncated,
        (_, 0) => addresses(message, HEADER + asked.len(), kind)
            .map_or(Reply::Unrelated, |addresses| Reply::Answer(Answer::Addresses(addresses))),
        (_, 3) => Reply::Answer(Answer::NoSuchName),
        (_, code) => Reply::Refused(code),
    }
}

/// The addresses in the answer section, which begins at `position`; `None` if the message is malformed.
fn addresses(message: &[u8], mut position: usize, kind: Kind) -> Option<Vec<IpAddr>> {
    let mut found = Vec::new();
    for _ in 0..number(message, 6)? {
        position = behind_name(message, position)?;
        let (record, class) = (number(message, position)?, number(message, position + 2)?);
        let length = usize::from(number(message, position + 8)?);
        let data = message.get(position + 10..position + 10 + length)?;
        // Aliases (CNAME) stand beside the addresses they lead to; the server has followed them.
        if (record, class) == (kind.number(), CLASS_INTERNET) {
            found.push(address(data)?);
        }
        position += 10 + length;
    }
    Some(found)
}

fn address(data: &[u8]) -> Option<IpAddr> {
    let four = <[u8; 4]>::try_from(data).map(|bytes| Ipv4Addr::from(bytes).into());
    four.or_else(|_| <[u8; 16]>::try_from(data).map(|bytes| Ipv6Addr::from(bytes).into())).ok()
}

/// The position behind a name: its labels up to the empty one, or to a pointer.
fn behind_name(message: &[u8], mut position: usize) -> Option<usize> {
    loop {
        match *message.get(position)? {
            0 => return Some(position + 1),
            length @ 1..=63 => position += 1 + usize::from(length),
            0xc0.. => return Some(position + 2),
            _ => return None,
        }
    }
}

fn number(message: &[u8], position: usize) -> Option<u16> {
    Some(u16::from_be_bytes(message.get(position..position + 2)?.try_into().ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn questions_are_those_of_the_standard() {
        let expected = b"\x12\x34\x01\0\0\x01\0\0\0\0\0\0\x06mirror\x07example\0\0\x1c\0\x01";
        assert_eq!(question(0x1234, "mirror.example", Kind::V6).as_deref(), Some(&expected[..]));
        for name in ["", "a..b", &"a".repeat(64), &"abc.".repeat(70)] {
            assert_eq!(question(1, name, Kind::V4), None, "{name}");
        }
    }

    /// An answer to `question` with this flag byte, code and answer section.
    fn answer(question: &[u8], flags: u8, code: u8, count: u8, records: &[u8]) -> Vec<u8> {
        let mut message = question.to_vec();
        (message[2], message[3], message[7]) = (flags, code, count);
        message.extend(records);
        message
    }

    const ALIAS: &[u8] = b"\xc0\x0c\0\x05\0\x01\0\0\0\x09\0\x04\x01b\xc0\x0e";
    const ADDRESS: &[u8] = b"\x01b\xc0\x0e\0\x01\0\x01\0\0\0\x09\0\x04\x0a\0\0\x07";

    #[test]
    fn replies_are_told_apart() {
        let asked = question(7, "a.example", Kind::V4).expect("a question");
        let records = [ALIAS, ADDRESS].concat();
        let found = Reply::Answer(Answer::Addresses(vec![[10, 0, 0, 7].into()]));
        for (message, expected) in [
            (answer(&asked, 0x81, 0x80, 2, &records), found),
            (answer(&asked, 0x81, 0x80, 1, ALIAS), Reply::Answer(Answer::Addresses(vec![]))),
            (answer(&asked, 0x81, 0x83, 0, b""), Reply::Answer(Answer::NoSuchName)),
            (answer(&asked, 0x83, 0x80, 0, b""), Reply::Truncated),
            (answer(&asked, 0x81, 0x82, 0, b""), Reply::Refused(2)),
            (answer(&asked, 0x01, 0x80, 2, &records), Reply::Unrelated),
            (answer(&question(8, "a.example", Kind::V4).expect("a question"), 0x81, 0x80, 0, b""), Reply::Unrelated),
            (answer(&question(7, "b.example", Kind::V4).expect("a question"), 0x81, 0x80, 0, b""), Reply::Unrelated),
            (answer(&asked, 0x81, 0x80, 9, &records), Reply::Unrelated),
            (vec![], Reply::Unrelated),
        ] {
            assert_eq!(reply(&asked, &message, Kind::V4), expected, "{message:?}");
        }
    }

    #[test]
    fn no_bytes_make_a_reply_panic() {
        let asked = question(7, "a.example", Kind::V4).expect("a question");
        let whole = answer(&asked, 0x81, 0x80, 2, &[ALIAS, ADDRESS].concat());
        for length in 0..whole.len() {
            assert_eq!(reply(&asked, &whole[..length], Kind::V4), Reply::Unrelated);
            for byte in [0, 0x3f, 0x40, 0x7f, 0xc0, 0xff] {
                let mut damaged = whole.clone();
                damaged[length] = byte;
                let _ = reply(&asked, &damaged, Kind::V4);
            }
        }
    }
}
