//! What a subscriber of the demo tells the publisher, one JSON object a line.

use serde::{Deserialize, Serialize};

/// One line.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Line {
    /// How many messages have arrived so far.
    Progress(u64),
    /// The end.
    Report(Report),
}

/// What one subscriber got.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct Report {
    /// Messages that were as they were sent, late ones included.
    pub(crate) received: u64,
    /// Messages with a number lower than one that had come before.
    pub(crate) out_of_order: u64,
    /// Messages that could not be decoded or held something else than was sent.
    pub(crate) bad: u64,
    /// Bytes of all message bodies.
    pub(crate) bytes: u64,
    /// Whether the end marker came.
    pub(crate) ended: bool,
    /// From the first message to the last one.
    pub(crate) seconds: f64,
}

impl Report {
    /// Returns how many of `sent` messages did not arrive.
    pub(crate) fn lost(&self, sent: u64) -> u64 {
        sent.saturating_sub(self.received)
    }

    /// Returns whether everything arrived, once and in order.
    pub(crate) fn is_intact(&self, sent: u64) -> bool {
        self.received == sent && self.out_of_order == 0 && self.bad == 0 && self.ended
    }

    /// Returns messages per second; 0 if there were too few to tell.
    pub(crate) fn rate(&self) -> f64 {
        if self.seconds > 0.0 { exact(self.received) / self.seconds } else { 0.0 }
    }
}

/// Returns a count as a floating-point number. Counts are below 2^32, so nothing is rounded away.
pub(crate) fn exact(count: u64) -> f64 {
    u32::try_from(count).map_or_else(|_| f64::from(u32::MAX), f64::from)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_survive_the_way() {
        let report = Report { received: 9, out_of_order: 1, bad: 2, bytes: 3, ended: true, seconds: 0.5 };
        for line in [Line::Progress(7), Line::Report(report)] {
            let text = serde_json::to_string(&line).unwrap();
            assert_eq!(serde_json::from_str::<Line>(&text).unwrap(), line);
        }
    }

    #[test]
    fn only_everything_is_intact() {
        let whole = Report { received: 5, ended: true, ..Report::default() };
        assert!(whole.is_intact(5));
        assert!(!whole.is_intact(6));
        assert_eq!(whole.lost(6), 1);
        assert!(!Report { ended: false, ..whole.clone() }.is_intact(5));
        assert!(!Report { bad: 1, ..whole.clone() }.is_intact(5));
        assert!(!Report { out_of_order: 1, ..whole }.is_intact(5));
    }
}
