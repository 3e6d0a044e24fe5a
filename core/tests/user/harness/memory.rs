//! The facts of one user without SQL.

use super::*;

/// The same facts of one user without SQL, for tests that need many.
#[derive(Clone, Debug, Default)]
pub struct Memory {
    profile: Profile,
    account: Option<Account>,
    tokens: BTreeMap<TokenHash, TokenRow>,
    held: BTreeMap<RecordId, HeldEnd>,
    records: BTreeMap<RecordId, Shown>,
    subscriptions: BTreeMap<(String, UserId), (RegistrationVersion, PresenceVersion)>,
    watchers: BTreeMap<UserId, RegistrationVersion>,
    subscription_state: SubscriptionState,
}

/// Whether the change makes the user's own row where there is none.
fn makes_a_row(change: &Change) -> bool {
    matches!(
        change,
        Change::Tenant(_)
            | Change::Home(_)
            | Change::Revoked { .. }
            | Change::RevokedIn(_)
            | Change::Unlocked(_)
            | Change::Settled(_)
            | Change::Denied(_)
            | Change::Seen { .. }
    )
}

impl Store for Memory {
    fn load_part(&self, user: &User, needs: &Needs, now: Timestamp) -> Loaded {
        let mut loaded = Loaded::default();
        if needs.profile {
            loaded.profile = Some(self.profile.clone());
        }
        if needs.account {
            loaded.account = Some(self.account.clone());
        }
        if needs.valid_tokens {
            let counts = |row: &&TokenRow| {
                row.state == TokenState::Valid && row.expires > now && row.platform != Platform::Admin
            };
            loaded.valid = Some(self.tokens.values().filter(counts).cloned().collect());
        }
        if let Some(query) = &needs.tokens {
            let is_meant = |row: &&TokenRow| match query {
                TokenQuery::After(after) => after.is_none_or(|after| row.hash > after),
                TokenQuery::Newest => true,
                TokenQuery::These(hashes) => hashes.contains(&row.hash),
            };
            let is_fresh = |row: &&TokenRow| row.expires > now;
            let mut rows: Vec<_> = self.tokens.values().filter(is_fresh).filter(is_meant).cloned().collect();
            if *query == TokenQuery::Newest {
                rows.sort_by_key(|row| (row.state == TokenState::Kicked, std::cmp::Reverse(row.order)));
                loaded.token_count = rows.len().try_into().unwrap();
            } else {
                rows.sort_by_key(|row| row.hash);
            }
            rows.truncate(TOKENS_AT_ONCE);
            loaded.tokens = Some(rows);
        }
        if let Some(hash) = needs.presented {
            loaded.presented = Some(self.tokens.get(&hash).cloned());
        }
        if needs.held {
            loaded.held = Some(self.held.values().copied().collect());
        }
        let live: Vec<String> = user.connections().iter().map(|one| one.id.to_string()).collect();
        if needs.subscription_state {
            loaded.subscription_state = Some(WatchedState {
                is_watched: !self.watchers.is_empty(),
                is_following: !self.subscriptions.is_empty(),
                state: self.subscription_state.clone(),
            });
        }
        if let Some(connection) = needs.subscriptions {
            let of = connection.to_string();
            let own = self.subscriptions.iter().filter(|((other, _), _)| *other == of);
            let row = |((_, watched), (registration, acknowledged)): (
                &(String, UserId),
                &(RegistrationVersion, PresenceVersion),
            )| Subscription {
                watched: watched.clone(),
                registration: *registration,
                acknowledged: *acknowledged,
            };
            loaded.subscriptions = Some(own.map(row).collect());
        }
        if let Some(watched) = &needs.followers_of {
            let rows = self.subscriptions.iter();
            let follows = rows.filter(|((id, other), _)| other == watched && live.contains(id));
            let row = |((id, _), (_, acknowledged)): (&(String, UserId), &(_, PresenceVersion))| {
                (id.parse().unwrap(), *acknowledged)
            };
            loaded.followers = Some(follows.map(row).collect());
        }
        if needs.dangling {
            let lives = |id: &String| live.contains(id);
            let rows = self.subscriptions.keys().filter(|(id, _)| !lives(id));
            let row = |(id, watched): &(String, UserId)| DanglingSubscription {
                connection: id.clone(),
                watched: watched.clone(),
                is_followed: self.subscriptions.keys().any(|(id, other)| other == watched && lives(id)),
            };
            loaded.dangling = Some(rows.take(100).map(row).collect());
        }
        if let Some(watcher) = &needs.watcher {
            loaded.watcher = Some(self.watchers.get(watcher).copied());
        }
        if needs.watchers {
            let after = self.subscription_state.fan_out.as_ref().and_then(|fan_out| fan_out.after.as_ref());
            let behind = self.watchers.iter().filter(|(watcher, _)| Some(*watcher) > after);
            let page =
                behind.take(WATCHERS_AT_ONCE).map(|(watcher, registration)| (watcher.clone(), *registration));
            loaded.watchers = Some(page.collect());
        }
        loaded
    }

    fn commit(&mut self, _: &UserId, changes: &[Change], fail: bool) -> Result<(), CommitFailed> {
        if fail {
            return Err(CommitFailed);
        }
        for change in changes {
            self.profile.is_known |= makes_a_row(change);
            match change {
                Change::Profile(profile) => {
                    let Profile { tenant, home, last_order, issue_clock, first_expiry, .. } = profile.clone();
                    self.profile = Profile {
                        tenant,
                        home,
                        last_order,
                        issue_clock,
                        first_expiry,
                        is_known: true,
                        ..self.profile.clone()
                    };
                }
                Change::Account(account) => self.account = Some(account.clone()),
                Change::Tenant(tenant) => {
                    self.profile.tenant = Some(*tenant);
                    self.profile.home = Some(*tenant);
                }
                Change::Home(tenant) => self.profile.home = Some(*tenant),
                Change::Revoked { at } => self.profile.revoked_at = self.profile.revoked_at.max(Some(*at)),
                Change::RevokedIn(orders) => self.profile.revoked_in = orders.clone(),
                Change::Unlocked(serials) => {
                    self.profile.revoked_at = None;
                    self.profile.revoked_in.clear();
                    self.profile.unlocked_in = serials.clone();
                }
                Change::Settled(serials) => self.profile.settled_in = serials.clone(),
                Change::Denied(windows) => self.profile.denied = windows.clone(),
                Change::Unseen { .. } => self.profile.is_unseen = true,
                Change::Seen { .. } => self.profile.is_unseen = false,
                Change::TokenIssued(row) => {
                    let twin = self.tokens.insert(row.hash, row.clone());
                    assert!(twin.is_none(), "a token was issued twice");
                }
                Change::TokenRestored(row) => {
                    self.tokens.entry(row.hash).or_insert_with(|| row.clone());
                }
                Change::TokensKicked(TokenSet::These(hashes)) => {
                    for hash in hashes {
                        if let Some(row) = self.tokens.get_mut(hash) {
                            row.state = TokenState::Kicked;
                        }
                    }
                }
                Change::TokensKicked(set) => {
                    for row in self.tokens.values_mut().filter(|row| set.contains(&row.hash, row.platform)) {
                        row.state = TokenState::Kicked;
                    }
                }
                Change::TokensTaken { by, .. } => {
                    for row in self.tokens.values_mut().filter(|row| row.under < *by) {
                        row.state = TokenState::Kicked;
                    }
                }
                Change::TokensOutdated { by } => {
                    for row in self.tokens.values_mut().filter(|row| row.issued_at <= *by) {
                        row.state = TokenState::Kicked;
                    }
                }
                Change::TokensUnder(serial) => {
                    for row in self.tokens.values_mut().filter(|row| row.state == TokenState::Valid) {
                        row.under = *serial;
                    }
                }
                Change::RecordOpened(record) => {
                    let shown = Shown { online_at: record.online_at.millis(), offline_at: None };
                    assert!(self.records.insert(record.id, shown).is_none(), "a record was opened twice");
                }
                Change::RecordEnded { record, at } => {
                    let shown = self.records.get_mut(record).expect("what ends was opened");
                    shown.offline_at = shown.offline_at.or(Some(at.millis()));
                }
                Change::EndHeld(held) => {
                    self.held.insert(held.record, *held);
                }
                Change::HeldReleased => self.held.clear(),
                Change::Subscribed { connection, watched } => {
                    for (user, registration) in watched {
                        let row = self.subscriptions.entry((connection.to_string(), user.clone()));
                        row.or_insert((*registration, PresenceVersion::unanswered())).0 = *registration;
                    }
                }
                Change::Unsubscribed { connection, watched } => {
                    for user in watched {
                        let row = self.subscriptions.remove(&(connection.to_string(), user.clone()));
                        self.subscriptions.extend(row.map(|row| ((String::new(), user.clone()), row)));
                    }
                }
                Change::TakenBack(watched) => {
                    for user in watched {
                        let row = self.subscriptions.entry((String::new(), user.clone()));
                        row.or_default();
                    }
                }
                Change::Released(dangling) => {
                    for DanglingSubscription { connection, watched, .. } in dangling {
                        self.subscriptions.remove(&(connection.clone(), watched.clone()));
                    }
                }
                Change::Acknowledged { connection, presences } => {
                    for (user, presence) in presences {
                        if let Some(row) = self.subscriptions.get_mut(&(connection.to_string(), user.clone()))
                        {
                            row.1 = *presence;
                        }
                    }
                }
                Change::Watched { watcher, registration } => {
                    let known = self.watchers.entry(watcher.clone()).or_insert(*registration);
                    *known = (*known).max(*registration);
                }
                Change::Unwatched(watchers) => {
                    for (watcher, by) in watchers {
                        self.watchers.retain(|other, registration| other != watcher || *registration > *by);
                    }
                }
                Change::SubscriptionState(state) => self.subscription_state = state.clone(),
                // No user reads it.
                Change::Audited(_) => {}
            }
        }
        Ok(())
    }

    fn tokens(&self, _: &UserId) -> BTreeMap<TokenHash, TokenState> {
        self.tokens.values().map(|row| (row.hash, row.state)).collect()
    }

    fn records(&self) -> BTreeMap<RecordId, Shown> {
        self.records.clone()
    }

    fn dump(&self) -> String {
        format!("{self:?}")
    }
}
