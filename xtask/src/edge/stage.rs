//! A folder of its own for one run of the runtime: the built code, a configuration made from
//! `wrangler.toml`, and everything that wrangler writes besides its storage.
//!
//! wrangler watches the folder of the code and reloads at every change in it, so nothing else is put there.

use std::ffi::OsString;
use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::workspace::Workspace;

/// The variable of the worker that holds the configuration's TOML text.
const CONFIG: &str = "ROLLCALL_CONFIG";

/// Linux refuses longer environment strings (128 KiB with the name).
const LONGEST_CONFIG: usize = 120_000;

/// What of `wrangler.toml` is about building, deploying or production only.
const NOT_FOR_DEV: [&str; 5] = ["build", "observability", "placement", "limits", "routes"];

/// A prepared folder; it is deleted when this is dropped.
pub(crate) struct Stage {
    folder: TempDir,
    /// The variables that the worker gets, by name. Their values travel in the environment, so that they
    /// stand in no file, and wrangler prints them as hidden.
    variables: Vec<(OsString, OsString)>,
}

impl Stage {
    /// Copies the worker from the folder where it was built and writes the configuration. `config` is the
    /// user's TOML file.
    pub(crate) fn prepare(workspace: &Workspace, build: &Path, config: Option<&Path>) -> Result<Self> {
        let folder = TempDir::with_prefix("rollcall-edge-").context("cannot create a temporary folder")?;
        let code = folder.path().join("code");
        fs::create_dir(&code)?;
        for file in ["index.js", "index_bg.wasm"] {
            let built = build.join(file);
            fs::copy(&built, code.join(file))
                .with_context(|| format!("cannot copy {}: run `cargo xtask edge build`", built.display()))?;
        }
        for name in ["home", "logs", "registry", "cache", "tmp"] {
            fs::create_dir(folder.path().join(name))?;
        }

        let dev_vars = workspace.root.join(".dev.vars");
        let mut variables = environment(std::env::vars_os());
        let mut local_secrets = false;
        if let Some(file) = config {
            let text = config_text(file)?;
            variables.retain(|(name, _)| name != CONFIG);
            variables.push((CONFIG.into(), text.into()));
        } else if dev_vars.exists() {
            fs::copy(&dev_vars, folder.path().join(".dev.vars")).context("cannot copy .dev.vars")?;
            local_secrets = true;
        }

        let manifest = workspace.root.join("wrangler.toml");
        let text =
            fs::read_to_string(&manifest).with_context(|| format!("cannot read {}", manifest.display()))?;
        // With a .dev.vars wrangler reads nothing else; without one it takes what is listed as required.
        let names: Vec<_> = variables.iter().map(|(name, _)| name.to_string_lossy()).collect();
        let required = (!local_secrets).then_some(names.as_slice());
        let wrangler = dev_config(&text, required)?;
        fs::write(folder.path().join("wrangler.json"), serde_json::to_string_pretty(&wrangler)?)?;
        Ok(Self { folder, variables })
    }

    /// The configuration for `wrangler --config`.
    pub(crate) fn wrangler_config(&self) -> PathBuf {
        self.folder.path().join("wrangler.json")
    }

    /// The folder itself, for wrangler to run in.
    pub(crate) fn path(&self) -> &Path {
        self.folder.path()
    }

    /// Storage that nobody asked to keep.
    pub(crate) fn storage(&self) -> PathBuf {
        self.folder.path().join("state")
    }

    /// The environment for wrangler: no telemetry, no look-ups, no files elsewhere, and the variables.
    pub(crate) fn environment(&self) -> Vec<(OsString, OsString)> {
        let mut all = self.variables.clone();
        for (name, value) in [
            ("CI", "1"),
            ("NO_COLOR", "1"),
            ("DO_NOT_TRACK", "1"),
            ("WRANGLER_SEND_METRICS", "false"),
            ("WRANGLER_SEND_ERROR_REPORTS", "false"),
            ("WRANGLER_HIDE_BANNER", "true"),
            ("CLOUDFLARE_CF_FETCH_ENABLED", "false"),
            // Otherwise every URL, its query with the token included, is written beside the storage.
            ("X_LOCAL_OBSERVABILITY", "false"),
            // Otherwise anybody who reaches the port can read and change the storage in a web page.
            ("X_LOCAL_EXPLORER", "false"),
        ] {
            all.push((name.into(), value.into()));
        }
        for (name, folder) in [
            ("TMPDIR", "tmp"),
            ("XDG_CONFIG_HOME", "home"),
            ("WRANGLER_LOG_PATH", "logs"),
            ("WRANGLER_REGISTRY_PATH", "registry"),
            ("WRANGLER_CACHE_DIR", "cache"),
        ] {
            all.push((name.into(), self.folder.path().join(folder).into()));
        }
        all
    }
}

/// The variables of our own environment that are meant for the worker, as they are for the origin.
fn environment(all: impl Iterator<Item = (OsString, OsString)>) -> Vec<(OsString, OsString)> {
    let wanted = |name: &str| name.starts_with("ROLLCALL__") || name == "ROLLCALL_LOG" || name == CONFIG;
    all.filter(|(name, _)| name.to_str().is_some_and(wanted)).collect()
}

/// The text of the user's file, checked as far as a tool can that does not know the keys.
fn config_text(file: &Path) -> Result<String> {
    let text = fs::read_to_string(file).with_context(|| format!("cannot read {}", file.display()))?;
    if let Err(error) = text.parse::<toml::Table>() {
        bail!("{} is not TOML: {error}", file.display());
    }
    if text.len() > LONGEST_CONFIG || text.contains('\0') {
        bail!(
            "{} has more than {LONGEST_CONFIG} bytes, or a NUL: it cannot become a variable",
            file.display()
        );
    }
    Ok(text)
}

/// `wrangler.toml` as the configuration of a local run of code that is built already.
fn dev_config(wrangler_toml: &str, required: Option<&[impl AsRef<str>]>) -> Result<Value> {
    let table: toml::Table = wrangler_toml.parse().context("wrangler.toml is not TOML")?;
    let mut config = serde_json::to_value(table)?;
    let Some(keys) = config.as_object_mut() else { bail!("wrangler.toml is not a table") };
    for name in NOT_FOR_DEV {
        keys.remove(name);
    }
    keys.insert("main".to_owned(), json!("code/index.js"));
    keys.insert("base_dir".to_owned(), json!("code"));
    if let Some(names) = required {
        let names: Vec<_> = names.iter().map(AsRef::as_ref).collect();
        keys.insert("secrets".to_owned(), json!({ "required": names }));
    }
    Ok(config)
}

#[cfg(test)]
mod tests {
    use super::*;

    const MANIFEST: &str = "name = \"rollcall\"\nmain = \"worker/build/index.js\"\n[build]\ncommand = \"x\"\n\
                            [durable_objects]\nbindings = [{ name = \"USERS\", class_name = \"UserObject\" }]\n\
                            [[migrations]]\ntag = \"v1\"\nnew_sqlite_classes = [\"UserObject\"]\n";

    #[test]
    fn a_local_run_never_builds_again() {
        let config = dev_config(MANIFEST, Some(&[CONFIG])).unwrap();
        assert_eq!(config.get("build"), None);
        assert_eq!(config["main"], "code/index.js");
        assert_eq!(config["durable_objects"]["bindings"][0]["class_name"], "UserObject");
        assert_eq!(config["migrations"][0]["new_sqlite_classes"], json!(["UserObject"]));
        assert_eq!(config["secrets"]["required"], json!(["ROLLCALL_CONFIG"]));
    }

    #[test]
    fn a_file_with_local_secrets_is_left_to_wrangler() {
        assert_eq!(dev_config(MANIFEST, None::<&[&str]>).unwrap().get("secrets"), None);
    }

    #[test]
    fn only_variables_of_the_product_reach_the_worker() {
        let all =
            ["PATH", "ROLLCALL__AUTH__SECRET", "ROLLCALL_ORIGIN_BIN", "ROLLCALL_CONFIG", "ROLLCALL_LOG"];
        let found = environment(all.into_iter().map(|name| (name.into(), "x".into())));
        let names: Vec<_> = found.iter().filter_map(|(name, _)| name.to_str()).collect();
        assert_eq!(names, ["ROLLCALL__AUTH__SECRET", "ROLLCALL_CONFIG", "ROLLCALL_LOG"]);
    }

    #[test]
    fn a_configuration_that_is_not_toml_is_refused_by_name() {
        let folder = TempDir::new().unwrap();
        let file = folder.path().join("broken.toml");
        fs::write(&file, "[auth\n").unwrap();
        let error = config_text(&file).unwrap_err().to_string();
        assert!(error.contains("broken.toml is not TOML"), "{error}");
        fs::write(&file, "[auth]\nsecret = \"\"\"a'\n\\\"$HOME`\"\"\"\n").unwrap();
        assert_eq!(config_text(&file).unwrap(), fs::read_to_string(&file).unwrap());
    }
}
