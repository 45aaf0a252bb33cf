use super::tests::schema;
use super::*;

/// Compares two bodies of `demo.A`, with other types after them.
fn compare_with(syntax: &str, writer: &str, reader: &str, types: &str) -> Comparison {
    let make = |body: &str| {
        schema("demo.A", &format!("syntax = \"{syntax}\"; package demo; message A {{ {body} }} {types}"))
    };
    Schema::compare(&make(writer), &make(reader))
}

const TYPES: &str = "message P { double x = 1; } message Q { double x = 1; } message Z { string x = 1; }
    enum E { E0 = 0; E1 = 1; } message EntryLike { string key = 1; int32 value = 2; }";

#[track_caller]
fn breaks(writer: &str, reader: &str, text: &str) {
    check_breaks(compare_with("proto3", writer, reader, TYPES), text);
}

#[track_caller]
fn check_breaks(comparison: Comparison, text: &str) {
    match comparison {
        Comparison::Breaking { what } => assert!(what.iter().any(|one| one.contains(text)), "{what:#?}"),
        other => panic!("{other:#?}"),
    }
}

#[track_caller]
fn fits(writer: &str, reader: &str, text: &str) {
    check_fits(compare_with("proto3", writer, reader, TYPES), text);
}

#[track_caller]
fn check_fits(comparison: Comparison, text: &str) {
    match comparison {
        Comparison::Compatible { notes } => assert!(notes.iter().any(|one| one.contains(text)), "{notes:#?}"),
        other => panic!("{other:#?}"),
    }
}

#[test]
fn equal_schemas_are_identical() {
    assert_eq!(compare_with("proto3", "int32 x = 1;", "int32 x = 1;", ""), Comparison::Identical);
    assert!(!Comparison::Identical.is_breaking());
}

#[test]
fn another_type_breaks() {
    let (a, b) =
        (schema("A", "syntax = \"proto3\"; message A {}"), schema("B", "syntax = \"proto3\"; message B {}"));
    check_breaks(Schema::compare(&a, &b), "B: the writer's type is A");
}

#[test]
fn types_of_another_encoding_break() {
    breaks("int32 x = 2;", "string x = 2;", "demo.A.x (2): was int32, expected string");
    breaks("sint32 x = 2;", "int32 x = 2;", "was sint32, expected int32");
    breaks("int64 x = 2;", "sint64 x = 2;", "was int64, expected sint64");
    breaks("fixed32 x = 2;", "float x = 2;", "was fixed32, expected float");
    breaks("double x = 2;", "fixed64 x = 2;", "was double, expected fixed64");
    breaks("fixed32 x = 2;", "fixed64 x = 2;", "was fixed32, expected fixed64");
    breaks("P x = 2;", "string x = 2;", "was demo.P, expected string");
    breaks("P x = 2;", "E x = 2;", "was demo.P, expected enum demo.E");
    breaks("bytes x = 2;", "P x = 2;", "was bytes, expected demo.P");
    breaks("E x = 2;", "sint32 x = 2;", "was enum demo.E, expected sint32");
}

#[test]
fn types_of_one_encoding_fit() {
    fits(
        "int64 x = 1;",
        "int32 x = 1;",
        "demo.A.x (1): was int64, expected int32: large values are truncated",
    );
    fits("int32 x = 1;", "uint64 x = 1;", "values out of range");
    fits("uint32 x = 1;", "bool x = 1;", "all but 0 reads as true");
    fits("bool x = 1;", "int32 x = 1;", "reads as the number");
    fits("E x = 1;", "int32 x = 1;", "reads as the number");
    fits("int32 x = 1;", "E x = 1;", "numbers may have no name here");
    fits("sint64 x = 1;", "sint32 x = 1;", "truncated");
    fits("fixed32 x = 1;", "sfixed32 x = 1;", "out of range");
    fits("string x = 1;", "bytes x = 1;", "UTF-8");
    fits("bytes x = 1;", "string x = 1;", "refused");
    fits("P x = 1;", "bytes x = 1;", "encoded message");
}

#[test]
fn fields_come_and_go() {
    fits("int32 x = 1; int32 y = 2;", "int32 x = 1;", "demo.A.y (2): only the writer has it");
    fits("int32 x = 1;", "int32 x = 1; int32 y = 2;", "demo.A.y (2): only the reader has it");
    fits("int32 x = 1;", "int32 z = 1;", "demo.A.z (1): the writer calls it x");
    fits("int32 x = 1;", "int32 x = 1; reserved 7;", "only what is reserved differs");
    fits(
        "int32 x = 1; int32 y = 2;",
        "int32 x = 1; reserved 2 to 4;",
        "demo.A.y (2): the reader has given it up",
    );
    breaks("int32 x = 1;", "uint32 z = 1;", "demo.A.z (1): was int32 x, expected uint32");
    breaks("P p = 1;", "Q q = 1;", "was demo.P p, expected demo.Q");
    breaks("int32 x = 1;", "int32 x = 2;", "demo.A.x (1): the reader expects it as 2");
    breaks("int32 x = 1; int32 y = 2;", "int32 y = 1; int32 x = 2;", "the writer's x is number 2 here");
}

#[test]
fn labels() {
    breaks("repeated int32 x = 1;", "int32 x = 1;", "packed numbers are not read as a single one");
    breaks("repeated E x = 1;", "E x = 1;", "packed");
    fits("repeated int32 x = 1 [packed = false];", "int32 x = 1;", "the last wins");
    fits("repeated string x = 1;", "string x = 1;", "the last wins");
    fits("repeated P x = 1;", "P x = 1;", "all are merged");
    fits("int32 x = 1;", "repeated int32 x = 1;", "at most one comes");
    fits("P x = 1;", "repeated P x = 1;", "at most one comes");
    fits("repeated int32 x = 1;", "repeated int32 x = 1 [packed = false];", "readers accept both");
    fits("int32 x = 1;", "optional int32 x = 1;", "reads as missing");
    fits("optional int32 x = 1;", "int32 x = 1;", "cannot tell");
}

#[test]
fn maps() {
    fits("repeated EntryLike x = 1;", "map<string, int32> x = 1;", "the encoding is the same");
    fits(
        "map<string, int32> x = 1;",
        "map<string, int64> x = 1;",
        "demo.A.x.value (2): was int32, expected int64",
    );
    breaks(
        "map<string, int32> x = 1;",
        "map<int32, int32> x = 1;",
        "demo.A.x.key (1): was string, expected int32",
    );
    breaks(
        "map<string, P> x = 1;",
        "map<string, string> x = 1;",
        "demo.A.x.value (2): was demo.P, expected string",
    );
}

#[test]
fn oneofs() {
    let apart = "int32 x = 1; int32 y = 2;";
    let together = "oneof o { int32 x = 1; int32 y = 2; }";
    breaks(apart, together, "demo.A.o: the writer may send x (1), y (2) together");
    breaks(
        "oneof o { int32 x = 1; int32 z = 3; } int32 y = 2;",
        "oneof o { int32 x = 1; int32 y = 2; int32 z = 3; }",
        "together",
    );
    fits(together, apart, "demo.A.x (1): in a oneof at the writer only");
    fits("int32 x = 1;", together, "demo.A.x (1): in the oneof o here, and in none at the writer");
    fits("oneof o { int32 x = 1; }", together, "demo.A.y (2): only the reader has it");
    fits(
        together,
        "oneof other { int32 x = 1; int32 y = 2; } int32 z = 3;",
        "demo.A.z (3): only the reader has it",
    );
    fits("optional int32 x = 1;", "oneof o { int32 x = 1; }", "in none at the writer");
}

#[test]
fn proto2_rules() {
    let compare = |writer: &str, reader: &str| compare_with("proto2", writer, reader, "message P {}");
    check_breaks(compare("", "required int32 x = 1;"), "demo.A.x (1): required here");
    check_breaks(compare("optional int32 x = 1;", "required int32 x = 1;"), "it may be missing");
    check_fits(compare("required int32 x = 1;", ""), "only the writer has it");
    check_fits(compare("required int32 x = 1;", "optional int32 x = 1;"), "no longer required");
    check_fits(compare("optional int32 x = 1 [default = 3];", "optional int32 x = 1;"), "another default");
    check_breaks(
        compare("optional group G = 1 { optional int32 x = 1; }", "optional P g = 1;"),
        "demo.A.g (1): was group demo.A.G, expected demo.P",
    );
}

#[test]
fn enum_values() {
    let compare = |writer: &str, reader: &str| {
        let make = |values: &str| {
            schema(
                "A",
                &format!("syntax = \"proto3\"; message A {{ E e = 1; }} enum E {{ NONE = 0; {values} }}"),
            )
        };
        Schema::compare(&make(writer), &make(reader))
    };
    check_fits(compare("B = 1;", ""), "A.e: value B (1): only the writer has it");
    check_fits(compare("", "B = 1;"), "A.e: value B (1): only the reader has it");
    check_fits(compare("B = 1;", "C = 1;"), "A.e: value B (1) is called C here");
    check_breaks(compare("B = 1;", "B = 2;"), "A.e: value B (1) is number 2 here");
}

#[test]
fn inner_messages_are_compared_once_and_by_path() {
    let make = |kind: &str| {
        schema(
            "demo.Imu",
            &format!(
                "syntax = \"proto3\"; package demo; message Imu {{ Pose pose = 1; repeated Imu more = 2; }}
             message Pose {{ int32 id = 1; {kind} x = 2; Imu back = 3; }}"
            ),
        )
    };
    let comparison = Schema::compare(&make("double"), &make("string"));
    let what = vec!["demo.Imu.pose.x (2): was double, expected string".to_owned()];
    assert_eq!(comparison, Comparison::Breaking { what });
}

#[test]
fn another_name_of_an_inner_type_is_noted() {
    fits("P p = 1;", "Q p = 1;", "demo.A.p: the type is demo.P at the writer, demo.Q here");
    breaks("P p = 1;", "Z p = 1;", "demo.A.p.x (1): was double, expected string");
}

#[test]
fn there_is_an_end_of_texts() {
    let many: String = (1..500).map(|number| format!("int32 f{number} = {number};")).collect();
    match compare_with("proto3", &many, "", "") {
        Comparison::Compatible { notes } => {
            assert_eq!(notes.len(), 101);
            assert_eq!(notes[100], "and 399 more");
        }
        other => panic!("{other:?}"),
    }
}
