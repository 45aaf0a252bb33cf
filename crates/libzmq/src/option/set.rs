//! `zmq_setsockopt`: from C's values to the engine's options.

use std::ffi::c_int;
use std::time::Duration;

use bytes::Bytes;
use tamtam_zmq::{IpRange, IpcFilter, Options, Secret, SocketType, Spin};

use super::numbers::*;
use super::security::is_security;
use crate::errno::{EINVAL, of_option};
use crate::socket::Handle;

/// The longest CURVE, PLAIN, ZAP or proxy text.
pub(super) const TEXT_MAX: usize = 255;

fn int(value: Option<&[u8]>) -> Result<c_int, c_int> {
    let octets = <[u8; 4]>::try_from(value.unwrap_or_default()).map_err(|_| EINVAL)?;
    Ok(c_int::from_ne_bytes(octets))
}

/// A number of at least `min`.
fn at_least(min: c_int, value: Option<&[u8]>) -> Result<c_int, c_int> {
    int(value).and_then(|number| if number >= min { Ok(number) } else { Err(EINVAL) })
}

fn count(value: Option<&[u8]>) -> Result<u32, c_int> {
    u32::try_from(int(value)?).map_err(|_| EINVAL)
}

pub(super) fn boolean(value: Option<&[u8]>) -> Result<bool, c_int> {
    match int(value)? {
        0 => Ok(false),
        1 => Ok(true),
        _ => Err(EINVAL),
    }
}

/// Milliseconds; -1 is for ever, or never.
fn milliseconds(value: Option<&[u8]>) -> Result<Option<Duration>, c_int> {
    let number = at_least(-1, value)?;
    Ok(u64::try_from(number).ok().map(Duration::from_millis))
}

/// Milliseconds; 0 leaves it to the system.
fn milliseconds_or_system(value: Option<&[u8]>) -> Result<Option<Duration>, c_int> {
    let number = u64::from(count(value)?);
    Ok((number > 0).then(|| Duration::from_millis(number)))
}

/// Text of up to `max` octets, with or without the zero at its end.
fn text(value: Option<&[u8]>, max: usize) -> Result<String, c_int> {
    let value = value.unwrap_or_default();
    let value = value.strip_suffix(&[0]).unwrap_or(value);
    if value.len() > max {
        return Err(EINVAL);
    }
    String::from_utf8(value.to_vec()).map_err(|_| EINVAL)
}

/// Seconds or a count; -1 leaves it to the system.
fn or_system(value: Option<&[u8]>) -> Result<Option<u32>, c_int> {
    match int(value)? {
        -1 => Ok(None),
        number => u32::try_from(number).map(Some).map_err(|_| EINVAL),
    }
}

pub(super) fn set(handle: &Handle, option: c_int, value: Option<&[u8]>) -> Result<(), c_int> {
    let kind = handle.kind();
    check_kind(kind, option)?;
    match option {
        SUBSCRIBE | UNSUBSCRIBE => return subscribe(handle, option == SUBSCRIBE, value.unwrap_or_default()),
        AFFINITY => {
            let octets = <[u8; 8]>::try_from(value.unwrap_or_default()).map_err(|_| EINVAL)?;
            handle.settings().affinity = u64::from_ne_bytes(octets);
            return Ok(());
        }
        RATE => {
            let rate = at_least(1, value)?;
            handle.settings().rate = rate;
            return Ok(());
        }
        RECOVERY_IVL => {
            let interval = at_least(0, value)?;
            handle.settings().recovery_interval = interval;
            return Ok(());
        }
        MULTICAST_MAXTPDU => {
            let size = at_least(1, value)?;
            handle.settings().multicast_max_tpdu = size;
            return Ok(());
        }
        CONNECT_ROUTING_ID => {
            let id = value.unwrap_or_default();
            if id.is_empty() || id.len() > TEXT_MAX {
                return Err(EINVAL);
            }
            handle.settings().connect_routing_id = Some(id.to_vec());
            return Ok(());
        }
        option if is_security(option) => {
            let mut settings = handle.settings();
            settings.security.set(option, value)?;
            let security = settings.security.security()?;
            drop(settings);
            let configured = handle.socket.configure(|options| {
                options.set_security(security);
            });
            return configured.map_err(|error| of_option(&error));
        }
        // What these would change is ours to choose: batches, and a system that is not ours.
        IN_BATCH_SIZE | OUT_BATCH_SIZE => return at_least(1, value).map(|_| ()),
        ONLY_FIRST_SUBSCRIBE => return int(value).map(|_| ()),
        LOOPBACK_FASTPATH => {
            let wanted = boolean(value)?;
            handle.settings().loopback_fastpath = wanted;
            return Ok(());
        }
        USE_FD => {
            let fd = at_least(-1, value)?;
            let mut settings = handle.settings();
            (settings.use_fd, settings.fd_is_used) = (fd, false);
            return Ok(());
        }
        _ => {}
    }
    let change = engine_option(option, value)?;
    handle.socket.configure(change).map_err(|error| of_option(&error))
}

/// Options that only some types have.
fn check_kind(kind: SocketType, option: c_int) -> Result<(), c_int> {
    use SocketType::{Client, Dealer, Peer, Pub, Req, Router, Server, Stream, Sub, XPub, XSub};
    let has = match option {
        SUBSCRIBE | UNSUBSCRIBE => matches!(kind, Sub | XPub),
        ROUTER_MANDATORY | ROUTER_HANDOVER | ROUTER_RAW => kind == Router,
        XPUB_VERBOSE | XPUB_VERBOSER | XPUB_MANUAL | XPUB_NODROP | XPUB_WELCOME_MSG => {
            matches!(kind, XPub | Pub)
        }
        XPUB_MANUAL_LAST_VALUE => matches!(kind, XPub | Pub),
        XSUB_VERBOSE_UNSUBSCRIBE => kind == XSub,
        ROUTER_NOTIFY => kind == Router,
        HELLO_MSG => matches!(kind, Router | Dealer | Client | Server | Peer),
        DISCONNECT_MSG => matches!(kind, Router | Server | Peer),
        HICCUP_MSG => matches!(kind, Dealer | Client | Peer),
        PROBE_ROUTER => matches!(kind, Router | Dealer | Req),
        REQ_CORRELATE | REQ_RELAXED => kind == Req,
        CONNECT_ROUTING_ID => matches!(kind, Router | Stream),
        STREAM_NOTIFY => kind == Stream,
        _ => true,
    };
    if has { Ok(()) } else { Err(EINVAL) }
}

fn subscribe(handle: &Handle, wanted: bool, topic: &[u8]) -> Result<(), c_int> {
    let socket = &handle.socket;
    if handle.kind() == SocketType::XPub {
        if !*socket.shared_options().xpub_manual() {
            return Err(EINVAL);
        }
        // The peer may be gone; there is nothing to change then.
        let _ = if wanted { socket.subscribe_last(topic) } else { socket.unsubscribe_last(topic) };
        return Ok(());
    }
    // Cancelling what was not subscribed is no error for libzmq.
    let _ = if wanted { socket.subscribe(topic) } else { socket.unsubscribe(topic) };
    Ok(())
}

type Change = Box<dyn FnOnce(&mut Options)>;

fn change(change: impl FnOnce(&mut Options) + 'static) -> Result<Change, c_int> {
    Ok(Box::new(change))
}

/// A message to be sent or delivered by itself; none of no octets.
fn message(value: Option<&[u8]>) -> Option<Bytes> {
    value.filter(|value| !value.is_empty()).map(Bytes::copy_from_slice)
}

/// Adds a filter of one kind, or takes all of that kind away where no value is given.
fn ipc_filter(
    value: Option<&[u8]>,
    make: impl FnOnce(c_int) -> IpcFilter,
    is_kind: impl Fn(&IpcFilter) -> bool + 'static,
) -> Result<Change, c_int> {
    let added =
        value.filter(|value| !value.is_empty()).map(|value| int(Some(value)).map(make)).transpose()?;
    change(move |options| {
        let mut filters = options.ipc_accept_filters().clone();
        match added {
            Some(filter) => filters.push(filter),
            None => filters.retain(|known| !is_kind(known)),
        }
        options.set_ipc_accept_filters(filters);
    })
}

/// Reads the value of an option of the engine.
fn engine_option(option: c_int, value: Option<&[u8]>) -> Result<Change, c_int> {
    macro_rules! set {
        ($setter:ident, $value:expr) => {{
            let value = $value;
            change(move |options| {
                options.$setter(value);
            })
        }};
    }
    match option {
        SNDHWM => set!(set_send_hwm, count(value)?),
        RCVHWM => set!(set_receive_hwm, count(value)?),
        LINGER => set!(set_linger, milliseconds(value)?),
        SNDTIMEO => set!(set_send_timeout, milliseconds(value)?),
        RCVTIMEO => set!(set_receive_timeout, milliseconds(value)?),
        // Zero is never as well.
        RECONNECT_IVL => set!(set_reconnect_interval, milliseconds(value)?.filter(|time| !time.is_zero())),
        RECONNECT_IVL_MAX => set!(set_reconnect_interval_max, milliseconds_or_system(value)?),
        CONNECT_TIMEOUT => set!(set_connect_timeout, milliseconds_or_system(value)?),
        HANDSHAKE_IVL => set!(set_handshake_interval, milliseconds_or_system(value)?),
        TCP_MAXRT => set!(set_tcp_max_retransmit, milliseconds_or_system(value)?),
        HEARTBEAT_IVL => set!(set_heartbeat_interval, milliseconds_or_system(value)?),
        HEARTBEAT_TIMEOUT => set!(set_heartbeat_timeout, milliseconds(value)?),
        // Told to peers in tenths of a second, and kept so.
        HEARTBEAT_TTL => match count(value)? / 100 {
            tenths @ 0..=65_535 => {
                set!(set_heartbeat_ttl, Duration::from_millis(u64::from(tenths) * 100))
            }
            _ => Err(EINVAL),
        },
        SNDBUF => set!(set_send_buffer, usize::try_from(at_least(-1, value)?).ok()),
        RCVBUF => set!(set_receive_buffer, usize::try_from(at_least(-1, value)?).ok()),
        BACKLOG => set!(set_backlog, count(value)?),
        MAXMSGSIZE => {
            let octets = <[u8; 8]>::try_from(value.unwrap_or_default()).map_err(|_| EINVAL)?;
            set!(set_max_message_size, u64::try_from(i64::from_ne_bytes(octets)).ok())
        }
        ROUTING_ID => {
            let id = value.unwrap_or_default();
            if id.is_empty() || id.len() > TEXT_MAX {
                return Err(EINVAL);
            }
            set!(set_routing_id, Bytes::copy_from_slice(id))
        }
        IPV6 => set!(set_ipv6, boolean(value)?),
        IPV4ONLY => set!(set_ipv6, !boolean(value)?),
        IMMEDIATE => set!(set_immediate, boolean(value)?),
        CONFLATE => set!(set_conflate, boolean(value)?),
        INVERT_MATCHING => set!(set_invert_matching, int(value)? != 0),
        ROUTER_MANDATORY => set!(set_router_mandatory, int(value)? != 0),
        ROUTER_HANDOVER => set!(set_router_handover, int(value)? != 0),
        PROBE_ROUTER => set!(set_probe_router, int(value)? != 0),
        REQ_CORRELATE => set!(set_req_correlate, int(value)? != 0),
        REQ_RELAXED => set!(set_req_relaxed, int(value)? != 0),
        XPUB_NODROP => set!(set_xpub_nodrop, at_least(0, value)? != 0),
        XPUB_MANUAL => set!(set_xpub_manual, at_least(0, value)? != 0),
        XPUB_VERBOSE => {
            let wanted = at_least(0, value)? != 0;
            change(move |options| {
                options.set_xpub_verbose(wanted).set_xpub_verboser(false);
            })
        }
        XPUB_VERBOSER => {
            let wanted = at_least(0, value)? != 0;
            change(move |options| {
                options.set_xpub_verbose(wanted).set_xpub_verboser(wanted);
            })
        }
        XPUB_WELCOME_MSG => set!(set_xpub_welcome_message, message(value)),
        STREAM_NOTIFY => set!(set_stream_notify, boolean(value)?),
        TCP_KEEPALIVE => match int(value)? {
            -1 => set!(set_tcp_keepalive, None),
            0 => set!(set_tcp_keepalive, Some(false)),
            1 => set!(set_tcp_keepalive, Some(true)),
            _ => Err(EINVAL),
        },
        TCP_KEEPALIVE_CNT => set!(set_tcp_keepalive_count, or_system(value)?),
        TCP_KEEPALIVE_IDLE => {
            set!(set_tcp_keepalive_idle, or_system(value)?.map(|seconds| Duration::from_secs(seconds.into())))
        }
        TCP_KEEPALIVE_INTVL => {
            let seconds = or_system(value)?;
            set!(set_tcp_keepalive_interval, seconds.map(|seconds| Duration::from_secs(seconds.into())))
        }
        TOS => set!(set_tos, u8::try_from(int(value)?).map_err(|_| EINVAL)?),
        BINDTODEVICE => {
            let device = text(value, libc::IFNAMSIZ)?;
            set!(set_bind_to_device, Some(device).filter(|device| !device.is_empty()))
        }
        ZAP_DOMAIN => set!(set_zap_domain, text(value, TEXT_MAX)?),
        ZAP_ENFORCE_DOMAIN => set!(set_zap_enforce_domain, int(value)? != 0),
        XPUB_MANUAL_LAST_VALUE => {
            let wanted = at_least(0, value)? != 0;
            change(move |options| {
                options.set_xpub_manual(wanted).set_xpub_manual_last_value(wanted);
            })
        }
        XSUB_VERBOSE_UNSUBSCRIBE => set!(set_xsub_verbose_unsubscribe, at_least(0, value)? != 0),
        ROUTER_NOTIFY => match int(value)? {
            events @ 0..=3 => change(move |options| {
                options
                    .set_router_notify_connect(events & 1 != 0)
                    .set_router_notify_disconnect(events & 2 != 0);
            }),
            _ => Err(EINVAL),
        },
        RECONNECT_STOP => match int(value)? {
            events @ 0..=7 => change(move |options| {
                options
                    .set_reconnect_stop_refused(events & 1 != 0)
                    .set_reconnect_stop_handshake_failed(events & 2 != 0)
                    .set_reconnect_stop_after_disconnect(events & 4 != 0);
            }),
            _ => Err(EINVAL),
        },
        HELLO_MSG => set!(set_hello_message, message(value)),
        DISCONNECT_MSG => set!(set_disconnect_message, message(value)),
        HICCUP_MSG => set!(set_hiccup_message, message(value)),
        PRIORITY => set!(set_priority, Some(count(value)?).filter(|&priority| priority > 0)),
        BUSY_POLL => {
            let microseconds = u64::from(count(value)?);
            set!(set_busy_poll, (microseconds > 0).then(|| Duration::from_micros(microseconds)))
        }
        MULTICAST_HOPS => set!(set_multicast_hops, at_least(1, value)?.unsigned_abs()),
        MULTICAST_LOOP => set!(set_multicast_loop, boolean(value)?),
        METADATA => {
            let text = text(value, usize::from(u16::MAX))?;
            let (name, value) = text.split_once(':').ok_or(EINVAL)?;
            if !name.starts_with("X-") {
                return Err(EINVAL);
            }
            let (name, value) = (name.to_owned(), Bytes::copy_from_slice(value.as_bytes()));
            change(move |options| {
                options.add_metadata(name, value);
            })
        }
        TCP_ACCEPT_FILTER => match text(value, TEXT_MAX)? {
            none if none.is_empty() => set!(set_tcp_accept_filters, Vec::new()),
            range => {
                let range: IpRange = range.parse().map_err(|_| EINVAL)?;
                change(move |options| {
                    let mut ranges = options.tcp_accept_filters().clone();
                    ranges.push(range);
                    options.set_tcp_accept_filters(ranges);
                })
            }
        },
        IPC_FILTER_PID => {
            ipc_filter(value, IpcFilter::Process, |known| matches!(known, IpcFilter::Process(_)))
        }
        IPC_FILTER_UID => ipc_filter(
            value,
            |user| IpcFilter::User(user.cast_unsigned()),
            |known| matches!(known, IpcFilter::User(_)),
        ),
        IPC_FILTER_GID => ipc_filter(
            value,
            |group| IpcFilter::Group(group.cast_unsigned()),
            |known| matches!(known, IpcFilter::Group(_)),
        ),
        SOCKS_PROXY => {
            let proxy = text(value, TEXT_MAX)?;
            if value.is_some() && proxy.is_empty() {
                return Err(EINVAL);
            }
            set!(set_socks_proxy, Some(proxy).filter(|proxy| !proxy.is_empty()))
        }
        SOCKS_USERNAME => {
            let name = text(value, TEXT_MAX)?;
            set!(set_socks_username, Some(name).filter(|name| !name.is_empty()))
        }
        SOCKS_PASSWORD => {
            let password = text(value, TEXT_MAX)?;
            set!(set_socks_password, Secret::from(password))
        }
        TAMTAM_SPIN => match int(value)? {
            0 => set!(set_spin, Spin::Off),
            1 => set!(set_spin, Spin::Adaptive),
            2 => set!(set_spin, Spin::Always),
            _ => Err(EINVAL),
        },
        _ => Err(EINVAL),
    }
}
