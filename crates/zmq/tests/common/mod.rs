//! What the tests share: endpoints, patience, the axis of who drives.
#![allow(dead_code, reason = "each test file uses a part")]

use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use tamtam_zmq::{Driver, Options};

/// Long enough that only a hang reaches it, also on a slow and busy machine.
pub const PATIENCE: Duration = Duration::from_secs(20);

/// The transports that every pattern is tested over.
pub const TRANSPORTS: [&str; 3] = ["tcp", "ipc", "inproc"];

/// Who does the input and output: every test that can runs with both.
pub const DRIVERS: [Driver; 2] = [Driver::Adaptive, Driver::Background];

/// An endpoint to bind that nobody else uses.
pub fn fresh(transport: &str) -> String {
    static NEXT: AtomicU32 = AtomicU32::new(0);
    match transport {
        "tcp" => "tcp://127.0.0.1:*".to_owned(),
        "ipc" => "ipc://*".to_owned(),
        _ => format!("inproc://test-{}", NEXT.fetch_add(1, Ordering::Relaxed)),
    }
}

/// Sets who drives.
pub fn driven_by(driver: Driver) -> impl Fn(&mut Options) {
    move |options| {
        options.set_driver(driver);
    }
}
