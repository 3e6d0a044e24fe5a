//! `cargo xtask edge smoke`: the commands that a newcomer from the ecosystem types.

use std::fs;
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use rustix::process::{Pid, Signal, kill_process_group};
use std::os::unix::process::CommandExt as _;
use tempfile::TempDir;

use super::health::{self, Health};
use crate::run;
use crate::setup::npm;
use crate::workspace::Workspace;

/// How long wrangler may take to serve; its build command runs first.
const START: Duration = Duration::from_secs(600);
/// How long it may take to end in order.
const STOP: Duration = Duration::from_secs(20);
/// How often it is looked at; it announces neither.
const LOOK: Duration = Duration::from_millis(100);

/// The case that is run: it issues a token and opens sockets. It needs the configuration of the profile `base`.
const CASE: &str = "the_gateway_is_on_three_paths";

/// Serves by `wrangler dev` with everything in `wrangler.toml`, runs a case of the suite against it, stops it, and lets
/// `wrangler deploy` go as far as it does without an account. `suite` starts the suite's program.
pub(crate) fn run(workspace: &Workspace, mut suite: Command) -> Result<()> {
    let folder = TempDir::with_prefix("rollcall-smoke-").context("cannot create a temporary folder")?;
    let config = folder.path().join("rollcall.toml");
    fs::write(&config, "[auth]\nsecret = \"openIM123\"\n[presence]\nmulti_login_policy = 0\n")?;
    // The same for wrangler, which reads no such file.
    let variables = folder.path().join("variables.env");
    fs::write(&variables, "ROLLCALL__AUTH__SECRET=openIM123\nROLLCALL__PRESENCE__MULTI_LOGIN_POLICY=0\n")?;

    let address = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?.local_addr()?;
    let mut dev = wrangler(workspace, folder.path())?;
    dev.args(["dev", "--ip", "127.0.0.1", "--port", &address.port().to_string(), "--inspector-port", "0"])
        .arg("--persist-to")
        .arg(folder.path().join("state"))
        .arg("--env-file")
        .arg(&variables)
        .stdin(Stdio::null())
        .process_group(0);
    let mut served = Group(dev.spawn().context("cannot start wrangler")?);
    served.until_serving(address)?;
    suite.args(["run", "--only", CASE, "--base-url", &format!("http://{address}"), "--config"]).arg(&config);
    run::passed_through(&mut suite, "")?;
    served.stop()?;

    let mut deploy = wrangler(workspace, folder.path())?;
    deploy.args(["deploy", "--dry-run", "--outdir"]).arg(folder.path().join("deployed"));
    run::passed_through(&mut deploy, "")
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

/// wrangler with all that it starts. The whole group is killed when this is dropped.
struct Group(Child);

impl Group {
    fn until_serving(&mut self, address: SocketAddr) -> Result<()> {
        let deadline = Instant::now() + START;
        while Instant::now() < deadline {
            if let Some(status) = self.0.try_wait()? {
                bail!("`wrangler dev` ended with {status}; its messages are above");
            }
            match health::ask(address) {
                Ok(Health::Serving) => return Ok(()),
                Ok(Health::Refusing { status, body }) => bail!("GET /health answered {status}: {body}"),
                Err(_) => std::thread::sleep(LOOK),
            }
        }
        bail!("`wrangler dev` did not serve within {} s", START.as_secs())
    }

    /// Asks for the end as Ctrl-C does, and fails when it does not come.
    fn stop(&mut self) -> Result<()> {
        kill_process_group(Pid::from_child(&self.0), Signal::INT).context("cannot stop wrangler")?;
        let deadline = Instant::now() + STOP;
        while Instant::now() < deadline {
            if self.0.try_wait()?.is_some() {
                return Ok(());
            }
            std::thread::sleep(LOOK);
        }
        bail!("`wrangler dev` did not stop within {} s", STOP.as_secs())
    }
}

impl Drop for Group {
    fn drop(&mut self) {
        // What it started may outlive it.
        let _ = kill_process_group(Pid::from_child(&self.0), Signal::KILL);
        let _ = self.0.wait();
    }
}
