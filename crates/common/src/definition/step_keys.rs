//! The two members of a step that name its type. Conductor's mapper takes the one that comes last;
//! null names none.
use super::text::Text;
use serde::de::value::CowStrDeserializer;
use serde::de::{DeserializeSeed, Deserializer, Error, IntoDeserializer, MapAccess, Visitor};
use serde::forward_to_deserialize_any;
use std::borrow::Cow;
use std::fmt;

const TYPE: &str = "type";
const OTHER_TYPE: &str = "workflowTaskType";

/// Reads a step's object and hands its type over once, after all other members.
pub(super) struct StepKeys<D>(pub(super) D);

impl<'de, D: Deserializer<'de>> Deserializer<'de> for StepKeys<D> {
    type Error = D::Error;

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, D::Error> {
        self.0.deserialize_map(StepVisitor(visitor))
    }

    forward_to_deserialize_any! {
        bool i8 i16 i32 i64 i128 u8 u16 u32 u64 u128 f32 f64 char str string bytes byte_buf option
        unit unit_struct newtype_struct seq tuple tuple_struct map struct enum identifier
        ignored_any
    }
}

struct StepVisitor<V>(V);

impl<'de, V: Visitor<'de>> Visitor<'de> for StepVisitor<V> {
    type Value = V::Value;

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.expecting(formatter)
    }

    fn visit_map<A: MapAccess<'de>>(self, members: A) -> Result<V::Value, A::Error> {
        self.0.visit_map(TypeLast { members, task_type: None, is_over: false })
    }
}

/// A step's members. Its type is held back: `type` when `is_over` and there is one.
struct TypeLast<A> {
    members: A,
    task_type: Option<String>,
    is_over: bool,
}

impl<'de, A: MapAccess<'de>> MapAccess<'de> for TypeLast<A> {
    type Error = A::Error;

    fn next_key_seed<K: DeserializeSeed<'de>>(
        &mut self,
        seed: K,
    ) -> Result<Option<K::Value>, A::Error> {
        while !self.is_over {
            let Some(key) = self.members.next_key_seed(Key)? else {
                self.is_over = true;
                break;
            };
            if key != TYPE && key != OTHER_TYPE {
                let key: CowStrDeserializer<'_, A::Error> = key.into_deserializer();
                return seed.deserialize(key).map(Some);
            }
            let given = self.members.next_value::<Option<Text>>()?;
            self.task_type = given.map(|text| text.0).or(self.task_type.take());
        }
        let key = self.task_type.is_some().then(|| seed.deserialize(TYPE.into_deserializer()));
        key.transpose()
    }

    fn next_value_seed<V: DeserializeSeed<'de>>(&mut self, seed: V) -> Result<V::Value, A::Error> {
        match self.task_type.take_if(|_| self.is_over) {
            Some(task_type) => seed.deserialize(task_type.into_deserializer()),
            None => self.members.next_value_seed(seed),
        }
    }
}

/// A member's name, borrowed where the text allows it: steps are read by the hundred thousand.
struct Key;

impl<'de> DeserializeSeed<'de> for Key {
    type Value = Cow<'de, str>;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Cow<'de, str>, D::Error> {
        deserializer.deserialize_str(self)
    }
}

impl<'de> Visitor<'de> for Key {
    type Value = Cow<'de, str>;

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("the name of a member")
    }

    fn visit_borrowed_str<E: Error>(self, name: &'de str) -> Result<Cow<'de, str>, E> {
        Ok(Cow::Borrowed(name))
    }

    fn visit_str<E: Error>(self, name: &str) -> Result<Cow<'de, str>, E> {
        Ok(Cow::Owned(name.to_owned()))
    }

    fn visit_string<E: Error>(self, name: String) -> Result<Cow<'de, str>, E> {
        Ok(Cow::Owned(name))
    }
}
