//! A ring between two threads: the limit for inproc, 64 B only.

use std::hint::spin_loop;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;

use crate::clock::now_ns;
use crate::failure::{Failure, Outcome};
use crate::peer::{Part, Stage, stay_apart};
use crate::spec::{Spec, Work};

const CAPACITY: u64 = 1024;
const WORDS: usize = 8;

#[repr(align(128))]
struct Padded(AtomicU64);

/// A bounded queue of 64-byte messages with one producer and one consumer, each of which spins.
///
/// The slots are atomic words, so that it needs no unsafe code; relaxed loads and stores of them cost what plain ones do.
struct Ring {
    slots: Vec<[AtomicU64; WORDS]>,
    /// Messages written; stored with Release after the slot's words.
    written: Padded,
    /// Messages read; stored with Release after the slot's words were loaded.
    read: Padded,
}

/// An end's view: its own position, and the last that it saw of the other's.
#[derive(Default)]
struct Cursor {
    own: u64,
    other: u64,
}

impl Ring {
    fn new() -> Self {
        let slots = (0..CAPACITY).map(|_| Default::default()).collect();
        Self { slots, written: Padded(AtomicU64::new(0)), read: Padded(AtomicU64::new(0)) }
    }

    fn slot(&self, position: u64) -> Outcome<&[AtomicU64; WORDS]> {
        self.slots.get((position % CAPACITY) as usize).ok_or_else(|| Failure::new("outside the ring"))
    }

    fn write(&self, cursor: &mut Cursor, words: &[u64; WORDS]) -> Outcome {
        wait_until(|| {
            let room = cursor.own - cursor.other < CAPACITY;
            if !room {
                cursor.other = self.read.0.load(Ordering::Acquire);
            }
            room
        });
        for (slot, word) in self.slot(cursor.own)?.iter().zip(words) {
            slot.store(*word, Ordering::Relaxed);
        }
        cursor.own += 1;
        self.written.0.store(cursor.own, Ordering::Release);
        Ok(())
    }

    fn read(&self, cursor: &mut Cursor) -> Outcome<[u64; WORDS]> {
        wait_until(|| {
            let there = cursor.own < cursor.other;
            if !there {
                cursor.other = self.written.0.load(Ordering::Acquire);
            }
            there
        });
        let mut words = [0; WORDS];
        for (word, slot) in words.iter_mut().zip(self.slot(cursor.own)?) {
            *word = slot.load(Ordering::Relaxed);
        }
        cursor.own += 1;
        self.read.0.store(cursor.own, Ordering::Release);
        Ok(words)
    }
}

/// Spins; lets others run now and then, in case there is one CPU only.
fn wait_until(mut ready: impl FnMut() -> bool) {
    let mut spins = 0_u32;
    while !ready() {
        spins += 1;
        if spins.is_multiple_of(10_000) {
            thread::yield_now();
        } else {
            spin_loop();
        }
    }
}

pub(super) fn play(spec: &Spec) -> Outcome {
    if spec.size != WORDS * 8 {
        return Err(Failure::new("the ring carries 64 B only"));
    }
    let (there, back) = (&Ring::new(), &Ring::new());
    let two_way = spec.work != Work::Throughput;
    let parts: Vec<Part<'_>> = vec![
        Box::new(move |stage| {
            stay_apart(true)?;
            let (mut reader, mut writer) = (Cursor::default(), Cursor::default());
            let mut serve = |numbers: std::ops::Range<u64>| {
                for number in numbers {
                    let words = there.read(&mut reader)?;
                    if words.first() != Some(&number) {
                        return Err(Failure::new(format!("expected number {number}")));
                    }
                    if two_way {
                        back.write(&mut writer, &words)?;
                    }
                }
                Ok(())
            };
            serve(0..spec.warm)?;
            stage.ready()?;
            let start = now_ns();
            serve(spec.warm..spec.warm + spec.count)?;
            stage.done(start, now_ns())
        }),
        Box::new(move |stage| {
            stay_apart(false)?;
            let (mut reader, mut writer) = (Cursor::default(), Cursor::default());
            let mut send = |numbers: std::ops::Range<u64>| {
                for number in numbers {
                    there.write(&mut writer, &[number; WORDS])?;
                    if two_way && back.read(&mut reader)?.first() != Some(&number) {
                        return Err(Failure::new(format!("expected number {number}")));
                    }
                }
                Ok(())
            };
            send(0..spec.warm)?;
            stage.ready()?;
            let start = now_ns();
            send(spec.warm..spec.warm + spec.count)?;
            stage.done(start, now_ns())
        }),
    ];
    Stage::play(parts);
    Ok(())
}
