//! The deep health check: one object writes and reads.

use rollcall_api::PROBED_WITHIN;
use worker::Env;

use crate::{
    clock,
    directory::{self, question},
    stub::CallError,
};

/// The name of the object. It is a shard of no tenant.
const NAME: &str = "health";

/// Has the object write and read. The answer leaves it only when the write is durable.
pub(crate) async fn probe(env: &Env) -> Result<(), CallError> {
    let asked = directory::ask_alone(env, NAME, question::probe());
    clock::within(PROBED_WITHIN, asked).await.unwrap_or(Err(CallError::Timeout(PROBED_WITHIN)))
}
