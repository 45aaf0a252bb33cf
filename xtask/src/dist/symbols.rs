//! The functions that libzmq 4.3.5 exports, by name.

/// Names that begin so are ours.
pub(crate) const OURS: &str = "tamtam_";

/// Every build has these.
const STABLE: [&str; 70] = [
    "zmq_atomic_counter_dec",
    "zmq_atomic_counter_destroy",
    "zmq_atomic_counter_inc",
    "zmq_atomic_counter_new",
    "zmq_atomic_counter_set",
    "zmq_atomic_counter_value",
    "zmq_bind",
    "zmq_close",
    "zmq_connect",
    "zmq_ctx_destroy",
    "zmq_ctx_get",
    "zmq_ctx_new",
    "zmq_ctx_set",
    "zmq_ctx_shutdown",
    "zmq_ctx_term",
    "zmq_curve_keypair",
    "zmq_curve_public",
    "zmq_device",
    "zmq_disconnect",
    "zmq_errno",
    "zmq_getsockopt",
    "zmq_has",
    "zmq_init",
    "zmq_msg_close",
    "zmq_msg_copy",
    "zmq_msg_data",
    "zmq_msg_get",
    "zmq_msg_gets",
    "zmq_msg_init",
    "zmq_msg_init_data",
    "zmq_msg_init_size",
    "zmq_msg_more",
    "zmq_msg_move",
    "zmq_msg_recv",
    "zmq_msg_send",
    "zmq_msg_set",
    "zmq_msg_size",
    "zmq_poll",
    "zmq_proxy",
    "zmq_proxy_steerable",
    "zmq_recv",
    "zmq_recviov",
    "zmq_recvmsg",
    "zmq_send",
    "zmq_send_const",
    "zmq_sendiov",
    "zmq_sendmsg",
    "zmq_setsockopt",
    "zmq_sleep",
    "zmq_socket",
    "zmq_socket_monitor",
    "zmq_stopwatch_intermediate",
    "zmq_stopwatch_start",
    "zmq_stopwatch_stop",
    "zmq_strerror",
    "zmq_term",
    "zmq_threadclose",
    "zmq_threadstart",
    "zmq_timers_add",
    "zmq_timers_cancel",
    "zmq_timers_destroy",
    "zmq_timers_execute",
    "zmq_timers_new",
    "zmq_timers_reset",
    "zmq_timers_set_interval",
    "zmq_timers_timeout",
    "zmq_unbind",
    "zmq_version",
    "zmq_z85_decode",
    "zmq_z85_encode",
];

/// A build with drafts has these, too. `zmq_disconnect_peer` came after 4.3.5.
const DRAFT: [&str; 27] = [
    "zmq_connect_peer",
    "zmq_ctx_get_ext",
    "zmq_ctx_set_ext",
    "zmq_disconnect_peer",
    "zmq_join",
    "zmq_leave",
    "zmq_msg_group",
    "zmq_msg_init_buffer",
    "zmq_msg_routing_id",
    "zmq_msg_set_group",
    "zmq_msg_set_routing_id",
    "zmq_poller_add",
    "zmq_poller_add_fd",
    "zmq_poller_destroy",
    "zmq_poller_fd",
    "zmq_poller_modify",
    "zmq_poller_modify_fd",
    "zmq_poller_new",
    "zmq_poller_remove",
    "zmq_poller_remove_fd",
    "zmq_poller_size",
    "zmq_poller_wait",
    "zmq_poller_wait_all",
    "zmq_ppoll",
    "zmq_socket_get_peer_state",
    "zmq_socket_monitor_pipes_stats",
    "zmq_socket_monitor_versioned",
];

/// The functions of a build.
pub(crate) fn expected(draft: bool) -> Vec<&'static str> {
    let more: &[&str] = if draft { &DRAFT } else { &[] };
    STABLE.iter().chain(more).copied().collect()
}

/// What is missing, and what is there though it should not: anything but these and our own.
pub(crate) fn compare(exported: &[String], expected: &[&str]) -> Vec<String> {
    let missing = expected.iter().filter(|name| !exported.iter().any(|found| found == *name));
    let foreign =
        exported.iter().filter(|name| !name.starts_with(OURS) && !expected.contains(&name.as_str()));
    let missing = missing.map(|name| format!("missing: {name}"));
    missing.chain(foreign.map(|name| format!("not of libzmq, and not of ours: {name}"))).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_header_declares_them_and_no_others() {
        let header =
            std::fs::read_to_string(crate::root().join("crates/libzmq/include/zmq.h")).expect("the header");
        let (stable, draft) = header.split_once("#ifdef ZMQ_BUILD_DRAFT_API").expect("a section of drafts");
        for (text, names) in [(stable, &STABLE[..]), (draft, &DRAFT[..])] {
            let mut declared: Vec<&str> = text
                .lines()
                .filter(|line| line.starts_with("ZMQ_EXPORT"))
                .filter_map(|line| line.split('(').next()?.split([' ', '*']).next_back())
                .collect();
            declared.sort_unstable();
            declared.dedup();
            assert_eq!(declared, names);
        }
    }

    #[test]
    fn differences_are_named() {
        let exported = ["zmq_a", "tamtam_x", "rust_eh"].map(str::to_owned);
        assert_eq!(
            compare(&exported, &["zmq_a", "zmq_b"]),
            ["missing: zmq_b", "not of libzmq, and not of ours: rust_eh"]
        );
    }
}
