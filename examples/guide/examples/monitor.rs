//! What happens to a socket's connections, as events.

// ANCHOR: all
use std::error::Error;
use std::time::Duration;

use tamtam_zmq::{Context, EventKind, Pull, Push};

fn main() -> Result<(), Box<dyn Error>> {
    let context = Context::new();
    let sink = Pull::new(&context);
    let monitor = sink.monitor(100);
    let endpoint = sink.bind("tcp://127.0.0.1:*")?;

    let source = Push::new(&context);
    source.connect(&endpoint)?;
    source.send("hello")?;
    sink.recv()?;
    source.close();

    while let Some(event) = monitor.recv_timeout(Duration::from_secs(10)) {
        println!("{}", event.kind);
        if matches!(event.kind, EventKind::Disconnected { .. }) {
            break;
        }
    }
    Ok(())
}
// ANCHOR_END: all
