//! `tracing` into the runtime's console, one JSON object a line. No line has a URL, a query string, a token or a body in it.
//!
//! A line that is written while a request is carried out has the request's names, in the objects that the request reaches too.

use std::{io, sync::OnceLock};

use serde::{Deserialize, Serialize};
use tracing::{Level, Metadata, Span, level_filters::LevelFilter};
use tracing_subscriber::{
    Registry,
    filter::Targets,
    fmt::{self, FormattedFields, MakeWriter, format::JsonFields},
    layer::SubscriberExt as _,
    registry::LookupSpan as _,
    reload,
    util::SubscriberInitExt as _,
};
use worker::{Env, Headers, WorkerVersionMetadata, event};

/// The variable that says how much is logged: `error`, `warn`, `info`, `debug` or `trace`.
pub(crate) const VARIABLE: &str = "ROLLCALL_LOG";
/// The header that carries a request's names to an object.
pub(crate) const NAMES_HEADER: &str = "X-Rollcall-Request";

/// The optional binding that tells which version of the worker runs.
const VERSION: &str = "CF_VERSION_METADATA";

/// What is written, while the isolate runs.
static WANTED: OnceLock<reload::Handle<Targets, Registry>> = OnceLock::new();

#[event(start)]
fn start() {
    let (wanted, handle) = reload::Layer::new(of_ours(LevelFilter::INFO));
    // The runtime has no clock for `SystemTime`, and writes the time itself.
    let lines = fmt::layer().json().without_time().with_span_list(false).with_writer(Console);
    // A second instance of the module in the isolate finds the first one's.
    if Registry::default().with(wanted).with(lines).try_init().is_ok() {
        let _ = WANTED.set(handle);
    }
    std::panic::set_hook(Box::new(|panic| tracing::error!(%panic, "the worker broke")));
}

/// Takes a level by its name; an unknown one changes nothing.
pub(crate) fn set_level(name: &str) {
    if let (Ok(level), Some(handle)) = (name.parse(), WANTED.get())
        && handle.reload(of_ours(level)).is_err()
    {
        tracing::error!("the level of the log could not be changed");
    }
}

/// Other crates print what goes over the wire.
fn of_ours(level: LevelFilter) -> Targets {
    Targets::new().with_target("rollcall", level)
}

/// The version of the worker: its tag, else its id; `None` without the binding.
pub(crate) fn version(env: &Env) -> Option<&'static str> {
    static DEPLOYED: OnceLock<Option<String>> = OnceLock::new();
    let read = || {
        let metadata: WorkerVersionMetadata = env.get_binding(VERSION).ok()?;
        Some(metadata.tag()).filter(|tag| !tag.is_empty()).or_else(|| Some(metadata.id()))
    };
    DEPLOYED.get_or_init(read).as_deref()
}

/// The names that a caller gave its request.
#[derive(Default, Serialize, Deserialize)]
struct Names {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    operation_id: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    request_id: Option<String>,
}

/// Writes the names of the current request down, for [`NAMES_HEADER`].
pub(crate) fn names() -> Option<String> {
    tracing::dispatcher::get_default(|log| {
        let registry = log.downcast_ref::<Registry>()?;
        let span = registry.span(log.current_span().id()?)?;
        let extensions = span.extensions();
        let fields = &extensions.get::<FormattedFields<JsonFields>>()?.fields;
        let names: Names = serde_json::from_str(fields).ok()?;
        serde_json::to_string(&names).ok()
    })
}

/// The span of an object's work for a request. It is of the level of errors: a quiet log needs the ids of its few lines.
pub(crate) fn object_span(env: &Env, headers: &Headers) -> Span {
    let names = headers.get(NAMES_HEADER).ok().flatten();
    let names: Names = names.and_then(|text| serde_json::from_str(&text).ok()).unwrap_or_default();
    tracing::error_span!(
        "object",
        operation_id = names.operation_id,
        request_id = names.request_id,
        version = version(env)
    )
}

/// A line of a level.
struct Line(Level);

struct Console;

impl<'a> MakeWriter<'a> for Console {
    type Writer = Line;

    fn make_writer(&'a self) -> Line {
        Line(Level::INFO)
    }

    fn make_writer_for(&'a self, metadata: &Metadata<'_>) -> Line {
        Line(*metadata.level())
    }
}

impl io::Write for Line {
    /// A line comes in one piece.
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let line = String::from_utf8_lossy(bytes);
        match self.0 {
            Level::ERROR => worker::console_error!("{}", line.trim_end()),
            Level::WARN => worker::console_warn!("{}", line.trim_end()),
            _ => worker::console_log!("{}", line.trim_end()),
        }
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
