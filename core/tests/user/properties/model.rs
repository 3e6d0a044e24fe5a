//! What a user is, said as plainly as it can be said: numbers, strings and tables, written from the rules alone.
//! Nothing of the crate under test is used here.

use std::collections::BTreeMap;

/// The push that ends a login.
pub const KICK: &str =
    r#"{"reqIdentifier":2002,"msgIncr":"","operationID":"","errCode":0,"errMsg":"","data":null}"#;
/// A token lives for a day here.
pub const LIFETIME_SECS: i64 = 86_400;

/// Platforms among which logins exclude each other, by policy. Ten is in none of them.
const EACH_ALONE: &[&[u8]] = &[&[1], &[2], &[3], &[4], &[5], &[6], &[7], &[8], &[9], &[11]];
const CLASSES: &[&[u8]] = &[&[1, 2], &[3, 4, 7], &[5], &[6], &[8, 9], &[11]];
const NO_COMPUTERS: &[&[u8]] = &[&[1, 2, 5, 6, 8, 9, 11]];

#[derive(Clone, Debug)]
pub struct Token {
    pub platform: u8,
    /// In seconds.
    pub expires: i64,
    pub kicked: bool,
    /// When its sockets were replaced by its own client.
    replaced: Vec<i64>,
}

#[derive(Clone, Debug)]
pub struct Socket {
    pub id: String,
    pub platform: u8,
    pub background: bool,
    pub token: usize,
}

/// A live connection as administrators see it: name, platform, background, token.
pub type Seen = (String, u8, bool, usize);

/// When a connection came and went, as the directory shows it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Record {
    pub online_at: i64,
    pub offline_at: Option<i64>,
}

/// The end of the last connection, which the directory does not show yet.
#[derive(Clone, Debug)]
pub struct Held {
    id: String,
    ended_at: i64,
    pub until: i64,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Answer {
    Done,
    Issued {
        lifetime: i64,
    },
    /// 0 or the error's number.
    TokenStatus(i64),
    Opened(i64, String),
    Presence(Vec<Seen>),
    /// No token was issued, until then.
    Denied(i64),
    Unlocked(bool),
}

/// What a client's socket receives.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Heard {
    Text(String),
    Binary(String),
    Closed(u16),
}

/// What a client sends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Frame {
    Ping,
    PingWithBody,
    Pong,
    StrayText,
    Garbage,
    WrongSender,
    Unknown,
    /// 1001, 1002, 1005, 1006, 1007
    Question(u16),
    /// 1003, 1004
    Message(u16),
    Logout,
    Background(bool),
    BackgroundGarbage,
    Unsubscribe,
    /// To `u1`, who is online on 2 and 5.
    Subscribe,
}

#[derive(Clone, Debug)]
pub struct Opening {
    pub id: String,
    /// `None` was signed by us and never issued.
    pub token: Option<usize>,
    pub user: String,
    pub platform: u8,
    pub background: bool,
}

#[derive(Clone, Debug)]
pub enum Order {
    Platform(u8),
    /// `None` was never issued, or is forgotten by now.
    Token(Option<usize>),
    Connection(String),
    Everything,
    /// Everything, or a connection by its record, and a deny window of so many milliseconds.
    Denying(Option<String>, i64),
}

#[derive(Clone, Debug)]
pub struct Model {
    pub user: String,
    pub policy: u8,
    pub most_tokens: usize,
    pub most_connections: usize,
    pub grace: i64,
    pub numbered: bool,
    pub now: i64,
    /// No two connections open at one time.
    pub last_opened: i64,
    pub tokens: Vec<Token>,
    pub live: Vec<Socket>,
    pub records: BTreeMap<String, Record>,
    pub held: Option<Held>,
    /// The spare time for connects in milliseconds, and its date. A connect takes 500 of them.
    pub spare: (i64, i64),
    /// Until when the user is denied.
    pub denied_until: i64,
    /// Whether an order took everything since the last unlock.
    pub is_cut: bool,
    /// What sockets heard since the last look.
    pub heard: BTreeMap<String, Vec<Heard>>,
}

impl Model {
    pub fn new(user: &str, policy: u8, now: i64) -> Self {
        Self {
            user: user.to_owned(),
            policy,
            most_tokens: 30,
            most_connections: 100,
            grace: 0,
            numbered: true,
            now,
            last_opened: 0,
            tokens: Vec::new(),
            live: Vec::new(),
            records: BTreeMap::new(),
            held: None,
            spare: (i64::MAX / 2, now),
            denied_until: 0,
            is_cut: false,
            heard: BTreeMap::new(),
        }
    }

    pub fn is_denied(&self) -> bool {
        self.denied_until > self.now
    }

    pub fn unlock(&mut self) -> Answer {
        let unlocked = self.is_cut || self.is_denied();
        (self.is_cut, self.denied_until) = (false, 0);
        Answer::Unlocked(unlocked)
    }

    pub fn issue(&mut self, platform: u8) -> Answer {
        if self.is_denied() {
            return Answer::Denied(self.denied_until);
        }
        let expires = self.now / 1000 + LIFETIME_SECS;
        self.tokens.push(Token { platform, expires, kicked: false, replaced: Vec::new() });
        if platform != 10 {
            // Each group keeps the newest.
            let room = if self.policy == 0 { self.most_tokens } else { 1 };
            let second = self.now / 1000;
            for group in self.groups() {
                let rivals = |token: &&mut Token| {
                    group.contains(&token.platform) && !token.kicked && token.expires > second
                };
                for token in self.tokens.iter_mut().rev().filter(rivals).skip(room) {
                    token.kicked = true;
                }
            }
        }
        Answer::Issued { lifetime: LIFETIME_SECS }
    }

    fn groups(&self) -> &'static [&'static [u8]] {
        match self.policy {
            4 => CLASSES,
            5 => NO_COMPUTERS,
            _ => EACH_ALONE,
        }
    }

    pub fn token_status(&self, token: Option<usize>) -> i64 {
        match token.map(|index| &self.tokens[index]) {
            None => 1507,
            Some(token) if self.now / 1000 >= token.expires => 1501,
            Some(token) if token.kicked => 1506,
            Some(_) => 0,
        }
    }

    pub fn open(&mut self, opening: Opening) -> Answer {
        let status = self.token_status(opening.token);
        let Some(name) = opening.token.filter(|_| status == 0) else {
            return Answer::Opened(status, String::new());
        };
        if self.is_denied() {
            return Answer::Opened(1506, "denied".to_owned());
        }
        if opening.user != self.user {
            return Answer::Opened(1502, format!("token uid {} != userID {}", self.user, opening.user));
        }
        let platform = self.tokens[name].platform;
        if opening.platform != platform {
            return Answer::Opened(
                1502,
                format!("token platform {platform} != platformID {}", opening.platform),
            );
        }

        let group = self.groups().iter().find(|group| self.policy != 0 && group.contains(&platform));
        let own = self.live.iter().any(|socket| socket.token == name);
        let now = self.now;
        let token = &mut self.tokens[name];
        // What is older than a minute is forgotten, and so is all of it once no socket of the token is left.
        token.replaced.retain(|when| own && now - when < 60_000);
        let replaces = own && self.policy != 0 && platform != 10 && token.replaced.len() < 5;

        let rival = |socket: &Socket| {
            socket.token != name && group.is_some_and(|group| group.contains(&socket.platform))
        };
        let leaves = |socket: &Socket| rival(socket) || (replaces && socket.token == name);
        let (leaving, staying): (Vec<Socket>, Vec<Socket>) = self.live.iter().cloned().partition(leaves);
        if staying.len() >= self.most_connections {
            return Answer::Opened(1601, String::new());
        }
        // As many at once as there may be connections, ten at least, then two a second.
        let most = 500 * i64::try_from(self.most_connections).unwrap().max(10);
        let (spare, since) = self.spare;
        let spare = (spare + now - since).min(most);
        if spare < 500 {
            return Answer::Opened(1601, String::new());
        }
        self.spare = (spare - 500, now);

        if replaces {
            self.tokens[name].replaced.push(now);
        }
        let kicks = leaving.iter().any(rival);
        for socket in &leaving {
            self.shown_as_ended(&socket.id);
            if rival(socket) {
                self.tokens[socket.token].kicked = true;
                self.hears(&socket.id, [Heard::Binary(KICK.into()), Heard::Closed(4006)]);
            } else {
                self.hears(&socket.id, [Heard::Closed(1000)]);
            }
        }
        if kicks && matches!(self.policy, 1 | 5) {
            for (other, token) in self.tokens.iter_mut().enumerate() {
                token.kicked |= other != name && token.platform == platform;
            }
        }
        self.release();
        self.live = staying;
        self.live.push(Socket {
            id: opening.id.clone(),
            platform,
            background: opening.background,
            token: name,
        });
        self.last_opened = now.max(self.last_opened + 1);
        if self.numbered {
            self.records.insert(opening.id, Record { online_at: self.last_opened, offline_at: None });
        }
        Answer::Opened(0, String::new())
    }

    /// A connection that ends by itself.
    pub fn close(&mut self, id: &str) -> Answer {
        if self.lives(id) {
            self.live.retain(|socket| socket.id != id);
            if self.live.is_empty() && self.grace > 0 && self.numbered {
                self.held =
                    Some(Held { id: id.to_owned(), ended_at: self.now, until: self.now + self.grace });
            } else {
                self.shown_as_ended(id);
            }
        }
        Answer::Done
    }

    pub fn set_background(&mut self, id: &str, background: bool) -> Answer {
        for socket in self.live.iter_mut().filter(|socket| socket.id == id) {
            socket.background = background;
        }
        Answer::Done
    }

    pub fn receive(&mut self, id: &str, frame: Frame) -> Answer {
        if !self.lives(id) {
            return Answer::Done;
        }
        let answer = |identifier: u16, code: u16, name: &str, data: &str| {
            Heard::Binary(format!(
                r#"{{"reqIdentifier":{identifier},"msgIncr":"m1","operationID":"o1","errCode":{code},"errMsg":"{name}","data":{data}}}"#
            ))
        };
        let text = |text: &str| Heard::Text(text.to_owned());
        let (heard, last) = match frame {
            Frame::Ping => (vec![text(r#"{"type":"pong","body":null}"#)], None),
            Frame::PingWithBody => (vec![text(r#"{"type":"pong","body":{"n":[1.50,"x"]}}"#)], None),
            // Who subscribes is answered once the others were asked.
            Frame::Pong | Frame::Subscribe => (vec![], None),
            Frame::StrayText | Frame::Garbage => (vec![], Some(1002)),
            Frame::WrongSender | Frame::Unknown => (vec![], Some(1008)),
            Frame::Question(identifier) => (vec![answer(identifier, 0, "", r#""""#)], None),
            Frame::Message(identifier) => (vec![answer(identifier, 1002, "NoPermissionError", "null")], None),
            Frame::Logout => (vec![answer(2003, 0, "", r#""""#)], Some(1000)),
            Frame::Background(background) => {
                self.set_background(id, background);
                (vec![answer(2004, 0, "", "null")], None)
            }
            Frame::BackgroundGarbage => (vec![answer(2004, 1001, "ArgsError", "null")], None),
            Frame::Unsubscribe => (vec![answer(2005, 0, "", r#""""#)], None),
        };
        self.hears(id, heard);
        if let Some(close) = last {
            self.close(id);
            self.hears(id, [Heard::Closed(close)]);
        }
        Answer::Done
    }

    /// `u1` was asked and is online on 2 and 5, or could not be asked.
    pub fn told(&mut self, id: &str, asked: bool) -> Answer {
        if self.lives(id) {
            let answer = if asked {
                r#"{"reqIdentifier":2005,"msgIncr":"m1","operationID":"o1","errCode":0,"errMsg":"","data":"CggKAnUxEgICBQ=="}"#
            } else {
                r#"{"reqIdentifier":2005,"msgIncr":"m1","operationID":"o1","errCode":500,"errMsg":"ServerInternalError","data":null}"#
            };
            self.hears(id, [Heard::Binary(answer.into())]);
        }
        Answer::Done
    }

    pub fn force_off(&mut self, order: &Order) -> Answer {
        if let Order::Denying(connection, millis) = order {
            self.denied_until = self.denied_until.max(self.now + millis);
            return match connection {
                // A connection without a record is named by none.
                Some(id) if self.numbered => self.force_off(&Order::Connection(id.clone())),
                Some(_) => Answer::Done,
                None => self.force_off(&Order::Everything),
            };
        }
        let named = match order {
            Order::Connection(id) => match self.live.iter().find(|socket| socket.id == *id) {
                Some(socket) => Some(socket.token),
                None => return Answer::Done,
            },
            Order::Token(None) => return Answer::Done,
            Order::Token(token) => *token,
            Order::Platform(_) | Order::Everything | Order::Denying(..) => None,
        };
        let platform = match order {
            Order::Platform(platform) => Some(*platform),
            _ => None,
        };
        let everything = matches!(order, Order::Everything);
        self.is_cut |= everything;
        for (index, token) in self.tokens.iter_mut().enumerate() {
            token.kicked |= everything || Some(index) == named || Some(token.platform) == platform;
        }
        let dies =
            |socket: &Socket| everything || Some(socket.token) == named || Some(socket.platform) == platform;
        let (leaving, staying): (Vec<_>, Vec<_>) = self.live.drain(..).partition(dies);
        self.live = staying;
        self.release();
        for socket in leaving {
            self.shown_as_ended(&socket.id);
            self.hears(&socket.id, [Heard::Binary(KICK.into()), Heard::Closed(4006)]);
        }
        Answer::Done
    }

    pub fn tick(&mut self) -> Answer {
        if self.held.as_ref().is_some_and(|held| held.until <= self.now) {
            self.release();
        }
        Answer::Done
    }

    pub fn presence(&self) -> Vec<Seen> {
        let seen = |socket: &Socket| (socket.id.clone(), socket.platform, socket.background, socket.token);
        self.live.iter().map(seen).collect()
    }

    fn lives(&self, id: &str) -> bool {
        self.live.iter().any(|socket| socket.id == id)
    }

    fn release(&mut self) {
        if let Some(held) = self.held.take() {
            self.end_record(&held.id, held.ended_at);
        }
    }

    fn shown_as_ended(&mut self, id: &str) {
        self.end_record(id, self.now);
    }

    fn end_record(&mut self, id: &str, at: i64) {
        if let Some(record) = self.records.get_mut(id) {
            let at = at.max(record.online_at);
            assert_eq!(record.offline_at.replace(at), None, "a connection ends once");
        }
    }

    fn hears(&mut self, id: &str, what: impl IntoIterator<Item = Heard>) {
        let mut what = what.into_iter().peekable();
        if what.peek().is_some() {
            self.heard.entry(id.to_owned()).or_default().extend(what);
        }
    }
}
