//! The deep health check: one object writes and reads.

use rollcall_api::PROBED_WITHIN;
use worker::Env;

use crate::{
    clock,
    stub::{self, CallError, DIRECTORY},
    wire::{DirectoryAnswer, DirectoryAsk, DirectoryCall},
};

/// The name of the object. It is a shard of no tenant.
const NAME: &str = "health";

/// Has the object write and read. The answer leaves it only when the write is durable.
pub(crate) async fn probe(env: &Env) -> Result<(), CallError> {
    let call = DirectoryCall { layout: None, shards: 0, ask: DirectoryAsk::Probe };
    let asked = stub::call(env, DIRECTORY, NAME, &call);
    match clock::within(PROBED_WITHIN, asked).await {
        Some(answer) => match answer? {
            DirectoryAnswer::Done => Ok(()),
            DirectoryAnswer::Failed(problem) => Err(CallError::Failed(problem)),
            _ => Err(CallError::AnotherQuestion),
        },
        None => Err(CallError::Timeout(PROBED_WITHIN)),
    }
}
