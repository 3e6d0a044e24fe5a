//! The body of an order to a selection: the list's own keys and filters, and ids, all joined by AND.
//!
//! What a list may ignore, an order refuses: without it the order would take more than its caller meant.

use super::{Scope, tree::Tree};
use crate::{
    audit::{self, EntryId},
    deny::{LONGEST, REASON_BYTES},
    directory::{
        filter::{
            self, Comparison, Condition, FILTERS_LIMIT, Key, Kind, TextColumns, TextTest, VALUES_LIMIT,
        },
        zone::Zone,
    },
    id::{ConnId, TenantId, UserId},
    message_center::{IDS_LIMIT, MessageCenterError},
    ordered::distinct,
    platform::Platform,
    token::TokenHash,
};

/// The most texts of an entry that say what an order selects.
const WORDS: usize = 20;
/// The longest of them, in bytes.
const WORD_BYTES: usize = 80;
/// The most ids of connections, and of devices.
const CONNECTIONS: usize = 1_000;
/// More platforms than there are.
const PLATFORMS: usize = 16;

/// Members of a selection beside the keys of the list.
const IDS: [&str; 5] = ["filters", "userIds", "deviceIds", "platforms", "connIds"];

/// An order to a selection, or its dry run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Request {
    /// The named tenant.
    pub tenant: Option<TenantId>,
    /// What it selects.
    pub wanted: Wanted,
    /// What it takes.
    pub scope: Scope,
    /// Why it is given.
    pub reason: Option<String>,
    /// For how many seconds its users are denied.
    pub deny: Option<u32>,
    /// Whether nothing is carried out.
    pub dry_run: bool,
    /// The dry run whose selection it carries out.
    pub receipt: Option<EntryId>,
}

/// A selection, before it is looked for.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Wanted {
    /// What a record is to pass.
    pub conditions: Vec<Condition>,
    /// Users that are named, ascending; none, where any user may be.
    pub users: Vec<i64>,
    /// The platforms of connections; none, where any may be.
    pub platforms: Vec<Platform>,
    /// Connections that are named; none, where any may be.
    pub connections: Vec<ConnId>,
    /// The same for people, cut.
    words: Vec<String>,
}

/// A member is not as documented.
const UNREAD: MessageCenterError = MessageCenterError::Unparsable { too_large: false };

impl Request {
    /// Reads the body of an order.
    ///
    /// # Errors
    /// The first rule that the body broke.
    pub fn parse(body: &[u8], zone: &Zone) -> Result<Self, MessageCenterError> {
        let body = members(Tree::read(body).ok_or(UNREAD)?)?;
        let mut request = Self {
            tenant: None,
            wanted: Wanted::default(),
            scope: Scope::User,
            reason: None,
            deny: None,
            dry_run: false,
            receipt: None,
        };
        for (name, value) in body {
            match (name.as_str(), value) {
                ("tenantId", value) => request.tenant = Some(TenantId(value.number()?)),
                ("select", select) => request.wanted = Wanted::read(members(select)?, zone)?,
                ("scope", Tree::Text(name)) => {
                    let scope = [Scope::User, Scope::Connection].into_iter().find(|one| one.name() == name);
                    request.scope = scope.ok_or(UNREAD)?;
                }
                ("reason", Tree::Text(reason)) => {
                    let reason: String = reason.chars().map(printed).collect();
                    request.reason = Some(reason.trim().to_owned()).filter(|reason| !reason.is_empty());
                }
                ("denySeconds", value) => {
                    let seconds = u32::try_from(value.number()?).ok();
                    let seconds = seconds.filter(|seconds| (1..=LONGEST).contains(seconds));
                    let problem = || invalid(format!("denySeconds must be between 1 and {LONGEST}"));
                    request.deny = Some(seconds.ok_or_else(problem)?);
                }
                ("dryRun", Tree::Word(word)) => request.dry_run = word.parse().map_err(|_| UNREAD)?,
                ("receipt", Tree::Text(id)) => request.receipt = Some(id.parse().map_err(|_| UNREAD)?),
                // What is not known would make the order a weaker one.
                _ => return Err(UNREAD),
            }
        }
        if request.reason.as_ref().is_some_and(|reason| reason.len() > REASON_BYTES) {
            return Err(invalid(format!("reason must have at most {REASON_BYTES} bytes")));
        }
        if request.wanted.is_empty() {
            return Err(invalid("select must name something".to_owned()));
        }
        if request.dry_run && request.receipt.is_some() {
            return Err(invalid("a dry run has no receipt yet".to_owned()));
        }
        Ok(request)
    }

    /// The hash of all that an order and its dry run have in common, and of their caller.
    pub fn hash(&self, caller: &UserId, tenant: TenantId) -> TokenHash {
        let Wanted { conditions, users, platforms, connections, words: _ } = &self.wanted;
        let of = (caller, tenant, self.scope, &self.reason, self.deny);
        let text = serde_json::to_string(&(of, conditions, users, platforms, connections));
        TokenHash::of(&text.unwrap_or_default())
    }

    /// What an entry says of the order.
    pub fn selection(&self) -> audit::Selection {
        audit::Selection {
            scope: Some(self.scope.name()),
            reason: self.reason.clone(),
            deny_seconds: self.deny,
            select: self.wanted.words.clone(),
            ids: self.wanted.users.iter().take(audit::SHOWN).map(i64::to_string).collect(),
            ids_total: (!self.wanted.users.is_empty()).then_some(self.wanted.users.len()),
            ..audit::Selection::default()
        }
    }
}

impl Wanted {
    fn is_empty(&self) -> bool {
        self.conditions.is_empty() && self.platforms.is_empty() && self.connections.is_empty()
    }

    /// Whether sockets have to be looked at: records hold neither platforms nor ids of connections.
    pub fn is_about_sockets(&self) -> bool {
        !(self.platforms.is_empty() && self.connections.is_empty())
    }

    /// Whether every connection of the selection is online by its conditions alone.
    pub fn is_online(&self) -> bool {
        self.conditions.contains(&Condition::Online { online: true, offline: false })
    }

    /// Whether users are named and nothing else is asked: then they need no record.
    pub fn is_of_named_users(&self) -> bool {
        !self.users.is_empty() && self.conditions.len() == 1 && !self.is_about_sockets()
    }

    fn read(mut select: Vec<(String, Tree)>, zone: &Zone) -> Result<Self, MessageCenterError> {
        let mut wanted = Self::default();
        // A repetition may have its members in another order.
        let mut names: Vec<&str> = IDS.into_iter().chain(Key::ALL.map(Key::name)).collect();
        names.retain(|name| select.iter().any(|(given, _)| given == name));
        if names.len() < select.len() {
            return Err(UNREAD);
        }
        for name in names {
            let Some(place) = select.iter().position(|(given, _)| given == name) else { continue };
            let (_, value) = select.swap_remove(place);
            match name {
                "filters" => {
                    for filter in value.items(FILTERS_LIMIT, name)? {
                        wanted.add_filter(filter, zone)?;
                    }
                }
                "userIds" => {
                    let ids = value.items(IDS_LIMIT, name)?;
                    wanted.users = distinct(ids.iter().map(Tree::number).collect::<Result<Vec<_>, _>>()?);
                    wanted.conditions.push(Condition::User(Comparison::In(wanted.users.clone())));
                }
                "deviceIds" => {
                    let devices = value.items(VALUES_LIMIT, name)?;
                    let devices = devices.into_iter().map(Tree::text).collect::<Result<Vec<_>, _>>()?;
                    if devices.iter().any(|device| device.trim().is_empty()) {
                        return Err(invalid(format!("{name} has a member that is blank")));
                    }
                    wanted.say(&format!("deviceIds {}", devices.join(",")));
                    let test = TextTest::In(devices);
                    wanted.conditions.push(Condition::Text(TextColumns::DeviceId, test));
                }
                "platforms" => {
                    for platform in value.items(PLATFORMS, name)? {
                        let platform = Platform::from_number(platform.number()?);
                        wanted
                            .platforms
                            .push(platform.ok_or_else(|| invalid("there is no such platform".to_owned()))?);
                    }
                    let names: Vec<_> = wanted.platforms.iter().map(|platform| platform.name()).collect();
                    wanted.say(&format!("platforms {}", names.join(",")));
                }
                "connIds" => {
                    for connection in value.items(CONNECTIONS, name)? {
                        wanted.connections.push(connection.text()?.parse().map_err(|_| UNREAD)?);
                    }
                    let ids: Vec<_> = wanted.connections.iter().take(2).map(ConnId::to_string).collect();
                    wanted.say(&format!("connIds {}", ids.join(",")));
                }
                _ => {
                    let key = Key::from_name(name).ok_or(UNREAD)?;
                    let text = value.one()?;
                    let word = format!("{name} EQUAL {text}");
                    let conditions = filter::conditions(Kind::Order, &[pair(key.name(), text)], zone)?;
                    wanted.add(conditions, &word)?;
                }
            }
        }
        Ok(wanted)
    }

    fn add_filter(&mut self, filter: Tree, zone: &Zone) -> Result<(), MessageCenterError> {
        let (mut pairs, mut words) = (Vec::new(), [String::new(), String::new(), String::new()]);
        let [key, operator, shown] = &mut words;
        for (name, value) in members(filter)? {
            match (name.as_str(), value) {
                ("key", Tree::Text(text)) => {
                    key.clone_from(&text);
                    pairs.push(pair("filters[0].key", text));
                }
                ("op", Tree::Text(text)) => {
                    operator.clone_from(&text);
                    pairs.push(pair("filters[0].op", text));
                }
                ("value", many @ Tree::Many(_)) => {
                    for one in many.items(VALUES_LIMIT, "value")? {
                        let one = one.one()?;
                        shown.push_str(&one);
                        shown.push(',');
                        pairs.push(pair("filters[0].value[]", one));
                    }
                    shown.pop();
                }
                ("value", one) => {
                    let one = one.one()?;
                    shown.push_str(&one);
                    pairs.push(pair("filters[0].value", one));
                }
                _ => return Err(UNREAD),
            }
        }
        self.add(filter::conditions(Kind::Order, &pairs, zone)?, words.join(" ").trim_end())
    }

    /// Takes a condition in, with its words.
    fn add(&mut self, conditions: Vec<Condition>, word: &str) -> Result<(), MessageCenterError> {
        if conditions.len() != 1 {
            return Err(invalid(format!("it selects nothing: {}", cut(word))));
        }
        self.conditions.extend(conditions);
        self.say(word);
        Ok(())
    }

    fn say(&mut self, word: &str) {
        if self.words.len() < WORDS {
            self.words.push(cut(word));
        }
    }
}

fn pair(name: &str, value: String) -> (String, String) {
    (name.to_owned(), value)
}

/// The members of an object. One that is null is refused: it might be meant as nobody, and to leave it out would be everybody.
fn members(tree: Tree) -> Result<Vec<(String, Tree)>, MessageCenterError> {
    let Tree::Members(members) = tree else { return Err(UNREAD) };
    match members.iter().find(|(_, value)| matches!(value, Tree::Null)) {
        Some((name, _)) => Err(invalid(format!("{} must not be null", cut(name)))),
        None => Ok(members),
    }
}

/// As much of a text as an entry has room for, where a quotation mark and a backslash are two bytes.
fn cut(word: &str) -> String {
    let mut bytes = 0;
    let fits = |one: &char| {
        bytes += if matches!(one, '"' | '\\') { 2 } else { one.len_utf8() };
        bytes <= WORD_BYTES
    };
    word.chars().map(printed).take_while(fits).collect()
}

/// A control character would have six bytes in an entry.
fn printed(one: char) -> char {
    if one.is_control() { ' ' } else { one }
}

const fn invalid(text: String) -> MessageCenterError {
    MessageCenterError::Invalid(text)
}
