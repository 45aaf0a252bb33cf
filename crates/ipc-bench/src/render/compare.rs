//! Two reports beside each other: ratios, cell by cell.

use crate::report::{Cell, Figure, Key, Report};

/// One measure of one cell in two reports.
#[derive(Clone, Debug, PartialEq)]
pub struct Comparison {
    /// Which cell.
    pub key: Key,
    /// Which measure, with its unit: "p50, ns".
    pub measure: &'static str,
    /// In the older report.
    pub old: Figure,
    /// In the newer one.
    pub new: Figure,
    /// New over old: 1 is the same.
    pub ratio: f64,
    /// Whether a greater ratio is better.
    pub more_is_better: bool,
    /// Whether the rounds of the two reports do not overlap: only then the difference is more than noise.
    pub is_clear: bool,
}

type Measure = (&'static str, bool, fn(&Cell) -> Option<Figure>);

const MEASURES: &[Measure] = &[
    ("p50, ns", false, |cell| cell.latency.as_ref().map(|latency| latency.p50)),
    ("p99, ns", false, |cell| cell.latency.as_ref().and_then(|latency| latency.p99)),
    // Of patterns that have a latency, the rate follows from that, or is given.
    ("messages/s", true, |cell| cell.messages_per_s.filter(|_| cell.latency.is_none())),
    ("CPU µs, sender", false, |cell| cell.sender_cpu_us),
    ("CPU µs, receiver", false, |cell| cell.receiver_cpu_us),
    ("burst, ns", false, |cell| cell.burst_ns),
    ("notice, ns", false, |cell| cell.notice_ns),
];

/// Compares the cells that both reports have, in the order of the newer one. What only one of them has measured is left out.
#[must_use]
pub fn compare(old: &Report, new: &Report) -> Vec<Comparison> {
    let pairs = new.cells.iter().filter_map(|cell| Some((old.cell(&cell.key)?, cell)));
    pairs
        .flat_map(|(old, new)| MEASURES.iter().filter_map(move |measure| beside(measure, old, new)))
        .collect()
}

fn beside((name, more_is_better, of): &Measure, old_cell: &Cell, new_cell: &Cell) -> Option<Comparison> {
    let (old, new) = (of(old_cell)?, of(new_cell)?);
    (old.value > 0.0).then(|| Comparison {
        key: new_cell.key.clone(),
        measure: name,
        old,
        new,
        ratio: new.value / old.value,
        more_is_better: *more_is_better,
        is_clear: new.low > old.high || new.high < old.low,
    })
}

impl Comparison {
    /// Whether the newer one is better; `None` if the difference is noise.
    #[must_use]
    pub fn is_better(&self) -> Option<bool> {
        self.is_clear.then_some((self.ratio > 1.0) == self.more_is_better)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::render::table::tests::report;

    fn of<'a>(found: &'a [Comparison], contestant: &str, measure: &str) -> &'a Comparison {
        let mut fitting =
            found.iter().filter(|one| one.key.contestant == contestant && one.measure == measure);
        fitting.next().expect("compared")
    }

    #[test]
    fn what_both_have_is_compared() {
        let old = report();
        let mut new = report();
        for cell in &mut new.cells {
            if let Some(latency) = &mut cell.latency {
                latency.p50 = Figure { value: latency.p50.value * 2.0, low: 17_000.0, high: 20_000.0 };
            }
            if let Some(rate) = &mut cell.messages_per_s {
                *rate = Figure { value: rate.value * 1.05, ..*rate };
            }
        }
        new.cells.remove(1);
        let found = compare(&old, &new);
        let slower = of(&found, "pipe", "p50, ns");
        assert!((slower.ratio - 2.0).abs() < 1e-9 && slower.is_better() == Some(false));
        let same = of(&found, "pipe", "messages/s");
        assert!((same.ratio - 1.05).abs() < 1e-9 && same.is_better().is_none());
        assert!(found.iter().all(|one| one.key != old.cells[1].key), "signals' round trip is not in both");
        assert_eq!(of(&found, "pipe", "p99, ns").is_better(), None);
        assert!(compare(&Report::default(), &new).is_empty());
    }

    #[test]
    fn more_messages_are_better_and_more_time_is_worse() {
        let clear = |ratio, more_is_better| {
            let figure = Figure { value: 1.0, low: 1.0, high: 1.0 };
            let key = report().cells[0].key.clone();
            let measure = "x";
            Comparison { key, measure, old: figure, new: figure, ratio, more_is_better, is_clear: true }
        };
        assert_eq!(clear(2.0, true).is_better(), Some(true));
        assert_eq!(clear(0.5, true).is_better(), Some(false));
        assert_eq!(clear(0.5, false).is_better(), Some(true));
    }
}
