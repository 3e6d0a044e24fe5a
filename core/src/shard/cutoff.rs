//! The stored cutoff of a tenant (`docs/rules/message-center.md#cutoffs`).

use crate::{
    directory::view::Cutoff,
    id::TenantId,
    json,
    store::{Statement, Value},
    time::Timestamp,
};

/// A cutoff as it is stored. The sequence grows with every order, so that two in one millisecond are told apart.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Stored {
    /// The order in force.
    pub cutoff: Cutoff,
    /// How many orders there were.
    pub sequence: i64,
}

/// Puts an order in force. An earlier instant never replaces a later one.
pub fn set(tenant: TenantId, cutoff: &Cutoff) -> Statement {
    Statement::new(
        "INSERT INTO tenant_mark (tenant, at, sequence, exempt, lifted) \
         VALUES (CAST(?1 AS INTEGER), CAST(?2 AS INTEGER), 1, ?3, 0) \
         ON CONFLICT (tenant) DO UPDATE SET at = max(at, excluded.at), sequence = sequence + 1, \
         lifted = 0, \
         exempt = CASE WHEN excluded.at >= at THEN excluded.exempt ELSE exempt END",
        [Value::wide(tenant.0), Value::wide(cutoff.at.millis()), Value::json(&cutoff.exempt)],
    )
}

/// The order in force; no row when there never was one.
pub fn get(tenant: TenantId) -> Statement {
    Statement::new(
        "SELECT CAST(at AS TEXT), sequence, exempt, lifted FROM tenant_mark WHERE tenant = CAST(?1 AS INTEGER)",
        [Value::wide(tenant.0)],
    )
}

/// Every tenant's order, read by [`read_all`].
pub fn all() -> Statement {
    Statement::new(
        "SELECT CAST(at AS TEXT), sequence, exempt, lifted, CAST(tenant AS TEXT) FROM tenant_mark",
        [],
    )
}

/// Lifts the order: what it ended stays ended.
pub fn lift(tenant: TenantId) -> Statement {
    Statement::new(
        "UPDATE tenant_mark SET lifted = 1 WHERE tenant = CAST(?1 AS INTEGER)",
        [Value::wide(tenant.0)],
    )
}

/// Reads the rows of [`all`].
///
/// # Errors
/// The name of what does not read.
pub fn read_all(rows: &[Vec<Value>]) -> Result<Vec<(TenantId, Cutoff)>, &'static str> {
    let one = |row: &Vec<Value>| {
        let Some((Value::Text(tenant), rest)) = row.split_last() else {
            return Err("a cutoff has no tenant");
        };
        let tenant = tenant.parse().map(TenantId).map_err(|_| "the tenant of a cutoff is no number")?;
        Ok((tenant, read_row(rest)?.cutoff))
    };
    rows.iter().map(one).collect()
}

/// Reads the rows of [`get`]; `None` without a row.
///
/// # Errors
/// The name of what does not read.
pub fn read(rows: &[Vec<Value>]) -> Result<Option<Stored>, &'static str> {
    rows.first().map(|row| read_row(row)).transpose()
}

fn read_row(row: &[Value]) -> Result<Stored, &'static str> {
    let [Value::Text(at), Value::Int(sequence), Value::Text(exempt), Value::Int(lifted)] = row else {
        return Err("a tenant's cutoff does not read as one");
    };
    Ok(Stored {
        cutoff: Cutoff {
            at: Timestamp::from_millis(
                at.parse().map_err(|_| "the instant of a tenant's cutoff is no number")?,
            ),
            exempt: json::read(exempt).map_err(|_| "the exempt users of a tenant's cutoff do not read")?,
            lifted: *lifted != 0,
        },
        sequence: *sequence,
    })
}
