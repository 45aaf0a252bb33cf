//! What ends tell the conductor, one JSON object a line on standard output.

use serde::{Deserialize, Serialize};

use crate::usage::Usage;

/// What the conductor says when all are ready.
pub(crate) const GO: &str = "go";
/// What the conductor says when all are done.
pub(crate) const STOP: &str = "stop";

/// Something an end says.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Line {
    /// Bound here; others may connect.
    Bound(String),
    /// Connected and warm; waits for [`GO`].
    Ready,
    /// Has done all that was to be done; waits for [`STOP`].
    Done(Done),
    /// What it took, from [`GO`] to [`STOP`].
    Spent(Usage),
    /// It went wrong; the process ends.
    Failed(String),
}

/// When the work was begun and ended, on the clock that all processes share.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
pub(crate) struct Done {
    pub(crate) start_ns: u64,
    pub(crate) end_ns: u64,
}
