use bytes::Bytes;
use redis::{Cmd, Pipeline};

use crate::queue::redis::keys::Keys;
use crate::queue::redis::peer::{Login, Peer};
use crate::queue::{UPLOAD_TTL, Upload};

/// The size below which copying bytes costs less than writing them as a separate part.
const COPY_BELOW_BYTES: usize = 4 << 10;

/// Commands that are sent together, each answered by itself. Pictures are shared, not copied.
#[derive(Debug, Clone, Default)]
pub(in crate::queue::redis) struct Request {
    parts: Vec<Bytes>,
    /// The bytes after the last part.
    tail: Vec<u8>,
    /// The beginning of each command: the number of parts before the one in which it begins, and its
    /// place in that one.
    begins: Vec<(usize, usize)>,
}

/// The command before one whose key is about to move to the server that is asked.
const ASKING: &[u8] = b"*1\r\n$6\r\nASKING\r\n";

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
        self.begin();
        command.write_packed_command(&mut self.tail);
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
        self.begin();
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
    }

    fn begin(&mut self) {
        self.begins.push((self.parts.len(), self.tail.len()));
    }

    /// Returns the same commands, each after ASKING. There are twice as many answers: those to the
    /// commands are every second one.
    pub(in crate::queue::redis) fn asking(self) -> Self {
        let begins = self.begins.clone();
        let (parts, _) = self.into_parts();
        let mut asking = Self::default();
        let mut begins = begins.into_iter().peekable();
        for (index, part) in parts.into_iter().enumerate() {
            let mut copied = 0;
            while let Some((_, at)) = begins.next_if(|(in_part, _)| *in_part == index) {
                asking.tail.extend_from_slice(&part[copied..at]);
                asking.begin();
                asking.tail.extend_from_slice(ASKING);
                asking.begin();
                copied = at;
            }
            if part.len() - copied < COPY_BELOW_BYTES {
                asking.tail.extend_from_slice(&part[copied..]);
            } else {
                asking.parts.push(std::mem::take(&mut asking.tail).into());
                asking.parts.push(part.slice(copied..));
            }
        }
        asking
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
        self.begins.len()
    }

    /// Returns the bytes to write, and the number of answers to expect.
    pub(super) fn into_parts(self) -> (Vec<Bytes>, usize) {
        let Self { mut parts, tail, begins } = self;
        if !tail.is_empty() {
            parts.push(tail.into());
        }
        (parts, begins.len())
    }
}

impl From<&Pipeline> for Request {
    fn from(pipeline: &Pipeline) -> Self {
        let mut request = Self::default();
        pipeline.cmd_iter().for_each(|command| request.add(command));
        request
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_command_of_a_request_can_be_asked_for() {
        let mut get = redis::cmd("GET");
        get.arg("k");
        let picture = Bytes::from(vec![7; COPY_BELOW_BYTES]);
        let mut request = Request::default();
        request.add(&get);
        request.set_new("p", &picture, 5);
        request.set_new("q", &Bytes::from_static(b"small"), 5);
        request.add(&get);
        let written = |request: Request| {
            let (parts, commands) = request.into_parts();
            (parts.concat(), commands)
        };
        let (plain, commands) = written(request.clone());
        assert_eq!(commands, 4);
        let get = b"*2\r\n$3\r\nGET\r\n$1\r\nk\r\n".to_vec();
        let set = |key: &str, bytes: &[u8]| {
            let head = format!("*6\r\n$3\r\nSET\r\n$1\r\n{key}\r\n${}\r\n", bytes.len());
            [head.as_bytes(), bytes, b"\r\n$2\r\nNX\r\n$2\r\nPX\r\n$1\r\n5\r\n"].concat()
        };
        let all = [get.clone(), set("p", &picture), set("q", b"small"), get];
        assert_eq!(plain, all.concat());
        let asking: Vec<u8> = all.iter().flat_map(|command| [ASKING, command].concat()).collect();
        assert_eq!(written(request.asking()), (asking, 8));
    }
}
