//! What the tests of topics share.
#![allow(dead_code, reason = "each test file uses a part of it")]

pub(crate) mod child;

use std::time::{Duration, Instant};

use bytes::Bytes;
use tamtam::{Node, NodeBuilder};

/// Longer than anything takes on a slow machine.
pub(crate) const PATIENCE: Duration = Duration::from_secs(20);

/// A registry of one test's own.
pub(crate) struct Place(tempfile::TempDir);

impl Place {
    pub(crate) fn new() -> Self {
        Self(tempfile::Builder::new().prefix("tt").tempdir().unwrap())
    }

    pub(crate) fn path(&self) -> &std::path::Path {
        self.0.path()
    }

    pub(crate) fn builder(&self, name: &str) -> NodeBuilder {
        Node::builder(name).domain("test").directory(self.0.path())
    }

    pub(crate) fn node(&self, name: &str) -> Node {
        self.builder(name).open().unwrap()
    }
}

/// Waits until something is so.
pub(crate) fn eventually(what: &str, mut is_so: impl FnMut() -> bool) {
    let deadline = Instant::now() + PATIENCE;
    while !is_so() {
        assert!(Instant::now() < deadline, "never: {what}");
        std::thread::yield_now();
    }
}

pub(crate) fn text(body: &Bytes) -> String {
    String::from_utf8_lossy(body).into_owned()
}

pub(crate) fn body(number: impl std::fmt::Display) -> Bytes {
    number.to_string().into()
}
