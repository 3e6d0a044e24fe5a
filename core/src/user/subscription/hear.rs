//! What a follower is told of whom it follows.

use prost::Message as _;

use super::{
    Notice,
    follow::{IDENTIFIER, tip},
};
use crate::{
    gateway::{self, frame::Response, payload::PresenceTips},
    user::{Action, Change, Loaded, Outcome, Reply, User},
};

impl User {
    /// Every connection that follows the user and knows less is told; one that waits for its answer reads it there. Answered with whether there is any, so that who is
    /// followed by nobody here need not tell again.
    pub(in crate::user) fn notified(&self, notice: &Notice, loaded: &Loaded) -> Outcome {
        let followers =
            loaded.followers.iter().filter_map(|(id, heard)| Some((self.connection(*id)?, heard)));
        let followers: Vec<_> = followers.collect();
        let mut outcome = Outcome::of(Reply::Follows(!followers.is_empty()));
        let Notice { watched, seen } = notice;
        for (connection, heard) in followers {
            if heard.sequence >= seen.sequence {
                continue;
            }
            let told = vec![(watched.clone(), *seen)];
            outcome.changes.push(Change::Heard { connection: connection.id, told });
            if heard.platforms == seen.platforms || heard.is_unanswered() {
                continue;
            }
            let tips = PresenceTips { users: vec![tip(watched.as_str(), seen.platforms)] };
            let push =
                Response { identifier: IDENTIFIER, data: Some(tips.encode_to_vec()), ..Response::default() };
            let payload = gateway::encode(connection.wire, &push);
            outcome.actions.push(Action::Send { connection: connection.id, payload });
        }
        outcome
    }
}
