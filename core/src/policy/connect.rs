//! The login policy when a connection opens (`docs/rules/openim.md#policy-at-connect`).

use super::{LoginPolicy, is_computer};
use crate::{
    id::ConnId,
    platform::Platform,
    token::{TokenHash, store::TokenSet},
};

/// The properties of a live gateway connection that a policy depends on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Candidate {
    /// The connection.
    pub id: ConnId,
    /// Its platform.
    pub platform: Platform,
    /// The token it was opened with.
    pub token: TokenHash,
}

/// The connections and tokens that a new connection excludes.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Verdict {
    /// Connections that lose their login: kick frame, close, token kicked.
    pub kicked: Vec<ConnId>,
    /// Older sockets of the new connection's own client: closed without a kick frame, token still valid.
    pub replaced: Vec<ConnId>,
    /// Tokens that are kicked, those of `kicked` among them.
    pub tokens: Vec<TokenSet>,
}

/// The verdict on the live connections when a connection opens on `platform` with `token`.
///
/// A connection with the new connection's own token is never a loser: its client reconnected. It is replaced, except under
/// policy 0, where two tabs may share a token.
pub fn at_connect(policy: LoginPolicy, live: &[Candidate], platform: Platform, token: TokenHash) -> Verdict {
    if platform == Platform::Admin || matches!(policy, LoginPolicy::KeepAll { .. }) {
        return Verdict::default();
    }
    let (own, others): (Vec<_>, Vec<_>) =
        live.iter().filter(|other| other.platform != Platform::Admin).partition(|other| other.token == token);
    let excluded = |other: &&&Candidate| match policy {
        LoginPolicy::KeepAll { .. } => false,
        LoginPolicy::OnePerPlatform => other.platform == platform,
        LoginPolicy::OnePerClass => other.platform.class() == platform.class(),
        LoginPolicy::ComputersAndOther => !is_computer(platform) && !is_computer(other.platform),
    };
    let losers: Vec<_> = others.iter().filter(excluded).collect();
    let mut tokens = Vec::new();
    if !losers.is_empty() {
        tokens.push(TokenSet::These(losers.iter().map(|loser| loser.token).collect()));
        if !matches!(policy, LoginPolicy::OnePerClass) {
            tokens.push(TokenSet::Platform { platform, except: Some(token) });
        }
    }
    Verdict {
        kicked: losers.iter().map(|loser| loser.id).collect(),
        replaced: own.iter().map(|own| own.id).collect(),
        tokens,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use Platform::{Admin, Android, HarmonyOs, IPad, Ios, Linux, Web, Windows};

    fn candidates(platforms: &[Platform]) -> Vec<Candidate> {
        platforms
            .iter()
            .zip(0_u8..)
            .map(|(platform, n)| Candidate {
                id: ConnId::from_bytes([n; 16]),
                platform: *platform,
                token: TokenHash::of(&n.to_string()),
            })
            .collect()
    }

    /// The positions in `platforms` that a new connection with its own token kicks.
    fn kicked(number: i64, platforms: &[Platform], new: Platform) -> Vec<usize> {
        let live = candidates(platforms);
        let policy = LoginPolicy::from_number(number, 30).unwrap();
        let verdict = at_connect(policy, &live, new, TokenHash::of("new"));
        assert!(verdict.replaced.is_empty());
        (0..live.len()).filter(|index| verdict.kicked.contains(&live[*index].id)).collect()
    }

    #[test]
    fn each_policy_excludes_what_its_row_says() {
        let live = [Android, Ios, Web, Windows, Linux, IPad, HarmonyOs, Admin];
        assert_eq!(kicked(0, &live, Web), [0_usize; 0]);
        assert_eq!(kicked(1, &live, Web), [2]);
        assert_eq!(kicked(4, &live, Android), [0, 1]);
        assert_eq!(kicked(4, &live, Windows), [3, 4]);
        assert_eq!(kicked(5, &live, Windows), [0_usize; 0]);
        assert_eq!(kicked(5, &live, Web), [0, 1, 2, 5, 6]);
        for number in [0, 1, 4, 5] {
            assert_eq!(kicked(number, &live, Admin), [0_usize; 0]);
        }
    }

    #[test]
    fn the_same_token_is_replaced_and_never_kicked() {
        let live = candidates(&[Web, Web]);
        for number in [1, 4, 5] {
            let policy = LoginPolicy::from_number(number, 30).unwrap();
            let verdict = at_connect(policy, &live, Web, live[0].token);
            assert_eq!(verdict.replaced, [live[0].id]);
            assert_eq!(verdict.kicked, [live[1].id]);
            assert!(!verdict.tokens.iter().any(|set| set.contains(&live[0].token, Web)));
            assert!(verdict.tokens.iter().any(|set| set.contains(&live[1].token, Web)));
        }
        let kept = at_connect(LoginPolicy::KeepAll { most: 30 }, &live, Web, live[0].token);
        assert_eq!(kept, Verdict::default());
    }

    #[test]
    fn tokens_of_other_platforms_die_with_their_connection_only() {
        let live = candidates(&[Android]);
        let policy = LoginPolicy::ComputersAndOther;
        let verdict = at_connect(policy, &live, Web, TokenHash::of("new"));
        let dies = |text: &str, platform| {
            verdict.tokens.iter().any(|set| set.contains(&TokenHash::of(text), platform))
        };
        assert!(dies("0", Android));
        assert!(!dies("another", Android));
        assert!(dies("another", Web));
        assert!(!dies("new", Web));
    }
}
