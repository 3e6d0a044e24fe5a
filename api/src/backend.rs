//! The ports that the routes need from a runtime.

use std::{
    error::Error,
    future::{Future, ready},
    net::IpAddr,
    time::Duration,
};

use rollcall_core::{
    audit,
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
    population::{Part, Position},
    secret::Secret,
    shard::{layout::Layout, undelivered::Undelivered},
    time::Timestamp,
    token::{Keys, TokenError, Verified},
    user::{Command, Reply, ReplyError, Request, request::VerifyToken},
};

use crate::{DeepHealth, Probe, message_center::IntrospectionCache, pages::PageBody};

/// A user or another service could not be asked, or a commit failed. Never read as *offline*; the caller gets an error.
/// It carries the runtime's own error as its cause.
#[derive(Debug, thiserror::Error)]
#[error("the backend failed")]
pub struct BackendError(#[source] Box<dyn Error + Send + Sync>);

impl BackendError {
    /// The failure that a runtime's error, or a text where there is none, stands for.
    pub fn new(cause: impl Into<Box<dyn Error + Send + Sync>>) -> Self {
        Self(cause.into())
    }

    /// Whether nothing failed, because the request came too early: what was asked first did nothing. Of several users, others may be
    /// done; repeating the request is safe.
    pub fn is_busy(&self) -> bool {
        self.0.is::<Busy>() || self.0.is::<Updating>()
    }
}

/// The cause of a [`BackendError`] when a request finds no place.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("too many requests are waiting")]
pub struct Busy;

/// The cause of a [`BackendError`] while a part of the server runs another version of the code, in words.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub struct Updating(pub String);

/// The timeout of another service.
pub const ANSWER_WITHIN: Duration = Duration::from_secs(5);

/// A request to another service.
#[derive(Clone, Debug)]
pub struct Post {
    /// The target.
    pub url: String,
    /// The media type of the body.
    pub content_type: &'static str,
    /// The header `Authorization`.
    pub authorization: Option<Secret<String>>,
    /// The header `XC-Request-Id`.
    pub request_id: String,
    /// The body, which may hold a token.
    pub body: Secret<String>,
    /// The longest answer, in bytes; the rest is not read.
    pub answer_bytes: usize,
    /// The address that sent the token that the request is about, unless the token was good before. Such requests have places of
    /// their own on runtimes that limit places.
    pub stranger: Option<IpAddr>,
}

/// Whether the process wants requests.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Health {
    /// It serves.
    Serving,
    /// It is about to stop.
    Draining,
    /// It serves, but a recent commit failed, or a store is nearly full.
    Degraded,
}

/// The services of a runtime. Cheap to clone: every request gets its own.
pub trait Backend: Clone + Send + Sync + 'static {
    /// The configuration.
    fn settings(&self) -> &Settings;

    /// The keys of tokens.
    fn keys(&self) -> &Keys;

    /// Checks everything about a token that needs no state. A runtime may cache verified signatures.
    ///
    /// # Errors
    /// As [`Keys::verify`].
    fn verify(&self, text: &str) -> Result<Verified, TokenError> {
        self.keys().verify(text, self.now())
    }

    /// The clock.
    fn now(&self) -> Timestamp;

    /// Random bits.
    fn random(&self) -> u128;

    /// `message_center.time_zone`.
    fn zone(&self) -> &Zone;

    /// The cache of introspection answers.
    fn introspections(&self) -> &IntrospectionCache;

    /// The state for health checks.
    fn health(&self) -> Health;

    /// The findings of deep health checks.
    fn deep_health(&self) -> &DeepHealth;

    /// Writes to durable storage, reads that back, and reports it to `probe`, at the latest after [`PROBED_WITHIN`].
    ///
    /// [`PROBED_WITHIN`]: crate::PROBED_WITHIN
    fn probe(&self, probe: Probe) -> impl Future<Output = ()> + Send;

    /// A built file of the console or of the API reference by its name in `console/dist`, compressed where the runtime does that and
    /// the client takes it. `None` where this runtime does not carry it.
    fn page(
        &self,
        name: &'static str,
        gzip: bool,
    ) -> impl Future<Output = Result<Option<PageBody>, BackendError>> + Send;

    /// Gives a command to a user and waits for its reply: durable, carried out, answered. Routes call [`Backend::run`].
    fn execute(
        &self,
        user: &UserId,
        command: Command,
    ) -> impl Future<Output = Result<Reply, BackendError>> + Send;

    /// Gives commands to many users, a bounded number at a time. The replies are in the order of the commands. One failed
    /// command fails the whole call, after all others were given. Routes call [`Backend::run_many`].
    fn execute_many(
        &self,
        commands: Vec<(UserId, Command)>,
    ) -> impl Future<Output = Result<Vec<Reply>, BackendError>> + Send;

    /// [`Backend::execute`] with the reply that belongs to the request.
    fn run<R: Request>(
        &self,
        user: &UserId,
        request: R,
    ) -> impl Future<Output = Result<R::Reply, BackendError>> + Send {
        let reply = self.execute(user, request.into());
        async move { Ok(R::read(reply.await?)?) }
    }

    /// [`Backend::execute_many`] with the replies that belong to the requests.
    fn run_many<R: Request>(
        &self,
        requests: impl IntoIterator<Item = (UserId, R)>,
    ) -> impl Future<Output = Result<Vec<R::Reply>, BackendError>> + Send {
        let commands = requests.into_iter().map(|(user, request)| (user, request.into())).collect();
        let replies = self.execute_many(commands);
        async move { Ok(replies.await?.into_iter().map(R::read).collect::<Result<_, _>>()?) }
    }

    /// The status of a token in its user's token store. A runtime may cache the status of an administrator's token for as
    /// long as [`Backend::outlive_caches`] waits.
    fn token_status(
        &self,
        token: &Verified,
    ) -> impl Future<Output = Result<Result<(), TokenError>, BackendError>> + Send {
        self.run(&token.user, VerifyToken { token: token.hash })
    }

    /// The moment and the cutoff under which a tenant's records are read.
    fn view(&self, tenant: TenantId) -> impl Future<Output = Result<View, BackendError>> + Send;

    /// One page of a tenant's records with the number of all that match, and the view under which they were read: the one of the moment at which
    /// the list has its place, not at which it was asked for. Busy when the caller, the tenant or all together have too many under way,
    /// where lists have places.
    fn list(
        &self,
        caller: &UserId,
        tenant: TenantId,
        query: ListQuery,
    ) -> impl Future<Output = Result<(Listed, View), BackendError>> + Send;

    /// Answers of every store that has a part of a tenant's directory, in no order.
    fn find(
        &self,
        tenant: TenantId,
        asked: ShardQuery,
    ) -> impl Future<Output = Result<Vec<Found>, BackendError>> + Send;

    /// The most users that one request may look at, each by itself.
    fn users_at_once(&self) -> usize;

    /// The record that represents a user.
    fn detail(
        &self,
        tenant: TenantId,
        user: i64,
        view: &View,
    ) -> impl Future<Output = Result<Option<Record>, BackendError>> + Send;

    /// Writes imported records. A record without a result has the id of a live record, or of another tenant's where tenants
    /// share a store. Durable when it returns; what came before an error may be durable too, and can be repeated.
    fn import(
        &self,
        records: Vec<Record>,
    ) -> impl Future<Output = Result<Vec<Imported>, BackendError>> + Send;

    /// The tenants in which these users have imported records that may be online, as pairs of a user and a tenant; at most 1,000
    /// pairs.
    fn imported_in(
        &self,
        users: Vec<i64>,
    ) -> impl Future<Output = Result<Vec<(i64, TenantId)>, BackendError>> + Send;

    /// The users with open connections whose tokens name them as members of one of these bodies.
    fn members(
        &self,
        tenant: TenantId,
        body: Body,
        ids: Vec<i64>,
    ) -> impl Future<Output = Result<Vec<i64>, BackendError>> + Send;

    /// Ends the imported records of these users at the instant `at`. Durable when it returns.
    fn end_imports(
        &self,
        tenant: TenantId,
        users: Vec<i64>,
        at: Timestamp,
    ) -> impl Future<Output = Result<(), BackendError>> + Send;

    /// Sets the cutoff of a tenant for all users but `exempt`. When it returns, no reader anywhere shows what began by then.
    /// Sockets get `notice` and their closes afterwards. `audit`, here and below, becomes durable with the order.
    fn cut_off(
        &self,
        tenant: TenantId,
        exempt: Vec<i64>,
        notice: String,
        audit: audit::Part,
    ) -> impl Future<Output = Result<(), BackendError>> + Send;

    /// Takes these users of a tenant offline by one order, as [`Backend::cut_off`] does with all of them. Busy when the tenant
    /// has too many such orders under delivery.
    fn cut_off_users(
        &self,
        tenant: TenantId,
        users: Vec<i64>,
        notice: String,
        audit: audit::Part,
    ) -> impl Future<Output = Result<(), BackendError>> + Send;

    /// Keeps a dry run, carries out an order to a selection, or shows how far one is. Durable when it returns; an order that users could
    /// not be reached by goes on by itself.
    fn force_off(
        &self,
        tenant: TenantId,
        ask: order::Ask,
    ) -> impl Future<Output = Result<order::Answer, BackendError>> + Send;

    /// The orders of a tenant whose delivery is under way, in their order.
    fn undelivered(
        &self,
        tenant: TenantId,
    ) -> impl Future<Output = Result<Vec<Undelivered>, BackendError>> + Send;

    /// Lifts the cutoff in force; false if there is none.
    fn lift_cutoff(
        &self,
        tenant: TenantId,
        audit: audit::Part,
    ) -> impl Future<Output = Result<bool, BackendError>> + Send;

    /// Keeps the entry of an order that has no commit of its own, or writes down how far one is. Durable when it returns.
    fn keep_entry(&self, part: audit::Part) -> impl Future<Output = Result<(), BackendError>> + Send;

    /// A page of the audit.
    fn audit(&self, asked: audit::Asked) -> impl Future<Output = Result<audit::Page, BackendError>> + Send;

    /// A part of the population, behind this position. A runtime whose users and records lie in the shards of tenants looks for those
    /// of `tenants`; another one has them all.
    fn population(
        &self,
        tenants: &[TenantId],
        from: Option<Position>,
    ) -> impl Future<Output = Result<Part, BackendError>> + Send;

    /// The tenants that have a cutoff, where the runtime knows.
    fn tenants_with_cutoffs(&self) -> impl Future<Output = Result<Vec<TenantId>, BackendError>> + Send {
        std::future::ready(Ok(Vec::new()))
    }

    /// Puts a cutoff of another server in force. Whether it changed anything; an error where an order of this server is in its way.
    fn adopt_cutoff(
        &self,
        tenant: TenantId,
        cutoff: Cutoff,
    ) -> impl Future<Output = Result<Result<bool, OwnOrder>, BackendError>> + Send;

    /// Changes the number of shards of a tenant's directory, in the background, and returns the layout in force: another change is
    /// under way if it has another target. `None` where a directory has no shards.
    fn reshard(
        &self,
        tenant: TenantId,
        shards: u32,
        audit: audit::Part,
    ) -> impl Future<Output = Result<Option<Layout>, BackendError>> + Send;

    /// Sends a request to another service. Returns the status and at most [`Post::answer_bytes`] of the body.
    fn post(&self, request: Post) -> impl Future<Output = Result<(u16, Vec<u8>), BackendError>> + Send;

    /// Waits until no cached [`Backend::token_status`] can be older than this call. Nothing is cached by default.
    fn outlive_caches(&self) -> impl Future<Output = ()> + Send {
        ready(())
    }
}

impl From<ReplyError> for BackendError {
    fn from(error: ReplyError) -> Self {
        Self::new(error)
    }
}
