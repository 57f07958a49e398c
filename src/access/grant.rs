//! Grants, and the permissions that a set of grants adds up to.

use std::fmt;
use std::str::FromStr;

use crate::domain::{Scope, ValidationError};

/// A permission as it is written in the access file: `read:north.*`, for example.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Grant {
    /// Submit frames of the streams that match.
    Publish(String),
    /// Read the settings, the frames and the processed pictures of the streams that match.
    Read(String),
    /// Read the unmasked originals of the streams that match, and the pictures of their dead
    /// letters.
    Originals(String),
    /// Register, update and unregister the streams that match.
    Manage(String),
    /// Consume the frames of the groups that match, as a member.
    Consume(String),
    /// Operate the queues, dead letters and groups.
    Operate,
    /// Do everything.
    Admin,
}

/// The forms of a grant, for error texts.
const FORMS: &str = "publish:GLOB, read:GLOB, originals:GLOB, manage:GLOB, consume:GLOB, operate or admin";

impl FromStr for Grant {
    type Err = ValidationError;

    fn from_str(text: &str) -> Result<Self, ValidationError> {
        let (kind, glob) = match text.split_once(':') {
            Some((kind, glob)) => (kind, Some(glob)),
            None => (text, None),
        };
        let of = |grant: fn(String) -> Self| {
            let glob = glob.unwrap_or_default();
            Scope::new([glob.to_owned()])
                .map(|_| grant(glob.to_owned()))
                .map_err(|error| ValidationError::new("grant", format!("{text:?}: {error}")))
        };
        match (kind, glob) {
            ("publish", Some(_)) => of(Self::Publish),
            ("read", Some(_)) => of(Self::Read),
            ("originals", Some(_)) => of(Self::Originals),
            ("manage", Some(_)) => of(Self::Manage),
            ("consume", Some(_)) => of(Self::Consume),
            ("operate", None) => Ok(Self::Operate),
            ("admin", None) => Ok(Self::Admin),
            _ => Err(ValidationError::new("grant", format!("{text:?} must be one of {FORMS}"))),
        }
    }
}

impl fmt::Display for Grant {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Publish(glob) => write!(f, "publish:{glob}"),
            Self::Read(glob) => write!(f, "read:{glob}"),
            Self::Originals(glob) => write!(f, "originals:{glob}"),
            Self::Manage(glob) => write!(f, "manage:{glob}"),
            Self::Consume(glob) => write!(f, "consume:{glob}"),
            Self::Operate => f.write_str("operate"),
            Self::Admin => f.write_str("admin"),
        }
    }
}

/// Everything that a caller may do.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Permissions {
    /// The streams whose frames it may submit.
    pub publish: Scope,
    /// The streams that it may read.
    pub read: Scope,
    /// The streams whose unmasked originals it may read.
    pub originals: Scope,
    /// The streams that it may register, update and unregister.
    pub manage: Scope,
    /// The streams whose settings it may see: those that it may read or manage.
    pub visible: Scope,
    /// The groups that it may consume.
    pub consume: Scope,
    /// True if it may operate queues, dead letters and groups.
    pub operate: bool,
    /// True if it may read the metrics of the whole system.
    pub admin: bool,
}

impl Permissions {
    /// Adds up grants.
    ///
    /// # Errors
    /// The globs cannot be used together: there are too many of them.
    pub fn new<'a>(grants: impl IntoIterator<Item = &'a Grant>) -> Result<Self, ValidationError> {
        let mut globs: [Vec<String>; 5] = Default::default();
        let (mut operate, mut admin) = (false, false);
        for grant in grants {
            let (at, glob) = match grant {
                Grant::Publish(glob) => (0, glob),
                Grant::Read(glob) => (1, glob),
                Grant::Originals(glob) => (2, glob),
                Grant::Manage(glob) => (3, glob),
                Grant::Consume(glob) => (4, glob),
                Grant::Operate => {
                    operate = true;
                    continue;
                }
                Grant::Admin => {
                    admin = true;
                    continue;
                }
            };
            globs[at].push(glob.clone());
        }
        if admin {
            return Ok(Self::all());
        }
        let [publish, read, originals, manage, consume] = globs.map(Scope::new);
        let (read, manage) = (read?, manage?);
        let visible = read.union(&manage);
        Ok(Self {
            publish: publish?,
            read,
            originals: originals?,
            manage,
            visible,
            consume: consume?,
            operate,
            admin,
        })
    }

    /// Returns the permission to do everything.
    #[must_use]
    pub fn all() -> Self {
        let all = Scope::all;
        Self {
            publish: all(),
            read: all(),
            originals: all(),
            manage: all(),
            visible: all(),
            consume: all(),
            operate: true,
            admin: true,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_grant_is_written_as_it_is_read() {
        for text in
            ["publish:a.*", "read:*", "originals:x", "manage:{a,b}", "consume:group-?", "operate", "admin"]
        {
            let grant: Grant = text.parse().unwrap();
            assert_eq!(grant.to_string(), text);
        }
        for bad in ["", "read", "read:", "read:[", "admin:*", "operate:x", "write:*", "Read:*", " read:*"] {
            let error = bad.parse::<Grant>().unwrap_err();
            assert_eq!(error.field, "grant", "{bad}");
        }
    }

    #[test]
    fn grants_add_up() {
        let grants = ["publish:a*", "publish:b*", "read:a*", "manage:c*", "operate"];
        let grants: Vec<Grant> = grants.iter().map(|text| text.parse().unwrap()).collect();
        let permissions = Permissions::new(&grants).unwrap();
        assert!(permissions.publish.contains("a1") && permissions.publish.contains("b1"));
        assert!(permissions.read.contains("a1") && !permissions.read.contains("b1"));
        assert!(permissions.visible.contains("a1") && permissions.visible.contains("c1"));
        assert!(permissions.originals.is_empty() && permissions.consume.is_empty());
        assert!(permissions.operate && !permissions.admin);
        assert_eq!(Permissions::new(&[Grant::Admin]).unwrap(), Permissions::all());
        assert_eq!(Permissions::new(&[]).unwrap(), Permissions::default());
    }
}
