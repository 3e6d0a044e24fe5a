//! A command: rehydrate, apply, commit, carry out, answer.

use std::{collections::HashMap, rc::Rc};

use rollcall_core::{
    id::{ConnId, UserId},
    store::Statement,
    user::{Action, Command, Connection, Outcome, Reply, User},
};
use worker::WebSocket;

use super::{
    Object,
    attachment::{Attachment, TooBig},
    sockets::Arriving,
};
use crate::{
    clock::{self, NoEntropy},
    sql::SqlError,
};

/// A command was not carried out, or the directory has not heard of it.
#[derive(Debug, thiserror::Error)]
pub(super) enum Failure {
    /// The store could not be read or written; nothing happened.
    #[error(transparent)]
    Sql(#[from] SqlError),
    /// A stored row does not read; nothing happened.
    #[error("{0}")]
    Unreadable(String),
    /// There is no good configuration; nothing happened.
    #[error("{0}")]
    Configuration(String),
    /// Nothing happened.
    #[error(transparent)]
    NoEntropy(#[from] NoEntropy),
    /// The object has no user's name; nothing happened.
    #[error("the object does not know whose it is")]
    Nobody,
    /// The connection cannot be kept; nothing happened.
    #[error(transparent)]
    TooBig(#[from] TooBig),
    /// It was done, but the directory could not be told in time. Repeating it is safe.
    #[error("done, but the directory could not be told: {0}")]
    Untold(String),
}

impl Object {
    /// Gives the user a command and waits until all of its outcome has happened. `arriving` is the socket of an
    /// opening, `on` the socket that the command is about.
    pub(super) async fn run(
        self: Rc<Self>,
        command: &Command,
        arriving: Option<Arriving>,
        on: Option<&WebSocket>,
    ) -> Result<Reply, Failure> {
        // From here to the end of the commit there is no waiting.
        let id = self.user()?;
        let configuration = self.configuration()?;
        self.look_back(&id, on)?;
        let held = self.held(on);
        let ending = match command {
            Command::Close { connection } => Some(*connection),
            _ => None,
        };
        // A socket that is closing is nobody's connection, but that its end is still to be written down.
        let is_live = |connection: &Connection, open: bool| open || Some(connection.id) == ending;
        let live = held
            .iter()
            .filter_map(|held| held.connection().filter(|connection| is_live(connection, held.is_open())));
        let user = User::new(id.clone(), live.cloned().collect());
        let at = clock::moment()?;
        let loaded = self.load(&id, command, at.now)?;
        let Outcome { reply, changes, actions, wake_at } =
            user.apply(command, &loaded, &configuration.rules, at);
        check_sizes(&actions)?;
        if !changes.is_empty() {
            let statements: Vec<Statement> =
                changes.iter().flat_map(|change| change.statements(&id)).collect();
            self.sql().write(&statements)?;
        }
        if wake_at.is_some() {
            self.arm(wake_at);
        }
        let sockets = held.into_iter().map(|held| (held.id(), held.ws)).collect();
        self.carry_out(command, actions, sockets, arriving).await?;
        Ok(reply)
    }

    /// The user as it is now, for commands that only look.
    pub(super) fn presence(&self, id: &UserId) -> Result<Reply, Failure> {
        let held = self.held(None);
        let live = held.iter().filter(|held| held.is_open()).filter_map(|held| held.connection());
        let user = User::new(id.clone(), live.cloned().collect());
        let configuration = self.configuration()?;
        Ok(user.apply(&Command::Status, &Default::default(), &configuration.rules, clock::moment()?).reply)
    }
}

/// A connection that does not fit on its socket is refused before anything is durable.
fn check_sizes(actions: &[Action]) -> Result<(), TooBig> {
    actions.iter().try_for_each(|action| match action {
        Action::Admit(connection) => {
            Attachment::Live { connection: connection.clone(), heard: connection.opened_at }.pack().map(drop)
        }
        _ => Ok(()),
    })
}

/// The sockets of an event, by connection.
pub(super) type Sockets = HashMap<ConnId, WebSocket>;
