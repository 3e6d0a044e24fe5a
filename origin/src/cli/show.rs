//! `rollcall config`

use rollcall_core::config::Settings;

use super::say;

pub(super) fn config(settings: &Settings) -> anyhow::Result<()> {
    Ok(say(toml::to_string_pretty(settings)?.trim_end())?)
}
