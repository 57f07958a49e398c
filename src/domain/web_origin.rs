use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// The maximum length of an origin, in bytes: that of a host name, and room for the rest.
const MAX_ORIGIN_BYTES: usize = 253 + 32;

/// The origin of a web page, as browsers send it: a scheme, a host, and a port if it is not the
/// default of the scheme.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct WebOrigin {
    /// In lower case, without the default port.
    text: String,
}

/// The origins whose pages may call: those that a server names.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub enum AllowedOrigin {
    /// Every origin.
    Any,
    /// One origin.
    One(WebOrigin),
}

impl WebOrigin {
    /// Returns the host and the port, as a client names them in `Host`; without the port if it is the
    /// default of the scheme.
    fn authority(&self) -> &str {
        self.text.split_once("://").map_or("", |(_, authority)| authority)
    }

    /// Reports whether a page of this origin came from the server whose address is `host`, by its
    /// address and not by a name. A name does not count: whoever owns a name can point it to any
    /// server, after a browser has loaded the page. `localhost` cannot be pointed anywhere.
    #[must_use]
    pub fn is_address_of(&self, host: &str) -> bool {
        let scheme = self.text.split_once("://").map_or("", |(scheme, _)| scheme);
        let host = host.to_ascii_lowercase();
        without_default_port(scheme, &host) == self.authority() && is_address(self.authority())
    }
}

fn default_port(scheme: &str) -> &'static str {
    if scheme == "https" { ":443" } else { ":80" }
}

fn without_default_port<'a>(scheme: &str, authority: &'a str) -> &'a str {
    authority.strip_suffix(default_port(scheme)).unwrap_or(authority)
}

/// Returns the host of `host:port`, and the port. An IPv6 address keeps its brackets.
fn host_and_port(authority: &str) -> (&str, Option<&str>) {
    match authority.rsplit_once(':') {
        Some((host, port)) if !port.ends_with(']') => (host, Some(port)),
        Some(_) | None => (authority, None),
    }
}

/// Reports whether a host is an IP address or `localhost`. Browsers write IPv4 addresses as four
/// numbers and IPv6 addresses in brackets, and accept no name of either form.
fn is_address(authority: &str) -> bool {
    let (host, _) = host_and_port(authority);
    let parts: Vec<&str> = host.split('.').collect();
    let is_v4 = parts.len() == 4 && parts.iter().all(|part| part.parse::<u8>().is_ok());
    host == "localhost" || is_v4 || is_v6(host)
}

fn is_v6(host: &str) -> bool {
    let bare = host.strip_prefix('[').and_then(|host| host.strip_suffix(']'));
    bare.is_some_and(|bare| {
        bare.contains(':') && bare.bytes().all(|byte| byte.is_ascii_hexdigit() || b":.".contains(&byte))
    })
}

impl FromStr for WebOrigin {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let wrong = || {
            let text: String = text.chars().take(MAX_ORIGIN_BYTES).collect();
            format!(
                "`{text}` is not an origin; write a scheme and a host, for example https://wall.example or http://localhost:5173"
            )
        };
        let text = text.to_ascii_lowercase();
        let (scheme, authority) = text.split_once("://").ok_or_else(wrong)?;
        let (host, port) = host_and_port(authority);
        let is_name = |host: &str| {
            !host.is_empty()
                && host.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-._".contains(&byte))
        };
        let is_port =
            |port: &str| port.parse::<u16>().is_ok() && port.bytes().all(|byte| byte.is_ascii_digit());
        let fits = matches!(scheme, "http" | "https")
            && text.len() <= MAX_ORIGIN_BYTES
            && (is_name(host) || is_v6(host))
            && port.is_none_or(is_port);
        match fits {
            true => Ok(Self { text: format!("{scheme}://{}", without_default_port(scheme, authority)) }),
            false => Err(wrong()),
        }
    }
}

impl fmt::Display for WebOrigin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl FromStr for AllowedOrigin {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        if text == "*" { Ok(Self::Any) } else { text.parse().map(Self::One) }
    }
}

impl fmt::Display for AllowedOrigin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Any => f.write_str("*"),
            Self::One(origin) => origin.fmt(f),
        }
    }
}

macro_rules! as_text {
    ($name:ident) => {
        impl TryFrom<String> for $name {
            type Error = String;

            fn try_from(text: String) -> Result<Self, String> {
                text.parse()
            }
        }

        impl From<$name> for String {
            fn from(origin: $name) -> Self {
                origin.to_string()
            }
        }
    };
}

as_text!(WebOrigin);
as_text!(AllowedOrigin);

#[cfg(test)]
mod tests {
    use super::*;

    fn origin(text: &str) -> WebOrigin {
        text.parse().unwrap_or_else(|error| panic!("{error}"))
    }

    #[test]
    fn origins_are_compared_as_browsers_write_them() {
        for (text, written) in [
            ("https://wall.example", "https://wall.example"),
            ("HTTPS://Wall.Example:443", "https://wall.example"),
            ("http://wall.example:443", "http://wall.example:443"),
            ("http://localhost:5173", "http://localhost:5173"),
            ("http://[::1]:80", "http://[::1]"),
            ("http://[::1]", "http://[::1]"),
        ] {
            assert_eq!(origin(text).to_string(), written, "{text}");
        }
        for text in [
            "",
            "null",
            "wall.example",
            "https://",
            "https://wall.example/",
            "https://wall.example/page",
            "https://user@wall.example",
            "https://*.example",
            "https://wall.example:",
            "https://wall.example:99999",
            "https://wall.example:+1",
            "file://",
            "https://[::1",
            "https://a b",
        ] {
            assert!(text.parse::<WebOrigin>().is_err(), "{text}");
        }
        assert_eq!("*".parse(), Ok(AllowedOrigin::Any));
        assert_eq!("https://a".parse(), Ok(AllowedOrigin::One(origin("https://a"))));
    }

    #[test]
    fn a_page_of_the_server_is_recognized_by_its_address_and_not_by_a_name() {
        for (page, host) in [
            ("http://127.0.0.1:7400", "127.0.0.1:7400"),
            ("https://10.0.0.7", "10.0.0.7:443"),
            ("http://[::1]:7400", "[::1]:7400"),
            ("http://localhost:7400", "LocalHost:7400"),
        ] {
            assert!(origin(page).is_address_of(host), "{page} at {host}");
        }
        for (page, host) in [
            ("http://wall.example:7400", "wall.example:7400"),
            ("http://127.0.0.1:7401", "127.0.0.1:7400"),
            ("http://127.0.0.1", "127.0.0.1:7400"),
            ("http://127.0.0.1.evil.example:7400", "127.0.0.1.evil.example:7400"),
            ("http://localhost:7400", "127.0.0.1:7400"),
            ("http://127.0.0.1:7400", ""),
        ] {
            assert!(!origin(page).is_address_of(host), "{page} at {host}");
        }
    }
}
