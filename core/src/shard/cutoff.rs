//! The stored cutoff of a tenant (`docs/rules/message-center.md#cutoffs`).

use crate::{
    directory::view::Cutoff,
    id::{TenantId, UserId},
    json,
    serial::Serial,
    store::{Statement, Value},
    time::Timestamp,
};

/// A row of a cutoff does not have the form of its statement: the store is damaged.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CutoffError {
    /// Its columns are of another number or of other types.
    #[error("a tenant's cutoff does not read as one")]
    Form,
    /// Its tenant is no number.
    #[error("the tenant of a cutoff is no number")]
    Tenant,
    /// Its serial is no number.
    #[error("the serial of a tenant's cutoff is no number")]
    Serial,
    /// Its instant is no number.
    #[error("the instant of a tenant's cutoff is no number")]
    Instant,
    /// Its exempt users do not read.
    #[error("the exempt users of a tenant's cutoff do not read")]
    Exempt(#[source] json::JsonError),
}

/// Puts an order in force, exactly as it is.
pub fn set(tenant: TenantId, cutoff: &Cutoff) -> Statement {
    Statement::new(
        "INSERT INTO tenant_mark (tenant, at, sequence, exempt, lifted) \
         VALUES (CAST(?1 AS INTEGER), CAST(?2 AS INTEGER), CAST(?3 AS INTEGER), ?4, ?5) \
         ON CONFLICT (tenant) DO UPDATE SET at = excluded.at, sequence = excluded.sequence, \
         exempt = excluded.exempt, lifted = excluded.lifted",
        [
            Value::wide(tenant.0),
            Value::wide(cutoff.at.millis()),
            Value::wide(cutoff.serial.number()),
            Value::json(&cutoff.exempt),
            Value::Int(cutoff.lifted.into()),
        ],
    )
}

/// The order in force; no row when there never was one.
pub fn get(tenant: TenantId) -> Statement {
    Statement::new(
        "SELECT CAST(at AS TEXT), CAST(sequence AS TEXT), exempt, lifted FROM tenant_mark WHERE tenant = CAST(?1 AS INTEGER)",
        [Value::wide(tenant.0)],
    )
}

/// Every tenant's order, read by [`read_all`].
pub fn all() -> Statement {
    Statement::new(
        "SELECT CAST(at AS TEXT), CAST(sequence AS TEXT), exempt, lifted, CAST(tenant AS TEXT) FROM tenant_mark",
        [],
    )
}

/// The orders of these tenants, and of those that the user's row names; read by [`read_all`].
pub fn of_user(user: &UserId, tenants: &[TenantId]) -> Statement {
    Statement::new(
        "SELECT CAST(at AS TEXT), CAST(sequence AS TEXT), exempt, lifted, CAST(tenant AS TEXT) FROM tenant_mark \
         WHERE tenant IN (SELECT CAST(value AS INTEGER) FROM json_each(?2)) \
         OR tenant IN (SELECT tenant FROM user WHERE id = ?1) OR tenant IN (SELECT home FROM user WHERE id = ?1)",
        [user.as_str().into(), Value::json(&tenants)],
    )
}

/// The newest serial of a store whose tenants count their orders together; read by [`read_newest`].
pub fn newest() -> Statement {
    Statement::new(
        "SELECT CAST(max(coalesce((SELECT max(sequence) FROM tenant_mark), 0), \
         coalesce((SELECT serial FROM last_serial), 0)) AS TEXT)",
        [],
    )
}

/// Reads the row of [`newest`].
///
/// # Errors
/// When it does not have the form of its statement.
pub fn read_newest(rows: &[Vec<Value>]) -> Result<Serial, CutoffError> {
    match rows.first().map(Vec::as_slice) {
        Some([Value::Text(serial)]) => {
            serial.parse().map(Serial::from_number).map_err(|_| CutoffError::Serial)
        }
        _ => Err(CutoffError::Form),
    }
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
/// When a row does not have the form of its statement.
pub fn read_all(rows: &[Vec<Value>]) -> Result<Vec<(TenantId, Cutoff)>, CutoffError> {
    let one = |row: &Vec<Value>| {
        let Some((Value::Text(tenant), rest)) = row.split_last() else {
            return Err(CutoffError::Form);
        };
        let tenant = tenant.parse().map(TenantId).map_err(|_| CutoffError::Tenant)?;
        Ok((tenant, read_row(rest)?))
    };
    rows.iter().map(one).collect()
}

/// Reads the rows of [`get`]; `None` without a row.
///
/// # Errors
/// When a row does not have the form of its statement.
pub fn read(rows: &[Vec<Value>]) -> Result<Option<Cutoff>, CutoffError> {
    rows.first().map(|row| read_row(row)).transpose()
}

fn read_row(row: &[Value]) -> Result<Cutoff, CutoffError> {
    let [Value::Text(at), Value::Text(serial), Value::Text(exempt), Value::Int(lifted)] = row else {
        return Err(CutoffError::Form);
    };
    let number = |text: &str, problem| text.parse().map_err(|_| problem);
    Ok(Cutoff {
        serial: Serial::from_number(number(serial, CutoffError::Serial)?),
        at: Timestamp::from_millis(number(at, CutoffError::Instant)?),
        exempt: json::read(exempt).map_err(CutoffError::Exempt)?,
        lifted: *lifted != 0,
        deny: None,
    })
}
