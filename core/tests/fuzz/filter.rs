//! The query string of a list of the message center: whatever is understood is a statement that SQLite takes, within the
//! number of parameters that the edge's storage takes.

use std::cell::LazyCell;

use rollcall_core::{
    directory::{
        filter::Kind,
        query::{ListQuery, list, pairs},
        view::View,
        zone::Zone,
    },
    id::TenantId,
    store::migrations::{StoreKind, tables},
    time::Timestamp,
};
use rusqlite::Connection;

thread_local! {
    static STORE: LazyCell<Connection> = LazyCell::new(|| {
        let store = Connection::open_in_memory().expect("SQLite opens");
        store.execute_batch(&tables(StoreKind::Origin)).expect("the schema is taken");
        store
    });
}

pub fn check(query: &str) {
    for kind in [Kind::List, Kind::Search, Kind::Order] {
        let Ok(query) = ListQuery::parse(kind, &pairs(query), &Zone::default()) else { continue };
        let view = View::at(Timestamp::from_secs(1_800_000_000));
        let statement = list(&query, TenantId(1), &view);
        assert!(statement.params.len() <= 100, "{} parameters", statement.params.len());
        STORE.with(|store| {
            store.prepare_cached(&statement.sql).map(drop).expect("SQLite takes the statement")
        });
    }
}
