//! Traffic: anything at all behind a good handshake, and well-formed messages, which must arrive as they were sent; the
//! header parser and the transcoder on the same octets.
#![no_main]

use arbitrary::Arbitrary;
use libfuzzer_sys::fuzz_target;
use tamtam_fuzz::{Setup, converse_alike, handshake, put_message};
use tamtam_zmtp::{Event, Framing, Message, SocketType, parse_header, transcode_v2_to_v1};

#[derive(Debug, Arbitrary)]
struct Input<'a> {
    setup: Setup,
    cuts: [u8; 4],
    messages: Vec<Vec<&'a [u8]>>,
    octets: &'a [u8],
}

fuzz_target!(|input: Input<'_>| {
    let config = input.setup.shared();
    let ours = config.socket_type;
    let mut stream = handshake(ours, config.version_max);
    if stream.is_empty() {
        // STREAM and DGRAM talk ZMTP to nobody.
        return;
    }
    let mut expected = Vec::new();
    for frames in &input.messages {
        put_message(config.version_max.framing(), frames, &mut stream);
        // A publisher takes what begins with 0 or 1 as a subscription. RADIO takes commands only.
        let topics = ours.publishes() && ours != SocketType::Radio;
        expected.extend(Message::from_frames(frames.iter().copied()).map(
            |message| match message.as_slice() {
                [1, topic @ ..] if topics && frames.len() == 1 => Event::Subscribe(topic.into()),
                [0, topic @ ..] if topics && frames.len() == 1 => Event::Cancel(topic.into()),
                _ => Event::Message(message),
            },
        ));
    }
    stream.extend_from_slice(input.octets);
    let outcome = converse_alike(&config, &stream, &input.cuts);
    let Some((Event::Ready(_), events)) = outcome.events.split_first() else {
        // The limits may be too tight for any handshake.
        return;
    };
    let within_limits = input.messages.iter().all(|frames| {
        let longest = frames.iter().map(|frame| frame.len() as u64).max().unwrap_or(0);
        frames.len() <= config.limits.frames_max && config.max_message_size.is_none_or(|max| longest <= max)
    });
    if within_limits {
        assert!(events.starts_with(&expected), "{events:?}\nbut sent {expected:?}");
    }
    for event in events {
        if let Event::Message(message) = event {
            assert!(message.frame_count() <= config.limits.frames_max);
            let max = config.max_message_size.unwrap_or(u64::MAX);
            assert!(message.frames().all(|frame| frame.len() as u64 <= max));
        }
    }
    check_transcoding(input.octets);
});

/// Frames are the same in both formats, but for commands, which the old one does not have.
fn check_transcoding(octets: &[u8]) {
    let Some(old) = transcode_v2_to_v1(octets) else { return };
    let newer = frames(Framing::V2, octets).expect("what can be transcoded is whole");
    let older = frames(Framing::V1, &old).expect("what was transcoded is whole");
    assert!(newer.into_iter().filter(|(_, _, command)| !command).eq(older));
}

fn frames(framing: Framing, mut octets: &[u8]) -> Option<Vec<(&[u8], bool, bool)>> {
    let mut found = Vec::new();
    while !octets.is_empty() {
        let header = parse_header(framing, octets).ok()??;
        let (_, behind) = octets.split_at_checked(header.header_len)?;
        let (body, rest) = behind.split_at_checked(usize::try_from(header.body_len).ok()?)?;
        found.push((body, header.more, header.command));
        octets = rest;
    }
    Some(found)
}
