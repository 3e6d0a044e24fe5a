//! The configuration: a file, then the environment.

use std::{
    env, fs,
    path::{Path, PathBuf},
};

use anyhow::{Context as _, ensure};
use rollcall_core::{
    config::{Runtime, Settings, meant_variable},
    secret::Secret,
};

use crate::{data_dir::DataDir, private};

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

/// The configured files with a secret that every user of the machine can read: the configuration that `file` names (or
/// [`DEFAULT_FILE`]), where it holds one, and the key of TLS.
pub fn readable_secrets(file: Option<&Path>, settings: &Settings) -> Vec<PathBuf> {
    let path = file.unwrap_or_else(|| Path::new(DEFAULT_FILE));
    let text = fs::read_to_string(path).unwrap_or_default();
    let (auth, store) = (&settings.auth, &settings.store);
    let single = [&auth.secret, &auth.introspection.client_secret, &store.url];
    let mut secrets = single.into_iter().flatten().chain(&auth.previous_secrets).map(Secret::expose);
    let with_secret = secrets.any(|secret| text.contains(secret.as_str())).then(|| path.to_owned());
    let key = settings.server.tls.key.as_ref().map(PathBuf::from);
    with_secret.into_iter().chain(key).filter(|file| private::is_open_to_others(file)).collect()
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
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;

    #[test]
    fn a_file_with_a_secret_that_everybody_can_read_is_found() {
        let home = tempfile::tempdir().unwrap();
        let (config, key) = (home.path().join("rollcall.toml"), home.path().join("key.pem"));
        let open = |text: &str, mode: u32| {
            fs::write(&config, text).unwrap();
            fs::set_permissions(&config, fs::Permissions::from_mode(mode)).unwrap();
            let settings = Settings::load(Runtime::Origin, "t", text, []).unwrap();
            readable_secrets(Some(&config), &settings)
        };
        let secret = "[auth]\nsecret = 'a text that nobody else may see'\n";
        assert_eq!(open(secret, 0o644), std::slice::from_ref(&config));
        assert_eq!(open(secret, 0o640), <[PathBuf; 0]>::default());
        assert_eq!(open("[auth]\ntoken_ttl_days = 7\n", 0o644), <[PathBuf; 0]>::default());
        fs::write(&key, "a key").unwrap();
        fs::set_permissions(&key, fs::Permissions::from_mode(0o644)).unwrap();
        let tls = format!("[server.tls]\ncertificate = 'c'\nkey = '{}'\n", key.display());
        assert_eq!(open(&tls, 0o644), [key]);
    }

    #[test]
    fn the_default_file_changes_nothing() {
        let set = env::vars_os().any(|(name, _)| name.to_string_lossy().starts_with("ROLLCALL__"));
        assert!(!set, "this test needs an environment without ROLLCALL__ variables");
        let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("../rollcall.default.toml");
        assert_eq!(load(Some(&file)).unwrap(), Settings::default());
    }
}
