//! Taking logins back (`docs/rules/openim.md#force-logout`): the tokens are dead before any socket hears of it.
//!
//! The directory is told whatever was found: an earlier order may have failed to tell it and answered so, and repeating
//! that one has to make up for it.

use super::{
    Action, Change, Connection, ForceOff, Loaded, Outcome, Reply, User, close::release, ending::farewell,
};
use crate::{time::Moment, token::book::TokenSet};

impl User {
    pub(super) fn force_off(&self, what: &ForceOff, loaded: &Loaded, at: Moment) -> Outcome {
        let Some(dead) = self.dead_tokens(what) else {
            let actions = self.awaited_publication().into_iter().collect();
            return Outcome { actions, ..Outcome::of(Reply::Done) };
        };
        let leaving: Vec<&Connection> = self
            .connections
            .iter()
            .filter(|connection| dead.contains(&connection.token.hash, connection.token.platform))
            .collect();
        let (ends, mut actions) = self.end(&leaving, at.now);
        let mut changes = vec![Change::TokensKicked(dead)];
        // A forced logout never waits for the grace period, not even for an end that came before it.
        changes.extend(release(loaded));
        changes.extend(ends);
        actions.extend(self.awaited_publication());
        actions.extend(leaving.into_iter().flat_map(farewell));
        Outcome { changes, actions, ..Outcome::of(Reply::Done) }
    }

    /// Only users whose name is a number have records.
    fn awaited_publication(&self) -> Option<Action> {
        self.id.number().map(|_| Action::Publish { awaited: true })
    }

    /// Which tokens die; `None` when what was named is not there.
    fn dead_tokens(&self, what: &ForceOff) -> Option<TokenSet> {
        match what {
            ForceOff::Platform(platform) => Some(TokenSet::Platform { platform: *platform, except: None }),
            ForceOff::Token(token) => Some(TokenSet::These(vec![*token])),
            // The connection's token dies with it, or its client would be back at once.
            ForceOff::Connection(id) => {
                self.connection(*id).map(|found| TokenSet::These(vec![found.token.hash]))
            }
            ForceOff::Everything => Some(TokenSet::All),
        }
    }
}
