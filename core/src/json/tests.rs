use std::collections::BTreeMap;

use proptest::prelude::*;
use serde::{Deserialize, Serialize};

use super::*;

#[derive(Debug, Default, PartialEq, Serialize, Deserialize)]
struct Point {
    x: i64,
    #[serde(default)]
    label: Option<String>,
    #[serde(default)]
    more: Vec<Point>,
}

#[derive(Debug, PartialEq, Serialize, Deserialize)]
enum Shape {
    Nothing,
    Circle(u8),
    Line(i64, i64),
    Polygon { points: Vec<Point>, closed: bool },
}

fn point(text: &str) -> Result<Point, Unread> {
    read(text)
}

#[test]
fn what_is_written_is_read_back() {
    let label = Some("a \"b\" \u{e9}".to_owned());
    let one = Point { x: i64::MIN, label, more: vec![Point::default()] };
    assert_eq!(point(&serde_json::to_string(&one).unwrap()), Ok(one));
    for shape in [
        Shape::Nothing,
        Shape::Circle(255),
        Shape::Line(i64::MAX, -1),
        Shape::Polygon { points: vec![Point::default()], closed: true },
    ] {
        let text = serde_json::to_string(&shape).unwrap();
        assert_eq!(read::<Shape>(&text), Ok(shape), "{text}");
    }
    let map: BTreeMap<String, (u64, f64)> = BTreeMap::from([("k".to_owned(), (u64::MAX, 0.5))]);
    assert_eq!(read(&serde_json::to_string(&map).unwrap()), Ok(map));
}

#[test]
fn a_struct_is_an_object_and_never_an_array() {
    assert_eq!(point("[1,null,[]]"), Err(Unread::Unexpected("")));
    assert_eq!(point(r#"{"x":1,"more":[[2,null,[]]]}"#), Err(Unread::Unexpected("more")));
    assert_eq!(object::<Point>(b" [1,null,[]]"), Err(Unread::NoObject));
    assert_eq!(object::<Vec<u8>>(b"[1]"), Err(Unread::NoObject));
    assert_eq!(read::<Shape>(r#"{"Polygon":[[],true]}"#), Err(Unread::Unexpected("")));
}

#[test]
fn what_is_wrong_is_named_and_not_quoted() {
    for (text, wrong, words) in [
        ("{\"x\":1,\n \"y\"}", Unread::Syntax { line: 2, column: 5 }, "no JSON at line 2, column 5"),
        ("", Unread::Syntax { line: 1, column: 0 }, "no JSON at line 1, column 0"),
        ("{\"x\":1}}", Unread::Syntax { line: 1, column: 8 }, "no JSON at line 1, column 8"),
        ("{}", Unread::Missing("x"), "missing field `x`"),
        (r#"{"x":1,"x":1}"#, Unread::Twice("x"), "field `x` stands twice"),
        (r#"{"x":"secret"}"#, Unread::Unexpected("x"), "x: another value was expected"),
        (r#"{"x":1.0}"#, Unread::Unexpected("x"), "x: another value was expected"),
        (r#"{"x":9223372036854775808}"#, Unread::Unexpected("x"), "x: another value was expected"),
        (r#"{"x":null}"#, Unread::Unexpected("x"), "x: another value was expected"),
        (
            r#"{"x":1,"more":[{"x":1,"label":5}]}"#,
            Unread::Unexpected("label"),
            "label: another value was expected",
        ),
        (r#"{"x":1,"more":[{"x":1},{}]}"#, Unread::Missing("x"), "missing field `x`"),
        ("\"secret\"", Unread::Unexpected(""), "another value was expected"),
    ] {
        assert_eq!(point(text), Err(wrong), "{text}");
        assert_eq!(wrong.to_string(), words);
    }
}

#[test]
fn members_that_nobody_asked_for_may_hold_anything() {
    assert_eq!(
        point(r#"{"y":{"z":[1,{}]},"x":1,"y":2,"label":null}"#),
        Ok(Point { x: 1, ..Point::default() })
    );
}

#[test]
fn one_variant_and_as_many_parts_as_it_has() {
    for text in [
        r#"{"Circle":1,"Line":[1,2]}"#,
        "{}",
        r#""Circle""#,
        r#"{"Circle":256}"#,
        r#"{"Line":[1]}"#,
        r#"{"Line":[1,2,3]}"#,
        r#"{"Nothing":1}"#,
        r#""Other""#,
        "1",
    ] {
        assert!(read::<Shape>(text).is_err(), "{text}");
    }
}

#[test]
fn numbers_come_as_numbers_or_texts() {
    let integers =
        |text: &str| read::<Vec<Integer>>(text).map(|all| all.into_iter().map(|Integer(n)| n).collect());
    assert_eq!(integers(r#"[1,"-2"," 3 ","9223372036854775807"]"#), Ok(vec![1, -2, 3, i64::MAX]));
    for text in ["[1.0]", "[\"1.0\"]", "[\"\"]", "[true]", "[null]", "[9223372036854775808]", "[[1]]"] {
        assert!(integers(text).is_err(), "{text}");
    }
    let numbers = r#"[1,1.5,"1","1.5",18446744073709551615]"#;
    let read: Vec<Number> = read(numbers).unwrap();
    assert_eq!(
        read,
        [
            Number::Whole(1),
            Number::Fraction(1.5),
            Number::Text(Some(1)),
            Number::Text(None),
            Number::Fraction(18_446_744_073_709_551_615.0)
        ]
    );
}

#[test]
fn a_text_nests_only_so_deep() {
    let nested = |depth: usize| format!("{}{}", "[".repeat(depth), "]".repeat(depth));
    assert!(Tree::parse(nested(100).as_bytes()).is_ok());
    assert!(matches!(Tree::parse(nested(100_000).as_bytes()), Err(Unread::Syntax { .. })));
}

proptest! {
    #[test]
    fn nothing_makes_the_reader_panic(text in "\\PC{0,100}|[\\[\\]{}\",:x0-9.e-]{0,60}") {
        let _ = read::<Point>(&text);
        let _ = read::<Shape>(&text);
        let _ = object::<Point>(text.as_bytes());
    }

    /// Of objects it takes what serde_json's own reader takes.
    #[test]
    fn an_object_is_what_others_read(
        x in prop_oneof!["[0-9]{1,20}", "-?[0-9]{1,3}(\\.[0-9]{1,2})?", "null|\"\"|\\{\\}"],
        label in prop_oneof!["\"\\\\u00e9[a-z]{0,3}\"", "null|1|\\[\\]"],
        more in "\\[(\\{\"x\":[0-9]\\}(,\\{\"x\":[0-9],\"label\":\"[a-z]\"\\})?)?\\]",
    ) {
        let text = format!(r#"{{"x":{x}, "label":{label},"more":{more}}}"#);
        prop_assert_eq!(read::<Point>(&text).ok(), serde_json::from_str(&text).ok());
    }
}
