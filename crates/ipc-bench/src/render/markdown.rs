//! A report as a page of Markdown.

use std::fmt::Write as _;

use super::table::{machine, sections};
use crate::report::Report;

/// Writes it as Markdown: the machine, warnings, one table for each pattern and size.
#[must_use]
pub fn markdown(report: &Report) -> String {
    let mut page = String::from("# What talking within this machine costs\n\n");
    for line in machine(report) {
        item(&mut page, &line);
    }
    for warning in &report.warnings {
        item(&mut page, &format!("**Warning:** {}", escape(warning)));
    }
    for section in sections(report) {
        let _ = write!(page, "\n## {}\n\n", escape(&section.title));
        row(&mut page, section.header.iter().map(|cell| cell.trim().to_owned()));
        let ruler = |index: usize| if index == 0 { "---" } else { "--:" };
        row(&mut page, (0..section.header.len()).map(|index| ruler(index).to_owned()));
        for cells in &section.rows {
            row(&mut page, cells.iter().map(|cell| escape(cell)));
        }
        if !section.failures.is_empty() {
            page.push('\n');
        }
        for failure in &section.failures {
            item(&mut page, &escape(failure));
        }
    }
    if !report.unavailable.is_empty() {
        page.push_str("\n## Not available here\n\n");
    }
    for missing in &report.unavailable {
        item(&mut page, &format!("**{}**: {}", escape(&missing.name), escape(&missing.reason)));
    }
    page
}

fn item(page: &mut String, text: &str) {
    // Writing to a string cannot fail.
    let _ = writeln!(page, "- {text}");
}

fn row(page: &mut String, cells: impl Iterator<Item = String>) {
    for cell in cells {
        let _ = write!(page, "| {cell} ");
    }
    page.push_str("|\n");
}

/// Keeps what was measured or failed from being taken for Markdown, or HTML in it.
fn escape(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for letter in text.chars() {
        match letter {
            '|' | '*' | '_' | '`' | '[' | ']' | '<' | '>' | '\\' => escaped.extend(['\\', letter]),
            '\n' | '\r' => escaped.push(' '),
            letter => escaped.push(letter),
        }
    }
    escaped
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::render::table::tests::report;

    #[test]
    fn tables_are_whole_and_nothing_is_taken_for_markup() {
        let page = markdown(&report());
        for part in [
            "## round trip, 64 B",
            "| pipe | 9.00 µs |",
            "a \\<b\\> & \"c\"",
            "**posix-queue**: not \\<here\\>",
        ] {
            assert!(page.contains(part), "{part}: {page}");
        }
        let bars = |line: &str| line.matches('|').count();
        let tables = page.split("\n\n").filter(|block| block.starts_with('|'));
        for table in tables {
            let mut lines = table.lines();
            let first = lines.next().map(bars);
            assert!(lines.all(|line| Some(bars(line)) == first), "{table}");
        }
        assert_eq!(escape("a|b\n`c`"), "a\\|b \\`c\\`");
    }
}
