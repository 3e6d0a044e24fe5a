//! What other processes have for sockets of this one.

use rollcall_api::metrics::KickCause;

use super::{entry::Live, entry_guard::EntryGuard, registry::Users};
use crate::{
    cluster::{Cluster, Parcel},
    outbox::Closing,
};

impl Users {
    /// Brings what is there for sockets of one user to them, and waits until those are closed that it closes. What is for a socket that
    /// is gone has arrived.
    pub(crate) async fn bring(&self, parcels: &[Parcel]) {
        let Some(cluster) = &self.shared.cluster else { return };
        let Some((id, _)) = parcels.first().and_then(|first| first.address.as_ref()) else { return };
        let user = self.entry(id);
        if parcels.iter().any(|parcel| !parcel.closes) {
            // Behind what a command has for the socket that was committed before.
            let _lock = user.lock().await;
            let mut live = user.live.lock();
            for parcel in cluster.frames_of(id) {
                self.bring_to(&mut live, &parcel);
            }
        }
        let mut closing = Vec::new();
        for parcel in parcels.iter().filter(|parcel| parcel.closes) {
            let Some((_, connection)) = &parcel.address else { continue };
            // One that is being opened has its row before its socket is known. For the others nobody waits: a command of the user may take
            // long.
            let is_known = user.live.lock().socket(*connection).is_some();
            let _opened = if is_known { None } else { Some(user.lock().await) };
            closing.extend(self.bring_to(&mut user.live.lock(), parcel));
        }
        for closed in closing {
            closed.wait().await;
        }
    }

    /// Brings frames that were committed before a command of the user holds it: they come before its own. The caller holds the user's lock,
    /// here and in the engine.
    pub(super) fn bring_before(&self, cluster: &Cluster, user: &EntryGuard, parcels: &[Parcel]) {
        let mut live = user.live.lock();
        for parcel in parcels.iter().filter(|parcel| !parcel.closes) {
            if cluster.is_to_be_brought(parcel) {
                self.bring_to(&mut live, parcel);
            }
        }
    }

    fn bring_to(&self, live: &mut Live, parcel: &Parcel) -> Vec<Closing> {
        let is_there =
            parcel.address.as_ref().is_some_and(|(_, connection)| live.socket(*connection).is_some());
        let actions = if is_there { parcel.actions(&live.user) } else { Vec::new() };
        self.act_on(live, actions, None, KickCause::Order)
    }
}
