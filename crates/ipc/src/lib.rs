//! Every way in which two processes of one Linux host can talk, each done properly, behind one trait.
//!
//! Each mechanism is a small module with a type that stands for itself and can be read as the way to do it. All of them implement
//! [`Mechanism`], so that one program, one test and one measurement runs over all.
//!
//! ```
//! use tamtam_ipc::{Deadline, Error, Plan, all};
//!
//! for mechanism in all() {
//!     if let Err(reason) = mechanism.probe() {
//!         println!("{reason}"); // "posix-queue is unavailable: …"; the rest goes on
//!         continue;
//!     }
//!     let question = &b"ping"[..mechanism.message_max().min(4)]; // an eventfd carries no content
//!     let plan = Plan { message_max: question.len(), ..Plan::default() };
//!     let (mut client, mut server) = mechanism.link(&plan)?.open()?;
//!     client.send(question, Deadline::NEVER)?;
//!     let mut message = Vec::new();
//!     server.receive(&mut message, Deadline::NEVER)?;
//!     assert_eq!(message, question);
//! }
//! # Ok::<(), Error>(())
//! ```

#![cfg(target_os = "linux")]

pub mod channel;
pub mod clean;
mod credentials;
mod deadline;
mod end;
mod errno;
mod error;
pub mod event_fd;
pub mod exchange;
pub mod facts;
pub mod fifo;
mod framed;
pub mod framing;
pub mod lifeline;
mod limits;
mod mechanism;
pub mod memory;
pub mod message_passing;
pub mod object;
mod packet;
pub mod passing;
pub mod pipe;
mod plan;
pub mod posix_queue;
pub mod signals;
mod socket_option;
mod stream_socket;
pub mod sysv_queue;
pub mod table;
pub mod tcp;
mod ticket;
pub mod udp;
pub mod unix_datagram;
pub mod unix_seqpacket;
pub mod unix_stream;
mod wait;
mod watch;
mod window;

pub use credentials::Credentials;
pub use deadline::Deadline;
pub use end::End;
pub use error::{Error, Unavailable};
pub use facts::Facts;
pub use limits::Limit;
pub use mechanism::{Ends, Link, Mechanism, all, by_name};
pub use object::Object;
pub use plan::Plan;
pub use ticket::{Side, Ticket};
pub use wait::Wait;
