//! The order of what one command led to.

use super::*;

/// The order that holds for every command (`docs/rules/users.md`): durable commit, out of the live set, directory,
/// frame, close, reply.
pub fn check_order(trace: &Trace, live_before: &BTreeSet<ConnId>) {
    let mut live = live_before.clone();
    let mut retired = BTreeSet::new();
    let mut closed = BTreeSet::new();
    let mut kicked = BTreeSet::new();
    let mut published = None;
    let mut changes: &[Change] = &[];
    for (index, event) in trace.iter().enumerate() {
        match event {
            Event::Commit(committed) => {
                assert_eq!(index, 0, "something happened before the commit: {trace:?}");
                changes = committed;
            }
            Event::Retire(ids) => {
                assert!(published.is_none(), "the directory was told before the live set: {trace:?}");
                for id in ids {
                    assert!(live.remove(id), "{id} was retired and did not live: {trace:?}");
                    retired.insert(*id);
                }
            }
            Event::Admit(id) => {
                assert!(published.is_none(), "the directory was told before the live set: {trace:?}");
                assert!(live.insert(*id), "{id} was admitted twice: {trace:?}");
            }
            Event::Keep(id) | Event::Background(id, _) => {
                assert!(live.contains(id), "{id} does not live: {trace:?}")
            }
            Event::Publish { awaited } => {
                assert!(published.replace(*awaited).is_none(), "published twice: {trace:?}");
                assert!(closed.is_empty() && kicked.is_empty(), "said before published: {trace:?}");
            }
            Event::Send(to, payload) => {
                assert!(live.contains(to) || retired.contains(to), "a frame to no connection: {trace:?}");
                assert!(!closed.contains(to), "a frame after the close: {trace:?}");
                if is_kick(payload) {
                    assert!(retired.contains(to), "told before it left the live set: {trace:?}");
                    assert!(kicked.insert(*to), "told twice: {trace:?}");
                }
            }
            Event::Close(id, close) => {
                assert!(retired.contains(id), "closed before it left the live set: {trace:?}");
                assert!(closed.insert(*id), "closed twice: {trace:?}");
                assert_eq!(*close == Close::Kicked, kicked.contains(id), "frame and code differ: {trace:?}");
            }
            Event::Under(_) => assert!(closed.is_empty() && kicked.is_empty(), "moved late: {trace:?}"),
            Event::Watch(_, pending) => assert!(live.contains(&pending.connection), "{trace:?}"),
            Event::Reply(_) => assert_eq!(index + 1, trace.len(), "the reply is not last: {trace:?}"),
        }
    }
    assert!(matches!(trace.last(), Some(Event::Reply(_))), "no reply: {trace:?}");
    assert!(kicked.is_subset(&closed), "kicked and not closed: {trace:?}");
    assert!(kicked.is_empty() || !changes.is_empty(), "kicked and not durable: {trace:?}");
    let is_told = |change: &Change| matches!(change, Change::RecordOpened(_) | Change::RecordEnded { .. });
    let news = changes.iter().any(is_told);
    assert!(published.is_some() || !news, "the directory does not hear of it: {trace:?}");
    // Without news only a force-off publishes: what an earlier one could not.
    assert!(news || published != Some(false), "nothing to publish: {trace:?}");
}

/// Whether a message is the one that tells a client that its login was taken back.
fn is_kick(payload: &Payload) -> bool {
    matches!(payload, Payload::Binary(bytes) if bytes.starts_with(br#"{"reqIdentifier":2002,"#))
}

/// The connections that a trace tells that they were kicked.
pub fn kicked(trace: &Trace) -> Vec<ConnId> {
    let told = |event: &Event| match event {
        Event::Send(to, payload) if is_kick(payload) => Some(*to),
        _ => None,
    };
    trace.iter().filter_map(told).collect()
}
