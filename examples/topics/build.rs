//! Makes Rust types of the .proto files.
fn main() -> Result<(), Box<dyn std::error::Error>> {
    tamtam_build::compile(&["proto/demo.proto"], &["proto"])?;
    Ok(())
}
