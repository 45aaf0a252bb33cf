//! PLAIN with users of its own.

use tamtam_zmq::SocketType::{Pull, Push};
use tamtam_zmq::{Context, HandshakeCause, Security};

use super::common::{fresh, over_the_network};
use super::support::{failure, socket};

#[test]
fn users_are_let_in_by_their_passwords() {
    over_the_network(|transport, driver| {
        let context = Context::new();
        let pull = socket(&context, Pull, |options| {
            options.set_security(Security::plain_server([("admin", "secret")])).set_driver(driver);
        });
        let endpoint = pull.bind(&fresh(transport)).unwrap();
        let push = socket(&context, Push, |options| {
            options.set_security(Security::plain_client("admin", "secret").unwrap()).set_driver(driver);
        });
        push.connect(&endpoint).unwrap();
        push.send("hello").unwrap();
        let message = pull.recv().unwrap();
        let peer = pull.peer_info(message.peer().unwrap()).unwrap();
        assert_eq!((peer.mechanism, peer.user_id.as_deref()), ("PLAIN", Some(&b"admin"[..])));

        let stranger = socket(&context, Push, |options| {
            options.set_security(Security::plain_client("admin", "guess").unwrap());
        });
        let monitor = stranger.monitor(100);
        stranger.connect(&endpoint).unwrap();
        assert_eq!(failure(&monitor).0, HandshakeCause::Authentication(400));
    });
}
