//! What the program that holds the rivals says of each.

use serde::{Deserialize, Serialize};

use crate::spec::Contestant;

/// A rival, and whether it can take part.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Rival {
    /// Which one.
    pub contestant: Contestant,
    /// Whether it can take part.
    pub state: State,
}

/// Whether a rival can take part.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum State {
    /// It can.
    Ready {
        /// Its version.
        version: String,
        /// How it is set up, where that is not by default.
        settings: String,
    },
    /// It cannot, for this reason.
    Missing(String),
}
