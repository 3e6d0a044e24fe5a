//! The server under test. The suite starts and stops it, or it is already running.

use std::{
    fs::{self, File},
    io::Write as _,
    net::{IpAddr, SocketAddr},
    path::{Path, PathBuf},
    process::{ExitStatus, Stdio},
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicU32, Ordering::Relaxed},
    },
    time::Duration,
};

use anyhow::{Context as _, Result, bail};
use rustix::process::{Pid, Signal, kill_process_group};
use tempfile::TempDir;
use tokio::{
    io::{AsyncRead, AsyncReadExt as _},
    net::TcpStream,
    process::{Child, Command},
    sync::oneshot,
    task::JoinHandle,
    time::timeout,
};

use crate::{balancer::Balancer, postgres::Postgres, settings::Settings};

/// The time that a subject may take to say that it listens. At the edge this includes a build.
const START: Duration = Duration::from_secs(300);
/// The time that a subject may take to stop after SIGTERM.
const STOP: Duration = Duration::from_secs(20);
/// The servers of [`Launch::Nodes`].
const NODES: u32 = 3;
/// The words before the address in the line that a subject prints once it serves.
const LISTENING: &str = "listening on http://";

/// In a subject's folder: its configuration, its output, its storage, its temporary files.
pub const CONFIG: &str = "rollcall.toml";
/// See [`CONFIG`].
pub const LOG: &str = "log.txt";
/// See [`CONFIG`].
pub const PERSIST: &str = "persist";
/// See [`CONFIG`].
pub const TEMPORARY: &str = "tmp";

/// The way to a subject.
#[derive(Clone, Debug)]
pub enum Launch {
    /// Start this binary with `serve --config FILE`.
    Origin(PathBuf),
    /// The same, with its data in this engine, in a schema of its own.
    OnPostgres(PathBuf, Arc<Postgres>),
    /// The same with three servers, of which each connection goes to one at random.
    Nodes(PathBuf, Arc<Postgres>),
    /// Start this command line with `--config FILE --listen 127.0.0.1:0 --persist DIR` appended.
    Edge(Vec<String>),
    /// Use the server at this address.
    Running(SocketAddr),
}

/// The kind of a subject. Only bounds of time, sizes and what TCP shows depend on it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// The native binary, started by the suite.
    Origin,
    /// The same service behind another runtime, started by the suite.
    Edge,
    /// Unknown: a server that was already running.
    Running,
}

/// A server that serves.
#[derive(Debug)]
pub struct Subject {
    /// Its address.
    pub address: SocketAddr,
    /// Its kind.
    pub kind: Kind,
    process: Option<Process>,
    one: Option<SocketAddr>,
    others: Vec<Subject>,
    _balancer: Option<Balancer>,
}

#[derive(Debug)]
struct Process {
    child: Child,
    group: Option<Pid>,
    copies: Vec<JoinHandle<()>>,
    log: PathBuf,
    // Removed with everything in it when the subject is dropped.
    _directory: Option<TempDir>,
}

/// The end of a subject that was told to stop.
#[derive(Debug)]
pub struct Stopped {
    /// `None` when it had to be killed.
    pub status: Option<ExitStatus>,
    /// The time from the signal to the end.
    pub after: Duration,
}

impl Subject {
    /// Gets a subject with these settings; fresh data unless it is already running.
    pub async fn start(launch: &Launch, settings: &Settings) -> Result<Self> {
        match launch {
            Launch::Running(address) => {
                // A plain word now instead of a failure of every case.
                TcpStream::connect(address).await.with_context(|| format!("nothing listens on {address}"))?;
                Ok(Self::of(*address, Kind::Running, None))
            }
            Launch::Origin(binary) => Self::start_origin(binary, settings, "").await,
            Launch::OnPostgres(binary, engine) => {
                Self::start_origin(binary, settings, &store_in(engine)).await
            }
            Launch::Nodes(binary, engine) => {
                // Few sessions each, since many such subjects share the engine, and time for a machine that is late with everything.
                let store = store_in(engine);
                let store =
                    format!("{store}connections = 4\n[cluster]\nseveral = true\nlease_seconds = 30\n");
                let mut nodes = Vec::new();
                for _ in 0..NODES {
                    nodes.push(Self::start_origin(binary, settings, &store).await?);
                }
                let balancer = Balancer::over(nodes.iter().map(|node| node.address).collect()).await?;
                let Some(first) = nodes.pop() else { bail!("there is no server") };
                let (address, one) = (balancer.address, Some(first.address));
                Ok(Self { address, one, others: nodes, _balancer: Some(balancer), ..first })
            }
            Launch::Edge(prefix) => {
                let directory = TempDir::with_prefix("rollcall-conformance-")?;
                let command = edge_command(prefix, settings, directory.path())?;
                let log = directory.path().join(LOG);
                Self::spawn(command, log, Some(directory), Kind::Edge).await
            }
        }
    }

    /// The address of one of its servers, if each connection to [`Self::address`] goes to any of several.
    pub fn one(&self) -> SocketAddr {
        self.one.unwrap_or(self.address)
    }

    const fn of(address: SocketAddr, kind: Kind, process: Option<Process>) -> Self {
        Self { address, kind, process, one: None, others: Vec::new(), _balancer: None }
    }

    async fn start_origin(binary: &Path, settings: &Settings, store: &str) -> Result<Self> {
        let directory = TempDir::with_prefix("rollcall-conformance-")?;
        let data = toml::Value::from(directory.path().join("data").to_string_lossy().into_owned());
        let server = format!("[server]\nlisten = \"127.0.0.1:0\"\ndata_dir = {data}\n{store}");
        let config = write_config(directory.path(), &settings.to_toml(&server)?)?;
        let mut command = Command::new(binary);
        command.arg("serve").arg("--config").arg(config).current_dir(directory.path());
        let log = directory.path().join(LOG);
        Self::spawn(command, log, Some(directory), Kind::Origin).await
    }

    /// Starts an edge command whose storage, log and temporary files are in `home` and outlive the subject,
    /// so that a second one finds what the first one left. `variables` win over `settings`.
    pub async fn resume(
        prefix: &[String],
        settings: &Settings,
        variables: &[(&str, String)],
        home: &Path,
    ) -> Result<Self> {
        let mut command = edge_command(prefix, settings, home)?;
        command.envs(variables.iter().map(|(name, value)| (name, value)));
        let temporary = home.join(TEMPORARY);
        fs::create_dir_all(&temporary)?;
        command.env("TMPDIR", temporary);
        Self::spawn(command, home.join(LOG), None, Kind::Edge).await
    }

    async fn spawn(
        mut command: Command,
        log: PathBuf,
        directory: Option<TempDir>,
        kind: Kind,
    ) -> Result<Self> {
        let file = Arc::new(Mutex::new(File::options().create(true).append(true).open(&log)?));
        command
            .env("ROLLCALL_LOG", "trace")
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .kill_on_drop(true)
            // A group of its own, so that everything it starts in turn can be ended with it.
            .process_group(0);
        let mut child = command.spawn().with_context(|| format!("starting {command:?}"))?;
        let group = child.id().and_then(|id| Pid::from_raw(i32::try_from(id).ok()?));
        let (found, address) = oneshot::channel();
        let out = child.stdout.take().context("no stdout")?;
        let err = child.stderr.take().context("no stderr")?;
        let copies = vec![
            tokio::spawn(copy(out, Arc::clone(&file), Some(found))),
            tokio::spawn(copy(err, file, None)),
        ];
        let mut process = Process { child, group, copies, log, _directory: directory };
        match timeout(START, address).await {
            Ok(Ok(address)) => Ok(Self::of(address, kind, Some(process))),
            ended_or_silent => {
                let why = match ended_or_silent {
                    Ok(_) => "ended its output before it said that it listens",
                    Err(_) => "did not say in time that it listens",
                };
                process.stop().await?;
                bail!("the subject {why}; its output:\n{}", tail(&process.log, 40))
            }
        }
    }

    /// The file with the subject's output, if the suite started it.
    pub fn log(&self) -> Option<&Path> {
        self.process.as_ref().map(|process| process.log.as_path())
    }

    /// Whether the process that the suite started has ended by itself.
    pub fn ended(&mut self) -> Option<ExitStatus> {
        self.process.as_mut().and_then(|process| process.child.try_wait().ok().flatten())
    }

    /// Asks the process to stop, kills it after a bound; the log is complete afterwards. `None` when the
    /// suite did not start it.
    pub async fn stop(&mut self) -> Result<Option<Stopped>> {
        let mut stopped = match &mut self.process {
            Some(process) => Some(process.stop().await?),
            None => None,
        };
        for other in &mut self.others {
            if let Some(process) = &mut other.process {
                let other = process.stop().await?;
                // The worst of them.
                let is_good = |one: &Stopped| one.status.is_some_and(|status| status.success());
                stopped = stopped.filter(|one| !is_good(one) || is_good(&other)).or(Some(other));
            }
        }
        Ok(stopped)
    }

    /// Ends the process that the suite started by SIGKILL, and waits until all that it started is gone.
    pub async fn kill(&mut self) -> Result<()> {
        let Some(mut process) = self.process.take() else { bail!("the suite did not start this server") };
        process.signal(Signal::KILL);
        process.child.wait().await?;
        // The output ends when the last process that could write to it is gone.
        let gone = async {
            for copy in process.copies.drain(..) {
                copy.await.ok();
            }
        };
        timeout(STOP, gone).await.context("something that the server started outlives it")
    }
}

impl Process {
    async fn stop(&mut self) -> Result<Stopped> {
        let begun = std::time::Instant::now();
        self.signal(Signal::TERM);
        let status = timeout(STOP, self.child.wait()).await.ok().transpose()?;
        let after = begun.elapsed();
        // Also when the leader is gone: nothing that it started may outlive it.
        self.signal(Signal::KILL);
        self.child.wait().await?;
        for copy in self.copies.drain(..) {
            copy.await.ok();
        }
        Ok(Stopped { status, after })
    }

    fn signal(&self, signal: Signal) {
        if let Some(group) = self.group {
            // The group may have ended in the meantime, which is what a signal would ask of it.
            kill_process_group(group, signal).ok();
        }
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        if matches!(self.child.try_wait(), Ok(None)) {
            self.signal(Signal::KILL);
        }
    }
}

/// The store of a subject's servers: a schema of its own in this engine.
fn store_in(engine: &Postgres) -> String {
    static SCHEMAS: AtomicU32 = AtomicU32::new(0);
    let schema = SCHEMAS.fetch_add(1, Relaxed);
    format!("[store]\nurl = {}\nschema = \"run_{schema}\"\n", toml::Value::from(engine.url()))
}

/// The last lines of a file.
pub fn tail(path: &Path, lines: usize) -> String {
    let text = fs::read(path).map(|bytes| String::from_utf8_lossy(&bytes).into_owned()).unwrap_or_default();
    let all: Vec<&str> = text.lines().collect();
    all.get(all.len().saturating_sub(lines)..).unwrap_or_default().join("\n")
}

/// Copies output to the log, and tells once where the subject listens. The channel is dropped when the
/// output ends, which is how an early end is noticed.
async fn copy(
    mut from: impl AsyncRead + Unpin,
    log: Arc<Mutex<File>>,
    found: Option<oneshot::Sender<SocketAddr>>,
) {
    let mut found = found;
    let mut unseen = Vec::new();
    let mut buffer = vec![0; 64 << 10];
    while let Ok(count @ 1..) = from.read(&mut buffer).await {
        let bytes = buffer.get(..count).unwrap_or_default();
        log.lock().unwrap_or_else(PoisonError::into_inner).write_all(bytes).ok();
        if found.is_some() {
            unseen.extend_from_slice(bytes);
            if let Some(address) = listening(&String::from_utf8_lossy(&unseen)) {
                found.take().map(|tell| tell.send(address));
            }
        }
    }
}

/// The address in the line that says so, once that line is complete.
fn listening(output: &str) -> Option<SocketAddr> {
    let (complete, _) = output.rsplit_once('\n')?;
    complete.lines().find_map(|line| {
        let (_, address) = line.split_once(LISTENING)?;
        let end = address.find(|c: char| !c.is_ascii_digit() && c != '.' && c != ':');
        address.get(..end.unwrap_or(address.len()))?.parse().ok()
    })
}

fn write_config(directory: &Path, text: &str) -> Result<PathBuf> {
    let path = directory.join(CONFIG);
    fs::write(&path, text)?;
    Ok(path)
}

/// The command line that serves the edge with everything in `home`.
pub(crate) fn edge_command(prefix: &[String], settings: &Settings, home: &Path) -> Result<Command> {
    let config = write_config(home, &settings.to_toml("")?)?;
    let (program, arguments) = prefix.split_first().context("the edge command is empty")?;
    let mut command = Command::new(program);
    command.args(arguments).arg("--config").arg(config);
    // The address is read from what it prints.
    command.args(["--listen", "127.0.0.1:0", "--persist"]).arg(home.join(PERSIST));
    Ok(command)
}

/// The address in a base URL: plain HTTP on the loopback interface.
pub fn address_of(url: &str) -> Result<SocketAddr> {
    let rest = url.strip_prefix("http://").with_context(|| format!("{url} is not an http:// URL"))?;
    let host = rest.trim_end_matches('/');
    let host = host.strip_prefix("localhost").map_or(host.to_owned(), |port| format!("127.0.0.1{port}"));
    let address: SocketAddr = host.parse().with_context(|| format!("{host} is not ADDRESS:PORT"))?;
    match address.ip() {
        IpAddr::V4(ip) if ip.is_loopback() => Ok(address),
        IpAddr::V6(ip) if ip.is_loopback() => Ok(address),
        other => bail!("{other} is not a loopback address: this suite kicks and floods what it is given"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_address_is_read_from_a_complete_line() {
        let wanted: SocketAddr = "127.0.0.1:4711".parse().unwrap();
        assert_eq!(listening("x\nrollcall listening on http://127.0.0.1:4711\n"), Some(wanted));
        assert_eq!(listening("INFO listening on http://127.0.0.1:4711/ (ctrl-c)\nmore"), Some(wanted));
        assert_eq!(listening("listening on http://127.0.0.1:4711"), None);
        assert_eq!(listening("nothing\n"), None);
    }

    #[test]
    fn the_edge_takes_a_free_port_by_itself() {
        let home = TempDir::new().unwrap();
        let command = edge_command(&["edge".to_owned()], &Settings::default(), home.path()).unwrap();
        let arguments: Vec<_> = command.as_std().get_args().collect();
        assert!(arguments.windows(2).any(|pair| pair == ["--listen", "127.0.0.1:0"]), "{arguments:?}");
    }

    #[test]
    fn only_loopback_is_accepted() {
        assert!(address_of("http://127.0.0.1:10002/").is_ok());
        assert!(address_of("http://localhost:10002").is_ok());
        assert!(address_of("http://[::1]:10002").is_ok());
        assert!(address_of("http://192.0.2.1:10002").is_err());
        assert!(address_of("https://127.0.0.1:10002").is_err());
    }

    #[tokio::test]
    async fn a_subject_that_ends_early_is_told_with_its_output() {
        let prefix = ["sh", "-c", "echo no secret configured >&2; exit 3"].map(str::to_owned).to_vec();
        let error = Subject::start(&Launch::Edge(prefix), &Settings::default()).await.unwrap_err();
        assert!(error.to_string().contains("no secret configured"), "{error}");
    }

    #[tokio::test]
    async fn a_subject_is_stopped_with_what_it_started() {
        let script = "sleep 1000 & echo listening on http://127.0.0.1:1; wait";
        let prefix = ["sh", "-c", script].map(str::to_owned).to_vec();
        let mut subject = Subject::start(&Launch::Edge(prefix), &Settings::default()).await.unwrap();
        assert_eq!(subject.address.port(), 1);
        let stopped = subject.stop().await.unwrap().unwrap();
        assert!(stopped.after < Duration::from_secs(10), "{stopped:?}");
        assert!(subject.ended().is_some());
    }
}
