//! Send, receive, reply: order, states, deaths at each step, pulses, and clients that do not keep to the rules.

use std::os::fd::{AsFd as _, OwnedFd};
use std::sync::mpsc;
use std::thread;
use std::time::Duration;

use rustix::net::{AddressFamily, RecvFlags, SendFlags, SocketFlags, SocketType, recv, send, socketpair};
use tamtam_ipc::message_passing::{Blocked, Channel, Connection, Failure, Pulse, Received, Rendezvous};
use tamtam_ipc::{Deadline, Error, object};

const MESSAGE_MAX: usize = 64;

fn soon() -> Deadline {
    Deadline::after(Duration::from_millis(20))
}

fn pair() -> (Channel, Connection) {
    let mut channel = Channel::new(MESSAGE_MAX).expect("a channel");
    let connection = channel.attach().expect("a connection");
    (channel, connection)
}

fn message(received: Result<Received, Error>) -> Rendezvous {
    match received {
        Ok(Received::Message(rendezvous)) => rendezvous,
        other => panic!("no message: {other:?}"),
    }
}

#[track_caller]
fn assert_ended(result: Result<(), Failure>, state: Blocked, how: fn(&Error) -> bool) {
    match result {
        Err(Failure::Ended { blocked, error }) => {
            assert!(how(&error), "{error}");
            assert_eq!(blocked, state);
        }
        other => panic!("{other:?}"),
    }
}

fn closed(error: &Error) -> bool {
    matches!(error, Error::Closed)
}

fn timed_out(error: &Error) -> bool {
    matches!(error, Error::TimedOut)
}

#[test]
fn every_client_gets_its_own_reply() {
    let mut channel = Channel::new(MESSAGE_MAX).expect("a channel");
    let clients: Vec<_> = (0..4_u8)
        .map(|client| {
            let mut connection = channel.attach().expect("a connection");
            thread::spawn(move || {
                let mut reply = Vec::new();
                for round in 0..100_u8 {
                    connection.send(&[client, round], &mut reply, Deadline::NEVER).expect("a reply");
                    assert_eq!(reply, [client, round, 1]);
                }
            })
        })
        .collect();
    let mut text = Vec::new();
    let mut gone = 0;
    // Two wait at a time, and the later one is served first.
    let mut first: Option<(Rendezvous, Vec<u8>)> = None;
    while gone < 4 {
        let received = match (&first, channel.receive(&mut text, Deadline::after(Duration::from_millis(1)))) {
            (Some(_), Err(Error::TimedOut)) => None,
            (None, Err(Error::TimedOut)) => continue,
            (_, received) => Some(received.expect("received")),
        };
        match received {
            Some(Received::Message(rendezvous)) => {
                let reply = [&text[..], &[1]].concat();
                match first.take() {
                    None => first = Some((rendezvous, reply)),
                    Some((earlier, earlier_reply)) => {
                        rendezvous.reply(&reply).expect("replied");
                        earlier.reply(&earlier_reply).expect("replied");
                    }
                }
            }
            Some(Received::Gone(_)) => gone += 1,
            Some(other) => panic!("{other:?}"),
            None => {
                if let Some((earlier, reply)) = first.take() {
                    earlier.reply(&reply).expect("replied");
                }
            }
        }
    }
    clients.into_iter().for_each(|client| client.join().expect("no panic"));
    assert_eq!(channel.clients(), 0);
}

#[test]
fn lengths_from_nothing_to_the_longest_and_no_longer() {
    let (mut channel, mut connection) = pair();
    let client = thread::spawn(move || {
        let mut reply = Vec::new();
        for len in [0, 1, MESSAGE_MAX] {
            connection.send(&vec![7; len], &mut reply, Deadline::NEVER).expect("a reply");
            assert_eq!(reply, vec![7; len]);
        }
        let long = connection.send(&[0; MESSAGE_MAX + 1], &mut reply, Deadline::NEVER);
        assert_ended(long, Blocked::Send, |error| matches!(error, Error::TooLong { len: 65, max: 64 }));
        connection.send(b"x", &mut reply, Deadline::NEVER)
    });
    let mut text = Vec::new();
    for _ in 0..3 {
        message(channel.receive(&mut text, Deadline::NEVER)).reply(&text).expect("replied");
    }
    let refused = message(channel.receive(&mut text, Deadline::NEVER)).reply(&[0; MESSAGE_MAX + 1]);
    assert!(matches!(refused, Err(Error::TooLong { .. })));
    assert!(matches!(client.join().expect("no panic"), Err(Failure::Refused(Rendezvous::DROPPED))));
}

#[test]
fn a_message_that_was_not_received_in_time_is_never_received() {
    let (mut channel, mut connection) = pair();
    let mut reply = Vec::new();
    assert_ended(connection.send(b"late", &mut reply, soon()), Blocked::Send, timed_out);
    assert_ended(connection.send(b"no time", &mut reply, Deadline::NOW), Blocked::Send, timed_out);
    let mut text = Vec::new();
    assert!(matches!(channel.receive(&mut text, Deadline::NOW), Err(Error::TimedOut)));
    let client =
        thread::spawn(move || connection.send(b"in time", &mut reply, Deadline::NEVER).map(|()| reply));
    let rendezvous = message(channel.receive(&mut text, Deadline::NEVER));
    assert_eq!(text, b"in time");
    rendezvous.reply(b"yes").expect("replied");
    assert_eq!(client.join().expect("no panic").expect("a reply"), b"yes");
}

#[test]
fn the_server_is_told_of_who_does_not_wait_for_the_reply() {
    let (mut channel, mut connection) = pair();
    let (received, wait) = mpsc::channel::<()>();
    let client = thread::spawn(move || {
        let mut reply = Vec::new();
        // On a busy machine the server may not have received it within any span: then it never sees it.
        while let Err(Failure::Ended { blocked, error }) = connection.send(b"one", &mut reply, soon()) {
            assert!(timed_out(&error), "{error}");
            if blocked == Blocked::Reply {
                break;
            }
        }
        wait.recv().expect_err("dropped");
        // The reply to the first is in the socket; it is not taken for that of the second.
        connection.send(b"two", &mut reply, Deadline::NEVER).map(|()| reply)
    });
    let mut text = Vec::new();
    let late = message(channel.receive(&mut text, Deadline::NEVER));
    assert!(matches!(
        channel.receive(&mut text, Deadline::NEVER),
        Ok(Received::Withdrawn(client)) if client == late.client()
    ));
    late.reply(b"too late").expect("goes nowhere");
    drop(received);
    message(channel.receive(&mut text, Deadline::NEVER)).reply(b"2").expect("replied");
    assert_eq!(client.join().expect("no panic").expect("a reply"), b"2");
}

#[test]
fn refusals_tell_why() {
    let (mut channel, mut connection) = pair();
    let client = thread::spawn(move || {
        let mut reply = Vec::new();
        let mut send = || connection.send(b"please", &mut reply, Deadline::NEVER);
        [send(), send()].map(|result| match result {
            Err(Failure::Refused(code)) => code,
            other => panic!("{other:?}"),
        })
    });
    let mut text = Vec::new();
    message(channel.receive(&mut text, Deadline::NEVER)).refuse(17).expect("refused");
    drop(message(channel.receive(&mut text, Deadline::NEVER)));
    assert_eq!(client.join().expect("no panic"), [17, Rendezvous::DROPPED]);
}

#[test]
fn a_client_learns_what_the_dead_server_has_seen() {
    let mut reply = Vec::new();
    // Dead before the send.
    let (channel, mut connection) = pair();
    drop(channel);
    assert_ended(connection.send(b"x", &mut reply, Deadline::NEVER), Blocked::Send, closed);
    // While SEND-blocked: the server goes without receiving.
    let (channel, mut connection) = pair();
    let client = thread::spawn(move || {
        let result = connection.send(b"x", &mut Vec::new(), Deadline::NEVER);
        (result, connection)
    });
    rustix::event::poll(&mut [rustix::event::PollFd::new(&channel, rustix::event::PollFlags::IN)], None)
        .expect("sent");
    drop(channel);
    let (result, mut connection) = client.join().expect("no panic");
    assert_ended(result, Blocked::Send, closed);
    assert_ended(connection.send(b"x", &mut reply, Deadline::NEVER), Blocked::Send, closed);
    // While REPLY-blocked: the server receives, and is killed. (One that only drops the rendezvous refuses.)
    let (server, socket) =
        socketpair(AddressFamily::UNIX, SocketType::SEQPACKET, SocketFlags::CLOEXEC, None).expect("a pair");
    let mut connection = Connection::of_socket(socket, MESSAGE_MAX).expect("a connection");
    let client = thread::spawn(move || connection.send(b"x", &mut Vec::new(), Deadline::NEVER));
    recv(&server, &mut [0; 64], RecvFlags::empty()).expect("received");
    drop(server);
    assert_ended(client.join().expect("no panic"), Blocked::Reply, closed);
}

#[test]
fn the_server_is_told_of_the_death_of_a_client_after_what_it_sent() {
    let (mut channel, mut connection) = pair();
    connection.pulse(Pulse { code: 1, value: 2 }).expect("room");
    assert_ended(connection.send(b"x", &mut Vec::new(), Deadline::NOW), Blocked::Send, timed_out);
    connection.pulse(Pulse { code: 3, value: u32::MAX }).expect("room");
    drop(connection);
    let mut text = Vec::new();
    let mut next = || channel.receive(&mut text, Deadline::NEVER).expect("received");
    let Received::Pulse(client, pulse) = next() else { panic!("no pulse") };
    assert_eq!(pulse, Pulse { code: 1, value: 2 });
    assert!(matches!(next(), Received::Pulse(from, Pulse { code: 3, value: u32::MAX }) if from == client));
    assert!(matches!(next(), Received::Gone(gone) if gone == client));
    assert!(channel.socket(client).is_none());
    assert!(matches!(channel.receive(&mut text, Deadline::NOW), Err(Error::TimedOut)));
}

#[test]
fn a_reply_to_a_dead_client_is_an_error() {
    let (mut channel, connection) = pair();
    let socket = OwnedFd::from(connection);
    let copy = socket.try_clone().expect("cloned");
    let mut connection = Connection::of_socket(socket, MESSAGE_MAX).expect("a connection");
    let client = thread::spawn(move || connection.send(b"x", &mut Vec::new(), Deadline::NEVER));
    let mut text = Vec::new();
    let rendezvous = message(channel.receive(&mut text, Deadline::NEVER));
    // The client's socket goes while it waits.
    rustix::net::shutdown(&copy, rustix::net::Shutdown::Both).expect("shut down");
    drop(copy);
    assert_ended(client.join().expect("no panic"), Blocked::Reply, closed);
    assert!(matches!(channel.receive(&mut text, Deadline::NEVER), Ok(Received::Gone(_))));
    assert!(matches!(rendezvous.reply(b"y"), Err(Error::Closed)));
}

#[test]
fn pulses_never_wait() {
    let (mut channel, connection) = pair();
    let mut sent = 0;
    while connection.pulse(Pulse { code: 0, value: sent }).is_ok() {
        sent += 1;
    }
    assert!(sent > 10);
    assert!(matches!(connection.pulse(Pulse { code: 0, value: 0 }), Err(Error::TimedOut)));
    let mut text = Vec::new();
    for expected in 0..sent {
        let received = channel.receive(&mut text, Deadline::NOW).expect("a pulse");
        assert!(matches!(received, Received::Pulse(_, Pulse { value, .. }) if value == expected));
    }
    connection.pulse(Pulse { code: 0, value: 0 }).expect("room again");
    drop(channel);
    assert!(matches!(connection.pulse(Pulse { code: 0, value: 0 }), Err(Error::Closed)));
}

#[test]
fn a_busy_client_does_not_keep_others_waiting() {
    let (mut channel, busy) = pair();
    (0..100).for_each(|value| busy.pulse(Pulse { code: 0, value }).expect("room"));
    let quiet = channel.attach().expect("a connection");
    quiet.pulse(Pulse { code: 1, value: 0 }).expect("room");
    let mut text = Vec::new();
    let mut turn = || match channel.receive(&mut text, Deadline::NOW) {
        Ok(Received::Pulse(_, pulse)) => pulse.code,
        other => panic!("{other:?}"),
    };
    assert!((0..4).any(|_| turn() == 1));
}

#[test]
fn who_breaks_the_rules_is_not_listened_to() {
    let broken: [&[u8]; 6] = [
        b"x",
        b"01234567",
        &[1, 0, 0, 0, 0, 0, 0, 0],
        &[4, 0, 0, 0, 1, 0, 0, 0],
        &[5, 0, 0, 0, 1, 0, 0, 0],
        &[1; 9 + MESSAGE_MAX],
    ];
    for packet in broken {
        let (mut channel, connection) = pair();
        send(&connection, packet, SendFlags::empty()).expect("sent");
        let received = channel.receive(&mut Vec::new(), Deadline::NEVER);
        assert!(matches!(received, Ok(Received::Gone(_))), "{packet:?}: {received:?}");
        assert_eq!(recv(connection.as_fd(), &mut [0; 8], RecvFlags::empty()).expect("the end"), (0, 0));
    }
    // A withdrawal of nothing is nothing.
    let (mut channel, connection) = pair();
    send(&connection, &[3, 0, 0, 0, 9, 0, 0, 0], SendFlags::empty()).expect("sent");
    assert!(matches!(channel.receive(&mut Vec::new(), Deadline::NOW), Err(Error::TimedOut)));
}

#[test]
fn a_client_that_does_not_take_its_replies_is_cut_off() {
    let (mut channel, connection) = pair();
    let mut text = Vec::new();
    let end = loop {
        let request = [1, 0, 0, 0, 1, 0, 0, 0];
        if send(&connection, &request, SendFlags::NOSIGNAL).is_err() {
            break Ok(());
        }
        match channel.receive(&mut text, Deadline::NEVER) {
            Ok(Received::Message(rendezvous)) => {
                if let Err(error) = rendezvous.reply(&[0; MESSAGE_MAX]) {
                    break Err(error);
                }
            }
            other => panic!("{other:?}"),
        }
    };
    assert!(matches!(end, Err(Error::Closed)), "{end:?}");
    assert!(matches!(channel.receive(&mut text, Deadline::NEVER), Ok(Received::Gone(_))));
}

#[test]
fn a_name_is_there_as_long_as_its_channel() {
    let path = object::folder().join(object::unique());
    let mut channel = Channel::bind(&path, MESSAGE_MAX).expect("bound");
    assert!(matches!(Channel::bind(&path, MESSAGE_MAX), Err(Error::System { call: "bind", .. })));
    let mut connection = Connection::open(&path, MESSAGE_MAX).expect("connected");
    let client = thread::spawn(move || connection.send(b"x", &mut Vec::new(), Deadline::NEVER));
    message(channel.receive(&mut Vec::new(), Deadline::NEVER)).reply(b"").expect("replied");
    client.join().expect("no panic").expect("a reply");
    drop(channel);
    assert!(!path.exists());
    assert!(matches!(Connection::open(&path, MESSAGE_MAX), Err(Error::System { call: "connect", .. })));
}

#[test]
fn messages_beyond_the_systems_buffers_are_refused_at_the_beginning() {
    let refused = Channel::new(1 << 30);
    assert!(
        matches!(refused, Err(Error::TooLong { len, max }) if len == 1 << 30 && max > MESSAGE_MAX),
        "{refused:?}"
    );
}
