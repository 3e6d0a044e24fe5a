//! The one alarm of an object.

use rollcall_core::time::Timestamp;
use wasm_bindgen::{JsCast as _, JsValue};
use worker::{State, js_sys::Promise, wasm_bindgen_futures::JsFuture};

use crate::raw::RawStorage;

/// Sets the alarm, as part of the writes before it. A rejected alarm is set once more; a second rejection is logged.
pub(crate) fn set(state: &State, at: Timestamp) {
    let storage = state.storage().as_raw().unchecked_ref::<RawStorage>().clone();
    // A double holds milliseconds exactly for some hundred thousand years.
    #[allow(clippy::cast_precision_loss, reason = "whole milliseconds")]
    let at = at.millis() as f64;
    let first = storage.set_alarm(at);
    state.wait_until(async move {
        let Err(error) = settled(first).await else { return };
        tracing::warn!(?error, "an alarm was rejected and is set once more");
        if let Err(error) = set_again(&storage, at).await {
            tracing::error!(?error, "an alarm could not be set");
        }
    });
}

/// Sets the alarm unless a later command has set an earlier one.
async fn set_again(storage: &RawStorage, at: f64) -> Result<(), JsValue> {
    let earlier = settled(storage.alarm()).await?.as_f64().is_some_and(|other| other <= at);
    if !earlier {
        settled(storage.set_alarm(at)).await?;
    }
    Ok(())
}

async fn settled(promise: Result<Promise, JsValue>) -> Result<JsValue, JsValue> {
    JsFuture::from(promise?).await
}
