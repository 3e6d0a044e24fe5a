//! The implementation of `rollcall-api`'s ports on this machine.

use std::sync::{
    Arc,
    atomic::{AtomicU8, Ordering},
};

use rollcall_api::{
    Backend, BackendError, BodyBudget, Busy, DeepHealth, Health, PROBED_WITHIN, Post, Probe,
    message_center::IntrospectionCache, pages::PageBody,
};
use rollcall_core::{
    audit,
    config::Settings,
    directory::{
        holding::Holding,
        membership::{self, Body},
        page::{Found, ShardQuery},
        query::{self, ListQuery, Listed},
        record::Record,
        upsert::{self, Imported},
        view::{Cutoff, OwnOrder, View},
        zone::{Zone, iana},
    },
    id::{RecordId, TenantId, UserId},
    order,
    population::{self, PAGE, Part, Position},
    shard::{layout::Layout, undelivered::Undelivered},
    store::Statement,
    time::Timestamp,
    token::{Keys, TokenError, Verified},
    user::{Command, Reply},
};
use tokio::time::timeout;
use tokio_util::task::TaskTracker;

use crate::{
    clock::now,
    lists::Lists,
    outgoing::Client,
    pages::Pages,
    server::{admission::Admission, lease},
    socket::sockjs,
    store::{Rows, StoreError},
    users::{CommandError, Users},
    verification_cache::VerificationCache,
};

/// The backend of the origin's routes.
#[derive(Clone)]
pub struct Origin {
    /// The users.
    pub users: Users,
    shared: Arc<Shared>,
}

struct Shared {
    state: AtomicU8,
    deep_health: DeepHealth,
    zone: Zone,
    introspections: IntrospectionCache,
    verified: VerificationCache,
    client: Client,
    lists: Lists,
    bodies: BodyBudget,
    sessions: TaskTracker,
    logins: Admission,
    fallbacks: sockjs::Table,
    pages: Pages,
}

/// Sockets that may wait for the login of their clients at a time.
const LOGINS: usize = 1024;
/// The same of one address.
const LOGINS_PER_ADDRESS: usize = 64;

fn places_of_logins() -> Admission {
    Admission::with_limits(LOGINS, Some(LOGINS_PER_ADDRESS), Vec::new())
}

/// Imported records of one commit. It is short, since other commits wait for it.
const IMPORTED: usize = 500;

const SERVING: u8 = 0;
const DRAINING: u8 = 1;

impl Origin {
    /// A serving origin.
    ///
    /// # Errors
    /// When `message_center.time_zone` is no zone.
    pub fn new(users: Users) -> anyhow::Result<Self> {
        let shared = Shared {
            state: AtomicU8::new(SERVING),
            deep_health: DeepHealth::default(),
            zone: iana::zone(&users.settings().message_center.time_zone)?,
            introspections: IntrospectionCache::default(),
            verified: VerificationCache::default(),
            client: Client::default(),
            lists: Lists::default(),
            bodies: BodyBudget::new(
                usize::try_from(users.settings().server.body_budget_bytes).unwrap_or(usize::MAX),
            ),
            sessions: TaskTracker::new(),
            pages: Pages::default(),
            fallbacks: sockjs::Table::new(
                usize::try_from(users.settings().server.max_connections).unwrap_or(usize::MAX),
            ),
            logins: places_of_logins(),
        };
        Ok(Self { users, shared: Arc::new(shared) })
    }

    /// Tracks every open socket, and every order to a tenant, until the ends of their connections are durable.
    pub fn sessions(&self) -> &TaskTracker {
        &self.shared.sessions
    }

    /// The places of sockets whose clients have not logged in yet.
    pub(crate) fn logins(&self) -> &Admission {
        &self.shared.logins
    }

    /// The sessions of SockJS's other transports.
    pub(crate) fn fallbacks(&self) -> &sockjs::Table {
        &self.shared.fallbacks
    }

    /// The memory of request bodies.
    pub(crate) fn bodies(&self) -> &BodyBudget {
        &self.shared.bodies
    }

    /// Marks the process as draining.
    pub fn drain(&self) {
        self.shared.state.store(DRAINING, Ordering::Relaxed);
    }
}

fn failed(error: CommandError) -> BackendError {
    match error {
        CommandError::TooManyOrders | CommandError::Store(StoreError::Busy | StoreError::Suspended) => {
            BackendError::new(Busy)
        }
        other => BackendError::new(other),
    }
}

impl Backend for Origin {
    fn settings(&self) -> &Settings {
        self.users.settings()
    }

    fn keys(&self) -> &Keys {
        &self.users.rules().keys
    }

    fn verify(&self, text: &str) -> Result<Verified, TokenError> {
        self.shared.verified.verify(self.keys(), text, self.now())
    }

    fn now(&self) -> Timestamp {
        now()
    }

    fn health(&self) -> Health {
        match self.shared.state.load(Ordering::Relaxed) {
            DRAINING => Health::Draining,
            _ if self.users.store().condition().is_failing() || self.users.store().may_serve().is_err() => {
                Health::Degraded
            }
            _ => Health::Serving,
        }
    }

    fn deep_health(&self) -> &DeepHealth {
        &self.shared.deep_health
    }

    async fn probe(&self, probe: Probe) {
        let store = self.users.store().clone();
        // A client that leaves at once, again and again, must not keep the others from an answer.
        let probing = tokio::spawn(async move {
            let outcome = match timeout(PROBED_WITHIN, lease::probe(&store)).await {
                Ok(outcome) => outcome.map_err(BackendError::new),
                Err(late) => Err(BackendError::new(late)),
            };
            probe.end(outcome);
        });
        // It fails only when the process ends.
        let _ = probing.await;
    }

    fn random(&self) -> u128 {
        rand::random()
    }

    fn zone(&self) -> &Zone {
        &self.shared.zone
    }

    fn introspections(&self) -> &IntrospectionCache {
        &self.shared.introspections
    }

    async fn page(&self, name: &'static str, gzip: bool) -> Result<Option<PageBody>, BackendError> {
        let shared = Arc::clone(&self.shared);
        tokio::task::spawn_blocking(move || shared.pages.read(name, gzip)).await.map_err(BackendError::new)?
    }

    async fn execute(&self, user: &UserId, command: Command) -> Result<Reply, BackendError> {
        self.users.execute(user, command).await.map_err(failed)
    }

    async fn execute_many(&self, commands: Vec<(UserId, Command)>) -> Result<Vec<Reply>, BackendError> {
        self.users.execute_many(commands).await.map_err(failed)
    }

    async fn view(&self, tenant: TenantId) -> Result<View, BackendError> {
        let (cutoff, scoped) = self.users.orders_of(tenant).await.map_err(failed)?;
        let retention_days = self.users.settings().message_center.retention_days;
        Ok(View { has_rows_of_sets: true, ..View::under(cutoff, scoped, now(), retention_days) })
    }

    async fn list(
        &self,
        caller: &UserId,
        tenant: TenantId,
        asked: ListQuery,
    ) -> Result<(Listed, View), BackendError> {
        let origin = self.clone();
        let reading = async move {
            let view = origin.view(tenant).await?;
            let rows = origin.ask(query::list(&asked, tenant, &view)).await?;
            Ok::<_, BackendError>((rows, view))
        };
        let (rows, view) = self.shared.lists.read(caller, tenant, reading).await??;
        Ok((query::read_list(&rows).map_err(BackendError::new)?, view))
    }

    async fn find(&self, tenant: TenantId, asked: ShardQuery) -> Result<Vec<Found>, BackendError> {
        let mut all = Vec::with_capacity(asked.questions.len());
        for question in &asked.questions {
            let rows = self.ask(asked.statement(question, tenant, &Holding::SHARED)).await?;
            all.push(asked.read(question, &rows).map_err(BackendError::new)?);
        }
        Ok(all)
    }

    fn users_at_once(&self) -> usize {
        order::MOST
    }

    async fn detail(&self, tenant: TenantId, user: i64, view: &View) -> Result<Option<Record>, BackendError> {
        let rows = self.ask(query::detail(tenant, user, view)).await?;
        Ok(query::read_records(&rows).map_err(BackendError::new)?.pop())
    }

    async fn import(&self, records: Vec<Record>) -> Result<Vec<Imported>, BackendError> {
        let mut all = Vec::with_capacity(records.len());
        for some in records.chunks(IMPORTED) {
            let answers = self.users.store().commit(upsert::import(some)).await.map_err(BackendError::new)?;
            for rows in &answers {
                all.extend(upsert::imported(rows).map_err(BackendError::new)?);
            }
        }
        Ok(all)
    }

    async fn imported_in(&self, users: Vec<i64>) -> Result<Vec<(i64, TenantId)>, BackendError> {
        query::read_imported_in(&self.ask(query::imported_in(users)).await?).map_err(BackendError::new)
    }

    async fn members(&self, tenant: TenantId, body: Body, ids: Vec<i64>) -> Result<Vec<i64>, BackendError> {
        membership::users(&self.ask(membership::members(tenant, body, ids, &Holding::SHARED)).await?)
            .map_err(BackendError::new)
    }

    async fn end_imports(
        &self,
        tenant: TenantId,
        users: Vec<i64>,
        at: Timestamp,
    ) -> Result<(), BackendError> {
        self.users.end_imports(tenant, &users, at).await.map_err(failed)
    }

    async fn cut_off(
        &self,
        tenant: TenantId,
        exempt: Vec<i64>,
        notice: String,
        audit: audit::Part,
    ) -> Result<(), BackendError> {
        self.users.cut_off(tenant, exempt, notice, audit, self.sessions().token()).await.map_err(failed)
    }

    async fn cut_off_users(
        &self,
        tenant: TenantId,
        users: Vec<i64>,
        notice: String,
        audit: audit::Part,
    ) -> Result<(), BackendError> {
        let under_way = self.sessions().token();
        self.users.cut_off_users(tenant, users, notice, audit, under_way).await.map_err(failed)
    }

    async fn force_off(&self, tenant: TenantId, ask: order::Ask) -> Result<order::Answer, BackendError> {
        self.users.force_off(tenant, ask, self.sessions().token()).await.map_err(failed)
    }

    async fn undelivered(&self, tenant: TenantId) -> Result<Vec<Undelivered>, BackendError> {
        self.users.undelivered(tenant).await.map_err(failed)
    }

    async fn lift_cutoff(&self, tenant: TenantId, audit: audit::Part) -> Result<bool, BackendError> {
        self.users.lift_cutoff(tenant, audit).await.map_err(failed)
    }

    async fn keep_entry(&self, part: audit::Part) -> Result<(), BackendError> {
        self.users.store().commit(vec![audit::keep(&part)]).await.map_err(BackendError::new)?;
        Ok(())
    }

    async fn audit(&self, asked: audit::Asked) -> Result<audit::Page, BackendError> {
        let indexed = audit::Indexed::All;
        let mut page = audit::Page::default();
        for scanned in asked.scans(indexed) {
            let end = match scanned {
                Some(rows) => self.ask(asked.end(*rows, indexed)).await?,
                None => Vec::new(),
            };
            page = asked.read(&end, &self.ask(asked.page(&end, indexed)).await?);
            if asked.is_answered(&page) {
                break;
            }
        }
        Ok(page)
    }

    async fn population(&self, _: &[TenantId], from: Option<Position>) -> Result<Part, BackendError> {
        let after = match &from {
            None => None,
            Some(Position::Users(user)) => Some(user),
            Some(Position::Records(record)) => return self.records_after(*record).await,
            Some(Position::Directory(..)) => {
                return Err(BackendError::new("the cursor is another runtime's"));
            }
        };
        let rows = self.ask(population::users_after(after)).await?;
        let users = population::read_users(&rows).map_err(BackendError::new)?;
        let next = match users.last() {
            Some(last) if users.len() >= PAGE as usize => Position::Users(last.clone()),
            _ => Position::Records(None),
        };
        Ok(Part { users, records: Vec::new(), next: Some(next) })
    }

    async fn tenants_with_cutoffs(&self) -> Result<Vec<TenantId>, BackendError> {
        self.users.tenants_with_cutoffs().await.map_err(failed)
    }

    async fn adopt_cutoff(
        &self,
        tenant: TenantId,
        cutoff: Cutoff,
    ) -> Result<Result<bool, OwnOrder>, BackendError> {
        self.users.adopt_cutoff(tenant, cutoff).await.map_err(failed)
    }

    /// The one database holds every tenant.
    async fn reshard(&self, _: TenantId, _: u32, _: audit::Part) -> Result<Option<Layout>, BackendError> {
        Ok(None)
    }

    async fn post(&self, request: Post) -> Result<(u16, Vec<u8>), BackendError> {
        Ok(self.shared.client.post(request).await?)
    }
}

impl Origin {
    async fn records_after(&self, record: Option<RecordId>) -> Result<Part, BackendError> {
        let rows = self.ask(population::records_after(record)).await?;
        let records = query::read_records(&rows).map_err(BackendError::new)?;
        let next = records.last().filter(|_| records.len() >= PAGE as usize);
        let next = next.map(|last| Position::Records(Some(last.id)));
        Ok(Part { users: Vec::new(), records, next })
    }

    /// The rows of one query.
    async fn ask(&self, statement: Statement) -> Result<Rows, BackendError> {
        let answers =
            self.users.store().query(vec![statement]).await.map_err(|error| failed(error.into()))?;
        answers.into_iter().next().ok_or_else(|| BackendError::new("the store has no answer"))
    }
}

#[cfg(test)]
mod tests {
    use std::net::{IpAddr, Ipv4Addr};

    use super::*;

    #[test]
    fn sockets_before_their_login_have_1024_places_and_an_address_64_of_them() {
        let logins = places_of_logins();
        let address = |last: u8| IpAddr::V4(Ipv4Addr::new(192, 0, 2, last));
        let mut places = Vec::new();
        for last in 0..16 {
            places.extend((0..64).map(|_| logins.enter(address(last)).unwrap()));
            assert!(logins.enter(address(last)).is_err(), "one more of an address, {last}");
        }
        assert_eq!(places.len(), 1_024);
        assert!(logins.enter(address(16)).is_err(), "one more of another address");
        places.pop();
        assert!(logins.enter(address(16)).is_ok(), "the place that was given back");
    }
}
