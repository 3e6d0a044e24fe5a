//! Both engines, asked the same.

use std::{
    path::Path,
    sync::{
        Arc,
        atomic::{AtomicU32, Ordering::Relaxed},
    },
};

use rollcall_conformance::postgres::Postgres;
use rollcall_core::{config, secret::Secret, store::Statement};
use rollcall_origin::{
    metrics::Metrics,
    store::{Rows, Store},
};
use tokio::runtime::Runtime;
use tokio_postgres::{Client, NoTls};

/// The settings of a store in a schema of its own.
pub(crate) fn settings(engine: &Postgres) -> config::Store {
    static SCHEMAS: AtomicU32 = AtomicU32::new(0);
    let schema = format!("schema_{}", SCHEMAS.fetch_add(1, Relaxed));
    config::Store { url: Some(Secret::new(engine.url())), schema, connections: 4, ..config::Store::default() }
}

/// A store of these settings, in PostgreSQL.
pub(crate) async fn open(settings: &config::Store) -> anyhow::Result<Store> {
    Store::open(settings, &config::Cluster::default(), Path::new("nowhere"), Metrics::new(false)).await
}

/// A session of the test's own, which sees the schema of these settings.
pub(crate) async fn client(settings: &config::Store) -> Client {
    let url = settings.url.as_ref().unwrap().expose();
    let (client, connection) = tokio_postgres::connect(url, NoTls).await.unwrap();
    tokio::spawn(connection);
    client.batch_execute(&format!("SET search_path TO {}", settings.schema)).await.unwrap();
    client
}

pub(crate) struct Engines {
    sqlite: Store,
    postgres: Store,
    runtime: Runtime,
    _home: tempfile::TempDir,
    _engine: Arc<Postgres>,
}

impl Engines {
    pub(crate) fn open() -> Self {
        let engine = Postgres::shared().unwrap();
        let runtime = Runtime::new().unwrap();
        let home = tempfile::tempdir().unwrap();
        let postgres = runtime.block_on(open(&settings(&engine))).unwrap();
        let embedded = config::Store::default();
        let alone = config::Cluster::default();
        let sqlite =
            runtime.block_on(Store::open(&embedded, &alone, home.path(), Metrics::new(false))).unwrap();
        Self { sqlite, postgres, runtime, _home: home, _engine: engine }
    }

    /// The rows of both, which are the same in the same order.
    #[track_caller]
    pub(crate) fn rows(&self, statement: Statement) -> Rows {
        let (one, other) = self.both(&statement);
        assert_eq!(one, other, "{statement:?}");
        one
    }

    /// The same of a statement without an order.
    #[track_caller]
    pub(crate) fn set(&self, statement: Statement) -> Rows {
        let (one, other) = self.both(&statement);
        assert_eq!(sorted(one.clone()), sorted(other), "{statement:?}");
        one
    }

    #[track_caller]
    fn both(&self, statement: &Statement) -> (Rows, Rows) {
        self.runtime.block_on(async {
            let asked = |store: &Store| {
                let store = store.clone();
                async move { store.query(vec![statement.clone()]).await.map(|mut answers| answers.remove(0)) }
            };
            let (one, other) = tokio::join!(asked(&self.sqlite), asked(&self.postgres));
            let fail = |error| panic!("{error}: {statement:?}");
            (one.unwrap_or_else(fail), other.unwrap_or_else(fail))
        })
    }

    /// What both answer to a commit, the same rows, or what they refuse alike: whether it may pass.
    #[track_caller]
    pub(crate) fn commit(&self, statements: Vec<Statement>) -> Result<Vec<Rows>, bool> {
        let (one, other) = self.runtime.block_on(async {
            tokio::join!(self.sqlite.commit(statements.clone()), self.postgres.commit(statements.clone()))
        });
        match (one, other) {
            (Ok(one), Ok(other)) => {
                let sorted = |all: &[Rows]| all.iter().cloned().map(sorted).collect::<Vec<_>>();
                assert_eq!(sorted(&one), sorted(&other), "{statements:?}");
                Ok(one)
            }
            (Err(one), Err(other)) => {
                assert_eq!(one.is_permanent(), other.is_permanent(), "{one}; {other}: {statements:?}");
                Err(one.is_permanent())
            }
            (one, other) => panic!("{one:?}; {other:?}: {statements:?}"),
        }
    }

    /// The number of rows that both change.
    #[track_caller]
    pub(crate) fn change(&self, statement: Statement) -> u64 {
        let (one, other) = self.runtime.block_on(async {
            tokio::join!(self.sqlite.change(statement.clone()), self.postgres.change(statement.clone()))
        });
        let fail = |error| panic!("{error}: {statement:?}");
        let (one, other) = (one.unwrap_or_else(fail), other.unwrap_or_else(fail));
        assert_eq!(one, other, "{statement:?}");
        one
    }

    /// The same of all that is stored.
    #[track_caller]
    pub(crate) fn agree(&self) {
        for sql in TABLES {
            self.rows(Statement::new(sql, []));
        }
    }

    /// Forgets all that is stored.
    pub(crate) fn clear(&self) {
        let tables = [
            "user",
            "account",
            "token",
            "held_end",
            "subscription",
            "watcher",
            "ties",
            "record",
            "tenant_mark",
            "lease",
            "scoped_cutoff",
            "scoped_user",
            "last_serial",
            "audit",
        ];
        let clear = |table| Statement::new(format!("DELETE FROM {table}"), []);
        self.commit(tables.map(clear).to_vec()).unwrap();
    }
}

/// Every column of every table.
const TABLES: [&str; 14] = [
    "SELECT id, tenant, last_order, issue_clock, revoked_at, unlocked_at, revoked_in, home, unlocked_in, unseen_at, \
     first_expiry, settled_in FROM user ORDER BY id",
    "SELECT user, nickname, face_url FROM account ORDER BY user",
    "SELECT user, hash, platform, ord, issued_at, expires_at, state, under FROM token ORDER BY user, hash",
    "SELECT user, record, ended_at, until FROM held_end ORDER BY user, record",
    "SELECT user, connection, watched, stamp, sequence, platforms FROM subscription ORDER BY user, connection, watched",
    "SELECT user, watcher, stamp FROM watcher ORDER BY user, watcher",
    "SELECT user, sequence, told, due, after, wave, release_at, registered FROM ties ORDER BY user",
    "SELECT id, tenant, user, full_name, avatar, user_agent, device_id, remote_address, online_at, offline_at, lease_until, \
     source, generation, member_of, under, bucket FROM record ORDER BY id",
    "SELECT tenant, at, sequence, exempt, lifted FROM tenant_mark ORDER BY tenant",
    "SELECT id, renewed_at FROM lease ORDER BY id",
    "SELECT serial, tenant, at, notice, users FROM scoped_cutoff ORDER BY serial",
    "SELECT user, serial FROM scoped_user ORDER BY user, serial",
    "SELECT id, serial FROM last_serial ORDER BY id",
    "SELECT id, target, tenant, given_by, operation, progress, users, connections, details FROM audit ORDER BY id, target",
];

fn sorted(mut rows: Rows) -> Rows {
    rows.sort_by_cached_key(|row| format!("{row:?}"));
    rows
}
