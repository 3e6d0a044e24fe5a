//! The forms of a filter, and precedence among several.

use anyhow::{Context as _, Result};

use crate::{
    cases::{Case, cases},
    check::{holds, same},
    console::{
        api::{Api, LIST, SEARCH},
        fixture::{Row, crowd},
        spelling::{item, plain},
    },
    world::World,
    ws::escape,
};

pub(super) fn cases() -> Vec<Case> {
    cases![Console, "console":
        items_without_key_operator_or_value_are_dropped,
        an_empty_value_is_a_value,
        an_empty_list_has_no_members,
        of_items_with_the_same_key_and_operator_the_first_counts,
        the_first_is_the_one_with_the_smaller_index,
        an_item_with_equal_wins_over_the_parameter,
        a_range_takes_two_operators,
        one_quotation_mark_is_taken_off_each_end,
        members_may_stand_in_any_order_and_between_others,
        operators_and_keys_have_exactly_their_case,
        keys_that_cannot_be_filtered_by_are_refused,
        values_of_another_type_are_refused,
        the_forms_that_clients_write_are_understood,
        forms_of_one_filter_are_not_mixed,
        filters_that_cannot_be_read_are_not_ignored,
        all_words_for_a_boolean_are_understood,
        unknown_parameters_are_ignored,
    ]
}

async fn shows(api: &Api, query: &str, passes: impl Fn(&Row) -> bool) -> Result<()> {
    let mut ids: Vec<String> =
        crowd().iter().filter(|row| passes(row)).map(|row| row.id.to_string()).collect();
    ids.reverse();
    for path in [LIST, SEARCH] {
        let page = api.page("crowd", path, &format!("pageSize=100&{query}")).await?;
        same((page.ids(), page.total), (ids.clone(), ids.len()), "ids and total")
            .with_context(|| format!("{path}?{query}"))?;
    }
    Ok(())
}

async fn refused(api: &Api, query: &str, key: &str) -> Result<()> {
    for path in [LIST, SEARCH] {
        api.refused("crowd", &format!("{path}?{query}"), 400, key).await?;
    }
    Ok(())
}

async fn items_without_key_operator_or_value_are_dropped(world: World) -> Result<()> {
    let api = Api::with_fixture(&world).await?;
    for query in [
        "filters[0].op=EQUAL&filters[0].value=301",
        "filters[0].key=&filters[0].op=EQUAL&filters[0].value=301",
        "filters[0].key=userId&filters[0].value=301",
        "filters[0].key=userId&filters[0].op=&filters[0].value=301",
        "filters[0].key=userId&filters[0].op=EQUAL",
        "filters[0].key=userId",
        "filters[0].value=301",
        // The halves of different items do not make one.
        "filters[0].key=userId&filters[0].op=EQUAL&filters[1].value=301",
    ] {
        shows(&api, query, |_| true).await?;
    }
    // And the others stay in force.
    let query = format!("filters[0].op=EQUAL&{}", item(1, "userId", "EQUAL", &["301".to_owned()], true));
    shows(&api, &query, |row| row.user == 301).await
}

async fn an_empty_value_is_a_value(world: World) -> Result<()> {
    let api = Api::with_fixture(&world).await?;
    shows(&api, &plain("fullName", "EQUAL", Some("")), |_| false).await?;
    shows(&api, &plain("fullName", "NOT_EQUAL", Some("")), |_| true).await?;
    shows(&api, &plain("fullName", "MATCH", Some("")), |_| true).await?;
    shows(&api, &plain("fullName", "NOT_MATCH_END", Some("")), |_| false).await
}

async fn an_empty_list_has_no_members(world: World) -> Result<()> {
    let api = Api::with_fixture(&world).await?;
    for key in ["userId", "fullName", "online", "onlineDate"] {
        for value in ["", "[]"] {
            shows(&api, &plain(key, "IN", Some(value)), |_| false).await?;
            shows(&api, &plain(key, "NOT_IN", Some(value)), |_| true).await?;
        }
    }
    // What is missing is in no list, and in the complement of none.
    shows(&api, &plain("offlineDate", "NOT_IN", Some("[]")), |row| !row.online()).await
}

async fn of_items_with_the_same_key_and_operator_the_first_counts(world: World) -> Result<()> {
    let api = Api::with_fixture(&world).await?;
    let two = |second: &str| {
        let one = item(0, "userId", "EQUAL", &["301".to_owned()], false);
        format!("{one}&{}", item(1, second, "EQUAL", &["302".to_owned()], false))
    };
    shows(&api, &two("userId"), |row| row.user == 301).await?;
    // The case of the key does not tell them apart.
    shows(&api, &two("USERID"), |row| row.user == 301).await?;
    let other = item(1, "userId", "NOT_EQUAL", &["301".to_owned()], false);
    shows(&api, &format!("{}&{other}", plain("userId", "EQUAL", Some("301"))), |_| false).await
}

async fn the_first_is_the_one_with_the_smaller_index(world: World) -> Result<()> {
    let api = Api::with_fixture(&world).await?;
    let late = item(5, "userId", "EQUAL", &["302".to_owned()], false);
    let early = item(4, "userId", "EQUAL", &["301".to_owned()], true);
    shows(&api, &format!("{late}&{early}"), |row| row.user == 301).await
}

async fn an_item_with_equal_wins_over_the_parameter(world: World) -> Result<()> {
    let api = Api::with_fixture(&world).await?;
    let filter = plain("userId", "EQUAL", Some("301"));
    shows(&api, &format!("userId=302&{filter}"), |row| row.user == 301).await?;
    shows(&api, &format!("{filter}&userId=302"), |row| row.user == 301).await?;
    // Another operator leaves the parameter in force.
    let filter = plain("userId", "GREATER_THAN", Some("301"));
    shows(&api, &format!("userId=302&{filter}"), |row| row.user == 302).await?;
    shows(&api, &format!("userId=301&{filter}"), |_| false).await
}

async fn a_range_takes_two_operators(world: World) -> Result<()> {
    let api = Api::with_fixture(&world).await?;
    let from = item(0, "userId", "GREATER_THAN_EQUAL", &["303".to_owned()], false);
    let to = item(1, "userId", "LESS_THAN_EQUAL", &["305".to_owned()], false);
    shows(&api, &format!("{from}&{to}"), |row| (303..=305).contains(&row.user)).await
}

async fn one_quotation_mark_is_taken_off_each_end(world: World) -> Result<()> {
    let api = Api::with_fixture(&world).await?;
    for value in ["\"301\"", "\"301", "301\""] {
        shows(&api, &plain("userId", "EQUAL", Some(value)), |row| row.user == 301).await?;
    }
    shows(&api, &plain("fullName", "EQUAL", Some("\"true\"")), |row| row.name == "true").await?;
    shows(&api, &plain("fullName", "EQUAL", Some("\"\"true\"\"")), |_| false).await?;
    let inner = "\"Zoë \"Zo\" Ω\"";
    shows(&api, &plain("fullName", "EQUAL", Some(inner)), |row| row.name == "Zoë \"Zo\" Ω").await
}

async fn members_may_stand_in_any_order_and_between_others(world: World) -> Result<()> {
    let api = Api::with_fixture(&world).await?;
    let query = "filters[7].value=301&orderSort=DESC&filters[11].value=true&filters%5B7%5D.op=EQUAL&\
                 filters[11].key=online&pageNo=1&filters%5B7].key=userId&filters[11].op=EQUAL";
    shows(&api, query, |row| row.user == 301 && row.online()).await
}

async fn operators_and_keys_have_exactly_their_case(world: World) -> Result<()> {
    let api = Api::with_fixture(&world).await?;
    for word in ["equal", "Equal", "LIKE", "EQUALS", " EQUAL", "GREATER_THAN_OR_EQUAL", "0"] {
        refused(&api, &plain("userId", word, Some("301")), "param_validation_error").await?;
    }
    for word in ["userid", "UserId", "user_id", "userId "] {
        refused(&api, &plain(word, "EQUAL", Some("301")), "unsupported_filter_field").await?;
    }
    Ok(())
}

async fn keys_that_cannot_be_filtered_by_are_refused(world: World) -> Result<()> {
    let api = Api::with_fixture(&world).await?;
    for key in [
        "id",
        "userAgent",
        "avatar",
        "tenantId",
        "sessionId",
        "pageNo",
        "pageSize",
        "infoScope",
        "filters",
        "orderBy",
        "orderSort",
        "fullTextSearch",
        "keyword",
        "createdBy",
        "nickname",
    ] {
        refused(&api, &plain(key, "EQUAL", Some("1")), "unsupported_filter_field").await?;
        refused(&api, &plain(key, "IS_NULL", None), "unsupported_filter_field").await?;
    }
    Ok(())
}

async fn values_of_another_type_are_refused(world: World) -> Result<()> {
    let api = Api::with_fixture(&world).await?;
    for (key, values) in [
        ("userId", vec!["abc", "1.5", "9223372036854775808", "0x10", "1e3", "1 2", "true"]),
        ("online", vec!["maybe", "2", "nul", "onn"]),
        (
            "onlineDate",
            vec![
                "yesterday",
                "2025-07",
                "2025-02-30",
                "2025-07-16 25:00",
                "2025-02-30 10:00:00",
                "2025-07-16 25:00:00",
                "10:00:00",
                "1752631200",
            ],
        ),
    ] {
        for value in values {
            for op in ["EQUAL", "NOT_EQUAL", "IN", "NOT_IN"] {
                refused(&api, &plain(key, op, Some(value)), "param_format_error").await?;
            }
            if key != "online" {
                refused(&api, &plain(key, "GREATER_THAN", Some(value)), "param_format_error").await?;
                refused(&api, &plain(key, "LESS_THAN_EQUAL", Some(value)), "param_format_error").await?;
            }
        }
    }
    // One bad member spoils the list.
    refused(&api, &plain("userId", "IN", Some("301,abc")), "param_format_error").await
}

/// Query strings of one filter, written as axios and qs write a list of objects.
fn forms(index: usize, key: &str, op: &str, value: &str) -> [String; 4] {
    let value = escape(value);
    [
        format!("filters[{index}].key={key}&filters[{index}].op={op}&filters[{index}].value={value}"),
        format!("filters[{index}][key]={key}&filters[{index}][op]={op}&filters[{index}][value]={value}"),
        format!(
            "filters%5B{index}%5D%5Bkey%5D={key}&filters%5B{index}%5D%5Bop%5D={op}&filters%5B{index}%5D%5Bvalue%5D={value}"
        ),
        format!("filters.{index}.key={key}&filters.{index}.op={op}&filters.{index}.value={value}"),
    ]
}

async fn the_forms_that_clients_write_are_understood(world: World) -> Result<()> {
    let api = Api::with_fixture(&world).await?;
    for query in forms(0, "userId", "EQUAL", "301") {
        shows(&api, &query, |row| row.user == 301).await?;
        // Filters of one query may have different forms.
        for other in forms(7, "online", "EQUAL", "true") {
            shows(&api, &format!("{query}&{other}"), |row| row.user == 301 && row.online()).await?;
        }
    }
    for query in forms(3, "userId", "IN", "301,302") {
        shows(&api, &query, |row| matches!(row.user, 301 | 302)).await?;
    }
    // Lists of values, as the same clients write them.
    for (head, values) in [
        ("filters[0].key=userId&filters[0].op=IN", ["filters[0].value[0]", "filters[0].value[1]"]),
        ("filters[0][key]=userId&filters[0][op]=IN", ["filters[0][value][0]", "filters[0][value][1]"]),
        ("filters[0][key]=userId&filters[0][op]=IN", ["filters[0][value][]", "filters[0][value][]"]),
        ("filters.0.key=userId&filters.0.op=IN", ["filters.0.value.0", "filters.0.value.1"]),
    ] {
        let [one, two] = values;
        shows(&api, &format!("{head}&{one}=301&{two}=302"), |row| matches!(row.user, 301 | 302)).await?;
        shows(&api, &format!("{head}&{one}=301"), |row| row.user == 301).await?;
    }
    Ok(())
}

async fn forms_of_one_filter_are_not_mixed(world: World) -> Result<()> {
    let api = Api::with_fixture(&world).await?;
    for query in [
        "filters[0].key=userId&filters[0][op]=EQUAL&filters[0].value=301",
        "filters[0].key=userId&filters[0].op=EQUAL&filters.0.value=301",
        "filters.0.key=userId&filters[0][op]=IS_NULL",
        "filters[0].key=userId&filters[0].op=IN&filters[0].value=301&filters[0].value[0]=302",
    ] {
        refused_with_the_forms(&api, query).await?;
    }
    Ok(())
}

/// A filter that is not applied would show more than was asked for.
async fn filters_that_cannot_be_read_are_not_ignored(world: World) -> Result<()> {
    let api = Api::with_fixture(&world).await?;
    for query in [
        "filters[a].key=userId",
        "filters[-1].key=userId",
        "filters[].key=userId",
        "filters[][key]=userId",
        "filters[0].name=userId",
        "filters[0]=userId",
        "filters[0",
        "filters=userId",
        "filters.key=userId",
        "filters.0[key]=userId",
        "filters[0].key.x=1",
        "filters[0].value.0=1",
        "filters[99999999999999999999999].key=userId",
        "Filters[0].key=userId",
        "FILTERS.0.key=userId",
        "filter[0].key=userId",
        "filter=userId",
        "filterKey=userId",
    ] {
        refused_with_the_forms(&api, query).await?;
    }
    Ok(())
}

async fn refused_with_the_forms(api: &Api, query: &str) -> Result<()> {
    for path in [LIST, SEARCH] {
        let target = format!("{path}?{query}");
        let answer = api.get("crowd", &target).await?;
        answer.refused(400, "param_validation_error").with_context(|| target.clone())?;
        let body = answer.text()?;
        for form in ["filters[0].key", "filters[0][key]", "filters.0.key"] {
            holds(body.contains(form), || format!("{target} does not name {form}: {body}"))?;
        }
    }
    Ok(())
}

async fn all_words_for_a_boolean_are_understood(world: World) -> Result<()> {
    let api = Api::with_fixture(&world).await?;
    for (words, online) in [(["true", "ON", "Yes", "1"], true), (["FALSE", "off", "nO", "0"], false)] {
        for word in words {
            shows(&api, &format!("online={word}"), |row| row.online() == online).await?;
            shows(&api, &plain("online", "EQUAL", Some(word)), |row| row.online() == online).await?;
        }
    }
    Ok(())
}

async fn unknown_parameters_are_ignored(world: World) -> Result<()> {
    let api = Api::with_fixture(&world).await?;
    for query in
        ["fullTextSearch=true", "keyword=Ada", "tenantId=1", "createdBy=7", "id=1", "x", "=", "userAgent=y"]
    {
        shows(&api, query, |_| true).await?;
    }
    shows(&api, &format!("{}=1", escape("myfilters[0].key")), |_| true).await
}
