//! The follower's side: pushes to its connections when a user that they follow has moved.

use prost::Message as _;

use super::{
    PresenceNotice,
    follow::{IDENTIFIER, tip},
};
use crate::{
    gateway::{self, frame::Response, payload::PresenceTips},
    user::{Action, Change, Loaded, NotLoaded, Outcome, Reply, User},
};

impl User {
    /// Pushes a newer presence to every connection that follows the user. A connection whose request is unanswered reads it in
    /// the answer. The reply says whether any connection follows, so that the followed user can drop this watcher.
    pub(in crate::user) fn notified(
        &self,
        notice: &PresenceNotice,
        loaded: &Loaded,
    ) -> Result<Outcome, NotLoaded> {
        let followers = loaded
            .followers()?
            .iter()
            .filter_map(|(id, acknowledged)| Some((self.connection(*id)?, acknowledged)));
        let followers: Vec<_> = followers.collect();
        let mut outcome = Outcome::of(Reply::Follows(!followers.is_empty()));
        let PresenceNotice { watched, presence } = notice;
        for (connection, acknowledged) in followers {
            if acknowledged.sequence >= presence.sequence {
                continue;
            }
            let presences = vec![(watched.clone(), *presence)];
            outcome.changes.push(Change::Acknowledged { connection: connection.id, presences });
            if acknowledged.platforms == presence.platforms || acknowledged.is_unanswered() {
                continue;
            }
            let tips = PresenceTips { users: vec![tip(watched.as_str(), presence.platforms)] };
            let push =
                Response { identifier: IDENTIFIER, data: Some(tips.encode_to_vec()), ..Response::default() };
            let payload = gateway::encode(connection.wire, &push);
            outcome.actions.push(Action::Send { connection: connection.id, payload });
        }
        Ok(outcome)
    }
}
