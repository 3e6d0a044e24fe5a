//! The directory as its callers see it: a name for each shard, and the questions and changes that go to them.

pub(crate) mod audit;
pub(crate) mod detail;
pub(crate) mod find;
pub(crate) mod import;
pub(crate) mod layouts;
pub(crate) mod list;
pub(crate) mod members;
pub(crate) mod order;
pub(crate) mod population;
pub(crate) mod question;
pub(crate) mod reconcile;

use std::collections::BTreeMap;

use futures_util::{StreamExt as _, TryStreamExt as _, stream};
use rollcall_core::{
    audit::Part,
    directory::record::Record,
    id::{RecordId, TenantId, UserId},
    shard::{bucket, bucket_of, layout::Layout},
};
use worker::Env;

use self::question::Question;
use crate::{
    stub::{self, AT_ONCE, CallError, DIRECTORY},
    wire::{DirectoryAnswer, DirectoryCall},
};

/// The name of a shard's object.
pub(crate) fn name(tenant: TenantId, shard: u32) -> String {
    format!("dir:v1:{tenant}:{shard}")
}

/// What a shard's name says.
pub(crate) fn parse(name: &str) -> Option<(TenantId, u32)> {
    let (tenant, shard) = name.strip_prefix("dir:v1:")?.split_once(':')?;
    Some((TenantId(tenant.parse().ok()?), shard.parse().ok()?))
}

/// Asks one shard what does not depend on the layout.
pub(crate) async fn ask<A>(
    env: &Env,
    tenant: TenantId,
    index: u32,
    shards: u32,
    question: Question<A>,
) -> Result<A, CallError> {
    let (ask, read) = question.into_parts();
    read(ask_as(env, &name(tenant, index), DirectoryCall { shards, layout: None, ask }).await?)
}

/// Asks one shard under a layout.
pub(crate) async fn ask_under<A>(
    env: &Env,
    tenant: TenantId,
    index: u32,
    layout: &Layout,
    question: Question<A>,
) -> Result<A, CallError> {
    let (ask, read) = question.into_parts();
    // Older code knows the number only, and compares it.
    let call = DirectoryCall { shards: layout.shards, layout: Some(*layout), ask };
    read(ask_as(env, &name(tenant, index), call).await?)
}

/// Asks the object that is a shard of no tenant.
pub(crate) async fn ask_alone<A>(env: &Env, name: &str, question: Question<A>) -> Result<A, CallError> {
    let (ask, read) = question.into_parts();
    read(ask_as(env, name, DirectoryCall { layout: None, shards: 0, ask }).await?)
}

async fn ask_as(env: &Env, name: &str, call: DirectoryCall) -> Result<DirectoryAnswer, CallError> {
    stub::call(env, DIRECTORY, name, &call).await
}

/// Asks every shard of a layout the same.
pub(crate) async fn ask_all<A>(
    env: &Env,
    tenant: TenantId,
    layout: &Layout,
    question: impl Fn() -> Question<A>,
) -> Result<Vec<A>, CallError> {
    let asked = (0..layout.places()).map(|index| ask_under(env, tenant, index, layout, question()));
    stream::iter(asked).buffer_unordered(AT_ONCE).try_collect().await
}

/// Items by their keys; the items of one key keep their order.
pub(crate) fn groups<K: Ord, T>(items: impl IntoIterator<Item = (K, T)>) -> BTreeMap<K, Vec<T>> {
    let mut groups: BTreeMap<K, Vec<T>> = BTreeMap::new();
    for (key, item) in items {
        groups.entry(key).or_default().push(item);
    }
    groups
}

/// Brings records to their shards. Returns the ids that are other records' there; the rest is taken in. A record whose bucket is being
/// copied goes to both shards, and to the one that receives it first: what the other one shows is never missing there.
/// Parts of the audit go with the records to their home, and stay there.
pub(crate) async fn publish(
    env: &Env,
    records: &[Record],
    parts: &[Part],
    shards: u32,
) -> Result<Vec<RecordId>, CallError> {
    let mut refused = Vec::new();
    let news = records.iter().map(|record| (record.tenant, News::Record(record.clone())));
    let news = news.chain(parts.iter().map(|part| (part.tenant, News::Part(part.clone()))));
    for (tenant, news) in groups(news) {
        refused.extend(
            layouts::under(env, tenant, shards, async |layout| {
                let copied = news.iter().filter(|news| matches!(news, News::Record(_))).cloned();
                let receiver = |bucket| layout.receiver(bucket);
                let mut refused = publish_to(env, tenant, &layout, copied, receiver).await?;
                let is_refused =
                    |news: &&News| matches!(news, News::Record(record) if refused.contains(&record.id));
                let rest: Vec<_> = news.iter().filter(|news| !is_refused(news)).cloned().collect();
                let home = |bucket| Some(layout.home(bucket));
                refused.extend(publish_to(env, tenant, &layout, rest, home).await?);
                Ok(refused)
            })
            .await?,
        );
    }
    Ok(refused)
}

/// What a user publishes.
#[derive(Clone)]
enum News {
    Record(Record),
    Part(Part),
}

impl News {
    fn bucket(&self) -> u16 {
        match self {
            Self::Record(record) => bucket(record.user),
            Self::Part(part) => bucket_of(part.target.as_ref().map_or("", UserId::as_str)),
        }
    }
}

async fn publish_to(
    env: &Env,
    tenant: TenantId,
    layout: &Layout,
    news: impl IntoIterator<Item = News>,
    place: impl Fn(u16) -> Option<u32>,
) -> Result<Vec<RecordId>, CallError> {
    let placed = news.into_iter().filter_map(|news| Some((place(news.bucket())?, news)));
    let mut refused = Vec::new();
    for (index, news) in groups(placed) {
        let (mut records, mut parts) = (Vec::new(), Vec::new());
        for news in news {
            match news {
                News::Record(record) => records.push(record),
                News::Part(part) => parts.push(part),
            }
        }
        refused.extend(ask_under(env, tenant, index, layout, question::publish(records, parts)).await?);
    }
    Ok(refused)
}
