//! Tokens of an identity provider.

use std::time::{Duration, SystemTime};

use frameway::access::ApiKey;
use frameway::pb::v1 as pb;
use jsonwebtoken::jwk::Jwk;
use jsonwebtoken::{Algorithm, EncodingKey, Header, encode};
use serde_json::{Value, json};
use tonic::{Code, Status};

use crate::access_file::Keys;
use crate::common::log;
use crate::{END_WITHIN, connect, reason};

/// The identity provider of a server.
struct Provider {
    key: EncodingKey,
    /// Its public part.
    jwk: Value,
}

impl Provider {
    /// Creates a provider whose tokens a server accepts by the access file. The principal `viewer`
    /// has tokens with the subject "viewer".
    fn of(keys: &Keys) -> Self {
        let pair = rcgen::KeyPair::generate().expect("a P-256 key");
        log::declare_secret(&pair.serialize_pem());
        let key = EncodingKey::from_ec_der(&pair.serialize_der());
        let jwk = Jwk::from_encoding_key(&key, Algorithm::ES256).expect("a public key");
        let mut jwk = serde_json::to_value(jwk).expect("JSON");
        jwk["kid"] = json!("1");
        let file = keys.path().with_file_name("jwks.json");
        std::fs::write(file, json!({ "keys": [jwk] }).to_string()).expect("writes");
        keys.append(
            "[tokens]\njwks_file = 'jwks.json'\nissuer = 'https://id.example'\naudience = 'frameway'\n\
             [principals.viewer]\ngrants = ['read:*']\nclaims = { sub = 'viewer' }\n",
        );
        Self { key, jwk }
    }

    fn sign(&self, claims: &Value) -> String {
        sign(Algorithm::ES256, &self.key, claims)
    }
}

fn sign(algorithm: Algorithm, key: &EncodingKey, claims: &Value) -> String {
    let header = Header { kid: Some("1".into()), ..Header::new(algorithm) };
    let token = encode(&header, claims, key).expect("signs");
    log::declare_secret(token.rsplit('.').next().expect("a signature"));
    token
}

/// Returns the claims of a token of `viewer` that expires at this time, in seconds.
fn claims(expires: u64) -> Value {
    json!({ "iss": "https://id.example", "aud": "frameway", "sub": "viewer", "exp": expires })
}

fn now() -> Duration {
    SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).expect("after 1970")
}

#[tokio::test]
async fn a_token_that_expires_ends_its_subscription() {
    let keys = Keys::new(&[("admin", &["admin"])]);
    let provider = Provider::of(&keys);
    let server = keys.server().await;
    let admin = connect(&server, keys.of("admin")).await;
    let stream = Some(pb::Stream { stream_id: "cam".into(), ..Default::default() });
    let mut registry = admin.registry.clone();
    registry.register_stream(pb::RegisterStreamRequest { stream }).await.expect("registers");

    let expires = now().as_secs() + 4;
    let mut viewer = connect(&server, &provider.sign(&claims(expires))).await;
    let selectors = vec![frameway::client::subscribe::selector("cam")];
    let request = pb::SubscribeFramesRequest { selectors, ..Default::default() };
    let mut events =
        viewer.streaming.subscribe_frames(request).await.expect("the token is valid").into_inner();
    let first = tokio::time::timeout(END_WITHIN, events.message()).await.expect("in time");
    assert!(first.expect("a checkpoint").is_some() && now().as_secs() < expires, "it was open before");
    let status = loop {
        match tokio::time::timeout_at(after(expires), events.message()).await.expect("ends in time") {
            Ok(Some(_)) => {}
            Ok(None) => panic!("the call ended with OK"),
            Err(status) => break status,
        }
    };
    assert_eq!((status.code(), reason(&status).as_str()), (Code::Unauthenticated, "CREDENTIALS_INVALID"));
    assert!(now().as_secs() >= expires, "not before its expiry");
    // A token of the same principal that is valid for longer continues.
    let mut viewer = connect(&server, &provider.sign(&claims(expires + 600))).await;
    viewer.streaming.get_server_info(pb::GetServerInfoRequest {}).await.expect("is valid");
    server.stop().await;
}

/// Returns the time at which a call with a token must have ended.
fn after(expires: u64) -> tokio::time::Instant {
    let left = Duration::from_secs(expires).saturating_sub(now());
    tokio::time::Instant::now() + left + END_WITHIN
}

#[tokio::test]
async fn a_bad_token_is_refused_like_a_bad_key() {
    let keys = Keys::new(&[("admin", &["admin"])]);
    let provider = Provider::of(&keys);
    let server = keys.server().await;
    let ask = async |bearer: &str| -> Result<(), Status> {
        let mut client = connect(&server, bearer).await;
        client.streaming.get_server_info(pb::GetServerInfoRequest {}).await.map(drop)
    };
    let soon = now().as_secs() + 600;
    ask(&provider.sign(&claims(soon))).await.expect("is valid");
    let expected = ask(&ApiKey::generate().reveal()).await.unwrap_err();
    let with = |name: &str, value: Value| {
        let mut claims = claims(soon);
        claims[name] = value;
        provider.sign(&claims)
    };
    let unsigned = "eyJhbGciOiJub25lIiwia2lkIjoiMSJ9.eyJzdWIiOiJ2aWV3ZXIifQ.";
    let public = EncodingKey::from_secret(provider.jwk.to_string().as_bytes()).expect("a secret");
    for bad in [
        provider.sign(&claims(now().as_secs() - 70)),
        with("aud", json!("other")),
        with("iss", json!("other")),
        with("sub", json!("stranger")),
        sign(Algorithm::HS256, &public, &claims(soon)),
        unsigned.to_owned(),
    ] {
        let status = ask(&bad).await.unwrap_err();
        assert_eq!(status.code(), Code::Unauthenticated);
        assert_eq!((status.message(), status.details()), (expected.message(), expected.details()), "{bad}");
    }
    server.stop().await;
}
