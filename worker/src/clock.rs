//! The adapter's clock and random bits.

use std::{
    future::Future,
    pin::{Pin, pin},
    task::{Context, Poll},
    time::Duration,
};

use futures_util::future::{Either, select};
use rollcall_core::{
    id::ConnId,
    time::{Moment, Timestamp},
};
use worker::{js_sys::Promise, wasm_bindgen::JsValue, wasm_bindgen_futures::JsFuture};

use crate::raw;

/// The runtime gave no random bits.
#[derive(Debug, thiserror::Error)]
#[error("the runtime gives no random bits")]
pub(crate) struct EntropyError;

/// Now. Within one event the clock advances at awaits only.
pub(crate) fn now() -> Timestamp {
    Timestamp::from_millis(i64::try_from(worker::Date::now().as_millis()).unwrap_or(i64::MAX))
}

/// Now, and fresh random bits.
pub(crate) fn moment() -> Result<Moment, EntropyError> {
    let now = now();
    Ok(Moment { now, machine: now, entropy: getrandom::u64().map_err(|_| EntropyError)? })
}

/// The name of a new connection.
pub(crate) fn connection_id() -> Result<ConnId, EntropyError> {
    random().map(|bits| ConnId::from_bytes(bits.to_ne_bytes()))
}

/// Fresh random bits.
pub(crate) fn random() -> Result<u128, EntropyError> {
    let mut bytes = [0; 16];
    getrandom::fill(&mut bytes).map_err(|_| EntropyError)?;
    Ok(u128::from_ne_bytes(bytes))
}

/// What `work` comes to within `span`. A later result is dropped.
pub(crate) async fn within<T>(span: Duration, work: impl Future<Output = T>) -> Option<T> {
    match select(pin!(work), Pause::of(span)).await {
        Either::Left((result, _)) => Some(result),
        Either::Right(_) => None,
    }
}

/// A timer. A pending one keeps an object from hibernating, so dropping it cancels it.
///
/// `worker::Delay` reads the timer's handle as a number, so it cannot cancel it.
pub(crate) struct Pause {
    over: JsFuture,
    timer: JsValue,
}

impl Pause {
    /// Begins now.
    pub(crate) fn of(span: Duration) -> Self {
        let mut timer = JsValue::UNDEFINED;
        let over = Promise::new(&mut |resolve, _| {
            timer = raw::set_timeout(&resolve, span.as_secs_f64() * 1000.0);
        });
        Self { over: over.into(), timer }
    }
}

impl Future for Pause {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<()> {
        Pin::new(&mut self.over).poll(context).map(drop)
    }
}

impl Drop for Pause {
    fn drop(&mut self) {
        raw::clear_timeout(&self.timer);
    }
}
