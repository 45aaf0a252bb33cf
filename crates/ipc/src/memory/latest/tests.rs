use std::thread;
use std::time::Duration;

use super::*;
use crate::memory::other::{Here, Other, here, patient};
use crate::object::unique;

fn value(number: u64) -> Vec<u8> {
    number.to_le_bytes().repeat(number as usize % 20)
}

#[test]
fn readers_see_whole_values_in_order_and_the_last_one() {
    const COUNT: u64 = 20_000;
    for wait in [Wait::Block, Wait::Spin(Duration::from_micros(20))] {
        let (mut writer, _) = pair(160).expect("made");
        thread::scope(|scope| {
            for _ in 0..3 {
                let mut reader = Reader::open(writer.reader().expect("one more"), wait).expect("opened");
                scope.spawn(move || {
                    let (mut seen, mut got, mut last) = (Vec::new(), 0, 0);
                    let end = loop {
                        match reader.next(&mut seen, patient()) {
                            Ok(update) => {
                                assert_eq!(seen, value(update.number));
                                assert_eq!(update.number, last + 1 + update.missed);
                                (got, last) = (got + 1, update.number);
                            }
                            Err(end) => break end,
                        }
                    };
                    assert!(matches!(end, Error::Closed), "{end}");
                    assert_eq!((last, got + reader.missed()), (COUNT, COUNT));
                });
            }
            for number in 1..=COUNT {
                writer.publish(&value(number)).expect("published");
            }
            drop(writer);
        });
    }
}

#[test]
fn a_value_is_new_once_and_stays_the_latest() {
    let (mut writer, mut reader) = pair(8).expect("made");
    let mut seen = Vec::new();
    assert_eq!(reader.latest(&mut seen).expect("sound"), None);
    assert!(matches!(reader.next(&mut seen, Deadline::NOW), Err(Error::TimedOut)));
    writer.publish(b"one").expect("published");
    assert_eq!(reader.next(&mut seen, Deadline::NOW).expect("new"), Update { number: 1, missed: 0 });
    for deadline in [Deadline::NOW, Deadline::after(Duration::from_millis(30))] {
        assert!(matches!(reader.next(&mut seen, deadline), Err(Error::TimedOut)));
    }
    assert_eq!(reader.latest(&mut seen).expect("sound"), Some(1));
    assert_eq!(seen, b"one");
    assert!(matches!(writer.publish(&[0; 9]), Err(Error::TooLong { len: 9, max: 8 })));
    // Who comes late has missed nothing, and gets what is there.
    writer.publish(b"two").expect("published");
    let mut late = Reader::open(writer.reader().expect("one more"), Wait::Block).expect("opened");
    assert_eq!(late.next(&mut seen, Deadline::NOW).expect("new"), Update { number: 2, missed: 0 });
    drop(writer);
    assert_eq!(reader.next(&mut seen, Deadline::NOW).expect("the last one"), Update { number: 2, missed: 0 });
    for deadline in [Deadline::NOW, Deadline::NEVER] {
        assert!(matches!(reader.next(&mut seen, deadline), Err(Error::Closed)));
    }
    assert_eq!(reader.latest(&mut seen).expect("still there"), Some(2));
    // Whoever starts a program at this moment has its descriptor, too, until the program runs.
    let deadline = patient();
    while reader.is_writer_alive().expect("asked") {
        assert!(!deadline.has_passed(), "its writer is gone");
        thread::yield_now();
    }
    assert!(!reader.was_interrupted().expect("asked"));
}

#[test]
fn quiet_values_are_found_within_a_slice() {
    let (mut writer, mut reader) = pair(8).expect("made");
    thread::scope(|scope| {
        let sleeper = scope.spawn(move || reader.next(&mut Vec::new(), patient()));
        writer.publish_quietly(b"psst").expect("published");
        assert_eq!(sleeper.join().expect("no panic").expect("found").number, 1);
    });
}

#[test]
fn there_is_one_writer_and_readers_cannot_be_one() {
    let (writer, reader) = halves(8).expect("made");
    let copy = |half: &Half| {
        use std::os::fd::AsFd as _;
        Half::from_descriptor(half.0.as_fd().try_clone_to_owned().expect("duplicated")).expect("a half")
    };
    let (second, no_writer) = (copy(&writer), copy(&reader));
    let reopened = Half(writer.0.reopen_read_only().expect("opened"));
    let _writer = Writer::open(writer).expect("the first");
    assert!(matches!(Writer::open(second), Err(Error::Ticket(_))));
    assert!(Writer::open(no_writer).is_err());
    assert!(Writer::open(reopened).is_err());
    assert!(Reader::open(reader, Wait::Block).expect("opened").is_writer_alive().expect("asked"));
}

/// Writes one value, and dies amid the second if that is its part.
fn die(mut here: Here) {
    let descriptor = here.descriptors.pop().expect("memory");
    let mut writer = Writer::open(Half::from_descriptor(descriptor).expect("a half")).expect("opened");
    if here.part != "opened" {
        writer.publish(b"whole").expect("published");
    }
    if here.part == "amid a value" {
        writer.slots.begin(2, b"ha");
    }
    here.step();
    here.wait();
}

#[test]
fn a_writer_killed_at_any_step_is_noticed_and_its_last_value_stays() {
    if let Some(here) = here() {
        return die(here);
    }
    let test = concat!(module_path!(), "::a_writer_killed_at_any_step_is_noticed_and_its_last_value_stays");
    for (part, last, interrupted) in
        [("opened", None, false), ("published", Some(1), false), ("amid a value", Some(1), true)]
    {
        let (writer, reader) = halves(8).expect("made");
        let mut reader = Reader::open(reader, Wait::Block).expect("opened");
        let mut other = Other::start(test, part, vec![writer.into_descriptor()]);
        other.wait_for_step();
        assert!(reader.is_writer_alive().expect("asked"), "{part}");
        thread::scope(|scope| {
            // It dies while we wait, or before.
            scope.spawn(|| other.kill());
            let mut seen = Vec::new();
            if last.is_some() {
                assert_eq!(
                    reader.next(&mut seen, patient()).expect("the last one"),
                    Update { number: 1, missed: 0 }
                );
                assert_eq!(seen, b"whole", "{part}");
            }
            let outcome = reader.next(&mut seen, patient());
            assert!(matches!(outcome, Err(Error::Closed)), "{part}: {outcome:?}");
            assert!(matches!(reader.next(&mut seen, Deadline::NOW), Err(Error::Closed)), "{part}");
            assert_eq!(reader.latest(&mut seen).expect("sound"), last, "{part}");
        });
        assert_eq!(reader.was_interrupted().expect("asked"), interrupted, "{part}");
    }
}

#[test]
fn a_reader_killed_in_its_sleep_does_not_matter() {
    if let Some(mut here) = here() {
        let descriptor = here.descriptors.pop().expect("memory");
        let mut reader =
            Reader::open(Half::from_descriptor(descriptor).expect("a half"), Wait::Block).expect("opened");
        here.step();
        drop(reader.next(&mut Vec::new(), Deadline::NEVER));
        return;
    }
    let test = concat!(module_path!(), "::a_reader_killed_in_its_sleep_does_not_matter");
    let (mut writer, mut reader) = pair(8).expect("made");
    let mut other = Other::start(test, "sleep", vec![writer.reader().expect("one more").into_descriptor()]);
    other.wait_for_step();
    other.kill();
    writer.publish(b"on").expect("published");
    assert_eq!(reader.next(&mut Vec::new(), patient()).expect("new").number, 1);
}

#[test]
fn a_name_is_found_taken_over_after_a_crash_and_removed() {
    if let Some(mut here) = here() {
        let mut writer = Writer::create(&here.part, 8).expect("made");
        writer.publish(b"one").expect("published");
        writer.slots.begin(2, b"ha");
        here.step();
        return here.wait();
    }
    let test = concat!(module_path!(), "::a_name_is_found_taken_over_after_a_crash_and_removed");
    let name = format!("/{}", unique());
    let find = || Reader::open_named(&name, Wait::Block);
    assert!(find().is_err());
    let mut other = Other::start(test, &name, Vec::new());
    other.wait_for_step();
    let mut reader = find().expect("found");
    let mut seen = Vec::new();
    assert_eq!(reader.next(&mut seen, Deadline::NOW).expect("new").number, 1);
    assert!(reader.is_writer_alive().expect("asked"));
    assert!(Writer::create(&name, 8).is_err(), "the name is taken");
    assert!(matches!(Writer::resume(&name), Err(Error::Ticket(_))), "the writer is alive");
    other.kill();
    assert!(reader.was_interrupted().expect("asked"));
    assert!(matches!(reader.next(&mut seen, patient()), Err(Error::Closed)));

    let mut writer = Writer::resume(&name).expect("taken over");
    assert!(reader.is_writer_alive().expect("asked"));
    writer.publish(b"two").expect("published");
    assert_eq!(reader.next(&mut seen, Deadline::NOW).expect("new"), Update { number: 2, missed: 0 });
    assert_eq!(seen, b"two");
    drop(writer);
    assert!(find().is_err(), "removed");
    assert!(matches!(reader.next(&mut seen, patient()), Err(Error::Closed)));
}
