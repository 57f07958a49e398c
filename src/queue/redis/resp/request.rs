use bytes::Bytes;
use redis::{Cmd, Pipeline};

use crate::queue::redis::keys::Keys;
use crate::queue::redis::peer::{Login, Peer};
use crate::queue::{UPLOAD_TTL, Upload};

/// The size below which copying bytes costs less than writing them as a separate part.
const COPY_BELOW_BYTES: usize = 4 << 10;

/// Commands that are sent together, each answered by itself. Pictures are shared, not copied.
#[derive(Debug, Default)]
pub(in crate::queue::redis) struct Request {
    parts: Vec<Bytes>,
    /// The bytes after the last part.
    tail: Vec<u8>,
    commands: usize,
}

impl Request {
    /// Returns the commands that log in and select the database.
    pub(super) fn log_in(peer: &Peer) -> Self {
        let mut request = Self::default();
        if let Some(Login { user, password }) = &peer.login {
            let mut auth = redis::cmd("AUTH");
            auth.arg(user).arg(password);
            request.add(&auth);
        }
        if peer.database != 0 {
            let mut select = redis::cmd("SELECT");
            select.arg(peer.database);
            request.add(&select);
        }
        request
    }

    /// Adds a command.
    pub(in crate::queue::redis) fn add(&mut self, command: &Cmd) {
        command.write_packed_command(&mut self.tail);
        self.commands += 1;
    }

    /// Adds the write of an upload, unless an earlier call sent its bytes. A key that is taken
    /// keeps its bytes: a write that arrives late changes nothing.
    pub(in crate::queue::redis) fn upload(&mut self, keys: Keys<'_>, upload: &Upload) {
        let ttl_ms = u64::try_from(UPLOAD_TTL.as_millis()).unwrap_or(u64::MAX);
        if let Some(bytes) = &upload.bytes {
            self.set_new(&keys.payload(upload.payload.key), bytes, ttl_ms);
        }
    }

    /// Adds a SET of bytes under a key that does not exist, which expires after so many
    /// milliseconds.
    pub(super) fn set_new(&mut self, key: &str, bytes: &Bytes, ttl_ms: u64) {
        self.tail.extend_from_slice(b"*6\r\n");
        self.word(b"SET");
        self.word(key.as_bytes());
        if bytes.len() < COPY_BELOW_BYTES {
            self.word(bytes);
        } else {
            self.length(bytes.len());
            self.parts.push(std::mem::take(&mut self.tail).into());
            self.parts.push(bytes.clone());
            self.tail.extend_from_slice(b"\r\n");
        }
        self.word(b"NX");
        self.word(b"PX");
        self.word(ttl_ms.to_string().as_bytes());
        self.commands += 1;
    }

    fn word(&mut self, word: &[u8]) {
        self.length(word.len());
        self.tail.extend_from_slice(word);
        self.tail.extend_from_slice(b"\r\n");
    }

    fn length(&mut self, length: usize) {
        self.tail.extend_from_slice(format!("${length}\r\n").as_bytes());
    }

    /// Returns the number of commands.
    pub(in crate::queue::redis) fn len(&self) -> usize {
        self.commands
    }

    /// Returns the bytes to write, and the number of answers to expect.
    pub(super) fn into_parts(self) -> (Vec<Bytes>, usize) {
        let Self { mut parts, tail, commands } = self;
        if !tail.is_empty() {
            parts.push(tail.into());
        }
        (parts, commands)
    }
}

impl From<&Pipeline> for Request {
    fn from(pipeline: &Pipeline) -> Self {
        let mut request = Self::default();
        pipeline.cmd_iter().for_each(|command| request.add(command));
        request
    }
}
