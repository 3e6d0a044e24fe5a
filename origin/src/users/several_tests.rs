//! Users of several servers of one store.

use std::sync::{
    Arc,
    atomic::{AtomicU32, Ordering::SeqCst},
};

use rollcall_conformance::postgres::Postgres;
use rollcall_core::{config, id::UserId, secret::Secret, time::Timestamp};
use tokio_postgres::{Client, NoTls};

use super::{
    Users,
    shared_tests::{interleave, seed, settings},
};
use crate::{
    cluster,
    server::open,
    store::{Node, NodeState},
};

/// Servers over one engine, without listeners.
struct Servers {
    nodes: Vec<Users>,
    client: Client,
    _engine: Arc<Postgres>,
    _home: tempfile::TempDir,
}

impl Servers {
    async fn new(count: usize) -> Self {
        let servers = Self::silent(count).await;
        for users in &servers.nodes {
            users.enter();
            tokio::spawn(cluster::keep(users.clone(), || 0));
            tokio::spawn(cluster::keep_mailbox(users.clone()));
        }
        servers
    }

    /// Without what goes on by itself.
    async fn silent(count: usize) -> Self {
        static SCHEMAS: AtomicU32 = AtomicU32::new(0);
        let (engine, home) = (Postgres::shared().unwrap(), tempfile::tempdir().unwrap());
        let schema = format!("several_{}", SCHEMAS.fetch_add(1, SeqCst));
        let mut settings = settings();
        let url = Some(Secret::new(engine.url()));
        settings.store = config::Store { url, schema: schema.clone(), connections: 4, ..settings.store };
        settings.cluster.several = true;
        // Nobody dies here, however busy the machine is.
        settings.cluster.lease_seconds = 60;
        let mut nodes = Vec::new();
        for _ in 0..count {
            let users = open(settings.clone(), home.path()).await.unwrap();
            nodes.push(users);
        }
        let (client, connection) = tokio_postgres::connect(&engine.url(), NoTls).await.unwrap();
        tokio::spawn(connection);
        client.batch_execute(&format!("SET search_path TO {schema}")).await.unwrap();
        Self { nodes, client, _engine: engine, _home: home }
    }

    async fn count(&self, sql: &str) -> i64 {
        self.client.query_one(&format!("SELECT count(*) FROM {sql}"), &[]).await.unwrap().get(0)
    }
}

/// Logins, reconnects, kicks and questions at three servers: behind the answer to a kick its sockets are closed wherever they are, no
/// server shows them, and none takes their tokens.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_kick_is_in_force_at_every_server_when_it_is_answered() {
    let servers = Servers::new(3).await;
    let seed = seed();
    for round in 0..2 {
        interleave(&servers.nodes, seed.wrapping_add(round), false, std::future::pending()).await;
        assert_eq!(servers.count("live").await, 0);
        assert_eq!(servers.count("record WHERE offline_at IS NULL").await, 0);
    }
}

/// The same while the engine ends sessions: a kick without an answer may have happened, and its repetition waits for what it ended.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn so_it_is_while_the_engine_ends_sessions() {
    let servers = Servers::new(3).await;
    let schema = &servers.nodes[0].settings().store.schema;
    let disturbing = async {
        let sql = "SELECT count(pg_terminate_backend(pid)) FROM (SELECT pid FROM pg_locks WHERE locktype = 'advisory' \
                   AND (classid::bigint << 32 | objid::bigint) = hashtextextended($1, 2) ORDER BY random() LIMIT 1) AS one";
        loop {
            tokio::time::sleep(std::time::Duration::from_millis(40)).await;
            servers.client.query_one(sql, &[schema]).await.unwrap();
        }
    };
    interleave(&servers.nodes, seed(), true, disturbing).await;
    assert_eq!(servers.count("live").await, 0);
    assert_eq!(servers.count("record WHERE offline_at IS NULL").await, 0);
}

/// The known-wrong way was one row for both deaths, which the end of the first one's work removed.
#[tokio::test]
async fn a_user_who_is_woken_while_somebody_looks_after_it_is_looked_after_once_more() {
    let servers = Servers::silent(1).await;
    let (cluster, client) = (servers.nodes[0].cluster().unwrap(), &servers.client);
    client.batch_execute("INSERT INTO watcher VALUES ('7', '8', 1)").await.unwrap();
    let dies = async |id: i64| {
        let left = "INSERT INTO live (connection, \"user\", node, kind, opened_at, under, body) \
                    VALUES ($1, '7', $2, 1, 0, 0, '{}')";
        client.execute(left, &[&format!("{id:032x}"), &id]).await.unwrap();
        let died =
            "INSERT INTO node (id, name, version, started_at, alive_at, state) VALUES ($1, '', '', 0, 0, 1)";
        client.execute(died, &[&id]).await.unwrap();
        let node = Node {
            id,
            name: String::new(),
            version: String::new(),
            started_at: Timestamp::default(),
            alive_at: Timestamp::default(),
            beat: 0,
            sockets: 0,
            state: NodeState::Dead,
            is_swept: false,
        };
        cluster.sweep(&node).await.unwrap();
        assert_eq!(
            servers.count("live").await + servers.count("node WHERE state = 1 AND swept = 0").await,
            0
        );
    };
    dies(1).await;
    let taken = cluster.to_wake().await.unwrap();
    let [(user, until)] = taken.as_slice() else { panic!("{taken:?}") };
    assert_eq!(*user, UserId::from(7));
    assert_eq!(cluster.to_wake().await.unwrap(), [], "somebody looks after it");
    dies(2).await;
    cluster.store.commit(vec![cluster::is_awake(user, *until)]).await.unwrap();
    let again = cluster.to_wake().await.unwrap();
    let [(user, until)] = again.as_slice() else { panic!("{again:?}") };
    cluster.store.commit(vec![cluster::is_awake(user, *until)]).await.unwrap();
    assert_eq!(servers.count("wake").await, 0);
}
