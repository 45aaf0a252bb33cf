//! The file of budgets: a line for each path and figure, comments between them.

use std::fmt;

/// What is counted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Figure {
    /// Allocations per 1,000 messages (or round trips).
    Allocations,
    /// Changes of the CPU from one thread to another, per round trip.
    Switches,
    /// System calls of all threads per 1,000 messages (or round trips).
    Calls,
    /// Instructions in user mode of all threads, per message (or round trip).
    Instructions,
}

impl Figure {
    pub(super) const ALL: [Self; 4] = [Self::Allocations, Self::Switches, Self::Calls, Self::Instructions];

    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Allocations => "allocations",
            Self::Switches => "switches",
            Self::Calls => "calls",
            Self::Instructions => "instructions",
        }
    }

    /// Returns the budget for what was measured: with room for what flickers, and not for one more of it per message.
    pub(super) fn with_room(self, measured: f64) -> f64 {
        let most = match self {
            // Batches and growing buffers now and then.
            Self::Allocations => measured * 1.1 + 3.0,
            // The background thread's looks at the clock.
            Self::Switches => measured + 0.3,
            // A batch that was ended sooner, and those looks.
            Self::Calls => (measured * 1.25).min(measured + 400.0) + 10.0,
            Self::Instructions => measured * 1.1,
        };
        // Two decimals are what the file shows.
        (most * 100.0).ceil() / 100.0
    }
}

/// The most that a figure may be on a path.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Budget {
    pub(super) path: String,
    pub(super) figure: Figure,
    pub(super) most: f64,
}

impl fmt::Display for Budget {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:<24} {:<14} {:>9.2}", self.path, self.figure.name(), self.most)
    }
}

/// Reads the file.
///
/// # Errors
///
/// With the number of the line that says nothing.
pub(super) fn parse(text: &str) -> Result<Vec<Budget>, String> {
    let lines = text.lines().enumerate().filter(|(_, line)| is_budget(line));
    lines
        .map(|(index, line)| {
            let wrong = || format!("line {} of the budgets is not `PATH FIGURE NUMBER`: {line:?}", index + 1);
            let words: Vec<&str> = line.split_whitespace().collect();
            let [path, name, most] = words[..] else { return Err(wrong()) };
            let figure = Figure::ALL.into_iter().find(|figure| figure.name() == name).ok_or_else(wrong)?;
            let most = most.parse().ok().filter(|most: &f64| most.is_finite()).ok_or_else(wrong)?;
            Ok(Budget { path: path.to_owned(), figure, most })
        })
        .collect()
}

/// Writes the file anew; comments stay where they are.
pub(super) fn render(text: &str, budgets: &[Budget]) -> String {
    let mut budgets = budgets.iter();
    let lines = text.lines().map(|line| {
        let next = if is_budget(line) { budgets.next() } else { None };
        next.map_or_else(|| line.to_owned(), ToString::to_string) + "\n"
    });
    lines.collect()
}

fn is_budget(line: &str) -> bool {
    !line.trim().is_empty() && !line.starts_with('#')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn comments_survive_a_renewal() {
        let text = "# why\n\npush-pull/ipc calls 3\n# more\nreq-rep/ipc switches 2.5\n";
        let mut budgets = parse(text).unwrap();
        budgets[0].most = 4.25;
        let new = render(text, &budgets);
        assert!(new.starts_with("# why\n\npush-pull/ipc"), "{new}");
        assert!(new.contains("4.25\n# more\n"), "{new}");
        assert_eq!(parse(&new).unwrap(), budgets);
    }

    #[test]
    fn a_line_that_says_nothing_is_named() {
        for line in ["a calls", "a laughs 3", "a calls many", "a calls 3 4", "a calls NaN"] {
            assert!(parse(&format!("# first\n{line}\n")).unwrap_err().starts_with("line 2 "), "{line}");
        }
    }

    #[test]
    fn there_is_no_room_for_one_more_per_message() {
        assert!(Figure::Allocations.with_room(0.0) < 1000.0);
        assert!(Figure::Calls.with_room(300.0) < 1300.0);
        assert!(Figure::Calls.with_room(4000.0) < 5000.0);
        assert!(Figure::Switches.with_room(2.0) < 3.0);
    }
}
