//! Closing: what is queued lingers, then everything goes.

use std::sync::Arc;
use std::time::{Duration, Instant};

use super::background::Timer;
use super::core::{Life, Locked, Who};
use super::peer::Link;

impl Locked<'_> {
    /// Closes the socket. Returns at once; what is queued is sent within `linger` by the background thread.
    pub(crate) fn close(&mut self, linger: Option<Duration>) {
        let now = Instant::now();
        let deadline = linger.map(|linger| {
            now.checked_add(linger).unwrap_or_else(|| now + Duration::from_secs(u32::MAX.into()))
        });
        if let Life::Closing { deadline: old } = self.life {
            // Closed before; the context being shut down may be in more of a hurry.
            if let Some(deadline) = deadline.filter(|&new| old.is_none_or(|old| new < old)) {
                self.life = Life::Closing { deadline: Some(deadline) };
                self.set_timer(deadline, Timer::Linger);
            }
            return;
        }
        if self.life != Life::Open {
            return;
        }
        self.life = Life::Closing { deadline };
        self.close_listeners();
        self.flush_left();
        (self.ahead, self.gone_sender) = (None, None);
        self.notices.clear();
        // Whoever waits on this socket learns that it is closed.
        self.after.notify = true;
        self.wake();
        if self.who == Who::Application
            && let Some(set) = self.set.clone()
        {
            self.who = Who::Background;
            self.core.context.background.arm_socket(self.core.id, &set, true);
        }
        if linger == Some(Duration::ZERO) {
            for id in self.peer_ids() {
                // A last try: what the kernel takes at once is sent even without lingering.
                self.flush(id);
                self.linger_step(id);
            }
            let ids: Vec<_> =
                self.iter_peers().filter(|peer| peer.queued_out() > 0).map(|peer| peer.id).collect();
            for id in ids {
                self.remove_peer(id);
            }
        } else {
            for id in self.peer_ids() {
                let inproc_or_gone = self.peer(id).is_some_and(|peer| !matches!(peer.link, Link::Net(_)));
                if inproc_or_gone {
                    self.remove_peer(id);
                } else {
                    self.flush(id);
                    self.linger_step(id);
                }
            }
            if let Some(deadline) = deadline {
                self.set_timer(deadline, Timer::Linger);
            }
        }
        self.finish_close();
    }

    /// Once the last peer is gone, and nobody writes to one any more, the socket is.
    pub(crate) fn finish_close(&mut self) {
        if self.life == Life::Closed || self.writing > 0 || self.iter_peers().next().is_some() {
            return;
        }
        self.life = Life::Closed;
        self.attachments.clear();
        if let Some(monitor) = self.monitor.take() {
            monitor.push(crate::monitor::MonitorEvent::stopped());
        }
        if let Some(set) = self.set.take() {
            self.core.context.background.unwatch(std::os::fd::AsFd::as_fd(&set.epoll));
        }
        self.pool.clear();
        self.scratch = bytes::BytesMut::new();
        self.large.clear();
        self.carver.clear();
        self.open_chunk = None;
        self.after.notify = true;
        let core = Arc::clone(self.core);
        let lost = self.lost_at_close;
        let pipes = core.context.socket_closed(core.id, lost);
        self.after.links.extend(pipes.into_iter().map(super::PipeEnd::into_link));
    }

    /// The context is being shut down: every call returns.
    pub(crate) fn terminate(&mut self) {
        self.terminated = true;
        self.after.notify = true;
        self.wake();
    }

    /// Describes what a closing socket still waits for.
    pub(crate) fn waiting_for(&self) -> String {
        let (mut messages, mut bytes) = (0, 0);
        let mut endpoints = Vec::new();
        for peer in self.iter_peers() {
            let queued = peer.queued_out();
            if queued > 0 {
                messages += queued;
                bytes += peer.queued_out_bytes();
                endpoints.push(&*peer.endpoint);
            }
        }
        if messages == 0 {
            return format!("{} socket {}: closing", self.core.kind, self.core.id);
        }
        format!(
            "{} socket {}: {messages} messages ({bytes} bytes) for {}",
            self.core.kind,
            self.core.id,
            endpoints.join(", ")
        )
    }
}
