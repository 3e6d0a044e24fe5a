//! What a command needs from the object's store.

use std::rc::Rc;

use rollcall_core::{
    directory::record::Record,
    directory::{query, schema},
    id::{RecordId, UserId},
    store::{Statement, Value},
    time::Timestamp,
    user::{Command, Loaded, SCHEMA},
};

use super::{Object, run::Failure};

/// The tables of a user's object, made by the first change.
pub(super) const TABLES: &[&str] = &[SCHEMA, schema::USER_SCHEMA];

impl Object {
    pub(super) fn load(&self, user: &UserId, command: &Command, now: Timestamp) -> Result<Loaded, Failure> {
        let mut loaded = Loaded::default();
        for (part, statement) in command.needs().queries(user, now) {
            if let Some(rows) = self.sql().read(&statement)? {
                loaded.absorb(part, &rows).map_err(|error| Failure::Unreadable(error.to_string()))?;
            }
        }
        Ok(loaded)
    }

    /// Of these records, those that the object has.
    pub(super) fn records(self: &Rc<Self>, ids: Vec<RecordId>) -> Result<Vec<Record>, Failure> {
        self.look_back(&self.user()?, None)?;
        self.read_records(&query::by_ids(ids))
    }

    pub(super) fn read_records(&self, statement: &Statement) -> Result<Vec<Record>, Failure> {
        let rows = self.sql().read(statement)?.unwrap_or_default();
        query::read_records(&rows).map_err(|error| Failure::Unreadable(error.to_string()))
    }

    pub(super) fn user_from_store(&self) -> Result<UserId, Failure> {
        let rows = self.sql().read(&Statement::new("SELECT id FROM user LIMIT 1", []))?.unwrap_or_default();
        match rows.first().map(Vec::as_slice) {
            Some([Value::Text(id)]) => UserId::new(id.as_str()).map_err(|_| Failure::Nobody),
            _ => Err(Failure::Nobody),
        }
    }
}
