//! A tenant's orders: its cutoff and its scoped cutoffs, and nothing else.
//!
//! Every isolate asks this object once a second while the tenant is in use. The directory's shards deliver an order to the whole
//! tenant; what an order to a set of users needs lies here, and its delivery goes from here.

mod audited;
mod deliver;
mod force_off;
mod order;

use std::{cell::Cell, rc::Rc, sync::Arc};

use rollcall_api::Chain;
use rollcall_core::{
    id::TenantId,
    shard::{cutoff::CutoffError, scoped::ScopedError},
    store::{Statement, Value, migrations::StoreKind},
};
use tracing::Instrument as _;
use worker::{DurableObject, Env, Request, Response, State, durable_object};

use crate::{
    config::{self, Configuration, ConfigurationError},
    cutoffs, log,
    sql::{Sql, SqlError, Tables},
    stub::{self, CallError},
    wire::{self, CutoffAnswer, CutoffAsk},
};

/// The Durable Object of a tenant's orders. It holds no sockets, so it exports no handlers for them.
#[durable_object(alarm)]
pub struct CutoffObject {
    orders: Rc<Orders>,
}

struct Orders {
    state: State,
    env: Env,
    /// What this instance knows of its tables.
    tables: Cell<Tables>,
    /// Whether earlier code is known to have kept no order elsewhere.
    is_alone: Cell<bool>,
}

/// An order was not carried out, or a question not answered.
#[derive(Debug, thiserror::Error)]
enum OrderError {
    #[error(transparent)]
    Sql(#[from] SqlError),
    #[error(transparent)]
    Cutoff(#[from] CutoffError),
    #[error(transparent)]
    Scoped(#[from] ScopedError),
    #[error(transparent)]
    Call(#[from] CallError),
    #[error(transparent)]
    Configuration(#[from] &'static ConfigurationError),
    #[error("the object does not know whose orders it keeps")]
    Nameless,
    #[error("a stored row does not read")]
    Row,
}

impl DurableObject for CutoffObject {
    fn new(state: State, env: Env) -> Self {
        #[cfg(feature = "probe")]
        crate::probe::constructed(&state);
        Self { orders: Rc::new(Orders { state, env, tables: Cell::default(), is_alone: Cell::default() }) }
    }

    async fn fetch(&self, mut request: Request) -> worker::Result<Response> {
        #[cfg(feature = "probe")]
        if let Some(answer) =
            crate::probe::user(&self.orders.state, &request, || self.orders.tables.set(Tables::default()))
        {
            return answer;
        }
        if let Some(newer) = self.orders.sql().of_newer_code() {
            return stub::refuse(&newer);
        }
        let span = log::object_span(&self.orders.env, request.headers());
        let answer = match wire::read(&request.text().await?) {
            Ok(ask) => self.orders.answer(ask).instrument(span).await,
            Err(error) => return stub::refuse(&error),
        };
        match wire::write(&answer) {
            Ok(text) => Response::ok(text),
            Err(error) => Response::error(error.to_string(), 500),
        }
    }

    async fn alarm(&self) -> worker::Result<Response> {
        #[cfg(feature = "probe")]
        crate::probe::requested(&self.orders.state);
        self.orders.ring().await;
        Response::empty()
    }
}

impl Orders {
    async fn answer(&self, ask: CutoffAsk) -> CutoffAnswer {
        self.carry_out(ask).await.unwrap_or_else(|error| {
            tracing::error!(error = %Chain(&error), "an order was not carried out");
            CutoffAnswer::Failed(Chain(&error).to_string())
        })
    }

    async fn carry_out(&self, ask: CutoffAsk) -> Result<CutoffAnswer, OrderError> {
        self.take_over().await?;
        match ask {
            CutoffAsk::State => {
                #[cfg(feature = "probe")]
                crate::probe::asked(&self.state);
                self.mend();
                self.in_force().map(CutoffAnswer::State)
            }
            CutoffAsk::Users(serial) => self.users(serial).map(CutoffAnswer::Users),
            CutoffAsk::Set { exempt, notice } => self.set(exempt, notice, None).await,
            CutoffAsk::Order { users, notice } => self.order(users, notice, None, None, None),
            CutoffAsk::SetAudited { exempt, notice, audit } => self.set(exempt, notice, Some(&audit)).await,
            CutoffAsk::OrderAudited { users, notice, audit } => {
                self.order(users, notice, None, Some(&audit), None)
            }
            CutoffAsk::ForceOff(ask) => self.force_off(*ask).await,
            CutoffAsk::Lift => self.lift(None),
            CutoffAsk::LiftAudited(part) => self.lift(Some(&part)),
            CutoffAsk::Audited(part) => self.keep_part(&part),
            CutoffAsk::Audit(asked) => self.entries(&asked).map(CutoffAnswer::Audit),
            CutoffAsk::Adopt(moved) => self.adopt(moved),
            CutoffAsk::Undelivered => self.undelivered().map(CutoffAnswer::Undelivered),
        }
    }

    /// The object's own name, before its first write: an alarm after a restart may come without it.
    fn named(&self) -> Result<Statement, OrderError> {
        let name = cutoffs::name(self.tenant()?);
        let sql = "INSERT INTO name (id, name) VALUES (1, ?1) ON CONFLICT (id) DO NOTHING";
        Ok(Statement::new(sql, [name.into()]))
    }

    fn tenant(&self) -> Result<TenantId, OrderError> {
        let name = match self.state.id().name() {
            Some(name) => name,
            None => match self.rows(&Statement::new("SELECT name FROM name", []))?.pop().as_deref() {
                Some([Value::Text(name)]) => name.clone(),
                _ => return Err(OrderError::Nameless),
            },
        };
        cutoffs::parse(&name).ok_or(OrderError::Nameless)
    }

    /// The rows of a query; none where nothing was ever written.
    fn rows(&self, statement: &Statement) -> Result<Vec<Vec<Value>>, OrderError> {
        Ok(self.sql().read(statement)?.unwrap_or_default())
    }

    fn configuration(&self) -> Result<Arc<Configuration>, OrderError> {
        Ok(config::load(&self.env)?)
    }

    fn shards(&self) -> Result<u32, OrderError> {
        Ok(self.configuration()?.settings.presence.directory_shards)
    }

    fn sql(&self) -> Sql<'_> {
        Sql::new(&self.state, StoreKind::Cutoff, &self.tables)
    }
}
