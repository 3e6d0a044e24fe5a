//! The configuration: a file, then the environment.

use std::{env, fs, path::Path};

use anyhow::{Context as _, ensure};
use rollcall_core::config::{Runtime, Settings, meant_variable};

use crate::data_dir::DataDir;

/// The file that is read if it exists and `--config` names no other.
pub const DEFAULT_FILE: &str = "rollcall.toml";

/// Loads the settings from `file` (or [`DEFAULT_FILE`]) and the environment.
///
/// # Errors
/// When a named file cannot be read, or a value is invalid. The error names the key.
pub fn load(file: Option<&Path>) -> anyhow::Result<Settings> {
    let path = file.unwrap_or_else(|| Path::new(DEFAULT_FILE));
    let text = match fs::read_to_string(path) {
        Ok(text) => text,
        Err(error) if file.is_none() && error.kind() == std::io::ErrorKind::NotFound => String::new(),
        Err(error) => {
            return Err(error).with_context(|| format!("cannot read the configuration {}", path.display()));
        }
    };
    let variables: Vec<(String, String)> = env::vars_os()
        .filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok()?)))
        .collect();
    for (name, _) in &variables {
        if let Some(meant) = meant_variable(name) {
            tracing::warn!("the variable {name} is not read; {meant} is");
        }
    }
    Ok(Settings::load(Runtime::Origin, &path.display().to_string(), &text, variables)?)
}

/// Completes `auth.secret` by the one that is generated in `data_dir`. Returns whether it did.
///
/// # Errors
/// As [`require_secret`], and errors of the file system.
pub fn complete_secret(settings: &mut Settings, data_dir: &DataDir) -> anyhow::Result<bool> {
    require_secret(settings)?;
    if settings.auth.secret.is_some() {
        return Ok(false);
    }
    settings.auth.secret = Some(data_dir.secret()?);
    Ok(true)
}

/// Where the store is reached by other machines too, a secret of this machine's folder is not theirs.
///
/// # Errors
/// When `store.url` is set and `auth.secret` is not.
pub fn require_secret(settings: &Settings) -> anyhow::Result<()> {
    ensure!(
        settings.store.url.is_none() || settings.auth.secret.is_some(),
        "auth.secret: is required where store.url is set; make one with: openssl rand -hex 32 (an embedded store that is moved \
         has its own in the file `secret` of server.data_dir)"
    );
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_default_file_changes_nothing() {
        let set = env::vars_os().any(|(name, _)| name.to_string_lossy().starts_with("ROLLCALL__"));
        assert!(!set, "this test needs an environment without ROLLCALL__ variables");
        let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("../rollcall.default.toml");
        assert_eq!(load(Some(&file)).unwrap(), Settings::default());
    }
}
