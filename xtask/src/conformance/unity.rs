//! What a program on the test library Unity prints: a line per case, and how many there were.

/// Counts and failures of one program.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Cases {
    pub(crate) passed: usize,
    pub(crate) failed: usize,
    pub(crate) ignored: usize,
    /// `case: reason` of those that failed.
    pub(crate) failures: Vec<String>,
}

impl Cases {
    /// Reads a program's output.
    pub(crate) fn read(output: &str) -> Self {
        let mut found = Self::default();
        for line in output.lines() {
            // file:line:case:VERDICT[: reason]
            let mut parts = line.splitn(4, ':');
            let (Some(_), Some(number), Some(case), Some(rest)) =
                (parts.next(), parts.next(), parts.next(), parts.next())
            else {
                continue;
            };
            if number.is_empty() || !number.bytes().all(|digit| digit.is_ascii_digit()) {
                continue;
            }
            let (verdict, reason) = rest.split_once(':').unwrap_or((rest, ""));
            match verdict {
                "PASS" => found.passed += 1,
                "IGNORE" => found.ignored += 1,
                "FAIL" => {
                    found.failed += 1;
                    found.failures.push(format!("{case} (line {number}): {}", reason.trim()));
                }
                _ => {}
            }
        }
        found
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn verdicts_are_counted() {
        let output = "\
noise: 1: x
/a/test_x.cpp:10:test_one:PASS
/a/test_x.cpp:12:test_two:FAIL: Expected -1 Was 0: really
/a/test_x.cpp:14:test_three:IGNORE: no IPv6
bind failed:99:nothing:ELSE

-----------------------
3 Tests 1 Failures 1 Ignored
FAIL
";
        let expected = Cases {
            passed: 1,
            failed: 1,
            ignored: 1,
            failures: vec!["test_two (line 12): Expected -1 Was 0: really".to_owned()],
        };
        assert_eq!(Cases::read(output), expected);
    }
}
