use std::io;

use bytes::BufMut as _;
use redis::Value;
use tokio::io::{AsyncBufReadExt as _, AsyncRead, AsyncReadExt as _, BufReader};

const BUFFER_BYTES: usize = 16 << 10;
/// The limit that Redis itself has for one value.
const MAX_BYTES: usize = 512 << 20;
/// The maximum memory that is allocated because of a length alone.
const TRUSTED_BYTES: usize = 32 << 20;
const TRUSTED_ITEMS: usize = 1 << 10;
/// The maximum length of a line: numbers and error messages are short.
const MAX_LINE_BYTES: u64 = 64 << 10;
/// The maximum depth of nested replies.
const MAX_DEPTH: usize = 16;

/// Reads replies (RESP2). A long value is read without a copy.
#[derive(Debug)]
pub(super) struct Replies<R> {
    stream: BufReader<R>,
    line: Vec<u8>,
}

enum Element {
    Value(Value),
    Array(usize),
}

impl<R: AsyncRead + Unpin> Replies<R> {
    pub(super) fn new(stream: R) -> Self {
        Self { stream: BufReader::with_capacity(BUFFER_BYTES, stream), line: Vec::new() }
    }

    /// Waits for bytes; returns false if none will arrive. Safe to cancel.
    pub(super) async fn wait(&mut self) -> io::Result<bool> {
        Ok(!self.stream.fill_buf().await?.is_empty())
    }

    /// Returns the last line that was read, if no valid reply begins with it; otherwise nothing.
    pub(super) fn unread(&self) -> &[u8] {
        // A line that begins a valid reply is not the reason for the failure.
        if matches!(self.line.first(), Some(b'+' | b':' | b'$' | b'*')) { &[] } else { &self.line }
    }

    /// Reads the next reply. An error that Redis returns is a value.
    pub(super) async fn next(&mut self) -> io::Result<Value> {
        // Incomplete arrays, the innermost last: the number of missing items, and the items read.
        let mut open: Vec<(usize, Vec<Value>)> = Vec::new();
        loop {
            let mut value = match self.element().await? {
                Element::Value(value) => value,
                Element::Array(0) => Value::Array(Vec::new()),
                Element::Array(length) if open.len() < MAX_DEPTH => {
                    open.push((length, Vec::with_capacity(length.min(TRUSTED_ITEMS))));
                    continue;
                }
                Element::Array(_) => return Err(malformed("arrays that are nested too deeply")),
            };
            loop {
                let Some((missing, items)) = open.last_mut() else { return Ok(value) };
                items.push(value);
                *missing -= 1;
                if *missing > 0 {
                    break;
                }
                value = Value::Array(std::mem::take(items));
                open.pop();
            }
        }
    }

    async fn element(&mut self) -> io::Result<Element> {
        self.line.clear();
        (&mut self.stream).take(MAX_LINE_BYTES).read_until(b'\n', &mut self.line).await?;
        let Some((&kind, text)) = self.line.strip_suffix(b"\r\n").and_then(|line| line.split_first()) else {
            return Err(io::ErrorKind::UnexpectedEof.into());
        };
        let value = match kind {
            b'+' if text == b"OK" => Value::Okay,
            b'+' => Value::SimpleString(String::from_utf8_lossy(text).into_owned()),
            b':' => Value::Int(number(text)?),
            b'-' => redis::parse_redis_value(&self.line).map_err(|_| malformed("an error"))?,
            b'$' => match number(text)? {
                -1 => Value::Nil,
                length => Value::BulkString(self.bulk(length).await?),
            },
            b'*' => match number(text)? {
                -1 => Value::Nil,
                length => {
                    let length = usize::try_from(length).map_err(|_| malformed("a length"))?;
                    return Ok(Element::Array(length));
                }
            },
            _ => return Err(malformed("an unknown kind of reply")),
        };
        Ok(Element::Value(value))
    }

    async fn bulk(&mut self, length: i64) -> io::Result<Vec<u8>> {
        let length = usize::try_from(length).ok().filter(|length| *length <= MAX_BYTES);
        let length = length.ok_or_else(|| malformed("a length"))?;
        let mut bytes = Vec::with_capacity(length.min(TRUSTED_BYTES));
        while bytes.len() < length {
            let missing = length - bytes.len();
            if self.stream.read_buf(&mut (&mut bytes).limit(missing)).await? == 0 {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
        }
        let mut end = [0; 2];
        self.stream.read_exact(&mut end).await?;
        if end == *b"\r\n" { Ok(bytes) } else { Err(malformed("the end of a value")) }
    }
}

fn number(text: &[u8]) -> io::Result<i64> {
    let number = std::str::from_utf8(text).ok().and_then(|text| text.parse().ok());
    number.ok_or_else(|| malformed("a number"))
}

fn malformed(what: &str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, format!("Redis sent an invalid reply: {what}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    async fn read(bytes: &[u8]) -> io::Result<Value> {
        Replies::new(bytes).next().await
    }

    #[tokio::test]
    async fn every_kind_of_reply_is_read() {
        let bulk = |text: &str| Value::BulkString(text.as_bytes().to_vec());
        for (bytes, value) in [
            ("+OK\r\n", Value::Okay),
            ("+PONG\r\n", Value::SimpleString("PONG".to_owned())),
            (":-12\r\n", Value::Int(-12)),
            ("$-1\r\n", Value::Nil),
            ("*-1\r\n", Value::Nil),
            ("$0\r\n\r\n", bulk("")),
            ("$4\r\na\r\nb\r\n", bulk("a\r\nb")),
            ("*0\r\n", Value::Array(vec![])),
            (
                "*3\r\n*2\r\n:1\r\n*0\r\n$-1\r\n*1\r\n$1\r\nx\r\n",
                Value::Array(vec![
                    Value::Array(vec![Value::Int(1), Value::Array(vec![])]),
                    Value::Nil,
                    Value::Array(vec![bulk("x")]),
                ]),
            ),
        ] {
            assert_eq!(read(bytes.as_bytes()).await.unwrap(), value, "{bytes:?}");
        }
        let refused = read(b"-NOSCRIPT No matching script.\r\n").await.unwrap().extract_error();
        assert!(super::super::super::conn::wants_script(&refused.unwrap_err()));
    }

    #[tokio::test]
    async fn bytes_that_are_no_reply_are_an_error() {
        let deep = "*1\r\n".repeat(100_000);
        for bytes in [
            "",
            "+OK",
            "+OK\n",
            "?\r\n",
            "\r\n",
            ":x\r\n",
            "$3\r\nab",
            "$3\r\nabcd\r\n",
            "$-2\r\n",
            "*-2\r\n",
            "$999999999999999999\r\n",
            "$536870913\r\n",
            "$536870912\r\nab",
            "*99999999999\r\n:1\r\n",
            &deep,
        ] {
            assert!(read(bytes.as_bytes()).await.is_err(), "{:?}", &bytes[..bytes.len().min(40)]);
        }
    }
}
