//! Parts of the runtime's interface that the `worker` crate does not bind.
#![allow(unsafe_code, reason = "the bindings are generated")]

use wasm_bindgen::prelude::*;
use worker::{
    js_sys::{Date, Function, Promise},
    web_sys,
};

#[wasm_bindgen]
extern "C" {
    /// `ctx.storage`.
    #[derive(Clone)]
    pub(crate) type RawStorage;

    /// Runs `work` in a transaction; what it throws takes everything back and is thrown on.
    #[wasm_bindgen(method, catch, js_name = transactionSync)]
    pub(crate) fn transaction_sync(
        this: &RawStorage,
        work: &mut dyn FnMut() -> Result<JsValue, JsValue>,
    ) -> Result<JsValue, JsValue>;

    /// Sets the one alarm to an instant in milliseconds; part of the writes before it.
    #[wasm_bindgen(method, catch, js_name = setAlarm)]
    pub(crate) fn set_alarm(this: &RawStorage, at: f64) -> Result<Promise, JsValue>;

    /// The instant of the one alarm, if it is set.
    #[wasm_bindgen(method, catch, js_name = getAlarm)]
    pub(crate) fn alarm(this: &RawStorage) -> Result<Promise, JsValue>;

    /// `ctx.storage.sql`.
    pub(crate) type RawSql;

    #[wasm_bindgen(method, getter)]
    pub(crate) fn sql(this: &RawStorage) -> RawSql;

    /// The bytes of the database. The crate's own number ends at 4 GB.
    #[wasm_bindgen(method, getter, js_name = databaseSize)]
    pub(crate) fn database_size(this: &RawSql) -> f64;

    /// `ctx`.
    pub(crate) type RawState;

    /// When the runtime last answered a ping of this socket by itself.
    #[wasm_bindgen(method, catch, js_name = getWebSocketAutoResponseTimestamp)]
    pub(crate) fn auto_response_timestamp(
        this: &RawState,
        socket: &web_sys::WebSocket,
    ) -> Result<Option<Date>, JsValue>;

    /// A namespace of objects.
    pub(crate) type RawNamespace;

    /// Those of its objects that live in a jurisdiction. Throws where the runtime has none.
    #[wasm_bindgen(method, catch)]
    pub(crate) fn jurisdiction(this: &RawNamespace, name: &str) -> Result<RawNamespace, JsValue>;

    /// `Intl.DateTimeFormat`.
    #[wasm_bindgen(js_namespace = Intl, js_name = DateTimeFormat)]
    pub(crate) type DateFormat;

    /// Throws for a zone that the runtime does not know.
    #[wasm_bindgen(constructor, catch, js_namespace = Intl, js_class = "DateTimeFormat")]
    pub(crate) fn new(locale: &str, options: &JsValue) -> Result<DateFormat, JsValue>;

    /// A moment, in milliseconds, as text.
    #[wasm_bindgen(method, catch)]
    pub(crate) fn format(this: &DateFormat, millis: f64) -> Result<String, JsValue>;

    /// `setTimeout`. What it returns is an object in newer runtimes, not the number that `web-sys` expects.
    #[wasm_bindgen(js_name = setTimeout)]
    pub(crate) fn set_timeout(handler: &Function, millis: f64) -> JsValue;

    /// `clearTimeout`.
    #[wasm_bindgen(js_name = clearTimeout)]
    pub(crate) fn clear_timeout(timeout: &JsValue);
}
