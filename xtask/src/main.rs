//! What developers of Tamtam do often: `cargo xtask help`.
fn main() {}
