//! The configuration of this isolate, read once from the worker's variables and secrets.

use std::sync::{Arc, OnceLock};

use rollcall_core::{
    config::{ConfigError, Runtime, Settings, VARIABLE_PREFIX, meant_variable},
    directory::zone::{UnknownZone, Zone},
    user::Rules,
};
use wasm_bindgen::JsCast as _;
use worker::{
    Env,
    js_sys::{Object, Reflect},
    wasm_bindgen::JsValue,
};

use crate::{log, zone::zone};

/// The variable with the text of a `rollcall.toml`.
const TOML: &str = "ROLLCALL_CONFIG";

/// The checked configuration.
#[derive(Debug)]
pub(crate) struct Configuration {
    /// All of it.
    pub(crate) settings: Settings,
    /// The part that the user's aggregate reads.
    pub(crate) rules: Rules,
    /// `message_center.time_zone`.
    pub(crate) zone: Zone,
}

/// The configuration is wrong. The text says what to do, and never quotes a secret.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ConfigurationError {
    /// A key is wrong.
    #[error("Rollcall does not serve: {0}")]
    Settings(ConfigError),
    /// There is no key for tokens.
    #[error(
        "Rollcall does not serve: auth.secret is not set\n  \
         deployed: npx wrangler secret put ROLLCALL__AUTH__SECRET\n  \
         locally: cp .dev.vars.example .dev.vars, and put a secret of your own there"
    )]
    NoSecret,
    /// The runtime does not know the zone.
    #[error("Rollcall does not serve: {0}")]
    Zone(UnknownZone),
}

static LOADED: OnceLock<Result<Arc<Configuration>, ConfigurationError>> = OnceLock::new();

/// The configuration of this isolate.
///
/// # Errors
/// When it is wrong; every call says so.
pub(crate) fn load(env: &Env) -> Result<Arc<Configuration>, &'static ConfigurationError> {
    let loaded = LOADED.get_or_init(|| {
        let configuration = read(env);
        match &configuration {
            Ok(loaded) => {
                loaded.settings.warnings(Runtime::Edge).iter().for_each(|text| tracing::warn!("{text}"));
            }
            Err(error) => tracing::error!("{error}"),
        }
        configuration
    });
    loaded.as_ref().map(Arc::clone)
}

fn read(env: &Env) -> Result<Arc<Configuration>, ConfigurationError> {
    if let Some(level) = variable(env, log::VARIABLE) {
        log::set_level(&level);
    }
    let names = Object::keys(env.unchecked_ref::<Object>());
    let names: Vec<String> = names.iter().filter_map(|name| name.as_string()).collect();
    for name in &names {
        if let Some(meant) = meant_variable(name) {
            tracing::warn!("the variable {name} is not read; {meant} is");
        }
    }
    let variables = names.into_iter().filter_map(|name| {
        let value = name.starts_with(VARIABLE_PREFIX).then(|| variable(env, &name))??;
        Some((name, value))
    });
    let toml = variable(env, TOML).unwrap_or_default();
    let settings =
        Settings::load(Runtime::Edge, TOML, &toml, variables).map_err(ConfigurationError::Settings)?;
    let rules = settings.rules(Runtime::Edge).ok_or(ConfigurationError::NoSecret)?;
    let zone = zone(&settings.message_center.time_zone).map_err(ConfigurationError::Zone)?;
    Ok(Arc::new(Configuration { settings, rules, zone }))
}

/// A variable's text. In `[vars]` a value may be a number or a bool as well.
fn variable(env: &Env, name: &str) -> Option<String> {
    let value = Reflect::get(env, &JsValue::from_str(name)).ok()?;
    value
        .as_string()
        .or_else(|| value.as_bool().map(|flag| flag.to_string()))
        .or_else(|| value.as_f64().map(whole))
}

/// Every number that a key takes is whole; another one is left to the parser of the key to refuse.
#[allow(clippy::cast_possible_truncation, reason = "saturating: what it cuts off is refused all the same")]
fn whole(number: f64) -> String {
    if number.fract() == 0.0 { (number as i64).to_string() } else { "a fraction".to_owned() }
}
