//! A PostgreSQL of the tests' own: plain processes, with their data in a folder that goes with them. `cargo xtask setup` installs the
//! program.

use std::{
    fs,
    io::{BufRead as _, BufReader},
    net::TcpListener,
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    sync::{Arc, Mutex, PoisonError, Weak, mpsc},
    thread,
    time::Duration,
};

use anyhow::{Context as _, Result, bail};
use rustix::process::{Pid, Signal, kill_process};
use tempfile::TempDir;

/// The time that the engine may take to start or to stop.
const PATIENCE: Duration = Duration::from_secs(60);
/// The user and the password of its one administrator. Without an option of `initdb` it needs none: a proof of it takes seconds in a
/// build without optimisation.
const USER: &str = "rollcall";
/// The password of the engine's user.
pub const PASSWORD: &str = "a password of the tests";
/// Where Debian puts each version.
const INSTALLED: &str = "/usr/lib/postgresql";
/// Bounds that leave a session to each of many pools; a small memory; a folder for no sockets.
const SETTINGS: [&str; 9] = [
    "listen_addresses=127.0.0.1",
    "unix_socket_directories=",
    "max_connections=400",
    "shared_buffers=64MB",
    "max_wal_size=256MB",
    "fsync=on",
    "logging_collector=off",
    "log_min_messages=warning",
    "log_statement=none",
];

/// An engine. It stops with the last handle.
#[derive(Debug)]
pub struct Postgres {
    port: u16,
    program: PathBuf,
    settings: Vec<String>,
    running: Mutex<Option<Running>>,
    // Removed when the process has ended.
    home: TempDir,
}

#[derive(Debug)]
struct Running {
    pid: Pid,
    /// Says that the process has ended.
    ended: mpsc::Receiver<()>,
}

/// The one that [`Postgres::shared`] gives.
static SHARED: Mutex<Weak<Postgres>> = Mutex::new(Weak::new());

impl Postgres {
    /// The engine that the tests of a process share, each with a schema of its own.
    pub fn shared() -> Result<Arc<Self>> {
        let mut shared = SHARED.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(running) = shared.upgrade() {
            return Ok(running);
        }
        let started = Arc::new(Self::start(&[], &[])?);
        *shared = Arc::downgrade(&started);
        Ok(started)
    }

    /// Starts an engine with more options of `initdb`, and settings such as `fsync=off`.
    pub fn start(initial: &[&str], settings: &[&str]) -> Result<Self> {
        let programs = programs()?;
        let home = TempDir::with_prefix("rollcall-postgres-")?;
        let password = home.path().join("password");
        fs::write(&password, PASSWORD)?;
        let data = home.path().join("data");
        let mut make = command(&programs.join("initdb"));
        make.args(["--no-sync", "--no-locale", "--auth=trust", "--username", USER, "--pgdata"]).arg(&data);
        make.arg("--pwfile").arg(&password).current_dir(home.path());
        if !initial.iter().any(|option| option.starts_with("--encoding")) {
            make.arg("--encoding=UTF8");
        }
        let made = make.args(initial).output().context("initdb")?;
        if !made.status.success() {
            bail!("initdb: {}", String::from_utf8_lossy(&made.stderr));
        }
        let port = TcpListener::bind("127.0.0.1:0")?.local_addr()?.port();
        let settings = SETTINGS.iter().chain(settings).map(|&setting| setting.to_owned()).collect();
        let program = programs.join("postgres");
        let engine = Self { port, program, settings, running: Mutex::new(None), home };
        engine.resume()?;
        Ok(engine)
    }

    /// Starts it again, on the data that it has.
    pub fn resume(&self) -> Result<()> {
        let mut serve = command(&self.program);
        serve.arg("-D").arg(self.home.path().join("data")).arg("-p").arg(self.port.to_string());
        for setting in &self.settings {
            serve.args(["-c", setting]);
        }
        serve.current_dir(self.home.path());
        let running = supervise(serve, &self.home.path().join("log"))?;
        *self.running.lock().unwrap_or_else(PoisonError::into_inner) = Some(running);
        Ok(())
    }

    /// Starts it again as a standby of no primary: it never ends to recover, and takes sessions that only read.
    pub fn resume_as_standby(&self) -> Result<()> {
        fs::write(self.home.path().join("data/standby.signal"), "")?;
        self.resume()
    }

    /// Where it is.
    pub fn url(&self) -> String {
        let password = PASSWORD.replace(' ', "%20");
        format!("postgres://{USER}:{password}@127.0.0.1:{}/postgres", self.port)
    }

    /// Its port on the loopback interface.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// Stops every process of it where it is, until [`Postgres::thaw`]: its connections stay open, and nothing is answered.
    pub fn freeze(&self) -> Result<()> {
        self.signal(Signal::STOP)
    }

    /// Lets it go on.
    pub fn thaw(&self) -> Result<()> {
        self.signal(Signal::CONT)
    }

    fn signal(&self, signal: Signal) -> Result<()> {
        let running = self.running.lock().unwrap_or_else(PoisonError::into_inner);
        let pid = running.as_ref().context("the engine does not run")?.pid;
        // The first one first, so that it makes no others meanwhile.
        kill_process(pid, signal)?;
        for child in children(pid)? {
            // It may have ended.
            kill_process(child, signal).ok();
        }
        Ok(())
    }

    /// Ends every process of it at once, as a crash does: the next start has to recover.
    pub fn crash(&self) -> Result<()> {
        // One that is frozen ends when it goes on.
        self.thaw()?;
        let running = self.running.lock().unwrap_or_else(PoisonError::into_inner).take();
        let running = running.context("the engine does not run")?;
        kill_process(running.pid, Signal::QUIT)?;
        running.ended.recv_timeout(PATIENCE).context("the engine does not end")
    }
}

impl Drop for Postgres {
    fn drop(&mut self) {
        // It may have ended by itself.
        self.crash().ok();
    }
}

/// The processes that this one has started.
fn children(of: Pid) -> Result<Vec<Pid>> {
    let parent = of.as_raw_nonzero().to_string();
    let mut found = Vec::new();
    for entry in fs::read_dir("/proc")? {
        let entry = entry?;
        // One that is no process has none, and one that has ended has it no more.
        let stat = fs::read_to_string(entry.path().join("stat")).unwrap_or_default();
        let mut fields =
            stat.rsplit_once(')').map(|(_, fields)| fields.split_whitespace()).into_iter().flatten();
        let is_child = fields.nth(1) == Some(parent.as_str());
        let pid = entry.file_name().to_str().and_then(|name| name.parse().ok()).and_then(Pid::from_raw);
        found.extend(pid.filter(|_| is_child));
    }
    Ok(found)
}

/// Where the newest installed programs are.
fn programs() -> Result<PathBuf> {
    let mut found: Vec<(u32, PathBuf)> = Vec::new();
    for entry in fs::read_dir(INSTALLED).into_iter().flatten().flatten() {
        let programs = entry.path().join("bin");
        if let Some(version) = entry.file_name().to_str().and_then(|name| name.parse().ok())
            && programs.join("postgres").exists()
        {
            found.push((version, programs));
        }
    }
    let newest = found.into_iter().max().map(|(_, programs)| programs);
    newest.with_context(|| format!("there is no PostgreSQL in {INSTALLED}; run `cargo xtask setup`"))
}

/// A command that ends with the thread that starts it. The engine refuses to be root's, so that root gets another name for it, in
/// a namespace of users that has only this one.
fn command(program: &Path) -> Command {
    let with_thread = ["setpriv", "--pdeathsig=QUIT", "--"];
    if rustix::process::geteuid().is_root() {
        let mut command = Command::new("unshare");
        command.args(["--user", "--map-user=1000", "--map-group=1000", "--"]).args(with_thread).arg(program);
        return command;
    }
    let [setpriv, option, end] = with_thread;
    let mut command = Command::new(setpriv);
    command.args([option, end]).arg(program);
    command
}

/// Starts the engine on a thread of its own, which lives as long as it, and waits until it takes sessions.
fn supervise(mut command: Command, log: &Path) -> Result<Running> {
    let (ready, is_ready) = mpsc::channel();
    let (ending, ended) = mpsc::channel();
    command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::piped());
    let log = log.to_owned();
    thread::spawn(move || {
        let mut child: Child = match command.spawn() {
            Ok(child) => child,
            Err(error) => return drop(ready.send(Err(error.to_string()))),
        };
        let pid = Pid::from_child(&child);
        let mut said = String::new();
        for line in child.stderr.take().into_iter().flat_map(|output| BufReader::new(output).lines()) {
            let Ok(line) = line else { break };
            // A standby says that its sessions only read.
            if line.contains("ready to accept ") {
                ready.send(Ok(pid)).ok();
            }
            said.push_str(&line);
            said.push('\n');
            // To be read beside a test that hangs.
            fs::write(&log, &said).ok();
        }
        child.wait().ok();
        ready.send(Err(said)).ok();
        ending.send(()).ok();
    });
    match is_ready.recv_timeout(PATIENCE) {
        Ok(Ok(pid)) => Ok(Running { pid, ended }),
        Ok(Err(said)) => bail!("PostgreSQL did not start: {said}"),
        Err(_) => bail!("PostgreSQL does not take sessions"),
    }
}
