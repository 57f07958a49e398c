//! The access file: reads it, and the JWK set that it names.

use std::collections::{BTreeMap, HashMap};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::SystemTime;

use aws_lc_rs::digest::{Context, SHA256};
use serde::Deserialize;

use super::caller::Principal;
use super::error::FileError;
use super::grant::{Grant, Permissions};
use super::key::is_id;
use super::quota::{Quota, Usage};
use super::rules::{Rules, StoredKey};
use super::token::TokenRules;
use crate::domain::PrincipalName;

/// The maximum size of the access file and of the JWK set, in bytes.
const MAX_FILE_BYTES: u64 = 8 << 20;

/// The access file as it is written.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    #[serde(default)]
    roles: BTreeMap<String, Vec<String>>,
    tokens: Option<Tokens>,
    #[serde(default)]
    principals: BTreeMap<String, Entry>,
}

/// The issuer of tokens.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Tokens {
    jwks_file: PathBuf,
    issuer: String,
    audience: String,
}

/// A principal as it is written.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Entry {
    #[serde(default)]
    roles: Vec<String>,
    #[serde(default)]
    grants: Vec<String>,
    #[serde(default)]
    certificates: Vec<String>,
    #[serde(default)]
    claims: HashMap<String, String>,
    #[serde(default)]
    quota: Quota,
    #[serde(default)]
    keys: Vec<Key>,
}

/// A key as it is written.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Key {
    id: String,
    sha256: String,
    #[serde(rename = "create_time")]
    _create_time: Option<String>,
    expire_time: Option<String>,
}

/// The contents of the access file and of the JWK set that it names.
#[derive(Debug)]
pub(super) struct Source {
    file: PathBuf,
    text: String,
    parsed: File,
    jwks: Option<String>,
}

impl Source {
    /// Reads the files.
    ///
    /// # Errors
    /// A file cannot be read, is too large, or is not TOML of this form.
    pub(super) fn read(file: &Path) -> Result<Self, FileError> {
        let text = read(file)?;
        let parsed: File = toml_edit::de::from_str(&text).map_err(|error: toml_edit::de::Error| {
            FileError::in_text(file, &text, error.message(), error.span())
        })?;
        let jwks = match &parsed.tokens {
            Some(tokens) => Some(read(&beside(file, &tokens.jwks_file))?),
            None => None,
        };
        Ok(Self { file: file.to_owned(), text, parsed, jwks })
    }

    /// Returns a digest of the contents.
    pub(super) fn digest(&self) -> [u8; 32] {
        let mut context = Context::new(&SHA256);
        for text in [Some(&self.text), self.jwks.as_ref()].into_iter().flatten() {
            context.update(&(text.len() as u64).to_be_bytes());
            context.update(text.as_bytes());
        }
        let mut digest = [0; 32];
        digest.copy_from_slice(context.finish().as_ref());
        digest
    }

    /// Checks the contents and builds the rules. A principal whose quota is that of `before` keeps
    /// its counts.
    ///
    /// # Errors
    /// An entry is wrong; the error names it.
    pub(super) fn rules(self, before: Option<&Rules>) -> Result<Rules, FileError> {
        let Self { file, text: _, parsed, jwks } = self;
        let File { roles, tokens, principals } = parsed;
        let wrong = |why: String| FileError::new(&file, why);
        let mut granted: HashMap<&str, Vec<Grant>> = HashMap::new();
        for (name, texts) in &roles {
            let grants = grants(texts).map_err(|why| wrong(format!("role {name:?}: {why}")))?;
            granted.insert(name, grants);
        }
        let mut rules = Rules::default();
        for (name, entry) in principals {
            add(&mut rules, &name, entry, &granted, before)
                .map_err(|why| wrong(format!("principal {name:?}: {why}")))?;
        }
        if let (Some(tokens), Some(jwks)) = (tokens, jwks) {
            let Tokens { jwks_file, issuer, audience } = tokens;
            let read = TokenRules::new(&jwks, &issuer, &audience);
            rules.tokens = Some(read.map_err(|why| FileError::new(beside(&file, &jwks_file), why))?);
        } else if !rules.claims.is_empty() {
            return Err(wrong("principals have claims, but [tokens] is missing".to_owned()));
        }
        Ok(rules)
    }
}

/// Adds a principal to the rules.
fn add(
    rules: &mut Rules,
    name: &str,
    entry: Entry,
    roles: &HashMap<&str, Vec<Grant>>,
    before: Option<&Rules>,
) -> Result<(), String> {
    let Entry { roles: names, grants: texts, certificates, claims, quota, keys } = entry;
    let name: PrincipalName = name.parse().map_err(|error| format!("{error}"))?;
    let mut all = grants(&texts)?;
    for role in &names {
        all.extend_from_slice(
            roles.get(role.as_str()).ok_or_else(|| format!("role {role:?} is not in [roles]"))?,
        );
    }
    let permissions = Permissions::new(&all).map_err(|error| error.to_string())?;
    let known = before.and_then(|before| before.principals.get(name.as_str()));
    let usage = match known.filter(|known| *known.usage.quota() == quota) {
        Some(known) => Arc::clone(&known.usage),
        None => Arc::new(Usage::new(quota)),
    };
    let principal = Arc::new(Principal { name: Some(name.clone()), permissions, usage });
    for key in keys {
        let Key { id, sha256, _create_time: _, expire_time } = key;
        if !is_id(&id) {
            return Err(format!("key {id:?}: id must be 1 to 32 letters and digits"));
        }
        let stored = StoredKey {
            digest: sha256.parse().map_err(|error| format!("key {id:?}: {error}"))?,
            expires: expire_time
                .map(|text| time(&text))
                .transpose()
                .map_err(|why| format!("key {id:?}: {why}"))?,
            principal: Arc::clone(&principal),
        };
        if rules.keys.insert(id.clone(), stored).is_some() {
            return Err(format!("key {id:?} is there twice"));
        }
    }
    for certificate in certificates {
        if rules.certificates.insert(certificate.clone(), Arc::clone(&principal)).is_some() {
            return Err(format!("certificate {certificate:?} is there twice"));
        }
    }
    if !claims.is_empty() {
        rules.claims.push((claims, Arc::clone(&principal)));
    }
    rules.principals.insert(name.to_string(), principal);
    Ok(())
}

fn grants(texts: &[String]) -> Result<Vec<Grant>, String> {
    texts.iter().map(|text| text.parse::<Grant>().map_err(|error| error.to_string())).collect()
}

/// Reads a time as `2026-01-31T12:00:00Z`.
pub(super) fn time(text: &str) -> Result<SystemTime, String> {
    humantime::parse_rfc3339(text)
        .map_err(|error| format!("{text:?} is not a time like 2026-01-31T12:00:00Z: {error}"))
}

/// Returns the path of a file that is named in the access file: relative to its folder.
fn beside(file: &Path, other: &Path) -> PathBuf {
    file.parent().map_or_else(|| other.to_owned(), |folder| folder.join(other))
}

fn read(file: &Path) -> Result<String, FileError> {
    let wrong = |why: String| FileError::new(file, why);
    let size = std::fs::metadata(file).map_err(|error| wrong(error.to_string()))?.len();
    if size > MAX_FILE_BYTES {
        return Err(wrong(format!("{size} bytes are over the limit of {MAX_FILE_BYTES}")));
    }
    std::fs::read_to_string(file).map_err(|error| wrong(error.to_string()))
}
