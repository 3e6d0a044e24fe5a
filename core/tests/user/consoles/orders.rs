//! What orders end, and what they leave behind for opaque tokens.

use super::*;

#[test]
fn an_order_takes_back_every_opaque_token_that_was_issued_by_then() {
    let mut adapter = adapter();
    adapter.force_off(everything(""));
    assert_eq!(token_status(&mut adapter, None, false), Err(TokenError::Kicked));
    assert_eq!(token_status(&mut adapter, Some(START), false), Err(TokenError::Kicked));
    assert_eq!(token_status(&mut adapter, Some(START + 1), false), Ok(()));
    let who = principal(&adapter);
    let (_, trace) = try_open(&mut adapter, who);
    assert_eq!(reply(&trace), Reply::Opened(Err(OpenError::Revoked)));
    assert!(adapter.user.consoles().is_empty());
}

#[test]
fn personal_tokens_are_exempt_unless_configured_otherwise() {
    let mut adapter = adapter();
    adapter.force_off(everything(""));
    assert_eq!(token_status(&mut adapter, None, true), Ok(()));
    adapter.rules.revoke_pat = true;
    assert_eq!(token_status(&mut adapter, None, true), Err(TokenError::Kicked));
}

#[test]
fn an_unlocked_user_gets_in_with_opaque_tokens_and_not_with_kicked_ones() {
    let mut adapter = adapter();
    let token = adapter.issue(WEB);
    adapter.force_off(everything(""));
    assert_eq!(reply(&adapter.run(&Command::Unlock { within: None })), Reply::Unlocked(true));
    assert_eq!(reply(&adapter.run(&Command::Unlock { within: None })), Reply::Unlocked(false));
    assert_eq!(token_status(&mut adapter, None, false), Ok(()));
    open(&mut adapter);
    assert_eq!(adapter.token_status(&token), 1506);
    adapter.wait(1);
    adapter.force_off(everything(""));
    assert_eq!(token_status(&mut adapter, None, false), Err(TokenError::Kicked));
}

#[test]
fn a_cutoff_kills_what_began_by_then_wherever_it_is_looked_at() {
    let mut adapter = adapter();
    let token = adapter.issue(WEB);
    let connection = adapter.open(&token);
    adapter.order(0, &[]);
    assert_eq!(adapter.live(), [connection], "its socket waits for the delivery");
    assert_eq!(reply(&adapter.run(&Command::Status)), Reply::Presence(vec![]));
    assert_eq!(adapter.token_status(&token), 1506);
    assert_eq!(adapter.try_open(&token).unwrap_err(), 1506);
    assert_eq!(token_status(&mut adapter, None, false), Err(TokenError::Kicked));
    let later = adapter.issue(WEB);
    assert_eq!(adapter.token_status(&later), 0);
    adapter.open(&later);
    let Reply::Presence(presences) = reply(&adapter.run(&Command::Status)) else { panic!() };
    assert_eq!(presences.len(), 1);
}

#[test]
fn a_cutoff_exempts_the_users_it_names_and_openims_administrators() {
    let mut adapter = adapter();
    adapter.order(0, &[adapter.user.id().number().unwrap()]);
    assert_eq!(token_status(&mut adapter, None, false), Ok(()));
    adapter.order(0, &[1]);
    assert_eq!(token_status(&mut adapter, None, false), Err(TokenError::Kicked));
    adapter.rules.admins.push(adapter.user.id().clone());
    assert_eq!(token_status(&mut adapter, None, false), Ok(()));
}

#[test]
fn a_lifted_cutoff_lets_opaque_tokens_in_and_leaves_the_dead_dead() {
    let mut adapter = adapter();
    let token = adapter.issue(WEB);
    adapter.open(&token);
    adapter.order(0, &[]);
    adapter.orders.values_mut().for_each(|cutoff| cutoff.lifted = true);
    assert_eq!(token_status(&mut adapter, None, false), Ok(()));
    assert_eq!(adapter.token_status(&token), 1506);
    assert_eq!(reply(&adapter.run(&Command::Status)), Reply::Presence(vec![]));
}

#[test]
fn an_unlocked_user_is_exempt_from_earlier_cutoffs_and_not_from_later_ones() {
    let mut adapter = adapter();
    adapter.order(0, &[]);
    assert_eq!(reply(&adapter.run(&Command::Unlock { within: None })), Reply::Unlocked(true));
    assert_eq!(token_status(&mut adapter, None, false), Ok(()));
    adapter.order(0, &[]);
    assert_eq!(token_status(&mut adapter, None, false), Err(TokenError::Kicked));
}

#[test]
fn what_an_issuer_says_of_a_users_tenant_is_kept_and_the_configuration_goes_first() {
    let mut adapter = adapter();
    let of = |tenant| Bearer { tenant: TenantId(tenant), issued_at: None, personal: false };
    let moved = Event::Commit(vec![
        Change::TokensUnder(Serial::NONE),
        Change::Tenant(TenantId(7)),
        Change::Seen { is_new: true },
    ]);
    assert_eq!(adapter.run(&Command::VerifyBearer(of(7)))[0], moved);
    assert_eq!(adapter.run(&Command::VerifyBearer(of(7))), [Event::Reply(Reply::TokenStatus(Ok(())))]);
    let user: UserId = adapter.user.id().clone();
    adapter.rules.tenants.push((user, TenantId(8)));
    // Its tokens come under the orders of the configured one, once.
    let moved = Event::Commit(vec![Change::TokensUnder(Serial::NONE), Change::Home(TenantId(8))]);
    assert_eq!(adapter.run(&Command::VerifyBearer(of(9)))[0], moved);
    assert_eq!(adapter.run(&Command::VerifyBearer(of(9))), [Event::Reply(Reply::TokenStatus(Ok(())))]);
}

#[test]
fn the_delivery_of_an_order_ends_what_it_covers_at_its_instant_and_nothing_else() {
    let mut adapter = adapter();
    let token = adapter.issue(WEB);
    let connection = adapter.open(&token);
    let console = open(&mut adapter);
    let record = adapter.record_of(connection);
    adapter.wait(500);
    adapter.order(0, &[]);
    adapter.wait(500);
    let issued_at = Some(adapter.time());
    let who = Principal { issued_at, ..principal(&adapter) };
    let (later, _) = try_open(&mut adapter, who);
    assert!(adapter.user.has_cut_off_sockets(adapter.cutoff(0), &adapter.rules));
    let delivery = ForceOff::CutOff { within: None, notice: "why".into(), settle: false };
    let trace = adapter.force_off(delivery.clone());
    assert_eq!(kicked(&trace), [connection]);
    assert!(trace.contains(&Event::Send(console, Payload::Text("why".into()))));
    assert_eq!(adapter.ended_at(record), Some(START + 500));
    assert_eq!(adapter.user.consoles()[0].id, later);
    assert!(
        !adapter.user.has_cut_off_sockets(adapter.cutoff(0), &adapter.rules),
        "what opened later is not covered"
    );
    adapter.orders.clear();
    assert_eq!(adapter.token_status(&token), 1506, "for good, whatever becomes of the cutoff");
    assert_eq!(token_status(&mut adapter, None, false), Ok(()), "which only the cutoff took back");
    assert!(
        kicked(&adapter.force_off(delivery)).is_empty(),
        "without a cutoff no connection is to be reached"
    );
}

#[test]
fn the_wave_of_another_tenant_neither_reaches_a_user_nor_tells_it_its_notice() {
    let mut adapter = adapter();
    let console = open(&mut adapter);
    let own = adapter.rules.tenant(adapter.user.id(), &Profile::default());
    // The user's own cutoff, whose delivery has not come yet.
    adapter.order(own.0, &[]);
    let delivery = |within| ForceOff::CutOff { within: Some(within), notice: "why".into(), settle: false };
    let trace = adapter.force_off(delivery(TenantId(own.0 + 1)));
    assert!(!trace.iter().any(|event| matches!(event, Event::Send(..) | Event::Close(..))), "{trace:?}");
    let trace = adapter.force_off(delivery(own));
    assert!(trace.contains(&Event::Send(console, Payload::Text("why".into()))));
}

#[test]
fn what_a_cutoff_revoked_stays_so_when_the_next_one_exempts_the_user() {
    let mut adapter = adapter();
    let token = adapter.issue(WEB);
    adapter.order(0, &[]);
    adapter.force_off(ForceOff::CutOff { within: None, notice: String::new(), settle: true });
    let own = adapter.user.id().number().unwrap();
    adapter.order(0, &[own]);
    assert_eq!(adapter.token_status(&token), 1506);
    assert_eq!(token_status(&mut adapter, Some(START), false), Err(TokenError::Kicked));
    assert_eq!(token_status(&mut adapter, Some(START + 1), false), Ok(()));
}

#[test]
fn an_order_of_another_tenant_does_not_reach_a_user() {
    let mut adapter = adapter();
    let token = adapter.issue(WEB);
    adapter.open(&token);
    let order = |tenant| ForceOff::Everything { within: Some(TenantId(tenant)), notice: None, at: None };
    assert!(kicked(&adapter.force_off(order(1))).is_empty());
    assert_eq!(adapter.token_status(&token), 0);
    adapter.force_off(order(0));
    assert_eq!(adapter.token_status(&token), 1506);
}

#[test]
fn an_order_reaches_a_user_who_was_never_seen_and_is_of_no_known_tenant() {
    let mut adapter = adapter();
    let order = |tenant| ForceOff::Everything { within: Some(TenantId(tenant)), notice: None, at: None };
    let of = |tenant, issued_at| Bearer {
        tenant: TenantId(tenant),
        issued_at: Some(at(issued_at)),
        personal: false,
    };
    let token = adapter.issue(WEB);
    for tenant in [5, 6] {
        adapter.force_off(order(tenant));
    }
    let refused = Reply::TokenStatus(Err(TokenError::Kicked));
    assert_eq!(reply(&adapter.run(&Command::VerifyBearer(of(5, START)))), refused);
    assert_eq!(reply(&adapter.run(&Command::VerifyBearer(of(6, START)))), refused);
    assert_eq!(reply(&adapter.run(&Command::VerifyBearer(of(7, START)))), Reply::TokenStatus(Ok(())));
    assert_eq!(adapter.token_status(&token), 0, "it is of tenant 0 as far as its own token goes");
    assert_eq!(reply(&adapter.run(&Command::Unlock { within: None })), Reply::Unlocked(true));
    assert_eq!(reply(&adapter.run(&Command::VerifyBearer(of(5, START)))), Reply::TokenStatus(Ok(())));
    adapter.force_off(order(6));
    assert_eq!(
        reply(&adapter.run(&Command::VerifyBearer(of(6, START)))),
        Reply::TokenStatus(Ok(())),
        "of 5 by now"
    );
}

#[test]
fn an_unlock_of_one_tenant_lifts_what_that_tenants_orders_left() {
    let mut adapter = adapter();
    let order = |tenant| ForceOff::Everything { within: Some(TenantId(tenant)), notice: None, at: None };
    let unlock = |adapter: &mut Adapter<Sqlite>, tenant| {
        reply(&adapter.run(&Command::Unlock { within: Some(TenantId(tenant)) }))
    };
    // Whether tenant 0's order stands, and which of the other tenants' do.
    let standing = |adapter: &Adapter<Sqlite>| {
        let loaded = adapter.store.load(&adapter.user, &Command::Unlock { within: None }, adapter.time());
        let Profile { revoked_at, revoked_in, .. } = loaded.profile.unwrap();
        (revoked_at.is_some(), revoked_in.into_iter().map(|(tenant, _)| tenant.0).collect::<Vec<i64>>())
    };
    // As long as its tenant is unknown, the user is of tenant 0, and orders of others wait for its first token.
    for tenant in [0, 5, 6] {
        adapter.force_off(order(tenant));
    }
    assert_eq!(unlock(&mut adapter, 7), Reply::Unlocked(false));
    assert_eq!(standing(&adapter), (true, vec![5, 6]));
    assert_eq!(unlock(&mut adapter, 5), Reply::Unlocked(true));
    assert_eq!(unlock(&mut adapter, 5), Reply::Unlocked(false));
    assert_eq!(standing(&adapter), (true, vec![6]));
    assert_eq!(unlock(&mut adapter, 0), Reply::Unlocked(true));
    assert_eq!(unlock(&mut adapter, 0), Reply::Unlocked(false));
    assert_eq!(standing(&adapter), (false, vec![6]));
    adapter.force_off(order(0));
    assert_eq!(unlock(&mut adapter, 6), Reply::Unlocked(true));
    assert_eq!(standing(&adapter), (true, vec![]));
}

#[test]
fn an_overview_shows_what_is_live_to_the_users_tenant_and_to_no_other() {
    let mut adapter = adapter();
    let token = adapter.issue(WEB);
    let connection = adapter.open(&token);
    let console = open(&mut adapter);
    let seen = |adapter: &mut Adapter<Sqlite>, within: Option<i64>| {
        let Reply::Overview(seen) =
            reply(&adapter.run(&Command::Overview { within: within.map(TenantId), details: false }))
        else {
            panic!("no overview")
        };
        let connections: Vec<ConnId> = seen.connections.iter().map(|one| one.connection).collect();
        (seen.tenant.0, connections, seen.consoles)
    };
    for within in [None, Some(0)] {
        assert_eq!(seen(&mut adapter, within), (0, vec![connection], vec![console]));
    }
    assert_eq!(seen(&mut adapter, Some(5)), (5, vec![], vec![]), "as of an unknown user");
    adapter.order(0, &[]);
    assert_eq!(seen(&mut adapter, None), (0, vec![], vec![]), "what a cutoff covers is in no answer");
}

#[test]
fn orders_about_a_user_who_was_never_seen_are_bounded() {
    let mut adapter = adapter();
    for tenant in 1..=20 {
        adapter.force_off(ForceOff::Everything { within: Some(TenantId(tenant)), notice: None, at: None });
    }
    let refused = |adapter: &mut Adapter<Sqlite>, tenant| {
        let bearer = Bearer { tenant: TenantId(tenant), issued_at: None, personal: false };
        reply(&adapter.run(&Command::VerifyBearer(bearer))) != Reply::TokenStatus(Ok(()))
    };
    assert!((13..=20).all(|tenant| refused(&mut adapter, tenant)));
    assert!(!refused(&mut adapter, 12));
}

#[test]
fn a_token_is_held_against_the_cutoff_of_the_tenant_that_its_issuer_tells() {
    let adapter = adapter();
    let bearer = Command::VerifyBearer(Bearer { tenant: TenantId(5), issued_at: None, personal: false });
    let nothing = Loaded::default();
    let unknown = Loaded { profile: Some(Profile::default()), ..Loaded::default() };
    let tenant = |command: &Command, loaded| command.tenant(adapter.user.id(), loaded, &adapter.rules);
    assert_eq!(tenant(&bearer, &nothing), Ok(TenantId(5)));
    assert_eq!(tenant(&Command::Status, &unknown), Ok(TenantId(0)));
    assert!(tenant(&Command::Status, &nothing).is_err(), "its tenant was not loaded");
    let mut rules = adapter.rules.clone();
    rules.tenants.push((adapter.user.id().clone(), TenantId(8)));
    assert_eq!(Command::Status.tenant(adapter.user.id(), &nothing, &rules), Ok(TenantId(8)));
    assert_eq!(bearer.tenant(adapter.user.id(), &nothing, &rules), Ok(TenantId(8)));
}
