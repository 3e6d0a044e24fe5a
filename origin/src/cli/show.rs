//! `rollcall config`

use rollcall_core::config::Settings;

use super::output::print_line;

pub(super) fn config(settings: &Settings) -> anyhow::Result<()> {
    Ok(print_line(toml::to_string_pretty(settings)?.trim_end())?)
}
