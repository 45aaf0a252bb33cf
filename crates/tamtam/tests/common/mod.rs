//! What the tests of topics share.
#![allow(dead_code, reason = "each test file uses a part of it")]

pub mod child;

use std::time::{Duration, Instant};

use bytes::Bytes;
use tamtam::{Node, NodeBuilder};

/// Longer than anything takes on a slow machine.
pub const PATIENCE: Duration = Duration::from_secs(20);

/// A registry of one test's own.
pub struct Place(tempfile::TempDir);

impl Place {
    pub fn new() -> Self {
        Self(tempfile::Builder::new().prefix("tt").tempdir().unwrap())
    }

    pub fn path(&self) -> &std::path::Path {
        self.0.path()
    }

    pub fn builder(&self, name: &str) -> NodeBuilder {
        Node::builder(name).domain("test").directory(self.0.path())
    }

    pub fn node(&self, name: &str) -> Node {
        self.builder(name).open().unwrap()
    }
}

/// Waits until something is so.
pub fn eventually(what: &str, mut is_so: impl FnMut() -> bool) {
    let deadline = Instant::now() + PATIENCE;
    while !is_so() {
        assert!(Instant::now() < deadline, "never: {what}");
        std::thread::yield_now();
    }
}

pub fn text(body: &Bytes) -> String {
    String::from_utf8_lossy(body).into_owned()
}

pub fn body(number: impl std::fmt::Display) -> Bytes {
    number.to_string().into()
}
