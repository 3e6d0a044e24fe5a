//! What other processes have for sockets of this one.

use rollcall_api::metrics::KickCause;

use super::registry::Users;
use crate::cluster::Parcel;

impl Users {
    /// Brings what is there for sockets of one user to them, and waits until those are closed that it closes. What is for a socket that
    /// is gone has arrived.
    pub(crate) async fn bring(&self, parcels: &[Parcel]) {
        let Some(first) = parcels.first() else { return };
        let user = self.entry(&first.user);
        // One that is being opened has its row before its socket is known.
        let lock = user.lock().await;
        let mut closing = Vec::new();
        for parcel in parcels {
            let actions = {
                let live = user.live.lock();
                let is_there = live.socket(parcel.connection).is_some();
                if is_there { parcel.actions(&live.user) } else { Vec::new() }
            };
            closing.extend(self.act(&user, actions, None, KickCause::Order));
        }
        drop(lock);
        for closed in closing {
            closed.wait().await;
        }
    }
}
