//! A table of text cells.

/// Rows of cells under a heading.
pub(crate) struct Columns {
    rows: Vec<Vec<String>>,
}

impl Columns {
    /// Makes a table with a heading.
    pub(crate) fn new(heading: &[&str]) -> Self {
        Self { rows: vec![heading.iter().map(|&text| text.to_owned()).collect()] }
    }

    /// Adds a row.
    pub(crate) fn push(&mut self, row: Vec<String>) {
        self.rows.push(row);
    }

    /// Renders for a terminal (columns aligned) or as Markdown.
    pub(crate) fn render(&self, markdown: bool) -> String {
        let mut out = String::new();
        let count = self.rows.iter().map(Vec::len).max().unwrap_or(0);
        let width = |column: usize| {
            self.rows
                .iter()
                .filter_map(|row| row.get(column))
                .map(|cell| cell.chars().count())
                .max()
                .unwrap_or(0)
        };
        let widths: Vec<_> = (0..count).map(width).collect();
        for (number, row) in self.rows.iter().enumerate() {
            if markdown {
                let cells: Vec<_> = row.iter().map(|cell| cell.replace('|', "\\|")).collect();
                out.push_str(&format!("| {} |\n", cells.join(" | ")));
                if number == 0 {
                    out.push_str(&format!("|{}\n", " --- |".repeat(count)));
                }
            } else {
                let cells: Vec<_> =
                    row.iter().zip(&widths).map(|(cell, width)| format!("{cell:<width$}")).collect();
                out.push_str(cells.join("  ").trim_end());
                out.push('\n');
            }
        }
        out
    }
}
