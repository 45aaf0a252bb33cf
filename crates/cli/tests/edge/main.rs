//! The command, tested only at the edge of its processes: arguments, standard streams, signals, exit codes.

mod choose;
mod complete;
mod demo;
mod endings;
mod examples;
mod exchange;
mod guide;
mod ipc;
mod ipc_bench;
mod look;
mod process;
mod pubsub;
mod schema;
mod security;
mod terminal;
mod topic;
mod usage;
mod walk;
