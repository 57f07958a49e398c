//! What a peer says that is no answer, and what to do about it.

use std::fmt::Write as _;

/// Most characters of what a peer said that are shown.
const MOST_CHARS: usize = 400;

/// What the first words of errors mean for whoever runs the server.
const NEXT_STEPS: &[(&str, &str)] = &[
    (
        "DENIED",
        "Redis is in protected mode: give it a password (requirepass) and put it into the URL, or, in a network that is closed, \
         set protected-mode no",
    ),
    ("NOAUTH", "Redis wants a password: put it into the URL, redis://:PASSWORD@HOST:PORT"),
    ("WRONGPASS", "the user or the password in the URL is not right"),
    ("NOPERM", "the user in the URL may not run this command: see its rules with ACL LIST"),
    (
        "max number of clients",
        "Redis has as many connections as it takes: raise maxclients, or see CLIENT LIST for who holds them",
    ),
    ("LOADING", "Redis is reading its data and will be ready by itself"),
    (
        "MASTERDOWN",
        "this Redis is a replica that has lost its primary: put the primary's address into the URL",
    ),
    ("READONLY", "this Redis is a replica, which takes no writes: put the primary's address into the URL"),
    ("MISCONF", "Redis cannot write to its disk and refuses writes: see its log and its disk"),
    (SPEAKS_TLS, "use a port of Redis without TLS"),
    (SPEAKS_HTTP, "see which port the URL names: Redis listens on 6379 unless it is told otherwise"),
    (SPEAKS_HTTP2, "see which port the URL names: Redis listens on 6379 unless it is told otherwise"),
    ("is not Redis", "see which port the URL names: Redis listens on 6379 unless it is told otherwise"),
];

const SPEAKS_TLS: &str = "what listens there speaks TLS";
const SPEAKS_HTTP: &str = "what listens there speaks HTTP";
const SPEAKS_HTTP2: &str = "what listens there speaks HTTP/2 (a gRPC server?)";

/// A failure in a line, with the next step where there is a known one.
pub(in super::super) fn explained(failure: &str) -> String {
    let known = NEXT_STEPS.iter().find(|(word, step)| failure.contains(word) && !failure.contains(step));
    known.map_or_else(|| failure.to_owned(), |(_, step)| format!("{failure}; {step}"))
}

/// What bytes that are no reply of Redis say, in a line of printable characters; `None` of nothing.
pub(super) fn of_stranger(bytes: &[u8]) -> Option<String> {
    if bytes.is_empty() {
        return None;
    }
    // A TLS record that is an alert or a handshake message.
    if let [0x15 | 0x16, 0x03, ..] = bytes {
        return Some(SPEAKS_TLS.to_owned());
    }
    // An HTTP/2 frame on stream 0: length, type (SETTINGS or GOAWAY), flags, stream.
    if let [0, _, _, 4 | 7, _, 0, 0, 0, 0, ..] = bytes {
        return Some(SPEAKS_HTTP2.to_owned());
    }
    let words = printable(bytes);
    if bytes.starts_with(b"HTTP/") {
        return Some(format!("{SPEAKS_HTTP} ({words})"));
    }
    Some(format!("what listens there is not Redis; it said {words:?}"))
}

/// The text of an error that Redis answered, in a line.
pub(super) fn printable(bytes: &[u8]) -> String {
    let mut line = String::new();
    for c in String::from_utf8_lossy(bytes).trim_end().chars().take(MOST_CHARS) {
        if c.is_control() {
            let _written = write!(line, "{}", c.escape_default());
        } else {
            line.push(c);
        }
    }
    line
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn strangers_are_known_by_their_first_bytes() {
        let said = |bytes: &[u8]| explained(&of_stranger(bytes).unwrap());
        assert_eq!(of_stranger(b""), None);
        assert!(said(&[0x15, 3, 1, 0, 2, 2, 70]).contains("TLS; use a port"));
        assert!(said(&[0, 0, 18, 4, 0, 0, 0, 0, 0, 0, 3]).contains("gRPC server?); see which port"));
        assert!(said(b"HTTP/1.1 400 Bad Request\r\n").contains("HTTP (HTTP/1.1 400 Bad Request)"));
        assert!(said(b"SSH-2.0-OpenSSH\r\n").contains("\"SSH-2.0-OpenSSH\"; see which port"));
        assert!(printable(&[b'x'; 10_000]).len() <= MOST_CHARS);
        assert_eq!(printable(b"a\x1b[2Jb\r\n"), "a\\u{1b}[2Jb");
    }

    #[test]
    fn an_explanation_is_given_once() {
        let once = explained("NOAUTH Authentication required.");
        assert!(once.contains("put it into the URL"));
        assert_eq!(explained(&once), once);
        assert_eq!(explained("something else"), "something else");
    }
}
