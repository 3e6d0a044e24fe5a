//! One shard of a tenant's directory: a projection of the users' objects.
//!
//! Users publish into it, queries read it. It can be wrong for a while after a crash, and repairs itself: the audit
//! asks the user of every live record in turn.

mod audit;
mod change;
mod deliver;
mod fence;
mod import;
mod order;
mod publish;
mod query;
mod upkeep;

use std::{cell::Cell, rc::Rc, sync::Arc};

use rollcall_api::Chain;
use rollcall_core::{
    directory::row::RowError,
    id::TenantId,
    shard::{
        cutoff::CutoffError,
        delivery::DeliveryError,
        layout::Layout,
        progress::{self, Progress},
    },
    store::{Statement, migrations::StoreKind},
};
use tracing::Instrument as _;
use worker::{DurableObject, Env, Request, Response, State, durable_object};

use self::fence::Sent;
use crate::{
    clock,
    config::{self, Configuration, ConfigurationError},
    directory, fullness, log,
    sql::{Sql, SqlError, Tables},
    stub::{self, CallError},
    wire::{self, DirectoryAnswer, DirectoryAsk, DirectoryCall},
};

/// The Durable Object of a shard. It holds no sockets, so it exports no handlers for them.
#[durable_object(alarm)]
pub struct DirectoryObject {
    shard: Rc<Shard>,
}

struct Shard {
    state: State,
    env: Env,
    /// What this instance knows of its tables.
    tables: Cell<Tables>,
    /// Whether its records were seen to be counted.
    is_counted: Cell<bool>,
}

/// A shard did not do what it was asked for.
#[derive(Debug, thiserror::Error)]
enum ShardError {
    #[error(transparent)]
    Sql(#[from] SqlError),
    #[error("the directory has {stored} shards, and the caller takes it for one of {asked}")]
    Shards { stored: u32, asked: u32 },
    #[error(transparent)]
    Row(#[from] RowError),
    #[error(transparent)]
    Cutoff(#[from] CutoffError),
    #[error(transparent)]
    Delivery(#[from] DeliveryError),
    #[error(transparent)]
    Call(#[from] CallError),
    #[error(transparent)]
    Configuration(#[from] &'static ConfigurationError),
    #[error("the object does not know which shard it is")]
    Nameless,
    #[error("the shard is nearly full and takes no imports")]
    NearlyFull,
    #[error("the layout of version {} is in force", .0.version)]
    Moved(Layout),
    #[error("a shard of a tenant is not for health checks")]
    NotForProbes,
    #[error("what was written is not read")]
    Unread,
}

impl DurableObject for DirectoryObject {
    fn new(state: State, env: Env) -> Self {
        Self { shard: Rc::new(Shard { state, env, tables: Cell::default(), is_counted: Cell::default() }) }
    }

    async fn fetch(&self, mut request: Request) -> worker::Result<Response> {
        #[cfg(feature = "probe")]
        if let Some(answer) =
            crate::probe::user(&self.shard.state, &request, || self.shard.tables.set(Tables::default()))
        {
            return answer;
        }
        if let Some(newer) = self.shard.sql().of_newer_code() {
            return stub::refuse(&newer);
        }
        let span = log::object_span(&self.shard.env, request.headers());
        let answer = match wire::read(&request.text().await?) {
            Ok(call) => self.shard.answer(call).instrument(span).await,
            Err(error) => return stub::refuse(&error),
        };
        match wire::write(&answer) {
            Ok(text) => {
                let response = Response::ok(text)?;
                if self.shard.is_nearly_full() {
                    response.headers().set(fullness::HEADER, "1")?;
                }
                Ok(response)
            }
            Err(error) => Response::error(error.to_string(), 500),
        }
    }

    async fn alarm(&self) -> worker::Result<Response> {
        #[cfg(feature = "probe")]
        crate::probe::requested(&self.shard.state);
        self.shard.ring().await;
        Response::empty()
    }
}

impl Shard {
    async fn answer(&self, call: DirectoryCall) -> DirectoryAnswer {
        let shards = call.shards;
        let sent = Sent { layout: call.layout, shards };
        let answered = match call.ask {
            DirectoryAsk::Publish(records) => self.publish(&records, &[], sent).await,
            DirectoryAsk::PublishAudited(records, parts) => self.publish(&records, &parts, sent).await,
            DirectoryAsk::Audit(asked) => self.entries(&asked),
            DirectoryAsk::Layout => self.first(shards).and_then(|first| self.change(&first)),
            DirectoryAsk::CompareLayout => self.fence(sent).map(|_| DirectoryAnswer::Done),
            DirectoryAsk::CurrentLayout => self.layout().map(DirectoryAnswer::Layout),
            DirectoryAsk::LayOut => self.lay_out(shards),
            DirectoryAsk::Reshard(target) => self.reshard(target, None),
            DirectoryAsk::ReshardAudited(target, part) => self.reshard(target, Some(&part)),
            DirectoryAsk::Copy(after) => self.copied(after, sent),
            DirectoryAsk::Receive(records) => self.receive(&records, sent).await,
            DirectoryAsk::Seal => self.seal(sent),
            DirectoryAsk::Clear => self.clear(sent),
            DirectoryAsk::List(asked) => self.list(&asked, sent),
            DirectoryAsk::Detail { user, view } => self.detail(user, &view, sent),
            DirectoryAsk::Members { body, ids } => self.members(body, &ids, sent),
            DirectoryAsk::ImportedIn(users) => self.imported_in(&users, sent),
            DirectoryAsk::Deliver { cutoff, notice } => self.begin_delivery(cutoff, notice, sent).await,
            DirectoryAsk::Undelivered => self.undelivered(),
            DirectoryAsk::Kept => self.kept(),
            DirectoryAsk::RecordsOfUsers(after) => self.records_of_users(after, sent),
            DirectoryAsk::Import(_) if self.is_nearly_full() => Err(ShardError::NearlyFull),
            DirectoryAsk::Import(records) => self.import(&records, sent).await,
            DirectoryAsk::EndImports { users, at, cut_off } => self.end_imports(&users, at, cut_off, sent),
            DirectoryAsk::Repair { known, gone } => self.repair(&known, &gone, sent),
            DirectoryAsk::Probe => self.probe(),
        };
        answered.unwrap_or_else(|error| {
            if let ShardError::Moved(layout) = error {
                return DirectoryAnswer::Moved(layout);
            }
            tracing::error!(error = %Chain(&error), "a shard did not do what it was asked for");
            DirectoryAnswer::Failed(Chain(&error).to_string())
        })
    }

    /// Writes a row and reads it, in an object that keeps no records and so needs its progress for nothing else.
    fn probe(&self) -> Result<DirectoryAnswer, ShardError> {
        if self.place().is_ok() {
            return Err(ShardError::NotForProbes);
        }
        let now = clock::now();
        let written = Progress { audited: None, audit_at: now, sweep_at: now, crowded: None };
        self.sql().write(&[progress::keep(&written)])?;
        match self.sql().read(&progress::get())?.as_deref().and_then(progress::read) {
            Some(read) if read == written => Ok(DirectoryAnswer::Done),
            _ => Err(ShardError::Unread),
        }
    }

    fn change(&self, statements: &[Statement]) -> Result<DirectoryAnswer, ShardError> {
        self.sql().write(statements)?;
        Ok(DirectoryAnswer::Done)
    }

    fn tenant(&self) -> Result<TenantId, ShardError> {
        self.place().map(|(tenant, _)| tenant)
    }

    /// The tenant and the number of this shard.
    fn place(&self) -> Result<(TenantId, u32), ShardError> {
        let name = match self.state.id().name() {
            Some(name) => name,
            None => self.name_from_store()?,
        };
        directory::parse(&name).ok_or(ShardError::Nameless)
    }

    fn name_from_store(&self) -> Result<String, ShardError> {
        let rows = self.sql().read(&Statement::new("SELECT name FROM name", []))?.unwrap_or_default();
        match rows.first().map(Vec::as_slice) {
            Some([rollcall_core::store::Value::Text(name)]) => Ok(name.clone()),
            _ => Err(ShardError::Nameless),
        }
    }

    fn configuration(&self) -> Result<Arc<Configuration>, ShardError> {
        Ok(config::load(&self.env)?)
    }

    fn sql(&self) -> Sql<'_> {
        Sql::new(&self.state, StoreKind::Shard, &self.tables)
    }
}
