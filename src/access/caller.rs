//! Callers and the principals that they are.

use std::sync::{Arc, LazyLock};
use std::time::SystemTime;

use super::certificate::ClientCertificate;
use super::grant::Permissions;
use super::key::ApiKey;
use super::quota::{Quota, Usage};
use crate::domain::PrincipalName;

/// Somebody who may call.
#[derive(Debug)]
pub struct Principal {
    /// Its name; `None` = everybody, on a server that does not authenticate.
    pub name: Option<PrincipalName>,
    /// Everything that it may do.
    pub permissions: Permissions,
    /// The use that it makes of its quota.
    pub usage: Arc<Usage>,
}

/// The credentials that a caller presented. They are kept while its call lasts, so that the call
/// ends when they are not valid any more.
#[derive(Debug)]
pub(super) enum Credential {
    Key(ApiKey),
    Token(Token),
    Certificate(ClientCertificate),
}

/// A token as it was presented.
pub(super) struct Token(pub(super) String);

impl std::fmt::Debug for Token {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Token")
    }
}

/// The caller of one call.
#[derive(Debug, Clone)]
pub struct Caller {
    principal: Arc<Principal>,
    pub(super) session: Option<Arc<Session>>,
}

/// The authenticated part of a call.
#[derive(Debug)]
pub(super) struct Session {
    pub(super) credential: Credential,
    /// The time at which the credentials expire.
    pub(super) ends: Option<SystemTime>,
}

static ANYBODY: LazyLock<Arc<Principal>> = LazyLock::new(|| principal_without_name(Permissions::all()));
static NOBODY: LazyLock<Arc<Principal>> = LazyLock::new(|| principal_without_name(Permissions::default()));

fn principal_without_name(permissions: Permissions) -> Arc<Principal> {
    let usage = Arc::new(Usage::new(Quota::default()));
    Arc::new(Principal { name: None, permissions, usage })
}

impl Caller {
    pub(super) fn new(principal: Arc<Principal>, session: Session) -> Self {
        Self { principal, session: Some(Arc::new(session)) }
    }

    /// Returns the caller of a server that does not authenticate. It may do everything.
    #[must_use]
    pub fn anybody() -> Self {
        Self { principal: Arc::clone(&ANYBODY), session: None }
    }

    /// Returns a caller that may do nothing.
    #[must_use]
    pub fn nobody() -> Self {
        Self { principal: Arc::clone(&NOBODY), session: None }
    }

    /// Returns its name; `None` on a server that does not authenticate.
    #[must_use]
    pub fn name(&self) -> Option<&PrincipalName> {
        self.principal.name.as_ref()
    }

    /// Returns everything that it may do.
    #[must_use]
    pub fn permissions(&self) -> &Permissions {
        &self.principal.permissions
    }

    /// Returns the use that its principal makes of its quota.
    #[must_use]
    pub fn usage(&self) -> &Arc<Usage> {
        &self.principal.usage
    }
}
