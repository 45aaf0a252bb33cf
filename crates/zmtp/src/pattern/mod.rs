//! The socket patterns as plain state machines: whose turn it is, who gets a message, what passes a filter.
//!
//! Nothing here reads or writes a byte, knows the time or holds a lock. The engine tells these machines what
//! happened and does what they answer.

mod identities;
mod prefix_tree;
mod reply;
mod request;
mod rotation;
mod routing_ids;
mod subscriptions;
mod topics;
mod turn;
mod xpub;

pub use self::identities::{Assigned, Identities};
pub use self::reply::{Reply, ReplyTurn};
pub use self::request::RequestTurn;
pub use self::rotation::Rotation;
pub use self::routing_ids::RoutingIds;
pub use self::subscriptions::{Change, Subscriptions};
pub use self::topics::Topics;
pub use self::turn::{OutOfTurn, Verdict};
pub use self::xpub::NoticePolicy;
