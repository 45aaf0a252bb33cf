//! Keys of an encrypted connection.

use serde::{Deserialize, Serialize};

/// What both ends of a CURVE connection need; made for one measurement and good for nothing else.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Keys {
    /// Those of the end that binds.
    pub server: KeyPair,
    /// Those of the end that connects.
    pub client: KeyPair,
}

/// A key pair, each half in 40 characters of Z85.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct KeyPair {
    /// What the other end may know.
    pub public: String,
    /// What it may not.
    pub secret: String,
}
