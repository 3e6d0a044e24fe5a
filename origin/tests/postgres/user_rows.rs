//! What is stored of users: every change, and every question of a command.

use std::iter::successors;

use proptest::{
    collection::vec,
    option,
    prelude::*,
    sample::select,
    test_runner::{Config, TestRunner},
};
use rollcall_conformance::size::size;
use rollcall_core::{
    audit::{self, Asked, Entry, EntryId, Indexed, Operation, Progress},
    deny::DenyWindow,
    directory::{
        record::Record,
        view::{Cutoff, ScopedCutoff},
    },
    gateway::{Encoding, Wire},
    id::{ConnId, RecordId, TenantId, UserId},
    platform::{Platform, PlatformSet},
    population,
    serial::{Began, Serial},
    shard::{cutoff, scoped},
    store::Value,
    time::Timestamp,
    token::{
        TokenHash, TokenText, Verified,
        store::{TokenRow, TokenSet, TokenState, delete_expired},
    },
    user::{
        Account, Change, Connection, DanglingSubscription, FanOut, HeldEnd, Needs, PresenceVersion, Profile,
        RegistrationVersion, SubscriptionState, TokenQuery, User, count_unseen, forget_all_subscriptions,
        forget_oldest_unseen, forget_unseen_before, release_all_held,
    },
};

use crate::engines::Engines;

/// Users whose ids try the engines: one with a U+0000, which no list has.
const USERS: [&str; 5] = ["7", "a'b\\", "李\u{10ffff}", "\u{fdd0}", "n\0l"];

fn user() -> impl Strategy<Value = UserId> {
    select(&USERS[..]).prop_map(|id| UserId::new(id).unwrap())
}

/// Users that lists name.
fn watched() -> impl Strategy<Value = UserId> {
    select(&USERS[..4]).prop_map(|id| UserId::new(id).unwrap())
}

fn instant() -> impl Strategy<Value = Timestamp> {
    (0_i64..6).prop_map(Timestamp::from_millis)
}

fn tenant() -> impl Strategy<Value = TenantId> {
    select(vec![0, 1, i64::MIN, i64::MAX]).prop_map(TenantId)
}

fn serial() -> impl Strategy<Value = Serial> {
    select(vec![-1, 0, 1, 2, i64::MAX]).prop_map(Serial::from_number)
}

fn hash(number: u8) -> TokenHash {
    TokenHash::of(&number.to_string())
}

fn hashes() -> impl Strategy<Value = TokenHash> {
    (0_u8..4).prop_map(hash)
}

fn platform() -> impl Strategy<Value = Platform> {
    select(vec![1, 2, 5, 10]).prop_map(|number| Platform::from_number(number).unwrap())
}

fn connection() -> impl Strategy<Value = ConnId> {
    (0_u8..3).prop_map(|byte| ConnId::from_bytes([byte; 16]))
}

fn registration() -> impl Strategy<Value = RegistrationVersion> {
    select(vec!["1", "2", "9007199254740993"]).prop_map(|number| serde_json::from_str(number).unwrap())
}

fn presence() -> impl Strategy<Value = PresenceVersion> {
    (-1_i64..3, platform()).prop_map(|(sequence, platform)| PresenceVersion {
        sequence,
        platforms: [platform].into_iter().collect::<PlatformSet>(),
    })
}

fn record_id() -> impl Strategy<Value = RecordId> {
    select(vec![1, 2, i64::MAX]).prop_map(|id| RecordId::from_number(id).unwrap())
}

fn token() -> impl Strategy<Value = TokenRow> {
    (hashes(), platform(), instant(), serial(), instant(), any::<bool>()).prop_map(
        |(hash, platform, issued_at, under, expires, kicked)| TokenRow {
            hash,
            platform,
            order: issued_at.millis(),
            issued_at,
            under,
            expires,
            state: if kicked { TokenState::Kicked } else { TokenState::Valid },
        },
    )
}

fn record() -> impl Strategy<Value = Record> {
    (record_id(), tenant(), instant()).prop_map(|(id, tenant, at)| Record {
        full_name: "名".to_owned(),
        device_id: "device".to_owned(),
        ..Record::opened(id, tenant, 7, Began { under: Serial::NONE, at })
    })
}

fn profile() -> impl Strategy<Value = Profile> {
    (option::of(tenant()), option::of(tenant()), 0_i64..5, option::of(instant())).prop_map(
        |(tenant, home, last_order, first_expiry)| Profile {
            tenant,
            home,
            last_order,
            first_expiry,
            ..Profile::default()
        },
    )
}

fn state() -> impl Strategy<Value = SubscriptionState> {
    (
        0_i64..5,
        option::of(platform()),
        any::<bool>(),
        option::of(option::of(watched())),
        option::of(instant()),
        registration(),
    )
        .prop_map(|(sequence, notified, due, fan_out, release_at, registered)| SubscriptionState {
            sequence,
            notified: notified.map(|platform| [platform].into_iter().collect()),
            due,
            fan_out: fan_out.map(|after| FanOut { after, ..FanOut::default() }),
            release_at,
            registered,
        })
}

fn token_set() -> impl Strategy<Value = TokenSet> {
    prop_oneof![
        vec(hashes(), 1..4).prop_map(TokenSet::These),
        (platform(), option::of(hashes()))
            .prop_map(|(platform, except)| TokenSet::Platform { platform, except }),
        Just(TokenSet::All),
    ]
}

/// Pairs by user, each user once, as the user's own code has them.
fn by_user<T: std::fmt::Debug>(value: impl Strategy<Value = T>) -> impl Strategy<Value = Vec<(UserId, T)>> {
    proptest::collection::vec((watched(), value), 0..4).prop_map(|pairs| {
        let mut once: Vec<(UserId, T)> = Vec::new();
        for (user, value) in pairs {
            if once.iter().all(|(other, _)| *other != user) {
                once.push((user, value));
            }
        }
        once
    })
}

/// Parts of few orders, by few callers.
fn part() -> impl Strategy<Value = audit::Part> {
    (0_i64..4, user(), tenant(), option::of(user()), 0_usize..3).prop_map(
        |(second, by, tenant, target, connections)| {
            let id = EntryId::draw(Timestamp::from_secs(second), 1);
            let operation = if second == 0 { Operation::RecordsImport } else { Operation::Off };
            let details = r#"{"selection":{"userId":"a\u0000'b"}}"#.to_owned();
            let entry = Entry { id, tenant: None, by, operation, details };
            match target {
                Some(target) => audit::Part::of_user(entry, tenant, target, connections),
                None => audit::Part::whole(entry, tenant, Some(connections), Progress::Begun),
            }
        },
    )
}

fn window() -> impl Strategy<Value = DenyWindow> {
    (tenant(), instant(), user(), option::of(select(vec!["it's", "名\0"]))).prop_map(
        |(tenant, until, by, reason)| {
            let order = EntryId::draw(until, 1);
            DenyWindow { tenant, until, order, by, reason: reason.map(str::to_owned) }
        },
    )
}

fn change() -> impl Strategy<Value = Change> {
    let of_user = prop_oneof![
        profile().prop_map(Change::Profile),
        select(vec!["", "名", "a\0b", "\u{fdd0}"]).prop_map(|text| {
            Change::Account(Account { nickname: text.to_owned(), face_url: format!("https://{text}") })
        }),
        tenant().prop_map(Change::Tenant),
        tenant().prop_map(Change::Home),
        instant().prop_map(|at| Change::Revoked { at }),
        vec((tenant(), instant()), 0..2).prop_map(Change::RevokedIn),
        instant().prop_map(|at| Change::Unseen { at, is_new: true }),
        Just(Change::Seen { is_new: true }),
        vec((tenant(), serial()), 0..2).prop_map(Change::Unlocked),
        vec((tenant(), serial()), 0..2).prop_map(Change::Settled),
        vec(window(), 0..2).prop_map(Change::Denied),
        part().prop_map(|part| Change::Audited(Box::new(part))),
    ];
    let of_tokens = prop_oneof![
        token().prop_map(Change::TokenIssued),
        token().prop_map(Change::TokenRestored),
        token_set().prop_map(Change::TokensKicked),
        (serial(), instant()).prop_map(|(by, at)| Change::TokensTaken { by, at }),
        instant().prop_map(|by| Change::TokensOutdated { by }),
        serial().prop_map(Change::TokensUnder),
    ];
    let of_records =
        prop_oneof![
            record().prop_map(|record| Change::RecordOpened(Box::new(record))),
            (record_id(), instant()).prop_map(|(record, at)| Change::RecordEnded { record, at }),
            (record_id(), instant(), instant())
                .prop_map(|(record, ended_at, until)| Change::EndHeld(HeldEnd { record, ended_at, until })),
            Just(Change::HeldReleased),
        ];
    let dangling =
        (option::of(connection()), watched()).prop_map(|(connection, watched)| DanglingSubscription {
            connection: connection.map(|connection| connection.to_string()).unwrap_or_default(),
            watched,
            is_followed: false,
        });
    let of_subscriptions = prop_oneof![
        (connection(), by_user(registration()))
            .prop_map(|(connection, watched)| Change::Subscribed { connection, watched }),
        (connection(), vec(watched(), 0..4))
            .prop_map(|(connection, watched)| Change::Unsubscribed { connection, watched }),
        vec(watched(), 0..4).prop_map(Change::TakenBack),
        vec(dangling, 0..3).prop_map(Change::Released),
        (connection(), by_user(presence()))
            .prop_map(|(connection, presences)| Change::Acknowledged { connection, presences }),
        (user(), registration())
            .prop_map(|(watcher, registration)| Change::Watched { watcher, registration }),
        vec((user(), registration()), 0..3).prop_map(Change::Unwatched),
        state().prop_map(Change::SubscriptionState),
    ];
    prop_oneof![2 => of_user, 2 => of_tokens, 1 => of_records, 3 => of_subscriptions]
}

/// A user with these live connections.
fn live(id: &UserId, connections: u8) -> User {
    let connection = |byte: u8| Connection {
        id: ConnId::from_bytes([byte; 16]),
        token: Verified {
            user: id.clone(),
            platform: Platform::Web,
            expires: Timestamp::from_millis(9),
            hash: hash(byte),
            text: TokenText::from("a token"),
        },
        background: false,
        order: byte.into(),
        opened_at: Timestamp::from_millis(1),
        under: Serial::NONE,
        wire: Wire { encoding: Encoding::Json, gzip: false },
        record: None,
        replacements: Vec::new(),
    };
    User::new(id.clone(), (0..connections).map(connection).collect())
}

/// All that a command may read of a user, in both engines.
fn read(engines: &Engines, id: &UserId, of: &UserId, connections: u8) {
    let tokens = match connections {
        0 => TokenQuery::Newest,
        1 => TokenQuery::These(vec![hash(1), hash(2)]),
        2 => TokenQuery::After(None),
        after => TokenQuery::After(Some(hash(after))),
    };
    let needs = Needs {
        profile: true,
        account: true,
        valid_tokens: true,
        tokens: Some(tokens),
        presented: Some(hash(connections)),
        held: true,
        orders: false,
        subscription_state: true,
        subscriptions: Some(ConnId::from_bytes([connections; 16])),
        followers_of: Some(of.clone()),
        dangling: true,
        watcher: Some(of.clone()),
        watchers: true,
    };
    for (part, statement) in needs.queries(&live(id, connections), Timestamp::from_millis(2)) {
        let rows = engines.set(statement);
        rollcall_core::user::Loaded::default().absorb(part, &rows).unwrap();
    }
}

#[test]
fn every_change_and_every_question_of_users_has_the_rows_of_the_embedded_store() {
    let engines = Engines::open();
    let step = (user(), vec(change(), 1..5));
    let strategy = (vec(step, 1..12), user(), watched(), 0_u8..4, instant());
    let config = Config {
        cases: size(40, 4_000),
        max_shrink_iters: 64,
        failure_persistence: None,
        ..Config::default()
    };
    TestRunner::new(config)
        .run(&strategy, |(steps, reader, of, connections, at)| {
            engines.clear();
            for (user, changes) in steps {
                // An outcome may be refused: an id or a hash is taken. Then nothing of it is there, in both.
                let _ = engines.commit(changes.iter().flat_map(|change| change.statements(&user)).collect());
            }
            engines.agree();
            read(&engines, &reader, &of, connections);
            engines.rows(count_unseen());
            engines.rows(population::users_after(None));
            engines.rows(population::users_after(Some(&of)));
            for statement in [forget_unseen_before(at, 9), forget_oldest_unseen(9), delete_expired(at, 9)] {
                engines.change(statement);
            }
            engines.commit(release_all_held().to_vec()).unwrap();
            engines.agree();
            engines.commit(forget_all_subscriptions().to_vec()).unwrap();
            engines.agree();
            Ok(())
        })
        .unwrap_or_else(|error| panic!("{error}"));
}

#[test]
fn cutoffs_come_back_as_they_are() {
    let engines = Engines::open();
    for (tenant, serial) in [(0, 1), (i64::MIN, i64::MAX), (0, 2)] {
        let cutoff = Cutoff {
            serial: Serial::from_number(serial),
            at: Timestamp::from_millis(i64::MAX),
            exempt: vec![i64::MIN, 7],
            lifted: false,
            deny: None,
        };
        engines.commit(vec![cutoff::set(TenantId(tenant), &cutoff)]).unwrap();
        assert_eq!(cutoff::read(&engines.rows(cutoff::get(TenantId(tenant)))).unwrap(), Some(cutoff));
    }
    assert_eq!(engines.change(cutoff::lift(TenantId(0))), 1);
    assert_eq!(cutoff::read_all(&engines.set(cutoff::all())).unwrap().len(), 2);
    engines.agree();
}

#[derive(Clone, Debug)]
enum ScopedStep {
    Keep(i64, Vec<i64>, &'static str, Option<DenyWindow>),
    Reach(i64, Vec<UserId>),
    Deliver(i64),
}

fn scoped_step() -> impl Strategy<Value = ScopedStep> {
    let users = || select(vec![i64::MIN, -1, 7, 8, i64::MAX]);
    let notice = select(vec!["", "it's", "名\0"]);
    prop_oneof![
        3 => (select(vec![0, 5, i64::MIN]), vec(users(), 1..6), notice, option::of(window()))
            .prop_map(|(tenant, users, notice, deny)| ScopedStep::Keep(tenant, users, notice, deny)),
        2 => (1_i64..6, vec(users().prop_map(UserId::from), 0..4))
            .prop_map(|(serial, users)| ScopedStep::Reach(serial, users)),
        1 => (1_i64..6).prop_map(ScopedStep::Deliver),
    ]
}

#[test]
fn scoped_cutoffs_and_every_question_about_them_have_the_rows_of_the_embedded_store() {
    let engines = Engines::open();
    let config = Config {
        cases: size(20, 1_000),
        max_shrink_iters: 64,
        failure_persistence: None,
        ..Config::default()
    };
    TestRunner::new(config)
        .run(&(vec(scoped_step(), 1..10), 0_u32..4), |(steps, few)| {
            engines.clear();
            // The last serials have one digit more than those before, so an order by their text would show.
            let mut newest = Serial::from_number(7);
            for step in steps {
                let serial = |newest: Serial, back: i64| Serial::from_number(newest.number() + 1 - back);
                match step {
                    ScopedStep::Keep(tenant, users, notice, deny) => {
                        let cutoff = ScopedCutoff::next(newest, users, Timestamp::from_millis(i64::MAX));
                        let keep = || scoped::keep(TenantId(tenant), &cutoff, notice, deny.as_ref());
                        engines.commit(keep()).unwrap();
                        newest = cutoff.serial;
                        let last = scoped::read_last_serial(&engines.rows(scoped::last_serial()));
                        prop_assert_eq!(last, Ok(newest));
                        // A serial is given once.
                        prop_assert_eq!(engines.commit(keep()), Err(false));
                    }
                    ScopedStep::Reach(back, users) => {
                        engines.change(scoped::reached(serial(newest, back), &users));
                    }
                    ScopedStep::Deliver(back) => {
                        engines.change(scoped::delivered(serial(newest, back)));
                    }
                }
                let orders = scoped::read_all(&engines.rows(scoped::all())).unwrap();
                prop_assert!(orders.is_sorted_by_key(|order| order.serial));
                for back in 1..4 {
                    let users = engines.rows(scoped::unreached(serial(newest, back), few));
                    scoped::read_users(&users).unwrap();
                    engines.rows(scoped::count_unreached(serial(newest, back)));
                }
                for user in [i64::MIN, 7] {
                    scoped::read_of_user(&engines.rows(scoped::of_user(&UserId::from(user)))).unwrap();
                }
            }
            engines.agree();
            Ok(())
        })
        .unwrap_or_else(|error| panic!("{error}"));
}

#[test]
fn a_scoped_cutoff_of_very_many_users_is_stored_whole() {
    let engines = Engines::open();
    let cutoff = ScopedCutoff::next(Serial::from_number(i64::MAX - 1), 0..10_001, Timestamp::from_millis(1));
    engines.commit(scoped::keep(TenantId(0), &cutoff, "", None)).unwrap();
    assert_eq!(engines.rows(scoped::count_unreached(cutoff.serial)), [[Value::Int(10_001)]]);
    engines.agree();
}

#[test]
fn the_audit_is_read_and_swept_alike() {
    let engines = Engines::open();
    let strategy = (vec(part(), 0..40), option::of(user()), option::of(user()), tenant(), 0_u32..4, 0_i64..5);
    let config = Config {
        cases: size(30, 1_000),
        max_shrink_iters: 64,
        failure_persistence: None,
        ..Config::default()
    };
    TestRunner::new(config)
        .run(&strategy, |(parts, by, target, tenant, limit, second)| {
            engines.clear();
            engines.commit(parts.iter().map(audit::keep).collect()).unwrap();
            engines.agree();
            let asked = Asked {
                tenant,
                from: EntryId::first_of(Timestamp::from_secs(0)),
                before: EntryId::first_of(Timestamp::from_secs(second)),
                by,
                operation: (limit > 2).then_some(Operation::Off),
                target,
                limit: limit + 1,
            };
            for indexed in [Indexed::All, Indexed::Id] {
                let end = engines.rows(asked.end(2, indexed));
                engines.rows(asked.page(&end, indexed));
                let end = [vec![EntryId::first_of(Timestamp::from_secs(1)).to_string().into()]];
                engines.rows(asked.page(&end, indexed));
            }
            let tenants =
                successors(audit::read_tenant(&engines.rows(audit::tenant_behind(None))), |tenant| {
                    audit::read_tenant(&engines.rows(audit::tenant_behind(Some(*tenant))))
                });
            for tenant in tenants {
                let mut surplus = audit::Surplus::of(tenant, limit.into());
                while let Some(question) = surplus.question() {
                    if let Some(too_many) = surplus.advance(&engines.rows(question)) {
                        engines.change(too_many.delete(100));
                    }
                }
            }
            engines.change(audit::delete(asked.before, limit));
            engines.agree();
            Ok(())
        })
        .unwrap_or_else(|error| panic!("{error}"));
}
