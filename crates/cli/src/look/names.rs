//! Names that people type: patterns, what they may have meant, and names inside of other languages.

use crate::output::escape;

/// Returns a name of somebody else's in a form that can do nothing to a terminal or to a line's bounds. Names
/// that follow the rules stay as they are.
pub(crate) fn safe(name: &str) -> String {
    escape(name.as_bytes())
}

/// Returns whether a pattern means the name: as a whole if it has a wildcard, otherwise as a part of it.
pub(crate) fn matches(pattern: &str, name: &str) -> bool {
    if !pattern.contains(['*', '?']) {
        return name.contains(pattern);
    }
    let (pattern, name): (Vec<char>, Vec<char>) = (pattern.chars().collect(), name.chars().collect());
    // Where to go on when what follows the last star does not fit: the star takes one character more.
    let mut retry: Option<(usize, usize)> = None;
    let (mut p, mut n) = (0, 0);
    while let Some(&letter) = name.get(n) {
        match pattern.get(p) {
            Some('*') => {
                retry = Some((p + 1, n));
                p += 1;
            }
            Some(&wanted) if wanted == '?' || wanted == letter => {
                p += 1;
                n += 1;
            }
            _ => {
                let Some((after, taken)) = retry else { return false };
                retry = Some((after, taken + 1));
                (p, n) = (after, taken + 1);
            }
        }
    }
    pattern.iter().skip(p).all(|&letter| letter == '*')
}

/// Returns the candidate that the user may have meant, if one is close enough.
pub(crate) fn closest<'a>(wanted: &str, candidates: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let folded = wanted.to_lowercase();
    let last = |name: &str| name.rsplit(['/', '.']).next().unwrap_or_default().to_lowercase();
    let scored = candidates.into_iter().map(|candidate| {
        let distance = distance(&folded, &candidate.to_lowercase());
        // The right name in the wrong place is a small mistake.
        let same_end = !last(wanted).is_empty() && last(wanted) == last(candidate);
        (if same_end { distance.min(1) } else { distance }, candidate)
    });
    let allowed = (wanted.chars().count() / 3).max(1);
    scored.min().filter(|(distance, _)| *distance <= allowed).map(|(_, candidate)| candidate)
}

/// Returns how many letters have to be added, removed, replaced or swapped with their neighbour.
fn distance(a: &str, b: &str) -> usize {
    let (a, b): (Vec<char>, Vec<char>) = (a.chars().collect(), b.chars().collect());
    let at = |row: &[usize], index: usize| row.get(index).copied().unwrap_or(usize::MAX / 2);
    let mut before: Vec<usize> = Vec::new();
    let mut last: Vec<usize> = (0..=b.len()).collect();
    for (i, &x) in a.iter().enumerate() {
        let mut row = vec![i + 1];
        for (j, &y) in b.iter().enumerate() {
            let replaced = at(&last, j) + usize::from(x != y);
            let mut best = replaced.min(at(&last, j + 1) + 1).min(at(&row, j) + 1);
            let swapped = i > 0 && j > 0 && a.get(i - 1) == Some(&y) && b.get(j - 1) == Some(&x);
            if swapped {
                best = best.min(at(&before, j - 1) + 1);
            }
            row.push(best);
        }
        before = std::mem::replace(&mut last, row);
    }
    at(&last, b.len())
}

/// Returns the text as a quoted string of the DOT language.
pub(crate) fn dot(lines: &[&str]) -> String {
    let quoted: Vec<String> = lines
        .iter()
        .map(|line| safe(line).replace('&', "&amp;").replace('\\', "\\\\").replace('"', "\\\""))
        .collect();
    format!("\"{}\"", quoted.join("\\n"))
}

/// Returns the text as a quoted string of Mermaid, whose escapes look like those of HTML.
pub(crate) fn mermaid(lines: &[&str]) -> String {
    let quoted: Vec<String> = lines
        .iter()
        .map(|line| {
            let mut text = String::new();
            for letter in safe(line).chars() {
                match letter {
                    '"' | '#' | '&' | '<' | '>' | '`' | ';' | '\\' => {
                        text.push_str(&format!("#{};", u32::from(letter)));
                    }
                    _ => text.push(letter),
                }
            }
            text
        })
        .collect();
    format!("\"{}\"", quoted.join("<br>"))
}

/// Joins names, and counts those beyond the first few.
pub(crate) fn some<'a>(names: impl IntoIterator<Item = &'a str>) -> String {
    const SHOWN: usize = 6;
    let names: Vec<String> = names.into_iter().map(safe).collect();
    let shown: Vec<&str> = names.iter().take(SHOWN).map(String::as_str).collect();
    match names.len().saturating_sub(SHOWN) {
        0 => shown.join(", "),
        more => format!("{} and {more} more", shown.join(", ")),
    }
}

/// Writes a number with its noun: `1 topic`, `2 topics`.
pub(crate) fn count(number: usize, noun: &str) -> String {
    format!("{number} {noun}{}", if number == 1 { "" } else { "s" })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patterns_match_wholes_and_texts_match_parts() {
        for (pattern, name) in [
            ("imu", "/robot/imu"),
            ("/robot/*", "/robot/imu"),
            ("*imu", "/robot/imu"),
            ("/r*t/?m?", "/robot/imu"),
            ("*", "/x"),
            ("*/*/*", "/a/b"),
            ("/a*b*c", "/aXbXbc"),
            ("/ä?", "/äö"),
        ] {
            assert!(matches(pattern, name), "{pattern} {name}");
        }
        for (pattern, name) in
            [("imo", "/imu"), ("?imu", "/robot/imu"), ("/robot*x", "/robot/imu"), ("/a?", "/a"), ("a*", "/a")]
        {
            assert!(!matches(pattern, name), "{pattern} {name}");
        }
        // Many stars take no longer than they must.
        assert!(!matches(&format!("{}b", "a*".repeat(30)), &"a".repeat(200)));
    }

    #[test]
    fn distances_count_slips() {
        for (a, b, expected) in [
            ("", "", 0),
            ("", "ab", 2),
            ("imu", "imu", 0),
            ("imo", "imu", 1),
            ("ium", "imu", 1),
            ("im", "imu", 1),
            ("kitten", "sitting", 3),
        ] {
            assert_eq!(distance(a, b), expected, "{a} {b}");
            assert_eq!(distance(b, a), expected, "{b} {a}");
        }
    }

    #[test]
    fn what_was_meant_is_close() {
        let known = ["/imu", "/camera/image", "/cmd"];
        assert_eq!(closest("/imo", known), Some("/imu"));
        assert_eq!(closest("/IMU", known), Some("/imu"));
        assert_eq!(closest("/camera/imgae", known), Some("/camera/image"));
        assert_eq!(closest("/image", known), Some("/camera/image"), "the right name in the wrong place");
        assert_eq!(closest("/weather", known), None);
        assert_eq!(closest("Imu", ["demo.Imu", "demo.Image"]), Some("demo.Imu"));
    }

    #[test]
    fn names_cannot_break_out_of_their_quotes() {
        assert_eq!(dot(&["a\"b\\"]), r#""a\"b\\\\""#);
        assert_eq!(dot(&["a\nb", "c"]), r#""a\\nb\nc""#);
        assert_eq!(mermaid(&["a\"]--x", "<b>"]), "\"a#34;]--x<br>#60;b#62;\"");
        assert_eq!(safe("/imu\x1b[31m\n"), "/imu\\u{1b}[31m\\n");
    }

    #[test]
    fn long_lists_are_cut() {
        assert_eq!(some(["a", "b"]), "a, b");
        assert_eq!(some(["a"; 8]), "a, a, a, a, a, a and 2 more");
        assert_eq!((count(1, "node"), count(0, "node")), ("1 node".to_owned(), "0 nodes".to_owned()));
    }
}
