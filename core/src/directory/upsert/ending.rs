//! Ends of many records at once, by an order or at the start of the server.

use crate::{
    directory::{holding::Holding, index::Index, sql::Binder},
    id::TenantId,
    store::{Statement, Value},
    time::Timestamp,
};

/// Ends at most `limit` imported records of these users, as a force-off by user does inside its answer
/// (`docs/rules/message-center.md#force-off`). Their live ones are ended by their own users. Repeat it until it changes fewer; it
/// returns a row for each that it changed.
pub fn end_imports_of_users(tenant: TenantId, users: &[i64], at: Timestamp, limit: u32) -> Statement {
    let mut binder = Binder::default();
    let whose = format!("user IN {}", binder.numbers(users.iter().copied()));
    end_imports(binder, Index::Imported, tenant, at, &whose, limit)
}

/// Ends at most `limit` imported records of these users that a cutoff at `at` covers: the next cutoff exempts the users. Repeat it as
/// [`end_imports_of_users`].
pub fn end_cut_off_imports_of_users(tenant: TenantId, users: &[i64], at: Timestamp, limit: u32) -> Statement {
    let mut binder = Binder::default();
    let users_of_order = binder.numbers(users.iter().copied());
    let whose = format!("online_at <= {} AND user IN {users_of_order}", binder.wide(at.millis()));
    end_imports(binder, Index::Imported, tenant, at, &whose, limit)
}

/// Ends at most `limit` imported records of a tenant that a cutoff at `at` covers: opened by then, and not of an exempt user.
/// Repeat it until it changes fewer; it returns a row for each that it changed. It reads imported records alone: a tenant may have many more
/// of live connections.
pub fn end_imports_of_tenant(
    tenant: TenantId,
    exempt: &[i64],
    at: Timestamp,
    limit: u32,
    holding: &Holding,
) -> Statement {
    let mut binder = Binder::default();
    let exempt = binder.numbers(exempt.iter().copied());
    let whose = format!("online_at <= {} AND user NOT IN {exempt}", binder.wide(at.millis()));
    end_imports(binder, holding.imports(), tenant, at, &whose, limit)
}

fn end_imports(
    mut binder: Binder,
    index: Index,
    tenant: TenantId,
    at: Timestamp,
    whose: &str,
    limit: u32,
) -> Statement {
    let index = index.hint();
    let at = binder.wide(at.millis());
    let tenant = binder.wide(tenant.0);
    let limit = binder.bind(Value::Int(limit.into()));
    // A record whose lease ran out before the order ended then. No end lies before its beginning.
    binder.statement(format!(
        "UPDATE record SET offline_at = min(coalesce(lease_until, max({at}, online_at)), max({at}, online_at)), \
         generation = generation + 1 WHERE id IN (SELECT id FROM record {index} \
         WHERE tenant = {tenant} AND offline_at IS NULL AND source = 1 AND {whose} LIMIT {limit}) RETURNING 1"
    ))
}

/// Ends the records that a dead process of the origin left open, at the instant at which it was last known to live and no
/// earlier than each row opened (`docs/rules/message-center.md#liveness`). Imports have leases of their own and stay.
pub fn end_left_open(last_alive: Timestamp) -> Statement {
    Statement::new(
        "UPDATE record INDEXED BY record_open SET generation = generation + 1, \
         offline_at = max(online_at, CAST(?1 AS INTEGER)) WHERE offline_at IS NULL AND source = 0",
        [Value::wide(last_alive.millis())],
    )
}
