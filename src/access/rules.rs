//! The rules of an access file, in a form in which callers are looked up.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::SystemTime;

use super::caller::{Caller, Credential, Principal, Session, Token};
use super::certificate::ClientCertificate;
use super::error::Denied;
use super::key::{ApiKey, KeyDigest};
use super::token::{TokenRules, has_claims};

/// The rules: who may call, and what each caller may do.
#[derive(Debug, Default)]
pub(super) struct Rules {
    pub(super) keys: HashMap<String, StoredKey>,
    /// Principals by the names in their certificates.
    pub(super) certificates: HashMap<String, Arc<Principal>>,
    pub(super) tokens: Option<TokenRules>,
    /// Principals and the claims of their tokens.
    pub(super) claims: Vec<(HashMap<String, String>, Arc<Principal>)>,
    /// All principals, by name.
    pub(super) principals: HashMap<String, Arc<Principal>>,
}

/// A key as it is stored.
#[derive(Debug)]
pub(super) struct StoredKey {
    pub(super) digest: KeyDigest,
    pub(super) expires: Option<SystemTime>,
    pub(super) principal: Arc<Principal>,
}

impl Rules {
    /// Identifies the caller by a bearer token: an API key or a JWT.
    pub(super) fn by_bearer(&self, text: &str) -> Result<Caller, Denied> {
        let credential = match ApiKey::is_meant(text) {
            true => Credential::Key(ApiKey::parse(text).ok_or(Denied::Invalid("the API key is malformed"))?),
            false => Credential::Token(Token(text.to_owned())),
        };
        self.identify(credential)
    }

    /// Identifies the caller by the certificate of its connection.
    pub(super) fn by_certificate(&self, certificate: &ClientCertificate) -> Result<Caller, Denied> {
        self.identify(Credential::Certificate(certificate.clone()))
    }

    fn identify(&self, credential: Credential) -> Result<Caller, Denied> {
        let (principal, ends) = self.find(&credential)?;
        if ends.is_some_and(|ends| ends <= SystemTime::now()) {
            return Err(Denied::Invalid("the credentials are expired"));
        }
        Ok(Caller::new(principal, Session { credential, ends }))
    }

    /// Finds the principal of a credential, and the time at which the credential expires.
    pub(super) fn find(
        &self,
        credential: &Credential,
    ) -> Result<(Arc<Principal>, Option<SystemTime>), Denied> {
        match credential {
            Credential::Key(key) => {
                // An unknown id takes as long as a wrong secret.
                let stored = self.keys.get(key.id());
                let digest = stored.map_or(KeyDigest::NONE, |stored| stored.digest);
                let matches = digest.matches(&key.digest());
                match stored {
                    Some(stored) if matches => Ok((Arc::clone(&stored.principal), stored.expires)),
                    Some(_) => Err(Denied::Invalid("the secret of the API key is wrong")),
                    None => Err(Denied::Invalid("the API key is unknown or revoked")),
                }
            }
            Credential::Token(Token(text)) => {
                let rules = self.tokens.as_ref().ok_or(Denied::Invalid("no tokens are accepted"))?;
                let verified = rules.verify(text)?;
                let matching = self.claims.iter().filter(|(claims, _)| has_claims(&verified.claims, claims));
                one(matching.map(|(_, principal)| principal)).map(|found| (found, Some(verified.ends)))
            }
            Credential::Certificate(certificate) => {
                let named = certificate.names().iter().filter_map(|name| self.certificates.get(name));
                one(named).map(|found| (found, certificate.expires()))
            }
        }
    }
}

/// Returns the principal if all of these are the same one.
fn one<'a>(mut principals: impl Iterator<Item = &'a Arc<Principal>>) -> Result<Arc<Principal>, Denied> {
    let first = principals.next().ok_or(Denied::Invalid("no principal has this identity"))?;
    match principals.all(|other| other.name == first.name) {
        true => Ok(Arc::clone(first)),
        false => Err(Denied::Invalid("several principals have this identity")),
    }
}
