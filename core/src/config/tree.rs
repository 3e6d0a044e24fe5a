//! The tree of values: made of TOML that was parsed, and read by `serde`, each with the way to what is at fault.

use serde::{
    de::{
        DeserializeSeed, Deserializer, Error as _, IntoDeserializer as _, MapAccess, SeqAccess, Unexpected,
        Visitor,
    },
    forward_to_deserialize_any,
};
use toml::{
    Table, Value,
    de::{DeTable, DeValue},
};

use super::fault::{Fault, Step, TABLE_EXPECTED};

/// A table that was parsed.
pub(super) fn table(parsed: DeTable<'_>) -> Result<Table, Fault> {
    let mut table = Table::new();
    for (name, parsed) in parsed {
        let name = name.into_inner().into_owned();
        let value = value(parsed.into_inner()).map_err(|fault| fault.within(Step::Key(name.clone())))?;
        table.insert(name, value);
    }
    Ok(table)
}

/// A value that was parsed. Parsed numbers are still text, of any length.
pub(super) fn value(parsed: DeValue<'_>) -> Result<Value, Fault> {
    let too_long = || Fault::custom("expected a number of 64 bits");
    Ok(match parsed {
        DeValue::Boolean(flag) => Value::Boolean(flag),
        DeValue::Integer(number) => {
            Value::Integer(i64::from_str_radix(number.as_str(), number.radix()).map_err(|_| too_long())?)
        }
        // No key takes a fraction, so it makes no difference which one it is. To read it takes 13 KB of the worker's module.
        DeValue::Float(_) => Value::Float(0.0),
        DeValue::String(text) => Value::String(text.into_owned()),
        DeValue::Datetime(date) => Value::Datetime(date),
        DeValue::Array(items) => {
            let items = items.into_iter().enumerate();
            let value = |(index, item): (usize, toml::Spanned<DeValue<'_>>)| {
                value(item.into_inner()).map_err(|fault| fault.within(Step::Item(index)))
            };
            Value::Array(items.map(value).collect::<Result<_, _>>()?)
        }
        DeValue::Table(members) => Value::Table(table(members)?),
    })
}

/// A value as `serde` reads it. Of a library that follows any reader, each type of the settings would be compiled twice.
pub(super) struct Node(pub(super) Value);

impl<'de> Deserializer<'de> for Node {
    type Error = Fault;

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Fault> {
        match self.0 {
            Value::Boolean(flag) => visitor.visit_bool(flag),
            Value::Integer(number) => visitor.visit_i64(number),
            Value::Float(_) => Err(Fault::invalid_type(Unexpected::Other("a fraction"), &visitor)),
            Value::String(text) => visitor.visit_string(text),
            Value::Datetime(date) => visitor.visit_string(date.to_string()),
            Value::Array(items) => visitor.visit_seq(Items { items: items.into_iter(), index: 0 }),
            Value::Table(members) => visitor.visit_map(Members::of(members)),
        }
    }

    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Fault> {
        visitor.visit_some(self)
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        visitor: V,
    ) -> Result<V::Value, Fault> {
        visitor.visit_newtype_struct(self)
    }

    fn deserialize_enum<V: Visitor<'de>>(
        self,
        _: &'static str,
        _: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Fault> {
        match self.0 {
            Value::String(variant) => visitor.visit_enum(variant.into_deserializer()),
            _ => Err(Fault::custom("expected text")),
        }
    }

    /// A derived reader also takes a list of the members' values, which is no table.
    fn deserialize_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        _: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Fault> {
        match self.0 {
            Value::Table(members) => visitor.visit_map(Members::of(members)),
            _ => Err(Fault::custom(TABLE_EXPECTED)),
        }
    }

    forward_to_deserialize_any! {
        bool i8 i16 i32 i64 i128 u8 u16 u32 u64 u128 f32 f64 char str string bytes byte_buf unit unit_struct seq tuple
        tuple_struct map identifier ignored_any
    }
}

/// The members of a table.
struct Members {
    members: toml::map::IntoIter<String, Value>,
    /// The name of the last one.
    name: String,
    /// Its value, until that is read.
    value: Option<Value>,
}

impl Members {
    fn of(table: Table) -> Self {
        Self { members: table.into_iter(), name: String::new(), value: None }
    }

    /// The last member is at fault, or something in it.
    fn at_fault(&mut self, fault: Fault) -> Fault {
        fault.within(Step::Key(std::mem::take(&mut self.name)))
    }
}

impl<'de> MapAccess<'de> for Members {
    type Error = Fault;

    fn next_key_seed<K: DeserializeSeed<'de>>(&mut self, seed: K) -> Result<Option<K::Value>, Fault> {
        let Some((name, value)) = self.members.next() else { return Ok(None) };
        self.name.clone_from(&name);
        self.value = Some(value);
        seed.deserialize(Node(Value::String(name))).map(Some).map_err(|fault| self.at_fault(fault))
    }

    fn next_value_seed<V: DeserializeSeed<'de>>(&mut self, seed: V) -> Result<V::Value, Fault> {
        let value = self.value.take().ok_or_else(|| Fault::custom("expected a value"))?;
        seed.deserialize(Node(value)).map_err(|fault| self.at_fault(fault))
    }
}

/// The items of a list.
struct Items {
    items: std::vec::IntoIter<Value>,
    /// The index of the next one.
    index: usize,
}

impl<'de> SeqAccess<'de> for Items {
    type Error = Fault;

    fn next_element_seed<T: DeserializeSeed<'de>>(&mut self, seed: T) -> Result<Option<T::Value>, Fault> {
        let Some(item) = self.items.next() else { return Ok(None) };
        let index = self.index;
        self.index += 1;
        seed.deserialize(Node(item)).map(Some).map_err(|fault| fault.within(Step::Item(index)))
    }
}
