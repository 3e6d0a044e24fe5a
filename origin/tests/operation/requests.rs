//! A client that asks for more than its share.

use std::time::{Duration, Instant};

use rollcall_conformance::{
    proto,
    size::size,
    world::World,
    ws::{Event, request},
};
use serde_json::Value;

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
    async fn ask(&mut self, honest: &mut rollcall_conformance::ws::Socket) {
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

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_client_that_repeats_long_requests_waits_for_itself_and_others_do_not() {
    let home = tempfile::tempdir().unwrap();
    let server = Server::start(&home.path().join("data"), "");
    let world = server.world();
    let (_, mut honest) = world.login("honest", 5).await.unwrap();
    let (_, mut greedy) = world.login("greedy", 5).await.unwrap();
    let mut calm = Others::of(&server);
    for _ in 0..100 {
        calm.ask(&mut honest).await;
    }
    let calm = calm.percentiles();

    let lateness = Lateness::measure();
    let begun = Instant::now();
    let mut meanwhile = Others::of(&server);
    let asking = async {
        for number in 0..REQUESTS {
            let users: Vec<String> = (0..USERS).map(|n| format!("{number}-{n}")).collect();
            let users: Vec<&str> = users.iter().map(String::as_str).collect();
            let asked = request(2005, "greedy", Some(&proto::subscription(&users, &[])));
            greedy.send_binary(asked.to_string()).await.unwrap();
        }
        greedy.send_text(r#"{"type":"ping"}"#).await.unwrap();
        // What is heard, in order: "ok", "refused" and "pong".
        let mut heard = Vec::new();
        while heard.len() < REQUESTS + 1 {
            heard.push(match greedy.next().await {
                Event::Text(_) => "pong",
                Event::Binary(answer) => match serde_json::from_slice::<Value>(&answer).unwrap()["errCode"] {
                    Value::Number(ref code) if code.as_i64() == Some(0) => "ok",
                    _ => "refused",
                },
                other => panic!("{other:?}"),
            });
        }
        heard
    };
    let heard = {
        tokio::pin!(asking);
        loop {
            tokio::select! {
                heard = &mut asking => break heard,
                () = meanwhile.ask(&mut honest) => {}
            }
        }
    };
    let rounds = meanwhile.waits[0].len();
    let done = heard.iter().filter(|heard| **heard == "ok").count();
    println!("{done} of {REQUESTS} requests for {USERS} users were carried out within {:?}", begun.elapsed());
    let what = ["a status", "a login", "the presence of a few users"];
    for ((what, (median, p99)), (calm, calm_p99)) in what.iter().zip(meanwhile.percentiles()).zip(calm) {
        println!("{what} took {calm:?} (p99 {calm_p99:?}) before and {median:?} (p99 {p99:?}) meanwhile");
        assert!(median < 20 * calm + Duration::from_millis(100), "{what}: {calm:?} became {median:?}");
        // A figure of a machine that does nothing else; what it is late by is no fault of the server.
        let late = lateness.worst();
        if size(false, true) {
            let most = calm_p99 + Duration::from_millis(10) + late;
            assert!(p99 < most, "{what}: {calm_p99:?} became {p99:?} on a machine that is {late:?} late");
        }
    }
    // One is under way and one waits while the others come.
    assert!((2..10).contains(&done), "{heard:?}");
    let place = |what: &str, nth: usize| {
        heard
            .iter()
            .enumerate()
            .filter(|(_, heard)| **heard == what)
            .nth(nth)
            .map(|(place, _)| place)
            .unwrap()
    };
    assert!(place("pong", 0) < place("ok", 1), "a ping waits for requests: {heard:?}");
    assert!(
        rounds > done,
        "{rounds} rounds of others' requests while {done} of the client's were carried out"
    );
}
