//! The cases. A file is one subject of the documents; a case's name is the sentence that it shows.

use std::{pin::Pin, time::Duration};

use anyhow::Result;

use crate::{profile::Profile, settings::Settings, world::World};

mod accounts;
mod admin_token;
mod bodies;
mod claims;
mod compat;
mod connections;
mod detail;
mod force_logout;
mod frames;
mod gate;
mod handshake;
mod headers;
mod kick;
mod limits;
mod load;
pub mod message_center;
mod narrow;
mod pages;
mod parse_token;
mod permission;
mod plain_status;
mod policies;
mod population;
mod rest_subscriptions;
mod retention;
mod robustness;
mod same_token;
mod sizes;
mod status;
mod style;
mod subscriptions;
mod surface;
mod tokens;
mod user_token;
mod vector_frames;
mod vector_http;
mod vector_jwt;
mod vector_policy;
mod verification;

/// Which cases may not run while one runs. A case has users, tenants and ids of its own unless it says otherwise here.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Isolation {
    /// Every other case may.
    None,
    /// Cases that use the state of this name may not.
    Shares(&'static str),
    /// No other case may, for this reason.
    Alone(&'static str),
}

/// A case under way.
pub type Running = Pin<Box<dyn Future<Output = Result<()>> + Send>>;

/// One case.
#[derive(Clone, Debug)]
pub struct Case {
    /// Profile and sentence, `base/kicked_token_is_refused_after_reconnect`.
    pub name: &'static str,
    /// The configuration that it needs.
    pub profile: Profile,
    /// Whether it sends tokens of the vectors as they are, which only their own secret verifies.
    pub literal: bool,
    /// The time after which it counts as hanging, if that is longer than usual.
    pub bound: Option<Duration>,
    /// Which cases may not run at the same time.
    pub isolation: Isolation,
    /// Its body.
    pub run: fn(World) -> Running,
}

impl Case {
    /// Marks a case that needs the vectors' secret.
    #[must_use]
    pub fn with_literal_tokens(mut self) -> Self {
        self.literal = true;
        self
    }

    /// Marks a case that uses state which other cases use as well.
    #[must_use]
    pub fn sharing(mut self, state: &'static str) -> Self {
        self.isolation = Isolation::Shares(state);
        self
    }

    /// Why a server with these settings cannot exercise this case, if so.
    pub fn mismatch(&self, settings: &Settings) -> Option<String> {
        let vectors = self.profile == Profile::Base && self.literal;
        if vectors && settings.secret.as_deref() != Profile::Base.settings().secret.as_deref() {
            return Some("sends tokens that only the vectors' secret verifies".to_owned());
        }
        self.profile.mismatch(settings)
    }
}

/// Registers cases of one profile. Behind a name may follow, in this order: `within N`, the seconds that it may take;
/// `sharing STATE`, the name of state that other cases use as well; `alone REASON`, where no other case may run beside.
macro_rules! cases {
    ($profile:ident, $prefix:literal: $($name:ident
        $(within $seconds:literal)? $(sharing $state:literal)? $(alone $reason:literal)?),+ $(,)?) => {
        vec![$($crate::cases::Case {
            name: concat!($prefix, "/", stringify!($name)),
            profile: $crate::profile::Profile::$profile,
            literal: false,
            bound: None$(.or(Some(std::time::Duration::from_secs($seconds))))?,
            isolation: [
                $($crate::cases::Isolation::Alone($reason),)?
                $($crate::cases::Isolation::Shares($state),)?
                $crate::cases::Isolation::None,
            ][0],
            // Unit tests look at the list alone: they name each body and have none compiled, which takes half a minute.
            #[cfg(test)]
            run: |_| {
                let _body = $name;
                Box::pin(std::future::pending())
            },
            #[cfg(not(test))]
            run: |world| Box::pin($name(world)),
        }),+]
    };
}
pub(crate) use cases;

/// Every case, in the order of the files.
pub fn all() -> Vec<Case> {
    let files: [fn() -> Vec<Case>; 39] = [
        vector_http::cases,
        vector_jwt::cases,
        vector_policy::cases,
        vector_frames::cases,
        pages::cases,
        surface::cases,
        headers::cases,
        bodies::cases,
        sizes::cases,
        robustness::cases,
        admin_token::cases,
        user_token::cases,
        parse_token::cases,
        permission::cases,
        claims::cases,
        tokens::cases,
        verification::cases,
        status::cases,
        detail::cases,
        plain_status::cases,
        compat::cases,
        accounts::cases,
        population::cases,
        rest_subscriptions::cases,
        handshake::cases,
        gate::cases,
        frames::cases,
        connections::cases,
        force_logout::cases,
        kick::cases,
        policies::cases,
        same_token::cases,
        limits::cases,
        style::cases,
        narrow::cases,
        load::cases,
        retention::cases,
        subscriptions::cases,
        message_center::audit::base,
    ];
    files.iter().flat_map(|file| file()).chain(message_center::cases()).collect()
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;
    use crate::vectors;

    #[test]
    fn every_vector_is_a_case_of_that_name() {
        let names: Vec<&str> = all().iter().map(|case| case.name).collect();
        let mut ids = vectors::load().unwrap().ids();
        ids.push("vparameter".to_owned());
        for id in ids {
            let start = format!("/{}_", id.to_lowercase());
            assert!(names.iter().any(|name| name.contains(&start)), "{id}");
        }
    }

    #[test]
    fn names_are_unique_and_begin_with_their_profile() {
        let mut seen = HashSet::new();
        for case in all() {
            assert!(seen.insert(case.name), "{} twice", case.name);
            assert!(case.name.starts_with(&format!("{}/", case.profile)), "{}", case.name);
        }
    }

    #[test]
    fn every_profile_has_cases_and_all_apply_to_what_the_suite_starts() {
        for profile in Profile::ALL {
            let cases: Vec<Case> = all().into_iter().filter(|case| case.profile == profile).collect();
            assert!(!cases.is_empty(), "{profile}");
            assert!(cases.iter().all(|case| case.mismatch(&profile.settings()).is_none()), "{profile}");
        }
    }
}
