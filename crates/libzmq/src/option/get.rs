//! `zmq_getsockopt`: from the engine's options to C's values.

use std::ffi::c_int;
use std::os::fd::AsRawFd;
use std::sync::atomic::Ordering;
use std::time::Duration;

use tamtam_zmq::{SocketType, Spin};

use super::Value;
use super::numbers::*;
use crate::edge::Edge;
use crate::errno::{EINVAL, of_io};
use crate::poll::{POLLIN, at_hand, of_ready};
use crate::socket::Handle;

/// What libzmq says unless told otherwise; our batches are not set by an option.
const BATCH_SIZE: c_int = 8192;

fn number(value: impl TryInto<c_int>) -> Value {
    Value::Int(value.try_into().unwrap_or(c_int::MAX))
}

fn yes(value: bool) -> Value {
    Value::Int(c_int::from(value))
}

/// Milliseconds, -1 for none.
fn milliseconds(value: Option<Duration>) -> Value {
    value.map_or(Value::Int(-1), |value| number(value.as_millis()))
}

/// Milliseconds, 0 for none.
fn milliseconds_or_zero(value: Option<Duration>) -> Value {
    value.map_or(Value::Int(0), |value| number(value.as_millis()))
}

/// A number, -1 for what is left to the system.
fn or_system(value: Option<impl TryInto<c_int>>) -> Value {
    value.map_or(Value::Int(-1), number)
}

/// `ZMQ_EVENTS`: what can be done now; what changes from now on makes `ZMQ_FD` readable.
fn events(handle: &Handle) -> c_int {
    if let Some(edge) = handle.edge.get() {
        edge.reset();
    }
    const BOTH: i16 = 3;
    let found = at_hand(handle, BOTH) | of_ready(handle.socket.look());
    if found & POLLIN != 0 {
        handle.keep_level();
    }
    c_int::from(found)
}

/// `ZMQ_FD`.
fn descriptor(handle: &Handle) -> Result<c_int, c_int> {
    if handle.is_thread_safe() {
        return Err(EINVAL);
    }
    if handle.edge.get().is_none() {
        let edge = Edge::new(&handle.socket).map_err(|error| of_io(&error))?;
        // Another thread may have been faster; its edge counts.
        let _ = handle.edge.set(edge);
    }
    Ok(handle.edge.get().ok_or(EINVAL)?.number())
}

pub(super) fn get(handle: &Handle, option: c_int, room: usize) -> Result<Value, c_int> {
    // What is asked for with every message comes first.
    match option {
        RCVMORE => return Ok(yes(handle.more.load(Ordering::Relaxed))),
        EVENTS => return Ok(Value::Int(events(handle))),
        TYPE => return Ok(number(handle.kind().number())),
        FD => return descriptor(handle).map(Value::Int),
        _ => {}
    }
    let options = handle.socket.shared_options();
    let settings = handle.settings();
    Ok(match option {
        AFFINITY => Value::Uint64(settings.affinity),
        RATE => Value::Int(settings.rate),
        RECOVERY_IVL => Value::Int(settings.recovery_interval),
        MULTICAST_MAXTPDU => Value::Int(settings.multicast_max_tpdu),
        MECHANISM | PLAIN_SERVER | PLAIN_USERNAME | PLAIN_PASSWORD | CURVE_SERVER | CURVE_PUBLICKEY
        | CURVE_SECRETKEY | CURVE_SERVERKEY => settings.security.get(option, room)?,
        ZAP_DOMAIN => Value::Text(options.zap_domain().clone().into_bytes()),
        ZAP_ENFORCE_DOMAIN => yes(*options.zap_enforce_domain()),
        ROUTER_NOTIFY => Value::Int(
            c_int::from(*options.router_notify_connect())
                | c_int::from(*options.router_notify_disconnect()) << 1,
        ),
        RECONNECT_STOP => Value::Int(
            c_int::from(*options.reconnect_stop_refused())
                | c_int::from(*options.reconnect_stop_handshake_failed()) << 1
                | c_int::from(*options.reconnect_stop_after_disconnect()) << 2,
        ),
        PRIORITY => number(options.priority().unwrap_or_default()),
        BUSY_POLL => number(options.busy_poll().unwrap_or_default().as_micros()),
        MULTICAST_HOPS => number(*options.multicast_hops()),
        MULTICAST_LOOP => yes(*options.multicast_loop()),
        IN_BATCH_SIZE | OUT_BATCH_SIZE => Value::Int(BATCH_SIZE),
        TOPICS_COUNT => {
            use SocketType::{Pub, Sub, XPub, XSub};
            if !matches!(handle.kind(), Pub | XPub | Sub | XSub) {
                return Err(EINVAL);
            }
            drop(settings);
            number(handle.socket.topics_count())
        }
        USE_FD => Value::Int(settings.use_fd),
        SOCKS_PROXY => Value::Text(options.socks_proxy().clone().unwrap_or_default().into_bytes()),
        SOCKS_USERNAME => Value::Text(options.socks_username().clone().unwrap_or_default().into_bytes()),
        SOCKS_PASSWORD => Value::Text(options.socks_password().expose().as_bytes().to_vec()),
        LOOPBACK_FASTPATH => yes(settings.loopback_fastpath),
        TAMTAM_FD_LEVEL => {
            drop(settings);
            let number = handle.socket.try_as_fd().map_err(|error| of_io(&error))?.as_raw_fd();
            handle.level.store(true, Ordering::Relaxed);
            if handle.is_receiving.load(Ordering::Relaxed) {
                handle.keep_level();
            }
            Value::Int(number)
        }
        THREAD_SAFE => yes(handle.is_thread_safe()),
        LAST_ENDPOINT => Value::Text(handle.socket.last_endpoint().unwrap_or_default().into_bytes()),
        // A STREAM has none of its own: it says how the peer of the last connection is addressed.
        ROUTING_ID if handle.kind() == SocketType::Stream => {
            Value::Octets(handle.socket.last_routing_id().unwrap_or_default().to_vec())
        }
        ROUTING_ID => Value::Octets(options.routing_id().to_vec()),
        SNDHWM => number(*options.send_hwm()),
        RCVHWM => number(*options.receive_hwm()),
        LINGER => milliseconds(*options.linger()),
        SNDTIMEO => milliseconds(*options.send_timeout()),
        RCVTIMEO => milliseconds(*options.receive_timeout()),
        RECONNECT_IVL => milliseconds(*options.reconnect_interval()),
        RECONNECT_IVL_MAX => milliseconds_or_zero(*options.reconnect_interval_max()),
        CONNECT_TIMEOUT => milliseconds_or_zero(*options.connect_timeout()),
        HANDSHAKE_IVL => milliseconds_or_zero(*options.handshake_interval()),
        TCP_MAXRT => milliseconds_or_zero(*options.tcp_max_retransmit()),
        HEARTBEAT_IVL => milliseconds_or_zero(*options.heartbeat_interval()),
        HEARTBEAT_TIMEOUT => milliseconds(*options.heartbeat_timeout()),
        HEARTBEAT_TTL => milliseconds(Some(*options.heartbeat_ttl())),
        SNDBUF => or_system(*options.send_buffer()),
        RCVBUF => or_system(*options.receive_buffer()),
        BACKLOG => number(*options.backlog()),
        MAXMSGSIZE => Value::Int64(
            options.max_message_size().map_or(-1, |size| i64::try_from(size).unwrap_or(i64::MAX)),
        ),
        IPV6 => yes(*options.ipv6()),
        IPV4ONLY => yes(!*options.ipv6()),
        IMMEDIATE => yes(*options.immediate()),
        CONFLATE => yes(*options.conflate()),
        INVERT_MATCHING => yes(*options.invert_matching()),
        TCP_KEEPALIVE => or_system(options.tcp_keepalive().map(u8::from)),
        TCP_KEEPALIVE_CNT => or_system(*options.tcp_keepalive_count()),
        TCP_KEEPALIVE_IDLE => or_system(options.tcp_keepalive_idle().map(|idle| idle.as_secs())),
        TCP_KEEPALIVE_INTVL => or_system(options.tcp_keepalive_interval().map(|time| time.as_secs())),
        TOS => number(*options.tos()),
        BINDTODEVICE => Value::Text(options.bind_to_device().clone().unwrap_or_default().into_bytes()),
        TAMTAM_SPIN => Value::Int(match options.spin() {
            Spin::Off => 0,
            Spin::Always => 2,
            _ => 1,
        }),
        _ => return Err(EINVAL),
    })
}
