//! `tracing` into the runtime's console. No line has a URL, a query string, a token or a body in it.

use std::{
    fmt::{self, Write as _},
    sync::atomic::{AtomicUsize, Ordering},
};

use tracing::{
    Event, Level, Metadata, Subscriber,
    field::{Field, Visit},
    level_filters::LevelFilter,
    span,
};
use worker::event;

/// The variable that says how much is logged: `error`, `warn`, `info`, `debug` or `trace`.
pub(crate) const VARIABLE: &str = "ROLLCALL_LOG";

/// The most talkative level that is written, as its place in [`LEVELS`].
static LEVEL: AtomicUsize = AtomicUsize::new(2);
const LEVELS: [Level; 5] = [Level::ERROR, Level::WARN, Level::INFO, Level::DEBUG, Level::TRACE];

struct Console;

#[event(start)]
fn start() {
    // A second instance of the module in the isolate finds the first one's.
    let _ = tracing::subscriber::set_global_default(Console);
}

/// Takes a level by its name; an unknown one changes nothing.
pub(crate) fn set_level(name: &str) {
    if let Some(place) = LEVELS.iter().position(|level| level.as_str().eq_ignore_ascii_case(name)) {
        LEVEL.store(place, Ordering::Relaxed);
    }
}

fn is_wanted(level: &Level) -> bool {
    LEVELS.iter().position(|other| other == level).is_some_and(|place| place <= LEVEL.load(Ordering::Relaxed))
}

impl Subscriber for Console {
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        metadata.target().starts_with("rollcall") && is_wanted(metadata.level())
    }

    fn max_level_hint(&self) -> Option<LevelFilter> {
        Some(LevelFilter::TRACE)
    }

    fn new_span(&self, _: &span::Attributes<'_>) -> span::Id {
        span::Id::from_u64(1)
    }

    fn record(&self, _: &span::Id, _: &span::Record<'_>) {}

    fn record_follows_from(&self, _: &span::Id, _: &span::Id) {}

    fn event(&self, event: &Event<'_>) {
        let metadata = event.metadata();
        let mut line = Line(format!("{} {}:", metadata.level(), metadata.target()));
        event.record(&mut line);
        match *metadata.level() {
            Level::ERROR => worker::console_error!("{}", line.0),
            Level::WARN => worker::console_warn!("{}", line.0),
            _ => worker::console_log!("{}", line.0),
        }
    }

    fn enter(&self, _: &span::Id) {}

    fn exit(&self, _: &span::Id) {}
}

struct Line(String);

impl Visit for Line {
    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        // Writing to a String does not fail.
        let _ = match field.name() {
            "message" => write!(self.0, " {value:?}"),
            name => write!(self.0, " {name}={value:?}"),
        };
    }
}
