//! Accounts that a back end registers: one example a sentence.

use crate::harness::{Adapter, Event, Setup, Sqlite, Store as _, Trace};
use rollcall_core::{
    directory::record::Record,
    message_center::Principal,
    user::{Account, AccountUpdate, Change, Client, Command, ConsoleOpening, Reply},
};

const WEB: u8 = 5;

fn adapter() -> Adapter<Sqlite> {
    Adapter::new(Setup { policy: 0, ..Setup::default() })
}

fn reply(trace: &Trace) -> Reply {
    match trace.last() {
        Some(Event::Reply(reply)) => reply.clone(),
        other => panic!("{other:?} is no reply"),
    }
}

fn register(adapter: &mut Adapter<Sqlite>, nickname: &str, face_url: &str) -> Reply {
    reply(&adapter.run(&Command::Register(Account::new(nickname, face_url).unwrap())))
}

fn update(adapter: &mut Adapter<Sqlite>, nickname: Option<&str>, face_url: Option<&str>) -> Reply {
    reply(&adapter.run(&Command::UpdateAccount(AccountUpdate::new(nickname, face_url).unwrap())))
}

fn account(adapter: &mut Adapter<Sqlite>) -> Option<Account> {
    match reply(&adapter.run(&Command::Account)) {
        Reply::Account(account) => account,
        other => panic!("{other:?} is no account"),
    }
}

/// The record that a trace opened.
fn opened(trace: &Trace) -> Record {
    let changes = trace.iter().find_map(|event| match event {
        Event::Commit(changes) => Some(changes),
        _ => None,
    });
    let record = changes.unwrap().iter().find_map(|change| match change {
        Change::RecordOpened(record) => Some(record.as_ref().clone()),
        _ => None,
    });
    record.unwrap()
}

fn open(adapter: &mut Adapter<Sqlite>) -> Record {
    let token = adapter.issue(WEB);
    opened(&adapter.try_open(&token).unwrap().1)
}

fn open_console(adapter: &mut Adapter<Sqlite>, who: Principal) -> Record {
    let connection = adapter.draw_connection();
    let opening = ConsoleOpening { connection, principal: who, client: Client::default(), session: None };
    opened(&adapter.run(&Command::OpenConsole(Box::new(opening))))
}

#[test]
fn a_registered_name_and_picture_are_those_of_later_records() {
    let mut adapter = adapter();
    let (id, unnamed) = (adapter.user.id().to_string(), open(&mut adapter));
    assert_eq!((unnamed.full_name, unnamed.avatar), (id.clone(), None));
    assert_eq!(register(&mut adapter, "Ada", "https://cdn.example/ada.png"), Reply::WasRegistered(false));
    let ada = open(&mut adapter);
    assert_eq!((ada.full_name.as_str(), ada.avatar.as_deref()), ("Ada", Some("https://cdn.example/ada.png")));
    assert_eq!(update(&mut adapter, Some(""), Some("")), Reply::WasRegistered(true));
    let nameless = open(&mut adapter);
    assert_eq!((nameless.full_name, nameless.avatar), (id, None));
}

#[test]
fn a_user_is_registered_once() {
    let mut adapter = adapter();
    assert_eq!(account(&mut adapter), None);
    assert_eq!(update(&mut adapter, Some("Eve"), None), Reply::WasRegistered(false));
    assert_eq!(account(&mut adapter), None, "an update registers no user");
    register(&mut adapter, "Ada", "a");
    let before = adapter.store.dump();
    assert_eq!(register(&mut adapter, "Eve", "b"), Reply::WasRegistered(true));
    assert_eq!(adapter.store.dump(), before);
    assert_eq!(update(&mut adapter, None, Some("b")), Reply::WasRegistered(true));
    assert_eq!(account(&mut adapter), Some(Account::new("Ada", "b").unwrap()));
}

#[test]
fn what_the_issuer_says_of_a_console_wins_over_the_account() {
    let mut adapter = adapter();
    register(&mut adapter, "Ada", "https://cdn.example/ada.png");
    let who = Principal::openim_admin(adapter.user.id().clone());
    let registered = open_console(&mut adapter, Principal { username: "login".into(), ..who.clone() });
    assert_eq!(registered.full_name, "Ada");
    assert_eq!(registered.avatar.as_deref(), Some("https://cdn.example/ada.png"));
    let named = Principal { full_name: Some("Countess".into()), avatar: Some("c.png".into()), ..who };
    let record = open_console(&mut adapter, named);
    assert_eq!((record.full_name.as_str(), record.avatar.as_deref()), ("Countess", Some("c.png")));
}

#[test]
fn administrators_are_registered_by_the_configuration() {
    let mut adapter = adapter();
    adapter.rules.admins = vec![adapter.user.id().clone()];
    assert_eq!(register(&mut adapter, "Ada", ""), Reply::WasRegistered(true));
    assert_eq!(account(&mut adapter), Some(Account::default()));
    assert_eq!(update(&mut adapter, Some("Root"), None), Reply::WasRegistered(true));
    assert_eq!(account(&mut adapter), Some(Account::new("Root", "").unwrap()));
}
