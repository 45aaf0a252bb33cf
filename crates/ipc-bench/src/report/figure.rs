//! One number, with its spread over the rounds.

use serde::{Deserialize, Serialize};

/// One number that was measured in several rounds.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Figure {
    /// The median of the rounds; of latencies, that of all rounds' samples together.
    pub value: f64,
    /// The lowest round.
    pub low: f64,
    /// The highest round.
    pub high: f64,
}

impl Figure {
    /// The figure of what the rounds gave; `None` if none of them gave a finite number.
    #[must_use]
    pub fn of(rounds: impl IntoIterator<Item = f64>) -> Option<Self> {
        let mut rounds: Vec<f64> = rounds.into_iter().filter(|round| round.is_finite()).collect();
        rounds.sort_by(f64::total_cmp);
        let (low, high) = (*rounds.first()?, *rounds.last()?);
        let middle = rounds.len() / 2;
        let upper = *rounds.get(middle)?;
        let value = if rounds.len() % 2 == 1 {
            upper
        } else {
            f64::midpoint(upper, *rounds.get(middle.wrapping_sub(1))?)
        };
        Some(Self { value, low, high })
    }

    /// A value that was found otherwise, with the spread of these rounds, widened to include it.
    #[must_use]
    pub fn around(value: f64, rounds: impl IntoIterator<Item = f64>) -> Self {
        let spread = Self::of(rounds);
        let (low, high) = spread.map_or((value, value), |spread| (spread.low, spread.high));
        Self { value, low: low.min(value), high: high.max(value) }
    }

    /// How far the rounds lie apart, as a share of the value: 0.1 is ten per cent. 0 if the value is 0.
    #[must_use]
    pub fn spread(&self) -> f64 {
        if self.value == 0.0 { 0.0 } else { (self.high - self.low) / self.value.abs() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_median_is_in_the_middle() {
        assert_eq!(Figure::of([]), None);
        assert_eq!(Figure::of([f64::NAN, f64::INFINITY]), None);
        assert_eq!(Figure::of([3.0, 1.0, 10.0]), Some(Figure { value: 3.0, low: 1.0, high: 10.0 }));
        assert_eq!(Figure::of([4.0, 1.0, 2.0, 3.0]), Some(Figure { value: 2.5, low: 1.0, high: 4.0 }));
        assert_eq!(Figure::of([7.0]), Some(Figure { value: 7.0, low: 7.0, high: 7.0 }));
    }

    #[test]
    fn the_spread_is_a_share_of_the_value() {
        let figure = Figure { value: 10.0, low: 8.0, high: 13.0 };
        assert!((figure.spread() - 0.5).abs() < 1e-9);
        assert!(Figure { value: 0.0, low: 0.0, high: 1.0 }.spread().abs() < 1e-9);
        assert_eq!(Figure::around(5.0, [6.0, 7.0]), Figure { value: 5.0, low: 5.0, high: 7.0 });
        assert_eq!(Figure::around(5.0, []), Figure { value: 5.0, low: 5.0, high: 5.0 });
    }
}
