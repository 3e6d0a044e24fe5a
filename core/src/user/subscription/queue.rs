//! Requests to follow users, one at a time for each connection.
//!
//! A request for 3,000 users is 3,000 calls. While one is under way, later ones of the connection wait, and together they
//! are no longer than one may be: so a client that repeats its request costs others no more than one that asks once.

use std::collections::VecDeque;

use super::{SUBSCRIPTIONS, SubscriptionRequest};
use crate::{id::ConnId, openim::Code, user::ClientMessage};

/// The most bytes that wait for one connection, beside the first request.
const WAITING_BYTES: usize = 256 * 1024;

/// The requests of a user's connections that are under way or wait. Part of no stored state: requests end with the process.
#[derive(Debug, Default)]
pub struct SubscriptionQueue {
    /// One for each connection with a request under way. A vector, since mostly there is none.
    busy: Vec<Line>,
}

/// The requests of one connection that wait for the one under way.
#[derive(Debug)]
struct Line {
    connection: ConnId,
    waiting: VecDeque<SubscriptionRequest>,
    ids: usize,
    bytes: usize,
}

/// When a request is carried out.
#[derive(Debug, PartialEq, Eq)]
pub enum Turn {
    /// Now. [`SubscriptionQueue::next`] follows when it is answered.
    Now(SubscriptionRequest),
    /// When those before it are answered: [`SubscriptionQueue::next`] returns it.
    Later,
    /// Never: too much waits. The message answers it with an error, and the client may repeat it.
    Never(ClientMessage),
}

impl SubscriptionQueue {
    /// Takes a request in.
    pub fn offer(&mut self, connection: ConnId, request: SubscriptionRequest) -> Turn {
        let Some(line) = self.busy.iter_mut().find(|line| line.connection == connection) else {
            self.busy.push(Line { connection, waiting: VecDeque::new(), ids: 0, bytes: 0 });
            return Turn::Now(request);
        };
        let (ids, bytes) = (line.ids + request.ids(), line.bytes + request.bytes());
        if !line.waiting.is_empty() && (ids > SUBSCRIPTIONS || bytes > WAITING_BYTES) {
            return Turn::Never(request.failed());
        }
        (line.ids, line.bytes) = (ids, bytes);
        line.waiting.push_back(request);
        Turn::Later
    }

    /// The connection's next request, now that the one under way is answered.
    pub fn next(&mut self, connection: ConnId) -> Option<SubscriptionRequest> {
        let line = self.busy.iter_mut().find(|line| line.connection == connection)?;
        let Some(next) = line.waiting.pop_front() else {
            self.end(connection);
            return None;
        };
        line.ids -= next.ids();
        line.bytes -= next.bytes();
        Some(next)
    }

    /// Drops what waits for a connection that has ended.
    pub fn end(&mut self, connection: ConnId) {
        self.busy.retain(|line| line.connection != connection);
    }
}

impl SubscriptionRequest {
    /// The message that answers it with an error. The client may repeat the request.
    pub fn failed(&self) -> ClientMessage {
        ClientMessage::Answer(self.as_frame().fail(Code::Internal))
    }

    /// The ids that it names; one without any counts too.
    fn ids(&self) -> usize {
        (self.subscribe.len() + self.unsubscribe.len()).max(1)
    }

    /// The memory that it takes.
    fn bytes(&self) -> usize {
        let ids = self.subscribe.iter().chain(&self.unsubscribe);
        let texts = ids.chain([&self.operation_id, &self.msg_incr]);
        texts.map(|text| size_of::<String>() + text.len()).sum::<usize>() + size_of::<Self>()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn request(label: &str, ids: usize) -> SubscriptionRequest {
        SubscriptionRequest {
            operation_id: "op".to_owned(),
            msg_incr: label.to_owned(),
            subscribe: vec!["u".to_owned(); ids],
            unsubscribe: Vec::new(),
            more: false,
        }
    }

    fn connection(number: u8) -> ConnId {
        ConnId::from_bytes([number; 16])
    }

    fn is_refused(turn: &Turn) -> bool {
        matches!(turn, Turn::Never(ClientMessage::Answer(answer)) if answer.error_code == 500)
    }

    #[test]
    fn one_is_under_way_and_the_next_follows_in_order() {
        let (mut queue, one) = (SubscriptionQueue::default(), connection(1));
        assert_eq!(queue.offer(one, request("a", 3)), Turn::Now(request("a", 3)));
        assert_eq!(queue.offer(one, request("b", 2)), Turn::Later);
        assert_eq!(queue.offer(one, request("c", 1)), Turn::Later);
        assert_eq!(queue.next(one), Some(request("b", 2)));
        assert_eq!(queue.offer(one, request("d", 1)), Turn::Later);
        assert_eq!(queue.next(one), Some(request("c", 1)));
        assert_eq!(queue.next(one), Some(request("d", 1)));
        assert_eq!(queue.next(one), None);
        assert_eq!(queue.offer(one, request("e", 1)), Turn::Now(request("e", 1)));
    }

    #[test]
    fn one_long_request_waits_and_a_second_is_refused() {
        let (mut queue, one) = (SubscriptionQueue::default(), connection(1));
        queue.offer(one, request("a", SUBSCRIPTIONS));
        assert_eq!(queue.offer(one, request("b", SUBSCRIPTIONS)), Turn::Later);
        for _ in 0..60 {
            assert!(is_refused(&queue.offer(one, request("c", SUBSCRIPTIONS))));
        }
        assert!(is_refused(&queue.offer(one, request("d", 0))), "an empty one counts too");
        assert_eq!(queue.next(one), Some(request("b", SUBSCRIPTIONS)));
        assert_eq!(queue.offer(one, request("e", 1)), Turn::Later);
        assert_eq!(queue.next(one), Some(request("e", 1)));
    }

    #[test]
    fn as_many_short_requests_wait_as_one_may_be_long() {
        let (mut queue, one) = (SubscriptionQueue::default(), connection(1));
        let turns: Vec<Turn> = (0..SUBSCRIPTIONS).map(|_| queue.offer(one, request("", 1))).collect();
        let waiting = turns.iter().filter(|turn| **turn == Turn::Later).count();
        assert!((500..SUBSCRIPTIONS).contains(&waiting), "{waiting} fit into the bound of bytes");
        assert!(turns[1 + waiting..].iter().all(is_refused));
    }

    #[test]
    fn long_labels_count_as_ids_do() {
        let (mut queue, one) = (SubscriptionQueue::default(), connection(1));
        let label = "x".repeat(50_000);
        let turns: Vec<Turn> = (0..10).map(|_| queue.offer(one, request(&label, 1))).collect();
        assert_eq!(turns.iter().filter(|turn| **turn == Turn::Later).count(), 5, "beside the one under way");
        assert!(turns[6..].iter().all(is_refused));
    }

    #[test]
    fn connections_do_not_wait_for_each_other_and_end_with_what_waits() {
        let (mut queue, one, other) = (SubscriptionQueue::default(), connection(1), connection(2));
        queue.offer(one, request("a", 1));
        queue.offer(one, request("b", 1));
        assert_eq!(queue.offer(other, request("c", 1)), Turn::Now(request("c", 1)));
        queue.end(one);
        assert_eq!(queue.next(one), None);
        assert_eq!(queue.next(other), None);
        assert!(queue.busy.is_empty());
    }
}
