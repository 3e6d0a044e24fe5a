//! A server process on its own data directory, for tests that need more than the black-box suite: a second life on
//! the same data, a store that cannot write, a death at a bad moment.
#![allow(dead_code, reason = "each test uses a part of it")]

pub mod earlier;
pub mod skew;
mod watchdog;

use std::{
    fs::File,
    io::{BufRead as _, BufReader},
    net::SocketAddr,
    path::{Path, PathBuf},
    process::{Child, Command, ExitStatus, Stdio},
    sync::{Arc, Mutex},
    time::Duration,
};

use rollcall_conformance::{
    settings::Settings,
    subject::Kind,
    transcript::Recorder,
    world::{Shared, World},
};
use rustix::process::{Pid, Signal, WaitId, WaitIdOptions, kill_process, waitid};
use tokio::time::Instant;

#[allow(unused_imports, reason = "each test uses a part of it")]
pub use watchdog::{Watchdog, output, output_within};

pub const SECRET: &str = "openIM123-of-32-bytes-and-some-more";

/// Settings by which one user may come and go without a pause.
pub const UNPACED: &str = "[presence]\nmax_connections_per_user = 100000\n";

/// A running `rollcall`. Killed when dropped.
pub struct Server {
    child: Child,
    pub address: SocketAddr,
    /// Where it serves metrics, if it was told to.
    pub metrics: Option<SocketAddr>,
    log: PathBuf,
    _watchdog: Watchdog,
}

const LOG_LEVEL: &str = "error,rollcall_origin=info";

/// The server's program: the one that was built with the test, or the one of a figure's run.
fn binary() -> PathBuf {
    std::env::var_os("ROLLCALL_TEST_BINARY")
        .map_or_else(|| env!("CARGO_BIN_EXE_rollcall").into(), PathBuf::from)
}

fn log_of(data_dir: &Path) -> PathBuf {
    data_dir.with_extension("log")
}

impl Server {
    /// Starts on `data_dir`, with `more` appended to the configuration.
    pub fn start(data_dir: &Path, more: &str) -> Self {
        Self::start_as(data_dir, more, &[], "")
    }

    /// Starts on `data_dir` with variables of the environment, `server.` keys without their section among them.
    pub fn start_with(data_dir: &Path, variables: &[(&str, &str)]) -> Self {
        Self::start_as(data_dir, "", variables, "")
    }

    /// The same in a shell that ran `before`, such as `ulimit -n 80`.
    pub fn start_as(data_dir: &Path, more: &str, variables: &[(&str, &str)], before: &str) -> Self {
        let config = data_dir.with_extension("toml");
        let text = format!(
            "[server]\nlisten = '127.0.0.1:0'\ndata_dir = '{}'\n[auth]\nsecret = '{SECRET}'\n{more}",
            data_dir.display()
        );
        std::fs::write(&config, text).unwrap();
        let mut command = Command::new("sh");
        for (name, value) in variables {
            let is_key = name.bytes().all(|byte| byte.is_ascii_lowercase() || byte == b'_' || byte == b'.');
            let key = format!("ROLLCALL__SERVER__{}", name.to_ascii_uppercase().replace('.', "__"));
            command.env(if is_key { key.as_str() } else { name }, value);
        }
        let mut child = command
            .arg("-c")
            .arg(format!("{before}\nexec \"$0\" \"$@\""))
            .arg(binary())
            .arg("serve")
            .arg("--config")
            .arg(&config)
            .env("ROLLCALL_LOG", LOG_LEVEL)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(File::create(log_of(data_dir)).unwrap())
            .spawn()
            .unwrap();
        let watchdog = Watchdog::over(&child);
        let mut metrics = None;
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let address = lines
            .by_ref()
            .map_while(Result::ok)
            .inspect(|line| {
                let url = line.strip_prefix("rollcall: metrics at http://");
                metrics = url.and_then(|url| url.strip_suffix("/metrics")?.parse().ok()).or(metrics);
            })
            .find_map(|line| {
                let (_, url) = line.split_once("listening on http")?;
                url.trim_start_matches("s").strip_prefix("://")?.parse().ok()
            })
            .expect("the server ended before it listened");
        // What it prints afterwards must not fill the pipe.
        std::thread::spawn(move || lines.for_each(drop));
        Self { child, address, metrics, log: log_of(data_dir), _watchdog: watchdog }
    }

    /// The process.
    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Sends a signal. A process that is stopped by it has stopped afterwards: its threads go on until one of them gets to the signal.
    pub fn signal(&self, signal: Signal) {
        let pid = Pid::from_child(&self.child);
        kill_process(pid, signal).unwrap();
        if signal == Signal::STOP {
            waitid(WaitId::Pid(pid), WaitIdOptions::STOPPED | WaitIdOptions::NOWAIT).unwrap();
        }
    }

    /// What it has logged.
    pub fn log(&self) -> String {
        std::fs::read_to_string(&self.log).unwrap()
    }

    /// Waits until it has logged something.
    pub async fn until_logged(&self, text: &str) {
        let deadline = Instant::now() + Duration::from_secs(60);
        while !self.log().contains(text) {
            assert!(Instant::now() < deadline, "{text:?} is not in the log:\n{}", self.log());
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }

    /// The processor time that it has used.
    pub fn processor_time(&self) -> Duration {
        let stat = std::fs::read_to_string(format!("/proc/{}/stat", self.pid())).unwrap();
        let fields: Vec<&str> = stat.rsplit_once(')').unwrap().1.split_whitespace().collect();
        let ticks: u64 = fields.iter().skip(11).take(2).map(|ticks| ticks.parse::<u64>().unwrap()).sum();
        Duration::from_millis(ticks * 1000 / rustix::param::clock_ticks_per_second())
    }

    /// Waits for its end.
    pub async fn ended(mut self) -> ExitStatus {
        tokio::task::spawn_blocking(move || self.child.wait().unwrap()).await.unwrap()
    }

    /// The suite's view of it.
    pub fn world(&self) -> World {
        let settings = Settings { secret: Some(SECRET.to_owned()), ..Settings::default() };
        let shared = Shared::new(self.address, Kind::Origin, settings);
        World::new(Arc::new(shared), "origin", Recorder::silent())
    }

    /// SIGKILL: nothing is flushed, nobody is told.
    pub fn kill(mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }

    /// SIGTERM, and how it ended.
    pub fn terminate(mut self) -> ExitStatus {
        self.signal(Signal::TERM);
        self.child.wait().unwrap()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // Already ended in most tests.
        self.child.kill().ok();
        self.child.wait().ok();
    }
}

/// How much later than asked for timers of this test fire: what a busy machine adds to every time that a test measures.
pub struct Lateness {
    worst: Arc<Mutex<Duration>>,
    measuring: tokio::task::JoinHandle<()>,
}

impl Lateness {
    const TICK: Duration = Duration::from_millis(20);

    /// Measures from now on.
    pub fn measure() -> Self {
        let worst = Arc::<Mutex<Duration>>::default();
        let measuring = tokio::spawn({
            let worst = worst.clone();
            async move {
                loop {
                    let due = Instant::now() + Self::TICK;
                    tokio::time::sleep_until(due).await;
                    let mut worst = worst.lock().unwrap();
                    *worst = worst.max(due.elapsed());
                }
            }
        });
        Self { worst, measuring }
    }

    /// The worst so far.
    pub fn worst(&self) -> Duration {
        *self.worst.lock().unwrap()
    }
}

impl Drop for Lateness {
    fn drop(&mut self) {
        self.measuring.abort();
    }
}

/// One scrape of a server's metrics: every series, as it is written, with its figure.
pub async fn scrape(server: &Server) -> std::collections::BTreeMap<String, f64> {
    let request = rollcall_conformance::http::Request::new("GET", "/metrics");
    let address = server.metrics.expect("server.metrics_listen");
    let mut connection = rollcall_conformance::http::Connection::open(address).await.unwrap();
    let response = connection.send(&request).await.unwrap();
    assert_eq!(response.status, 200);
    assert_eq!(response.header("content-type").unwrap(), "text/plain; version=0.0.4; charset=utf-8");
    let text = String::from_utf8(response.body).unwrap();
    let series = text.lines().filter(|line| !line.starts_with('#'));
    series
        .map(|line| {
            let (name, figure) = line.rsplit_once(' ').unwrap();
            (name.to_owned(), figure.parse().unwrap())
        })
        .collect()
}
