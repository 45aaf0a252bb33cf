//! The answers to the guide's exercises: `cargo test -p tamtam-guide --test answers`.

mod frames;
mod mechanisms;
mod pipeline;
mod processes;
mod publish_subscribe;
mod ros;
mod schemas;
mod services;
mod synchronised;
mod threads;
mod wrong;

use std::time::Duration;

use tamtam::{Node, NodeBuilder};

const PATIENCE: Duration = Duration::from_secs(20);

/// A registry of one test's own.
struct Place(tempfile::TempDir);

impl Place {
    fn new() -> Self {
        Self(tempfile::Builder::new().prefix("tt").tempdir().unwrap())
    }

    fn builder(&self, name: &str) -> NodeBuilder {
        Node::builder(name).domain("answers").directory(self.0.path())
    }

    fn node(&self, name: &str) -> Node {
        self.builder(name).open().unwrap()
    }
}
