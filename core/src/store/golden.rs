//! The columns that hold JSON, as files: a text that an earlier program stored is read, and stored as it was.
//!
//! A file is named by table, column and version of the form. A form that is to change gets a new file; the old one is still read.

use std::{collections::BTreeMap, path::Path};

use rusqlite::Connection;
use serde::{Serialize, de::DeserializeOwned};

use super::{
    Value,
    migrations::{StoreKind, tables},
};
use crate::{
    directory::membership::Membership, id::TenantId, serial::Serial, time::Timestamp,
    token::store::IssueClock, user::FanOut,
};

fn keeps<T: Serialize + DeserializeOwned>(file: &str) {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("golden").join(file);
    let text = std::fs::read_to_string(path).unwrap();
    let value: T = crate::json::read(text.trim_end()).unwrap_or_else(|error| panic!("{file}: {error}"));
    assert_eq!(Value::json(&value), Value::Text(text.trim_end().to_owned()), "{file}");
}

#[test]
fn columns_of_json_keep_their_form() {
    keeps::<IssueClock>("user.issue_clock.v1.json");
    keeps::<Vec<(TenantId, Timestamp)>>("user.revoked_in.v1.json");
    keeps::<Vec<(TenantId, Serial)>>("user.unlocked_in.v1.json");
    keeps::<FanOut>("ties.wave.v1.json");
    keeps::<Vec<i64>>("tenant_mark.exempt.v1.json");
    keeps::<Vec<i64>>("wave.exempt.v1.json");
    keeps::<Vec<String>>("scoped_part.users.v1.json");
    keeps::<Membership>("record.member_of.v1.json");
}

/// A `member_of` of NULL is one that is not known; what stands there is made of numbers and can always be written.
#[test]
fn what_cannot_be_written_is_refused_by_its_column() {
    let unwritable = BTreeMap::from([((1, 2), 3)]);
    assert_eq!(Value::json(&unwritable), Value::Null);
    // `INSERT OR REPLACE` writes a default in the place of NULL, so those columns have none.
    let columns = [
        ("user", "issue_clock", false),
        ("user", "revoked_in", false),
        ("user", "unlocked_in", false),
        ("tenant_mark", "exempt", false),
        ("ties", "wave", false),
        ("wave", "exempt", true),
    ];
    for (table, column, is_replaced) in columns {
        let store = Connection::open_in_memory().unwrap();
        let kind = if table == "wave" { StoreKind::Shard } else { StoreKind::Origin };
        store.execute_batch(&tables(kind)).unwrap();
        let sql = "SELECT \"notnull\", dflt_value IS NOT NULL FROM pragma_table_info(?1) WHERE name = ?2";
        let (refuses_null, has_default): (bool, bool) =
            store.query_row(sql, [table, column], |row| Ok((row.get(0)?, row.get(1)?))).unwrap();
        assert!(refuses_null && !(is_replaced && has_default), "{table}.{column}");
    }
}
