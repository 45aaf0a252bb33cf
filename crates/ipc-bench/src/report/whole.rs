//! A whole report, and its way to a file and back.

use serde::{Deserialize, Serialize};

use super::{Cell, Key, Machine, Settings};

/// The version of the format. It rises when a reader of an older one would misunderstand; what is only added does not raise it.
pub const FORMAT: u32 = 1;

/// What was measured, where, and how.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Report {
    /// [`FORMAT`].
    pub tamtam_ipc_bench: u32,
    /// The version of this crate that measured.
    pub version: String,
    /// When it began: seconds since 1970, UTC.
    pub began: u64,
    /// Where.
    pub machine: Machine,
    /// How.
    pub settings: Settings,
    /// Who took part, in the order in which they are shown.
    pub contestants: Vec<Contestant>,
    /// What was measured: by pattern, then readers, then size, then contestant.
    pub cells: Vec<Cell>,
    /// What could not be measured here.
    pub unavailable: Vec<Unavailable>,
    /// What a reader has to know before trusting the figures: noise above all.
    pub warnings: Vec<String>,
}

/// Somebody who took part.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Contestant {
    /// The name in [`Key::contestant`].
    pub name: String,
    /// For people: "anonymous pipe", "libzmq 4.3.5, TCP".
    pub title: String,
    /// Whether it connects processes. Otherwise only threads of one.
    pub separate: bool,
    /// Octets of the longest message it takes here.
    pub message_max: u64,
}

/// A contestant, or a part of its cells, that could not be measured.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Unavailable {
    /// The contestant's name.
    pub name: String,
    /// Why not, and what would help.
    pub reason: String,
}

/// Why a text is not a report.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum NotAReport {
    /// It is not JSON of the right form.
    #[error("not a report of `tamtam ipc bench --json`: {0}")]
    Form(#[from] serde_json::Error),
    /// It is one of another version.
    #[error("a report in format {found}; this program reads format {FORMAT}")]
    Format {
        /// Its version.
        found: u32,
    },
}

impl Default for Report {
    fn default() -> Self {
        Self {
            tamtam_ipc_bench: FORMAT,
            version: env!("CARGO_PKG_VERSION").to_owned(),
            began: 0,
            machine: Machine::default(),
            settings: Settings::default(),
            contestants: Vec::new(),
            cells: Vec::new(),
            unavailable: Vec::new(),
            warnings: Vec::new(),
        }
    }
}

impl Report {
    /// Reads a report.
    ///
    /// # Errors
    ///
    /// [`NotAReport`]
    pub fn from_json(text: &str) -> Result<Self, NotAReport> {
        #[derive(Deserialize)]
        struct Format {
            tamtam_ipc_bench: u32,
        }
        // First of all: a report of another format need not have the rest.
        let Format { tamtam_ipc_bench: found } = serde_json::from_str(text)?;
        if found != FORMAT {
            return Err(NotAReport::Format { found });
        }
        Ok(serde_json::from_str(text)?)
    }

    /// Writes it in one line.
    ///
    /// # Panics
    ///
    /// Never: everything in a report has a form in JSON.
    #[must_use]
    pub fn to_json(&self) -> String {
        serde_json::to_string(self)
            .expect("a report has string keys only, and writing to memory does not fail")
    }

    /// The cell of this key.
    #[must_use]
    pub fn cell(&self, key: &Key) -> Option<&Cell> {
        self.cells.iter().find(|cell| cell.key == *key)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::{Figure, Latency, Notice, Pattern, Point, Waiting};

    fn report() -> Report {
        let figure = |value| Figure { value, low: value / 2.0, high: value * 2.0 };
        let mut cell = Cell::new(Key::new("pipe", Waiting::Block, Pattern::RoundTrip, 64, 1));
        cell.latency = Some(Latency {
            p50: figure(5_000.0),
            p90: Some(figure(6_000.0)),
            p99: None,
            p999: None,
            max: figure(90_000.5),
            samples: 321,
            curve: vec![Point { share: 0.0, ns: 4_000 }, Point { share: 1.0, ns: 90_000 }],
        });
        cell.notice = Some(Notice::Blocked);
        cell.failures.push("the receiver died".to_owned());
        Report {
            cells: vec![cell],
            unavailable: vec![Unavailable { name: "x".into(), reason: "no \"x\" here".into() }],
            ..Report::default()
        }
    }

    #[test]
    fn what_is_written_is_read() {
        let report = report();
        let text = report.to_json();
        assert!(!text.contains('\n'));
        assert_eq!(Report::from_json(&text).expect("a report"), report);
    }

    #[test]
    fn absent_measures_may_be_left_out() {
        let mut value: serde_json::Value = serde_json::from_str(&report().to_json()).expect("JSON");
        let cell = value["cells"][0].as_object_mut().expect("an object");
        cell.retain(|key, _| {
            ["contestant", "waiting", "pattern", "size", "readers", "separate", "rounds"]
                .contains(&key.as_str())
        });
        cell.insert("some_later_field".into(), 5.into());
        let read = Report::from_json(&value.to_string()).expect("a report");
        assert_eq!(read.cells[0].latency, None);
        assert_eq!(read.cells[0].key, report().cells[0].key);
    }

    #[test]
    fn others_are_refused_with_the_reason() {
        assert!(matches!(Report::from_json("{}"), Err(NotAReport::Form(_))));
        assert!(matches!(Report::from_json("pipe 5"), Err(NotAReport::Form(_))));
        let later = Report::from_json("{\"tamtam_ipc_bench\": 2}").expect_err("a later format");
        assert!(matches!(later, NotAReport::Format { found: 2 }));
        assert!(later.to_string().contains("format 2"));
    }

    #[test]
    fn a_cell_is_found_by_its_key() {
        let report = report();
        assert!(report.cell(&report.cells[0].key).is_some());
        let other = Key { size: 65, ..report.cells[0].key.clone() };
        assert!(report.cell(&other).is_none());
        assert_eq!(report.cells[0].key.to_string(), "pipe, round-trip, 64 octets");
    }
}
