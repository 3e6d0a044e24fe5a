//! People, tenants and records of one case.
//!
//! The vectors name users 100 to 201 of tenants 1 and 2, and a force-off leaves marks on users that outlive it. So a
//! case that changes something plays with other numbers: those of its fixture, which keep the order of the originals.
//! Cases that only read share fixture 0, whose numbers are the vectors' own.

use serde_json::{Map, Value, json};
use sha2::{Digest as _, Sha256};

use super::{date::Zone, golden, reply::Record};
use crate::{cases::message_center, profile::Profile, settings::StaticToken};

/// The end of the lease of an imported record that is online.
const LEASE: i64 = 4_070_908_800;

/// The department of users 101 and 103.
pub const DEPARTMENT: i64 = 11;
/// The department of user 102.
pub const OTHER_DEPARTMENT: i64 = 12;
/// The group of users 101 and 104.
pub const GROUP: i64 = 21;

/// The numbers of one case.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Fixture(i64);

impl Fixture {
    /// The fixture of the vectors, for cases that change nothing.
    pub const SHARED: Self = Self(0);

    /// The fixture of a case: its own if it is among those that change something.
    pub fn of(case: &str) -> Self {
        let position = message_center::with_own_fixture().iter().position(|own| own.name == case);
        position.and_then(|index| i64::try_from(index + 1).ok()).map_or(Self::SHARED, Self)
    }

    /// Whether several cases use it.
    pub fn is_shared(self) -> bool {
        self == Self::SHARED
    }

    /// A user of the vectors in this fixture. `user` is under 1,000.
    pub fn user(self, user: i64) -> i64 {
        self.0 * 1000 + user
    }

    /// A tenant of the vectors in this fixture. `tenant` is under 1,000.
    pub fn tenant(self, tenant: i64) -> i64 {
        self.0 * 1000 + tenant
    }

    /// A department or a group of the vectors in this fixture.
    pub fn circle(self, circle: i64) -> i64 {
        self.0 * 1000 + circle
    }

    /// A record of the vectors in this fixture. `record` is under 10,000.
    pub fn record(self, record: i64) -> i64 {
        self.0 * 10_000 + record
    }

    /// The text of a token by the role of its bearer, such as `admin-t1`.
    pub fn token(self, role: &str) -> String {
        match self.0 {
            0 => format!("tok-{role}"),
            number => format!("tok-{number}-{role}"),
        }
    }

    /// The records of the vectors' fixture.
    pub fn rows(self) -> anyhow::Result<Vec<Row>> {
        Ok(golden::load()?
            .rows()?
            .into_iter()
            .map(|row| Row {
                id: self.record(row.id),
                tenant: self.tenant(row.tenant),
                user: self.user(row.user),
                ..row
            })
            .collect())
    }

    fn tokens(self) -> Vec<StaticToken> {
        let token = |role: &str, user: i64, tenant: i64| StaticToken {
            sha256: sha256(&self.token(role)),
            user_id: self.user(user),
            tenant_id: self.tenant(tenant),
            active: true,
            ..StaticToken::default()
        };
        let named = |name: &str| Some(name.to_owned());
        let mut all = vec![
            StaticToken {
                username: named("admin"),
                full_name: named("Admin One"),
                client_id: named("xcan_tp"),
                sys_admin: true,
                ..token("admin-t1", 100, 1)
            },
            StaticToken {
                username: named("zhangsan"),
                full_name: named("Zhang San"),
                avatar: named("https://cdn.example.test/a/101.png"),
                dept_ids: vec![self.circle(DEPARTMENT)],
                group_ids: vec![self.circle(GROUP)],
                ..token("user-101", 101, 1)
            },
            StaticToken {
                full_name: named("Li Si"),
                dept_ids: vec![self.circle(OTHER_DEPARTMENT)],
                ..token("user-102", 102, 1)
            },
            StaticToken {
                full_name: named("Wang Wu"),
                dept_ids: vec![self.circle(DEPARTMENT)],
                ..token("user-103", 103, 1)
            },
            StaticToken {
                full_name: named("zhang wei"),
                device_id: named("claimed-device"),
                group_ids: vec![self.circle(GROUP)],
                ..token("user-104", 104, 1)
            },
            StaticToken { sys_admin: true, ..token("admin-t2", 200, 2) },
            StaticToken { full_name: named("Zhao Liu"), ..token("user-201", 201, 2) },
        ];
        if self.is_shared() {
            let may = |role: &str, user: i64, permissions: &[&str]| StaticToken {
                permissions: permissions.iter().map(|name| (*name).to_owned()).collect(),
                ..token(role, user, 1)
            };
            all.extend([
                StaticToken { active: false, ..token("revoked", 105, 1) },
                may("reader", 110, &["OnlineUser"]),
                may("kicker", 111, &["SignOut"]),
                may(
                    "reader-by-operation",
                    112,
                    &[
                        "message:center:online:list",
                        "message:center:online:search",
                        "message:center:online:detail",
                    ],
                ),
                may("kicker-by-operation", 113, &["message:center:offline"]),
                may("stranger", 114, &["OnlineUsers", "signout", "SCOPE_OnlineUser"]),
                StaticToken { client_id: named("xcan_op"), sys_admin: true, ..token("operator", 120, 9) },
                StaticToken { client_id: named("xcan_op"), ..token("operator-user", 121, 9) },
                StaticToken { sys_admin: true, ..token("crowd", 300, 3) },
            ]);
        }
        all
    }
}

/// The static tokens of a profile: those of fixture 0 and of every fixture that one of its cases has for itself.
pub fn tokens(profile: Profile) -> Vec<StaticToken> {
    let own = message_center::with_own_fixture().into_iter().filter(|case| case.profile == profile);
    let fixtures = std::iter::once(Fixture::SHARED).chain(own.map(|case| Fixture::of(case.name)));
    fixtures.flat_map(Fixture::tokens).collect()
}

/// A token as the configuration has it.
pub fn sha256(text: &str) -> String {
    Sha256::digest(text.as_bytes()).iter().map(|byte| format!("{byte:02x}")).collect()
}

/// One record, as it is imported and as it is expected.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Row {
    /// The record.
    pub id: i64,
    /// The tenant.
    pub tenant: i64,
    /// The user.
    pub user: i64,
    /// `fullName`.
    pub name: String,
    /// `avatar`.
    pub avatar: Option<String>,
    /// `userAgent`.
    pub agent: String,
    /// `deviceId`.
    pub device: String,
    /// `remoteAddress`.
    pub address: String,
    /// Unix seconds.
    pub online_at: i64,
    /// Unix seconds.
    pub offline_at: Option<i64>,
}

impl Row {
    /// Whether it is online for the whole run.
    pub fn online(&self) -> bool {
        self.offline_at.is_none()
    }

    /// The line that imports it; ids as numbers or texts, since both are allowed.
    pub fn line(&self) -> Value {
        let utc = Zone::named("UTC");
        let date = |unix: i64| utc.map(|zone| zone.rfc3339(unix)).into();
        let mut line = Map::new();
        line.insert("id".into(), json!(self.id.to_string()));
        line.insert("tenantId".into(), json!(self.tenant));
        line.insert("userId".into(), json!(self.user.to_string()));
        line.insert("fullName".into(), json!(self.name));
        if let Some(avatar) = &self.avatar {
            line.insert("avatar".into(), json!(avatar));
        }
        line.insert("userAgent".into(), json!(self.agent));
        line.insert("deviceId".into(), json!(self.device));
        line.insert("remoteAddress".into(), json!(self.address));
        line.insert("onlineDate".into(), date(self.online_at));
        match self.offline_at {
            Some(at) => line.insert("offlineDate".into(), date(at)),
            None => line.insert("leaseUntil".into(), date(LEASE)),
        };
        Value::Object(line)
    }

    /// The record as an answer shows it.
    pub fn record(&self, zone: Zone) -> Record {
        Record {
            id: self.id.to_string(),
            user_id: self.user.to_string(),
            full_name: self.name.clone(),
            avatar: self.avatar.clone(),
            user_agent: self.agent.clone(),
            device_id: self.device.clone(),
            remote_address: self.address.clone(),
            online: self.online(),
            online_date: zone.print(self.online_at),
            offline_date: self.offline_at.map(|at| zone.print(at)),
        }
    }
}

/// The first record of the crowd.
const CROWD: i64 = 900_001;
/// The opening of the crowd's first record: 2025-07-16 10:00:00 in Shanghai.
pub const CROWD_BEGAN: i64 = 1_752_631_200;

/// Tenant 3 of fixture 0: enough records, and odd enough ones, that filters and pages have something to choose from.
pub fn crowd() -> Vec<Row> {
    const NAMES: [&str; 9] = [
        "Ada Lovelace",
        "ada lovelace",
        "100% sure",
        "100_ sure",
        "Zoë \"Zo\" Ω",
        "true",
        "张三",
        "O'Neil, [x]",
        "10.0.0.7",
    ];
    const ADDRESSES: [&str; 5] = ["10.0.0.7", "10.0.1.7", "192.168.7.1", "2001:db8::7", "unknown"];
    const DEVICES: [&str; 4] = ["dev-a", "DEV-A", "dev-%", "unknown"];
    (0..40_usize)
        .map(|index| {
            let number = i64::try_from(index).unwrap_or_default();
            let pick = |list: &[&str], step: usize| {
                list.get(index * step % list.len()).copied().unwrap_or_default().to_owned()
            };
            // Several records of a second, so that sorting by a date has ties; and not in the order of the ids.
            let online_at = CROWD_BEGAN + 60 * (number * 7 % 20);
            Row {
                id: CROWD + number,
                tenant: Fixture::SHARED.tenant(3),
                user: Fixture::SHARED.user(301 + number % 12),
                name: pick(&NAMES, 1),
                avatar: None,
                agent: format!("agent/{index}"),
                device: pick(&DEVICES, 3),
                address: pick(&ADDRESSES, 2),
                online_at,
                offline_at: (index % 3 != 0).then(|| online_at + 30 * (number % 5)),
            }
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn fixtures_do_not_touch_each_other() {
        let mut users = HashSet::new();
        let mut tokens = HashSet::new();
        for number in 0..=200 {
            let fixture = Fixture(number);
            let all = fixture.tokens();
            let of_this: HashSet<i64> = all.iter().map(|token| token.user_id).collect();
            assert!(of_this.iter().all(|user| users.insert(*user)), "{number}");
            assert!(all.iter().all(|token| tokens.insert(token.sha256.clone())), "{number}");
        }
    }

    #[test]
    fn the_order_of_records_is_kept() {
        for number in [0, 1, 7] {
            let rows = Fixture(number).rows().unwrap();
            assert!(rows.is_sorted_by(|a, b| a.id < b.id && a.user <= b.user), "{number}");
        }
    }

    #[test]
    fn cases_with_a_fixture_of_their_own_share_it_with_no_other() {
        let own = message_center::with_own_fixture();
        let fixtures: HashSet<i64> = own.iter().map(|case| Fixture::of(case.name).0).collect();
        assert_eq!(fixtures.len(), own.len());
        assert!(!fixtures.contains(&0));
        assert!(Fixture::of("base/no_such_case").is_shared());
    }

    #[test]
    fn a_configuration_fits_into_an_environment_variable() {
        for profile in Profile::ALL {
            let text = profile.settings().to_toml("").unwrap();
            assert!(text.len() < 131_000, "{profile}: {} bytes", text.len());
        }
    }

    #[test]
    fn a_row_is_imported_with_a_lease_unless_it_ended() {
        let rows = Fixture(1).rows().unwrap();
        let line = rows[0].line();
        assert_eq!(line["id"], "19001");
        assert_eq!(line["onlineDate"], "2025-07-16T01:00:00Z");
        assert_eq!(line["leaseUntil"], "2099-01-01T00:00:00Z");
        assert_eq!(rows[2].line().get("leaseUntil"), None);
        assert_eq!(rows[2].line()["offlineDate"], "2025-07-15T10:00:00Z");
    }
}
