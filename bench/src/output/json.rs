//! The results for programs.

use serde::Serialize;

use crate::cells::NOT_MEASURED;
use crate::conduct::Report;
use crate::failure::Outcome;

#[derive(Serialize)]
struct Document<'a> {
    /// Changes when a field changes its meaning.
    format: u32,
    #[serde(flatten)]
    report: &'a Report,
    not_measured: &'static [(&'static str, &'static str)],
}

/// Renders one JSON object.
pub(super) fn render(report: &Report) -> Outcome<String> {
    let document = Document { format: 1, report, not_measured: NOT_MEASURED };
    Ok(serde_json::to_string_pretty(&document)? + "\n")
}
