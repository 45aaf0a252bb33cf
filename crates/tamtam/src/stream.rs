//! Subscribers as streams.

use std::collections::VecDeque;
use std::fmt;
use std::pin::Pin;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker};
use std::thread::JoinHandle;

use futures_core::Stream;

use crate::error::{Error, RecvError};
use crate::message::TopicMessage;
use crate::sample::Sample;
use crate::subscriber::Subscriber;

/// Messages that wait between the thread and the executor; more wait in the subscriber's queue.
const WAITING_MAX: usize = 64;

type Item<T> = Result<Sample<T>, RecvError>;

struct Shared<T> {
    state: Mutex<State<T>>,
    room: Condvar,
}

struct State<T> {
    items: VecDeque<Item<T>>,
    waker: Option<Waker>,
    /// The thread has ended: nothing comes any more.
    ended: bool,
    /// The stream was dropped.
    abandoned: bool,
}

impl<T> Shared<T> {
    fn lock(&self) -> MutexGuard<'_, State<T>> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The messages of a topic in turn, for any executor; ends with the topic. See [`Subscriber::into_stream`].
pub struct SampleStream<T> {
    subscriber: Arc<Subscriber<T>>,
    shared: Arc<Shared<T>>,
    thread: Option<JoinHandle<()>>,
}

impl<T> fmt::Debug for SampleStream<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.subscriber.fmt(f)
    }
}

impl<T: TopicMessage> SampleStream<T> {
    pub(crate) fn begin(subscriber: Subscriber<T>) -> Result<Self, Error> {
        let subscriber = Arc::new(subscriber);
        let state = State { items: VecDeque::new(), waker: None, ended: false, abandoned: false };
        let shared = Arc::new(Shared { state: Mutex::new(state), room: Condvar::new() });
        let (behind, to) = (Arc::clone(&subscriber), Arc::clone(&shared));
        let thread = std::thread::Builder::new().name("tamtam-stream".to_owned()).spawn(move || {
            loop {
                let item = behind.recv().transpose();
                let is_last = matches!(&item, None | Some(Err(RecvError::Closed(_))));
                let mut state = to.lock();
                while state.items.len() >= WAITING_MAX && !state.abandoned {
                    state = to.room.wait(state).unwrap_or_else(PoisonError::into_inner);
                }
                state.items.extend(item);
                state.ended |= is_last;
                let waker = state.waker.take();
                let stop = is_last || state.abandoned;
                drop(state);
                if let Some(waker) = waker {
                    waker.wake();
                }
                if stop {
                    return;
                }
            }
        })?;
        Ok(Self { subscriber, shared, thread: Some(thread) })
    }
}

impl<T> Stream for SampleStream<T> {
    type Item = Item<T>;

    fn poll_next(self: Pin<&mut Self>, task: &mut Context<'_>) -> Poll<Option<Item<T>>> {
        let mut state = self.shared.lock();
        if let Some(item) = state.items.pop_front() {
            drop(state);
            self.shared.room.notify_one();
            return Poll::Ready(Some(item));
        }
        if state.ended {
            return Poll::Ready(None);
        }
        state.waker = Some(task.waker().clone());
        Poll::Pending
    }
}

impl<T> Drop for SampleStream<T> {
    fn drop(&mut self) {
        self.shared.lock().abandoned = true;
        self.shared.room.notify_all();
        self.subscriber.close();
        // A waker may have dropped us on that very thread.
        if let Some(thread) = self.thread.take()
            && thread.thread().id() != std::thread::current().id()
        {
            let _ended = thread.join();
        }
    }
}
