//! Tokens: JWTs that an identity provider signed.

use std::collections::HashMap;
use std::time::{Duration, SystemTime};

use jsonwebtoken::jwk::{AlgorithmParameters, EllipticCurve, JwkSet};
use jsonwebtoken::{Algorithm, DecodingKey, Validation, decode, decode_header};
use serde_json::{Map, Value};

use super::error::Denied;

/// The maximum length of a token, in characters.
const MAX_TOKEN_CHARS: usize = 8 << 10;
/// The maximum error of the clocks of the identity provider and the server.
const CLOCK_SKEW: Duration = Duration::from_secs(60);

/// The keys and the rules by which tokens are verified.
pub(super) struct TokenRules {
    keys: HashMap<String, (DecodingKey, Validation)>,
}

impl std::fmt::Debug for TokenRules {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_set().entries(self.keys.keys()).finish()
    }
}

/// A token that was verified.
#[derive(Debug)]
pub(super) struct Verified {
    pub(super) claims: Map<String, Value>,
    /// The time at which calls with this token end.
    pub(super) ends: SystemTime,
}

impl TokenRules {
    /// Reads the keys of a JWK set. Each key verifies one algorithm only, so a token cannot choose a
    /// weaker one.
    ///
    /// # Errors
    /// Returns a text that says what is wrong with the set.
    pub(super) fn new(jwks: &str, issuer: &str, audience: &str) -> Result<Self, String> {
        let set: JwkSet = serde_json::from_str(jwks).map_err(|error| format!("is not a JWK set: {error}"))?;
        let mut keys = HashMap::new();
        for jwk in &set.keys {
            let kid = jwk.common.key_id.clone().ok_or("has a key without kid")?;
            let algorithm = match &jwk.algorithm {
                AlgorithmParameters::RSA(_) => Algorithm::RS256,
                AlgorithmParameters::EllipticCurve(curve) if curve.curve == EllipticCurve::P256 => {
                    Algorithm::ES256
                }
                AlgorithmParameters::OctetKeyPair(pair) if pair.curve == EllipticCurve::Ed25519 => {
                    Algorithm::EdDSA
                }
                AlgorithmParameters::EllipticCurve(_)
                | AlgorithmParameters::OctetKeyPair(_)
                | AlgorithmParameters::OctetKey(_)
                | AlgorithmParameters::Other(_)
                | _ => {
                    return Err(format!("key {kid:?} must be RSA (RS256), P-256 (ES256) or Ed25519 (EdDSA)"));
                }
            };
            let key = DecodingKey::from_jwk(jwk).map_err(|error| format!("key {kid:?}: {error}"))?;
            let mut validation = Validation::new(algorithm);
            validation.leeway = CLOCK_SKEW.as_secs();
            validation.validate_nbf = true;
            validation.set_required_spec_claims(&["exp", "iss", "aud"]);
            validation.set_issuer(&[issuer]);
            validation.set_audience(&[audience]);
            if keys.insert(kid.clone(), (key, validation)).is_some() {
                return Err(format!("has two keys with kid {kid:?}"));
            }
        }
        if keys.is_empty() {
            return Err("has no keys".to_owned());
        }
        Ok(Self { keys })
    }

    /// Verifies a token.
    ///
    /// # Errors
    /// The token is malformed, expired, or not signed by one of the keys for this service.
    pub(super) fn verify(&self, token: &str) -> Result<Verified, Denied> {
        if token.len() > MAX_TOKEN_CHARS {
            return Err(Denied::Invalid("the token is too long"));
        }
        let header = decode_header(token).map_err(|_| Denied::Invalid("the token is malformed"))?;
        let kid = header.kid.ok_or(Denied::Invalid("the token has no kid"))?;
        let (key, validation) = self.keys.get(&kid).ok_or(Denied::Invalid("the token's key is unknown"))?;
        let data = decode::<Map<String, Value>>(token, key, validation)
            .map_err(|_| Denied::Invalid("the token is expired, or not valid for this service"))?;
        let seconds = data.claims.get("exp").and_then(Value::as_f64).filter(|exp| exp.is_finite());
        let expires = seconds
            .and_then(|exp| Duration::try_from_secs_f64(exp).ok())
            .and_then(|exp| SystemTime::UNIX_EPOCH.checked_add(exp))
            .ok_or(Denied::Invalid("the token has no usable exp"))?;
        // Within the clock skew after its expiry, a token can still open calls.
        let ends = if expires > SystemTime::now() { expires } else { expires + CLOCK_SKEW };
        Ok(Verified { claims: data.claims, ends })
    }
}

/// Reports whether the claims contain all wanted ones. A claim that is a list contains each of its
/// items.
pub(super) fn has_claims(claims: &Map<String, Value>, wanted: &HashMap<String, String>) -> bool {
    wanted.iter().all(|(name, value)| match claims.get(name) {
        Some(Value::String(found)) => found == value,
        Some(Value::Array(found)) => found.iter().any(|one| one.as_str() == Some(value)),
        Some(Value::Null | Value::Bool(_) | Value::Number(_) | Value::Object(_)) | None => false,
    })
}

#[cfg(test)]
mod tests {
    use base64::Engine as _;
    use base64::engine::general_purpose::URL_SAFE_NO_PAD;
    use jsonwebtoken::jwk::Jwk;
    use jsonwebtoken::{EncodingKey, Header, encode};
    use rcgen::{KeyPair, PKCS_ECDSA_P256_SHA256, PKCS_ED25519, PKCS_RSA_SHA256};
    use serde_json::json;

    use super::*;

    /// A key of an identity provider.
    struct Signer {
        algorithm: Algorithm,
        key: EncodingKey,
        /// Its public part, as it stands in a JWK set.
        jwk: Value,
    }

    /// The size of what PKCS #8 puts before an RSA key of 2,048 bits.
    const RSA_HEADER_BYTES: usize = 26;

    impl Signer {
        fn new(algorithm: Algorithm) -> Self {
            let (is_rsa, is_ec) = (algorithm == Algorithm::RS256, algorithm == Algorithm::ES256);
            let kind = if is_rsa {
                &PKCS_RSA_SHA256
            } else if is_ec {
                &PKCS_ECDSA_P256_SHA256
            } else {
                &PKCS_ED25519
            };
            let pair = KeyPair::generate_for(kind).unwrap();
            let der = pair.serialize_der();
            let key = if is_rsa {
                EncodingKey::from_rsa_der(&der[RSA_HEADER_BYTES..])
            } else if is_ec {
                EncodingKey::from_ec_der(&der)
            } else {
                EncodingKey::from_ed_der(&der)
            };
            let mut jwk = if is_rsa || is_ec {
                serde_json::to_value(Jwk::from_encoding_key(&key, algorithm).unwrap()).unwrap()
            } else {
                let x = URL_SAFE_NO_PAD.encode(pair.public_key_raw());
                json!({ "kty": "OKP", "crv": "Ed25519", "x": x })
            };
            jwk["kid"] = json!("k");
            Self { algorithm, key, jwk }
        }

        fn rules(&self) -> TokenRules {
            TokenRules::new(&json!({ "keys": [self.jwk] }).to_string(), "issuer", "frameway").unwrap()
        }

        fn sign(&self, claims: &Value) -> String {
            let header = Header { kid: Some("k".into()), ..Header::new(self.algorithm) };
            encode(&header, claims, &self.key).unwrap()
        }
    }

    /// Returns the claims of a token that expires after so many seconds.
    fn claims(seconds: i64) -> Value {
        let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap().as_secs() as i64;
        json!({ "iss": "issuer", "aud": "frameway", "sub": "a", "exp": now + seconds })
    }

    fn without(mut claims: Value, name: &str) -> Value {
        claims.as_object_mut().unwrap().remove(name);
        claims
    }

    fn with(mut claims: Value, name: &str, value: Value) -> Value {
        claims[name] = value;
        claims
    }

    #[test]
    fn tokens_of_the_three_algorithms_are_accepted_until_they_expire() {
        for algorithm in [Algorithm::RS256, Algorithm::ES256, Algorithm::EdDSA] {
            let signer = Signer::new(algorithm);
            let verified = signer.rules().verify(&signer.sign(&claims(100))).unwrap();
            assert_eq!(verified.claims["sub"], "a", "{algorithm:?}");
            let left = verified.ends.duration_since(SystemTime::now()).unwrap();
            assert!(left > Duration::from_secs(95) && left <= Duration::from_secs(100), "{left:?}");
            // The clocks may differ.
            assert!(signer.rules().verify(&signer.sign(&claims(-50))).is_ok());
        }
    }

    #[test]
    fn tokens_that_are_not_for_this_service_are_refused() {
        let signer = Signer::new(Algorithm::ES256);
        let rules = signer.rules();
        let later = claims(0)["exp"].as_i64().unwrap() + 100;
        for bad in [
            claims(-70),
            with(claims(100), "iss", json!("other")),
            with(claims(100), "aud", json!("other")),
            with(claims(100), "nbf", json!(later)),
            without(claims(100), "exp"),
            without(claims(100), "iss"),
            without(claims(100), "aud"),
            with(claims(100), "exp", json!("soon")),
        ] {
            assert!(rules.verify(&signer.sign(&bad)).is_err(), "{bad}");
        }
        let good = signer.sign(&claims(100));
        assert!(rules.verify(&good).is_ok());
        for bad in
            ["", "a.b.c", &good[..good.len() - 2], &format!("{good}.x"), &"x".repeat(MAX_TOKEN_CHARS + 1)]
        {
            assert!(rules.verify(bad).is_err(), "{bad}");
        }
        assert!(Signer::new(Algorithm::ES256).rules().verify(&good).is_err(), "another key with this kid");
    }

    #[test]
    fn a_token_cannot_choose_its_algorithm() {
        let signer = Signer::new(Algorithm::RS256);
        let rules = signer.rules();
        let part = |value: Value| URL_SAFE_NO_PAD.encode(value.to_string());
        for name in ["none", "None", "NONE"] {
            let unsigned = format!("{}.{}.", part(json!({ "alg": name, "kid": "k" })), part(claims(100)));
            assert!(rules.verify(&unsigned).is_err(), "{name}");
        }
        // Everybody knows the public key, so it must not work as a shared secret.
        for secret in [signer.jwk["n"].as_str().unwrap().to_owned(), signer.jwk.to_string()] {
            let header = Header { kid: Some("k".into()), ..Header::new(Algorithm::HS256) };
            let forged = encode(&header, &claims(100), &EncodingKey::from_secret(secret.as_bytes()).unwrap());
            assert!(rules.verify(&forged.unwrap()).is_err());
        }
        let header = Header::new(Algorithm::RS256);
        let nameless = encode(&header, &claims(100), &signer.key).unwrap();
        assert_eq!(rules.verify(&nameless).unwrap_err(), Denied::Invalid("the token has no kid"));
    }

    #[test]
    fn a_set_of_keys_that_cannot_be_used_is_refused() {
        let jwk = Signer::new(Algorithm::ES256).jwk;
        for (keys, says) in [
            (json!([]), "no keys"),
            (json!([without(jwk.clone(), "kid")]), "without kid"),
            (json!([jwk.clone(), jwk]), "two keys"),
            (json!([{ "kty": "oct", "kid": "s", "k": "c2VjcmV0" }]), "must be RSA"),
        ] {
            let error = TokenRules::new(&json!({ "keys": keys }).to_string(), "i", "a").unwrap_err();
            assert!(error.contains(says), "{error}");
        }
        assert!(TokenRules::new("{", "i", "a").is_err());
    }

    #[test]
    fn all_wanted_claims_must_be_there() {
        let claims = json!({ "sub": "a", "groups": ["x", "y"], "n": 1 });
        let has = |wanted: &[(&str, &str)]| {
            let wanted = wanted.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
            has_claims(claims.as_object().unwrap(), &wanted.collect())
        };
        assert!(has(&[("sub", "a"), ("groups", "y")]));
        assert!(!has(&[("sub", "a"), ("groups", "z")]) && !has(&[("other", "a")]) && !has(&[("n", "1")]));
    }
}
