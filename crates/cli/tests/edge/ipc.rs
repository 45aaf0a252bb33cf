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
        let mut rest = text;
        // In this order: whether to use it, how it behaves, what the kernel allows here, and how it is done.
        for part in
            ["when", "when not", "pitfalls", "boundaries", "back-pressure", "clean-up", "On this machine"]
        {
            let at = rest.find(&format!("\n{part}")).unwrap_or_else(|| panic!("{name}: {part}: {text}"));
            rest = &rest[at + 1..];
        }
        assert!(rest.contains("fn main() -> Result<(), Box<dyn Error>> {"), "{name}: {rest}");
        assert!(text.lines().all(|line| line.chars().count() <= 110), "{name}: {text}");
        let json = tamtam(["ipc", "explain", name, "--json"]);
        let object: serde_json::Value = serde_json::from_str(json.ok()).unwrap();
        assert_eq!(object["mechanism"], name);
        assert!(
            object["here"]["available"].is_boolean() && object["the_other_end_dies_in_detail"].is_string()
        );
        let code = object["code"].as_str().unwrap();
        assert!(!code.is_empty() && text.ends_with(code), "{name}: {code}");
    }
}

#[test]
fn a_mechanism_that_does_not_exist_ends_with_3() {
    tamtam(["ipc", "explain", "pigeon"]).says(3, &["no mechanism \"pigeon\"", "unix-stream", "shm-ring"]);
}
