//! Several measurements of one thing.

use serde::Serialize;

/// The median, and how far the others are from it.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub(crate) struct Spread {
    pub(crate) median: f64,
    pub(crate) min: f64,
    pub(crate) max: f64,
    /// How many there were.
    pub(crate) rounds: usize,
}

impl Spread {
    /// Summarises; `None` if there is nothing.
    pub(crate) fn of(values: impl IntoIterator<Item = f64>) -> Option<Self> {
        let mut values: Vec<f64> = values.into_iter().filter(|value| value.is_finite()).collect();
        values.sort_by(f64::total_cmp);
        let rounds = values.len();
        let (&min, &max) = (values.first()?, values.last()?);
        let (&low, &high) = (values.get((rounds - 1) / 2)?, values.get(rounds / 2)?);
        Some(Self { median: (low + high) / 2.0, min, max, rounds })
    }

    /// Returns the larger distance of an extreme from the median, as a share of the median.
    pub(crate) fn deviation(&self) -> f64 {
        if self.median == 0.0 {
            0.0
        } else {
            (self.max - self.median).max(self.median - self.min) / self.median
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_median_is_in_the_middle() {
        assert_eq!(Spread::of([]), None);
        let odd = Spread::of([3.0, 1.0, 10.0]).expect("three values");
        assert_eq!((odd.median, odd.min, odd.max, odd.rounds), (3.0, 1.0, 10.0, 3));
        let even = Spread::of([1.0, 2.0, f64::NAN, 4.0, 3.0]).expect("four values");
        assert_eq!((even.median, even.rounds), (2.5, 4));
        assert!((even.deviation() - 0.6).abs() < 1e-9);
    }
}
