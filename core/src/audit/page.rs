//! Reading the audit, newest first, page by page, from one store or from several.
//!
//! What no index answers examines a bounded number of rows in each store, so that a filter that few entries pass costs no more than
//! another. Its answer says how far it came.

use std::{cmp::Reverse, time::Duration};

use serde::{Deserialize, Serialize};

use super::{EntryId, Operation};
use crate::{
    directory::{
        filter::{QueryError, parameter, parse_number},
        zone::Zone,
    },
    id::{TenantId, UserId},
    store::{Statement, Value},
    time::Timestamp,
};

/// The most entries of a page.
pub const LIMIT: u32 = 1_000;
/// Rows that a question examines in a store, where no index has what it asks for. More than one order may have, which is a row for each
/// user that it names.
pub const SCANNED: u32 = 20_000;
/// Rows that it examines first. Most pages are full by then.
const SCANNED_FIRST: u32 = 1_000;
/// The details of a page have at most so many bytes, unless one entry alone has more.
pub const PAGE_BYTES: usize = 512 << 10;

/// A question to the audit of a tenant.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Asked {
    /// The tenant.
    pub tenant: TenantId,
    /// Entries of this id or a later one.
    pub from: EntryId,
    /// Entries before this one.
    pub before: EntryId,
    /// Orders of this caller.
    pub by: Option<UserId>,
    /// Orders that do this.
    pub operation: Option<Operation>,
    /// Orders that were given to this user by name; the counts are then of this one.
    pub target: Option<UserId>,
    /// The most entries of the answer, [`LIMIT`] at most.
    pub limit: u32,
}

/// An entry as it is shown.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Shown {
    /// Its id, which holds the moment.
    pub id: EntryId,
    /// What the order does.
    pub operation: String,
    /// How far it was.
    pub progress: String,
    /// How many users it was given to by name.
    pub users: Option<i64>,
    /// How many connections ended with it.
    pub connections: Option<i64>,
    /// The rest, as JSON.
    pub details: String,
}

/// An answer.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Page {
    /// Entries, newest first.
    pub entries: Vec<Shown>,
    /// Those from this id on are all there; the next question asks for those before it. `None` where there are no more.
    pub rest: Option<EntryId>,
}

/// What a store has an index for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Indexed {
    /// Callers and targets: the store of all tenants.
    All,
    /// Nothing but the id: each index entry of a row is billed at the edge.
    Id,
}

impl Asked {
    /// The store's part of the answer, by a store that answers at once.
    ///
    /// # Errors
    /// The store's own.
    pub fn answer<E>(
        &self,
        indexed: Indexed,
        mut run: impl FnMut(&Statement) -> Result<Vec<Vec<Value>>, E>,
    ) -> Result<Page, E> {
        let mut page = Page::default();
        for scanned in self.scans(indexed) {
            let end = scanned.map_or(Ok(Vec::new()), |rows| run(&self.end(rows, indexed)))?;
            page = self.read(&end, &run(&self.page(&end, indexed))?);
            if self.is_answered(&page) {
                break;
            }
        }
        Ok(page)
    }

    /// How many rows to examine for the answer, one after the other until it [is one](Self::is_answered); `None` where the page reads
    /// only what it shows.
    pub const fn scans(&self, indexed: Indexed) -> &'static [Option<u32>] {
        let is_indexed = match indexed {
            Indexed::All => self.operation.is_none() && (self.by.is_none() || self.target.is_none()),
            Indexed::Id => self.operation.is_none() && self.by.is_none() && self.target.is_none(),
        };
        if is_indexed { &[None] } else { &[Some(SCANNED_FIRST), Some(SCANNED)] }
    }

    /// Whether more examined rows would add nothing.
    pub fn is_answered(&self, page: &Page) -> bool {
        page.rest.is_none() || page.entries.len() >= usize::try_from(self.limit).unwrap_or(usize::MAX)
    }

    /// Selects the row at which the store's part of the answer ends, if it has so many rows to examine; read by [`Self::page`].
    pub fn end(&self, scanned: u32, indexed: Indexed) -> Statement {
        let mut text = Text::of(self);
        match (indexed, &self.target, &self.by) {
            (Indexed::All, Some(target), _) => text.narrow(" AND target = ", target),
            (Indexed::All, None, Some(by)) => text.narrow(" AND given_by = ", by),
            _ => {}
        }
        text.param(Value::Int(scanned.into()), " ORDER BY id DESC LIMIT 1 OFFSET ");
        let table = self.table(indexed);
        Statement::new(format!("SELECT id FROM {table} WHERE {}", text.sql), text.params)
    }

    /// Selects the entries down to that row, with one more than the limit.
    pub fn page(&self, end: &[Vec<Value>], indexed: Indexed) -> Statement {
        let mut text = Text::of(self);
        if let Some(by) = &self.by {
            text.narrow(" AND given_by = ", by);
        }
        if let Some(target) = &self.target {
            text.narrow(" AND target = ", target);
        }
        if let Some(operation) = self.operation {
            text.param(operation.name().into(), " AND operation = ");
        }
        if let Some(end) = read_end(end) {
            text.param(end.to_string().into(), " AND id > ");
        }
        text.param(Value::Int(i64::from(self.limit) + 1), " GROUP BY id ORDER BY id DESC LIMIT ");
        Statement::new(
            format!(
                "SELECT id, min(operation), min(progress), CAST(sum(users) AS INTEGER), \
                 CAST(sum(connections) AS INTEGER), min(details) FROM {} WHERE {}",
                self.table(indexed),
                text.sql
            ),
            text.params,
        )
    }

    /// The table, by the index in whose order few rows are read.
    const fn table(&self, indexed: Indexed) -> &'static str {
        match (indexed, &self.target, &self.by) {
            (Indexed::Id, ..) => "audit",
            (Indexed::All, Some(_), _) => "audit INDEXED BY audit_by_target",
            (Indexed::All, None, Some(_)) => "audit INDEXED BY audit_by_giver",
            (Indexed::All, None, None) => "audit INDEXED BY audit_by_tenant",
        }
    }

    /// The store's part of the answer. Rows that do not read are left out.
    pub fn read(&self, end: &[Vec<Value>], rows: &[Vec<Value>]) -> Page {
        let entries = rows.iter().filter_map(|row| read_entry(row)).collect();
        cut(Page { entries, rest: read_end(end).map(EntryId::next) }, self.limit)
    }
}

/// Dates are of whole seconds.
const SECOND: Duration = Duration::from_secs(1);
/// Entries of a page, where the question says nothing else.
const DEFAULT_LIMIT: i64 = 100;

impl Asked {
    /// Reads a decoded query string. Entries before `kept` are over, whether they are deleted yet or not. Empty and unknown parameters are
    /// ignored.
    ///
    /// # Errors
    /// The first parameter that does not read.
    pub fn parse(
        tenant: TenantId,
        pairs: &[(String, String)],
        zone: &Zone,
        kept: EntryId,
    ) -> Result<Self, QueryError> {
        let word = |name: &'static str| parameter(pairs, name);
        let unread = QueryError::unreadable;
        let date = |name, later| {
            let read = |text| {
                let at = zone.parse(text).ok_or_else(|| unread(name, text))?;
                Ok::<_, QueryError>(EntryId::first_of(at + later))
            };
            word(name).map(read).transpose()
        };
        let user =
            |name| word(name).map(|text| UserId::new(text).map_err(|_| unread(name, text))).transpose();
        let limit = word("limit").map(|text| parse_number(text).ok_or_else(|| unread("limit", text)));
        let limit = limit.transpose()?.unwrap_or(DEFAULT_LIMIT);
        if limit < 1 {
            return Err(QueryError::TooSmall(1));
        }
        let operation =
            word("operation").map(|text| Operation::from_name(text).ok_or_else(|| unread("operation", text)));
        let before = word("before").map(|text| text.parse().map_err(|_| unread("before", text)));
        // The second of `to` is among them.
        let ends = date("to", SECOND)?.into_iter().chain(before.transpose()?);
        Ok(Self {
            tenant,
            from: date("from", Duration::ZERO)?.unwrap_or(kept).max(kept),
            before: ends.min().unwrap_or(EntryId::first_of(Timestamp::from_millis(i64::MAX))),
            by: user("by")?,
            operation: operation.transpose()?,
            target: user("userId")?,
            limit: u32::try_from(limit)
                .ok()
                .filter(|limit| *limit <= LIMIT)
                .ok_or(QueryError::TooLarge(LIMIT.into()))?,
        })
    }
}

/// The conditions of a question, as SQL.
struct Text {
    sql: String,
    params: Vec<Value>,
}

impl Text {
    fn of(asked: &Asked) -> Self {
        Self {
            sql: "tenant = CAST(?1 AS INTEGER) AND id >= ?2 AND id < ?3".to_owned(),
            params: vec![
                Value::wide(asked.tenant.0),
                asked.from.to_string().into(),
                asked.before.to_string().into(),
            ],
        }
    }

    fn narrow(&mut self, before: &str, user: &UserId) {
        self.param(user.as_str().into(), before);
    }

    fn param(&mut self, value: Value, before: &str) {
        self.params.push(value);
        self.sql.push_str(before);
        self.sql.push('?');
        self.sql.push_str(&self.params.len().to_string());
    }
}

fn read_end(rows: &[Vec<Value>]) -> Option<EntryId> {
    match rows.first()?.as_slice() {
        [Value::Text(id)] => id.parse().ok(),
        _ => None,
    }
}

fn read_entry(row: &[Value]) -> Option<Shown> {
    let count = |value: &Value| match value {
        Value::Int(count) => Some(*count),
        _ => None,
    };
    match row {
        [
            Value::Text(id),
            Value::Text(operation),
            Value::Text(progress),
            users,
            connections,
            Value::Text(details),
        ] => Some(Shown {
            id: id.parse().ok()?,
            operation: operation.clone(),
            progress: progress.clone(),
            users: count(users),
            connections: count(connections),
            details: details.clone(),
        }),
        _ => None,
    }
}

/// No more than `limit` entries, nor than [`PAGE_BYTES`] of them.
fn cut(mut page: Page, limit: u32) -> Page {
    let mut bytes = 0;
    let fits = |entry: &&Shown| {
        bytes += entry.details.len();
        bytes <= PAGE_BYTES
    };
    let most =
        page.entries.iter().take_while(fits).count().max(1).min(usize::try_from(limit).unwrap_or(usize::MAX));
    if page.entries.len() > most {
        page.entries.truncate(most);
        page.rest = page.entries.last().map(|last| last.id).or(page.rest);
    }
    page
}

/// The answer of several stores that share an audit. Of an entry whose parts lie in several of them the counts are added up. Answers may be
/// merged one after the other, so that no more than two are held.
pub fn merge(pages: Vec<Page>, limit: u32) -> Page {
    let rest = pages.iter().filter_map(|page| page.rest).max();
    let mut all: Vec<Shown> = pages.into_iter().flat_map(|page| page.entries).collect();
    all.retain(|entry| rest.is_none_or(|rest| entry.id >= rest));
    all.sort_unstable_by_key(|entry| Reverse(entry.id));
    let sum = |one: Option<i64>, other: Option<i64>| match (one, other) {
        (Some(one), Some(other)) => Some(one.saturating_add(other)),
        (one, other) => one.or(other),
    };
    let mut entries: Vec<Shown> = Vec::new();
    for entry in all {
        match entries.last_mut().filter(|last| last.id == entry.id) {
            Some(last) => {
                last.users = sum(last.users, entry.users);
                last.connections = sum(last.connections, entry.connections);
            }
            None => entries.push(entry),
        }
    }
    cut(Page { entries, rest }, limit)
}
