//! Types: generated ones, ones that are known at run time only, and ones that differ.

use std::sync::mpsc;
use std::thread;
use std::time::Duration;

use bytes::Bytes;
use futures_util::StreamExt as _;
use futures_util::future::FutureExt as _;
use prost::Message as _;
use prost_reflect::{ReflectMessage as _, Value};
use tamtam::schema::{Comparison, Schema};
use tamtam::{CallError, Event, Node, PublisherEvent, Qos, Reach, RecvError, Sample, TopicMessage as _};
use tamtam_examples::demo::info::{Message as Text, MessageType};
use tamtam_examples::demo::{AddReply, AddRequest, Imu, Info};

const PATIENCE: Duration = Duration::from_secs(20);

struct Place(tempfile::TempDir);

impl Place {
    fn new() -> Self {
        Self(tempfile::Builder::new().prefix("tt").tempdir().unwrap())
    }

    fn node(&self, name: &str) -> Node {
        Node::builder(name).domain("types").directory(self.0.path()).open().unwrap()
    }
}

/// Compiles `demo.Imu` as it might look elsewhere.
fn imu(fields: &str) -> Schema {
    let text = format!("syntax = \"proto3\"; package demo; message Imu {{ {fields} }}");
    let file = protox::file::File::from_source("other.proto", &text).unwrap();
    let set =
        prost_reflect::prost_types::FileDescriptorSet { file: vec![file.file_descriptor_proto().clone()] };
    Schema::new("demo.Imu", &set.encode_to_vec()).unwrap()
}

#[test]
fn generated_types_are_published_and_received() {
    let place = Place::new();
    let node = place.node("a");
    let info = Info {
        date: "10.10.2023".into(),
        id: 7,
        messages: vec![Text { text: "Hello".into(), r#type: MessageType::Debug.into() }],
    };
    let publisher = node.publisher::<Info>("/info").create().unwrap();
    let subscriber = node.subscriber::<Info>("/info").create().unwrap();
    publisher.wait_for(1, PATIENCE).unwrap();
    publisher.send(&info).unwrap();
    publisher.finish().drain(PATIENCE).unwrap();
    let sample = subscriber.recv_timeout(PATIENCE).unwrap().unwrap();
    assert_eq!(
        (sample.value.clone(), sample.info.seq, sample.info.size),
        (info.clone(), 1, info.encoded_len())
    );
    assert_eq!(subscriber.recv_timeout(PATIENCE), Ok(None));
    let schema = Info::schema().unwrap().unwrap();
    assert_eq!(schema.name(), "demo.Info");
    assert!(schema.to_proto().contains("enum MessageType"), "{}", schema.to_proto());
}

/// A sample that is used again holds what came last, and nothing of what came before.
#[test]
fn a_sample_is_used_again() {
    let place = Place::new();
    let node = place.node("a");
    let text = |text: &str| Text { text: text.into(), r#type: MessageType::Debug.into() };
    let long = "x".repeat(1000);
    let first = Info { date: "10.10.2023".into(), id: 7, messages: vec![text("Hello"), text(&long)] };
    let infos =
        [first.clone(), Info { id: 8, ..Info::default() }, Info { messages: vec![text("again")], ..first }];
    let publisher = node.publisher::<Info>("/info").create().unwrap();
    let subscriber = node.subscriber::<Info>("/info").create().unwrap();
    publisher.wait_for(1, PATIENCE).unwrap();
    infos.iter().for_each(|info| _ = publisher.send(info).unwrap());
    publisher.finish().drain(PATIENCE).unwrap();
    let mut sample = Sample::default();
    for (info, seq) in infos.iter().zip(1..) {
        assert_eq!(subscriber.recv_into_timeout(&mut sample, PATIENCE), Ok(true));
        assert_eq!((&sample.value, sample.info.seq, sample.info.size), (info, seq, info.encoded_len()));
    }
    assert_eq!(subscriber.recv_into_timeout(&mut sample, PATIENCE), Ok(false));
}

/// The schema comes from the publisher, whoever that is.
#[test]
fn a_type_never_seen_before_is_decoded_by_its_publishers_schema() {
    let place = Place::new();
    let publisher = place.node("driver").publisher::<Imu>("/imu").create().unwrap();
    let subscriber = place.node("tool").subscriber_dynamic("/imu").create().unwrap();
    publisher.wait_for(1, PATIENCE).unwrap();
    publisher.send(&Imu { x: 1.5, ..Imu::default() }).unwrap();
    let sample = subscriber.recv(Some(PATIENCE)).unwrap().unwrap();
    let message = sample.decode().unwrap().unwrap();
    assert_eq!(message.descriptor().full_name(), "demo.Imu");
    assert_eq!(message.get_field_by_name("x").as_deref(), Some(&Value::F64(1.5)));

    // And the other way round.
    let schema = sample.schema.clone().unwrap();
    let answers = place.node("tool").publisher_dynamic("/answers", schema, Qos::default()).unwrap();
    let reader = place.node("driver").subscriber::<Imu>("/answers").create().unwrap();
    answers.wait_for(1, PATIENCE).unwrap();
    let mut message = answers.message();
    message.set_field_by_name("y", Value::F64(2.5));
    answers.send_message(&message).unwrap();
    assert_eq!(reader.recv_timeout(PATIENCE).unwrap().unwrap().y, 2.5);
}

/// What is kept within the process leaves no schema for others either.
#[test]
fn types_within_the_process_are_known_within_it() {
    let place = Place::new();
    let driver = place.node("driver");
    let qos = Qos::default().reach(Reach::Process);
    let publisher = driver.publisher::<Imu>("/imu").qos(qos).create().unwrap();
    let subscriber = place.node("tool").subscriber_dynamic("/imu").create().unwrap();
    publisher.wait_for(1, PATIENCE).unwrap();
    publisher.send(&Imu { x: 1.5, ..Imu::default() }).unwrap();
    let message = subscriber.recv(Some(PATIENCE)).unwrap().unwrap().decode().unwrap().unwrap();
    assert_eq!(message.get_field_by_name("x").as_deref(), Some(&Value::F64(1.5)));
    assert!(!place.0.path().join("types/schemas").exists());
    // Types that do not fit are found out all the same.
    let other = place.node("other").publisher_dynamic("/imu", imu("string x = 1;"), Qos::default()).unwrap();
    let typed = driver.subscriber::<Imu>("/imu").create().unwrap();
    publisher.wait_for(2, PATIENCE).unwrap();
    let differs = std::iter::from_fn(|| typed.event(PATIENCE)).find_map(|event| match event {
        Event::SchemaDiffers { refused, .. } => Some(refused),
        _ => None,
    });
    assert_eq!(differs, Some(true));
    drop(other);
}

#[test]
fn a_type_that_has_evolved_is_noted_and_delivered() {
    let place = Place::new();
    let schema = imu("double x = 1; double y = 2; double z = 3; double temperature = 4;");
    let publisher = place.node("new").publisher_dynamic("/imu", schema, Qos::default()).unwrap();
    let subscriber = place.node("old").subscriber::<Imu>("/imu").create().unwrap();
    publisher.wait_for(1, PATIENCE).unwrap();
    let mut message = publisher.message();
    message.set_field_by_name("x", Value::F64(1.0));
    publisher.send_message(&message).unwrap();
    assert_eq!(subscriber.recv_timeout(PATIENCE).unwrap().unwrap().x, 1.0);
    let Some(Event::SchemaDiffers { comparison: Comparison::Compatible { notes }, refused: false, .. }) =
        subscriber.event(PATIENCE)
    else {
        panic!("the difference is told")
    };
    assert_eq!(notes, ["demo.Imu.temperature (4): only the writer has it"]);
}

/// Both ends are told, and nothing wrong is delivered; unless that is asked for.
#[test]
fn a_breaking_type_is_told_at_both_ends_and_refused() {
    let place = Place::new();
    let schema = imu("string x = 1;");
    let publisher = place.node("driver").publisher_dynamic("/imu", schema, Qos::default()).unwrap();
    let subscriber = place.node("reader").subscriber::<Imu>("/imu").create().unwrap();
    let Some(Event::SchemaDiffers { comparison, refused: true, type_name, .. }) = subscriber.event(PATIENCE)
    else {
        panic!("the difference is told")
    };
    assert!(comparison.is_breaking() && type_name == "demo.Imu", "{comparison:?}");
    let told = loop {
        match publisher.event(PATIENCE) {
            Some(PublisherEvent::SchemaDiffers { node, what }) => break (node, what),
            Some(_) => {}
            None => panic!("the publisher is not told"),
        }
    };
    assert_eq!(told.0, "reader");
    assert!(told.1.contains("was string, expected double"), "{}", told.1);
    assert_eq!(publisher.subscribers(), 0, "it is not counted as one");

    let anyway = place.node("brave").subscriber::<Imu>("/imu").accept_breaking().create().unwrap();
    publisher.wait_for(1, PATIENCE).unwrap();
    let mut message = publisher.message();
    message.set_field_by_name("x", Value::String("no number".into()));
    publisher.send_message(&message).unwrap();
    assert!(matches!(anyway.recv_timeout(PATIENCE), Err(RecvError::Decode(_))));
    assert_eq!(subscriber.recv_timeout(Duration::ZERO), Err(RecvError::TimedOut));
}

#[test]
fn two_types_on_one_topic_do_not_mix() {
    let place = Place::new();
    let publisher = place.node("a").publisher::<AddRequest>("/t").create().unwrap();
    let subscriber = place.node("b").subscriber::<Imu>("/t").create().unwrap();
    let Some(Event::SchemaDiffers { comparison: Comparison::Breaking { what }, .. }) =
        subscriber.event(PATIENCE)
    else {
        panic!("the difference is told")
    };
    assert!(what[0].contains("demo.AddRequest") && what[0].contains("demo.Imu"), "{what:?}");
    assert_eq!(publisher.subscribers(), 0);
    let graph = place.node("c").graph();
    let topics = graph.topics();
    assert_eq!(topics["/t"].types.len(), 2, "everybody can see it");
}

#[test]
fn messages_go_to_a_function_on_a_thread_of_its_own() {
    let place = Place::new();
    let node = place.node("a");
    let publisher = node.publisher::<Imu>("/imu").create().unwrap();
    let (to, from) = mpsc::channel();
    let subscription = node.subscriber::<Imu>("/imu").on(move |imu| to.send(imu.x).unwrap()).unwrap();
    publisher.wait_for(1, PATIENCE).unwrap();
    for x in 0..100 {
        publisher.send(&Imu { x: x.into(), ..Imu::default() }).unwrap();
    }
    publisher.finish().drain(PATIENCE).unwrap();
    subscription.join().unwrap();
    assert_eq!(from.iter().sum::<f64>(), 4950.0);

    // One that is dropped ends, whatever the publisher does.
    let publisher = node.publisher::<Imu>("/imu").create().unwrap();
    let subscription = node.subscriber::<Imu>("/imu").on(|_| ()).unwrap();
    publisher.wait_for(1, PATIENCE).unwrap();
    drop(subscription);
}

#[test]
fn a_subscriber_is_a_stream() {
    let place = Place::new();
    let node = place.node("a");
    let publisher = node.publisher::<Imu>("/imu").create().unwrap();
    let stream = node.subscriber::<Imu>("/imu").create().unwrap().into_stream().unwrap();
    publisher.wait_for(1, PATIENCE).unwrap();
    let writer = thread::spawn(move || {
        for x in 0..1000 {
            publisher.send(&Imu { x: x.into(), ..Imu::default() }).unwrap();
        }
        publisher.finish().drain(PATIENCE).unwrap();
    });
    let sum = stream.map(|imu| imu.unwrap().x).fold(0.0, |sum, x| async move { sum + x });
    assert_eq!(block_on(sum), 499_500.0);
    writer.join().unwrap();
    // One that nobody reads ends when it is dropped.
    let idle = node.subscriber::<Imu>("/imu").create().unwrap().into_stream().unwrap();
    assert!(idle.into_future().now_or_never().is_none());
}

/// The smallest executor: a thread that sleeps until it is woken.
fn block_on<F: Future>(future: F) -> F::Output {
    struct Unpark(thread::Thread);
    impl std::task::Wake for Unpark {
        fn wake(self: std::sync::Arc<Self>) {
            self.0.unpark();
        }
    }
    let waker = std::sync::Arc::new(Unpark(thread::current())).into();
    let mut task = std::task::Context::from_waker(&waker);
    let mut future = std::pin::pin!(future);
    loop {
        if let std::task::Poll::Ready(value) = future.as_mut().poll(&mut task) {
            return value;
        }
        thread::park();
    }
}

#[test]
fn services_answer_err_and_are_missed() {
    let place = Place::new();
    let node = place.node("client");
    let client = node.client::<AddRequest, AddReply>("/add").unwrap();
    let ask = |a, b| client.call(&AddRequest { a, b }, PATIENCE);
    assert_eq!(
        client.call(&AddRequest::default(), Duration::from_millis(20)),
        Err(CallError::NoServer("/add".into()))
    );

    let service = place.node("server").service("/add", |request: AddRequest| {
        assert!(request.a != 13, "a fault in the service");
        let sum = request.a.checked_add(request.b).ok_or("too large")?;
        Ok(AddReply { sum })
    });
    let service = service.unwrap();
    assert_eq!(ask(2, 3).unwrap().sum, 5, "a server that comes later is found");
    assert_eq!(ask(i64::MAX, 1), Err(CallError::Remote("too large".into())));
    let panicked = ask(13, 0).unwrap_err().to_string();
    assert!(panicked.contains("panicked"), "{panicked}");
    thread::scope(|scope| {
        for thread in 0..4 {
            scope.spawn(move || {
                for number in 0..200 {
                    assert_eq!(ask(thread, number).unwrap().sum, thread + number, "each gets its own reply");
                }
            });
        }
    });
    // Octets are no request.
    let raw = node.client::<Bytes, Bytes>("/add").unwrap();
    let refused = raw.call(&Bytes::from_static(b"\xff\xff"), PATIENCE);
    assert!(matches!(refused, Err(CallError::Remote(_))), "{refused:?}");
    drop(service);
    node.wait_for_graph(PATIENCE, |graph| graph.services().is_empty()).unwrap();
    let gone = client.call(&AddRequest::default(), Duration::from_millis(20));
    assert_eq!(gone, Err(CallError::NoServer("/add".into())));
}

/// A server that does not answer is another matter than none; the next one is asked.
#[test]
fn a_server_that_hangs_is_told_apart_and_another_one_is_asked() {
    let place = Place::new();
    let node = place.node("client");
    let (free, busy) = mpsc::channel::<()>();
    let slow = place.node("slow").service("/add", move |_: AddRequest| {
        // Until the test is over.
        let _over = busy.recv();
        Ok(AddReply::default())
    });
    let slow = slow.unwrap();
    let client = node.client::<AddRequest, AddReply>("/add").unwrap();
    assert!(client.wait_for_server(PATIENCE));
    let request = AddRequest { a: 1, b: 1 };
    let hung = client.call(&request, Duration::from_millis(50));
    assert_eq!(hung, Err(CallError::TimedOut("/add".into())));
    let quick = place
        .node("quick")
        .service("/add", |request: AddRequest| Ok(AddReply { sum: request.a + request.b }));
    let quick = quick.unwrap();
    node.wait_for_graph(PATIENCE, |graph| graph.services().values().any(|servers| servers.len() == 2))
        .unwrap();
    // Whoever is asked first, the other one is next.
    let reply = client.call_any(&request, Duration::from_secs(2), 4);
    assert_eq!(reply, Ok(AddReply { sum: 2 }));
    drop((free, slow, quick));
}
