//! What an order selects.

use std::collections::BTreeMap;

use rollcall_core::{
    directory::{
        filter::Condition,
        page::{Found, Question, ShardQuery},
        query::{Direction, Order, OrderBy, SortValue, Stretch},
        record::Record,
        view::View,
    },
    id::{RecordId, TenantId, UserId},
    message_center::MessageCenterError,
    order::{self, MOST, NAMED, Scope, Selected},
    ordered::distinct,
    user::{LiveSocket, request::ShowOverview},
};

use crate::{
    Backend, BackendError,
    message_center::{self, Caller, RouteError, Shown},
};

/// Connections that a shard is asked for before they are counted.
const FEW: u64 = 500;

/// Users with the records of their connections.
type Connections = BTreeMap<i64, Vec<RecordId>>;

/// What matches now, and the records of the first connections.
pub(super) async fn select<B: Backend>(
    backend: &B,
    caller: &Caller,
    tenant: TenantId,
    asked: &order::Request,
    view: &View,
) -> Result<(Selected, Vec<RecordId>), RouteError> {
    let wanted = &asked.wanted;
    let limit = MOST as u64 + 1;
    let mut online = wanted.conditions.clone();
    online.push(Condition::Online { online: true, offline: false });
    let mut connections = positions(backend, tenant, online, view).await?;
    let spared: Vec<i64> = message_center::exempt(backend, caller).collect();
    let is_meant = |user: &i64| !spared.contains(user) || wanted.users.binary_search(user).is_ok();
    connections.retain(|user, _| is_meant(user));
    let by_sockets = wanted.is_about_sockets() || asked.scope == Scope::Connection;
    if by_sockets {
        only_on_sockets(backend, tenant, asked, &mut connections).await?;
    }
    let mut users: Vec<i64> = connections.keys().copied().collect();
    if !by_sockets && wanted.is_of_named_users() {
        users.clone_from(&wanted.users);
    } else if !by_sockets && !wanted.is_online() {
        let all = find(backend, tenant, wanted.conditions.clone(), view, Question::Users { limit }).await?;
        users.extend(all.users);
        users = distinct(users);
    }
    users.retain(is_meant);
    let count: usize = connections.values().map(Vec::len).sum();
    if count > MOST || users.len() > MOST {
        return Err(too_many(MOST));
    }
    let first = connections.values().flatten().take(NAMED as usize).copied().collect();
    let records = |user: &i64| match asked.scope {
        Scope::Connection => connections.get(user).cloned().unwrap_or_default(),
        Scope::User => Vec::new(),
    };
    let users = users.iter().map(|user| (*user, records(user))).collect();
    Ok((Selected { users, connections: count as u64 }, first))
}

/// The connections that match, up to [`MOST`].
async fn positions<B: Backend>(
    backend: &B,
    tenant: TenantId,
    conditions: Vec<Condition>,
    view: &View,
) -> Result<Connections, RouteError> {
    let positions = |limit| Question::Positions { stretch: Stretch::default(), limit };
    let some = find(backend, tenant, conditions.clone(), view, positions(FEW)).await?;
    if !some.is_cut {
        return Ok(some.connections);
    }
    // Before they are brought along: each shard may have as many as that.
    let count = Question::Count(Stretch::default());
    if find(backend, tenant, conditions.clone(), view, count).await?.count > MOST as u64 {
        return Err(too_many(MOST));
    }
    Ok(find(backend, tenant, conditions, view, positions(MOST as u64 + 1)).await?.connections)
}

fn too_many(most: usize) -> RouteError {
    MessageCenterError::Invalid(format!("the selection must have at most {most} users and connections"))
        .into()
}

/// Answers of the whole directory.
#[derive(Default)]
struct Everywhere {
    users: Vec<i64>,
    connections: Connections,
    records: Vec<Record>,
    count: u64,
    /// Whether a shard has answered as many positions as an answer may have that is not counted before.
    is_cut: bool,
}

/// Asks the whole directory, in the order of users.
async fn find<B: Backend>(
    backend: &B,
    tenant: TenantId,
    conditions: Vec<Condition>,
    view: &View,
    question: Question,
) -> Result<Everywhere, BackendError> {
    let order = Order { by: OrderBy::UserId, direction: Direction::Ascending };
    let asked = ShardQuery { conditions, order, view: view.clone(), questions: vec![question] };
    let mut all = Everywhere::default();
    for found in backend.find(tenant, asked).await? {
        match found {
            Found::Users(some) => all.users.extend(some),
            Found::Records(some) => all.records.extend(some),
            Found::Positions(some) => {
                all.is_cut |= some.len() as u64 >= FEW;
                for position in some {
                    if let SortValue::Int(user) = position.value {
                        all.connections.entry(user).or_default().push(position.id);
                    }
                }
            }
            Found::Count(count) => all.count += count,
            Found::Listed(_) => {}
        }
    }
    Ok(all)
}

/// Leaves those connections that have a socket now, which is as the selection wants it. Imported records have none.
async fn only_on_sockets<B: Backend>(
    backend: &B,
    tenant: TenantId,
    asked: &order::Request,
    connections: &mut Connections,
) -> Result<(), RouteError> {
    let direct = usize::try_from(backend.settings().message_center.direct_users).unwrap_or(usize::MAX);
    // An order to connections has no cutoff, so that it is one to few users.
    let most = if asked.scope == Scope::Connection { direct } else { backend.users_at_once() };
    if connections.len() > most {
        return Err(too_many(most));
    }
    let wanted = &asked.wanted;
    let look = |user: &i64| (UserId::from(*user), ShowOverview { within: Some(tenant), details: true });
    let shown = backend.run_many(connections.keys().map(look).collect::<Vec<_>>()).await?;
    for (records, user) in connections.values_mut().zip(shown) {
        let Some(details) = user.details else { return Err(MessageCenterError::Busy.into()) };
        let is_wanted = |socket: &&LiveSocket| {
            let of_gateway = user.connections.iter().find(|one| one.connection == socket.id);
            let is_on = wanted.platforms.is_empty()
                || of_gateway.is_some_and(|one| wanted.platforms.contains(&one.platform));
            is_on && (wanted.connections.is_empty() || wanted.connections.contains(&socket.id))
        };
        records.retain(|id| details.live.iter().filter(is_wanted).any(|one| one.record == Some(*id)));
    }
    connections.retain(|_, records| !records.is_empty());
    Ok(())
}

/// These records as lists show them, in this order.
pub(super) async fn records<B: Backend>(
    backend: &B,
    tenant: TenantId,
    ids: Vec<RecordId>,
    view: &View,
) -> Result<Vec<Shown>, BackendError> {
    if ids.is_empty() {
        return Ok(Vec::new());
    }
    let mut records = find(backend, tenant, Vec::new(), view, Question::Records(ids.clone())).await?.records;
    records.retain(|record| record.tenant == tenant);
    let mut shown = Vec::with_capacity(records.len());
    for id in ids {
        if let Some(place) = records.iter().position(|record| record.id == id) {
            shown.push(Shown::new(records.swap_remove(place), view, backend.zone()));
        }
    }
    Ok(shown)
}
