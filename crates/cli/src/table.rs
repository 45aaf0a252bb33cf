//! Lines whose columns align, and their colours.

/// What a line means; on a terminal that is its colour.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Paint {
    Plain,
    Faint,
    Good,
    Careful,
    Bad,
}

/// What stands in one column of a row.
#[derive(Clone, Debug)]
struct Cell {
    text: String,
    paint: Paint,
}

impl Paint {
    /// Returns the text in this colour if there are colours.
    pub(crate) fn on(self, text: &str, coloured: bool) -> String {
        let code = match self {
            Self::Plain => return text.to_owned(),
            _ if !coloured || text.is_empty() => return text.to_owned(),
            Self::Faint => 2,
            Self::Good => 32,
            Self::Careful => 33,
            Self::Bad => 31,
        };
        format!("\x1b[{code}m{text}\x1b[0m")
    }
}

/// Rows of cells, of which each column is as wide as its widest cell.
#[derive(Debug, Default)]
pub(crate) struct Table {
    rows: Vec<Vec<Cell>>,
    /// Columns from the left whose cells stand on the right: numbers.
    numbers: usize,
}

impl Table {
    /// A table whose first columns are numbers, and stand on the right.
    pub(crate) fn of_numbers(columns: usize) -> Self {
        Self { rows: Vec::new(), numbers: columns }
    }

    /// Adds a row.
    pub(crate) fn row<S: Into<String>>(&mut self, cells: impl IntoIterator<Item = S>) {
        self.painted(cells.into_iter().map(|cell| (cell, Paint::Plain)));
    }

    /// Adds the row of the columns' names.
    pub(crate) fn header(&mut self, cells: &[&str]) {
        self.painted(cells.iter().map(|cell| (*cell, Paint::Faint)));
    }

    /// Adds a row with colours.
    pub(crate) fn painted<S: Into<String>>(&mut self, cells: impl IntoIterator<Item = (S, Paint)>) {
        self.rows.push(cells.into_iter().map(|(text, paint)| Cell { text: text.into(), paint }).collect());
    }

    /// Adds a line that is in no column.
    pub(crate) fn line(&mut self, text: impl Into<String>, paint: Paint) {
        self.rows.push(vec![Cell { text: text.into(), paint }]);
    }

    /// Returns the lines. Nothing stands behind the last cell that is not empty.
    pub(crate) fn lines(&self, coloured: bool) -> Vec<String> {
        let columns = self.rows.iter().map(Vec::len).max().unwrap_or_default();
        let width = |column: usize| {
            let cells = self.rows.iter().filter(|row| row.len() > 1).filter_map(|row| row.get(column));
            cells.map(|cell| cell.text.chars().count()).max().unwrap_or_default()
        };
        let widths: Vec<usize> = (0..columns).map(width).collect();
        let line = |row: &Vec<Cell>| {
            let used = row.iter().rposition(|cell| !cell.text.is_empty()).map_or(0, |last| last + 1);
            let mut line = String::new();
            for (index, (Cell { text, paint }, width)) in row.iter().zip(&widths).take(used).enumerate() {
                let blanks = width.saturating_sub(text.chars().count());
                let is_number = index < self.numbers && row.len() > 1;
                let is_last = index + 1 == used;
                let (before, behind) = match (is_number, is_last) {
                    (true, true) => (blanks, 0),
                    (true, false) => (blanks, 2),
                    (false, true) => (0, 0),
                    (false, false) => (0, blanks + 2),
                };
                line.extend(std::iter::repeat_n(' ', before));
                line.push_str(&paint.on(text, coloured));
                line.extend(std::iter::repeat_n(' ', behind));
            }
            line
        };
        self.rows.iter().map(line).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_align_by_letters_and_colours_take_no_room() {
        let mut table = Table::default();
        table.header(&["a", "b", "c"]);
        table.row(["äöü", "", ""]);
        table.line("longer than a column", Paint::Plain);
        table.painted([("x", Paint::Bad), ("yy", Paint::Plain), ("z", Paint::Good)]);
        assert_eq!(table.lines(false), ["a    b   c", "äöü", "longer than a column", "x    yy  z"]);
        assert_eq!(table.lines(true)[3], "\x1b[31mx\x1b[0m    yy  \x1b[32mz\x1b[0m");
        assert!(Table::default().lines(true).is_empty());
    }

    #[test]
    fn numbers_stand_on_the_right() {
        let mut table = Table::of_numbers(2);
        table.row(["n", "lost", ""]);
        table.row(["1000", "7", "intact"]);
        table.line("1007 in all", Paint::Plain);
        assert_eq!(table.lines(false), ["   n  lost", "1000     7  intact", "1007 in all"]);
    }
}
