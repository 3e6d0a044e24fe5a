//! A client that asks for more than its share.

use std::thread;
use std::time::{Duration, Instant};

use rollcall_conformance::{
    proto,
    size::size,
    world::World,
    ws::{Event, Socket, request},
};
use serde_json::Value;
use tokio::sync::oneshot;

use crate::kit::{Lateness, Server};

/// Requests that the client sends without waiting.
const REQUESTS: usize = 60;
/// New users in each of them.
const USERS: usize = 2_900;
/// What an honest client asks about, again and again.
const FEW: usize = 16;

/// How long others wait: for a status, a login, and the presence of a few users.
struct Others {
    world: World,
    waits: [Vec<Duration>; 3],
}

impl Others {
    fn of(server: &Server) -> Self {
        Self { world: server.world(), waits: Default::default() }
    }

    /// Asks for each once.
    async fn ask(&mut self, honest: &mut Socket) {
        let few: Vec<String> = (0..FEW).map(|n| format!("few{n}")).collect();
        let few: Vec<&str> = few.iter().map(String::as_str).collect();
        let begun = Instant::now();
        assert_eq!(self.world.platforms("honest").await.unwrap(), [5]);
        let status = begun.elapsed();
        self.world.issue("another", 5).await.unwrap();
        let login = begun.elapsed() - status;
        let payload = proto::subscription(&few, &[]);
        assert_eq!(honest.ask(2005, "honest", Some(&payload)).await.unwrap()["errCode"], 0);
        let follow = begun.elapsed() - status - login;
        for (waits, took) in self.waits.iter_mut().zip([status, login, follow]) {
            waits.push(took);
        }
    }

    /// Medians and 99th percentiles.
    fn percentiles(self) -> [(Duration, Duration); 3] {
        self.waits.map(|mut waits| {
            waits.sort_unstable();
            (waits[waits.len() / 2], waits[waits.len() * 99 / 100])
        })
    }
}

/// A client that sends its requests without waiting, on a thread of its own: what it encodes and reads is in no other's time.
struct Greedy {
    begun: oneshot::Receiver<()>,
    /// What it hears to each burst.
    heard: thread::JoinHandle<Vec<Vec<Event>>>,
}

impl Greedy {
    /// Sends this many bursts, each when the one before is answered.
    fn spawn(world: World, bursts: usize) -> Self {
        let (begins, begun) = oneshot::channel();
        let heard = thread::spawn(move || {
            let bursts: Vec<Vec<String>> = (0..bursts).map(Self::burst).collect();
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
            runtime.block_on(async {
                let (_, mut socket) = world.login("greedy", 5).await.unwrap();
                begins.send(()).unwrap();
                let mut heard = Vec::new();
                for burst in bursts {
                    heard.push(Self::answers(&mut socket, burst).await);
                }
                heard
            })
        });
        Self { begun, heard }
    }

    fn burst(burst: usize) -> Vec<String> {
        let follow = |number: usize| {
            let users: Vec<String> = (0..USERS).map(|n| format!("{burst}-{number}-{n}")).collect();
            let users: Vec<&str> = users.iter().map(String::as_str).collect();
            request(2005, "greedy", Some(&proto::subscription(&users, &[]))).to_string()
        };
        (0..REQUESTS).map(follow).collect()
    }

    async fn answers(socket: &mut Socket, burst: Vec<String>) -> Vec<Event> {
        for asked in burst {
            socket.send_binary(asked).await.unwrap();
        }
        socket.send_text(r#"{"type":"ping"}"#).await.unwrap();
        let mut heard = Vec::new();
        while heard.len() < REQUESTS + 1 {
            heard.push(socket.next().await);
        }
        heard
    }

    fn meaning(event: &Event) -> &'static str {
        match event {
            Event::Text(_) => "pong",
            Event::Binary(answer) => {
                let answer: Value = serde_json::from_slice(answer).unwrap();
                if answer["errCode"].as_i64() == Some(0) { "ok" } else { "refused" }
            }
            other => panic!("{other:?}"),
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_client_that_repeats_long_requests_waits_for_itself_and_others_do_not() {
    let home = tempfile::tempdir().unwrap();
    let server = Server::start(&home.path().join("data"), "");
    let (_, mut honest) = server.world().login("honest", 5).await.unwrap();
    let mut calm = Others::of(&server);
    for _ in 0..size(100, 1_000) {
        calm.ask(&mut honest).await;
    }
    let calm = calm.percentiles();

    let greedy = Greedy::spawn(server.world(), size(1, 10));
    greedy.begun.await.unwrap();
    let lateness = Lateness::measure();
    let began = Instant::now();
    let mut meanwhile = Others::of(&server);
    while !greedy.heard.is_finished() {
        meanwhile.ask(&mut honest).await;
    }
    let bursts = greedy.heard.join().unwrap();
    println!("{} bursts of {REQUESTS} requests for {USERS} users within {:?}", bursts.len(), began.elapsed());
    let rounds = meanwhile.waits[0].len();
    let what = ["a status", "a login", "the presence of a few users"];
    let (login, _) = calm[1];
    for ((what, (median, p99)), (calm, calm_p99)) in what.iter().zip(meanwhile.percentiles()).zip(calm) {
        println!("{what} took {calm:?} (p99 {calm_p99:?}) before and {median:?} (p99 {p99:?}) meanwhile");
        assert!(median < 20 * calm + Duration::from_millis(100), "{what}: {calm:?} became {median:?}");
        // Ten logins are the 10 ms of the shipped build, and as much of a debug build and of a busy machine; what that is late by is
        // no fault of the server.
        let late = lateness.worst();
        if size(false, true) {
            let most = calm_p99 + 10 * login + late;
            assert!(p99 < most, "{what}: {calm_p99:?} became {p99:?} on a machine that is {late:?} late");
        }
    }
    for burst in &bursts {
        let heard: Vec<&str> = burst.iter().map(Greedy::meaning).collect();
        let place = |what: &str, nth: usize| {
            let mut places = heard.iter().enumerate().filter(|(_, heard)| **heard == what);
            places.nth(nth).map(|(place, _)| place).unwrap()
        };
        // One is under way and one waits while the others come.
        let done = heard.iter().filter(|heard| **heard == "ok").count();
        println!("{done} were carried out");
        assert!((2..10).contains(&done), "{heard:?}");
        assert!(place("pong", 0) < place("ok", 1), "a ping waits for requests: {heard:?}");
    }
    let carried_out = 2 * bursts.len();
    assert!(rounds > carried_out, "{rounds} rounds of others' requests while {carried_out} of the client's");
}
