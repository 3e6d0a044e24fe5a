//! The directory at its size: a million records, and the figures that it has to meet.
//!
//! `cargo bench -p rollcall-core --bench directory` builds two databases, one of 20 tenants and one of a single
//! tenant, measures, and prints what was wanted beside what was found.

#![allow(
    clippy::disallowed_methods,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::print_stdout,
    reason = "a benchmark reads the clock, prints and stops at the first surprise"
)]

use std::{
    cell::RefCell,
    collections::BTreeMap,
    path::{Path, PathBuf},
    time::{Duration, Instant},
};

use criterion::Criterion;
use rollcall_core::{
    directory::{
        filter::Kind,
        query::{ListQuery, Listed, list, read_list},
        record::Record,
        row::Row,
        upsert::publish,
        view::View,
        zone::Zone,
    },
    id::{RecordId, TenantId},
    serial::{Began, Serial},
    store::{
        Statement, Value,
        migrations::{StoreKind, tables},
    },
    time::Timestamp,
};
use rusqlite::{Connection, ToSql, params_from_iter, types::ValueRef};

const RECORDS: i64 = 1_000_000;
const TENANTS: i64 = 20;
/// Records in one transaction.
const TRANSACTION: i64 = 10_000;
/// Records of which the writing is measured, the last ones.
const REST: i64 = 200_000;
/// Users of all tenants together; each has some five records.
const USERS: u64 = 200_000;
/// The first record opened here, one every two seconds from then on.
const START: i64 = 1_750_000_000_000;

fn main() {
    let table = RefCell::new(Table::default());
    let mut criterion = Criterion::default()
        .sample_size(20)
        .warm_up_time(Duration::from_millis(500))
        .measurement_time(Duration::from_secs(2))
        .configure_from_args();
    for (name, tenants, factor) in [("20 tenants", TENANTS, 1.0), ("one tenant", 1, 2.0)] {
        let mut database = Database::create(name, tenants);
        table.borrow_mut().rates.push((name, database.publish_rest(tenants)));
        for question in questions(factor) {
            let label = format!("{name}: {}", question.name);
            criterion.bench_function(&label, |bencher| {
                bencher.iter_custom(|iterations| {
                    let started = Instant::now();
                    for turn in 0..iterations {
                        let tenant = TenantId(1 + turn as i64 % tenants);
                        database.list(&question.query(turn), tenant);
                    }
                    let spent = started.elapsed();
                    table.borrow_mut().time(&label, question.target, spent / iterations as u32);
                    spent
                });
            });
        }
        table.borrow_mut().sizes.push((name, database.size()));
    }
    criterion.final_summary();
    table.borrow().print();
}

/// A list, and the milliseconds it may take.
struct Question {
    name: &'static str,
    target: Option<f64>,
    given: Vec<(&'static str, &'static str)>,
}

impl Question {
    /// The query of one turn: user ids and names differ from turn to turn.
    fn query(&self, turn: u64) -> ListQuery {
        let user = (turn * 7_919 % USERS).to_string();
        let piece = name(turn * 31).chars().skip(1).take(5).collect::<String>();
        let fill = |value: &str| value.replace("{user}", &user).replace("{piece}", &piece);
        let pairs: Vec<_> =
            self.given.iter().map(|(name, value)| ((*name).to_owned(), fill(value))).collect();
        ListQuery::parse(Kind::List, &pairs, &Zone::default()).expect("the question is well formed")
    }
}

/// Every one of them answers page and total. Targets are for 20 tenants; a tenant that holds everything may take
/// `factor` times as long, and 150 ms for MATCH.
fn questions(factor: f64) -> Vec<Question> {
    let filter =
        |key, op, value| vec![("filters[0].key", key), ("filters[0].op", op), ("filters[0].value", value)];
    let large = [("pageSize", "100")];
    let question = |name, target: Option<f64>, mut given: Vec<(&'static str, &'static str)>, more: &[_]| {
        given.extend_from_slice(more);
        Question { name, target: target.map(|target| target * factor), given }
    };
    let mut questions = vec![
        question("first page of 100, with total", Some(2.0), vec![], &large),
        question("total, with one record", Some(10.0), vec![], &[("pageSize", "1")]),
        question("filtered by userId", Some(1.0), filter("userId", "EQUAL", "{user}"), &large),
        question("fullName MATCH of 5 letters", Some(20.0), filter("fullName", "MATCH", "{piece}"), &large),
        question("pageNo 500 of 100, with total", Some(30.0), vec![("pageNo", "500")], &large),
        question("fullName MATCH of 1 letter", None, filter("fullName", "MATCH", "a"), &large),
        question("deviceId EQUAL", None, vec![("deviceId", "00000000000000ff")], &large),
        question("remoteAddress EQUAL", None, vec![("remoteAddress", "10.1.2.3")], &large),
        question("online=true", None, vec![("online", "true")], &large),
        question("online=false", None, vec![("online", "false")], &large),
        question("orderBy offlineDate", None, vec![("orderBy", "offlineDate")], &large),
        question("orderBy fullName ASC", None, vec![("orderBy", "fullName"), ("orderSort", "ASC")], &large),
        question(
            "one day of onlineDate",
            None,
            filter("onlineDate", "GREATER_THAN", "2025-07-07 00:00:00"),
            &large,
        ),
    ];
    if factor > 1.0 {
        for question in questions.iter_mut().filter(|question| question.name.contains("5 letters")) {
            question.target = Some(150.0);
        }
    }
    questions
}

/// A database file as the origin has one.
struct Database {
    connection: Connection,
    path: PathBuf,
}

impl Database {
    /// A database of [`RECORDS`] less what [`Database::publish_rest`] brings.
    fn create(name: &str, tenants: i64) -> Self {
        let path = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join(format!("directory {name}.sqlite"));
        remove(&path);
        let connection = Connection::open(&path).expect("the file can be created");
        connection.set_prepared_statement_cache_capacity(64);
        let mut database = Self { connection, path };
        database.pragmas(&["journal_mode = WAL", "synchronous = OFF", "cache_size = -262144"]);
        // The table first and its indexes over the whole of it: a tenth of the time.
        let schema = tables(StoreKind::Origin);
        let (table, _) = schema.split_once(';').expect("the table comes first");
        database.connection.execute_batch(table).expect("the schema is valid");
        for batch in 0..(RECORDS - REST) / TRANSACTION {
            database.publish(batch, tenants);
        }
        database.connection.execute_batch(&schema).expect("the schema is valid");
        database.pragmas(&["wal_checkpoint(TRUNCATE)", "synchronous = FULL", "wal_autocheckpoint = 50000"]);
        database
    }

    fn pragmas(&self, pragmas: &[&str]) {
        for pragma in pragmas {
            self.connection.execute_batch(&format!("PRAGMA {pragma}")).expect("the pragma is known");
        }
    }

    /// Publishes the rest, in durable transactions and with every index on; how long each took.
    fn publish_rest(&mut self, tenants: i64) -> Vec<Duration> {
        let rest = (RECORDS - REST) / TRANSACTION..RECORDS / TRANSACTION;
        rest.map(|batch| self.publish(batch, tenants)).collect()
    }

    fn publish(&mut self, batch: i64, tenants: i64) -> Duration {
        let records: Vec<_> =
            (0..TRANSACTION).map(|index| record(batch * TRANSACTION + index, tenants)).collect();
        let started = Instant::now();
        let transaction = self.connection.transaction().expect("no other writer");
        for statement in publish(&records) {
            execute(&transaction, &statement);
        }
        transaction.commit().expect("the disk has room");
        started.elapsed()
    }

    fn list(&self, query: &ListQuery, tenant: TenantId) -> Listed {
        let view = View::at(Timestamp::from_millis(START + RECORDS * 2_000));
        read_list(&execute(&self.connection, &list(query, tenant, &view))).expect("rows of a list")
    }

    fn size(&self) -> u64 {
        std::fs::metadata(&self.path).map_or(0, |file| file.len())
    }
}

impl Drop for Database {
    fn drop(&mut self) {
        remove(&self.path);
    }
}

fn remove(path: &Path) {
    for suffix in ["", "-wal", "-shm"] {
        let mut name = path.as_os_str().to_owned();
        name.push(suffix);
        // There is nothing to remove most of the time.
        let _ = std::fs::remove_file(name);
    }
}

fn execute(connection: &Connection, statement: &Statement) -> Vec<Row> {
    let mut prepared = connection.prepare_cached(&statement.sql).expect("the statement is valid");
    let params = statement.params.iter().map(|value| -> Box<dyn ToSql> {
        match value {
            Value::Null => Box::new(rusqlite::types::Null),
            Value::Int(number) => Box::new(*number),
            Value::Text(text) => Box::new(text.clone()),
        }
    });
    let columns = prepared.column_count();
    let mut rows = prepared.query(params_from_iter(params)).expect("the parameters fit");
    let mut answer = Vec::new();
    while let Some(row) = rows.next().expect("a row") {
        let value = |column| match row.get_ref(column).expect("a column") {
            ValueRef::Integer(number) => Value::Int(number),
            ValueRef::Text(text) => Value::Text(String::from_utf8_lossy(text).into_owned()),
            _ => Value::Null,
        };
        answer.push((0..columns).map(value).collect());
    }
    answer
}

/// Evenly spread bits of a number, always the same ones.
const fn mixed(number: u64) -> u64 {
    let number = (number ^ (number >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let number = (number ^ (number >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    number ^ (number >> 31)
}

/// Two capitalised words of two or three syllables.
fn name(user: u64) -> String {
    const SYLLABLES: [&str; 32] = [
        "an", "ba", "chen", "da", "el", "fu", "gar", "hui", "in", "jo", "ka", "li", "ming", "no", "or", "pe",
        "qi", "ra", "shi", "ta", "ul", "vi", "wen", "xia", "yu", "zhao", "mar", "ton", "ros", "ke", "sen",
        "do",
    ];
    let mut bits = mixed(user);
    let mut word = |syllables: usize| {
        let mut word = String::new();
        for _ in 0..syllables {
            word.push_str(SYLLABLES[bits as usize % SYLLABLES.len()]);
            bits /= SYLLABLES.len() as u64;
        }
        let (first, rest) = word.split_at(1);
        first.to_uppercase() + rest
    };
    format!("{} {}", word(2), word(3))
}

fn record(index: i64, tenants: i64) -> Record {
    let user = mixed(index as u64) % USERS;
    let online_at = Timestamp::from_millis(START + index * 2_000);
    // The last tenth is online for the most part, as are a few of the others.
    let bits = mixed(index as u64 + 1);
    let live = if index > RECORDS / 10 * 9 { !bits.is_multiple_of(4) } else { bits.is_multiple_of(50) };
    let seconds = 30 + bits % 40_000;
    let (tenant, began) = (TenantId(1 + user as i64 % tenants), Began { under: Serial::NONE, at: online_at });
    Record {
        full_name: name(user),
        user_agent: "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/126.0"
            .into(),
        device_id: format!("{:016x}", mixed(user + index as u64 % 3)),
        remote_address: format!("10.{}.{}.{}", bits & 255, (bits >> 8) & 255, (bits >> 16) & 255),
        offline_at: (!live).then(|| online_at + Duration::from_secs(seconds)),
        ..Record::opened(RecordId::draw(online_at, bits), tenant, user as i64, began)
    }
}

/// What was wanted beside what was found.
#[derive(Default)]
struct Table {
    /// Medians, by their label: what criterion measured last is what it measured most carefully.
    times: BTreeMap<String, (Option<f64>, Vec<Duration>)>,
    rates: Vec<(&'static str, Vec<Duration>)>,
    sizes: Vec<(&'static str, u64)>,
}

impl Table {
    fn time(&mut self, label: &str, target: Option<f64>, spent: Duration) {
        self.times.entry(label.to_owned()).or_insert_with(|| (target, Vec::new())).1.push(spent);
    }

    fn print(&self) {
        println!("\n| what | target | median | best | |\n|---|---|---|---|---|");
        let millis = |time: Duration| time.as_secs_f64() * 1_000.0;
        for (label, (target, times)) in &self.times {
            let (median, best) = middle_and_least(times);
            let wanted = target.map_or_else(|| "-".to_owned(), |target| format!("<= {target} ms"));
            let missed = target.is_some_and(|target| millis(median) > target);
            let verdict = if missed { "MISSED" } else { "" };
            println!(
                "| {label} | {wanted} | {:.2} ms | {:.2} ms | {verdict} |",
                millis(median),
                millis(best)
            );
        }
        for (name, times) in &self.rates {
            let (median, best) = middle_and_least(times);
            let rate = |time: Duration| TRANSACTION as f64 / time.as_secs_f64();
            let verdict = if rate(median) < 25_000.0 { "MISSED" } else { "" };
            let (median, best) = (rate(median), rate(best));
            println!(
                "| {name}: upsert, {TRANSACTION} a transaction | >= 25000/s | {median:.0}/s | {best:.0}/s | {verdict} |"
            );
        }
        for (name, size) in &self.sizes {
            println!("| {name}: file | - | {} MB | | |", size / 1_000_000);
        }
    }
}

fn middle_and_least(times: &[Duration]) -> (Duration, Duration) {
    let mut times = times.to_vec();
    times.sort_unstable();
    (times[times.len() / 2], times[0])
}
