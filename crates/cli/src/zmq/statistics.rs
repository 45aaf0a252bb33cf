//! A socket's statistics, for people and for programs.

use serde_json::{Value, json};
use tamtam_zmq::SocketStatistics;

use crate::exit::note;
use crate::run::Run;

/// Prints them on standard error: one line of text, or one JSON object with `--json`.
pub(crate) fn print(run: &Run, name: &str, statistics: &SocketStatistics) {
    if run.global.json {
        note(&to_json(name, statistics).to_string());
    } else {
        note(&to_text(name, statistics));
    }
}

fn to_text(name: &str, statistics: &SocketStatistics) -> String {
    let traffic = &statistics.traffic;
    let mut line = format!(
        "{name}: {} messages ({} bytes) in, {} messages ({} bytes) out, {} dropped, {} waiting; \
         {} peers, {} reconnects, {} failed handshakes",
        traffic.messages_in,
        traffic.bytes_in,
        traffic.messages_out,
        traffic.bytes_out,
        traffic.dropped.total(),
        statistics.queued_in.saturating_add(statistics.queued_out),
        statistics.peers,
        traffic.reconnects,
        traffic.handshake_failures,
    );
    let reasons = dropped(statistics).into_iter().filter(|(_, count)| *count > 0);
    let reasons: Vec<String> = reasons.map(|(reason, count)| format!("{count} {reason}")).collect();
    if !reasons.is_empty() {
        line.push_str(&format!(" (dropped: {})", reasons.join(", ")));
    }
    line
}

fn to_json(name: &str, statistics: &SocketStatistics) -> Value {
    let traffic = &statistics.traffic;
    let dropped: serde_json::Map<String, Value> =
        dropped(statistics).into_iter().map(|(reason, count)| (reason.to_owned(), count.into())).collect();
    json!({
        "statistics": name,
        "seconds": statistics.since.elapsed().as_secs_f64(),
        "messages_in": traffic.messages_in,
        "bytes_in": traffic.bytes_in,
        "messages_out": traffic.messages_out,
        "bytes_out": traffic.bytes_out,
        "queued_in": statistics.queued_in,
        "queued_out": statistics.queued_out,
        "dropped": dropped,
        "peers": statistics.peers,
        "reconnects": traffic.reconnects,
        "handshake_failures": traffic.handshake_failures,
    })
}

fn dropped(statistics: &SocketStatistics) -> [(&'static str, u64); 7] {
    let dropped = &statistics.traffic.dropped;
    [
        ("full", dropped.full),
        ("unroutable", dropped.unroutable),
        ("disconnected", dropped.disconnected),
        ("lingered", dropped.lingered),
        ("conflated", dropped.conflated),
        ("malformed", dropped.malformed),
        ("filtered", dropped.filtered),
    ]
}
