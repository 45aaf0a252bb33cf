//! Chapter 3.

use std::collections::VecDeque;
use std::error::Error;
use std::io::{ErrorKind, Read, Write};
use std::os::unix::net::UnixStream;

use tamtam_ipc::framing::{Frames, prefix};

// ANCHOR: pieces
#[test]
fn how_the_stream_is_cut_changes_nothing() -> Result<(), Box<dyn Error>> {
    let mut wire = Vec::new();
    for message in [&b"one"[..], b"", &[7; 1000]] {
        wire.extend_from_slice(&prefix(message.len(), 1000)?);
        wire.extend_from_slice(message);
    }
    for size in [1, 2, 3, 5, 100, wire.len()] {
        let (mut frames, mut message, mut lengths) = (Frames::new(1000), Vec::new(), Vec::new());
        for mut piece in wire.chunks(size) {
            while !piece.is_empty() {
                piece = &piece[frames.push(piece)..];
                while frames.take(&mut message)? {
                    lengths.push(message.len());
                }
            }
        }
        assert_eq!(lengths, [3, 0, 1000], "in pieces of {size}");
    }
    Ok(())
}
// ANCHOR_END: pieces

// ANCHOR: outbox
/// What waits for one client. `offer` says no when too much does: that is the place to choose what to drop.
struct Outbox {
    socket: UnixStream, // non-blocking
    waiting: VecDeque<u8>,
    most: usize,
}

impl Outbox {
    fn offer(&mut self, frame: &[u8]) -> bool {
        self.pump();
        let has_room = self.waiting.len() + frame.len() <= self.most;
        if has_room {
            self.waiting.extend(frame);
            self.pump();
        }
        has_room
    }

    /// Writes what the kernel takes. An event loop calls it when the socket has become writable.
    fn pump(&mut self) {
        while !self.waiting.is_empty() {
            match self.socket.write(self.waiting.as_slices().0) {
                Ok(count) => _ = self.waiting.drain(..count),
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(_) => return, // WouldBlock: later. Anything else: the next call finds it again
            }
        }
    }
}
// ANCHOR_END: outbox

#[test]
fn an_outbox_has_a_bound_and_keeps_frames_whole() {
    let (socket, mut client) = UnixStream::pair().unwrap();
    socket.set_nonblocking(true).unwrap();
    let mut outbox = Outbox { socket, waiting: VecDeque::new(), most: 10_000 };
    let mut taken = 0;
    while outbox.offer(&[7; 1000]) {
        taken += 1;
    }
    assert!(taken > 10, "the kernel's buffer and ten more: {taken}");
    let mut first = [0; 500_000];
    let count = client.read(&mut first).unwrap();
    assert!(count > 0 && outbox.offer(&[7; 1000]), "there is room again");
    let mut left = (taken + 1) * 1000 - count;
    while left > 0 {
        outbox.pump();
        left -= client.read(&mut first).unwrap();
    }
    assert!(outbox.waiting.is_empty());
}
