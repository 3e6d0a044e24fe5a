//! A body as a tree of few nodes. One reader for all of its members is a third of the code of one for each.

use std::{cell::Cell, fmt};

use serde::de::{DeserializeSeed, Deserializer, Error, MapAccess, SeqAccess, Visitor};

use crate::message_center::{IDS_LIMIT, MessageCenterError};

/// The most nodes of a body: a list of ids, and all else that may stand beside it.
const NODES: usize = IDS_LIMIT + 25_000;

/// What an object counts for: there are few of them.
const OBJECT: usize = 100;

/// A value of JSON.
#[derive(Debug)]
pub(super) enum Tree {
    /// A text.
    Text(String),
    /// A number or a boolean, as it is written.
    Word(String),
    /// A list.
    Many(Vec<Tree>),
    /// An object, its members in their order, null ones among them: to an order, a member that is null is none that is left out.
    Members(Vec<(String, Tree)>),
    /// Nothing.
    Null,
}

impl Tree {
    /// Reads a body; `None` where it is no JSON, or has too many nodes.
    pub(super) fn read(body: &[u8]) -> Option<Self> {
        // Checked as a whole: the parser does not look into texts that it skips.
        let text = std::str::from_utf8(body).ok()?;
        let mut deserializer = serde_json::Deserializer::from_str(text);
        let tree = Node(&Cell::new(NODES)).deserialize(&mut deserializer).ok()?;
        deserializer.end().ok()?;
        Some(tree)
    }

    /// A text, number or boolean, as the query string of a list has it.
    pub(super) fn one(self) -> Result<String, MessageCenterError> {
        match self {
            Self::Text(text) | Self::Word(text) => Ok(text),
            _ => Err(UNREAD),
        }
    }

    pub(super) fn text(self) -> Result<String, MessageCenterError> {
        match self {
            Self::Text(text) => Ok(text),
            _ => Err(UNREAD),
        }
    }

    /// A 64-bit integer, or its decimal text.
    pub(super) fn number(&self) -> Result<i64, MessageCenterError> {
        match self {
            Self::Text(text) | Self::Word(text) => text.trim().parse().map_err(|_| UNREAD),
            _ => Err(UNREAD),
        }
    }

    /// The items of a list that names something. An empty one would be nobody, and must never be everybody.
    pub(super) fn items(self, most: usize, name: &str) -> Result<Vec<Self>, MessageCenterError> {
        match self {
            Self::Many(items) if items.is_empty() || items.len() > most => {
                Err(MessageCenterError::Invalid(format!("size of {name} must be between 1 and {most}")))
            }
            Self::Many(items) if items.iter().any(|item| matches!(item, Self::Null)) => {
                Err(MessageCenterError::Invalid(format!("{name} has a member that is null")))
            }
            Self::Many(items) => Ok(items),
            _ => Err(UNREAD),
        }
    }
}

const UNREAD: MessageCenterError = MessageCenterError::Unparsable { too_large: false };

/// Reads a node, as long as there may be more.
#[derive(Clone, Copy)]
struct Node<'a>(&'a Cell<usize>);

impl<'de> DeserializeSeed<'de> for Node<'_> {
    type Value = Tree;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Tree, D::Error> {
        self.charge(1)?;
        deserializer.deserialize_any(self)
    }
}

impl Node<'_> {
    fn charge<E: Error>(self, nodes: usize) -> Result<(), E> {
        let left = self.0.get().checked_sub(nodes).ok_or_else(|| Error::custom("too many values"))?;
        self.0.set(left);
        Ok(())
    }
}

impl<'de> Visitor<'de> for Node<'_> {
    type Value = Tree;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("JSON")
    }

    fn visit_unit<E: Error>(self) -> Result<Tree, E> {
        Ok(Tree::Null)
    }

    fn visit_bool<E: Error>(self, flag: bool) -> Result<Tree, E> {
        Ok(Tree::Word(flag.to_string()))
    }

    fn visit_i64<E: Error>(self, number: i64) -> Result<Tree, E> {
        Ok(Tree::Word(number.to_string()))
    }

    fn visit_u64<E: Error>(self, number: u64) -> Result<Tree, E> {
        Ok(Tree::Word(number.to_string()))
    }

    fn visit_f64<E: Error>(self, _number: f64) -> Result<Tree, E> {
        // No member is a fraction.
        Err(E::custom("a fraction"))
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<Tree, E> {
        Ok(Tree::Text(text.to_owned()))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Tree, A::Error> {
        let mut items = Vec::new();
        while let Some(item) = list.next_element_seed(self)? {
            items.push(item);
        }
        Ok(Tree::Many(items))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Tree, A::Error> {
        self.charge(OBJECT)?;
        let mut members: Vec<(String, Tree)> = Vec::new();
        while let Some(name) = map.next_key::<String>()? {
            let value = map.next_value_seed(self)?;
            // Of two members of a name, either might be meant.
            if members.iter().any(|(other, _)| *other == name) || members.len() > 20 {
                return Err(Error::custom("a member stands twice, or there are too many"));
            }
            members.push((name, value));
        }
        Ok(Tree::Members(members))
    }
}
