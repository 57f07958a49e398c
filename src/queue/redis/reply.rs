//! Reads Redis replies, without copying payloads.

use std::collections::HashMap;

use bytes::Bytes;
use redis::Value;

use crate::domain::{Sequence, Timestamp};
use crate::queue::{Error, Result};

pub(super) fn unexpected(what: &str, value: &Value) -> Error {
    let text: String = format!("{value:?}").chars().take(200).collect();
    Error::Corrupt(format!("{what}: unexpected reply {text}"))
}

pub(super) fn array(value: Value) -> Result<Vec<Value>> {
    match value {
        Value::Array(items) | Value::Set(items) => Ok(items),
        Value::Nil => Ok(Vec::new()),
        other => Err(unexpected("array", &other)),
    }
}

pub(super) fn bytes(value: Value) -> Result<Option<Bytes>> {
    match value {
        Value::Nil => Ok(None),
        Value::BulkString(bytes) => Ok(Some(Bytes::from(bytes))),
        Value::SimpleString(text) => Ok(Some(Bytes::from(text))),
        other => Err(unexpected("bytes", &other)),
    }
}

pub(super) fn text(value: Value) -> Result<Option<String>> {
    bytes(value)?
        .map(|bytes| String::from_utf8(bytes.into()).map_err(|_| Error::Corrupt("text is not UTF-8".into())))
        .transpose()
}

pub(super) fn number(value: Value) -> Result<u64> {
    match value {
        Value::Nil => Ok(0),
        Value::Int(number) => {
            u64::try_from(number).map_err(|_| Error::Corrupt(format!("negative number {number}")))
        }
        other => parse(&text(other)?.unwrap_or_default()),
    }
}

pub(super) fn parse<T: std::str::FromStr>(text: &str) -> Result<T> {
    text.parse().map_err(|_| Error::Corrupt(format!("{text:?} does not parse")))
}

/// The lines of an INFO reply.
#[derive(Debug)]
pub(super) struct Info<'a>(HashMap<&'a str, &'a str>);

impl<'a> Info<'a> {
    pub(super) fn parse(text: &'a str) -> Self {
        Self(text.lines().filter_map(|line| line.trim().split_once(':')).collect())
    }

    /// Returns the value of a line; empty if there is none.
    pub(super) fn get(&self, name: &str) -> &'a str {
        self.0.get(name).copied().unwrap_or_default()
    }
}

/// Reads the id of an entry, `<a>-<b>`.
pub(super) fn place(text: &str) -> Result<(u64, u64)> {
    let (a, b) = text.split_once('-').ok_or_else(|| Error::Corrupt(format!("stream id {text:?}")))?;
    Ok((parse(a)?, parse(b)?))
}

/// The fields of a hash or of an entry of a Redis stream.
#[derive(Debug, Default, PartialEq)]
pub(super) struct Fields(HashMap<String, Bytes>);

impl Fields {
    pub(super) fn read(value: Value) -> Result<Self> {
        let mut fields = HashMap::new();
        let mut items = match value {
            Value::Map(pairs) => pairs.into_iter().flat_map(|(k, v)| [k, v]).collect(),
            other => array(other)?,
        }
        .into_iter();
        while let (Some(name), Some(value)) = (items.next(), items.next()) {
            if let (Some(name), Some(value)) = (text(name)?, bytes(value)?) {
                fields.insert(name, value);
            }
        }
        Ok(Self(fields))
    }

    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub(super) fn names(&self) -> impl Iterator<Item = &str> {
        self.0.keys().map(String::as_str)
    }

    pub(super) fn has(&self, name: &str) -> bool {
        self.0.contains_key(name)
    }

    pub(super) fn bytes(&self, name: &str) -> Bytes {
        self.0.get(name).cloned().unwrap_or_default()
    }

    pub(super) fn text(&self, name: &str) -> Result<&str> {
        let bytes = self.0.get(name).map(AsRef::as_ref).unwrap_or_default();
        std::str::from_utf8(bytes).map_err(|_| Error::Corrupt(format!("field {name} is not UTF-8")))
    }

    /// Returns the number in a field; 0 if there is none.
    pub(super) fn number(&self, name: &str) -> Result<u64> {
        match self.text(name)? {
            "" => Ok(0),
            text => parse(text),
        }
    }

    /// Returns the number of stored bytes in a field; 0 if it is below 0, because a worker of an
    /// older version subtracted the bytes of erased frames again when it trimmed them.
    pub(super) fn stored_bytes(&self, name: &str) -> Result<u64> {
        if self.text(name)?.starts_with('-') { Ok(0) } else { self.number(name) }
    }

    /// Returns the time in a field of microseconds.
    pub(super) fn time(&self, name: &str) -> Result<Timestamp> {
        Ok(moment(self.number(name)?))
    }

    /// Returns the sequence in a field.
    pub(super) fn sequence(&self, name: &str) -> Result<Sequence> {
        Sequence::new(self.number(name)?).map_err(|error| Error::Corrupt(format!("{error}")))
    }
}

/// An entry of a Redis stream: id and fields.
pub(super) type Entry = ((u64, u64), Fields);

/// Reads the entries of a Redis stream.
pub(super) fn entries(value: Value) -> Result<Vec<Entry>> {
    array(value)?
        .into_iter()
        .map(|entry| {
            let mut parts = array(entry)?.into_iter();
            let id = text(parts.next().unwrap_or(Value::Nil))?.unwrap_or_default();
            Ok((place(&id)?, Fields::read(parts.next().unwrap_or(Value::Nil))?))
        })
        .collect()
}

/// Reads an XREAD reply: entries by key.
pub(super) fn streams(value: Value) -> Result<Vec<(String, Vec<Entry>)>> {
    let pairs: Vec<(Value, Value)> = match value {
        Value::Map(pairs) => pairs,
        other => array(other)?
            .into_iter()
            .map(|pair| {
                let mut parts = array(pair)?.into_iter();
                Ok((parts.next().unwrap_or(Value::Nil), parts.next().unwrap_or(Value::Nil)))
            })
            .collect::<Result<_>>()?,
    };
    pairs.into_iter().map(|(key, list)| Ok((text(key)?.unwrap_or_default(), entries(list)?))).collect()
}

/// Returns the time that is so many microseconds after the Unix epoch.
pub(super) fn moment(micros: u64) -> Timestamp {
    Timestamp::from_micros(i64::try_from(micros).unwrap_or(i64::MAX))
}
