//! Every key with every operator, in every spelling, in list and search, against the naive reading of a filter.

use anyhow::{Context as _, Result};

use crate::{
    cases::{Case, cases},
    check::same,
    console::{
        api::{Api, LIST, SEARCH},
        fixture::{CROWD_BEGAN, Row, crowd},
        naive::{Key, Op, Value, passes, refusal},
        spelling,
    },
    size::size,
    world::World,
};

pub(super) fn cases() -> Vec<Case> {
    cases![Console, "console":
        filters_on_user_id_select_what_they_say within 90,
        filters_on_full_name_select_what_they_say within 90,
        filters_on_device_id_select_what_they_say within 90,
        filters_on_remote_address_select_what_they_say within 90,
        filters_on_online_select_what_they_say within 90,
        filters_on_online_date_select_what_they_say within 90,
        filters_on_offline_date_select_what_they_say within 90,
        two_filters_select_what_both_select within 90,
    ]
}

async fn filters_on_user_id_select_what_they_say(world: World) -> Result<()> {
    sweep(&world, Key::UserId).await
}

async fn filters_on_full_name_select_what_they_say(world: World) -> Result<()> {
    sweep(&world, Key::FullName).await
}

async fn filters_on_device_id_select_what_they_say(world: World) -> Result<()> {
    sweep(&world, Key::DeviceId).await
}

async fn filters_on_remote_address_select_what_they_say(world: World) -> Result<()> {
    sweep(&world, Key::RemoteAddress).await
}

async fn filters_on_online_select_what_they_say(world: World) -> Result<()> {
    sweep(&world, Key::Online).await
}

async fn filters_on_online_date_select_what_they_say(world: World) -> Result<()> {
    sweep(&world, Key::OnlineDate).await
}

async fn filters_on_offline_date_select_what_they_say(world: World) -> Result<()> {
    sweep(&world, Key::OfflineDate).await
}

async fn sweep(world: &World, key: Key) -> Result<()> {
    let api = Api::with_fixture(world).await?;
    for op in Op::ALL {
        for (number, values) in samples(key, op).into_iter().enumerate() {
            for (path, query) in questions(number, spelling::all(key, op, &values, api.zone())) {
                match refusal(key, op) {
                    Some(refused) => api.refused("crowd", &format!("{path}?{query}"), 400, refused).await?,
                    None => selects(&api, path, &query, |row| passes(row, key, op, &values, path == SEARCH))
                        .await
                        .with_context(|| format!("{path}?{query}"))?,
                }
            }
        }
    }
    Ok(())
}

/// In which spellings the list and the search are asked for the values of this number: each in every one in the full size. Else the
/// first values come in every spelling and the others in one, and each goes to the list or to the search in turn.
fn questions(number: usize, spellings: Vec<String>) -> Vec<(&'static str, String)> {
    let both = [LIST, SEARCH];
    if size(false, true) {
        return spellings.into_iter().flat_map(|query| both.map(|path| (path, query.clone()))).collect();
    }
    let (skipped, taken) =
        if number == 0 { (0, spellings.len()) } else { (number % spellings.len().max(1), 1) };
    let paths = both.into_iter().cycle().skip(number);
    paths.zip(spellings.into_iter().skip(skipped).take(taken)).collect()
}

/// Each allowed operator of each key beside one of another key, so that no two share a column.
async fn two_filters_select_what_both_select(world: World) -> Result<()> {
    let api = Api::with_fixture(&world).await?;
    for (position, first) in Key::ALL.into_iter().enumerate() {
        for (index, op) in Op::ALL.into_iter().enumerate() {
            let second = Key::ALL.into_iter().cycle().nth(position + 1 + index % 5).unwrap_or(first);
            let other =
                Op::ALL.into_iter().cycle().skip(index + position).find(|op| refusal(second, *op).is_none());
            let (Some(other), None) = (other, refusal(first, op)) else { continue };
            let one = samples(first, op)
                .into_iter()
                .nth(1)
                .or_else(|| samples(first, op).pop())
                .unwrap_or_default();
            let two = samples(second, other).into_iter().next().unwrap_or_default();
            let spell = |key, op, values: &[Value]| -> String {
                spelling::all(key, op, values, api.zone()).into_iter().next().unwrap_or_default()
            };
            let far = spell(second, other, &two)
                .replace("filters[0]", "filters[9]")
                .replace("filters[3]", "filters[12]");
            let query = format!("{}&{far}", spell(first, op, &one));
            for path in [LIST, SEARCH] {
                let search = path == SEARCH;
                selects(&api, path, &query, |row| {
                    passes(row, first, op, &one, search) && passes(row, second, other, &two, search)
                })
                .await
                .with_context(|| format!("{path}?{query}"))?;
            }
        }
    }
    Ok(())
}

pub(super) async fn selects(api: &Api, path: &str, query: &str, passes: impl Fn(&Row) -> bool) -> Result<()> {
    let mut wanted: Vec<Row> = crowd().into_iter().filter(passes).collect();
    wanted.reverse();
    let page = api.page("crowd", path, &format!("pageSize=100&{query}")).await?;
    let ids: Vec<String> = wanted.iter().map(|row| row.id.to_string()).collect();
    same(page.ids(), ids, "the ids")?;
    same(page.total, wanted.len(), "the total")?;
    let records: Vec<_> = wanted.iter().map(|row| row.record(api.zone())).collect();
    same(page.records, records, "the records")
}

/// Values for an operator; an empty one where it takes none.
pub(super) fn samples(key: Key, op: Op) -> Vec<Vec<Value>> {
    if op.takes_nothing() {
        return vec![Vec::new()];
    }
    let values = match key {
        Key::UserId => [306, 301, 999, i64::MIN, i64::MAX].map(Value::Number).to_vec(),
        Key::FullName if op.matches_text() => {
            texts(&["ada", "100%", "_", "10.0.", "三", "\u{e9}", " ", "Ada Lovelace"])
        }
        Key::FullName => {
            texts(&["Ada Lovelace", "100% sure", "true", "张三", "O'Neil, [x]", "Zoë \"Zo\" Ω", "ADA"])
        }
        Key::DeviceId if op.matches_text() => texts(&["dev", "%", "DEV"]),
        Key::DeviceId => texts(&["dev-a", "dev-%", "unknown", "Unknown"]),
        Key::RemoteAddress if op.matches_text() => texts(&["10.0.", "7", "db8::", "%"]),
        Key::RemoteAddress => texts(&["10.0.0.7", "2001:db8::7", "10.0.0."]),
        Key::Online => [true, false].map(Value::Flag).to_vec(),
        Key::OnlineDate => [420, 0, 1140, 1].map(|after| Value::Date(CROWD_BEGAN + after)).to_vec(),
        Key::OfflineDate => [450, 540, 61].map(|after| Value::Date(CROWD_BEGAN + after)).to_vec(),
    };
    if refusal(key, op).is_some() {
        return values.into_iter().take(1).map(|value| vec![value]).collect();
    }
    if op.takes_list() {
        let mut lists: Vec<Vec<Value>> = values.chunks(3).map(<[Value]>::to_vec).collect();
        lists.extend(values.into_iter().take(2).map(|value| vec![value]));
        return lists;
    }
    values.into_iter().map(|value| vec![value]).collect()
}

fn texts(all: &[&str]) -> Vec<Value> {
    all.iter().map(|text| Value::Text((*text).to_owned())).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn for_every_allowed_operator_some_sample_selects_some_records_and_not_all() {
        let crowd = crowd();
        for key in Key::ALL {
            for op in Op::ALL.into_iter().filter(|op| refusal(key, *op).is_none()) {
                if op.takes_nothing() && key != Key::OfflineDate {
                    continue;
                }
                let telling = samples(key, op).into_iter().any(|values| {
                    let count = crowd.iter().filter(|row| passes(row, key, op, &values, false)).count();
                    count > 0 && count < crowd.len()
                });
                assert!(telling, "{key:?} {op:?}");
            }
        }
    }

    #[test]
    fn search_and_list_differ_for_every_operator_that_matches() {
        let crowd = crowd();
        for key in [Key::FullName, Key::RemoteAddress] {
            for op in Op::ALL.into_iter().filter(|op| op.matches_text()) {
                let differ = samples(key, op).iter().any(|values| {
                    crowd
                        .iter()
                        .any(|row| passes(row, key, op, values, false) != passes(row, key, op, values, true))
                });
                assert!(differ, "{key:?} {op:?}");
            }
        }
    }
}
