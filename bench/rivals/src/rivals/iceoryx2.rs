//! iceoryx2: shared memory. Receivers poll, since its ports have no receive that waits.

use std::hint;
use std::thread;
use std::time::{Duration, Instant};

use iceoryx2::active_request::ActiveRequest;
use iceoryx2::pending_response::PendingResponse;
use iceoryx2::port::client::Client;
use iceoryx2::port::publisher::Publisher;
use iceoryx2::port::server::Server;
use iceoryx2::port::subscriber::Subscriber;
use iceoryx2::prelude::{BackpressureStrategy, Node, NodeBuilder, ServiceName, ipc};
use iceoryx2::response::Response;
use iceoryx2::sample::Sample;
use tamtam_bench_protocol::failure::{Failure, Outcome};
use tamtam_bench_protocol::spec::{Role, SILENCE, Spec, Work};

use crate::end::{Both, Receiver, Sender};
use crate::library::{self, Kind, Library};
use crate::work::QUIET;

/// Messages that a subscriber's queue holds, as many as in other libraries.
const QUEUE: usize = 1000;
/// Looks at an empty queue before the CPU is offered to others.
const SPINS: u32 = 1000;

struct Iceoryx2;

type Service = ipc::Service;
type Octets = [u8];

/// One end.
struct End {
    port: Port,
    patience: Duration,
}

enum Port {
    Publisher(Publisher<Service, Octets, ()>),
    Subscriber(Subscriber<Service, Octets, ()>),
    Asker(Client<Service, Octets, (), Octets, ()>, Option<PendingResponse<Service, Octets, (), Octets, ()>>),
    Answerer(Server<Service, Octets, (), Octets, ()>, Option<ActiveRequest<Service, Octets, (), Octets, ()>>),
}

/// A received message.
enum Body {
    Sample(Sample<Service, Octets, ()>),
    Response(Response<Service, Octets, ()>),
    /// A request stays with its end until it is answered.
    Request(Vec<u8>),
}

impl AsRef<[u8]> for Body {
    fn as_ref(&self) -> &[u8] {
        match self {
            Self::Sample(sample) => sample.payload(),
            Self::Response(response) => response.payload(),
            Self::Request(copy) => copy,
        }
    }
}

/// Looks until something is there or the time is over.
fn poll<T>(patience: Duration, mut look: impl FnMut() -> Outcome<Option<T>>) -> Outcome<Option<T>> {
    let mut began = None;
    loop {
        for _ in 0..SPINS {
            if let Some(found) = look()? {
                return Ok(Some(found));
            }
            hint::spin_loop();
        }
        if began.get_or_insert_with(Instant::now).elapsed() > patience {
            return Ok(None);
        }
        thread::yield_now();
    }
}

impl Sender for End {
    async fn send(&mut self, body: &[u8]) -> Outcome {
        match &mut self.port {
            Port::Publisher(publisher) => {
                publisher.loan_slice_uninit(body.len())?.write_from_slice(body).send()?;
            }
            Port::Asker(client, pending) => {
                *pending = Some(client.loan_slice_uninit(body.len())?.write_from_slice(body).send()?);
            }
            Port::Answerer(_, asked) => {
                let request = asked.take().ok_or_else(|| Failure::new("nothing was asked"))?;
                request.loan_slice_uninit(body.len())?.write_from_slice(body).send()?;
            }
            Port::Subscriber(_) => return Err(Failure::new("does not send")),
        }
        Ok(())
    }
}

impl Receiver for End {
    type Body = Body;

    async fn receive(&mut self) -> Outcome<Option<Body>> {
        match &mut self.port {
            Port::Subscriber(subscriber) => {
                poll(self.patience, || Ok(subscriber.receive()?.map(Body::Sample)))
            }
            Port::Asker(_, pending) => {
                let pending = pending.as_ref().ok_or_else(|| Failure::new("nothing was asked"))?;
                poll(self.patience, || Ok(pending.receive()?.map(Body::Response)))
            }
            Port::Answerer(server, asked) => {
                *asked = poll(self.patience, || Ok(server.receive()?))?;
                Ok(asked.as_ref().map(|request| Body::Request(request.payload().to_vec())))
            }
            Port::Publisher(_) => Err(Failure::new("does not receive")),
        }
    }
}

fn node() -> Outcome<Node<Service>> {
    Ok(NodeBuilder::new().create::<Service>()?)
}

fn end(node: &Node<Service>, kind: Kind, name: &str, spec: &Spec) -> Outcome<End> {
    let name = ServiceName::new(name)?;
    let topic = || {
        node.service_builder(&name)
            .publish_subscribe::<Octets>()
            .enable_safe_overflow(false)
            .subscriber_max_buffer_size(QUEUE)
            .max_subscribers(spec.subscribers.max(1))
            .max_nodes(spec.subscribers + 4)
            .open_or_create()
    };
    let port = match kind {
        Kind::Publisher => {
            let service = topic()?;
            let publisher = service.publisher_builder().initial_max_slice_len(spec.size);
            Port::Publisher(
                publisher.backpressure_strategy(BackpressureStrategy::RetryUntilDelivered).create()?,
            )
        }
        Kind::Sub => Port::Subscriber(topic()?.subscriber_builder().create()?),
        Kind::Req | Kind::Rep => {
            let service =
                node.service_builder(&name).request_response::<Octets, Octets>().open_or_create()?;
            if kind == Kind::Req {
                Port::Asker(service.client_builder().initial_max_slice_len(spec.size).create()?, None)
            } else {
                Port::Answerer(service.server_builder().initial_max_slice_len(spec.size).create()?, None)
            }
        }
        Kind::Push | Kind::Pull => return Err(Failure::new("has no pipelines")),
    };
    let patience = if spec.work == Work::Fanout { QUIET } else { SILENCE };
    Ok(End { port, patience })
}

impl Library for Iceoryx2 {
    type Socket = End;

    async fn bind(kind: Kind, spec: &Spec) -> Outcome<(End, String)> {
        // The path that a socket would have is a name that nobody else has.
        let name = spec.endpoint.clone();
        Ok((end(&node()?, kind, &name, spec)?, name))
    }

    async fn connect(kind: Kind, spec: &Spec) -> Outcome<End> {
        end(&node()?, kind, &spec.endpoint, spec)
    }

    async fn both(spec: &Spec) -> Outcome<(Both<End, End>, String)> {
        let (node, there, back) = (node()?, &spec.endpoint, format!("{}-back", spec.endpoint));
        let binds = spec.role == Role::Binder;
        let (out, home) = if binds { (&back, there) } else { (there, &back) };
        let sender = end(&node, Kind::Publisher, out, spec)?;
        let receiver = end(&node, Kind::Sub, home, spec)?;
        Ok((Both { sender, receiver }, spec.endpoint.clone()))
    }
}

pub(super) fn play(spec: &Spec) -> Outcome {
    library::play(spec, |stage| futures::executor::block_on(library::part::<Iceoryx2>(spec, stage)))
}
