//! `cargo xtask edge smoke`: the commands that a newcomer from the ecosystem types.

use std::fs;
use std::io::{BufRead as _, BufReader};
use std::net::SocketAddr;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{self, Receiver, RecvTimeoutError};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use rustix::process::{Pid, Signal, kill_process};
use tempfile::TempDir;

use super::health::{self, Health};
use crate::run;
use crate::setup::npm;
use crate::supervise::{explained, supervised};
use crate::workspace::Workspace;

/// How long wrangler may take to serve; its build command runs first.
const START: Duration = Duration::from_secs(600);
/// How long all of it may take, the case included.
const LIMIT: Duration = Duration::from_secs(1_200);

/// The case that is run: it issues a token and opens sockets. It needs the configuration of the profile `base`.
const CASE: &str = "the_gateway_is_on_three_paths";

/// Serves by `wrangler dev` with everything in `wrangler.toml`, runs a case of the suite against it, stops it, and lets
/// `wrangler deploy` go as far as it does without an account, for every environment. `suite` starts the suite's program.
pub(crate) fn run(workspace: &Workspace, mut suite: Command) -> Result<()> {
    let folder = TempDir::with_prefix("rollcall-smoke-").context("cannot create a temporary folder")?;
    let config = folder.path().join("rollcall.toml");
    fs::write(&config, "[auth]\nsecret = \"openIM123\"\n[presence]\nmulti_login_policy = 0\n")?;
    // The same for wrangler, which reads no such file.
    let variables = folder.path().join("variables.env");
    fs::write(&variables, "ROLLCALL__AUTH__SECRET=openIM123\nROLLCALL__PRESENCE__MULTI_LOGIN_POLICY=0\n")?;

    let mut dev = wrangler(workspace, folder.path())?;
    dev.args(["dev", "--ip", "127.0.0.1", "--port", "0", "--inspector-port", "0"])
        .arg("--persist-to")
        .arg(folder.path().join("state"))
        .arg("--env-file")
        .arg(&variables);
    let mut served = Served::start(workspace, &dev)?;
    let address = served.until_serving()?;
    suite.args(["run", "--only", CASE, "--base-url", &format!("http://{address}"), "--config"]).arg(&config);
    run::passed_through(&mut suite, "")?;
    served.stop()?;

    for environment in [&[][..], &["--env", "staging"]] {
        let mut deploy = wrangler(workspace, folder.path())?;
        deploy
            .args(["deploy", "--dry-run", "--outdir"])
            .arg(folder.path().join("deployed"))
            .args(environment);
        run::passed_through(&mut deploy, "")?;
    }
    Ok(())
}

/// wrangler in the workspace's root, with what it writes besides in a folder: no telemetry, no look-ups, no URLs on disk.
fn wrangler(workspace: &Workspace, folder: &Path) -> Result<Command> {
    let (node, _) = npm::node(workspace)?;
    let mut command = Command::new(node);
    command
        .arg(workspace.node_module("wrangler/bin/wrangler.js"))
        .current_dir(&workspace.root)
        .env("PATH", workspace.path_with_node()?)
        .envs([
            ("CI", "1"),
            ("NO_COLOR", "1"),
            ("DO_NOT_TRACK", "1"),
            ("WRANGLER_SEND_METRICS", "false"),
            ("WRANGLER_SEND_ERROR_REPORTS", "false"),
            ("CLOUDFLARE_CF_FETCH_ENABLED", "false"),
            ("X_LOCAL_OBSERVABILITY", "false"),
            ("X_LOCAL_EXPLORER", "false"),
        ])
        .envs(
            [
                ("XDG_CONFIG_HOME", "home"),
                ("WRANGLER_LOG_PATH", "logs"),
                ("WRANGLER_REGISTRY_PATH", "registry"),
                ("WRANGLER_CACHE_DIR", "cache"),
            ]
            .map(|(name, place)| (name, folder.join(place))),
        );
    Ok(command)
}

/// wrangler with all that it starts, under supervision: it ends when this is dropped, and with this process.
struct Served {
    supervisor: Child,
    lines: Receiver<String>,
}

impl Served {
    fn start(workspace: &Workspace, command: &Command) -> Result<Self> {
        let mut command = supervised(&workspace.exe, LIMIT, command);
        let mut supervisor = command.stdout(Stdio::piped()).spawn().context("cannot start wrangler")?;
        let output = supervisor.stdout.take().context("no pipe from wrangler")?;
        let (sender, lines) = mpsc::channel();
        std::thread::spawn(move || {
            for line in BufReader::new(output).lines().map_while(Result::ok) {
                println!("{line}");
                // Only the first lines are looked for.
                let _ = sender.send(line);
            }
        });
        Ok(Self { supervisor, lines })
    }

    /// Waits until it says where it serves, and does.
    fn until_serving(&mut self) -> Result<SocketAddr> {
        let deadline = Instant::now() + START;
        loop {
            match self.lines.recv_timeout(deadline.saturating_duration_since(Instant::now())) {
                Ok(line) => {
                    let Some(address) = ready(&line) else { continue };
                    return match health::ask(address)? {
                        Health::Serving => Ok(address),
                        Health::Refusing { status, body } => bail!("GET /health answered {status}: {body}"),
                    };
                }
                Err(RecvTimeoutError::Disconnected) => {
                    let status = self.supervisor.wait()?;
                    bail!("`wrangler dev`: {}; its messages are above", explained(status, LIMIT));
                }
                Err(RecvTimeoutError::Timeout) => {
                    bail!("`wrangler dev` did not serve within {} s", START.as_secs())
                }
            }
        }
    }

    /// Asks for the end as Ctrl-C does, and fails when it has to be killed.
    fn stop(&mut self) -> Result<()> {
        // `wait` closes the pipe, which would be a request to stop of its own.
        let pipe = self.supervisor.stdin.take();
        kill_process(Pid::from_child(&self.supervisor), Signal::INT).context("cannot stop wrangler")?;
        let status = self.supervisor.wait()?;
        drop(pipe);
        if status.code() != Some(128 + Signal::INT.as_raw()) {
            bail!("`wrangler dev` did not stop when it was asked to: {}", explained(status, LIMIT));
        }
        Ok(())
    }
}

impl Drop for Served {
    fn drop(&mut self) {
        // The end of this pipe asks the supervisor to end.
        drop(self.supervisor.stdin.take());
        let _ = self.supervisor.wait();
    }
}

/// The address in wrangler's line `Ready on http://ADDR:PORT`.
fn ready(line: &str) -> Option<SocketAddr> {
    let (_, address) = line.split_once("Ready on http://")?;
    let end = address.find(|c: char| !c.is_ascii_digit() && c != '.' && c != ':');
    address.get(..end.unwrap_or(address.len()))?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_address_is_in_the_line_that_says_ready() {
        let wanted: SocketAddr = "127.0.0.1:4711".parse().unwrap();
        assert_eq!(ready("[wrangler:info] Ready on http://127.0.0.1:4711"), Some(wanted));
        assert_eq!(ready("\u{1b}[32mReady on http://127.0.0.1:4711\u{1b}[0m"), Some(wanted));
        assert_eq!(ready("Starting local server..."), None);
    }
}
