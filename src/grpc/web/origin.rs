//! The origins whose web pages may call, and the CORS headers that tell browsers so.
//!
//! A browser asks first (a preflight) before it sends a request of a foreign page that a plain form
//! could not send, and every request of this server is one. The server checks the origin of each
//! request nevertheless: it does not depend on that.
//!
//! Browsers are never permitted to add cookies or certificates: a page that calls needs a key or a
//! token of its own.

use tonic::body::Body;
use tonic::codegen::http::header::{self, HeaderValue};
use tonic::codegen::http::{HeaderMap, Method, Request, Response, StatusCode};

use crate::domain::{AllowedOrigin, WebOrigin};

/// The headers of a response that a page may read.
const EXPOSED: HeaderValue =
    HeaderValue::from_static("grpc-status, grpc-message, grpc-status-details-bin, x-request-id, retry-after");
/// The headers that a preflight permits if it does not name any.
const USUAL_HEADERS: HeaderValue =
    HeaderValue::from_static("authorization, content-type, grpc-timeout, x-grpc-web");
/// The time for which a browser remembers the answer to a preflight, in seconds. No browser
/// remembers it longer than some hours.
const MAX_AGE_SECONDS: HeaderValue = HeaderValue::from_static("7200");
const METHODS: HeaderValue = HeaderValue::from_static("POST");
/// The answer depends on these headers, for caches.
const VARY: HeaderValue = HeaderValue::from_static("origin, access-control-request-headers");

/// The origins whose pages may call, in addition to the server's own address.
#[derive(Debug, Clone)]
pub(crate) struct Origins {
    allowed: Vec<AllowedOrigin>,
}

/// The origin of a request, as the server judges it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Judged {
    /// No page sent the request.
    NoPage,
    /// The page may call.
    Allowed(HeaderValue),
    /// The page may not call.
    Foreign,
}

impl Origins {
    pub(crate) fn new(allowed: Vec<AllowedOrigin>) -> Self {
        Self { allowed }
    }

    /// Judges the origin of a request.
    pub(crate) fn judge<B>(&self, request: &Request<B>) -> Judged {
        let mut values = request.headers().get_all(header::ORIGIN).iter();
        let Some(value) = values.next() else { return Judged::NoPage };
        if values.next().is_some() {
            return Judged::Foreign;
        }
        let origin = value.to_str().ok().and_then(|text| text.parse().ok());
        match origin.is_some_and(|origin| self.allows(&origin, host_of(request))) {
            true => Judged::Allowed(value.clone()),
            false => Judged::Foreign,
        }
    }

    fn allows(&self, origin: &WebOrigin, host: &str) -> bool {
        let named = self.allowed.iter().any(|allowed| match allowed {
            AllowedOrigin::Any => true,
            AllowedOrigin::One(named) => named == origin,
        });
        named || origin.is_address_of(host)
    }
}

/// Returns the host and port that the client called.
fn host_of<B>(request: &Request<B>) -> &str {
    let named = request.headers().get(header::HOST).and_then(|host| host.to_str().ok());
    request.uri().authority().map(|authority| authority.as_str()).or(named).unwrap_or_default()
}

/// Reports whether a request is a preflight.
pub(super) fn is_preflight<B>(request: &Request<B>) -> bool {
    request.method() == Method::OPTIONS
        && request.headers().contains_key(header::ORIGIN)
        && request.headers().contains_key(header::ACCESS_CONTROL_REQUEST_METHOD)
}

/// Answers a preflight.
pub(super) fn answer_preflight<B>(request: &Request<B>, judged: &Judged) -> Response<Body> {
    let mut response = Response::new(Body::empty());
    let Judged::Allowed(origin) = judged else {
        *response.status_mut() = StatusCode::FORBIDDEN;
        return response;
    };
    *response.status_mut() = StatusCode::NO_CONTENT;
    let asked = request.headers().get(header::ACCESS_CONTROL_REQUEST_HEADERS);
    let headers = response.headers_mut();
    permit(headers, origin);
    headers.insert(header::ACCESS_CONTROL_ALLOW_METHODS, METHODS);
    // Metadata may have any name, so the page may send what it asks for.
    headers.insert(header::ACCESS_CONTROL_ALLOW_HEADERS, asked.cloned().unwrap_or(USUAL_HEADERS));
    headers.insert(header::ACCESS_CONTROL_MAX_AGE, MAX_AGE_SECONDS);
    response
}

/// Lets the page that called read a response.
pub(super) fn expose(headers: &mut HeaderMap, origin: &HeaderValue) {
    permit(headers, origin);
    headers.insert(header::ACCESS_CONTROL_EXPOSE_HEADERS, EXPOSED);
}

fn permit(headers: &mut HeaderMap, origin: &HeaderValue) {
    headers.insert(header::ACCESS_CONTROL_ALLOW_ORIGIN, origin.clone());
    headers.insert(header::VARY, VARY);
}

#[cfg(test)]
mod tests {
    use super::*;

    fn request(host: &str, origins: &[&str]) -> Request<()> {
        let mut request = Request::builder().method("POST").uri("/x").header("host", host);
        for origin in origins {
            request = request.header("origin", *origin);
        }
        request.body(()).unwrap()
    }

    #[test]
    fn pages_of_named_origins_and_of_the_servers_address_may_call() {
        let named = Origins::new(vec!["https://wall.example".parse().unwrap()]);
        let judge = |host: &str, origins: &[&str]| named.judge(&request(host, origins));
        assert_eq!(judge("cam.example:7400", &[]), Judged::NoPage);
        for (host, origin) in [
            ("cam.example:7400", "https://wall.example"),
            ("cam.example:7400", "https://wall.example:443"),
            ("127.0.0.1:7400", "http://127.0.0.1:7400"),
        ] {
            assert!(matches!(judge(host, &[origin]), Judged::Allowed(_)), "{origin} at {host}");
        }
        for (host, origins) in [
            ("cam.example:7400", &["https://evil.example"][..]),
            ("cam.example:7400", &["http://wall.example"]),
            ("cam.example:7400", &["https://wall.example.evil.example"]),
            ("cam.example:7400", &["null"]),
            ("cam.example:7400", &[""]),
            ("evil.example:7400", &["http://evil.example:7400"]),
            ("127.0.0.1:7400", &["https://wall.example", "https://evil.example"]),
        ] {
            assert_eq!(judge(host, origins), Judged::Foreign, "{origins:?} at {host}");
        }
        let all = Origins::new(vec![AllowedOrigin::Any]);
        assert!(matches!(all.judge(&request("a", &["https://evil.example"])), Judged::Allowed(_)));
        assert_eq!(all.judge(&request("a", &["null"])), Judged::Foreign);
    }

    #[test]
    fn the_host_of_http2_is_its_authority() {
        let request =
            Request::builder().uri("http://127.0.0.1:7400/x").header("origin", "http://127.0.0.1:7400");
        let judged = Origins::new(Vec::new()).judge(&request.body(()).unwrap());
        assert!(matches!(judged, Judged::Allowed(_)), "{judged:?}");
    }
}
