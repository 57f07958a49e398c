//! The addresses of servers.

/// Turns `host:port`, with or without a scheme, into a URL.
///
/// # Errors
/// Returns a text that says what to write instead.
pub fn parse_address(text: &str) -> Result<String, String> {
    let text = text.trim().trim_end_matches('/');
    if text.strip_prefix("unix:").is_some_and(|path| !path.is_empty()) {
        return Ok(text.to_owned());
    }
    let (scheme, rest) = text.split_once("://").unwrap_or(("http", text));
    let scheme = scheme.to_ascii_lowercase();
    let port = rest.rsplit_once(':').and_then(|(host, port)| Some((host, port.parse::<u16>().ok()?)));
    match port {
        Some((host, port)) if matches!(scheme.as_str(), "http" | "https") && !host.is_empty() && port > 0 => {
            Ok(format!("{scheme}://{host}:{port}"))
        }
        _ => Err("write HOST:PORT, for example 127.0.0.1:7400, https://HOST:PORT for TLS, or \
                  unix:/run/frameway.sock"
            .to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_may_omit_the_scheme() {
        for text in
            ["127.0.0.1:7400", "http://127.0.0.1:7400", " http://127.0.0.1:7400/ ", "HTTP://127.0.0.1:7400"]
        {
            assert_eq!(parse_address(text).as_deref(), Ok("http://127.0.0.1:7400"), "{text}");
        }
        assert_eq!(parse_address("[::1]:7400").as_deref(), Ok("http://[::1]:7400"));
        assert_eq!(parse_address("HTTPS://host:443/").as_deref(), Ok("https://host:443"));
        assert_eq!(parse_address("unix:/run/a.sock").as_deref(), Ok("unix:/run/a.sock"));
        for text in ["", "localhost", ":7400", "host:0", "host:seven", "ftp://host:21", "https://host"] {
            assert!(parse_address(text).is_err(), "{text}");
        }
    }
}
