//! The statements of the product in a real database.

use super::*;

/// The statements of one change. The only place that knows how they are asked for.
fn statements(change: &Change, user: &UserId) -> Vec<Statement> {
    change.statements(user)
}

/// The store that counts: the statements of the product in a real database.
pub struct Sqlite(rusqlite::Connection);

impl Sqlite {
    pub fn new() -> Self {
        let database = rusqlite::Connection::open_in_memory().unwrap();
        database.set_prepared_statement_cache_capacity(64);
        database.execute_batch(&tables(StoreKind::Origin)).unwrap();
        Self(database)
    }

    /// The one column of texts that a query about a user reads.
    pub fn texts(&self, sql: &'static str, user: &UserId) -> Vec<String> {
        let rows = self.rows(&Statement::new(sql, [Value::from(user.as_str())]));
        let text = |row: Vec<Value>| match row.into_iter().next() {
            Some(Value::Text(text)) => text,
            other => panic!("{other:?} is no text"),
        };
        rows.into_iter().map(text).collect()
    }

    /// Runs one statement and returns its rows.
    pub fn rows(&self, statement: &Statement) -> Vec<Vec<Value>> {
        let mut prepared = self.0.prepare_cached(&statement.sql).unwrap();
        let width = prepared.column_count();
        let params = rusqlite::params_from_iter(statement.params.iter().map(bound));
        prepared
            .query_map(params, |row| (0..width).map(|column| row.get(column).map(read)).collect())
            .unwrap()
            .collect::<Result<_, _>>()
            .unwrap()
    }
}

fn bound(value: &Value) -> rusqlite::types::Value {
    match value {
        Value::Null => rusqlite::types::Value::Null,
        Value::Int(number) => (*number).into(),
        Value::Text(text) => text.clone().into(),
    }
}

fn read(value: rusqlite::types::Value) -> Value {
    match value {
        rusqlite::types::Value::Null => Value::Null,
        rusqlite::types::Value::Integer(number) => Value::Int(number),
        rusqlite::types::Value::Text(text) => Value::Text(text),
        other => panic!("no column holds {other:?}"),
    }
}

fn int(value: &Value) -> i64 {
    match value {
        Value::Int(number) => *number,
        other => panic!("{other:?} is no number"),
    }
}

impl Store for Sqlite {
    fn load_part(&self, user: &User, needs: &Needs, now: Timestamp) -> Loaded {
        let mut loaded = Loaded::default();
        for (part, query) in needs.queries(user, now) {
            loaded.absorb(part, &self.rows(&query)).unwrap();
        }
        loaded
    }

    fn commit(&mut self, user: &UserId, changes: &[Change], fail: bool) -> Result<(), CommitFailed> {
        let statements: Vec<_> = changes.iter().flat_map(|change| statements(change, user)).collect();
        let transaction = self.0.transaction().unwrap();
        for (index, statement) in statements.iter().enumerate() {
            if fail && index + 1 == statements.len() {
                return Err(CommitFailed); // what was done is rolled back
            }
            let mut prepared = transaction.prepare_cached(&statement.sql).unwrap();
            let params = rusqlite::params_from_iter(statement.params.iter().map(bound));
            match prepared.execute(params) {
                Ok(_) => {}
                Err(rusqlite::Error::SqliteFailure(error, _))
                    if error.code == rusqlite::ErrorCode::ConstraintViolation =>
                {
                    return Err(CommitFailed);
                }
                Err(error) => panic!("{}: {error}", statement.sql),
            }
        }
        transaction.commit().unwrap();
        Ok(())
    }

    fn tokens(&self, user: &UserId) -> BTreeMap<TokenHash, TokenState> {
        let query =
            Statement::new("SELECT hash, state FROM token WHERE user = ?1", [Value::from(user.as_str())]);
        let state = |number| if number == 0 { TokenState::Valid } else { TokenState::Kicked };
        let row = |row: &Vec<Value>| match &row[0] {
            Value::Text(hash) => (hash.parse().unwrap(), state(int(&row[1]))),
            other => panic!("{other:?} is no hash"),
        };
        self.rows(&query).iter().map(row).collect()
    }

    fn records(&self) -> BTreeMap<RecordId, Shown> {
        let query = Statement::new("SELECT id, online_at, offline_at FROM record", []);
        let row = |row: &Vec<Value>| {
            let offline_at = (row[2] != Value::Null).then(|| int(&row[2]));
            (RecordId::from_number(int(&row[0])).unwrap(), Shown { online_at: int(&row[1]), offline_at })
        };
        self.rows(&query).iter().map(row).collect()
    }

    fn dump(&self) -> String {
        let tables = ["user", "account", "token", "held_end", "record", "subscription", "watcher", "ties"];
        let all =
            |table: &&str| self.rows(&Statement::new(format!("SELECT * FROM {table} ORDER BY 1, 2"), []));
        format!("{:?}", tables.iter().map(all).collect::<Vec<_>>())
    }
}
