//! A short soak, of which each round takes less than a second: the same as `cargo run --release -p tamtam-soak`.

use std::process::Command;

fn soak(arguments: &[&str]) -> (bool, String) {
    // All of its waits are bounded by itself.
    let output = Command::new(env!("CARGO_BIN_EXE_tamtam-soak")).args(arguments).output().unwrap();
    let text = [output.stdout, output.stderr].map(|text| String::from_utf8_lossy(&text).into_owned());
    (output.status.success(), text.concat())
}

#[test]
fn every_message_is_accounted_for_whatever_happens() {
    let (is_right, report) = soak(&["--minutes", "0.3", "--seed", "1", "--verbose"]);
    assert!(is_right, "{report}");
    assert!(report.ends_with("the accounts are exact\n"), "{report}");
}

#[test]
fn it_says_what_it_can_do_and_what_it_does_not_know() {
    let (is_right, help) = soak(&["--help"]);
    assert!(is_right && help.contains("--scenario S,..."), "{help}");
    for (arguments, expected) in [
        (&["--scenario", "none"][..], "no scenario is called \"none\""),
        (&["--driver", "none"], "no driver is called \"none\""),
        (&["--scenario", "latest", "--way", "witness"], "nothing to do"),
        (&["--loud"], "no option is called --loud"),
        (&["--minutes"], "--minutes needs a value"),
    ] {
        let (is_right, text) = soak(arguments);
        assert!(!is_right && text.contains(expected), "{arguments:?}: {text}");
    }
}
