//! The one alarm of an object.

use std::time::Duration;

use rollcall_core::time::Timestamp;
use wasm_bindgen::{JsCast as _, JsValue};
use worker::{Env, State, js_sys::Promise, wasm_bindgen_futures::JsFuture};

use crate::{
    clock,
    metrics::{self, AlarmFault},
    raw::RawStorage,
};

/// Work that has been due for so long has no alarm any more, or one that is late.
const OVERDUE: Duration = Duration::from_secs(60);

/// What is overdue is done so much later. The runtime takes an alarm for the very millisecond of the one whose event is under way
/// for that one, and forgets it with that event's end.
const NEXT: Duration = Duration::from_millis(1);

/// Sets the alarm, as part of the writes before it. A rejected alarm is set once more. Each rejection is logged and counted.
pub(crate) fn set(state: &State, env: &Env, at: Timestamp) {
    let storage = state.storage().as_raw().unchecked_ref::<RawStorage>().clone();
    let (env, at) = (env.clone(), millis(at.max(clock::now() + NEXT)));
    #[cfg(feature = "probe")]
    crate::probe::alarm_set(state);
    let first = storage.set_alarm(at);
    #[cfg(feature = "probe")]
    let first = first.and_then(|promise| crate::probe::takes_alarm(&storage).map(|()| promise));
    state.wait_until(async move {
        let Err(error) = settled(first).await else { return };
        tracing::warn!(?error, "an alarm was rejected and is set once more");
        metrics::alarm(&env, AlarmFault::Rejected);
        if let Err(error) = set_again(&storage, at).await {
            unset(&env, &error);
        }
    });
}

/// Sets the alarm of work that was due at `due` and is long overdue, if none is set: it was lost.
pub(crate) fn mend(state: &State, env: &Env, due: Option<Timestamp>) {
    let now = clock::now();
    if due.is_none_or(|due| now.since(due) < OVERDUE) {
        return;
    }
    let storage = state.storage().as_raw().unchecked_ref::<RawStorage>().clone();
    let env = env.clone();
    state.wait_until(async move {
        match set_missing(&storage, millis(now + NEXT)).await {
            Ok(true) => {
                tracing::warn!("an alarm was lost and is set again");
                metrics::alarm(&env, AlarmFault::Lost);
            }
            Ok(false) => {}
            Err(error) => unset(&env, &error),
        }
    });
}

fn unset(env: &Env, error: &JsValue) {
    tracing::error!(?error, "an alarm could not be set");
    metrics::alarm(env, AlarmFault::Unset);
}

/// Sets the alarm unless one is set, and returns whether it did.
async fn set_missing(storage: &RawStorage, at: f64) -> Result<bool, JsValue> {
    let is_missing = settled(storage.alarm()).await?.as_f64().is_none();
    if is_missing {
        settled(storage.set_alarm(at)).await?;
    }
    Ok(is_missing)
}

/// Sets the alarm unless a later command has set an earlier one.
async fn set_again(storage: &RawStorage, at: f64) -> Result<(), JsValue> {
    let earlier = settled(storage.alarm()).await?.as_f64().is_some_and(|other| other <= at);
    #[cfg(feature = "probe")]
    crate::probe::takes_alarm(storage)?;
    if !earlier {
        settled(storage.set_alarm(at)).await?;
    }
    Ok(())
}

// A double holds milliseconds exactly for some hundred thousand years.
#[allow(clippy::cast_precision_loss, reason = "whole milliseconds")]
fn millis(at: Timestamp) -> f64 {
    at.millis() as f64
}

async fn settled(promise: Result<Promise, JsValue>) -> Result<JsValue, JsValue> {
    JsFuture::from(promise?).await
}
