//! Each rule both ways, what strict registries refuse, and what may be changed.

use crate::registry::rules::{self, Broken};
use crate::registry::{Referenced, Registered, SchemaType};

const WROTE: &str = "what version 1 wrote could not be read by the schema: ";
const WRITES: &str = "what the schema writes could not be read by version 1: ";
const STRICT: &str = "not every registry lets the schema read what version 1 wrote: ";

fn file(text: &str) -> Registered {
    let (schema, schema_type) = (text.to_owned(), SchemaType::Protobuf);
    Registered { id: 0, guid: None, schema_type, schema, references: Vec::new() }
}

fn proto3(body: &str) -> Registered {
    file(&format!("syntax = \"proto3\"; package acme; {body}"))
}

fn proto2(body: &str) -> Registered {
    file(&format!("syntax = \"proto2\"; package acme; {body}"))
}

fn order(fields: &str) -> Registered {
    proto3(&format!("message Order {{ {fields} }} message Money {{ int32 n = 1; }} enum E {{ ZERO = 0; }}"))
}

fn broken(level: &str, old: &Registered, new: &Registered) -> Broken {
    rules::broken(level, new, &[(1, old.clone())])
}

/// What a reader by the second could not read of what is written by the first, whichever of them is the new one.
fn unread(written: &Registered, read: &Registered, expected: &str) {
    let (old, new) = ("version 1", "the schema");
    let line = |start: &str, writer: &str, reader: &str| {
        vec![format!("{start}{}", expected.replace("WRITER", writer).replace("READER", reader))]
    };
    let texts = format!("{} → {}", written.schema, read.schema);
    assert_eq!(broken("BACKWARD", written, read).lines, line(WROTE, old, new), "{texts}");
    assert_eq!(broken("FORWARD", read, written).lines, line(WRITES, new, old), "{texts}");
    assert!(broken("NONE", written, read).lines.is_empty());
}

fn is_fine(written: &Registered, read: &Registered) {
    for told in [broken("BACKWARD", written, read).lines, broken("FORWARD", read, written).lines] {
        assert!(told.is_empty(), "{} → {}: {told:?}", written.schema, read.schema);
    }
}

#[test]
fn a_number_keeps_to_what_is_written_like_it() {
    let groups: [&[&str]; 8] = [
        &["int32", "int64", "uint32", "uint64", "bool", "E"],
        &["sint32", "sint64"],
        &["string", "bytes"],
        &["fixed32", "sfixed32"],
        &["fixed64", "sfixed64"],
        &["float"],
        &["double"],
        &["Money"],
    ];
    let field = |ty: &str| order(&format!("{ty} n = 7;"));
    for (at, group) in groups.iter().enumerate() {
        for before in *group {
            for after in *group {
                is_fine(&field(before), &field(after));
                let told = broken("BACKWARD", &field(before), &field(after)).stricter;
                assert_eq!(told.is_empty(), before == after, "{before} {after} {told:?}");
            }
            for after in
                groups.iter().enumerate().filter(|(other, _)| *other != at).map(|(_, group)| group[0])
            {
                let expected = format!("Order.n (number 7) is {before} in WRITER, and {after} in READER");
                unread(&field(before), &field(after), &expected);
            }
        }
    }
    // Bytes may be a message's.
    is_fine(&field("Money"), &field("bytes"));
    unread(&field("bytes"), &field("Money"), "Order.n (number 7) is bytes in WRITER, and Money in READER");
}

#[test]
fn maps_are_compared_by_their_keys_and_values() {
    let map = |ty: &str| order(&format!("{ty} n = 1;"));
    let (strings, numbers) = (map("map<string, string>"), map("map<string, int32>"));
    unread(
        &strings,
        &numbers,
        "Order.n (number 1) is map<string, string> in WRITER, and map<string, int32> in READER",
    );
    unread(
        &map("map<int32, int32>"),
        &numbers,
        "Order.n (number 1) is map<int32, int32> in WRITER, and map<string, int32> in READER",
    );
    unread(
        &numbers,
        &map("int32"),
        "Order.n (number 1) is map<string, int32> in WRITER, and int32 in READER",
    );
    is_fine(&numbers, &map("map<string, uint64>"));
    let money = |ty: &str| {
        proto3(&format!("message Order {{ map<string, Money> n = 1; }} message Money {{ {ty} n = 1; }}"))
    };
    unread(&money("int32"), &money("string"), "Money.n (number 1) is int32 in WRITER, and string in READER");
    // A map is a list of entries.
    let entries = |ty: &str| {
        proto3(&format!(
            "message Order {{ repeated Pair n = 1; }} message Pair {{ {ty} key = 1; int32 value = 2; }}"
        ))
    };
    let with_pair = proto3(
        "message Order { map<string, int32> n = 1; } message Pair { string key = 1; int32 value = 2; }",
    );
    is_fine(&with_pair, &entries("string"));
}

#[test]
fn a_message_that_is_gone_cannot_be_read() {
    let nested = |inner: &str| proto3(&format!("message Order {{ int32 n = 1; {inner} }}"));
    unread(
        &nested("message Line { int32 n = 1; }"),
        &nested(""),
        "message Order.Line is in WRITER, and not in READER",
    );
    is_fine(&nested(""), &nested("message Line { int32 n = 1; }"));
    unread(
        &proto3("message Order {} message Other {}"),
        &proto3("message Order {}"),
        "message Other is in WRITER, and not in READER",
    );
    // Their order is nothing.
    is_fine(&proto3("message A {} message B {}"), &proto3("message B {} message A {}"));
}

#[test]
fn messages_of_two_names_are_compared_by_their_fields() {
    let of = |name: &str, ty: &str| {
        let kept = "message Money { int32 n = 1; }";
        proto3(&format!("message Order {{ {name} m = 1; }} {kept} message Sum {{ {ty} n = 1; }}"))
    };
    is_fine(&of("Money", "int32"), &of("Sum", "int32"));
    let lines = broken("BACKWARD", &of("Money", "string"), &of("Sum", "string")).lines;
    assert_eq!(lines, [format!("{WROTE}Order.m (number 1) is Money in version 1, and Sum in the schema")]);
}

#[test]
fn what_is_required_must_be_there() {
    let of = |fields: &str| proto2(&format!("message Order {{ {fields} }}"));
    unread(
        &of(""),
        &of("required int32 n = 1;"),
        "Order.n (number 1) is required in READER, and not in WRITER",
    );
    unread(
        &of("optional string n = 1;"),
        &of("required string n = 1;"),
        "Order.n (number 1) is optional string in WRITER, and required string in READER",
    );
    is_fine(&of("required int32 n = 1;"), &of("optional int32 n = 1;"));
    is_fine(&of("required int32 n = 1;"), &of(""));
}

#[test]
fn packed_numbers_are_no_single_number() {
    unread(
        &order("repeated int32 n = 1;"),
        &order("int32 n = 1;"),
        "Order.n (number 1) is repeated int32 in WRITER, and int32 in READER",
    );
    is_fine(&order("int32 n = 1;"), &order("repeated int32 n = 1;"));
    is_fine(&order("repeated string n = 1;"), &order("string n = 1;"));
    let of = |label: &str| proto2(&format!("message Order {{ {label} int32 n = 1; }}"));
    is_fine(&of("repeated"), &of("optional"));
}

#[test]
fn of_a_oneof_there_is_only_one() {
    let (alone, chosen) = ("int32 a = 1; int32 b = 2;", "oneof c { int32 a = 1; int32 b = 2; }");
    unread(
        &order(alone),
        &order(chosen),
        "of a, b in Order there may be several in WRITER, and only one in READER (oneof c)",
    );
    is_fine(&order(chosen), &order(alone));
    let existing = "oneof c { int32 a = 1; } int32 b = 2;";
    unread(
        &order(existing),
        &order(chosen),
        "of a, b in Order there may be several in WRITER, and only one in READER (oneof c)",
    );
    unread(
        &order(chosen),
        &order("oneof c { int32 a = 1; }"),
        "Order.b (number 2) is in oneof c in WRITER, and not in READER",
    );
    // One field that becomes a oneof, another that joins it, a oneof that is gone as a whole, or has another name.
    is_fine(&order("optional int32 a = 1;"), &order("oneof c { int32 a = 1; string x = 9; }"));
    is_fine(&order("oneof c { int32 a = 1; } int32 z = 5;"), &order("int32 z = 5;"));
    is_fine(&order(chosen), &order("oneof d { int32 a = 1; int32 b = 2; }"));
}

#[test]
fn imported_messages_are_compared_as_well() {
    for field in ["repeated money.Money m", "map<string, money.Money> m"] {
        let of = |ty: &str| {
            let schema = format!("syntax = \"proto3\"; package money; message Money {{ {ty} cents = 1; }}");
            let references = vec![Referenced { name: "money.proto".to_owned(), schema }];
            let own =
                format!("syntax = \"proto3\"; import \"money.proto\"; message Order {{ {field} = 1; }}");
            Registered { references, ..file(&own) }
        };
        unread(
            &of("int32"),
            &of("string"),
            "Money.cents (number 1) is int32 in WRITER, and string in READER",
        );
    }
}

#[test]
fn a_message_may_go_to_a_file_that_is_imported() {
    let money = "message Money { int32 n = 1; }";
    let alone = proto3(&format!("message Order {{ Money m = 1; }} {money}"));
    let importing = |money: &str| {
        let schema = format!("syntax = \"proto3\"; package acme; {money}");
        let references = vec![Referenced { name: "money.proto".to_owned(), schema }];
        Registered { references, ..proto3("import \"money.proto\"; message Order { Money m = 1; }") }
    };
    is_fine(&alone, &importing(money));
    let told = broken("BACKWARD", &alone, &importing(money)).stricter;
    assert_eq!(told, [format!("{STRICT}message Money is in another file in the schema")]);
    unread(
        &alone,
        &importing("message Money { string n = 1; }"),
        "Money.n (number 1) is int32 in WRITER, and string in READER",
    );
}

#[test]
fn recursion_ends_and_a_message_is_compared_once() {
    let tree = |ty: &str| proto3(&format!("message T {{ T left = 1; map<string, T> all = 2; {ty} n = 3; }}"));
    unread(&tree("int32"), &tree("string"), "T.n (number 3) is int32 in WRITER, and string in READER");
}

#[test]
fn what_only_strict_registries_refuse_is_told_apart() {
    let kept = "int32 z = 9;";
    let of = |fields: &str| proto3(&format!("message Order {{ {fields} {kept} }}"));
    for (old, new, expected) in [
        (of("int32 n = 1;"), of("int32 m = 1;"), "Order.n (number 1) is called m in the schema"),
        (of("int32 n = 1;"), of("int32 n = 2;"), "Order.n (number 1) has number 2 in the schema"),
        (
            of("int32 n = 1;"),
            of(""),
            "Order.n (number 1) is in version 1, and not in the schema, nor reserved there",
        ),
        (
            of("int32 n = 1;"),
            of("reserved 1; reserved \"n\";"),
            "Order.n (number 1) is in version 1, and not in the schema",
        ),
        (
            of("int64 n = 1;"),
            of("int32 n = 1;"),
            "Order.n (number 1) is int64 in version 1, and int32 in the schema",
        ),
        (
            of("int32 n = 1;"),
            of("optional int32 n = 1;"),
            "Order.n (number 1) is int32 in version 1, and optional int32 in the schema",
        ),
        (
            of("reserved 3 to 5;"),
            of("int32 n = 4;"),
            "Order.n (number 4) is in the schema, and reserved in version 1",
        ),
        (
            of("reserved 3 to 5;"),
            of("reserved 3 to 4;"),
            "Order reserves 3 to 5 in version 1, and not in the schema",
        ),
        (of("reserved \"x\";"), of(""), "Order reserves \"x\" in version 1, and not in the schema"),
        (
            proto3("enum E { A = 0; B = 1; }"),
            proto3("enum E { A = 0; C = 1; }"),
            "constant B (1) of enum E is called C in the schema",
        ),
        (
            proto3("enum E { A = 0; B = 1; }"),
            proto3("enum E { A = 0; }"),
            "constant B (1) of enum E is in version 1, and not in the schema",
        ),
        (
            proto3("message A {} service S { rpc Get(A) returns (A); }"),
            proto3("message A {} service S { rpc Get(A) returns (stream A); }"),
            "rpc S.Get is (A) returns (A) in version 1, and (A) returns (stream A) in the schema",
        ),
        (
            proto3("message A {} service S { rpc Get(A) returns (A); }"),
            proto3("message A {}"),
            "rpc S.Get is in version 1, and not in the schema",
        ),
        (
            file("syntax = \"proto3\"; package a; message A {}"),
            file("syntax = \"proto3\"; message A {}"),
            "the package is a in version 1, and none in the schema",
        ),
    ] {
        let told = broken("BACKWARD", &old, &new);
        assert!(told.lines.is_empty(), "{told:?}");
        assert_eq!(told.stricter.first(), Some(&format!("{STRICT}{expected}")), "{told:?}");
    }
    let told = broken("BACKWARD", &of("reserved 3, 4;"), &of("reserved 3 to 9; int32 n = 1;"));
    assert!(told.lines.is_empty() && told.stricter.is_empty(), "{told:?}");
}

#[test]
fn a_text_that_does_not_compile_breaks_nothing_that_could_be_named() {
    let told = broken("FULL", &file("message"), &order("int32 n = 1;"));
    assert!(told.lines.is_empty() && told.stricter.is_empty(), "{told:?}");
    let mut other = order("int32 n = 1;");
    other.schema_type = SchemaType::Avro;
    other.schema = r#""string""#.to_owned();
    let told = broken("FULL", &other, &order("string n = 1;"));
    assert!(told.lines.is_empty() && told.stricter.is_empty(), "{told:?}");
}
