//! The login policy when a token is issued (`docs/rules/openim.md#policy-at-issue`). Tokens only: sockets stay open until
//! their successor connects, because a back end may issue tokens long before.

use std::cmp::Reverse;

use super::{LoginPolicy, is_computer};
use crate::{
    platform::Platform,
    token::{TokenHash, store::TokenRow},
};

/// The user's `valid` tokens that a new one for `platform` revokes.
///
/// Where one of several may stay, the one issued last stays.
pub fn at_issue(policy: LoginPolicy, valid: &[TokenRow], platform: Platform) -> Vec<TokenHash> {
    if platform == Platform::Admin {
        return Vec::new();
    }
    let mut newest_first: Vec<&TokenRow> =
        valid.iter().filter(|row| row.platform != Platform::Admin).collect();
    newest_first.sort_by_key(|row| Reverse(row.order));
    let losers = match policy {
        LoginPolicy::KeepAll { most } => beyond(
            newest_first,
            |row| row.platform,
            |of| if of == platform { most.saturating_sub(1) } else { most },
        ),
        LoginPolicy::OnePerPlatform => {
            beyond(newest_first, |row| row.platform, |of| usize::from(of != platform))
        }
        LoginPolicy::OnePerClass => {
            beyond(newest_first, |row| row.platform.class(), |of| usize::from(of != platform.class()))
        }
        LoginPolicy::ComputersAndOther => {
            newest_first.retain(|row| !is_computer(row.platform));
            beyond(newest_first, |_| (), |()| usize::from(is_computer(platform)))
        }
    };
    losers.into_iter().map(|row| row.hash).collect()
}

/// The rows beyond the first `room` of their group.
fn beyond<G: PartialEq + Copy>(
    rows: Vec<&TokenRow>,
    group: impl Fn(&TokenRow) -> G,
    room: impl Fn(G) -> usize,
) -> Vec<&TokenRow> {
    let mut seen: Vec<(G, usize)> = Vec::new();
    rows.into_iter()
        .filter(|row| {
            let of = group(row);
            let index = seen.iter().position(|(other, _)| *other == of).unwrap_or_else(|| {
                seen.push((of, 0));
                seen.len() - 1
            });
            seen.get_mut(index).is_some_and(|(_, count)| {
                *count += 1;
                *count > room(of)
            })
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{serial::Serial, time::Timestamp, token::store::TokenState};

    /// Tokens named by their platforms, in the order of issue.
    fn rows(platforms: &[Platform]) -> Vec<TokenRow> {
        platforms
            .iter()
            .enumerate()
            .map(|(order, platform)| TokenRow {
                hash: TokenHash::of(&format!("{order}")),
                platform: *platform,
                order: i64::try_from(order).unwrap(),
                issued_at: Timestamp::default(),
                under: Serial::NONE,
                expires: Timestamp::from_secs(1),
                state: TokenState::Valid,
            })
            .collect()
    }

    /// The positions in `platforms` of those that stay.
    fn staying(policy: LoginPolicy, platforms: &[Platform], new: Platform) -> Vec<usize> {
        let rows = rows(platforms);
        let gone = at_issue(policy, &rows, new);
        (0..rows.len()).filter(|index| !gone.contains(&rows[*index].hash)).collect()
    }

    use Platform::{Admin, Android, HarmonyOs, Ios, Linux, Web, Windows};

    #[test]
    fn policy_0_keeps_the_newest_of_each_platform() {
        let policy = LoginPolicy::KeepAll { most: 2 };
        assert_eq!(staying(policy, &[Web, Web], Web), [1]);
        assert_eq!(staying(policy, &[Web, Web, Ios, Ios, Ios], Web), [1, 3, 4]);
        assert_eq!(staying(LoginPolicy::KeepAll { most: 30 }, &[Web; 29], Web).len(), 29);
        assert_eq!(staying(LoginPolicy::KeepAll { most: 30 }, &[Web; 30], Web).len(), 29);
    }

    #[test]
    fn policy_1_keeps_one_of_each_other_platform() {
        let policy = LoginPolicy::OnePerPlatform;
        assert_eq!(staying(policy, &[Android, Ios, Web], Android), [1, 2]);
        assert_eq!(staying(policy, &[Ios, Ios], Android), [1]);
    }

    #[test]
    fn policy_4_keeps_one_of_each_other_class() {
        let policy = LoginPolicy::OnePerClass;
        assert_eq!(staying(policy, &[Ios, Windows], Android), [1]);
        assert_eq!(staying(policy, &[Windows, Linux, Android], HarmonyOs), [1, 2]);
    }

    #[test]
    fn policy_5_leaves_computers_alone() {
        let policy = LoginPolicy::ComputersAndOther;
        assert_eq!(staying(policy, &[Windows, Android, Web, Linux], Ios), [0, 3]);
        assert_eq!(staying(policy, &[Android, Web, Windows], Linux), [1, 2]);
    }

    #[test]
    fn administrators_are_outside_every_policy() {
        for number in [0, 1, 4, 5] {
            let policy = LoginPolicy::from_number(number, 1).unwrap();
            assert_eq!(staying(policy, &[Admin, Web], Admin), [0, 1]);
            assert!(staying(policy, &[Admin, Admin], Web).len() == 2);
        }
    }

    #[test]
    fn the_one_kept_is_chosen_by_order_of_issue_not_of_rows() {
        let mut shuffled = rows(&[Web, Web, Web]);
        shuffled.swap(0, 2);
        let gone = at_issue(LoginPolicy::KeepAll { most: 2 }, &shuffled, Web);
        assert_eq!(gone, [TokenHash::of("1"), TokenHash::of("0")]);
    }
}
