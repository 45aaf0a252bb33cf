//! `tamtam ipc`.

use crate::process::tamtam;

#[test]
fn every_mechanism_is_listed_and_explained() {
    let list = tamtam(["ipc", "explain"]);
    let list = list.ok();
    assert!(list.starts_with("mechanism"), "{list}");
    let names: Vec<&str> =
        list.lines().skip(1).filter_map(|line| line.split_ascii_whitespace().next()).collect();
    assert!(names.len() >= 16 && names.contains(&"unix-stream") && names.contains(&"shm-ring"), "{names:?}");
    for name in names {
        let text = tamtam(["ipc", "explain", name]);
        let text = text.ok();
        for part in ["pitfalls", "back-pressure", "clean-up", "On this machine"] {
            assert!(text.contains(part), "{name}: {part}: {text}");
        }
        let json = tamtam(["ipc", "explain", name, "--json"]);
        let object: serde_json::Value = serde_json::from_str(json.ok()).unwrap();
        assert_eq!(object["mechanism"], name);
        assert!(
            object["here"]["available"].is_boolean() && object["the_other_end_dies_in_detail"].is_string()
        );
    }
}

#[test]
fn a_mechanism_that_does_not_exist_ends_with_3() {
    tamtam(["ipc", "explain", "pigeon"]).says(3, &["no mechanism \"pigeon\"", "unix-stream", "shm-ring"]);
}
