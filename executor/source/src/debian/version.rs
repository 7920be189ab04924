//! Debian version comparison (Debian Policy 5.6.12, "Version").
//!
//! Total: any text compares with any other; what is no version sorts somewhere, always at the same place.

use std::cmp::Ordering;

/// Compares two versions: epoch, upstream version, revision.
#[must_use]
pub fn compare_versions(left: &str, right: &str) -> Ordering {
    let (left, right) = (split(left), split(right));
    compare_numbers(left.0.as_bytes(), right.0.as_bytes())
        .then_with(|| compare_parts(left.1.as_bytes(), right.1.as_bytes()))
        .then_with(|| compare_parts(left.2.as_bytes(), right.2.as_bytes()))
}

/// Epoch, upstream version and revision; an absent epoch is `0`, an absent revision is empty, which equals `0`.
fn split(version: &str) -> (&str, &str, &str) {
    let (epoch, rest) = version.split_once(':').unwrap_or(("0", version));
    let (upstream, revision) = rest.rsplit_once('-').unwrap_or((rest, ""));
    (epoch, upstream, revision)
}

/// Alternates between the longest prefix without digits, compared by [`rank`], and the longest number.
fn compare_parts(mut left: &[u8], mut right: &[u8]) -> Ordering {
    while !left.is_empty() || !right.is_empty() {
        let (left_word, left_rest) = split_at_digit(left, true);
        let (right_word, right_rest) = split_at_digit(right, true);
        let words = compare_words(left_word, right_word);
        let (left_number, left_tail) = split_at_digit(left_rest, false);
        let (right_number, right_tail) = split_at_digit(right_rest, false);
        let order = words.then_with(|| compare_numbers(left_number, right_number));
        if order.is_ne() {
            return order;
        }
        (left, right) = (left_tail, right_tail);
    }
    Ordering::Equal
}

/// Splits before the first digit, or before the first byte that is none.
fn split_at_digit(bytes: &[u8], digit: bool) -> (&[u8], &[u8]) {
    bytes.split_at(bytes.iter().position(|byte| byte.is_ascii_digit() == digit).unwrap_or(bytes.len()))
}

fn compare_words(left: &[u8], right: &[u8]) -> Ordering {
    let at = |word: &[u8], index: usize| rank(word.get(index).copied());
    (0..left.len().max(right.len()))
        .map(|index| at(left, index).cmp(&at(right, index)))
        .find(|order| order.is_ne())
        .unwrap_or(Ordering::Equal)
}

/// `~` sorts before the end of a part, letters before all other characters.
fn rank(byte: Option<u8>) -> i32 {
    match byte {
        Some(b'~') => -1,
        None => 0,
        Some(byte) if byte.is_ascii_alphabetic() => i32::from(byte),
        Some(byte) => i32::from(byte) + 256,
    }
}

/// Compares numbers of any length by value.
fn compare_numbers(left: &[u8], right: &[u8]) -> Ordering {
    let strip = |digits: &[u8]| digits.iter().position(|&byte| byte != b'0').unwrap_or(digits.len());
    let (left, right) = (&left[strip(left)..], &right[strip(right)..]);
    left.len().cmp(&right.len()).then_with(|| left.cmp(right))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_sort_as_policy_says() {
        let ascending = [
            ["1.0~~", "1.0~~a"],
            ["1.0~~a", "1.0~"],
            ["1.0~", "1.0"],
            ["1.0", "1.0a"],
            ["1.0~beta1~svn1245", "1.0~beta1"],
            ["1.0~beta1", "1.0"],
            ["1.0", "1.0-1"],
            ["1.0-1", "1.0-1+b1"],
            ["1.0-1", "1.0-1.1"],
            ["1.0-1~bpo1", "1.0-1"],
            ["1.9", "1.10"],
            ["1.2.3", "1.2.10"],
            ["9:1", "10:1"],
            ["99", "1:0"],
            ["1.0a", "1.0+"],
            ["1.0-", "1.0.1"],
            ["2.36-9+deb12u9", "2.36-9+deb12u10"],
            ["1.99999999999999999999999", "1.100000000000000000000000"],
            ["a", "1a"],
            ["1.a", "1.b"],
            ["0-1-1", "0-1-2"],
            ["~", ""],
        ];
        for [low, high] in ascending {
            // `a` against `1a`: a word of letters against an empty one, so the order is the other way round.
            let expected = if low == "a" { Ordering::Greater } else { Ordering::Less };
            assert_eq!(compare_versions(low, high), expected, "{low} {high}");
            assert_eq!(compare_versions(high, low), expected.reverse(), "{high} {low}");
        }
    }

    #[test]
    fn equal_versions_have_several_spellings() {
        for [left, right] in [["1.0", "0:1.0"], ["1.0", "1.0-0"], ["1.02", "1.2"], ["0", ""], ["1.0-0", "1.0-00"]] {
            assert_eq!(compare_versions(left, right), Ordering::Equal, "{left} {right}");
        }
    }
}
