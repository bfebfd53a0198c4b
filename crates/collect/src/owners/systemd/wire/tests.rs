use super::*;
use proptest::prelude::*;

#[test]
fn the_bytes_of_a_call() {
    let call = Call {
        destination: None,
        path: "/a",
        interface: "b.c",
        member: "D",
        args: vec![Arg::Text("xy"), Arg::Texts(&["z"])],
    };
    let expect: &[&[u8]] = &[
        b"l\x01\x02\x01\x12\0\0\0\x07\0\0\0\x3f\0\0\0",
        b"\x01\x01o\0\x02\0\0\0/a\0\0\0\0\0\0",
        b"\x02\x01s\0\x03\0\0\0b.c\0\0\0\0\0",
        b"\x03\x01s\0\x01\0\0\0D\0\0\0\0\0\0\0",
        b"\x08\x01g\0\x03sas\0\0\0\0\0\0\0\0",
        b"\x02\0\0\0xy\0\0\x06\0\0\0\x01\0\0\0z\0",
    ];
    let mut expect = expect.concat();
    // The last field ends before its padding.
    let fields = 16 + 16 + 16 + 9;
    expect[12] = fields;
    let body = expect.split_off(expect.len() - 18);
    expect.truncate(16 + usize::from(fields).next_multiple_of(8));
    expect.extend_from_slice(&body);
    assert_eq!(call.write(7), expect);
    assert_eq!(length(&expect), Ok(Some(expect.len())));
}

#[test]
fn values_of_every_type() {
    let check = |signature: &str, bytes: &[u8], expect: &str| {
        let mut reader = Reader { bytes, at: 0, big_endian: false };
        let mut rest = signature.as_bytes();
        let found = reader.value(&mut rest, 0);
        let told = found.map_or_else(|error| error.to_string(), |value| format!("{value:?}"));
        assert_eq!(told, expect, "{signature}");
    };
    check("y", b"\x07", "Number(7)");
    check("q", b"\x07\x01", "Number(263)");
    check("u", b"\x07\0\0", "a D-Bus message ends too early");
    check("t", b"\x01\0\0\0\0\0\0\x80", "Number(9223372036854775809)");
    check("s", b"\x01\0\0\0a\0", "Text(\"a\")");
    check("s", b"\xff\0\0\0a\0", "a D-Bus message ends too early");
    check("s", b"\xff\xff\xff\xffa\0", "a D-Bus message is larger than 16777216 bytes");
    check("g", b"\x02as\0", "Text(\"as\")");
    check("v", b"\x01y\0\x05", "Variant(Number(5))");
    check("v", b"\x02yy\0\x05\x06", "a D-Bus message is malformed");
    check("ay", b"\x02\0\0\0\x05\x06", "List([Number(5), Number(6)])");
    check("a(yy)", b"\x02\0\0\0\0\0\0\0\x05\x06", "List([List([Number(5), Number(6)])])");
    check("at", b"\0\0\0\0\0\0\0\0", "List([])");
    check("a()", b"\x02\0\0\0\0\0\0\0\x05\x06", "a D-Bus message is malformed");
    check("a{sv}", b"\0\0\0\0\0\0\0\0", "List([])");
    check("(y", b"\x01", "a D-Bus message is malformed");
    check("?", b"\x01", "a D-Bus message is malformed");
    check(&"a".repeat(200), &[0; 800], "a D-Bus message is malformed");
    check(&"(".repeat(200), &[0; 800], "a D-Bus message is malformed");
}

#[test]
fn both_byte_orders() {
    let mut reader = Reader { bytes: b"\x01\x02\0\0\0\0\0\x03", at: 0, big_endian: true };
    assert_eq!(reader.number(2), Ok(0x0102));
    assert_eq!(reader.number(4), Ok(3));
}

proptest! {
    #[test]
    fn what_is_written_is_read(text in ".{0,20}", texts in proptest::collection::vec(".{0,9}", 0..5)) {
        let texts: Vec<&str> = texts.iter().map(String::as_str).collect();
        let call = Call { destination: Some("a.b"), path: "/p", interface: "i.f", member: "M",
            args: vec![Arg::Texts(&texts), Arg::Text(&text)] };
        let bytes = reply(3, &call.args);
        let list = texts.iter().map(|text| Value::Text((*text).to_owned())).collect();
        prop_assert_eq!(length(&bytes), Ok(Some(bytes.len())));
        prop_assert_eq!(
            read(&bytes),
            Ok(Message::Return { to: 3, body: vec![Value::List(list), Value::Text(text.clone())] })
        );
        prop_assert_eq!(read(&call.write(3)), Ok(Message::Other));
    }

    #[test]
    fn any_bytes(bytes in proptest::collection::vec(any::<u8>(), 0..200), order in "[lB]", kind in 1..4_u8) {
        let _ = length(&bytes);
        let _ = read(&bytes);
        let mut headed = vec![order.as_bytes()[0], kind, 0, 1];
        headed.extend_from_slice(&bytes);
        let _ = length(&headed);
        let _ = read(&headed);
    }

    #[test]
    fn any_bytes_of_any_type(bytes in proptest::collection::vec(0..20_u8, 0..100), signature in "[ybnqiuxtdsogvha(){}]{0,9}") {
        let mut reader = Reader { bytes: &bytes, at: 0, big_endian: false };
        let _ = reader.value(&mut signature.as_bytes(), 0);
    }
}
