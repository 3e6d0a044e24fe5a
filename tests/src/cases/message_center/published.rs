//! The published page, line by line: every parameter that it lists, and every word of its enumerations.

use anyhow::{Context as _, Result};
use serde_json::json;

use super::filters::{samples, selects};
use crate::{
    cases::{Case, cases},
    check::same,
    console::{
        api::{Api, LIST, SEARCH},
        fixture::{CROWD_BEGAN, Row, crowd},
        naive::{Key, Op, passes, refusal},
        spelling::{date, item},
    },
    world::World,
    ws::escape,
};

/// One case a line of the page.
macro_rules! published {
    (parameters { $($parameter:ident $query:expr, $passes:expr;)+ }
     order { $($order:ident $by:literal;)+ }
     operators { $($operator:ident $op:ident;)+ }
     other { $($other:ident;)+ }) => {
        pub(super) fn cases() -> Vec<Case> {
            cases![Console, "console": $($parameter,)+ $($order,)+ $($operator,)+ $($other,)+]
        }

        $(async fn $parameter(world: World) -> Result<()> {
            let api = Api::with_fixture(&world).await?;
            let query: fn(&Api) -> String = $query;
            for path in [LIST, SEARCH] {
                selects(&api, path, &query(&api), $passes).await.context(path)?;
            }
            Ok(())
        })+

        $(async fn $order(world: World) -> Result<()> {
            ordered(&world, $by).await
        })+

        $(async fn $operator(world: World) -> Result<()> {
            three_filters(&world, Op::$op).await
        })+
    };
}

published! {
    parameters {
        parameter_user_id |_| "userId=304".to_owned(), |row| row.user == 304;
        parameter_full_name |_| format!("fullName={}", escape("张三")), |row| row.name == "张三";
        parameter_device_id |_| "deviceId=DEV-A".to_owned(), |row| row.device == "DEV-A";
        parameter_remote_address |_| "remoteAddress=10.0.1.7".to_owned(), |row| row.address == "10.0.1.7";
        parameter_online |_| "online=true".to_owned(), Row::online;
        parameter_online_date
            |api| format!("onlineDate={}", escape(&date(CROWD_BEGAN + 60, api.zone(), 3))),
            |row| row.online_at == CROWD_BEGAN + 60;
        parameter_offline_date
            |api| format!("offlineDate={}", escape(&date(CROWD_BEGAN + 450, api.zone(), 3))),
            |row| row.offline_at == Some(CROWD_BEGAN + 450);
        info_scope_basic |_| "infoScope=BASIC".to_owned(), |_| true;
        info_scope_detail |_| "infoScope=DETAIL".to_owned(), |_| true;
    }
    order {
        order_sort_asc "ASC";
        order_sort_desc "DESC";
    }
    operators {
        operator_greater_than GreaterThan;
        operator_less_than LessThan;
        operator_greater_than_equal GreaterThanEqual;
        operator_less_than_equal LessThanEqual;
        operator_equal Equal;
        operator_not_equal NotEqual;
        operator_match Match;
        operator_match_end MatchEnd;
        operator_not_match NotMatch;
        operator_not_match_end NotMatchEnd;
        operator_in In;
        operator_not_in NotIn;
        operator_is_null IsNull;
        operator_is_not_null IsNotNull;
    }
    other {
        parameter_page_no;
        parameter_page_size;
        parameter_order_by;
        path_user_id;
        body_broadcast;
        body_receive_object_type;
        body_receive_object_ids;
    }
}

async fn ordered(world: &World, word: &str) -> Result<()> {
    let api = Api::with_fixture(world).await?;
    let mut wanted: Vec<String> = crowd().iter().map(|row| row.id.to_string()).collect();
    if word == "DESC" {
        wanted.reverse();
    }
    for path in [LIST, SEARCH] {
        same(
            api.page("crowd", path, &format!("orderSort={word}&pageSize=100")).await?.ids(),
            wanted.clone(),
            path,
        )?;
    }
    Ok(())
}

/// In each of the three places that the page shows, with every key that takes the operator.
async fn three_filters(world: &World, op: Op) -> Result<()> {
    let api = Api::with_fixture(world).await?;
    for key in Key::ALL.into_iter().filter(|key| refusal(*key, op).is_none()) {
        // The last sample of a list has one member, which needs no form of a list.
        let values = samples(key, op).pop().unwrap_or_default();
        let text: Vec<String> =
            values.iter().map(|value| crate::console::spelling::text(value, api.zone(), 0)).collect();
        for index in 0..3 {
            let query = item(index, key.name(), op.name(), &text, false);
            for path in [LIST, SEARCH] {
                selects(&api, path, &query, |row| passes(row, key, op, &values, path == SEARCH))
                    .await
                    .with_context(|| format!("{path}?{query}"))?;
            }
        }
    }
    Ok(())
}

async fn parameter_page_no(world: World) -> Result<()> {
    let api = Api::with_fixture(&world).await?;
    for path in [LIST, SEARCH] {
        let wanted: Vec<String> =
            crowd().iter().rev().skip(20).take(10).map(|row| row.id.to_string()).collect();
        same(api.page("crowd", path, "pageNo=3").await?.ids(), wanted, path)?;
    }
    Ok(())
}

async fn parameter_page_size(world: World) -> Result<()> {
    let api = Api::with_fixture(&world).await?;
    for path in [LIST, SEARCH] {
        let wanted: Vec<String> = crowd().iter().rev().take(3).map(|row| row.id.to_string()).collect();
        same(api.page("crowd", path, "pageSize=3").await?.ids(), wanted, path)?;
    }
    Ok(())
}

async fn parameter_order_by(world: World) -> Result<()> {
    let api = Api::with_fixture(&world).await?;
    for path in [LIST, SEARCH] {
        for by in ["id", "userId", "fullName", "onlineDate", "offlineDate"] {
            let page = api.page("crowd", path, &format!("orderBy={by}&pageSize=100")).await?;
            same(page.records.len(), crowd().len(), by)?;
        }
    }
    Ok(())
}

async fn path_user_id(world: World) -> Result<()> {
    let api = Api::with_fixture(&world).await?;
    same(api.detail("admin-t1", 103).await?.record()?.id.as_str(), "9004", "the record of user 103")
}

/// User 998 does not exist.
async fn body_broadcast(world: World) -> Result<()> {
    let api = Api::with_fixture(&world).await?;
    for broadcast in [json!(true), json!(false), json!(null)] {
        let body = json!({"broadcast": broadcast, "receiveObjectType": "USER", "receiveObjectIds": [998]});
        api.off_text(&api.bearer("admin-t1"), &body.to_string()).await?.empty()?;
    }
    Ok(())
}

async fn body_receive_object_type(world: World) -> Result<()> {
    let api = Api::with_fixture(&world).await?;
    for kind in ["USER", "TENANT", "DEPT", "GROUP"] {
        let body = json!({"broadcast": true, "receiveObjectType": kind, "receiveObjectIds": [998]});
        api.off_text(&api.bearer("admin-t1"), &body.to_string()).await?.empty().context(kind)?;
    }
    Ok(())
}

async fn body_receive_object_ids(world: World) -> Result<()> {
    let api = Api::with_fixture(&world).await?;
    for ids in [json!([0]), json!([998, 999]), json!(["998"]), json!([-1])] {
        let body = json!({"broadcast": true, "receiveObjectType": "USER", "receiveObjectIds": ids});
        api.off_text(&api.bearer("admin-t1"), &body.to_string()).await?.empty()?;
    }
    Ok(())
}
