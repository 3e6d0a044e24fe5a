//! Calls to objects: a body out, a body back.

use std::{error::Error, time::Duration};

use rollcall_api::Chain;
use rollcall_core::{
    directory::{page::MergeError, row::RowError},
    shard::layout::Layout,
    user::ReplyError,
};
use serde::{Serialize, de::DeserializeOwned};
use wasm_bindgen::JsValue;
use worker::{
    Env, Headers, Response,
    js_sys::Reflect,
    web_sys::{Request, RequestInit},
};

use crate::{
    clock::{self, EntropyError},
    config::{self, ConfigurationError},
    fullness, log, metrics, place,
    wire::{self, WireError},
};

/// The binding of the users' objects.
pub(crate) const USERS: &str = "USERS";
/// The binding of the directory's shards.
pub(crate) const DIRECTORY: &str = "DIRECTORY";
/// The binding of the tenants' orders.
pub(crate) const CUTOFFS: &str = "CUTOFFS";
/// The header that a gateway's upgrade carries to its user's object.
pub(crate) const UPGRADE_HEADER: &str = "X-Rollcall-Upgrade";
/// The same of a console's upgrade.
pub(crate) const CONSOLE_HEADER: &str = "X-Rollcall-Console";
/// Objects that are asked at the same time in one event. The platform refuses none of them; at most it queues what is beyond six.
pub(crate) const AT_ONCE: usize = 48;
/// How long an object may take to answer a call.
const ANSWERED: Duration = Duration::from_secs(5);

/// An object could not be asked, did not answer, or did not do what it was asked for.
#[derive(Debug, thiserror::Error)]
pub(crate) enum CallError {
    /// The runtime did not bring the call to the object, or the object died in it.
    #[error("an object could not be asked")]
    Runtime(#[from] worker::Error),
    /// The question or the answer is no message.
    #[error(transparent)]
    Wire(#[from] WireError),
    /// The object's own reason.
    #[error("{0}")]
    Failed(String),
    /// A user gave no answer to its command.
    #[error(transparent)]
    Reply(#[from] ReplyError),
    /// The object runs code of another version than its caller, or than what wrote its tables. Nothing was done.
    #[error("an object runs code of another version: {0}")]
    OtherCode(String),
    /// Another layout of the directory is in force. Nothing was done.
    #[error("the directory is laid out otherwise")]
    Moved(Layout),
    /// The layout of the directory changed at every try.
    #[error("the layout of the directory changes all the time")]
    LayoutChanges,
    /// The answer belongs to another question.
    #[error("the answer is to another question")]
    AnotherQuestion,
    /// There was no answer in time.
    #[error("no answer within {} s", .0.as_secs())]
    Timeout(Duration),
    /// An accepted upgrade came without its socket.
    #[error("an accepted upgrade has no socket")]
    NoSocket,
    /// The tenant has too many orders under delivery.
    #[error("too many orders of the tenant are under delivery")]
    TooManyOrders,
    /// The user was of another tenant at every try.
    #[error("a user's tenant changes all the time")]
    TenantChanges,
    /// Rows of a shard do not read.
    #[error(transparent)]
    Row(#[from] RowError),
    /// The answers of the shards make no page.
    #[error(transparent)]
    Merge(#[from] MergeError),
    /// A connection could not be given a name.
    #[error(transparent)]
    Entropy(#[from] EntropyError),
    /// There is no good configuration.
    #[error(transparent)]
    Configuration(#[from] &'static ConfigurationError),
}

/// Asks the object of that name, and gives up in time: an object that does not answer could not be asked.
pub(crate) async fn call<A: Serialize, B: DeserializeOwned>(
    env: &Env,
    binding: &str,
    name: &str,
    ask: &A,
) -> Result<B, CallError> {
    let body = wire::write(ask)?;
    Ok(wire::read(&answer(env, binding, name, &body).await?)?)
}

/// The text of the answer to a call.
async fn answer(env: &Env, binding: &str, name: &str, body: &str) -> Result<String, CallError> {
    let answered = clock::within(ANSWERED, async {
        let mut response = twice(async || Ok(once(env, binding, name, body).await?)).await?;
        if binding == DIRECTORY && response.headers().has(fullness::HEADER)? {
            fullness::heard(clock::now());
        }
        Ok(response.text().await?)
    });
    answered.await.unwrap_or_else(|| {
        metrics::unanswered(env, binding);
        Err(CallError::Timeout(ANSWERED))
    })
}

/// Brings an upgrade to the object of that name, in a header of its kind; each try has a header of its own. The client decides
/// how long it waits.
pub(crate) async fn upgrade(
    env: &Env,
    name: &str,
    kind: &str,
    header: impl Fn() -> Result<String, CallError>,
) -> Result<Response, CallError> {
    twice(async || {
        let headers = headers()?;
        headers.set("Upgrade", "websocket")?;
        headers.set(kind, &header()?)?;
        let init = RequestInit::new();
        init.set_headers(&headers.0);
        Ok(fetch(env, USERS, name, &init).await?)
    })
    .await
}

/// The answer of an object to what it cannot do in this version.
pub(crate) fn refuse(why: &(dyn Error + 'static)) -> worker::Result<Response> {
    Response::error(Chain(why).to_string(), wire::OTHER_CODE)
}

/// A failure that the runtime calls retryable gets a second try through a new stub, unless the object is overloaded.
async fn twice(ask: impl AsyncFn() -> Result<Response, CallError>) -> Result<Response, CallError> {
    let mut response = match ask().await {
        Err(CallError::Runtime(error)) if is(&error, "retryable") && !is(&error, "overloaded") => {
            tracing::info!(error = %Chain(&error), "an object is asked a second time");
            ask().await
        }
        other => other,
    }?;
    if response.status_code() == wire::OTHER_CODE {
        return Err(CallError::OtherCode(response.text().await?));
    }
    Ok(response)
}

/// The runtime wants one, and objects ignore it.
const ADDRESS: &str = "https://object/";

async fn once(env: &Env, binding: &str, name: &str, body: &str) -> worker::Result<Response> {
    let init = RequestInit::new();
    init.set_method("POST");
    init.set_headers(&headers()?.0);
    init.set_body(&JsValue::from_str(body));
    fetch(env, binding, name, &init).await
}

/// What every call carries.
fn headers() -> worker::Result<Headers> {
    let headers = Headers::new();
    if let Some(names) = log::names() {
        headers.set(log::NAMES_HEADER, &names)?;
    }
    Ok(headers)
}

async fn fetch(env: &Env, binding: &str, name: &str, init: &RequestInit) -> worker::Result<Response> {
    #[cfg(feature = "probe")]
    let _call = crate::probe::under_way(name).await;
    #[cfg(feature = "probe")]
    crate::probe::is_brought(name)?;
    let configuration = config::load(env).map_err(|error| worker::Error::RustError(error.to_string()))?;
    let stub = place::object(env.durable_object(binding)?, name, &configuration.settings.edge)?;
    let request = Request::new_with_str_and_init(ADDRESS, init)?;
    let response = stub.fetch_with_request(request.into()).await?;
    #[cfg(feature = "probe")]
    crate::probe::answer_arrives(name)?;
    Ok(response)
}

fn is(error: &worker::Error, property: &str) -> bool {
    Reflect::get(&error.to_js_value(), &JsValue::from_str(property)).is_ok_and(|value| value.is_truthy())
}
