//! Test results in JUnit's XML, as pytest writes them.

use std::collections::BTreeMap;

/// What became of a test.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Outcome {
    Passed,
    Failed,
    Skipped,
}

/// Results by `class::name`. A test that is there twice (its body and its teardown) is as bad as the worse of them.
pub(crate) type Results = BTreeMap<String, Outcome>;

/// Reads the results out of a document.
pub(crate) fn read(text: &str) -> Results {
    let mut results = Results::new();
    for element in text.split("<testcase ").skip(1) {
        let Some((attributes, rest)) = element.split_once('>') else { continue };
        let body = match attributes.ends_with('/') {
            true => "",
            false => rest.split("</testcase>").next().unwrap_or_default(),
        };
        let name = format!("{}::{}", attribute(attributes, "classname"), attribute(attributes, "name"));
        let outcome = if body.contains("<failure") || body.contains("<error") {
            Outcome::Failed
        } else if body.contains("<skipped") {
            Outcome::Skipped
        } else {
            Outcome::Passed
        };
        if outcome == Outcome::Failed || !results.contains_key(&name) {
            results.insert(name, outcome);
        }
    }
    results
}

/// Counts the tests with this outcome.
pub(crate) fn count(results: &Results, wanted: Outcome) -> usize {
    results.values().filter(|outcome| **outcome == wanted).count()
}

/// pytest's own name for a test, by which it can be run alone.
pub(crate) fn node_of(name: &str) -> String {
    let (class, test) = name.split_once("::").unwrap_or(("", name));
    let mut parts = class.split('.');
    let mut file = String::new();
    for part in parts.by_ref() {
        file += part;
        if part.starts_with("test_") {
            break;
        }
        file.push('/');
    }
    let mut node = format!("{file}.py");
    for part in parts.chain([test]) {
        node += "::";
        node += part;
    }
    node
}

fn attribute(attributes: &str, name: &str) -> String {
    // One name may be the end of another: "classname".
    let text = format!(" {attributes}");
    let value = text.split_once(&format!(" {name}=\"")).and_then(|(_, rest)| rest.split('"').next());
    let value = value.unwrap_or_default();
    [("&quot;", "\""), ("&lt;", "<"), ("&gt;", ">"), ("&apos;", "'"), ("&amp;", "&")]
        .iter()
        .fold(value.to_owned(), |text, (from, to)| text.replace(from, to))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn outcomes_are_told_apart() {
        let text = r#"<?xml version="1.0"?><testsuites><testsuite tests="5">
<testcase classname="tests.test_a.TestA" name="one" time="0.1" />
<testcase classname="tests.test_a" name="two[&quot;x&quot;]" time="0.1"><failure message="a &gt; b">x</failure></testcase>
<testcase classname="tests.test_a" name="three" time="0.1"><skipped type="pytest.skip" message="no">x</skipped></testcase>
<testcase classname="tests.test_a" name="four" time="0.1"></testcase>
<testcase classname="tests.test_a" name="four" time="0.1"><error message="teardown">x</error></testcase>
</testsuite></testsuites>"#;
        let results = read(text);
        let expected = [
            ("tests.test_a.TestA::one", Outcome::Passed),
            ("tests.test_a::four", Outcome::Failed),
            ("tests.test_a::three", Outcome::Skipped),
            ("tests.test_a::two[\"x\"]", Outcome::Failed),
        ];
        let expected: Results =
            expected.iter().map(|(name, outcome)| ((*name).to_owned(), *outcome)).collect();
        assert_eq!(results, expected);
        assert_eq!(count(&results, Outcome::Failed), 2);
    }

    #[test]
    fn names_become_nodes() {
        assert_eq!(node_of("tests.test_a.TestA::one"), "tests/test_a.py::TestA::one");
        assert_eq!(node_of("tests.test_a::two[x.y]"), "tests/test_a.py::two[x.y]");
    }
}
