//! Makes Rust types of the demo's messages.
fn main() -> Result<(), Box<dyn std::error::Error>> {
    tamtam_build::compile(&["proto/info.proto"], &["proto"])?;
    Ok(())
}
