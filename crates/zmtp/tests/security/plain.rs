//! PLAIN, and NULL with somebody to ask.

use tamtam_zmtp::{AuthReply, Config, Credentials, Mechanism, ProtocolCode, ProtocolError, SocketType};

use super::pair::{End, converse, dealer, greet, plain_client, router};

fn accept(user: &'static str) -> AuthReply {
    AuthReply::Accept { user_id: Some(user.into()), metadata: vec![("Hello".into(), "World".into())] }
}

#[test]
fn a_client_shows_its_name_and_password_and_is_let_in() {
    let (mut client, mut server) =
        (End::new(dealer(plain_client("admin", "secret"))), End::new(router(Mechanism::PlainServer)));
    converse(&mut client, &mut server);
    let shown = Credentials::Plain { username: "admin".into(), password: "secret".into() };
    assert_eq!(server.asked(), Some(&shown));
    assert!(client.ready().is_none() && server.ready().is_none(), "nothing goes on before the answer");
    assert!(!format!("{:?} {:?}", server.events, client.connection).contains("secret"), "no log shows it");
    server.answer(accept("joe"));
    converse(&mut client, &mut server);
    let peer = server.ready().expect("let in");
    assert_eq!((peer.mechanism, peer.identity.as_ref()), ("PLAIN", &b"me"[..]));
    assert_eq!(peer.property("user-id").map(AsRef::as_ref), Some(&b"joe"[..]));
    assert_eq!(peer.property("Hello").map(AsRef::as_ref), Some(&b"World"[..]));
    assert_eq!(client.ready().expect("let in").socket_type, Some(SocketType::Router));
    assert!(!client.connection.seals());
    let wire = client.sealed(&["hi"]);
    assert_eq!(wire, b"\0\x02hi", "PLAIN encrypts nothing");
    server.take(&wire);
    assert_eq!(server.messages(), ["hi".into()]);
}

#[test]
fn a_client_that_is_refused_learns_the_status_but_not_of_a_temporary_one() {
    for (status, word) in [(400, true), (500, true), (300, false)] {
        for mechanism in [plain_client("admin", "wrong"), Mechanism::Null] {
            let mut config = match mechanism {
                Mechanism::Null => router(Mechanism::Null),
                _ => router(Mechanism::PlainServer),
            };
            config.authenticate = true;
            let (mut client, mut server) = (End::new(dealer(mechanism)), End::new(config));
            converse(&mut client, &mut server);
            server.answer(AuthReply::Refuse { status, text: "no".into() });
            let failure = server.failure.clone().expect("refused");
            assert_eq!(failure.authentication_status(), Some(status));
            assert_eq!(failure.to_string(), format!("the peer was refused with status {status}: no"));
            converse(&mut client, &mut server);
            assert!(client.ready().is_none() && server.ready().is_none());
            let told = client.failure.as_ref().and_then(ProtocolError::authentication_status);
            assert_eq!(told, word.then_some(status));
        }
    }
}

#[test]
fn null_with_somebody_to_ask_says_nothing_of_itself_before_the_answer() {
    let config = Config { authenticate: true, ..router(Mechanism::Null) };
    let (mut client, mut server) = (End::new(dealer(Mechanism::Null)), End::new(config));
    converse(&mut client, &mut server);
    assert_eq!(server.asked(), Some(&Credentials::None));
    assert!(client.ready().is_none());
    server.answer(accept("joe"));
    converse(&mut client, &mut server);
    assert_eq!(server.ready().expect("let in").user_id.as_deref(), Some(&b"joe"[..]));
    assert!(client.ready().is_some());
}

#[test]
fn a_peer_that_waits_for_the_answer_cannot_fill_our_memory() {
    let (mut client, mut server) =
        (End::new(dealer(plain_client("admin", "secret"))), End::new(router(Mechanism::PlainServer)));
    converse(&mut client, &mut server);
    server.take(&vec![0; 60 * 1024]);
    assert_eq!(server.failure, None);
    server.take(&vec![0; 8 * 1024]);
    assert!(matches!(server.failure, Some(ProtocolError::HandshakeTooLarge { .. })));
}

#[test]
fn malformed_commands_have_their_numbers() {
    use ProtocolCode::{ZmtpMalformedCommand, ZmtpMalformedHello, ZmtpUnexpectedCommand};
    let table: [(&[u8], ProtocolCode); 9] = [
        (b"\x05HELLO", ZmtpMalformedHello),
        (b"\x05HELLO\x05admi", ZmtpMalformedHello),
        (b"\x05HELLO\x05admin", ZmtpMalformedHello),
        (b"\x05HELLO\x05admin\x06secre", ZmtpMalformedHello),
        (b"\x05HELLO\x05admin\x06secret!", ZmtpMalformedHello),
        (b"\x08INITIATE", ZmtpUnexpectedCommand),
        (b"\x05ERROR\x00", ZmtpUnexpectedCommand),
        (b"\x05READY", ZmtpUnexpectedCommand),
        (b"\x09HELLO", ZmtpMalformedCommand),
    ];
    for (body, expected) in table {
        let (mut client, mut server) =
            (End::new(dealer(plain_client("a", "b"))), End::new(router(Mechanism::PlainServer)));
        greet(&mut client, &mut server);
        server.take(&[&[4, u8::try_from(body.len()).expect("short")], body].concat());
        assert_eq!(server.failure.and_then(|failure| failure.code()), Some(expected), "{body:?}");
    }
    let replies: [(&[u8], ProtocolCode); 4] = [
        (b"\x04\x09\x07WELCOME!", ProtocolCode::ZmtpMalformedWelcome),
        (b"\x04\x06\x05READY", ZmtpUnexpectedCommand),
        (b"\x04\x08\x05ERROR\x05n", ProtocolCode::ZmtpMalformedError),
        (b"\x04\x06\x05HELLO", ZmtpUnexpectedCommand),
    ];
    for (reply, expected) in replies {
        let (mut client, mut server) =
            (End::new(dealer(plain_client("a", "b"))), End::new(router(Mechanism::PlainServer)));
        greet(&mut client, &mut server);
        client.take(reply);
        assert_eq!(client.failure.and_then(|failure| failure.code()), Some(expected), "{reply:?}");
    }
}

#[test]
fn two_servers_and_two_clients_notice() {
    let (mut one, mut other) =
        (End::new(router(Mechanism::PlainServer)), End::new(router(Mechanism::PlainServer)));
    converse(&mut one, &mut other);
    assert!(matches!(one.failure, Some(ProtocolError::MalformedGreeting(_))), "{:?}", one.failure);
    let (mut one, mut other) =
        (End::new(dealer(plain_client("a", "b"))), End::new(dealer(plain_client("a", "b"))));
    converse(&mut one, &mut other);
    assert_eq!(one.failure.and_then(|failure| failure.code()), Some(ProtocolCode::ZmtpUnexpectedCommand));
}
