//! What the soaks of sockets and of topics share: numbers by chance, orders, and processes that things are done to.

pub mod crew;
pub mod log;
pub mod orders;
pub mod random;

/// What a soak's functions return: any error ends it.
pub type Outcome<T = ()> = Result<T, Box<dyn std::error::Error + Send + Sync>>;
