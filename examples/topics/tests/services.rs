//! Services whose types are not what their clients expect.

use std::time::{Duration, Instant};

use bytes::Bytes;
use tamtam::{CallError, Node};
use tamtam_examples::demo::{AddReply, AddRequest, Imu, Info};

const PATIENCE: Duration = Duration::from_secs(20);

struct Place(tempfile::TempDir);

impl Place {
    fn new() -> Self {
        Self(tempfile::Builder::new().prefix("tt").tempdir().unwrap())
    }

    fn node(&self, name: &str) -> Node {
        Node::builder(name).domain("services").directory(self.0.path()).open().unwrap()
    }
}

fn sum(request: &AddRequest) -> AddReply {
    AddReply { sum: request.a + request.b }
}

/// An `Info` with a number reads as a sum of nothing: that is said, and nobody is asked. A server that fits is found beside it.
#[test]
fn types_that_would_be_misread_are_refused() {
    let place = Place::new();
    let (node, request) = (place.node("client"), AddRequest { a: 1, b: 2 });
    let odd = place.node("odd").service("/add", |_: AddRequest| Ok(Info { id: 7, ..Info::default() }));
    let odd = odd.unwrap();
    let client = node.client::<AddRequest, AddReply>("/add").unwrap();
    let began = Instant::now();
    let Err(CallError::SchemaDiffers { service, what }) = client.call(&request, PATIENCE) else {
        panic!("the reply would be misread")
    };
    assert!(began.elapsed() < PATIENCE / 2, "what is known need not be waited for");
    assert_eq!(service, "/add");
    assert!(what.starts_with("reply: ") && what.contains("demo.Info"), "{what}");
    // Requests are compared, too.
    let other = node.client::<Imu, Info>("/add").unwrap();
    let error = other.call(&Imu::default(), PATIENCE).unwrap_err().to_string();
    assert!(error.starts_with("/add has other types: request: "), "{error}");

    // Whoever expects what it answers is answered, octets are for everybody.
    let fitting = node.client::<AddRequest, Info>("/add").unwrap();
    assert_eq!(fitting.call(&request, PATIENCE).unwrap().id, 7);
    let raw = node.client::<Bytes, Bytes>("/add").unwrap();
    assert_eq!(raw.call(&Bytes::new(), PATIENCE), Ok(Bytes::from_static(&[0x10, 7])));

    let right = place.node("right").service("/add", |request: AddRequest| Ok(sum(&request))).unwrap();
    node.wait_for_graph(PATIENCE, |graph| graph.services()["/add"].len() == 2).unwrap();
    assert!(client.wait_for_server(PATIENCE));
    for _ in 0..10 {
        assert_eq!(client.call(&request, PATIENCE), Ok(AddReply { sum: 3 }), "only the right one is asked");
    }
    drop((odd, right));
    node.wait_for_graph(PATIENCE, |graph| graph.services().is_empty()).unwrap();
    let gone = client.call(&request, Duration::from_millis(20));
    assert_eq!(gone, Err(CallError::NoServer("/add".into())));
}

/// A server that does not say what its octets mean, and sends none that can be read: an error for who asks, and for nobody else.
#[test]
fn a_reply_that_is_none_is_an_error_for_who_has_asked() {
    let place = Place::new();
    let node = place.node("client");
    let server = place.node("server").service_raw("/odd", None, None, |request| {
        // Sound if there is a request, rubbish if there is none.
        Ok(if request.is_empty() { Bytes::from_static(b"\xff\xff") } else { Bytes::from_static(&[0x08, 5]) })
    });
    let _server = server.unwrap();
    let client = node.client::<AddRequest, AddReply>("/odd").unwrap();
    let other = place.node("other").client::<AddRequest, AddReply>("/odd").unwrap();
    for _ in 0..10 {
        let rubbish = client.call(&AddRequest::default(), PATIENCE);
        assert!(matches!(rubbish, Err(CallError::Decode(_))), "{rubbish:?}");
        let sound = AddRequest { a: 1, b: 1 };
        assert_eq!(client.call(&sound, PATIENCE), Ok(AddReply { sum: 5 }));
        assert_eq!(other.call(&sound, PATIENCE), Ok(AddReply { sum: 5 }));
    }
}
