//! `rollcall serve`

use std::path::Path;

use rollcall_core::config::{Runtime, Settings};
use rollcall_origin::{configuration, data_dir::DataDir, server};
use tokio::signal::unix::{SignalKind, signal};

use super::output::print_line;

/// The exit status after a second signal: what was under way was cut.
const AT_ONCE: i32 = 1;
/// The exit status after another process has declared this one dead: `EX_TEMPFAIL` of sysexits.h, so that a supervisor starts anew.
const DEAD: i32 = 75;

pub(super) fn serve(mut settings: Settings, config: Option<&Path>) -> anyhow::Result<()> {
    let data_dir = DataDir::lock(Path::new(&settings.server.data_dir))?;
    let generated = configuration::complete_secret(&mut settings, &data_dir)?;
    for warning in settings.warnings(Runtime::Origin) {
        tracing::warn!("{warning}");
    }
    for file in configuration::readable_secrets(config, &settings) {
        tracing::warn!(file = %file.display(), "every user of this machine can read a file with a secret; take that right: chmod o=");
    }
    let place = settings.server.data_dir.clone();
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    runtime.block_on(async {
        // Before the port opens, so that a signal is never lost.
        let (mut interrupt, mut terminate) =
            (signal(SignalKind::interrupt())?, signal(SignalKind::terminate())?);
        // A file that may not grow any more is an error of its write, and must not end the process.
        let _too_large = signal(SignalKind::from_raw(rustix::process::Signal::XFSZ.as_raw()))?;
        let mut hangup = signal(SignalKind::hangup())?;
        let running = server::start(settings, data_dir).await?;
        if let Some(url) = running.metrics_url() {
            print_line(&format!("rollcall: metrics at {url}"))?;
        }
        print_line(&format!("rollcall: listening on {}", running.url()))?;
        if generated {
            print_line(&format!("rollcall: the secret is kept in {place}/secret"))?;
        }
        print_line("rollcall: make an administrator's token with: rollcall token admin  (cargo run --release -- token admin)")?;
        loop {
            tokio::select! {
                _ = interrupt.recv() => break,
                _ = terminate.recv() => break,
                _ = hangup.recv() => running.reload(),
                () = running.dead() => {
                    running.abandon().await;
                    std::process::exit(DEAD);
                }
            }
        }
        tokio::select! {
            is_drained = running.stop() => {
                if !is_drained {
                    std::process::exit(DEAD);
                }
                Ok(())
            }
            _ = interrupt.recv() => std::process::exit(AT_ONCE),
            _ = terminate.recv() => std::process::exit(AT_ONCE),
        }
    })
}
