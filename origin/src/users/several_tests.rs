//! Users of several servers of one store.

mod denials;

use std::{
    sync::{
        Arc,
        atomic::{AtomicU32, Ordering::SeqCst},
    },
    time::Duration,
};

use rollcall_conformance::postgres::Postgres;
use rollcall_core::{
    config,
    gateway::Close,
    id::{TenantId, UserId},
    secret::Secret,
    shard::cutoff,
    time::Timestamp,
    user::{ForceOff, request::VerifyToken},
};
use tokio_postgres::{Client, NoTls};
use tokio_util::task::TaskTracker;

use super::{
    Users, entry_of_order,
    shared_tests::{ONE, PLATFORM, connected, interleave, seed, settings, token},
};
use crate::{
    clock::now,
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
            tokio::time::sleep(Duration::from_millis(40)).await;
            servers.client.query_one(sql, &[schema]).await.unwrap();
        }
    };
    interleave(&servers.nodes, seed(), true, disturbing).await;
    assert_eq!(servers.count("live").await, 0);
    assert_eq!(servers.count("record WHERE offline_at IS NULL").await, 0);
}

/// The known-wrong way was to read the oldest rows alone: those of a user who was busy held up everybody's.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_there_for_a_user_who_is_busy_holds_up_no_other() {
    let servers = Servers::silent(2).await;
    let (users, kicked) = (&servers.nodes[0], UserId::from(8));
    let socket = connected(users, &kicked, ONE).await;
    let fill = "INSERT INTO parcel (node, sender, \"user\", connection, closes, body) \
                SELECT $1, $1, '7', repeat('2', 32), number % 2, '{\"close\":\"kicked\"}' FROM generate_series(1, 2000) AS number";
    servers.client.execute(fill, &[&users.cluster().unwrap().node]).await.unwrap();
    let busy = users.entry(&UserId::from(7));
    let lock = busy.lock().await;
    tokio::spawn(cluster::keep_mailbox(users.clone()));
    servers.nodes[1].run(&kicked, ForceOff::Platform(PLATFORM)).await.unwrap();
    assert_eq!(socket.requested_close(), Some(Close::Kicked));
    assert_eq!(servers.count("parcel").await, 2_000);
    drop(lock);
    while servers.count("parcel").await > 0 {
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

/// The known-wrong way was to take the newest order for the only one that was not known: what others had given just before it was never
/// learned.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn orders_of_another_server_are_learned_although_one_was_given_here_since() {
    let servers = Servers::silent(2).await;
    let [giver, other] = servers.nodes.as_slice() else { panic!() };
    let (user, named) = (UserId::from(7), UserId::from(8));
    let socket = connected(other, &user, ONE).await;
    let text = token(other, &named).await.unwrap();
    let verified = other.rules().keys.verify(text.expose(), now()).unwrap();
    let under_way = TaskTracker::new();
    let whole = |users: &Users, tenant| {
        let (users, token) = (users.clone(), under_way.token());
        async move {
            let ordered =
                users.cut_off(tenant, Vec::new(), String::new(), entry_of_order(tenant), token).await;
            ordered.unwrap();
        }
    };
    whole(giver, TenantId(0)).await;
    whole(other, TenantId(1)).await;
    let question = vec![cutoff::newest()];
    let answers = other.cluster().unwrap().store.load(question).await.unwrap();
    assert!(other.is_behind(cutoff::read_newest(&answers[0]).unwrap()));
    other.learn_orders().await.unwrap();
    assert_eq!(socket.close_requested().await, Close::Kicked);
    // Its delivery waits for the user.
    let hold = "SELECT pg_advisory_lock(hashtextextended('8', hashtextextended($1, 3)))";
    let schema = &other.settings().store.schema;
    let text = token(other, &named).await.unwrap();
    let again = other.rules().keys.verify(text.expose(), now()).unwrap();
    servers.client.execute(hold, &[schema]).await.unwrap();
    let order = entry_of_order(TenantId(0));
    giver.cut_off_users(TenantId(0), vec![8, 9], String::new(), order, under_way.token()).await.unwrap();
    whole(other, TenantId(1)).await;
    for verified in [verified, again] {
        let verdict = other.run(&named, VerifyToken { token: verified.hash }).await.unwrap();
        assert!(verdict.is_err(), "{verdict:?}");
    }
    let (_, scoped) = other.orders_of(TenantId(0)).await.unwrap();
    assert!(scoped.iter().any(|order| *order.users == [8, 9]), "{scoped:?}");
    servers.client.execute("SELECT pg_advisory_unlock_all()", &[]).await.unwrap();
    under_way.close();
    under_way.wait().await;
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
        let died = "INSERT INTO node (id, name, version, started_at, alive_at, lease, state) VALUES ($1, '', '', 0, 0, 5000, 1)";
        client.execute(died, &[&id]).await.unwrap();
        let node = Node {
            id,
            name: String::new(),
            version: String::new(),
            started_at: Timestamp::default(),
            alive_at: Timestamp::default(),
            beat: 0,
            sockets: 0,
            lease: Duration::from_secs(5),
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
