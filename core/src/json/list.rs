//! Lists with a limit: a short item of a body can take many times its length in memory.

use std::{fmt, marker::PhantomData};

use serde::{
    Deserialize, Deserializer,
    de::{SeqAccess, Visitor},
};

use super::JsonError;

/// A list that keeps its first `MOST` items. Further ones are read, counted and dropped.
#[derive(Debug, PartialEq, Eq)]
pub struct List<T, const MOST: usize> {
    /// The first items.
    pub items: Vec<T>,
    /// How many there are in the text.
    pub length: usize,
}

impl<'de, T: Deserialize<'de>, const MOST: usize> Deserialize<'de> for List<T, MOST> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let (items, length) = deserializer.deserialize_seq(Limited { most: MOST, items: PhantomData })?;
        Ok(Self { items, length })
    }
}

/// The first `most` items of the list in a JSON text, and how many there are in the text. For limits that are
/// configured; others are a [`List`].
///
/// # Errors
/// When it is no list of such items.
pub fn list<'de, T: Deserialize<'de>>(text: &'de str, most: usize) -> Result<(Vec<T>, usize), JsonError> {
    let mut deserializer = serde_json::Deserializer::from_str(text);
    let read = deserializer.deserialize_seq(Limited { most, items: PhantomData });
    read.and_then(|read| deserializer.end().map(|()| read)).map_err(|error| JsonError::of(text, &error))
}

struct Limited<T> {
    most: usize,
    items: PhantomData<T>,
}

impl<'de, T: Deserialize<'de>> Visitor<'de> for Limited<T> {
    type Value = (Vec<T>, usize);

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a list")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Self::Value, A::Error> {
        let mut items = Vec::new();
        while items.len() < self.most {
            match list.next_element()? {
                Some(item) => items.push(item),
                None => {
                    let length = items.len();
                    return Ok((items, length));
                }
            }
        }
        let mut length = items.len();
        while list.next_element::<T>()?.is_some() {
            length += 1;
        }
        Ok((items, length))
    }
}
