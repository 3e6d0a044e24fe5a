//! What types take of a tree.
//!
//! Only what a type asks for is given to it: a struct gets an object, a text a text. So a derived reader has no code
//! for anything else.

use std::slice::Iter;

use serde::{
    Deserializer,
    de::{
        DeserializeSeed, EnumAccess, MapAccess, SeqAccess, VariantAccess, Visitor,
        value::BorrowedStrDeserializer,
    },
    forward_to_deserialize_any,
};

use super::{Tree, Unread};

const UNEXPECTED: Unread = Unread::Unexpected("");

/// Numbers of every width are visited alike, and narrow ones refuse what does not fit.
macro_rules! whole {
    ($($method:ident)*) => {$(
        fn $method<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Unread> {
            match self {
                Tree::Signed(number) => visitor.visit_i64(*number),
                Tree::Unsigned(number) => visitor.visit_u64(*number),
                _ => Err(UNEXPECTED),
            }
        }
    )*};
}

macro_rules! text {
    ($($method:ident)*) => {$(
        fn $method<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Unread> {
            match self {
                Tree::Text(text) => visitor.visit_borrowed_str(text),
                _ => Err(UNEXPECTED),
            }
        }
    )*};
}

impl<'de> Deserializer<'de> for &'de Tree {
    type Error = Unread;

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Unread> {
        match self {
            Tree::Null => visitor.visit_unit(),
            Tree::Flag(flag) => visitor.visit_bool(*flag),
            Tree::Signed(number) => visitor.visit_i64(*number),
            Tree::Unsigned(number) => visitor.visit_u64(*number),
            Tree::Fraction(number) => visitor.visit_f64(*number),
            Tree::Text(text) => visitor.visit_borrowed_str(text),
            Tree::List(_) => self.deserialize_seq(visitor),
            Tree::Object(_) => self.deserialize_map(visitor),
        }
    }

    whole! {
        deserialize_i8 deserialize_i16 deserialize_i32 deserialize_i64 deserialize_i128
        deserialize_u8 deserialize_u16 deserialize_u32 deserialize_u64 deserialize_u128
    }

    text! { deserialize_char deserialize_str deserialize_string deserialize_identifier }

    forward_to_deserialize_any! { f32 f64 bytes byte_buf }

    fn deserialize_bool<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Unread> {
        match self {
            Tree::Flag(flag) => visitor.visit_bool(*flag),
            _ => Err(UNEXPECTED),
        }
    }

    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Unread> {
        match self {
            Tree::Null => visitor.visit_none(),
            _ => visitor.visit_some(self),
        }
    }

    fn deserialize_unit<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Unread> {
        match self {
            Tree::Null => visitor.visit_unit(),
            _ => Err(UNEXPECTED),
        }
    }

    fn deserialize_unit_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        visitor: V,
    ) -> Result<V::Value, Unread> {
        self.deserialize_unit(visitor)
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        visitor: V,
    ) -> Result<V::Value, Unread> {
        visitor.visit_newtype_struct(self)
    }

    fn deserialize_seq<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Unread> {
        let Tree::List(list) = self else { return Err(UNEXPECTED) };
        let mut items = Items(list.iter());
        let value = visitor.visit_seq(&mut items)?;
        if items.0.len() == 0 { Ok(value) } else { Err(UNEXPECTED) }
    }

    fn deserialize_tuple<V: Visitor<'de>>(self, _: usize, visitor: V) -> Result<V::Value, Unread> {
        self.deserialize_seq(visitor)
    }

    fn deserialize_tuple_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        _: usize,
        visitor: V,
    ) -> Result<V::Value, Unread> {
        self.deserialize_seq(visitor)
    }

    fn deserialize_map<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Unread> {
        members(self, &[], visitor)
    }

    fn deserialize_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        names: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Unread> {
        members(self, names, visitor)
    }

    fn deserialize_enum<V: Visitor<'de>>(
        self,
        _: &'static str,
        _: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Unread> {
        match self {
            Tree::Text(name) => visitor.visit_enum(Choice { name, value: &Tree::Null }),
            Tree::Object(members) => match members.as_slice() {
                [(name, value)] => visitor.visit_enum(Choice { name, value }),
                _ => Err(UNEXPECTED),
            },
            _ => Err(UNEXPECTED),
        }
    }

    fn deserialize_ignored_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Unread> {
        visitor.visit_unit()
    }
}

fn members<'de, V: Visitor<'de>>(
    tree: &'de Tree,
    names: &'static [&'static str],
    visitor: V,
) -> Result<V::Value, Unread> {
    match tree {
        Tree::Object(members) => visitor.visit_map(Members { rest: members.iter(), names, at: None }),
        _ => Err(UNEXPECTED),
    }
}

struct Items<'de>(Iter<'de, Tree>);

impl<'de> SeqAccess<'de> for &mut Items<'de> {
    type Error = Unread;

    fn next_element_seed<T: DeserializeSeed<'de>>(&mut self, seed: T) -> Result<Option<T::Value>, Unread> {
        self.0.next().map(|item| seed.deserialize(item)).transpose()
    }
}

struct Members<'de> {
    rest: Iter<'de, (String, Tree)>,
    /// The names that the type knows.
    names: &'static [&'static str],
    at: Option<&'de (String, Tree)>,
}

impl<'de> MapAccess<'de> for Members<'de> {
    type Error = Unread;

    fn next_key_seed<K: DeserializeSeed<'de>>(&mut self, seed: K) -> Result<Option<K::Value>, Unread> {
        self.at = self.rest.next();
        self.at.map(|(name, _)| seed.deserialize(BorrowedStrDeserializer::new(name))).transpose()
    }

    fn next_value_seed<T: DeserializeSeed<'de>>(&mut self, seed: T) -> Result<T::Value, Unread> {
        let (name, value) = self.at.ok_or(UNEXPECTED)?;
        seed.deserialize(value).map_err(|error| located(error, name, self.names))
    }
}

#[cold]
fn located(error: Unread, name: &str, names: &[&'static str]) -> Unread {
    names.iter().find(|known| **known == name).map_or(error, |known| error.within(known))
}

struct Choice<'de> {
    name: &'de str,
    value: &'de Tree,
}

impl<'de> EnumAccess<'de> for Choice<'de> {
    type Error = Unread;
    type Variant = Variant<'de>;

    fn variant_seed<T: DeserializeSeed<'de>>(self, seed: T) -> Result<(T::Value, Variant<'de>), Unread> {
        let name = seed.deserialize(BorrowedStrDeserializer::<Unread>::new(self.name))?;
        Ok((name, Variant(self.value)))
    }
}

struct Variant<'de>(&'de Tree);

impl<'de> VariantAccess<'de> for Variant<'de> {
    type Error = Unread;

    fn unit_variant(self) -> Result<(), Unread> {
        if matches!(self.0, Tree::Null) { Ok(()) } else { Err(UNEXPECTED) }
    }

    fn newtype_variant_seed<T: DeserializeSeed<'de>>(self, seed: T) -> Result<T::Value, Unread> {
        seed.deserialize(self.0)
    }

    fn tuple_variant<V: Visitor<'de>>(self, _: usize, visitor: V) -> Result<V::Value, Unread> {
        self.0.deserialize_seq(visitor)
    }

    fn struct_variant<V: Visitor<'de>>(
        self,
        names: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Unread> {
        members(self.0, names, visitor)
    }
}
