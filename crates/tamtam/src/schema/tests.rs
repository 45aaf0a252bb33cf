use std::collections::HashMap;

use proptest::prelude::*;
use prost::Message as _;
use prost_reflect::DynamicMessage;
use protox::file::{ChainFileResolver, File, FileResolver, GoogleFileResolver};

use super::descriptor::{self as raw, FileSet};
use super::*;

struct Memory(HashMap<String, String>);

impl FileResolver for Memory {
    fn open_file(&self, name: &str) -> Result<File, protox::Error> {
        match self.0.get(name) {
            Some(text) => File::from_source(name, text),
            None => Err(protox::Error::file_not_found(name)),
        }
    }
}

/// Compiles files and all they import; the last one is opened.
pub(super) fn compile(files: &[(&str, &str)]) -> Vec<u8> {
    let memory = Memory(files.iter().map(|(name, text)| ((*name).into(), (*text).into())).collect());
    let mut resolver = ChainFileResolver::new();
    resolver.add(memory);
    resolver.add(GoogleFileResolver::new());
    let mut compiler = protox::Compiler::with_file_resolver(resolver);
    compiler.include_imports(true).include_source_info(true);
    for (name, _) in files {
        compiler.open_file(name).unwrap_or_else(|error| panic!("{error:?}"));
    }
    compiler.encode_file_descriptor_set()
}

pub(super) fn schema(name: &str, text: &str) -> Schema {
    Schema::new(name, &compile(&[("test.proto", text)])).unwrap()
}

fn closure(schema: &Schema) -> FileSet {
    FileSet::decode(schema.descriptor_set().clone()).unwrap()
}

fn types(schema: &Schema) -> Vec<String> {
    let mut names: Vec<String> = schema
        .message()
        .parent_pool()
        .all_messages()
        .map(|message| message.full_name().to_owned())
        .chain(schema.message().parent_pool().all_enums().map(|e| e.full_name().to_owned()))
        .collect();
    names.sort();
    names
}

const IMU: &str = r#"
    syntax = "proto3";
    package demo;
    import "google/protobuf/timestamp.proto";
    message Imu {
      google.protobuf.Timestamp stamp = 1;
      Pose pose = 2;
      map<string, Axis> axes = 3;
      optional int32 temperature = 4;
      oneof extra { string note = 5; Outer.Deep deep = 6; }
      repeated int32 raw = 7;
      reserved 9, 10 to 12;
      reserved "old";
      message Axis { double bias = 1; }
    }
    message Pose { double x = 1; double y = 2; Mode mode = 3; }
    enum Mode { OFF = 0; ON = 1; }
    message Outer { int32 unused = 1; message Deep { bytes b = 1; } message Other {} }
    message Unrelated { Imu imu = 1; }
"#;

#[test]
fn the_closure_has_what_is_needed_and_no_more() {
    let schema = schema("demo.Imu", IMU);
    assert_eq!(
        types(&schema),
        [
            "demo.Imu",
            "demo.Imu.AxesEntry",
            "demo.Imu.Axis",
            "demo.Mode",
            "demo.Outer",
            "demo.Outer.Deep",
            "demo.Pose",
            "google.protobuf.Timestamp",
        ]
    );
    let pool = schema.message().parent_pool();
    assert_eq!(pool.get_message_by_name("demo.Outer").unwrap().fields().len(), 0, "a shell");
    let files: Vec<String> = closure(&schema).file.into_iter().map(|file| file.name.unwrap()).collect();
    assert_eq!(
        files,
        [
            "demo/Mode.proto",
            "demo/Outer.proto",
            "demo/Pose.proto",
            "google/protobuf/timestamp.proto",
            "demo/Imu.proto"
        ]
    );
}

#[test]
fn the_closure_is_a_descriptor_set_that_gives_the_same_schema() {
    for (name, text) in [("demo.Imu", IMU), ("p2.A", PROTO2), ("r.A", RECURSIVE)] {
        let schema = schema(name, text);
        let again = Schema::new(name, schema.descriptor_set()).unwrap();
        assert_eq!(again, schema);
        assert_eq!(again.descriptor_set(), schema.descriptor_set());
        prost_types::FileDescriptorSet::decode(schema.descriptor_set().clone()).unwrap();
    }
}

#[test]
fn an_id_never_changes() {
    // Ids are compared between programs of different versions: whoever changes them has to know.
    assert_eq!(
        schema("demo.Imu", IMU).id().to_string(),
        "bcd98e8bdfeb06a83b4b2c32d7424d7efcf52db003d78fb58e14b9bb6412310e"
    );
}

#[test]
fn what_does_not_matter_does_not_change_the_id() {
    let id = schema("demo.Imu", IMU).id();
    let same = |text: &str| assert_eq!(schema("demo.Imu", text).id(), id, "{text}");
    same(&IMU.replace("message Pose", "/* A comment. */ message Pose"));
    same(&IMU.replace("message Unrelated", "message More { int64 a = 1; } message Unrelated"));
    same(&IMU.replace("double x = 1; double y = 2;", "double y = 2; double x = 1 [deprecated = true];"));
    same(&IMU.replace("int32 raw = 7;", "int32 raw = 7 [packed = true];"));
    same(&IMU.replace("double x = 1;", "double x = 1 [json_name = \"ex\"];"));
    same(&IMU.replace("reserved 9, 10 to 12;", "reserved 11 to 12, 9 to 10;"));
    same(&IMU.replace("package demo;", "package demo; option java_package = \"x\";"));
    same(&IMU.replace("int32 unused = 1;", ""));
    let moved = IMU.replace("enum Mode { OFF = 0; ON = 1; }", "");
    same(&format!("{moved} enum Mode {{ OFF = 0; ON = 1; }}"));
}

#[test]
fn files_and_folders_do_not_change_the_id() {
    let id = schema("demo.Imu", IMU).id();
    let renamed = compile(&[("some/folder/other.proto", IMU)]);
    assert_eq!(Schema::new("demo.Imu", &renamed).unwrap().id(), id);
    let mode = "enum Mode { OFF = 0; ON = 1; }";
    let split = compile(&[
        ("a/mode.proto", &format!("syntax = \"proto3\"; package demo; {mode}")),
        ("b.proto", &IMU.replace(mode, "").replace("import", "import \"a/mode.proto\"; import")),
    ]);
    assert_eq!(Schema::new("demo.Imu", &split).unwrap().id(), id);
    let twice = [split.clone(), split].concat();
    assert_eq!(Schema::new("demo.Imu", &twice).unwrap().id(), id);
}

#[test]
fn what_matters_changes_the_id() {
    let id = schema("demo.Imu", IMU).id();
    for (from, to) in [
        ("double y = 2;", "double y = 2; double z = 4;"),
        ("double y = 2;", "float y = 2;"),
        ("double y = 2;", "double why = 2;"),
        ("double y = 2;", "double y = 5;"),
        ("double y = 2;", "optional double y = 2;"),
        ("int32 raw = 7;", "int32 raw = 7 [packed = false];"),
        ("ON = 1;", "ON = 2;"),
        ("reserved 9,", "reserved 8, 9,"),
        ("map<string, Axis>", "map<int32, Axis>"),
    ] {
        assert_ne!(schema("demo.Imu", &IMU.replace(from, to)).id(), id, "{to}");
    }
    assert_ne!(schema("demo.Pose", IMU).id(), id);
}

const PROTO2: &str = r#"
    syntax = "proto2";
    package p2;
    message A {
      required string name = 1 [default = "it's"];
      optional bytes raw = 2 [default = "\001\377\""];
      repeated int32 packed = 3 [packed = true];
      optional group Box = 4 { optional int32 side = 1; }
      optional E e = 5 [default = SECOND];
      extensions 100 to 199;
      enum E { option allow_alias = true; FIRST = 3; SECOND = 1; ZWEITER = 1; }
    }
    extend A { optional int32 more = 100; }
"#;

#[test]
fn proto2_is_kept() {
    let schema = schema("p2.A", PROTO2);
    let message = schema.message();
    assert!(message.get_field(1).unwrap().is_required());
    assert_eq!(message.get_field(2).unwrap().default_value().as_bytes().unwrap().as_ref(), b"\x01\xff\"");
    assert!(message.get_field(3).unwrap().is_packed());
    assert!(message.get_field(4).unwrap().is_group());
    assert_eq!(message.get_field(5).unwrap().default_value().as_enum_number(), Some(1));
    let e = schema.message().parent_pool().get_enum_by_name("p2.A.E").unwrap();
    assert_eq!(e.default_value().number(), 3);
    assert_eq!(e.get_value(1).unwrap().name(), "SECOND");
}

const RECURSIVE: &str = r#"
    syntax = "proto3";
    package r;
    message B { repeated A a = 1; C c = 2; }
    message A { B b = 1; A a = 2; map<string, A> m = 3; }
    message C { int32 x = 1; }
"#;

#[test]
fn types_may_need_each_other() {
    let a = schema("r.A", RECURSIVE);
    let files: Vec<_> =
        closure(&a).file.into_iter().map(|file| (file.name.unwrap(), file.dependency)).collect();
    let c = "r/C.proto".to_owned();
    assert_eq!(files, [(c.clone(), vec![]), ("r/A.proto".to_owned(), vec![c])]);
    assert!(a.to_proto().contains("map<string, A> m = 3;"), "{}", a.to_proto());
    assert_eq!(Schema::compare(&a, &schema("r.A", RECURSIVE)), Comparison::Identical);
    assert!(schema("r.B", RECURSIVE) != a);
}

#[test]
fn well_known_types_are_included() {
    let text = r#"syntax = "proto3";
        import "google/protobuf/struct.proto"; import "google/protobuf/wrappers.proto";
        message M { google.protobuf.Struct s = 1; google.protobuf.BoolValue b = 2; }"#;
    let schema = schema("M", text);
    let files: Vec<String> = closure(&schema).file.into_iter().map(|file| file.name.unwrap()).collect();
    assert_eq!(files, ["google/protobuf/struct.proto", "google/protobuf/wrappers.proto", "M.proto"]);
    let mut message = DynamicMessage::new(schema.message().clone());
    message.set_field_by_name(
        "b",
        prost_reflect::Value::Message(DynamicMessage::new(
            schema.message().parent_pool().get_message_by_name("google.protobuf.BoolValue").unwrap(),
        )),
    );
    assert_eq!(message.encode_to_vec(), [0x12, 0]);
}

#[test]
fn ids_are_text_and_octets() {
    let id = schema("demo.Imu", IMU).id();
    let text = id.to_string();
    assert_eq!(text.parse::<SchemaId>().unwrap(), id);
    assert_eq!(text.to_uppercase().parse::<SchemaId>().unwrap(), id);
    assert_eq!(format!("{id:?}"), text);
    assert_eq!(format!("{:016x}", id.short()), text[..16]);
    assert_eq!(SchemaId::from_bytes(*id.as_bytes()), id);
    for bad in
        ["", "00", &text[1..], &format!("{text}0"), &format!("{text}00"), &text.replace(&text[..1], "g")]
    {
        assert!(bad.parse::<SchemaId>().is_err(), "{bad}");
    }
}

#[test]
fn the_text_is_a_proto_file() {
    for (name, text) in [
        ("r.A", RECURSIVE),
        ("demo.Pose", IMU),
        ("demo.Unrelated", &IMU.replace("google.protobuf.Timestamp", "Pose")),
    ] {
        let schema = schema(name, text);
        let proto = schema.to_proto();
        let again = Schema::new(name, &compile(&[("again.proto", &proto)])).unwrap();
        assert_eq!(again, schema, "{proto}");
    }
    let proto = schema("demo.Imu", IMU).to_proto();
    assert!(proto.starts_with("// demo.Imu\n// schema "), "{proto}");
    for part in [
        "package demo;",
        "  optional int32 temperature = 4;",
        "    string note = 5;\n    Outer.Deep deep = 6;\n  }",
        "reserved 9 to 12;",
        "package google.protobuf;",
        "  int64 seconds = 1;",
        "google.protobuf.Timestamp stamp = 1;",
    ] {
        assert!(proto.contains(part), "{part} in\n{proto}");
    }
    assert!(proto.find("message Imu").unwrap() < proto.find("message Outer").unwrap());
    let proto2 = schema("p2.A", PROTO2).to_proto();
    assert!(proto2.contains(r#"optional bytes raw = 2 [default = "\001\377\""];"#), "{proto2}");
}

fn file(name: &str, package: &str, messages: Vec<raw::Message>) -> raw::File {
    raw::File {
        name: Some(name.into()),
        package: Some(package.into()),
        message_type: messages,
        syntax: Some("proto3".into()),
        ..raw::File::default()
    }
}

fn message(name: &str, fields: Vec<raw::Field>) -> raw::Message {
    raw::Message { name: Some(name.into()), field: fields, ..raw::Message::default() }
}

fn field(name: &str, number: i32, kind: i32, of: Option<&str>) -> raw::Field {
    raw::Field {
        name: Some(name.into()),
        number: Some(number),
        r#type: Some(kind),
        type_name: of.map(str::to_owned),
        ..raw::Field::default()
    }
}

fn refuse(name: &str, files: Vec<raw::File>) -> SchemaError {
    Schema::new(name, &FileSet { file: files }.encode_to_vec()).unwrap_err()
}

#[test]
fn errors_say_what_is_wrong() {
    assert!(matches!(
        Schema::new("A", b"\x0a\xff"),
        Err(SchemaError::Invalid { .. } | SchemaError::NotADescriptorSet(_))
    ));
    assert!(matches!(Schema::new("A", b"\xff"), Err(SchemaError::NotADescriptorSet(_))));
    assert!(matches!(Schema::new("A", b""), Err(SchemaError::NoSuchType { name }) if name == "A"));
    assert!(matches!(Schema::new("A", &vec![0; MAX_DESCRIPTOR_SET + 1]), Err(SchemaError::TooLarge { .. })));
    let set = compile(&[("a.proto", IMU)]);
    for name in ["demo.Nothing", ".demo.Imu", "demo.Mode", "demo", ""] {
        assert!(matches!(Schema::new(name, &set), Err(SchemaError::NoSuchType { .. })), "{name}");
    }
    let a = |field| vec![file("a", "p", vec![message("A", vec![field])])];
    for (field, text) in [
        (field("x", 1, 11, Some(".p.Gone")), "type p.Gone is not in the descriptors"),
        (field("x", 1, 11, Some("A")), "not a full one"),
        (field("x", 1, 5, Some(".p.A")), "do not fit"),
        (field("x", 1, 14, Some(".p.A")), "do not fit"),
        (field("x", 1, 11, None), "do not fit"),
        (field("x", 1, 99, None), "do not fit"),
        (field("x y", 1, 5, None), "not a name"),
        (field("\u{1b}[31m", 1, 5, None), "\"\\u{1b}[31m\" is not a name"),
        (field("x", 0, 5, None), "invalid"),
        (field("x", 19_500, 5, None), "invalid"),
        (raw::Field { oneof_index: Some(7), ..field("x", 1, 5, None) }, "oneof"),
        (raw::Field { oneof_index: Some(-1), ..field("x", 1, 5, None) }, "oneof"),
        (raw::Field { proto3_optional: Some(true), ..field("x", 1, 5, None) }, "oneof"),
        (raw::Field { label: Some(9), ..field("x", 1, 5, None) }, "label"),
        (raw::Field { label: Some(2), ..field("x", 1, 5, None) }, "required"),
        (raw::Field { default_value: Some("\\x1é".into()), ..field("x", 1, 12, None) }, "escaped"),
    ] {
        let error = refuse("p.A", a(field)).to_string();
        assert!(error.contains(text), "{error}");
    }
}

#[test]
fn hostile_structures_are_refused() {
    let entry = |fields| raw::Message {
        options: Some(raw::MessageOptions { map_entry: Some(true), message_set_wire_format: None }),
        ..message("E", fields)
    };
    for fields in
        [vec![], vec![field("key", 1, 5, None)], vec![field("key", 1, 1, None), field("value", 2, 5, None)]]
    {
        let outer = raw::Message {
            nested_type: vec![entry(fields)],
            ..message("A", vec![raw::Field { label: Some(3), ..field("m", 1, 11, Some(".p.A.E")) }])
        };
        let error = refuse("p.A", vec![file("a", "p", vec![outer])]).to_string();
        assert!(error.contains("entries of a map"), "{error}");
    }
    let twice = vec![file("a", "p", vec![message("A", vec![])]), file("b", "p", vec![message("A", vec![])])];
    assert!(refuse("p.A", twice).to_string().contains("p.A is defined twice"));
    let cycle = vec![
        file("a", "a", vec![message("A", vec![field("b", 1, 11, Some(".b.B"))])]),
        file("b", "b", vec![message("B", vec![field("a", 1, 11, Some(".a.A"))])]),
    ];
    assert!(refuse("a.A", cycle).to_string().contains("import each other"));
    let edition = raw::File { syntax: Some("editions".into()), ..file("a", "p", vec![message("A", vec![])]) };
    assert!(matches!(refuse("p.A", vec![edition]), SchemaError::Unsupported { .. }));
    let mut deep = message("M", vec![]);
    for _ in 0..150 {
        deep = raw::Message { nested_type: vec![deep], ..message("M", vec![]) };
    }
    assert!(matches!(refuse("p.M", vec![file("a", "p", vec![deep])]), SchemaError::TooLarge { .. }));
    let long = "x".repeat(600);
    assert!(matches!(
        refuse("p.A", vec![file("a", &long, vec![message("A", vec![])])]),
        SchemaError::TooLarge { .. }
    ));
}

#[test]
fn huge_counts_are_refused_soon() {
    let started = std::time::Instant::now();
    let empty_files: Vec<u8> = [0x0a, 0].repeat(MAX_DESCRIPTOR_SET / 2);
    assert!(matches!(Schema::new("A", &empty_files), Err(SchemaError::TooLarge { .. })));
    let fields = (1..18_000).map(|number| field(&format!("f{number}"), number, 5, None)).collect();
    assert!(matches!(
        refuse("p.A", vec![file("a", "p", vec![message("A", fields)])]),
        SchemaError::TooLarge { .. }
    ));
    // A chain of types, as long as the limit allows.
    let chain = |count: usize| {
        let link = |i: usize| {
            message(&format!("M{i}"), vec![field("next", 1, 11, Some(&format!(".p.M{}", (i + 1) % count)))])
        };
        FileSet { file: vec![file("a", "p", (0..count).map(link).collect())] }.encode_to_vec()
    };
    let (a, b) = (Schema::new("p.M0", &chain(8000)).unwrap(), Schema::new("p.M0", &chain(7999)).unwrap());
    assert!(Schema::compare(&a, &b).is_breaking(), "64 million pairs of types");
    assert!(started.elapsed() < std::time::Duration::from_secs(20), "{:?}", started.elapsed());
}

#[test]
fn as_many_values_as_allowed_are_handled() {
    let value = |i: i32| raw::EnumValue {
        name: Some(format!("V{i}")),
        number: Some(if i % 2 == 0 { 0 } else { -i }),
    };
    let of = raw::Enum {
        name: Some("E".into()),
        value: (0..16_000).map(value).collect(),
        options: Some(raw::EnumOptions { allow_alias: Some(true) }),
        ..raw::Enum::default()
    };
    let file = raw::File {
        enum_type: vec![of],
        ..file("a", "p", vec![message("A", vec![field("e", 1, 14, Some(".p.E"))])])
    };
    Schema::new("p.A", &FileSet { file: vec![file] }.encode_to_vec()).unwrap();
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn random_octets_do_no_harm(octets in proptest::collection::vec(any::<u8>(), 0..300)) {
        let _ = Schema::new("A", &octets);
    }

    #[test]
    fn mutated_descriptors_do_no_harm(
        which in 0..3_usize,
        changes in proptest::collection::vec((any::<proptest::sample::Index>(), any::<u8>()), 1..4),
        cut in any::<Option<proptest::sample::Index>>(),
    ) {
        let (name, text) = [("demo.Imu", IMU), ("p2.A", PROTO2), ("r.A", RECURSIVE)][which];
        let original = schema(name, text);
        let mut set = original.descriptor_set().to_vec();
        for (index, octet) in changes {
            let at = index.index(set.len());
            set[at] = octet;
        }
        if let Some(cut) = cut {
            set.truncate(cut.index(set.len()));
        }
        if let Ok(mutant) = Schema::new(name, &set) {
            let _ = (Schema::compare(&mutant, &original), Schema::compare(&original, &mutant));
            let _ = mutant.to_proto();
            // Anything accepted has one form only, and is safe to make messages of.
            prop_assert_eq!(&Schema::new(name, mutant.descriptor_set()).unwrap(), &mutant);
            let _ = DynamicMessage::decode(mutant.message().clone(), &set[..]);
        }
    }
}
