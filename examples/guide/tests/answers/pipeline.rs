//! Chapter 9.

use std::error::Error;

use tamtam_zmq::{Context, Pull, Push, SendError};

use crate::PATIENCE;

// ANCHOR: full
#[test]
fn push_waits_and_does_not_drop() -> Result<(), Box<dyn Error>> {
    let context = Context::new();
    let tasks = Push::with(&context, |options| _ = options.set_send_hwm(10))?;
    assert!(matches!(tasks.try_send("nobody is there"), Err(SendError::Full(_))));

    let worker = Pull::with(&context, |options| _ = options.set_receive_hwm(10))?;
    worker.connect(&tasks.bind("inproc://tasks")?)?;
    tasks.wait_for_peers(1, PATIENCE)?;
    let mut sent = 0;
    while tasks.try_send("task").is_ok() {
        sent += 1;
    }
    for _ in 0..sent {
        worker.recv_timeout(PATIENCE)?; // all of them
    }
    assert!((10..=20).contains(&sent), "{sent}: the two marks together");
    Ok(())
}
// ANCHOR_END: full

// ANCHOR: fair
#[test]
fn results_come_from_all_in_turn() -> Result<(), Box<dyn Error>> {
    let context = Context::new();
    let sink = Pull::new(&context);
    let endpoint = sink.bind("inproc://results")?;
    let workers: Vec<Push> = (0..2).map(|_| Push::new(&context)).collect();
    for (worker, name) in workers.iter().zip(["a", "b"]) {
        worker.connect(&endpoint)?;
        for _ in 0..3 {
            worker.send(name)?;
        }
    }
    sink.wait_for_peers(2, PATIENCE)?;
    let mut order = String::new();
    for _ in 0..6 {
        order.push_str(std::str::from_utf8(sink.recv()?.as_slice())?);
    }
    assert_eq!(order, "ababab"); // a worker that is fast does not starve the other one
    Ok(())
}
// ANCHOR_END: fair
