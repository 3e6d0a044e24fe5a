//! The variables that the worker gets, as the origin gets them from its environment.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::fs;
use std::path::Path;

use anyhow::{Context, Result, bail};

use super::manifest::Manifest;
use crate::workspace::Workspace;

/// The variable of the worker that holds the configuration's TOML text.
const CONFIG: &str = "ROLLCALL_CONFIG";

/// The variable of the jurisdiction in which objects live.
const JURISDICTION: &str = "ROLLCALL__EDGE__JURISDICTION";

/// The jurisdictions of the platform.
const JURISDICTIONS: &[&str] = &["eu", "us", "fedramp", "fedramp-high"];

/// Linux refuses environment strings of more than 128 KiB, the name included.
const LONGEST_CONFIG: usize = 131_000;

/// All of them, a later source before an earlier one: `[vars]`, `.dev.vars` where no file is given, the
/// environment, the user's file.
pub(crate) fn collect(
    workspace: &Workspace,
    manifest: &Manifest,
    config: Option<&Path>,
) -> Result<Vec<(OsString, OsString)>> {
    let mut all: BTreeMap<OsString, OsString> =
        manifest.vars().map(|(name, value)| (name.into(), value.into())).collect();
    let secrets = workspace.root.join(".dev.vars");
    if config.is_none() && secrets.exists() {
        for pair in dotenvy::from_path_iter(&secrets).context("cannot read .dev.vars")? {
            // Its errors quote the line.
            let Ok((name, value)) = pair else { bail!(".dev.vars has a line that is no NAME=\"value\"") };
            all.insert(name.into(), value.into());
        }
    }
    all.extend(environment(std::env::vars_os()));
    if let Some(file) = config {
        all.insert(CONFIG.into(), config_text(file)?.into());
    }
    Ok(all.into_iter().collect())
}

/// Leaves out the jurisdiction, which the local runtime does not implement, and returns it. What is none of the platform's stays,
/// for the worker to refuse.
pub(crate) fn take_jurisdiction(variables: &mut Vec<(OsString, OsString)>) -> Option<String> {
    let value_of = |wanted: &str| {
        let found = variables.iter().find(|(name, _)| name.to_str() == Some(wanted));
        found.and_then(|(_, value)| value.to_str()).map(str::to_owned)
    };
    let in_text = || {
        let table: toml::Table = value_of(CONFIG)?.parse().ok()?;
        Some(table.get("edge")?.get("jurisdiction")?.as_str()?.to_owned())
    };
    let wanted = value_of(JURISDICTION).or_else(in_text)?;
    if !JURISDICTIONS.contains(&wanted.as_str()) {
        return None;
    }
    variables.retain(|(name, _)| name.to_str() != Some(JURISDICTION));
    variables.push((JURISDICTION.into(), "none".into()));
    Some(wanted)
}

/// The variables of our own environment that are meant for the worker.
fn environment(
    all: impl Iterator<Item = (OsString, OsString)>,
) -> impl Iterator<Item = (OsString, OsString)> {
    let wanted = |name: &str| name.starts_with("ROLLCALL__") || name == "ROLLCALL_LOG" || name == CONFIG;
    all.filter(move |(name, _)| name.to_str().is_some_and(wanted))
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

#[cfg(test)]
mod tests {
    use super::*;

    use tempfile::TempDir;

    #[test]
    fn only_variables_of_the_product_reach_the_worker() {
        let all =
            ["PATH", "ROLLCALL__AUTH__SECRET", "ROLLCALL_ORIGIN_BIN", "ROLLCALL_CONFIG", "ROLLCALL_LOG"];
        let found = environment(all.into_iter().map(|name| (name.into(), "x".into())));
        let names: Vec<_> = found.filter_map(|(name, _)| name.into_string().ok()).collect();
        assert_eq!(names, ["ROLLCALL__AUTH__SECRET", "ROLLCALL_CONFIG", "ROLLCALL_LOG"]);
    }

    #[test]
    fn a_jurisdiction_is_left_out_wherever_it_stands_and_a_wrong_one_is_not() {
        let all = |pairs: &[(&str, &str)]| -> Vec<(OsString, OsString)> {
            pairs.iter().map(|(name, value)| (name.into(), value.into())).collect()
        };
        let eu = (CONFIG, "[edge]\njurisdiction = 'eu'");
        let left_out = (JURISDICTION, "none");
        for (given, taken, left) in [
            (&[eu][..], Some("eu"), &[eu, left_out][..]),
            (&[eu, (JURISDICTION, "fedramp-high")], Some("fedramp-high"), &[eu, left_out]),
            (&[eu, (JURISDICTION, "none")], None, &[eu, left_out]),
            (&[(JURISDICTION, "europe")], None, &[(JURISDICTION, "europe")]),
            (&[(CONFIG, "[presence]")], None, &[(CONFIG, "[presence]")]),
        ] {
            let mut variables = all(given);
            assert_eq!(take_jurisdiction(&mut variables).as_deref(), taken, "{given:?}");
            assert_eq!(variables, all(left), "{given:?}");
        }
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
