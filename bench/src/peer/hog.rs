//! Keeps a CPU busy until standard input ends, so that others must share the machine.

use std::hint::black_box;
use std::io::Read as _;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;

use crate::failure::Outcome;

pub(super) fn play() -> Outcome {
    let over = AtomicBool::new(false);
    thread::scope(|scope| {
        scope.spawn(|| {
            // An error is an end, too.
            let _ = std::io::stdin().lock().read_to_end(&mut Vec::new());
            over.store(true, Ordering::Relaxed);
        });
        let mut sum = 0_u64;
        while !over.load(Ordering::Relaxed) {
            sum = (0..10_000).fold(black_box(sum), u64::wrapping_add);
        }
    });
    Ok(())
}
