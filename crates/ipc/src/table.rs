//! The one table of what is to know about the mechanisms, made from their [`Facts`].

use std::borrow::Cow;
use std::fmt::Write as _;

use crate::{Facts, all};

/// One column of the table.
#[derive(Clone, Copy, Debug)]
pub struct Column {
    /// What it is about.
    pub title: &'static str,
    /// What it says of a mechanism.
    pub value: fn(&Facts) -> Cow<'static, str>,
}

/// What some words say: enough to choose between mechanisms.
pub const SHORT: &[Column] = &[
    Column { title: "mechanism", value: |facts| facts.name.into() },
    Column { title: "family", value: |facts| facts.family.text().into() },
    Column { title: "boundaries", value: |facts| facts.boundaries.text().into() },
    Column { title: "order", value: |facts| facts.order.text().into() },
    Column { title: "nobody receives", value: |facts| facts.delivery.text().into() },
    Column { title: "direction", value: |facts| facts.direction.text().into() },
    Column { title: "reaches", value: |facts| facts.reach.text().into() },
    Column { title: "lives", value: |facts| facts.persistence.text().into() },
    Column { title: "the other end dies", value: |facts| facts.peer_death.text().into() },
    Column { title: "poll", value: |facts| if facts.pollable { "yes" } else { "no" }.into() },
    Column { title: "copies", value: |facts| facts.copies.to_string().into() },
    Column { title: "system calls", value: |facts| facts.system_calls.into() },
];

/// What takes sentences: enough to use a mechanism.
pub const LONG: &[Column] = &[
    Column { title: "when", value: |facts| facts.when.into() },
    Column { title: "when not", value: |facts| facts.when_not.into() },
    Column { title: "pitfalls", value: |facts| facts.pitfalls.into() },
    Column { title: "back-pressure", value: |facts| facts.back_pressure.into() },
    Column { title: "limits", value: |facts| facts.limits.into() },
    Column { title: "permissions", value: |facts| facts.permissions.into() },
    Column { title: "clean-up", value: |facts| facts.clean_up.into() },
    Column { title: "the other end dies", value: |facts| facts.peer_death_text.into() },
    Column { title: "languages", value: |facts| facts.languages.into() },
    Column { title: "manual", value: |facts| facts.manual.into() },
];

/// Writes all of it as a page of Markdown: a table of the short columns, then the long ones, mechanism by mechanism.
#[must_use]
pub fn markdown() -> String {
    let mut page = String::from(INTRODUCTION);
    row(&mut page, SHORT.iter().map(|column| column.title.into()));
    row(&mut page, SHORT.iter().map(|_| "---".into()));
    for mechanism in all() {
        row(&mut page, SHORT.iter().map(|column| (column.value)(mechanism.facts())));
    }
    for mechanism in all() {
        let facts = mechanism.facts();
        let _ = write!(page, "\n## {}: {}\n\n", facts.name, facts.title);
        for column in LONG {
            let _ = writeln!(page, "- **{}**: {}", column.title, (column.value)(facts));
        }
    }
    page
}

/// Writes some columns of a mechanism for a terminal, one below the other: the titles, then the values, wrapped to this width. The
/// values begin in the same place whichever columns they are.
#[must_use]
pub fn plain<'a>(facts: &Facts, columns: impl IntoIterator<Item = &'a Column>, width: usize) -> String {
    let margin = SHORT.iter().chain(LONG).map(|column| column.title.len()).max().unwrap_or(0) + 2;
    let mut text = String::new();
    for column in columns {
        let _ = write!(text, "{:margin$}", column.title);
        let mut used = margin;
        for word in (column.value)(facts).split_ascii_whitespace() {
            if used > margin && used + 1 + word.len() > width {
                let _ = write!(text, "\n{:margin$}", "");
                used = margin;
            }
            let gap = if used > margin { " " } else { "" };
            let _ = write!(text, "{gap}{word}");
            used += gap.len() + word.len();
        }
        text.push('\n');
    }
    text
}

fn row(page: &mut String, cells: impl Iterator<Item = Cow<'static, str>>) {
    for cell in cells {
        let _ = write!(page, "| {} ", cell.replace('|', "\\|"));
    }
    page.push_str("|\n");
}

const INTRODUCTION: &str = "\
# The mechanisms of tamtam-ipc

What the code says of itself: made from the `Facts` of each mechanism by `TAMTAM_IPC_WRITE=1 cargo test -p tamtam-ipc --test table`, and held to
them by the tests of `crates/ipc/tests/conformance`.

*Nobody receives* tells what happens to a message that the other end does not take in time, *lives* how long the kernel's object does, *poll* whether
an event loop can wait for it. *Copies* and *system calls* are those of a short message on its way from one buffer to the other in this crate, if
nobody has to wait.

";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn everything_is_said_in_one_line_each() {
        for mechanism in all() {
            for column in SHORT.iter().chain(LONG) {
                let value = (column.value)(mechanism.facts());
                assert!(!value.trim().is_empty(), "{}: {}", mechanism.facts().name, column.title);
                assert!(
                    !value.contains('\n') && !value.contains("  "),
                    "{}: {value:?}",
                    mechanism.facts().name
                );
            }
        }
    }

    #[test]
    fn lines_fit_the_width_and_lose_no_word() {
        let facts = all()[0].facts();
        let plain = |width| plain(facts, SHORT.iter().chain(LONG), width);
        let text = plain(60);
        assert!(text.lines().all(|line| line.len() <= 60), "{text}");
        let words = |text: &str| text.split_ascii_whitespace().map(str::to_owned).collect::<Vec<_>>();
        assert_eq!(words(&text), words(&plain(10_000)));
        let narrow = plain(0);
        assert!(narrow.lines().skip(1).all(|line| words(line).len() <= 5), "{narrow}");
    }

    #[test]
    fn a_bar_does_not_end_a_cell() {
        let mut page = String::new();
        row(&mut page, ["a|b", "c"].into_iter().map(Cow::from));
        assert_eq!(page, "| a\\|b | c |\n");
    }
}
