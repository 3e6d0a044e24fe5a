//! Configurations that cases ask for. Few of them: each costs one start of the subject.

use std::fmt;

use crate::{
    console::{
        date::Zone,
        fixture,
        issuer::{ANYWHERE, RESOLVER_ANYWHERE},
    },
    settings::{Introspection, MessageCenter, Settings, Style},
};

/// The configuration that a case needs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Profile {
    /// Policy 0, the vectors' secret, one administrator.
    Base,
    /// Policy 1, the default.
    Policy1,
    /// Policy 4.
    Policy4,
    /// Policy 5.
    Policy5,
    /// Policy 0 with two tokens a platform and three connections a user.
    Limits,
    /// The other style of `errDlt`.
    V38,
    /// A rotated secret, two administrators, two connections a user, a short token life, policy 1.
    Narrow,
    /// The message center as in its vectors: secure, extended, dates of Shanghai, static tokens.
    Console,
    /// The settings of `Console`, for callers of many tenants: the tokens of one profile have to fit into a variable.
    Walls,
    /// The message center without permissions: open, strict, 204, dates of Greenwich.
    Open,
    /// The message center with an issuer that the suite plays.
    Introspection,
    /// The settings of `Base`, for a few cases with many users.
    Crowd,
    /// The message center with a resolver of departments and groups that the suite plays, behind proxies on loopback.
    Resolver,
}

impl Profile {
    /// In the order in which they run.
    pub const ALL: [Self; 13] = [
        Self::Base,
        Self::Policy1,
        Self::Policy4,
        Self::Policy5,
        Self::Limits,
        Self::V38,
        Self::Narrow,
        Self::Console,
        Self::Walls,
        Self::Open,
        Self::Introspection,
        Self::Crowd,
        Self::Resolver,
    ];

    /// The name used in reports and in the names of cases.
    pub fn name(self) -> &'static str {
        match self {
            Self::Base => "base",
            Self::Policy1 => "policy1",
            Self::Policy4 => "policy4",
            Self::Policy5 => "policy5",
            Self::Limits => "limits",
            Self::V38 => "v38",
            Self::Narrow => "narrow",
            Self::Console => "console",
            Self::Walls => "walls",
            Self::Open => "open",
            Self::Introspection => "introspection",
            Self::Crowd => "crowd",
            Self::Resolver => "resolver",
        }
    }

    /// The configuration that the suite writes for a subject of its own.
    pub fn settings(self) -> Settings {
        let vectors = Settings { secret: Some("openIM123".to_owned()), policy: 0, ..Settings::default() };
        // The cases of the message center share the few users of its tokens, who connect often.
        // At the edge a list asks every shard, which is most of the time of hundreds of lists; `Base` keeps the default.
        let often = Settings { max_connections: 10_000, directory_shards: Some(4), ..vectors.clone() };
        match self {
            Self::Base | Self::Crowd => vectors,
            Self::Policy1 => Settings { policy: 1, ..vectors },
            Self::Policy4 => Settings { policy: 4, ..vectors },
            Self::Policy5 => Settings { policy: 5, ..vectors },
            Self::Limits => Settings { max_tokens: 2, max_connections: 3, ..vectors },
            Self::V38 => Settings { style: Style::V38, ..vectors },
            Self::Narrow => Settings {
                secret: Some("the-second-secret-of-this-deployment".to_owned()),
                previous_secrets: vec!["openIM123".to_owned(), "an-even-older-secret".to_owned()],
                admins: vec!["imAdmin".to_owned(), "opsAdmin".to_owned()],
                ttl_days: 7,
                policy: 1,
                max_connections: 2,
                ..vectors
            },
            Self::Console | Self::Walls => {
                let time_zone = "Asia/Shanghai".to_owned();
                // The records of the vectors ended long ago.
                let message_center = MessageCenter {
                    time_zone,
                    retention_days: 36_500,
                    direct_users: 20,
                    ..MessageCenter::default()
                };
                Settings { message_center, tokens: fixture::tokens(self), ..often }
            }
            Self::Open => {
                let message_center = MessageCenter {
                    open: true,
                    strict: true,
                    off_status: 204,
                    retention_days: 36_500,
                    ..MessageCenter::default()
                };
                Settings { message_center, tokens: fixture::tokens(self), ..often }
            }
            Self::Resolver => {
                let message_center = MessageCenter {
                    resolver: Some(RESOLVER_ANYWHERE.to_owned()),
                    retention_days: 36_500,
                    direct_users: 20,
                    ..MessageCenter::default()
                };
                let trusted_proxies = vec!["127.0.0.0/8".to_owned(), "10.244.0.0/16".to_owned()];
                Settings { trusted_proxies, message_center, tokens: fixture::tokens(self), ..often }
            }
            Self::Introspection => {
                let introspection = Introspection {
                    url: ANYWHERE.to_owned(),
                    client_id: Some("rollcall".to_owned()),
                    client_secret: Some("the-secret-that-the-issuer-knows".to_owned()),
                    cache_seconds: 4,
                };
                let message_center = MessageCenter { retention_days: 36_500, ..MessageCenter::default() };
                Settings {
                    message_center,
                    introspection: Some(introspection),
                    tokens: fixture::tokens(self),
                    ..often
                }
            }
        }
    }

    /// Whether its cases are about the message center.
    fn is_message_center(self) -> bool {
        matches!(self, Self::Console | Self::Open | Self::Introspection | Self::Resolver)
    }

    /// Whether its cases may run on a server that others use.
    pub fn leaves_others_alone(self) -> bool {
        self != Self::Crowd
    }

    /// Why a running server with these settings cannot exercise the cases of this profile, if so.
    pub fn mismatch(self, settings: &Settings) -> Option<String> {
        let wanted = self.settings();
        if settings.secret.is_none() {
            return Some("auth.secret is not in the configuration file".to_owned());
        }
        if settings.admins.is_empty() {
            return Some("auth.admin_user_ids is empty".to_owned());
        }
        if settings.policy != wanted.policy {
            return Some(format!("needs presence.multi_login_policy {}", wanted.policy));
        }
        if settings.style != wanted.style {
            return Some(format!("needs openim.errdlt_style {:?}", wanted.style));
        }
        if self.is_message_center() {
            return message_center_mismatch(&wanted, settings);
        }
        match self {
            Self::Limits if settings.max_tokens != wanted.max_tokens => {
                Some(format!("needs presence.max_tokens_per_platform {}", wanted.max_tokens))
            }
            Self::Limits | Self::Narrow if settings.max_connections != wanted.max_connections => {
                Some(format!("needs presence.max_connections_per_user {}", wanted.max_connections))
            }
            Self::Narrow if settings.previous_secrets.is_empty() => {
                Some("needs auth.previous_secrets".to_owned())
            }
            Self::Narrow if settings.admins.len() < 2 => Some("needs two administrators".to_owned()),
            Self::Limits | Self::Narrow => None,
            _ if settings.max_tokens < 8 => Some("needs presence.max_tokens_per_platform of 8".to_owned()),
            _ if settings.max_connections < 8 => {
                Some("needs presence.max_connections_per_user of 8".to_owned())
            }
            _ => None,
        }
    }
}

fn message_center_mismatch(wanted: &Settings, settings: &Settings) -> Option<String> {
    let (ours, theirs) = (&wanted.message_center, &settings.message_center);
    if wanted.introspection.as_ref().map(|i| &i.url) != settings.introspection.as_ref().map(|i| &i.url) {
        return Some("needs the issuer that the suite plays, or none".to_owned());
    }
    if ours.resolver != theirs.resolver {
        return Some("needs the resolver that the suite plays, or none".to_owned());
    }
    if wanted.trusted_proxies != settings.trusted_proxies {
        return Some(format!("needs server.trusted_proxies {:?}", wanted.trusted_proxies));
    }
    if !wanted.tokens.iter().all(|token| settings.tokens.contains(token)) {
        return Some("needs the suite's [[auth.tokens]]".to_owned());
    }
    if (ours.open, ours.strict, ours.off_status) != (theirs.open, theirs.strict, theirs.off_status) {
        return Some("needs another message_center.profile, .receive_types or .off_status".to_owned());
    }
    if Zone::named(&theirs.time_zone) != Zone::named(&ours.time_zone) {
        return Some(format!("needs message_center.time_zone {:?}", ours.time_zone));
    }
    if theirs.direct_users != ours.direct_users {
        return Some(format!("needs message_center.direct_users {}", ours.direct_users));
    }
    (theirs.retention_days < ours.retention_days)
        .then(|| "needs a longer message_center.retention_days".to_owned())
}

impl fmt::Display for Profile {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_profile_fits_its_own_settings_and_no_policy_fits_another() {
        for profile in Profile::ALL {
            assert_eq!(profile.mismatch(&profile.settings()), None, "{profile}");
        }
        assert!(Profile::Policy4.mismatch(&Profile::Policy5.settings()).is_some());
        assert!(Profile::Base.mismatch(&Profile::V38.settings()).is_some());
        assert!(Profile::Base.mismatch(&Profile::Limits.settings()).is_some());
        assert!(Profile::Narrow.mismatch(&Profile::Policy1.settings()).is_some());
        assert!(Profile::Console.mismatch(&Profile::Base.settings()).is_some());
        assert!(Profile::Console.mismatch(&Profile::Open.settings()).is_some());
        assert!(Profile::Introspection.mismatch(&Profile::Console.settings()).is_some());
    }

    #[test]
    fn a_server_whose_secret_is_unknown_fits_nothing() {
        let unknown = Settings { policy: 0, ..Settings::default() };
        assert!(Profile::ALL.iter().all(|profile| profile.mismatch(&unknown).is_some()));
    }
}
