//! Explains failures, and messages of a peer that is not Redis, and says what to do about them.

use std::fmt::Write as _;

/// The maximum number of characters of a peer's message that are shown.
const MAX_CHARS: usize = 400;

/// The next step of the operator, by words that an error contains.
const NEXT_STEPS: &[(&str, &str)] = &[
    (
        "DENIED",
        "Redis is in protected mode: give it a password (requirepass) and put it into the URL, or, in a network that is closed, \
         set protected-mode no",
    ),
    (
        "NOAUTH",
        "Redis wants a password: give --redis-password-file, or put it into the URL, redis://:PASSWORD@HOST:PORT",
    ),
    ("WRONGPASS", "the user or the password is wrong"),
    // The redis crate writes the code of Redis as the name of its own kind of error.
    ("NOPERM", RULES_OF_THE_USER),
    ("NoPerm", RULES_OF_THE_USER),
    ("can't run this command", RULES_OF_THE_USER),
    (
        "max number of clients",
        "Redis has reached its maximum number of connections: raise maxclients, or find their owners with CLIENT LIST",
    ),
    (
        "cluster support disabled",
        "this Redis is no server of a cluster: begin the URL with redis:// or rediss://",
    ),
    ("LOADING", "Redis is reading its data and will be ready by itself"),
    (
        "MASTERDOWN",
        "this Redis is a replica that has lost its primary: put the primary's address into the URL, or those of its Sentinels",
    ),
    (
        "READONLY",
        "this Redis is a replica, which takes no writes: put the primary's address into the URL, or those of its Sentinels",
    ),
    ("MISCONF", "Redis cannot write to its disk and refuses writes: see its log and its disk"),
    (SPEAKS_TLS, "use rediss:// in the URL, or a port of Redis without TLS"),
    (NO_TLS_ANSWER, "does this port of Redis speak TLS? Without TLS, the URL begins with redis://"),
    ("InvalidContentType", "this port speaks no TLS: use redis:// in the URL, or the port of Redis with TLS"),
    ("UnknownIssuer", UNKNOWN_CA),
    ("BadSignature", UNKNOWN_CA),
    ("not valid for name", "use a name of the certificate as the host in the URL"),
    ("certificate expired", "renew the certificate of Redis, or set the clock"),
    ("certificate not valid yet", "set the clock, or renew the certificate of Redis"),
    ("CertificateRequired", "Redis wants a client certificate: give --redis-cert and --redis-key"),
    (
        "received fatal alert",
        "Redis refuses the TLS connection: see its log, and check --redis-cert, which its tls-ca-cert-file must cover",
    ),
    (SPEAKS_HTTP, "check the port in the URL: the default port of Redis is 6379"),
    (SPEAKS_HTTP2, "check the port in the URL: the default port of Redis is 6379"),
    ("is not Redis", "check the port in the URL: the default port of Redis is 6379"),
];

const RULES_OF_THE_USER: &str =
    "the rules of this user are not enough: compare them (ACL LIST) with those of docs/redis.md";
const UNKNOWN_CA: &str = "the certificate of Redis is not from a known CA: give its CA with --redis-ca";
pub(super) const NO_TLS_ANSWER: &str = "no answer to the TLS handshake";
const SPEAKS_TLS: &str = "the server at this address speaks TLS";
const SPEAKS_HTTP: &str = "the server at this address speaks HTTP";
const SPEAKS_HTTP2: &str = "the server at this address speaks HTTP/2 (a gRPC server?)";

/// Returns a failure in one line, with the next step if one is known.
pub(in super::super) fn explained(failure: &str) -> String {
    let known = NEXT_STEPS.iter().find(|(word, step)| failure.contains(word) && !failure.contains(step));
    known.map_or_else(|| failure.to_owned(), |(_, step)| format!("{failure}; {step}"))
}

/// Describes bytes that are no reply of Redis in one line of printable characters; `None` if there
/// are none.
pub(super) fn describe_peer(bytes: &[u8]) -> Option<String> {
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
    Some(format!("the server at this address is not Redis; it answered {words:?}"))
}

/// Returns the text of an error of Redis in one line.
pub(super) fn printable(bytes: &[u8]) -> String {
    let mut line = String::new();
    for c in String::from_utf8_lossy(bytes).trim_end().chars().take(MAX_CHARS) {
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
    fn other_servers_are_recognized_by_their_first_bytes() {
        let said = |bytes: &[u8]| explained(&describe_peer(bytes).unwrap());
        assert_eq!(describe_peer(b""), None);
        assert!(said(&[0x15, 3, 1, 0, 2, 2, 70]).contains("TLS; use rediss://"));
        assert!(said(&[0, 0, 18, 4, 0, 0, 0, 0, 0, 0, 3]).contains("gRPC server?); check the port"));
        assert!(said(b"HTTP/1.1 400 Bad Request\r\n").contains("HTTP (HTTP/1.1 400 Bad Request)"));
        assert!(said(b"SSH-2.0-OpenSSH\r\n").contains("\"SSH-2.0-OpenSSH\"; check the port"));
        assert!(printable(&[b'x'; 10_000]).len() <= MAX_CHARS);
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
