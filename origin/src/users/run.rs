//! Carrying out a command: load, apply, commit, act, answer.

use std::{sync::Arc, time::Duration};

use rollcall_core::{
    id::{ConnId, UserId},
    token::book::TokenRow,
    user::{Action, Change, Command, Loaded, Needs, Outcome, Reply, Ticket},
};

use super::{Users, entry::Entry};
use crate::{
    backend::{moment, now},
    socket::{Closed, Outbox},
    store::StoreError,
};

/// How often the end of a socket that is gone is tried to be made durable, and how long between tries.
const END_RETRIES: Duration = Duration::from_secs(1);

/// A command was not carried out; nothing changed.
#[derive(Clone, Debug, thiserror::Error)]
pub enum Failure {
    /// The store could not be read or written.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// A stored row does not read.
    #[error("{0}")]
    Unreadable(String),
}

impl Users {
    /// Gives a command to a user and waits until all of its outcome has happened.
    ///
    /// # Errors
    /// When the state could not be loaded or the changes not be committed. Then nothing happened.
    pub async fn run(&self, id: &UserId, command: Command) -> Result<Reply, Failure> {
        self.give(id, command, None).await
    }

    /// The same for a command that opens a connection, whose socket will read from `outbox`.
    ///
    /// # Errors
    /// As [`Users::run`].
    pub async fn open(&self, id: &UserId, command: Command, outbox: Outbox) -> Result<Reply, Failure> {
        self.give(id, command, Some(outbox)).await
    }

    /// Tells a user that a socket is gone, for as long as it takes: a store that cannot write now must not leave a
    /// ghost behind.
    pub async fn end(&self, id: &UserId, connection: ConnId) {
        while let Err(error) = self.run(id, Command::Close { connection }).await {
            tracing::error!(%error, "the end of a connection is not durable yet");
            self.forget_socket(id, connection);
            tokio::time::sleep(END_RETRIES).await;
        }
        self.forget_socket(id, connection);
    }

    async fn give(&self, id: &UserId, command: Command, outbox: Option<Outbox>) -> Result<Reply, Failure> {
        match command {
            Command::Status => Ok(self.status(id)),
            Command::VerifyToken { .. } => self.verify(id, &command).await,
            command => {
                let entry = self.shared.table.enter(id);
                let result = self.change(id, &entry, &command, outbox).await;
                self.shared.table.leave(id, entry);
                result
            }
        }
    }

    /// From memory: a user that is not there has no sockets, and a connection without a socket is not there, even
    /// while its end waits to become durable.
    fn status(&self, id: &UserId) -> Reply {
        let Some(entry) = self.shared.table.get(id) else { return Reply::Presence(Vec::new()) };
        let live = entry.live.lock();
        match live.user.apply(&Command::Status, &Loaded::default(), &self.shared.rules, moment()).reply {
            Reply::Presence(mut all) => {
                all.retain(|presence| live.sockets.contains_key(&presence.connection));
                Reply::Presence(all)
            }
            other => other,
        }
    }

    /// From memory where the token is remembered, else from the store.
    async fn verify(&self, id: &UserId, command: &Command) -> Result<Reply, Failure> {
        let entry = self.shared.table.enter(id);
        let result = async {
            let loaded = self.load(id, &entry, command).await?;
            Ok(entry.live.lock().user.apply(command, &loaded, &self.shared.rules, moment()).reply)
        }
        .await;
        self.shared.table.leave(id, entry);
        result
    }

    async fn change(
        &self,
        id: &UserId,
        entry: &Arc<Entry>,
        command: &Command,
        outbox: Option<Outbox>,
    ) -> Result<Reply, Failure> {
        let gate = entry.gate.lock().await;
        let loaded = self.load(id, entry, command).await?;
        let outcome = entry.live.lock().user.apply(command, &loaded, &self.shared.rules, moment());
        let Outcome { reply, changes, actions, wake_at } = outcome;
        if !changes.is_empty() {
            let statements = changes.iter().flat_map(|change| change.statements(id)).collect();
            self.shared.store.commit(statements).await?;
        }
        if changes.iter().any(touches_tokens) {
            entry.live.lock().forget_tokens();
        }
        let closing = self.act(id, entry, actions, outbox);
        drop(gate);
        if let Some(until) = wake_at {
            self.wake(id, until.since(now()));
        }
        if matches!(command, Command::ForceOff(_)) {
            // The answer to a forced logout means that the sockets are closed. Each is cut within its bound.
            for closed in closing {
                closed.wait().await;
            }
        }
        Ok(reply)
    }

    /// Carries out the actions in order; the closes that were begun come back.
    fn act(
        &self,
        id: &UserId,
        entry: &Entry,
        actions: Vec<Action>,
        mut outbox: Option<Outbox>,
    ) -> Vec<Closed> {
        let mut closing = Vec::new();
        let mut live = entry.live.lock();
        for action in actions {
            live.settle(&action);
            match action {
                Action::Admit(connection) => {
                    if let Some(outbox) = outbox.take() {
                        live.sockets.insert(connection.id, outbox);
                    }
                }
                Action::Send { connection, payload } => {
                    if let Some(socket) = live.socket(connection) {
                        socket.send(payload);
                    }
                }
                Action::Close { connection, close } => {
                    closing.extend(live.socket(connection).map(|s| s.close(close)))
                }
                Action::Ask { users, ticket } => {
                    let (all, id) = (self.clone(), id.clone());
                    tokio::spawn(async move { all.ask(&id, users, ticket).await });
                }
                // The records were committed with the rest: list and search read the same database.
                Action::Publish { .. } | Action::Retire(_) | Action::SetBackground { .. } => {}
            }
        }
        closing
    }

    async fn ask(&self, id: &UserId, users: Vec<UserId>, ticket: Ticket) {
        let asked = users.into_iter().map(|user| match self.status(&user) {
            Reply::Presence(presences) => Some((user, presences)),
            _ => None,
        });
        let presences = asked.collect();
        if let Err(error) = self.run(id, Command::Answered { ticket, presences }).await {
            tracing::error!(%error, "an answer was lost");
        }
    }

    /// Gives the user its `Tick` after `span`.
    pub fn wake(&self, id: &UserId, span: Duration) {
        let (all, id) = (self.clone(), id.clone());
        tokio::spawn(async move {
            tokio::time::sleep(span).await;
            while let Err(error) = all.run(&id, Command::Tick).await {
                tracing::error!(%error, "a held end is not durable yet");
                tokio::time::sleep(END_RETRIES).await;
            }
        });
    }

    async fn load(&self, id: &UserId, entry: &Entry, command: &Command) -> Result<Loaded, Failure> {
        let mut needs = command.needs();
        let mut loaded = Loaded::default();
        let age = entry.live.lock().token_age();
        if let Some(hash) = needs.presented
            && let Some(row) = entry.live.lock().token(&hash)
        {
            loaded.presented = row;
            needs.presented = None;
        }
        let parts = needs.queries(id, now());
        if parts.is_empty() {
            return Ok(loaded);
        }
        let (parts, statements): (Vec<_>, Vec<_>) = parts.into_iter().unzip();
        let answers = self.shared.store.query(statements).await?;
        for (part, rows) in parts.into_iter().zip(answers) {
            loaded.absorb(part, &rows).map_err(|error| Failure::Unreadable(error.to_string()))?;
        }
        if let Needs { presented: Some(hash), .. } = needs {
            let row: Option<TokenRow> = loaded.presented.clone();
            entry.live.lock().remember(age, hash, row);
        }
        Ok(loaded)
    }

    /// From here on nobody sees the connection, whatever the store says.
    fn forget_socket(&self, id: &UserId, connection: ConnId) {
        if let Some(entry) = self.shared.table.get(id) {
            entry.live.lock().sockets.remove(&connection);
            self.shared.table.leave(id, entry);
        }
    }
}

fn touches_tokens(change: &Change) -> bool {
    matches!(change, Change::TokenIssued(_) | Change::TokensKicked(_))
}
