//! `rollcall config`

use rollcall_core::config::Settings;
use rollcall_origin::server;

use super::output::print_line;

pub(super) fn config(settings: &Settings) -> anyhow::Result<()> {
    // What `serve` refuses is refused here, so that a file can be tried before a restart.
    server::check(settings)?;
    Ok(print_line(toml::to_string_pretty(settings)?.trim_end())?)
}
