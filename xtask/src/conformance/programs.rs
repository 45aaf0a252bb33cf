//! What is known about libzmq's test programs, by name. A program that stands in no table has to pass on the stable
//! library.

/// Programs that need the draft functions.
pub(crate) const DRAFT: [&str; 20] = [
    "app_meta",
    "busy_poll",
    "channel",
    "client_server",
    "dgram",
    "disconnect_msg",
    "hello_msg",
    "hiccup_msg",
    "msg_init",
    "peer",
    "poller",
    "pubsub_topics_count",
    "radio_dish",
    "router_notify",
    "scatter_gather",
    "thread_safe",
    "xpub_manual_last_value",
    "xsub_verbose",
    "zmq_ppoll_fd",
    "zmq_ppoll_signals",
];

/// Programs about the transport `ws`, which comes with the drafts.
pub(crate) const WEBSOCKET: [&str; 1] = ["ws_transport"];

/// Words in a program's source by which it has cases for drafts: with drafts it is judged again.
pub(crate) const DRAFT_WORDS: [&str; 8] = [
    "ZMQ_BUILD_DRAFT",
    "ZMQ_DISCONNECT_MSG",
    "ZMQ_EVENT_PIPES_STATS",
    "ZMQ_HAVE_POLLER",
    "ZMQ_HAVE_PPOLL",
    "ZMQ_ONLY_FIRST_SUBSCRIBE",
    "ZMQ_ZAP_ENFORCE_DOMAIN",
    "ZMQ_ZERO_COPY_RECV",
];

/// Programs that say nothing about this library here, and why.
pub(crate) const NOT_APPLICABLE: [(&str, &str); 25] = [
    ("address_tipc", TIPC),
    ("bind_curve_fuzzer", FUZZER),
    ("bind_fuzzer", FUZZER),
    ("bind_null_fuzzer", FUZZER),
    ("bind_stream_fuzzer", FUZZER),
    ("bind_ws_fuzzer", FUZZER),
    ("connect_curve_fuzzer", FUZZER),
    ("connect_delay_tipc", TIPC),
    ("connect_fuzzer", FUZZER),
    ("connect_null_fuzzer", FUZZER),
    ("connect_stream_fuzzer", FUZZER),
    ("connect_ws_fuzzer", FUZZER),
    ("pair_tipc", TIPC),
    ("pair_vmci", VMCI),
    ("pubsub", "publishes over NORM only"),
    ("reqrep_device_tipc", TIPC),
    ("reqrep_tipc", TIPC),
    ("reqrep_vmci", VMCI),
    ("router_mandatory_tipc", TIPC),
    ("security_gssapi", "GSSAPI: needs a Kerberos realm"),
    ("shutdown_stress_tipc", TIPC),
    ("socket_options_fuzzer", FUZZER),
    ("sub_forward_tipc", TIPC),
    ("term_endpoint_tipc", TIPC),
    ("z85_decode_fuzzer", FUZZER),
];

/// Not applicable unless a library is built with TLS for `wss`.
pub(crate) const WSS: (&str, &str) = ("wss_transport", "the transport wss is not part of the library");

const TIPC: &str = "TIPC is not part of the library";
const VMCI: &str = "VMCI needs its maker's headers";
const FUZZER: &str = "replays a corpus that is not published with the sources";

/// Programs whose cases race with the clock or with the machine's load, by upstream's own records: one success in three
/// tries counts.
pub(crate) const FLAKY: [&str; 13] = [
    "heartbeats",
    "hwm_pubsub",
    "many_sockets",
    "mock_pub_sub",
    "poller",
    "proxy",
    "radio_dish",
    "reconnect_options",
    "security_curve",
    "shutdown_stress",
    "socks",
    "sockopt_hwm",
    "xpub_nodrop",
];

/// Tries that a program of [`FLAKY`] has.
pub(crate) const TRIES: usize = 3;

/// Programs that fail on our library for now, and why. They do not make the run fail; one that passes does, so that this
/// table stays true.
pub(crate) const KNOWN_FAILURES: [(&str, &str); 0] = [];

/// The program that compiles some of libzmq's own files into itself, with those, and the library it needs.
pub(crate) const CURVE: &str = "security_curve";
pub(crate) const CURVE_SOURCES: [&str; 3] = ["clock", "err", "random"];

/// Seconds that a program may take. Most end themselves after 60.
pub(crate) fn limit(name: &str) -> u32 {
    match name {
        "proxy" | "proxy_steerable" => 370,
        "security_curve" | "shutdown_stress" | "socks" => 190,
        "heartbeats" => 130,
        _ => 90,
    }
}

/// Why a program is not applicable.
pub(crate) fn not_applicable(name: &str) -> Option<&'static str> {
    NOT_APPLICABLE.iter().chain([&WSS]).find(|(listed, _)| *listed == name).map(|(_, reason)| *reason)
}

/// Why a program may fail for now.
pub(crate) fn known_failure(name: &str) -> Option<&'static str> {
    KNOWN_FAILURES.iter().find(|(listed, _)| *listed == name).map(|(_, reason)| *reason)
}

/// Names in the tables that are no program.
pub(crate) fn unknown(programs: &[String]) -> Vec<&'static str> {
    let listed = NOT_APPLICABLE.iter().chain([&WSS]).chain(&KNOWN_FAILURES).map(|(name, _)| *name);
    listed
        .chain(DRAFT)
        .chain(WEBSOCKET)
        .chain(FLAKY)
        .chain([CURVE])
        .filter(|name| !programs.iter().any(|program| program == name))
        .collect()
}
