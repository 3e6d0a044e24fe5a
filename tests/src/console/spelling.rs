//! The ways in which one filter can be written into a query string. All of them mean the same.

use super::{
    date::Zone,
    naive::{Key, Op, Value},
};
use crate::ws::escape;

/// One filter item as text: `filters[index].key`, `.op`, and a `.value` for each of `values`.
pub fn item(index: usize, key: &str, op: &str, values: &[String], encoded: bool) -> String {
    let (open, close) = if encoded { ("%5B", "%5D") } else { ("[", "]") };
    let member = |name: &str, value: &str| format!("filters{open}{index}{close}.{name}={}", escape(value));
    let mut members = vec![member("key", key), member("op", op)];
    members.extend(values.iter().map(|value| member("value", value)));
    members.join("&")
}

/// One filter item with raw brackets and at most one value.
pub fn plain(key: &str, op: &str, value: Option<&str>) -> String {
    item(0, key, op, &value.map(str::to_owned).into_iter().collect::<Vec<_>>(), false)
}

/// Every spelling of one filter.
pub fn all(key: Key, op: Op, values: &[Value], zone: Zone) -> Vec<String> {
    let (name, word) = (key.name(), op.name());
    if op.takes_nothing() {
        return vec![
            item(0, name, word, &[], false),
            // A value is not looked at.
            item(4, name, word, &["x".to_owned()], true),
            item(2, name, word, &[String::new()], false),
        ];
    }
    if op.takes_list() {
        return lists(values, zone)
            .into_iter()
            .map(|(values, encoded)| item(3, name, word, &values, encoded))
            .collect();
    }
    let text = |form: usize| values.first().map(|value| text(value, zone, form)).unwrap_or_default();
    vec![
        item(0, name, word, &[text(0)], false),
        item(7, name, word, &[format!("\"{}\"", text(1))], true),
        item(19, name, word, &[text(2)], true),
    ]
}

fn lists(values: &[Value], zone: Zone) -> Vec<(Vec<String>, bool)> {
    let members =
        |form: usize| -> Vec<String> { values.iter().map(|value| text(value, zone, form)).collect() };
    let quoted = serde_json::Value::from(members(2)).to_string();
    let mut all = vec![(vec![quoted], false)];
    if values.len() > 1 {
        all.push((members(3), true));
    }
    // Texts with a comma have no other spelling.
    if members(0).iter().all(|member| !member.contains(',')) {
        all.push((vec![members(0).join(",")], false));
        all.push((vec![format!("[{}]", members(1).join(","))], true));
        // Blanks around numbers, dates and booleans do not count; in texts they do.
        if !values.iter().any(|value| matches!(value, Value::Text(_))) {
            all.push((vec![members(1).join(" , ")], false));
        }
    }
    all
}

/// One value as text, in one of its forms.
pub fn text(value: &Value, zone: Zone, form: usize) -> String {
    let pick = |words: [&str; 4]| words.get(form % 4).copied().unwrap_or_default().to_owned();
    match value {
        Value::Number(number) => number.to_string(),
        Value::Text(text) => text.clone(),
        Value::Flag(true) => pick(["true", "TRUE", "Yes", "1"]),
        Value::Flag(false) => pick(["false", "False", "no", "0"]),
        Value::Date(unix) => date(*unix, zone, form),
    }
}

/// One instant in one of the forms that are understood.
pub fn date(unix: i64, zone: Zone, form: usize) -> String {
    match form % 4 {
        0 => zone.print(unix),
        1 => zone.print(unix).replace(' ', "T"),
        2 => Zone::named("UTC").unwrap_or(zone).rfc3339(unix),
        _ => zone.rfc3339(unix),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn brackets_are_raw_or_encoded_and_values_always_encoded() {
        let values = ["a b".to_owned(), "[".to_owned()];
        assert_eq!(
            item(3, "k", "IN", &values, false),
            "filters[3].key=k&filters[3].op=IN&filters[3].value=a%20b&filters[3].value=%5B"
        );
        assert!(item(3, "k", "IN", &[], true).starts_with("filters%5B3%5D.key=k&filters%5B3%5D.op=IN"));
        assert_eq!(plain("k", "EQUAL", Some("1")), "filters[0].key=k&filters[0].op=EQUAL&filters[0].value=1");
    }

    #[test]
    fn a_list_has_all_the_documented_forms() {
        let zone = Zone::named("UTC").unwrap();
        let spellings = all(Key::UserId, Op::In, &[Value::Number(1), Value::Number(2)], zone).join("\n");
        for part in
            ["value=1%2C2", "value=%5B1%2C2%5D", "value=%5B%221%22%2C%222%22%5D", "value=1&", "1%20%2C%202"]
        {
            assert!(spellings.contains(part), "{part} in {spellings}");
        }
        let with_comma =
            all(Key::FullName, Op::In, &[Value::Text("a,b".into()), Value::Text("c".into())], zone);
        assert_eq!(with_comma.len(), 2);
    }

    #[test]
    fn a_date_is_the_same_instant_in_every_form() {
        let zone = Zone::named("Asia/Shanghai").unwrap();
        let forms: Vec<String> = (0..4).map(|form| date(1_752_631_200, zone, form)).collect();
        assert_eq!(
            forms,
            [
                "2025-07-16 10:00:00",
                "2025-07-16T10:00:00",
                "2025-07-16T02:00:00Z",
                "2025-07-16T10:00:00+08:00"
            ]
        );
    }
}
