// A child sorts lines: it reads them from one pipe and writes to another one.
use std::error::Error;
use std::io::{self, Read as _, Write as _};
use std::process::Command;

fn main() -> Result<(), Box<dyn Error>> {
    let (input, mut to_child) = io::pipe()?;
    let (mut from_child, output) = io::pipe()?;
    // The command itself holds its ends of the pipes, too; it is gone at the end of this statement.
    let mut child = Command::new("sort").stdin(input).stdout(output).spawn()?;

    // More than a pipe holds, 64 KiB, another thread would have to write: both might wait for each other.
    to_child.write_all(b"pear\napple\n")?;
    drop(to_child); // the end of its input: now that no writing end is open any more
    let mut sorted = String::new();
    from_child.read_to_string(&mut sorted)?;

    assert_eq!(sorted, "apple\npear\n");
    assert!(child.wait()?.success());
    Ok(())
}
