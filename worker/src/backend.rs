//! The ports of `rollcall-api`, over the users' objects.

use std::{
    future::Future,
    sync::{Arc, LazyLock},
};

use futures_util::{StreamExt as _, stream};
use rollcall_api::{
    Backend, BackendError, Busy, Chain, DeepHealth, Health, Post, Probe, Updating,
    message_center::IntrospectionCache, pages::PageBody,
};
use rollcall_core::{
    audit::{Asked, Page, Part},
    config::Settings,
    directory::{
        membership::Body,
        page::{Found, ShardQuery},
        query::{ListQuery, Listed},
        record::Record,
        upsert::Imported,
        view::{Cutoff, OwnOrder, View},
        zone::Zone,
    },
    id::{TenantId, UserId},
    order,
    population::{self, Position},
    shard::{layout::Layout, undelivered::Undelivered},
    time::Timestamp,
    token::{Keys, TokenError, TokenHash, Verified},
    user::{Command, Reply, Request, request::VerifyToken},
};
use worker::{Env, send::SendFuture};

use crate::{
    cache::CACHE_SPAN,
    clock::{self, Pause},
    config::Configuration,
    cutoffs::{self, UnderCutoff},
    directory, fullness, health, outgoing, pages,
    shared::Shared,
    stub::{self, AT_ONCE, CallError, USERS},
    wire::{CachedCutoff, UserAnswer, UserAsk},
};

/// The edge behind its routes, for every request of one isolate.
#[derive(Clone)]
pub(crate) struct Edge {
    configuration: Arc<Configuration>,
    env: Env,
}

/// What this isolate remembers of administrators' tokens.
static GOOD: Shared<TokenHash, Result<(), TokenError>> = Shared::new();
/// What this isolate remembers of an issuer's answers.
static INTROSPECTED: LazyLock<IntrospectionCache> = LazyLock::new(IntrospectionCache::default);
/// What this isolate's deep health checks found.
static DEEP_HEALTH: LazyLock<DeepHealth> = LazyLock::new(DeepHealth::default);

impl Edge {
    /// The edge with this configuration.
    pub(crate) fn new(configuration: Arc<Configuration>, env: Env) -> Self {
        Self { configuration, env }
    }

    /// `presence.directory_shards`.
    fn shards(&self) -> u32 {
        self.configuration.settings.presence.directory_shards
    }

    /// The bindings.
    pub(crate) fn env(&self) -> &Env {
        &self.env
    }
}

impl Backend for Edge {
    fn settings(&self) -> &Settings {
        &self.configuration.settings
    }

    fn keys(&self) -> &Keys {
        &self.configuration.rules.keys
    }

    fn now(&self) -> Timestamp {
        clock::now()
    }

    fn random(&self) -> u128 {
        clock::random().unwrap_or_else(|error| {
            tracing::error!(%error, "an id is not random");
            0
        })
    }

    fn zone(&self) -> &Zone {
        &self.configuration.zone
    }

    fn introspections(&self) -> &IntrospectionCache {
        &INTROSPECTED
    }

    fn health(&self) -> Health {
        if fullness::was_heard(self.now()) { Health::Degraded } else { Health::Serving }
    }

    fn deep_health(&self) -> &DeepHealth {
        &DEEP_HEALTH
    }

    fn probe(&self, probe: Probe) -> impl Future<Output = ()> + Send {
        let env = self.env.clone();
        SendFuture::new(async move { probe.end(health::probe(&env).await.map_err(unavailable)) })
    }

    fn page(
        &self,
        name: &'static str,
        _gzip: bool,
    ) -> impl Future<Output = Result<Option<PageBody>, BackendError>> + Send {
        let env = self.env.clone();
        SendFuture::new(async move {
            pages::read(&env, name).await.map_err(|error| BackendError::new(error.to_string()))
        })
    }

    fn execute(
        &self,
        user: &UserId,
        command: Command,
    ) -> impl Future<Output = Result<Reply, BackendError>> + Send {
        let (env, user) = (self.env.clone(), user.clone());
        SendFuture::new(async move { execute(&env, &user, command).await.map_err(unavailable) })
    }

    fn execute_many(
        &self,
        commands: Vec<(UserId, Command)>,
    ) -> impl Future<Output = Result<Vec<Reply>, BackendError>> + Send {
        let env = self.env.clone();
        SendFuture::new(async move {
            let give = async |(user, command): (UserId, Command)| execute(&env, &user, command).await;
            let replies: Vec<_> =
                stream::iter(commands.into_iter().map(give)).buffered(AT_ONCE).collect().await;
            replies.into_iter().collect::<Result<_, _>>().map_err(unavailable)
        })
    }

    fn view(&self, tenant: TenantId) -> impl Future<Output = Result<View, BackendError>> + Send {
        let env = self.env.clone();
        let retention_days = self.configuration.settings.message_center.retention_days;
        SendFuture::new(async move { cutoffs::view(&env, tenant, retention_days).await.map_err(unavailable) })
    }

    fn list(
        &self,
        _: &UserId,
        tenant: TenantId,
        query: ListQuery,
    ) -> impl Future<Output = Result<(Listed, View), BackendError>> + Send {
        let (env, shards, viewed) = (self.env.clone(), self.shards(), self.view(tenant));
        SendFuture::new(async move {
            let view = viewed.await?;
            let listed =
                directory::list::list(&env, tenant, shards, query, &view).await.map_err(unavailable)?;
            Ok((listed, view))
        })
    }

    fn find(
        &self,
        tenant: TenantId,
        asked: ShardQuery,
    ) -> impl Future<Output = Result<Vec<Found>, BackendError>> + Send {
        let (env, shards) = (self.env.clone(), self.shards());
        SendFuture::new(async move {
            directory::find::find(&env, tenant, shards, asked).await.map_err(unavailable)
        })
    }

    /// Of the 10,000 calls that a request may make.
    fn users_at_once(&self) -> usize {
        5_000
    }

    fn detail(
        &self,
        tenant: TenantId,
        user: i64,
        view: &View,
    ) -> impl Future<Output = Result<Option<Record>, BackendError>> + Send {
        let (env, shards, view) = (self.env.clone(), self.shards(), view.clone());
        SendFuture::new(async move {
            directory::detail::detail(&env, tenant, shards, user, view).await.map_err(unavailable)
        })
    }

    fn import(
        &self,
        records: Vec<Record>,
    ) -> impl Future<Output = Result<Vec<Imported>, BackendError>> + Send {
        let (env, shards) = (self.env.clone(), self.shards());
        SendFuture::new(
            async move { directory::import::import(&env, shards, records).await.map_err(unavailable) },
        )
    }

    fn imported_in(
        &self,
        users: Vec<i64>,
    ) -> impl Future<Output = Result<Vec<(i64, TenantId)>, BackendError>> + Send {
        let (env, shards) = (self.env.clone(), self.shards());
        SendFuture::new(async move {
            directory::import::imported_in(&env, shards, users).await.map_err(unavailable)
        })
    }

    fn members(
        &self,
        tenant: TenantId,
        body: Body,
        ids: Vec<i64>,
    ) -> impl Future<Output = Result<Vec<i64>, BackendError>> + Send {
        let (env, shards) = (self.env.clone(), self.shards());
        SendFuture::new(async move {
            directory::members::members(&env, tenant, shards, body, ids).await.map_err(unavailable)
        })
    }

    fn end_imports(
        &self,
        tenant: TenantId,
        users: Vec<i64>,
        at: Timestamp,
    ) -> impl Future<Output = Result<(), BackendError>> + Send {
        let (env, shards) = (self.env.clone(), self.shards());
        SendFuture::new(async move {
            directory::import::end(&env, tenant, shards, users, at, false).await.map_err(unavailable)
        })
    }

    fn cut_off(
        &self,
        tenant: TenantId,
        exempt: Vec<i64>,
        notice: String,
        audit: Part,
    ) -> impl Future<Output = Result<(), BackendError>> + Send {
        let (env, shards) = (self.env.clone(), self.shards());
        SendFuture::new(async move {
            directory::order::cut_off(&env, tenant, shards, exempt, notice, audit).await.map_err(unavailable)
        })
    }

    fn cut_off_users(
        &self,
        tenant: TenantId,
        users: Vec<i64>,
        notice: String,
        audit: Part,
    ) -> impl Future<Output = Result<(), BackendError>> + Send {
        let env = self.env.clone();
        SendFuture::new(async move {
            match directory::order::cut_off_users(&env, tenant, users, notice, audit).await {
                Err(CallError::TooManyOrders) => Err(BackendError::new(Busy)),
                other => other.map_err(unavailable),
            }
        })
    }

    fn force_off(
        &self,
        tenant: TenantId,
        ask: order::Ask,
    ) -> impl Future<Output = Result<order::Answer, BackendError>> + Send {
        let env = self.env.clone();
        SendFuture::new(async move { cutoffs::force_off(&env, tenant, ask).await.map_err(unavailable) })
    }

    fn undelivered(
        &self,
        tenant: TenantId,
    ) -> impl Future<Output = Result<Vec<Undelivered>, BackendError>> + Send {
        let (env, shards) = (self.env.clone(), self.shards());
        SendFuture::new(async move {
            directory::order::undelivered(&env, tenant, shards).await.map_err(unavailable)
        })
    }

    fn lift_cutoff(
        &self,
        tenant: TenantId,
        audit: Part,
    ) -> impl Future<Output = Result<bool, BackendError>> + Send {
        let env = self.env.clone();
        SendFuture::new(async move {
            directory::order::lift_cutoff(&env, tenant, audit).await.map_err(unavailable)
        })
    }

    fn keep_entry(&self, part: Part) -> impl Future<Output = Result<(), BackendError>> + Send {
        let env = self.env.clone();
        SendFuture::new(async move { cutoffs::keep_part(&env, part).await.map_err(unavailable) })
    }

    fn audit(&self, asked: Asked) -> impl Future<Output = Result<Page, BackendError>> + Send {
        let (env, shards) = (self.env.clone(), self.shards());
        SendFuture::new(async move { directory::audit::page(&env, shards, asked).await.map_err(unavailable) })
    }

    fn population(
        &self,
        tenants: &[TenantId],
        from: Option<Position>,
    ) -> impl Future<Output = Result<population::Part, BackendError>> + Send {
        let (env, shards, tenants) = (self.env.clone(), self.shards(), tenants.to_vec());
        SendFuture::new(async move {
            directory::population::part(&env, &tenants, shards, from).await.map_err(unavailable)
        })
    }

    fn adopt_cutoff(
        &self,
        tenant: TenantId,
        cutoff: Cutoff,
    ) -> impl Future<Output = Result<Result<bool, OwnOrder>, BackendError>> + Send {
        let env = self.env.clone();
        SendFuture::new(async move { cutoffs::adopt(&env, tenant, cutoff).await.map_err(unavailable) })
    }

    fn reshard(
        &self,
        tenant: TenantId,
        shards: u32,
        audit: Part,
    ) -> impl Future<Output = Result<Option<Layout>, BackendError>> + Send {
        let (env, configured) = (self.env.clone(), self.shards());
        SendFuture::new(async move {
            directory::layouts::reshard(&env, tenant, configured, shards, audit)
                .await
                .map(Some)
                .map_err(unavailable)
        })
    }

    fn post(&self, request: Post) -> impl Future<Output = Result<(u16, Vec<u8>), BackendError>> + Send {
        SendFuture::new(async move { outgoing::post(request).await.map_err(unavailable) })
    }

    async fn token_status(&self, token: &Verified) -> Result<Result<(), TokenError>, BackendError> {
        let ask = self.run(&token.user, VerifyToken { token: token.hash });
        if self.settings().is_admin(&token.user) {
            return SendFuture::new(GOOD.get(token.hash, Result::is_ok, ask)).await;
        }
        ask.await
    }

    fn outlive_caches(&self) -> impl Future<Output = ()> + Send {
        SendFuture::new(Pause::of(CACHE_SPAN))
    }
}

/// Gives a request to a user's object.
pub(crate) async fn run<R: Request>(env: &Env, user: &UserId, request: R) -> Result<R::Reply, CallError> {
    let reply = execute(env, user, request.into());
    Ok(R::read(reply.await?)?)
}

/// Gives a command to a user's object; under its tenant's cutoff, where that counts.
pub(crate) async fn execute(env: &Env, user: &UserId, command: Command) -> Result<Reply, CallError> {
    if !command.needs().orders {
        let answer = stub::call(env, USERS, user.as_str(), &UserAsk::Run(command)).await?;
        return match reply(answer)? {
            UnderCutoff::Done(reply) => Ok(reply),
            UnderCutoff::OtherTenant(_) => Err(CallError::AnotherQuestion),
        };
    }
    let issuer_tenant = match &command {
        Command::VerifyBearer(bearer) => Some(bearer.tenant),
        Command::CanOpenConsole(opening) => Some(opening.principal.tenant),
        Command::Restore(snapshot) => snapshot.tenant(),
        _ => None,
    };
    cutoffs::under(env, user, issuer_tenant, async |cached| {
        run_under(env, user, command.clone(), cached).await
    })
    .await
}

/// Gives a command to a user's object, to be held against this cutoff. Without a reply nothing happened, and the user is
/// at home in that tenant.
pub(crate) async fn run_under(
    env: &Env,
    user: &UserId,
    command: Command,
    cached: CachedCutoff,
) -> Result<UnderCutoff<Reply>, CallError> {
    reply(stub::call(env, USERS, user.as_str(), &UserAsk::RunUnder(command, cached)).await?)
}

/// The reply in a user's answer, or the tenant to ask it under.
pub(crate) fn reply(answer: UserAnswer) -> Result<UnderCutoff<Reply>, CallError> {
    match answer {
        UserAnswer::Reply(reply) => Ok(UnderCutoff::Done(reply)),
        UserAnswer::OtherTenant(home) => Ok(UnderCutoff::OtherTenant(home)),
        UserAnswer::Failed(problem) => Err(CallError::Failed(problem)),
        UserAnswer::Records(_) => Err(CallError::AnotherQuestion),
    }
}

/// The error of a port.
pub(crate) fn unavailable(error: CallError) -> BackendError {
    if let CallError::OtherCode(_) = error {
        return BackendError::new(Updating(error.to_string()));
    }
    // The runtime's own errors may not leave their thread, as causes must be able to.
    BackendError::new(Chain(&error).to_string())
}
