//! Which line of a script its interpreter blames.
//!
//! A shell is watched while it reads (see `sinter-sandbox`); other interpreters say where they failed, and each has its
//! way: `File "/sinter/script", line 3` (Python), `/sinter/script:3:in` (Ruby, Node), `at /sinter/script line 3.` (Perl).

/// Where every step finds its script.
const SCRIPT: &str = "/sinter/script";

/// Between the script's path and the number stand at most this many other characters (`", line `).
const GAP: usize = 8;

/// The line named last: in a stack trace of the script itself, the innermost.
pub(crate) fn failing_line(output: &str) -> Option<u32> {
    output.rmatch_indices(SCRIPT).find_map(|(index, _)| number_after(&output[index + SCRIPT.len()..]))
}

fn number_after(rest: &str) -> Option<u32> {
    let start = rest.find(|c: char| c.is_ascii_digit()).filter(|&start| start <= GAP)?;
    if rest[..start].contains('\n') {
        return None;
    }
    let digits: String = rest[start..].chars().take_while(char::is_ascii_digit).collect();
    digits.parse().ok().filter(|&line| line > 0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn interpreters_name_their_lines() {
        for (output, line) in [
            ("Traceback:\n  File \"/sinter/script\", line 3, in <module>\nError", Some(3)),
            ("  File \"/sinter/script\", line 9, in f\n  File \"/sinter/script\", line 2, in g\n", Some(2)),
            ("/sinter/script:12:in `main': oops (RuntimeError)", Some(12)),
            ("Died at /sinter/script line 4.", Some(4)),
            ("/sinter/script: no number on this line\n7", None),
            ("nothing", None),
        ] {
            assert_eq!(failing_line(output), line, "{output}");
        }
    }
}
