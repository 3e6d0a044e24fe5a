//! What follows a commit, in its order: out of the live set, published, frame, close.

use std::rc::Rc;

use rollcall_api::metrics::{CloseReason, KickCause, console_protocol, protocol};
use rollcall_core::{
    gateway::Close,
    user::{Action, Command},
};

use super::{
    Object,
    attachment::AttachError,
    run::{RunError, Sockets},
    sockets::{self, Arriving},
};
use crate::{attachment::Attachment, metrics};

impl Object {
    /// Carries the actions out one by one. Waits for the directory only, and only where the rest has to follow its acknowledgement.
    ///
    /// Everything is committed by now. So an action that fails does not keep the others from being carried out: a retired socket
    /// gets its frame and its close. The first failure is returned behind the last action.
    pub(super) async fn carry_out(
        self: Rc<Self>,
        command: &Command,
        actions: Vec<Action>,
        mut sockets: Sockets,
        mut arriving: Option<Arriving>,
    ) -> Result<(), RunError> {
        let cause = KickCause::of(command);
        let mut admitted = Ok(());
        let mut published = Ok(());
        let mut has_news = false;
        for action in actions {
            match action {
                Action::Retire(ids) => {
                    for id in ids {
                        if let Some(socket) = sockets.get(&id) {
                            sockets::mark_ended(socket, id);
                        }
                    }
                }
                Action::KeepPace(pace) => self.pace.set(pace),
                Action::Admit(connection) => {
                    metrics::connected(&self.env, protocol(connection.wire));
                    self.last_date.set(connection.opened_at);
                    admitted = self.take_in(&Attachment::live(&connection), arriving.take(), &mut sockets);
                }
                Action::AdmitConsole(console) => {
                    metrics::connected(&self.env, console_protocol(&console));
                    self.last_date.set(console.opened_at);
                    admitted = self.take_in(&Attachment::console(&console), arriving.take(), &mut sockets);
                }
                Action::KeepConsole(console) => {
                    if let Some(socket) = sockets.get(&console.id) {
                        sockets::keep_console(socket, console);
                    }
                }
                Action::SetUnder(serial) => sockets.each(|socket| sockets::set_under(socket, serial)),
                Action::SetBackground { connection, background } => {
                    if let Some(socket) = sockets.get(&connection) {
                        sockets::set_background(socket, background);
                    }
                }
                Action::Publish { awaited: true } => published = self.publish_in_time().await,
                Action::Publish { awaited: false } => has_news = true,
                Action::Send { connection, payload } => {
                    if let Some(socket) = sockets.get(&connection) {
                        sockets::send(socket, &payload);
                    }
                }
                Action::Close { connection, close } => {
                    if let Some(socket) = sockets.get(&connection) {
                        metrics::closed(&self.env, CloseReason::Closed(close));
                        if matches!(close, Close::Kicked | Close::ForcedOffline) {
                            metrics::kicked(&self.env, cause);
                        }
                        // Its client may have closed it by now.
                        let _ = socket.close(Some(close.code()), Some(close.reason()));
                    }
                }
            }
        }
        // An alarm publishes by itself when its tick is done.
        if has_news && *command != Command::Tick {
            self.publish_soon();
        }
        if let Err(error) = admitted {
            // The record that was opened has no socket.
            self.reconcile_again();
            return Err(error.into());
        }
        published.map_err(|error| RunError::Unpublished(Box::new(error)))
    }

    fn take_in(
        &self,
        attachment: &Attachment,
        arriving: Option<Arriving>,
        sockets: &mut Sockets,
    ) -> Result<(), AttachError> {
        if let Some(arriving) = arriving {
            self.admit(&arriving, attachment)?;
            sockets.insert(attachment.id(), arriving.socket);
        }
        Ok(())
    }
}
