//! What every mechanism of `all()` keeps to, whoever wrote it: see the trait `Mechanism` for what is required.
//!
//! Each property is one test, which runs over all mechanisms that can be used here and prints which one it is at; those that
//! cannot be used are tested for saying why. What is expected of a mechanism its `Facts` tell, and nothing else.

mod child;
mod clean_up;
mod ctrl_c;
mod death;
mod exchange;
mod flow;
mod messages;
mod objects;
mod scarcity;
mod subject;
