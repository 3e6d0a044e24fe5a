//! A database as strict as the edge's, and the naive list that everything is measured against.

use rusqlite::{Connection, StatementStatus, ToSql, types::ValueRef};

use crate::{
    directory::{
        holding::{Holding, counters, read_counters},
        query::{ListQuery, Listed},
        record::Record,
        row::Row,
        upsert,
        view::View,
    },
    id::{RecordId, TenantId},
    serial::{Began, Serial},
    store::{
        Statement, Value,
        migrations::{StoreKind, tables},
    },
    time::Timestamp,
};

pub(crate) struct Database(Connection);

impl Database {
    pub(crate) fn new() -> Self {
        Self::of(StoreKind::Origin)
    }

    pub(crate) fn of(store: StoreKind) -> Self {
        let connection = Connection::open_in_memory().unwrap();
        connection.set_prepared_statement_cache_capacity(64);
        connection.execute_batch(&tables(store)).unwrap();
        Self(connection)
    }

    /// A shard's database, which counts what it holds.
    pub(crate) fn shard(records: &[Record]) -> Self {
        let database = Self::of(StoreKind::Shard);
        for statement in upsert::counts(records).iter().chain(&upsert::receive(records)) {
            database.run(statement);
        }
        database
    }

    /// What a shard's database holds, all of it owned but these buckets.
    pub(crate) fn held(&self, hidden: &[u16]) -> Holding {
        let counters = read_counters(&self.run(&counters())).unwrap();
        Holding::of_shard(&counters, |bucket| !hidden.contains(&bucket))
    }

    pub(crate) fn holding(records: &[Record]) -> Self {
        let database = Self::new();
        database.insert(records);
        database
    }

    pub(crate) fn insert(&self, records: &[Record]) {
        self.0.execute_batch("BEGIN").unwrap();
        for record in records {
            self.run(&upsert::opened(record));
        }
        self.0.execute_batch("COMMIT").unwrap();
    }

    /// Executes as the Workers binding does: numbers go in and come out as doubles.
    pub(crate) fn run(&self, statement: &Statement) -> Vec<Row> {
        self.try_run(statement).unwrap_or_else(|error| panic!("{error}: {}", statement.sql))
    }

    pub(crate) fn try_run(&self, statement: &Statement) -> rusqlite::Result<Vec<Row>> {
        assert!(statement.sql.len() < 100_000 && statement.params.len() <= 100);
        let params: Vec<Box<dyn ToSql>> = statement.params.iter().map(bound).collect();
        let params: Vec<&dyn ToSql> = params.iter().map(AsRef::as_ref).collect();
        let mut prepared = self.0.prepare_cached(&statement.sql)?;
        let columns = prepared.column_count();
        let mut rows = prepared.query(params.as_slice())?;
        let mut answer = Vec::new();
        while let Some(row) = rows.next()? {
            answer.push((0..columns).map(|column| read(row.get_ref(column).unwrap())).collect());
        }
        Ok(answer)
    }

    /// Executes it, and returns the steps that SQLite took. They are deaf to what else the machine does.
    pub(crate) fn steps(&self, statement: &Statement) -> i32 {
        self.run(statement);
        let prepared = self.0.prepare_cached(&statement.sql).unwrap();
        prepared.get_status(StatementStatus::VmStep)
    }

    pub(crate) fn records(&self) -> Vec<Record> {
        let sql = format!("SELECT {} FROM record ORDER BY id", crate::directory::row::COLUMNS);
        crate::directory::query::read_records(&self.run(&Statement::new(sql, []))).unwrap()
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.run(&Statement::new("SELECT 1 FROM record LIMIT 1", [])).is_empty()
    }

    pub(crate) fn plan(&self, statement: &Statement) -> String {
        let explain =
            Statement::new(format!("EXPLAIN QUERY PLAN {}", statement.sql), statement.params.clone());
        let detail = |row: Row| match row.into_iter().next_back() {
            Some(Value::Text(detail)) => detail,
            other => panic!("{other:?}"),
        };
        self.run(&explain).into_iter().map(detail).collect::<Vec<_>>().join("\n")
    }
}

fn bound(value: &Value) -> Box<dyn ToSql> {
    match value {
        Value::Null => Box::new(rusqlite::types::Null),
        Value::Int(number) => {
            assert!(number.unsigned_abs() <= 1 << 53, "{number} is not exact as a double");
            Box::new(*number as f64)
        }
        Value::Text(text) => {
            assert!(text.len() < 2_000_000);
            Box::new(text.clone())
        }
    }
}

fn read(value: ValueRef<'_>) -> Value {
    match value {
        ValueRef::Null => Value::Null,
        ValueRef::Integer(number) => {
            assert!(number.unsigned_abs() <= 1 << 53, "{number} is not exact as a double");
            Value::Int(number)
        }
        ValueRef::Text(text) => Value::Text(std::str::from_utf8(text).unwrap().to_owned()),
        other => panic!("{other:?}"),
    }
}

/// A live record of tenant 1 and user 1 that is online.
pub(crate) fn sample(id: i64) -> Record {
    let began = Began { under: Serial::NONE, at: Timestamp::from_secs(1_752_631_200) };
    Record {
        full_name: "Zhang San".into(),
        user_agent: "curl/8.5.0".into(),
        device_id: "unknown".into(),
        remote_address: "10.0.0.1".into(),
        ..Record::opened(RecordId::from_number(id).unwrap(), TenantId(1), 1, began)
    }
}

/// What a list is, by its definition.
pub(crate) fn naive_list(records: &[Record], query: &ListQuery, tenant: TenantId, view: &View) -> Listed {
    let matches = |record: &&Record| {
        record.tenant == tenant
            && view.retains(record)
            && query.conditions.iter().all(|condition| condition.holds(record, view))
    };
    let mut found: Vec<Record> = records.iter().filter(matches).cloned().collect();
    found.sort_by(|one, other| {
        query.order.compare(&query.order.position(one, view), &query.order.position(other, view))
    });
    let total = found.len() as u64;
    let page = found.into_iter().skip(query.page.offset() as usize).take(query.page.size() as usize);
    Listed { total, records: page.collect() }
}

pub(crate) fn pairs(text: &[(&str, &str)]) -> Vec<(String, String)> {
    text.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
}
