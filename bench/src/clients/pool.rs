//! The clients of one process.

use std::{
    cell::{Cell, RefCell},
    net::SocketAddr,
    ops::Range,
    rc::Rc,
    time::Duration,
};

use futures_util::{StreamExt as _, stream};
use tokio::time::{MissedTickBehavior, interval, timeout};

use super::{
    client::{Client, Shared},
    codec,
    command::{ClientCommand, ClientReply, Closes, Endpoint, Heartbeat, Opened},
};
use crate::{clock::Instant, stats::count};

/// Source addresses of one process's clients: each address has its own ports.
const SOURCES: usize = 8;

pub(super) struct ClientPool {
    clients: RefCell<Vec<Rc<Client>>>,
    shared: Rc<Shared>,
    /// Counts the heartbeat commands; a newer one ends the loop of an older one.
    beats: Cell<usize>,
    /// The number of this process, from 1.
    number: u8,
}

impl ClientPool {
    /// An empty pool of the process `number`, which is part of its clients' addresses.
    pub(super) fn new(number: u8) -> Self {
        Self { clients: RefCell::default(), shared: Rc::default(), beats: Cell::default(), number }
    }

    /// Executes one command, and returns when it is done.
    pub(super) async fn execute(self: &Rc<Self>, command: ClientCommand) -> ClientReply {
        match command {
            ClientCommand::Add(endpoints) => self.add(endpoints),
            ClientCommand::Open { range, at_once } => ClientReply::Opened(self.open(range, at_once).await),
            ClientCommand::Drop { range, reset } => self.disconnect(range, reset).await,
            ClientCommand::AwaitCloses { range, seconds } => {
                // Connections that are still open after the timeout are in the reply.
                timeout(Duration::from_secs(seconds), self.all_ended(&range)).await.ok();
                ClientReply::Closes(self.closes(&range))
            }
            ClientCommand::Heartbeat { every_seconds, how } => {
                self.beats.set(self.beats.get() + 1);
                tokio::task::spawn_local(self.clone().beat(self.beats.get(), every_seconds, how));
                ClientReply::Done
            }
            ClientCommand::Live => ClientReply::Live(self.shared.live.get()),
        }
    }

    fn range(&self, range: &Range<usize>) -> Vec<Rc<Client>> {
        self.clients.borrow().get(range.clone()).unwrap_or_default().to_vec()
    }

    fn add(&self, endpoints: Vec<Endpoint>) -> ClientReply {
        let mut clients = self.clients.borrow_mut();
        for endpoint in endpoints {
            let host = u8::try_from(clients.len() % SOURCES).unwrap_or_default() + 1;
            let source = SocketAddr::from(([127, 0, self.number, host], 0));
            clients.push(Rc::new(Client::new(endpoint, source, self.shared.clone())));
        }
        ClientReply::Done
    }

    async fn open(&self, range: Range<usize>, at_once: usize) -> Opened {
        let opened = RefCell::new(Opened::default());
        let begin = Instant::now();
        let closed = self.range(&range).into_iter().filter(|client| !client.is_open());
        stream::iter(closed)
            .for_each_concurrent(at_once, |client| async {
                let begun = Instant::now();
                let outcome = client.open().await;
                let now = Instant::now();
                let mut opened = opened.borrow_mut();
                match outcome {
                    Ok(()) => {
                        opened.took.push(now.since(begun).as_secs_f64());
                        opened.span = Some((begin, now));
                    }
                    Err(reason) => *opened.failed.entry(reason).or_default() += 1,
                }
            })
            .await;
        opened.into_inner()
    }

    async fn disconnect(&self, range: Range<usize>, reset: bool) -> ClientReply {
        if reset {
            let ending: Vec<_> = self.range(&range).iter().map(|client| client.reset()).collect();
            // A client that reconnects at once needs the descriptors that these tasks still hold.
            for listening in ending.into_iter().flatten() {
                listening.await.ok();
            }
        } else {
            self.range(&range).iter().for_each(|client| client.send(&codec::close(1000)));
            self.all_ended(&range).await;
        }
        ClientReply::Done
    }

    async fn all_ended(&self, range: &Range<usize>) {
        loop {
            let open = self.range(range).iter().filter(|client| client.is_open()).count();
            if open == 0 {
                return;
            }
            // All of them cannot have ended before this many more ends.
            let enough = self.shared.ended.get() + open;
            while self.shared.ended.get() < enough {
                self.shared.changed.notified().await;
                if open < 1000 {
                    break;
                }
            }
        }
    }

    fn closes(&self, range: &Range<usize>) -> Closes {
        let mut closes = Closes::default();
        for client in self.range(range) {
            match client.end.get() {
                Some((at, code)) => {
                    *closes.codes.entry(code.unwrap_or(0)).or_default() += 1;
                    closes.last = closes.last.max(Some(at));
                }
                None => closes.open += usize::from(client.is_open()),
            }
        }
        closes
    }

    /// Sends a heartbeat on every connected client once in `every_seconds`, spread evenly over that time.
    async fn beat(self: Rc<Self>, number: usize, every_seconds: u64, how: Heartbeat) {
        const STEPS_A_SECOND: u64 = 50;
        let frame = match how {
            Heartbeat::Control => codec::CONTROL_PING.to_vec(),
            Heartbeat::Text => codec::text_ping(),
        };
        let mut steps = interval(Duration::from_millis(1000 / STEPS_A_SECOND));
        steps.set_missed_tick_behavior(MissedTickBehavior::Burst);
        let round = every_seconds * STEPS_A_SECOND;
        for step in (0..round).cycle() {
            steps.tick().await;
            if self.beats.get() != number {
                return;
            }
            let clients = self.clients.borrow();
            let all = clients.len();
            let share =
                |step: u64| all * usize::try_from(step).unwrap_or(0) / usize::try_from(round).unwrap_or(1);
            let due = clients.get(share(step)..share(step + 1)).unwrap_or_default();
            due.iter().for_each(|client| client.send(&frame));
        }
    }
}

impl Opened {
    /// Connections a second, over all of it.
    pub(crate) fn rate(&self) -> f64 {
        let Some((begin, end)) = self.span else { return 0.0 };
        count(self.took.len()) / end.since(begin).as_secs_f64()
    }
}
