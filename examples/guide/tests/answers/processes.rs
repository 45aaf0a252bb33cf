//! Chapter 1.

use std::error::Error;
use std::fs;
use std::path::Path;
use std::time::Duration;

use tamtam_guide::work;
use tamtam_ipc::exchange::exchange;
use tamtam_ipc::{Plan, unix_seqpacket};

// ANCHOR: file
/// Puts a file in place as a whole: whoever opens it sees the old one or the new one, never a half.
fn replace(path: &Path, text: &str) -> std::io::Result<()> {
    let new = path.with_extension("new");
    fs::write(&new, text)?;
    fs::rename(new, path)
}
// ANCHOR_END: file

#[test]
fn a_file_is_replaced_as_a_whole() {
    let place = tempfile::tempdir().unwrap();
    let path = place.path().join("value");
    for text in ["first", "second"] {
        replace(&path, text).unwrap();
        assert_eq!(fs::read_to_string(&path).unwrap(), text);
    }
    assert_eq!(fs::read_dir(place.path()).unwrap().count(), 1);
}

// ANCHOR: slow
#[test]
fn slow_processing_is_seen_from_the_third_step_on() -> Result<(), Box<dyn Error>> {
    let slow = Duration::from_millis(2);
    let done = exchange(&unix_seqpacket::Adapter, &Plan::default(), b"ping", |_| work(slow))?;
    assert!(done.processed - done.notified >= slow);
    assert!(done.acknowledged >= done.processed);
    Ok(())
}
// ANCHOR_END: slow
