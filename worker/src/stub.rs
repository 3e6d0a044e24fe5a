//! Calls to objects: a body out, a body back.

use serde::{Serialize, de::DeserializeOwned};
use wasm_bindgen::JsValue;
use worker::{
    Env, Error, Headers, Response,
    js_sys::Reflect,
    web_sys::{Request, RequestInit},
};

use crate::wire;

/// The binding of the users' objects.
pub(crate) const USERS: &str = "USERS";
/// The binding of the directory's shards.
pub(crate) const DIRECTORY: &str = "DIRECTORY";
/// The header that a gateway's upgrade carries to its user's object.
pub(crate) const UPGRADE_HEADER: &str = "X-Rollcall-Upgrade";
/// The same of a console's upgrade.
pub(crate) const CONSOLE_HEADER: &str = "X-Rollcall-Console";
/// Objects that are asked at the same time in one event: the runtime queues what is beyond six.
pub(crate) const AT_ONCE: usize = 6;

/// An object could not be asked, or did not answer.
#[derive(Clone, Debug, thiserror::Error)]
#[error("{0}")]
pub(crate) struct CallError(pub(crate) String);

/// Asks the object of that name. What the runtime calls worth a second try gets one, through a new stub; what it calls
/// overloaded gets none.
pub(crate) async fn call<A: Serialize, B: DeserializeOwned>(
    env: &Env,
    binding: &str,
    name: &str,
    ask: &A,
) -> Result<B, CallError> {
    let body = wire::write(ask).map_err(|error| CallError(error.to_string()))?;
    let mut response = match once(env, binding, name, &body).await {
        Err(error) if is(&error, "retryable") && !is(&error, "overloaded") => {
            tracing::info!(binding, %error, "an object is asked a second time");
            once(env, binding, name, &body).await
        }
        other => other,
    }
    .map_err(refused)?;
    let text = response.text().await.map_err(refused)?;
    wire::read(&text).map_err(|error| CallError(error.to_string()))
}

/// Brings an upgrade to the object of that name, in a header of its kind.
pub(crate) async fn upgrade(env: &Env, name: &str, kind: &str, header: &str) -> Result<Response, CallError> {
    let asked = async {
        let headers = Headers::new();
        headers.set("Upgrade", "websocket")?;
        headers.set(kind, header)?;
        let init = RequestInit::new();
        init.set_headers(&headers.0);
        fetch(env, USERS, name, &init).await
    };
    asked.await.map_err(refused)
}

/// The runtime wants one; nobody looks at it.
const ADDRESS: &str = "https://object/";

async fn once(env: &Env, binding: &str, name: &str, body: &str) -> worker::Result<Response> {
    let init = RequestInit::new();
    init.set_method("POST");
    init.set_body(&JsValue::from_str(body));
    fetch(env, binding, name, &init).await
}

async fn fetch(env: &Env, binding: &str, name: &str, init: &RequestInit) -> worker::Result<Response> {
    let stub = env.durable_object(binding)?.get_by_name(name)?;
    let request = Request::new_with_str_and_init(ADDRESS, init)?;
    stub.fetch_with_request(request.into()).await
}

fn is(error: &Error, property: &str) -> bool {
    Reflect::get(&error.to_js_value(), &JsValue::from_str(property)).is_ok_and(|value| value.is_truthy())
}

fn refused(error: Error) -> CallError {
    CallError(error.to_string())
}
