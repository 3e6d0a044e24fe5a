//! A command: rehydrate, apply, commit, carry out, answer.

use std::rc::Rc;

use rollcall_api::Chain;
use rollcall_core::{
    directory::row::RowError,
    id::{ConnId, RecordId, TenantId},
    user::{
        Action, Change, Command, ForceOff, LoadError, NotLoaded, Outcome, Reply, ReplyError, Request, User,
        expiry::first_expiry, object, outbox,
    },
};
use worker::WebSocket;

use super::{
    Object,
    alarm::LATER,
    attachment::AttachError,
    load::Cutoffs,
    sockets::{Arriving, Held},
};
use crate::{
    alarm,
    attachment::{Attachment, PackError},
    clock::{self, EntropyError},
    config::ConfigurationError,
    cutoffs, metrics,
    sql::SqlError,
    stub::CallError,
    wire::CachedCutoff,
};

/// A command was not carried out, or not to its end.
#[derive(Debug, thiserror::Error)]
pub(super) enum RunError {
    /// The store could not be read or written; nothing happened.
    #[error(transparent)]
    Sql(#[from] SqlError),
    /// A stored row of the user does not read; nothing happened.
    #[error(transparent)]
    Loaded(#[from] LoadError),
    /// A stored record does not read; nothing happened.
    #[error(transparent)]
    Row(#[from] RowError),
    /// There is no good configuration; nothing happened.
    #[error(transparent)]
    Configuration(#[from] &'static ConfigurationError),
    /// A rule reads more than its command loads; nothing happened.
    #[error(transparent)]
    NotLoaded(#[from] NotLoaded),
    /// The user gave no answer.
    #[error(transparent)]
    Reply(#[from] ReplyError),
    /// Nothing happened.
    #[error(transparent)]
    Entropy(#[from] EntropyError),
    /// The object has no user's name; nothing happened.
    #[error("the object does not know whose it is")]
    Nameless,
    /// The cutoff is another tenant's; nothing happened.
    #[error("the user is at home in tenant {0}")]
    OtherTenant(TenantId),
    /// The user has begun to move from this tenant meanwhile; nothing happened.
    #[error("the user moves from tenant {0}")]
    MovesFrom(TenantId),
    /// Nothing happened.
    #[error("the cutoff of the user's tenant is not known")]
    CutoffUnknown(#[source] CallError),
    /// The connection cannot be kept on its socket; nothing happened.
    #[error(transparent)]
    Pack(#[from] PackError),
    /// It was done, but the runtime did not take the socket of the connection.
    #[error("done, but the connection could not be admitted")]
    NotAdmitted(#[from] AttachError),
    /// It was done, but the directory did not acknowledge it in time. Repeating it is safe.
    #[error("done, but not published to the directory")]
    Unpublished(#[source] Box<RunError>),
    /// Another object could not be asked.
    #[error(transparent)]
    Call(#[from] CallError),
    /// A publication did not come to its end.
    #[error("there is always more to publish")]
    AlwaysMore,
}

/// The circumstances of a command.
#[derive(Default)]
pub(super) struct With<'a> {
    /// The socket of an opening.
    pub(super) arriving: Option<Arriving>,
    /// The socket that the command is about.
    pub(super) on: Option<&'a WebSocket>,
    /// The cutoff that applies to the command, as its sender knows it.
    pub(super) cached: Option<CachedCutoff>,
}

impl Object {
    /// Gives the user a request that nothing comes with.
    pub(super) async fn ask<R: Request>(self: Rc<Self>, request: R) -> Result<R::Reply, RunError> {
        let command = request.into();
        Ok(R::read(self.run(&command, With::default()).await?)?)
    }

    /// Gives the user a command and waits until all of its outcome has happened.
    pub(super) async fn run(self: Rc<Self>, command: &Command, with: With<'_>) -> Result<Reply, RunError> {
        let With { arriving, on, cached } = with;
        let own = match cached {
            None if command.needs().orders => Some(self.own_cutoff().await?),
            other => other,
        };
        let mut cutoffs = Cutoffs { own, former: None };
        let profile = loop {
            let (former, profile) = self.former_tenant(command)?;
            if former == cutoffs.former.as_ref().map(|former| former.tenant) {
                break profile;
            }
            cutoffs.former = match former {
                Some(former) => Some(self.cutoff_of(former).await?),
                None => None,
            };
        };
        // No await from here to the end of the commit: another event would read the state before this commit, and both would apply
        // to it. Only committed changes are carried out, in the order of the outcome: a reader that asks after the reply must
        // not see a connection that the reply says is gone.
        let id = self.user()?;
        let configuration = self.configuration()?;
        // An alarm publishes by itself.
        if self.reconciles_with_news(&id, on)? && *command != Command::Tick {
            self.publish_soon();
        }
        let held = self.held(on);
        let ending = match command {
            Command::Close { connection } => Some(*connection),
            _ => None,
        };
        // A closing socket is no longer a connection. The exception is the one of this command, whose end is not stored yet.
        let live = || held.iter().filter(|held| held.is_open() || Some(held.id()) == ending);
        let user = User::new(id.clone(), live().filter_map(Held::connection).cloned().collect())
            .with_consoles(live().filter_map(Held::console).cloned().collect())
            .with_last_opened(self.last_date.get())
            .with_pace(self.pace.get());
        let at = clock::moment()?;
        let loaded = self.load(&user, command, &cutoffs, profile, &configuration.rules, at.now)?;
        // A command that asks for no cutoff says nothing about the sockets that one covers.
        let cutoff = loaded.orders.as_ref().and_then(|orders| orders.cutoff.as_ref());
        let has_cut_off = user.has_cut_off_sockets(cutoff, &configuration.rules);
        let Outcome { reply, changes, actions, wake_at } =
            user.apply(command, &loaded, &configuration.rules, at)?;
        check_sizes(&actions)?;
        let expiry = first_expiry(&changes, &loaded, configuration.rules.unseen_for());
        let wish = wake_at.into_iter().chain(expiry).min();
        // The outbox is read before the commit: new records are published below, and need an alarm only if that fails.
        let retry = wish.and_then(|_| self.retry());
        let mut is_alone = false;
        if !changes.is_empty() {
            let statements = object::all_statements(&changes, &id, at.now);
            let extra = changes.iter().filter_map(object::extra);
            let written = self.sql().write_with(extra, &statements);
            let answers = written.inspect_err(|_| metrics::commit_failed(&self.env))?;
            if changes.iter().any(|change| matches!(change, Change::Audited(_))) {
                self.has_parts.set(true);
                is_alone = outbox::is_alone(&answers);
            }
            self.openings.borrow_mut().extend(changes.iter().filter_map(opening));
        }
        // Nobody but the alarm would come back to an entry of the audit without a record, were the object to end before it is told.
        let untold = is_alone.then(|| clock::now() + LATER);
        let wish = wish.into_iter().chain(untold).min();
        if wish.is_some() {
            self.arm(wish, retry);
        }
        // An alarm sees to its own work, and to the next alarm.
        if *command != Command::Tick {
            alarm::mend(&self.state, &self.env, loaded.next_due());
        }
        let sockets = Sockets(held.into_iter().map(|held| (held.id(), held.ws)).collect());
        self.clone().carry_out(command, actions, sockets, arriving).await?;
        if has_cut_off && id.number().is_none() && !matches!(command.alone(), Command::ForceOff(_)) {
            self.close_cut_off_sockets();
        }
        Ok(reply)
    }

    /// Closes the sockets that the tenant's cutoff covers, after this event's answer. Deliveries reach users by their records;
    /// a user whose name is no number has none, and closes its sockets when it learns of the cutoff.
    fn close_cut_off_sockets(self: Rc<Self>) {
        // Only consoles get the notice, and only users with numbers have consoles.
        let order = ForceOff::CutOff { within: None, notice: String::new(), settle: false };
        self.run_later(Command::ForceOff(order));
    }

    /// Looks for a cutoff of the tenant, after this event.
    pub(super) fn look_for_cutoff(self: Rc<Self>) {
        if self.user().is_ok_and(|user| user.number().is_none()) {
            self.run_later(Command::Status);
        }
    }

    fn run_later(self: Rc<Self>, command: Command) {
        let object = self.clone();
        self.state.wait_until(async move {
            if let Err(error) = object.run(&command, With::default()).await {
                tracing::error!(error = %Chain(&error), "an order to the tenant is not carried out yet");
            }
        });
    }

    /// The cutoff of the user's tenant, for a command that came without one.
    async fn own_cutoff(&self) -> Result<CachedCutoff, RunError> {
        let configuration = self.configuration()?;
        let home = self.home(&self.user()?, &configuration.rules, clock::now())?;
        self.cutoff_of(home).await
    }

    async fn cutoff_of(&self, tenant: TenantId) -> Result<CachedCutoff, RunError> {
        cutoffs::cached(&self.env, tenant, &self.user()?).await.map_err(RunError::CutoffUnknown)
    }
}

/// A record whose opening the directory is to be told of.
fn opening(change: &Change) -> Option<RecordId> {
    match change {
        Change::RecordOpened(record) => Some(record.id),
        _ => None,
    }
}

/// A connection that does not fit on its socket is refused before anything is durable.
fn check_sizes(actions: &[Action]) -> Result<(), PackError> {
    actions.iter().try_for_each(|action| match action {
        Action::Admit(connection) => Attachment::live(connection).pack().map(drop),
        Action::AdmitConsole(console) | Action::KeepConsole(console) => {
            Attachment::console(console).pack().map(drop)
        }
        _ => Ok(()),
    })
}

/// The sockets of an event, by connection.
pub(super) struct Sockets(Vec<(ConnId, WebSocket)>);

impl Sockets {
    /// The socket of a connection.
    pub(super) fn get(&self, id: &ConnId) -> Option<&WebSocket> {
        self.0.iter().find(|(other, _)| other == id).map(|(_, socket)| socket)
    }

    /// Visits every socket.
    pub(super) fn each(&self, visit: impl Fn(&WebSocket)) {
        self.0.iter().for_each(|(_, socket)| visit(socket));
    }

    /// Adds the socket of a new connection.
    pub(super) fn insert(&mut self, id: ConnId, socket: WebSocket) {
        self.0.push((id, socket));
    }
}
