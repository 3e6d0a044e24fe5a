//! What is read from JSON, and how its faults are told.

use proptest::prelude::*;
use serde::Deserialize;

use super::*;

#[derive(Debug, Default, PartialEq, Deserialize)]
struct Point {
    x: i64,
    #[serde(default)]
    label: Option<String>,
    #[serde(default)]
    more: Vec<Point>,
    #[serde(default)]
    shape: Option<Shape>,
    #[serde(default)]
    inner: Option<Keyed<Box<Point>>>,
}

#[derive(Debug, PartialEq, Deserialize)]
enum Shape {
    Circle,
}

fn point(text: &str) -> Result<Point, JsonError> {
    read(text)
}

#[test]
fn an_array_is_no_object() {
    for text in ["[1,null,[]]", " [1,null,[]]", "1", "\"x\"", "null", "true"] {
        assert_eq!(object::<Point>(text.as_bytes()), Err(JsonError::NoObject), "{text}");
    }
    assert_eq!(object::<Vec<u8>>(b"[1]"), Err(JsonError::NoObject));
    assert_eq!(JsonError::NoObject.to_string(), "expected an object");
    assert_eq!(object(b" \n{\"x\":1}"), Ok(Point { x: 1, ..Point::default() }));
    for text in [r#"{"x":1,"inner":[2]}"#, r#"{"x":1,"inner":2}"#] {
        assert_eq!(point(text).unwrap_err().to_string(), "inner: expected an object", "{text}");
    }
    assert_eq!(point(r#"{"x":1,"inner":{"x":2}}"#).unwrap().inner.unwrap().0.x, 2);
    assert_eq!(
        point(r#"{"x":1,"inner":{"x":"secret"}}"#).unwrap_err().to_string(),
        "inner.x: expected a whole number"
    );
}

#[test]
fn what_is_wrong_is_named_and_not_quoted() {
    for (text, words) in [
        ("{\"x\":1,\n \"y\"}", "no JSON at line 2, column 5"),
        ("", "no JSON at line 1, column 0"),
        ("{\"x\":1}}", "no JSON at line 1, column 8"),
        ("{}", "missing field `x`"),
        (r#"{"x":1,"x":1}"#, "field `x` stands twice"),
        (r#"{"x":"secret"}"#, "x: expected a whole number"),
        (r#"{"x":1.0}"#, "x: expected a whole number"),
        (r#"{"x":9223372036854775808}"#, "x: expected a whole number"),
        (r#"{"x":null}"#, "x: expected a whole number"),
        (r#"{"x":1,"more":[{"x":1,"label":5}]}"#, "more[0].label: expected text"),
        (r#"{"x":1,"more":[{"x":1},{}]}"#, "more[1]: missing field `x`"),
        (r#"{"x":1,"shape":"secret"}"#, "shape: expected `Circle`"),
        (r#"{"x":1,"shape":{"secret":1}}"#, "shape: expected `Circle`"),
        (r#"{"x":1,"shape":", expected `secret`"}"#, "shape: expected `Circle`"),
        (r#"{"x":", expected secret at line 1 column 2"}"#, "x: expected a whole number"),
        (r#"{"x":1,"more":{}}"#, "more: expected a list"),
        ("\"secret\"", "expected an object"),
        (r#"{"x":1,"secret":}"#, "no JSON at line 1, column 17"),
    ] {
        assert_eq!(point(text).unwrap_err().to_string(), words, "{text}");
    }
}

#[test]
fn bytes_that_are_no_text_are_no_json() {
    for (bytes, column) in [(&b"{\"x\":1,\n\"y\":\"\xff\"}"[..], 6), (b"\n\xff", 1)] {
        assert_eq!(object::<Point>(bytes), Err(JsonError::Syntax { line: 2, column }));
    }
}

#[test]
fn members_that_the_type_does_not_have_may_hold_anything() {
    assert_eq!(
        point(r#"{"y":{"z":[1,{}]},"x":1,"y":2,"label":null}"#),
        Ok(Point { x: 1, ..Point::default() })
    );
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
fn a_list_keeps_as_many_items_as_its_limit_and_reads_them_all() {
    for length in 0..6 {
        let text = format!("[{}]", vec!["\"\""; length].join(","));
        let kept = vec![String::new(); length.min(3)];
        assert_eq!(list::<String>(&text, 3), Ok((kept.clone(), length)));
        assert_eq!(read::<List<String, 3>>(&text), Ok(List { items: kept, length }));
    }
    for text in ["[\"\",\"\",\"\",\"\",5]", "{}", "null", "\"\"", "[\"\"", "[] []", "[\"\",]"] {
        assert!(list::<String>(text, 3).is_err(), "{text}");
        assert!(read::<List<String, 3>>(text).is_err(), "{text}");
    }
    assert_eq!(list::<String>("[5]", 3).unwrap_err().to_string(), "[0]: expected text");
    assert_eq!(list::<String>("[\"\",\"\",{}]", 1).unwrap_err().to_string(), "[2]: expected text");
    assert_eq!(list::<String>("{}", 3).unwrap_err().to_string(), "expected a list");
    let points = list::<Point>(r#"[{"x":"secret"}]"#, 3).unwrap_err();
    assert_eq!(points.clone().within("all").to_string(), "all[0].x: expected a whole number");
    for text in ["[1,\"secret\"]", "[1,\"secret\",2]", "[1,\"secret\" ,2]", "[1,1.5 ]"] {
        let error = read::<Vec<Integer>>(text).unwrap_err();
        assert_eq!(error.to_string(), "[1]: expected a 64-bit integer or its decimal text", "{text}");
    }
    for text in ["[\"1\",\"\"]", "[\"1\",\"\",\"2\"]"] {
        let error = read::<Vec<crate::id::RecordId>>(text).unwrap_err();
        assert_eq!(error.to_string(), "[1]: another value was expected", "{text}");
    }
    assert_eq!(list::<i8>("[5", 3), Err(JsonError::Syntax { line: 1, column: 2 }));
}

#[test]
fn a_text_nests_only_so_deep() {
    let nested = |depth: usize| format!("{}{}", "[".repeat(depth), "]".repeat(depth));
    let value = |depth| read::<serde_json::Value>(&nested(depth));
    assert!(value(100).is_ok());
    assert!(matches!(value(100_000), Err(JsonError::Syntax { .. })));
}

/// JSON near what a [`Point`] takes: right and wrong values under its names and others.
fn near_points() -> impl Strategy<Value = serde_json::Value> {
    use serde_json::{Value, json};
    let leaf = prop_oneof![
        3 => Just(json!(1)),
        1 => proptest::sample::select(vec![
            json!(null), json!(true), json!(-1.5), json!(u64::MAX), json!("secret"), json!("Circle"), json!([]), json!({}),
        ]),
    ];
    leaf.prop_recursive(4, 24, 4, |inner| {
        let names = proptest::sample::select(vec!["x", "label", "more", "shape", "inner", "se.cret"]);
        let members = proptest::collection::vec((names, inner.clone()), 0..4);
        let object = (any::<bool>(), members).prop_map(|(has_x, members)| {
            let x = has_x.then(|| ("x".to_owned(), json!(1)));
            Value::Object(
                x.into_iter()
                    .chain(members.into_iter().map(|(name, value)| (name.to_owned(), value)))
                    .collect(),
            )
        });
        prop_oneof![object, proptest::collection::vec(inner, 0..4).prop_map(Value::Array)]
    })
}

/// The place of the first error as another library follows it. It names variants too, which are values of the input.
fn followed<T: serde::de::DeserializeOwned>(text: &str) -> Option<String> {
    let error =
        serde_path_to_error::deserialize::<_, T>(&mut serde_json::Deserializer::from_str(text)).err()?;
    let place = error.path().iter().fold(String::new(), |place, segment| match segment {
        serde_path_to_error::Segment::Map { key } if place.is_empty() => key.clone(),
        serde_path_to_error::Segment::Map { key } => format!("{place}.{key}"),
        serde_path_to_error::Segment::Seq { index } => format!("{place}[{index}]"),
        _ => place,
    });
    Some(place)
}

proptest! {
    #[test]
    fn an_error_names_the_value_where_the_reader_stopped(value in near_points(), is_pretty: bool, twice: bool) {
        let mut text = if is_pretty { format!("{value:#}") } else { value.to_string() };
        if twice {
            text = text.replacen("\"x\":", "\"x\":1,\"x\":", 1);
        }
        // `serde_json` calls a number no JSON where an enum is expected.
        if let Err(error @ JsonError::Data { .. }) = read::<Point>(&text) {
            let JsonError::Data { path, .. } = &error else { unreachable!() };
            prop_assert_eq!(Some(path.clone()), followed::<Point>(&text), "{}: {}", text, error);
        }
        if let Err(error @ JsonError::Data { .. }) = list::<Point>(&text, 2) {
            let JsonError::Data { path, .. } = &error else { unreachable!() };
            prop_assert_eq!(Some(path.clone()), followed::<Vec<Point>>(&text), "{}: {}", text, error);
        }
    }

    #[test]
    fn nothing_makes_the_reader_panic(text in "\\PC{0,100}|[\\[\\]{}\",:x0-9.e-]{0,60}") {
        let _ = read::<Point>(&text);
        let _ = list::<Point>(&text, 2);
        let _ = object::<Point>(text.as_bytes());
    }
}
