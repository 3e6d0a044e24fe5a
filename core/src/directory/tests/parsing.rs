//! Query strings, item by item (`docs/rules/message-center.md#filters`).

use super::support::pairs;
use crate::{
    directory::{
        filter::{
            Comparison, Condition, DateColumn, Key, Kind, Operator, QueryError, Second, TextColumns, TextTest,
        },
        query::{Direction, InfoScope, ListQuery, OrderBy},
        zone::Zone,
    },
    time::Timestamp,
};

fn parse(given: &[(&str, &str)]) -> Result<ListQuery, QueryError> {
    ListQuery::parse(Kind::List, &pairs(given), &Zone::default())
}

fn conditions(given: &[(&str, &str)]) -> Vec<Condition> {
    parse(given).unwrap().conditions
}

/// The conditions of one filter.
fn filter(key: &str, operator: &str, values: &[&str]) -> Result<Vec<Condition>, QueryError> {
    let mut given = vec![("filters[0].key", key), ("filters[0].op", operator)];
    given.extend(values.iter().map(|value| ("filters[0].value", *value)));
    parse(&given).map(|query| query.conditions)
}

fn key_of(given: &[(&str, &str)]) -> &'static str {
    parse(given).unwrap_err().key()
}

fn user(number: i64) -> Condition {
    Condition::User(Comparison::Equal(number))
}

#[test]
fn every_operator_is_allowed_or_refused_by_its_keys_type() {
    for key in Key::ALL {
        for operator in Operator::ALL {
            let value = match key {
                Key::UserId => "7",
                Key::Online => "true",
                Key::OnlineDate | Key::OfflineDate => "2025-07-16 10:00:00",
                _ => "text",
            };
            let range = matches!(
                operator,
                Operator::GreaterThan
                    | Operator::GreaterThanEqual
                    | Operator::LessThan
                    | Operator::LessThanEqual
            );
            let positive = matches!(operator, Operator::Match | Operator::MatchEnd);
            let negative = matches!(operator, Operator::NotMatch | Operator::NotMatchEnd);
            let text = matches!(key, Key::FullName | Key::DeviceId | Key::RemoteAddress);
            let expected = if range && (text || key == Key::Online) {
                Err("unsupported_range_filter")
            } else if (positive && (!text || key == Key::DeviceId)) || (negative && !text) {
                Err("unsupported_match_filter")
            } else {
                Ok(1)
            };
            let outcome = filter(key.name(), operator.name(), &[value]);
            assert_eq!(
                outcome.map(|conditions| conditions.len()).map_err(|error| error.key()),
                expected,
                "{key:?} {operator:?}"
            );
        }
    }
}

#[test]
fn items_count_by_index_with_gaps_and_in_any_order() {
    let given = [
        ("filters[7].value", "b"),
        ("filters[2].op", "EQUAL"),
        ("filters[7].op", "MATCH"),
        ("filters[2].key", "userId"),
        ("filters[7].key", "fullName"),
        ("filters[2].value", "5"),
    ];
    let name = Condition::Text(TextColumns::FullName, TextTest::Contains("b".into()));
    assert_eq!(conditions(&given), [user(5), name]);
}

#[test]
fn an_item_without_key_operator_or_value_is_dropped() {
    assert_eq!(filter("", "EQUAL", &["1"]).unwrap(), []);
    assert_eq!(filter("userId", "", &["1"]).unwrap(), []);
    assert_eq!(filter("userId", "EQUAL", &[]).unwrap(), []);
    assert_eq!(conditions(&[("filters[0].key", "nickname")]), []);
    assert_eq!(filter("userId", "IS_NULL", &[]).unwrap(), [Condition::User(Comparison::Null)]);
    // An empty value is a value.
    let empty = Condition::Text(TextColumns::DeviceId, TextTest::Equal(String::new()));
    assert_eq!(filter("deviceId", "EQUAL", &[""]).unwrap(), [empty]);
}

#[test]
fn of_two_items_with_one_key_and_operator_the_first_counts() {
    let given = [
        ("filters[1].key", "userId"),
        ("filters[1].op", "EQUAL"),
        ("filters[1].value", "2"),
        ("filters[0].key", "userId"),
        ("filters[0].op", "EQUAL"),
        ("filters[0].value", "1"),
        ("filters[3].key", "USERID"),
        ("filters[3].op", "EQUAL"),
        ("filters[3].value", "no number"),
        ("filters[4].key", "userId"),
        ("filters[4].op", "LESS_THAN"),
        ("filters[4].value", "9"),
    ];
    assert_eq!(conditions(&given), [user(1), Condition::User(Comparison::Less(9))]);
}

#[test]
fn a_filter_wins_over_the_parameter_of_its_key() {
    let filter = [("filters[0].key", "userId"), ("filters[0].op", "EQUAL"), ("filters[0].value", "1")];
    assert_eq!(conditions(&[("userId", "2"), filter[0], filter[1], filter[2]]), [user(1)]);
    let other = [("filters[0].key", "userId"), ("filters[0].op", "NOT_EQUAL"), ("filters[0].value", "1")];
    assert_eq!(
        conditions(&[("userId", "2"), other[0], other[1], other[2]]),
        [Condition::User(Comparison::NotEqual(1)), user(2)]
    );
}

#[test]
fn parameters_are_equalities_and_empty_ones_are_absent() {
    let given = [
        ("userId", "9007199254740993"),
        ("fullName", "Zhang San"),
        ("deviceId", "\"d\""),
        ("remoteAddress", "10.0.0.1"),
        ("online", "YES"),
        ("onlineDate", "2025-07-16T02:00:00Z"),
        ("offlineDate", "2025-07-16 02:00:00"),
        ("keyword", "ignored"),
    ];
    let second = || Second::of(Timestamp::from_secs(1_752_631_200));
    let text = |columns, text: &str| Condition::Text(columns, TextTest::Equal(text.into()));
    assert_eq!(
        conditions(&given),
        [
            user(9_007_199_254_740_993),
            text(TextColumns::FullName, "Zhang San"),
            text(TextColumns::DeviceId, "\"d\""),
            text(TextColumns::RemoteAddress, "10.0.0.1"),
            Condition::Online { online: true, offline: false },
            Condition::Date(DateColumn::Online, Comparison::Equal(second())),
            Condition::Date(DateColumn::Offline, Comparison::Equal(second())),
        ]
    );
    let empty = given.map(|(name, _)| (name, ""));
    assert_eq!(conditions(&empty), []);
    assert_eq!(parse(&[("pageNo", ""), ("pageSize", ""), ("orderBy", "")]), Ok(ListQuery::default()));
}

#[test]
fn parameters_that_cannot_be_read_are_named() {
    for (name, value) in [
        ("userId", "x"),
        ("userId", "1.5"),
        ("userId", "9223372036854775808"),
        ("online", "maybe"),
        ("onlineDate", "yesterday"),
        ("offlineDate", "2025-07"),
        ("pageNo", "two"),
        ("pageSize", "1e3"),
        ("orderSort", "asc"),
        ("infoScope", "ALL"),
    ] {
        let error = parse(&[(name, value)]).unwrap_err();
        let expected = format!("Parameter parsing failed, field {name}, rejected {value}");
        assert_eq!((error.key(), error.to_string()), ("param_validation_error", expected));
    }
    assert_eq!(
        filter("userId", "LIKE", &["1"]).unwrap_err().to_string(),
        "Parameter parsing failed, field filters[0].op, rejected LIKE"
    );
}

#[test]
fn a_name_that_begins_like_a_filter_is_one_or_an_error_that_names_the_forms() {
    for name in ["filters", "filters[x].key", "Filters[0].key", "filter.0.key", "filterKey"] {
        let error = parse(&[(name, "userId")]).unwrap_err();
        assert_eq!(error.key(), "param_validation_error");
        let text = error.to_string();
        let start = format!("Parameter parsing failed, field {name}, rejected userId; a filter is ");
        assert!(text.starts_with(&start), "{text}");
        for form in ["filters[0].key", "filters[0][key]", "filters.0.key"] {
            assert!(text.contains(form), "{text}");
        }
    }
    assert!(parse(&[("myfilters[0].key", "userId"), ("x", "filters")]).is_ok());
}

#[test]
fn the_three_forms_of_a_filter_mean_the_same_and_are_not_mixed() {
    let forms: [fn(&str) -> String; 3] =
        [|it| format!("filters[4].{it}"), |it| format!("filters[4][{it}]"), |it| format!("filters.4.{it}")];
    let given = |names: [String; 3]| {
        let names = names.each_ref().map(String::as_str);
        let values = ["userId", "EQUAL", "101"];
        let pairs: Vec<_> = names.into_iter().zip(values).collect();
        parse(&pairs).map(|query| query.conditions)
    };
    for form in forms {
        assert_eq!(given([form("key"), form("op"), form("value")]), Ok(vec![user(101)]));
        for other in forms.into_iter().filter(|other| other("key") != form("key")) {
            for mixed in [
                [other("key"), form("op"), form("value")],
                [form("key"), other("op"), form("value")],
                [form("key"), form("op"), other("value")],
            ] {
                assert!(matches!(given(mixed), Err(QueryError::FilterForm { .. })));
            }
        }
    }
    // Two filters may differ.
    let two = [("filters[0].key", "userId"), ("filters[0].op", "IS_NULL"), ("filters.1.op", "EQUAL")];
    assert_eq!(parse(&two).unwrap().conditions, [Condition::User(Comparison::Null)]);
}

#[test]
fn members_of_a_list_may_have_names_of_their_own() {
    let listed = |op: &str, names: &[&str], values: &[&str]| {
        let mut pairs = vec![("filters[0][key]", "fullName"), ("filters[0][op]", op)];
        pairs.extend(names.iter().copied().zip(values.iter().copied()));
        parse(&pairs).map(|query| query.conditions)
    };
    let texts = |texts: &[&str]| {
        let texts = texts.iter().map(|text| (*text).to_owned()).collect();
        Ok(vec![Condition::Text(TextColumns::FullName, TextTest::In(texts))])
    };
    let two = ["filters[0][value][0]", "filters[0][value][1]"];
    assert_eq!(listed("IN", &two, &["a,b", "c"]), texts(&["a,b", "c"]));
    // One member with a comma is not two.
    assert_eq!(listed("IN", &two[..1], &["a,b"]), texts(&["a,b"]));
    assert_eq!(listed("IN", &["filters[0][value][]"; 2], &["a", "b"]), texts(&["a", "b"]));
    let one = Condition::Text(TextColumns::FullName, TextTest::Equal("a".into()));
    assert_eq!(listed("EQUAL", &two[..1], &["a"]), Ok(vec![one]));
    assert_eq!(listed("EQUAL", &two, &["a", "b"]).unwrap_err().key(), "param_validation_error");
    let mixed = listed("IN", &["filters[0][value]", "filters[0][value][0]"], &["a", "b"]);
    assert!(matches!(mixed, Err(QueryError::FilterForm { .. })));
}

#[test]
fn limits_are_told_by_their_bound() {
    for (name, value, message) in [
        ("pageNo", "0", "must be greater than or equal to 1"),
        ("pageNo", "100001", "must be less than or equal to 100000"),
        ("pageNo", "99999999999", "must be less than or equal to 100000"),
        ("pageSize", "-1", "must be greater than or equal to 1"),
        ("pageSize", "2001", "must be less than or equal to 2000"),
    ] {
        let error = parse(&[(name, value)]).unwrap_err();
        assert_eq!((error.key(), error.to_string().as_str()), ("param_validation_error", message));
    }
    let names: Vec<_> = (0..=20).map(|index| format!("filters[{index}].key")).collect();
    let given: Vec<_> = names.iter().map(|name| (name.as_str(), "userId")).collect();
    assert_eq!(parse(&given), Err(QueryError::TooMany(20)));
    assert!(parse(&given[..20]).is_ok());
}

#[test]
fn paging_and_order_are_read() {
    let given = [("pageNo", "100000"), ("pageSize", "2000"), ("orderBy", "fullName"), ("orderSort", "ASC")];
    let query = parse(&given).unwrap();
    assert_eq!((query.page.offset(), query.page.size()), (199_998_000, 2_000));
    assert_eq!((query.order.by, query.order.direction), (OrderBy::FullName, Direction::Ascending));
    let default = parse(&[("infoScope", "BASIC")]).unwrap();
    assert_eq!((default.page.offset(), default.page.size()), (0, 10));
    assert_eq!((default.order.by, default.order.direction), (OrderBy::Id, Direction::Descending));
    assert_eq!(default.scope, Some(InfoScope::Basic));
}

#[test]
fn an_order_outside_the_list_is_refused_with_and_without_filters() {
    for name in ["deviceId", "ID", "online", "remoteAddress", "userid"] {
        let error = parse(&[("orderBy", name)]).unwrap_err();
        assert_eq!(error.to_string(), format!("Unsupported sort filter field:{name}"));
        assert_eq!(key_of(&[("orderBy", name), ("userId", "1")]), "unsupported_order_by");
    }
}

#[test]
fn keys_outside_the_list_are_refused() {
    for key in [
        "nickname",
        "id",
        "userAgent",
        "avatar",
        "tenantId",
        "userid",
        "pageNo",
        "orderBy",
        "filters",
        " userId",
    ] {
        let error = filter(key, "EQUAL", &["1"]).unwrap_err();
        assert_eq!(error.to_string(), format!("Unsupported filter field:{key}"));
        assert_eq!(error.key(), "unsupported_filter_field");
    }
    // A member that is given twice is no key either.
    let given = [("filters[0].key", "userId"), ("filters[0].key", "online"), ("filters[0].op", "IS_NULL")];
    assert_eq!(key_of(&given), "unsupported_filter_field");
}

#[test]
fn lists_are_read_in_all_their_spellings() {
    let users = |values: &[&str]| filter("userId", "IN", values).unwrap();
    let expected = [Condition::User(Comparison::In(vec![101, 104]))];
    for values in [
        &["101,104"][..],
        &["101, 104"],
        &["[101,104]"],
        &["[\"101\", \"104\"]"],
        &["\"101,104\""],
        &["101", "104"],
    ] {
        assert_eq!(users(values), expected, "{values:?}");
    }
    assert_eq!(users(&[""]), [Condition::User(Comparison::In(vec![]))]);
    assert_eq!(users(&["[]"]), [Condition::User(Comparison::In(vec![]))]);

    let names = |values: &[&str]| filter("fullName", "NOT_IN", values).unwrap();
    let expected = |names: &[&str]| {
        let names = names.iter().map(|name| (*name).to_owned()).collect();
        [Condition::Text(TextColumns::FullName, TextTest::NotIn(names))]
    };
    assert_eq!(names(&["a, b"]), expected(&["a", " b"]));
    assert_eq!(names(&["[\"a\",\"b, c\"]"]), expected(&["a", "b, c"]));
    assert_eq!(names(&["a,b", "\"c\""]), expected(&["a,b", "c"]));
    assert_eq!(names(&[""]), expected(&[]));
}

#[test]
fn a_list_has_at_most_a_thousand_members() {
    let list = |count: usize| vec!["1"; count].join(",");
    assert!(filter("userId", "IN", &[&list(1_000)]).is_ok());
    for key in ["userId", "fullName"] {
        assert_eq!(filter(key, "IN", &[&list(1_001)]), Err(QueryError::TooMany(1_000)));
    }
}

#[test]
fn a_value_of_another_type_is_a_format_error() {
    for (key, operator, value) in [
        ("userId", "EQUAL", ""),
        ("userId", "GREATER_THAN", "x"),
        ("userId", "IN", "1,x"),
        ("online", "EQUAL", "maybe"),
        ("onlineDate", "EQUAL", "2025-07"),
        ("offlineDate", "IN", "2025-07-16 10:00:00,soon"),
    ] {
        assert_eq!(filter(key, operator, &[value]).unwrap_err().key(), "param_format_error", "{key} {value}");
    }
    assert_eq!(
        filter("onlineDate", "EQUAL", &["now"]).unwrap_err().to_string(),
        "Parameter onlineDate format now error"
    );
    assert_eq!(filter("userId", "EQUAL", &["1", "2"]).unwrap_err().key(), "param_validation_error");
}

#[test]
fn quotes_around_a_value_are_dropped() {
    assert_eq!(filter("userId", "EQUAL", &["\"101\""]).unwrap(), [user(101)]);
    let date = filter("onlineDate", "LESS_THAN", &["\"2025-07-16\" \"10:00:00\""]).unwrap();
    let ten = Second::of(Timestamp::from_secs(1_752_660_000));
    assert_eq!(date, [Condition::Date(DateColumn::Online, Comparison::Less(ten))]);
    let name = Condition::Text(TextColumns::FullName, TextTest::Equal("\"".into()));
    assert_eq!(filter("fullName", "EQUAL", &["\"\"\""]).unwrap(), [name]);
}

/// The original took the words true and false for booleans whatever the key: a user of that name was not found.
#[test]
fn a_text_may_be_called_true() {
    let name = Condition::Text(TextColumns::FullName, TextTest::Equal("true".into()));
    assert_eq!(filter("fullName", "EQUAL", &["true"]).unwrap(), [name]);
}

#[test]
fn booleans_become_what_passes() {
    let online = |online, offline| vec![Condition::Online { online, offline }];
    for (operator, value, expected) in [
        ("EQUAL", "on", online(true, false)),
        ("NOT_EQUAL", "TRUE", online(false, true)),
        ("IN", "true,0", online(true, true)),
        ("NOT_IN", "[no]", online(true, false)),
        ("IN", "", online(false, false)),
        ("IS_NULL", "", online(false, false)),
        ("IS_NOT_NULL", "", online(true, true)),
    ] {
        assert_eq!(filter("online", operator, &[value]).unwrap(), expected, "{operator} {value}");
    }
}

#[test]
fn a_search_matches_name_and_address_together_and_nothing_else() {
    let search = |key: &str, operator: &str| {
        let given = [("filters[0].key", key), ("filters[0].op", operator), ("filters[0].value", "v")];
        let query = ListQuery::parse(Kind::Search, &pairs(&given), &Zone::default()).unwrap();
        match query.conditions.as_slice() {
            [Condition::Text(columns, _)] => *columns,
            other => panic!("{other:?}"),
        }
    };
    for operator in ["MATCH", "MATCH_END", "NOT_MATCH", "NOT_MATCH_END"] {
        assert_eq!(search("fullName", operator), TextColumns::NameAndAddress);
        assert_eq!(search("remoteAddress", operator), TextColumns::NameAndAddress);
    }
    for operator in ["EQUAL", "NOT_EQUAL", "IN", "NOT_IN", "IS_NULL"] {
        assert_eq!(search("fullName", operator), TextColumns::FullName);
    }
    assert_eq!(search("deviceId", "NOT_MATCH"), TextColumns::DeviceId);
}
