//! 27/ZAP: handlers of every kind, good, bad and dead.

use std::time::Duration;

use tamtam_zmq::SocketType::{Dealer, Pub, Pull, Push, Rep, Router};
use tamtam_zmq::{
    Context, CurveKeyPair, HandshakeCause, Message, Monitor, Options, ProtocolCode, Security, Socket,
};

use super::common::{A_WHILE, PATIENCE, fresh};
use super::support::{Handler, failure, keys, reply, socket};

const MECHANISMS: [&str; 3] = ["NULL", "PLAIN", "CURVE"];

/// A server and a client of a mechanism, not joined yet.
struct Ends {
    server: Socket,
    client: Socket,
    theirs: Monitor,
    ours: Monitor,
    keys: CurveKeyPair,
}

fn ends(context: &Context, mechanism: &str, change: impl Fn(&mut Options)) -> Ends {
    let (server_keys, client_keys) = (keys(), keys());
    let (at_server, at_client) = match mechanism {
        "NULL" => (Security::null(), Security::null()),
        "PLAIN" => {
            (Security::plain_server_with_handler(), Security::plain_client("admin", "secret").unwrap())
        }
        _ => (
            Security::curve_server(server_keys.clone()),
            Security::curve_client(client_keys.clone(), server_keys.public),
        ),
    };
    let server = socket(context, Pull, |options| {
        options.set_security(at_server).set_zap_domain("global".into()).set_routing_id("server".into());
        change(options);
    });
    let client = socket(context, Push, |options| {
        options.set_security(at_client);
    });
    let (theirs, ours) = (server.monitor(1000), client.monitor(1000));
    Ends { server, client, theirs, ours, keys: client_keys }
}

impl Ends {
    fn join(&self, transport: &str) {
        self.client.connect(&self.server.bind(&fresh(transport)).unwrap()).unwrap();
    }

    fn talk(&self) -> Message {
        self.client.send("hello").unwrap();
        let message = self.server.recv().unwrap();
        assert_eq!(message.as_slice(), b"hello");
        message
    }
}

#[test]
fn a_handler_lets_in_and_says_who_it_is() {
    for kind in [Rep, Router] {
        for mechanism in MECHANISMS {
            let context = Context::new();
            let handler = Handler::start_as(&context, kind, |request| {
                reply(request, "200", "joe", b"\x05Hello\0\0\0\x05World")
            });
            let ends = ends(&context, mechanism, |_| {});
            ends.join("tcp");
            let message = ends.talk();
            let request = handler.request();
            assert_eq!(request[..6], ["1.0", "1", "global", "127.0.0.1", "server", mechanism]);
            match mechanism {
                "NULL" => assert_eq!(request.len(), 6),
                "PLAIN" => assert_eq!(request[6..], ["admin", "secret"]),
                _ => assert_eq!(request[6..], [String::from_utf8_lossy(ends.keys.public.as_bytes())]),
            }
            let peer = ends.server.peer_info(message.peer().unwrap()).unwrap();
            assert_eq!(peer.property("User-Id").map(AsRef::as_ref), Some(&b"joe"[..]));
            assert_eq!(peer.property("hello").map(AsRef::as_ref), Some(&b"World"[..]));
        }
    }
}

#[test]
fn a_handler_sees_the_credentials_of_local_processes() {
    let context = Context::new();
    let handler = Handler::start(&context, |request| reply(request, "200", "", b""));
    let ends = ends(&context, "NULL", |_| {});
    ends.join("ipc");
    ends.talk();
    let address = handler.request()[3].clone();
    assert!(
        address.starts_with("localhost:") && address.ends_with(&format!(":{}", std::process::id())),
        "{address}"
    );
}

#[test]
fn many_clients_at_once_each_get_their_own_answer() {
    let context = Context::new();
    let _handler = Handler::start(&context, |request| {
        let status = if request[6].starts_with("good") { "200" } else { "400" };
        let user = request[6].clone();
        reply(request, status, if status == "200" { &user } else { "" }, b"")
    });
    let server = socket(&context, Pull, |options| {
        options.set_security(Security::plain_server_with_handler()).set_zap_domain("global".into());
    });
    let endpoint = server.bind(&fresh("tcp")).unwrap();
    let clients: Vec<Socket> = (0..40)
        .map(|number| {
            let name = format!("{} {number}", if number % 2 == 0 { "good" } else { "bad" });
            let client = socket(&context, Push, |options| {
                options.set_security(Security::plain_client(name.clone(), "").unwrap());
                options.set_linger(Some(Duration::ZERO));
            });
            client.connect(&endpoint).unwrap();
            client.send(name).unwrap();
            client
        })
        .collect();
    for _ in 0..20 {
        let message = server.recv().unwrap();
        let user = server.peer_info(message.peer().unwrap()).unwrap().user_id.unwrap();
        assert_eq!(user, message.as_slice());
        assert!(user.starts_with(b"good"));
    }
    server
        .configure(|options| {
            options.set_receive_timeout(Some(A_WHILE));
        })
        .unwrap();
    assert!(server.recv().is_err(), "nobody else is let in");
    drop(clients);
}

#[test]
fn refusals_are_told_except_temporary_ones() {
    for mechanism in MECHANISMS {
        for (status, code) in [("400", 400), ("500", 500), ("300", 300)] {
            let context = Context::new();
            let _handler = Handler::start(&context, move |request| reply(request, status, "", b""));
            let ends = ends(&context, mechanism, |_| {});
            ends.join("tcp");
            assert_eq!(
                failure(&ends.theirs),
                (
                    HandshakeCause::Authentication(code),
                    format!("the peer was refused with status {code}: text"),
                )
            );
            let told = failure(&ends.ours).0;
            let expected =
                if code == 300 { HandshakeCause::Closed } else { HandshakeCause::Authentication(code) };
            assert_eq!(told, expected, "{mechanism} {status}");
        }
    }
}

#[test]
fn after_a_temporary_refusal_the_client_comes_again() {
    use std::sync::atomic::{AtomicU32, Ordering};
    let context = Context::new();
    let asked = AtomicU32::new(0);
    let _handler = Handler::start(&context, move |request| {
        let status = if asked.fetch_add(1, Ordering::Relaxed) < 2 { "300" } else { "200" };
        reply(request, status, "", b"")
    });
    let ends = ends(&context, "CURVE", |_| {});
    ends.join("tcp");
    ends.talk();
}

#[test]
fn malformed_replies_let_nobody_in_and_have_their_numbers() {
    type Change = fn(&mut Vec<Vec<u8>>);
    let table: [(Change, ProtocolCode); 6] = [
        (|reply| reply[0] = b"0.9".to_vec(), ProtocolCode::ZapBadVersion),
        (|reply| reply[1] = b"other".to_vec(), ProtocolCode::ZapBadRequestId),
        (|reply| reply[2] = b"600".to_vec(), ProtocolCode::ZapInvalidStatusCode),
        (|reply| reply.push(b"more".to_vec()), ProtocolCode::ZapMalformedReply),
        (|reply| reply.truncate(3), ProtocolCode::ZapMalformedReply),
        (|reply| reply[5] = b"\x09wrong".to_vec(), ProtocolCode::ZapInvalidMetadata),
    ];
    for mechanism in MECHANISMS {
        for (change, code) in table {
            let context = Context::new();
            let _handler = Handler::start(&context, move |request| {
                let mut reply = reply(request, "200", "joe", b"")?;
                change(&mut reply);
                Some(reply)
            });
            let ends = ends(&context, mechanism, |_| {});
            ends.join("tcp");
            assert_eq!(failure(&ends.theirs).0, HandshakeCause::Protocol(code), "{mechanism}");
        }
    }
}

#[test]
fn without_a_handler_it_depends() {
    for (mechanism, enforce, domain, expected) in [
        ("NULL", false, "global", None),
        ("NULL", true, "global", Some(HandshakeCause::NoHandler)),
        ("PLAIN", false, "global", Some(HandshakeCause::NoHandler)),
        ("PLAIN", true, "global", Some(HandshakeCause::NoHandler)),
        ("CURVE", false, "global", None),
        ("CURVE", true, "global", Some(HandshakeCause::NoHandler)),
        ("CURVE", true, "", None),
    ] {
        let context = Context::new();
        let ends = ends(&context, mechanism, |options| {
            options.set_zap_enforce_domain(enforce).set_zap_domain(domain.into());
        });
        ends.join("tcp");
        match expected {
            Some(cause) => assert_eq!(failure(&ends.theirs).0, cause, "{mechanism}, {enforce}"),
            None => {
                let message = ends.talk();
                let peer = ends.server.peer_info(message.peer().unwrap()).unwrap();
                assert_eq!(peer.user_id, None, "nobody said who it is");
            }
        }
    }
}

#[test]
fn a_handler_of_the_wrong_kind_is_a_failure_and_no_more() {
    for kind in [Dealer, Pub, Pull] {
        let context = Context::new();
        let wrong = Socket::new(&context, kind);
        wrong.bind("inproc://zeromq.zap.01").unwrap();
        let ends = ends(&context, "CURVE", |_| {});
        ends.join("tcp");
        assert_eq!(failure(&ends.theirs).0, HandshakeCause::Protocol(ProtocolCode::ZapUnspecified));
        // A right one in its place, and the client gets in.
        drop(wrong);
        let _handler = Handler::start(&context, |request| reply(request, "200", "", b""));
        ends.talk();
    }
}

#[test]
fn a_handler_that_never_answers_is_bounded_by_the_handshake_interval() {
    for mechanism in MECHANISMS {
        let context = Context::new();
        let _handler = Handler::start_as(&context, Router, |_| None);
        let ends = ends(&context, mechanism, |options| {
            options.set_handshake_interval(Some(Duration::from_millis(100)));
        });
        ends.join("tcp");
        assert_eq!(failure(&ends.theirs).0, HandshakeCause::TimedOut);
    }
}

#[test]
fn a_client_that_goes_while_the_handler_thinks_is_noticed() {
    let context = Context::new();
    let handler = Handler::start_as(&context, Router, |_| None);
    let ends = ends(&context, "PLAIN", |_| {});
    ends.join("tcp");
    handler.request();
    ends.client
        .configure(|options| {
            options.set_linger(Some(Duration::ZERO));
        })
        .unwrap();
    drop(ends.client);
    assert_eq!(failure(&ends.theirs).0, HandshakeCause::Closed);
}

#[test]
fn a_handler_that_goes_away_leaves_its_questions_to_the_next_attempt() {
    let context = Context::new();
    let first = Handler::start(&context, |_| None);
    let ends = ends(&context, "CURVE", |options| {
        options.set_handshake_interval(Some(Duration::from_millis(300)));
    });
    ends.join("tcp");
    first.request();
    drop(first);
    let _second = Handler::start(&context, |request| reply(request, "200", "", b""));
    ends.talk();
    assert!(PATIENCE > Duration::from_secs(1));
}

#[test]
fn a_context_with_questions_on_their_way_ends() {
    let context = Context::new();
    let handler = Handler::start_as(&context, Router, |_| None);
    let ends = ends(&context, "CURVE", |_| {});
    ends.join("tcp");
    handler.request();
    context.shutdown(PATIENCE).unwrap();
    drop(ends);
}
