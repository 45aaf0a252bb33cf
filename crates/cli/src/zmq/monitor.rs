//! `tamtam zmq monitor`: what happens to a socket's connections.

use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

use serde_json::json;
use tamtam_zmq::{EventKind, Monitor, MonitorEvent, RecvError, Socket};

use super::args::MonitorArgs;
use super::link::Link;
use crate::exit::{Failure, Outcome};
use crate::output::{Format, Output, escape};
use crate::run::Run;

/// How many events are kept for us; more than a second's worth even in a storm of reconnects.
const CAPACITY: usize = 4096;

/// How long one look for events lasts: between two of them the wish to stop is heard.
const STEP: Duration = Duration::from_millis(100);

/// Attaches a socket and prints its events.
pub(crate) fn watch(run: &Run, args: &MonitorArgs) -> Outcome {
    run.stop
        .when_output_closes()
        .map_err(|error| Failure::failed(format!("cannot watch standard output: {error}")))?;
    let link = Link::new(run, args.socket_type, &args.link, |_| {})?;
    let monitor = link.socket.monitor(CAPACITY);
    if args.socket_type.can_receive() {
        drain(Arc::clone(&link.socket))?;
    }
    link.attach()?;
    let result = print_all(&link, &monitor, args.count);
    if monitor.dropped() > 0 {
        run.tell(&format!("warning: {} events were missed", monitor.dropped()));
    }
    link.print_statistics();
    result
}

/// Takes and forgets what arrives: a full queue would hold the peers up.
fn drain(socket: Arc<Socket>) -> Outcome {
    let body = move || {
        // A REQ or REP socket that has no turn, and a closed one, have nothing to take.
        while matches!(socket.recv(), Ok(_) | Err(RecvError::Interrupted | RecvError::TimedOut)) {}
    };
    thread::Builder::new()
        .name("tamtam-drain".into())
        .spawn(body)
        .map(drop)
        .map_err(|error| Failure::failed(format!("cannot start a thread: {error}")))
}

fn print_all(link: &Link<'_>, monitor: &Monitor, count: Option<u64>) -> Outcome {
    let mut output = Output::new(Format::Text, None);
    let begun = Instant::now();
    let mut printed = 0_u64;
    let mut last = begun;
    while count.is_none_or(|count| printed < count) {
        if let Some(event) = monitor.recv_timeout(STEP) {
            output.line(&render(&event, begun, link.run.global.json))?;
            output.flush()?;
            printed += 1;
            last = Instant::now();
            continue;
        }
        link.run.stop.check()?;
        if let Some(timeout) = link.run.timeout().filter(|timeout| last.elapsed() >= *timeout) {
            let timeout = humantime::format_duration(timeout);
            return Err(Failure::timed_out(format!(
                "no event at {} within {timeout} ({printed} printed)",
                link.place()
            )));
        }
    }
    Ok(())
}

fn render(event: &MonitorEvent, begun: Instant, json: bool) -> String {
    let seconds = event.at.saturating_duration_since(begun).as_secs_f64();
    if json {
        return json!({
            "seconds": seconds,
            "endpoint": &*event.endpoint,
            "event": name(&event.kind),
            "detail": event.kind.to_string(),
        })
        .to_string();
    }
    // A peer's words (its error text, its names) may be part of the event.
    format!("{seconds:9.3} s  {}  {}", event.endpoint, escape(event.kind.to_string().as_bytes()))
}

/// The event's name in JSON.
fn name(kind: &EventKind) -> &'static str {
    match kind {
        EventKind::Listening => "listening",
        EventKind::Accepted => "accepted",
        EventKind::AcceptFailed { .. } => "accept_failed",
        EventKind::ConnectDelayed => "connecting",
        EventKind::ConnectRetried { .. } => "retry",
        EventKind::Connected => "connected",
        EventKind::HandshakeSucceeded { .. } => "ready",
        EventKind::HandshakeFailed { .. } => "handshake_failed",
        EventKind::Disconnected { .. } => "disconnected",
        EventKind::Refused { .. } => "refused",
        EventKind::Closed => "closed",
        EventKind::Stopped => "stopped",
        _ => "other",
    }
}
