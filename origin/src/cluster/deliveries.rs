//! Who brings orders to their users, as rows: another process goes on where one has died, and each learns of the orders of others.
//!
//! An order to a set of users is brought to all of them by one process. One to a whole tenant is brought by each process to its own
//! sockets; the one that gave it ends the imported records.

use rollcall_core::{
    directory::view::Cutoff,
    id::TenantId,
    serial::Serial,
    store::{Statement, Value},
};

use super::Cluster;
use crate::store::{StoreError, rows_at};

/// An order that nobody may be bringing to its users.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Left {
    pub(crate) serial: Serial,
    /// The tenant of one to a whole tenant; none of one to a set of users.
    pub(crate) tenant: Option<TenantId>,
    /// Whether it is this process's, as far as the store knows.
    pub(crate) is_own: bool,
}

/// What consoles of a tenant get by the newest order to it.
pub(crate) struct Notices(Vec<(TenantId, Serial, String)>);

/// Whether the process of a row serves.
const IS_SERVED: &str = "EXISTS (SELECT 1 FROM node WHERE node.id = delivery.node AND node.state = 0)";

impl Notices {
    pub(crate) fn question() -> Statement {
        Statement::new("SELECT tenant, serial, notice FROM delivery WHERE tenant IS NOT NULL", [])
    }

    /// Reads the rows of [`Notices::question`].
    pub(crate) fn read(rows: &[Vec<Value>]) -> Self {
        let one = |row: &Vec<Value>| match row.as_slice() {
            [Value::Int(tenant), Value::Int(serial), Value::Text(notice)] => {
                Some((TenantId(*tenant), Serial::from_number(*serial), notice.clone()))
            }
            _ => None,
        };
        Self(rows.iter().filter_map(one).collect())
    }

    /// The notice of this order; nothing of one that an earlier program gave.
    pub(crate) fn of(&self, tenant: TenantId, serial: Serial) -> String {
        let found = self.0.iter().find(|(of, by, _)| (*of, *by) == (tenant, serial));
        found.map(|(.., notice)| notice.clone()).unwrap_or_default()
    }
}

impl Cluster {
    /// With the commit of an order to a whole tenant: this process ends what has no sockets, and all bring it to theirs.
    pub(crate) fn deliver_whole(&self, tenant: TenantId, order: &Cutoff, notice: &str) -> [Statement; 2] {
        let add = "INSERT INTO delivery (serial, node, tenant, notice) VALUES (?1, ?2, ?3, ?4)";
        [
            Statement::new("DELETE FROM delivery WHERE tenant = ?1", [tenant.0.into()]),
            Statement::new(
                add,
                [order.serial.number().into(), self.node.into(), tenant.0.into(), notice.into()],
            ),
        ]
    }

    /// With the commit of an order to a set of users: this process brings it to them.
    pub(crate) fn deliver_scoped(&self, serial: Serial) -> Statement {
        let add = "INSERT INTO delivery (serial, node) VALUES (?1, ?2)";
        Statement::new(add, [serial.number().into(), self.node.into()])
    }

    /// Nothing is left of an order to a whole tenant that this process had to do for all.
    ///
    /// # Errors
    /// When that cannot be written. Then the work is done once more when this process has ended, which changes nothing.
    pub(crate) async fn end_whole(&self, serial: Serial) -> Result<(), StoreError> {
        let end = Statement::new(
            "UPDATE delivery SET node = NULL WHERE serial = ?1 AND node = ?2",
            [serial.number().into(), self.node.into()],
        );
        self.store.commit_soon(end).await
    }

    /// With the end of an order to a set of users.
    pub(crate) fn end_scoped(serial: Serial) -> Statement {
        Statement::new("DELETE FROM delivery WHERE serial = ?1", [serial.number().into()])
    }

    /// Orders whose process serves no longer, that have none, or that are this one's.
    ///
    /// # Errors
    /// When the store fails.
    pub(crate) async fn left_orders(&self) -> Result<Vec<Left>, StoreError> {
        let is_of_others = format!("(delivery.node = ?1 OR NOT {IS_SERVED})");
        let whole = format!(
            "SELECT delivery.serial, delivery.node, delivery.tenant FROM delivery \
             WHERE delivery.tenant IS NOT NULL AND delivery.node IS NOT NULL AND {is_of_others}"
        );
        let scoped = format!(
            "SELECT scoped_cutoff.serial, delivery.node, NULL FROM scoped_cutoff \
             LEFT JOIN delivery ON delivery.serial = scoped_cutoff.serial WHERE {is_of_others}"
        );
        let question = |sql: String| Statement::new(sql, [self.node.into()]);
        let answers = self.store.load(vec![question(whole), question(scoped)]).await?;
        let left = |row: &Vec<Value>| match row.as_slice() {
            [Value::Int(serial), node, tenant] => Some(Left {
                serial: Serial::from_number(*serial),
                tenant: match tenant {
                    Value::Int(tenant) => Some(TenantId(*tenant)),
                    _ => None,
                },
                is_own: *node == Value::Int(self.node),
            }),
            _ => None,
        };
        Ok(rows_at(&answers, 0)?.iter().chain(rows_at(&answers, 1)?).filter_map(left).collect())
    }

    /// Takes an order. Of several processes that do, one succeeds.
    ///
    /// # Errors
    /// When the store fails. It may be this process's then.
    pub(crate) async fn take_delivery(&self, left: Left) -> Result<bool, StoreError> {
        let is_free = format!("(delivery.node = ?2 OR NOT {IS_SERVED})");
        let sql = match left.tenant {
            Some(_) => {
                format!("UPDATE delivery SET node = ?2 WHERE serial = ?1 AND node IS NOT NULL AND {is_free}")
            }
            None => format!(
                "INSERT INTO delivery (serial, node) SELECT serial, ?2 FROM scoped_cutoff WHERE serial = ?1 \
                 ON CONFLICT (serial) DO UPDATE SET node = excluded.node WHERE {is_free}"
            ),
        };
        let take = Statement::new(sql, [left.serial.number().into(), self.node.into()]);
        Ok(self.store.change(take).await? > 0)
    }

    /// Whether every other process that serves has brought the orders up to this one to its sockets.
    ///
    /// # Errors
    /// When the store fails.
    pub(crate) async fn is_settled(&self, order: Serial) -> Result<bool, StoreError> {
        let behind = Statement::new(
            "SELECT count(*) FROM node WHERE state = 0 AND settled < ?1 AND id <> ?2",
            [order.number().into(), self.node.into()],
        );
        let answers = self.store.load(vec![behind]).await?;
        Ok(rows_at(&answers, 0)?.first().and_then(|row| row.first()) == Some(&Value::Int(0)))
    }

    /// Says up to which order nothing is left to be brought to the sockets here.
    ///
    /// # Errors
    /// When the store fails.
    pub(crate) async fn settle(&self, order: Serial) -> Result<(), StoreError> {
        let settle = Statement::new(
            "UPDATE node SET settled = max(settled, ?2) WHERE id = ?1",
            [self.node.into(), order.number().into()],
        );
        self.store.commit_soon(settle).await
    }

    /// Rings at all processes: there is an order. They would find it by themselves.
    pub(crate) fn ring_everywhere_soon(&self) {
        if !self.store.may_have_company() {
            return;
        }
        let store = self.store.clone();
        tokio::spawn(async move {
            if let Err(error) = store.ring_everywhere().await {
                tracing::debug!(error = %rollcall_api::Chain(&error), "other servers could not be rung at");
            }
        });
    }
}
