//! JSON as it stands in a text.

use std::fmt;

use serde::{
    Deserialize, Deserializer,
    de::{DeserializeOwned, MapAccess, SeqAccess, Visitor},
};

use super::Unread;

/// A JSON value. Its members keep their order, and none is lost that stands twice.
#[derive(Debug)]
pub enum Tree {
    /// `null`
    Null,
    /// `true` or `false`
    Flag(bool),
    /// A whole number.
    Signed(i64),
    /// A whole number above those.
    Unsigned(u64),
    /// Any other number, as near as a float comes.
    Fraction(f64),
    /// A text.
    Text(String),
    /// An array.
    List(Vec<Self>),
    /// An object.
    Object(Vec<(String, Self)>),
}

impl Tree {
    /// Parses JSON text. It nests 128 deep at most.
    ///
    /// # Errors
    /// Where it is no JSON.
    pub fn parse(bytes: &[u8]) -> Result<Self, Unread> {
        Ok(serde_json::from_slice(bytes)?)
    }

    /// The same of an object. Nothing else is even parsed.
    ///
    /// # Errors
    /// Where it is no JSON, or that it is no object.
    pub fn object(bytes: &[u8]) -> Result<Self, Unread> {
        match bytes.iter().find(|byte| !byte.is_ascii_whitespace()) {
            Some(b'{') | None => Self::parse(bytes),
            Some(_) => Err(Unread::NoObject),
        }
    }

    /// What a type takes of it.
    ///
    /// # Errors
    /// Which member is not as it should be.
    pub fn read<T: DeserializeOwned>(&self) -> Result<T, Unread> {
        T::deserialize(self)
    }

    /// The first member of that name; `None` without one, or if this is no object.
    pub fn member(&self, name: &str) -> Option<&Self> {
        let Self::Object(members) = self else { return None };
        members.iter().find(|(known, _)| known == name).map(|(_, value)| value)
    }
}

impl<'de> Deserialize<'de> for Tree {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(Grower)
    }
}

struct Grower;

impl<'de> Visitor<'de> for Grower {
    type Value = Tree;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("JSON")
    }

    fn visit_unit<E>(self) -> Result<Tree, E> {
        Ok(Tree::Null)
    }

    fn visit_bool<E>(self, flag: bool) -> Result<Tree, E> {
        Ok(Tree::Flag(flag))
    }

    fn visit_i64<E>(self, number: i64) -> Result<Tree, E> {
        Ok(Tree::Signed(number))
    }

    fn visit_u64<E>(self, number: u64) -> Result<Tree, E> {
        Ok(i64::try_from(number).map_or(Tree::Unsigned(number), Tree::Signed))
    }

    fn visit_f64<E>(self, number: f64) -> Result<Tree, E> {
        Ok(Tree::Fraction(number))
    }

    fn visit_str<E>(self, text: &str) -> Result<Tree, E> {
        Ok(Tree::Text(text.to_owned()))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Tree, A::Error> {
        let mut list = Vec::new();
        while let Some(item) = items.next_element()? {
            list.push(item);
        }
        Ok(Tree::List(list))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut members: A) -> Result<Tree, A::Error> {
        let mut object = Vec::new();
        while let Some(member) = members.next_entry()? {
            object.push(member);
        }
        Ok(Tree::Object(object))
    }
}
