use std::path::PathBuf;

use clap::Args;
use serde::{Deserialize, Serialize};

use crate::domain::ValidationError;
use crate::queue::redis::{Namespace, RedisSecurity, RedisUrl};

/// The Redis that keeps the queue.
#[derive(Debug, Clone, Default, Args)]
#[command(next_help_heading = "Queue")]
pub struct RedisArgs {
    /// Queue frames in this Redis (7.0 or later) or Valkey, for example redis://localhost:6379/0;
    /// rediss://HOST:PORT with TLS; unix:///PATH for a Unix socket;
    /// redis-sentinel://HOST:PORT,HOST:PORT,.../NAME for the primary that these Sentinels know
    /// under this name, rediss-sentinel:// with TLS; redis-cluster://HOST:PORT,HOST:PORT,... for the
    /// cluster of these servers, rediss-cluster:// with TLS. Without it, frames are kept in this
    /// process only and are lost when it stops.
    #[arg(long, env = "FRAMEWAY_REDIS_URL", value_name = "URL", hide_env_values = true)]
    pub redis_url: Option<RedisUrl>,

    /// Redis user (ACL) that logs in, unless the URL names one. docs/redis.md has its rules.
    #[arg(long, env = "FRAMEWAY_REDIS_USER", value_name = "NAME")]
    pub redis_user: Option<String>,

    /// File with the password of the Redis user, read at every connect. One line end after it is
    /// ignored.
    #[arg(long, env = "FRAMEWAY_REDIS_PASSWORD_FILE", value_name = "FILE")]
    pub redis_password_file: Option<PathBuf>,

    /// File with the CA certificates (PEM) for rediss://, read at every connect. Default: those of
    /// the system.
    #[arg(long, env = "FRAMEWAY_REDIS_CA", value_name = "FILE")]
    pub redis_ca: Option<PathBuf>,

    /// File with the client certificate (PEM) for rediss://, read at every connect.
    #[arg(long, env = "FRAMEWAY_REDIS_CERT", value_name = "FILE")]
    pub redis_cert: Option<PathBuf>,

    /// File with the private key (PEM) of --redis-cert.
    #[arg(long, env = "FRAMEWAY_REDIS_KEY", value_name = "FILE")]
    pub redis_key: Option<PathBuf>,

    /// User (ACL) that logs in at the Sentinels. docs/redis.md has its rules.
    #[arg(long, env = "FRAMEWAY_REDIS_SENTINEL_USER", value_name = "NAME")]
    pub redis_sentinel_user: Option<String>,

    /// File with the password at the Sentinels, read at every connect. One line end after it is
    /// ignored. Default: they want none.
    #[arg(long, env = "FRAMEWAY_REDIS_SENTINEL_PASSWORD_FILE", value_name = "FILE")]
    pub redis_sentinel_password_file: Option<PathBuf>,

    /// First word of all keys: several Frameways with different ones share a Redis. It has lower-case
    /// letters, digits and dashes. Give it to all servers and workers of a store.
    #[arg(long, env = "FRAMEWAY_NAMESPACE", value_name = "NAME", default_value_t = Namespace::default())]
    pub namespace: Namespace,

    /// Number of Redis replicas that must have a frame before it counts as accepted. If fewer
    /// replicas have the frame in time, it is reported as unconfirmed. A failover loses no accepted
    /// frame only if this is the number of all replicas.
    #[arg(long, env = "FRAMEWAY_WAIT_REPLICAS", value_name = "N", default_value_t = 0)]
    pub wait_replicas: u32,
}

/// The address of a Redis, the way to log in, and the number of replicas that must have a frame.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RedisSettings {
    /// The URL, which may contain a password.
    #[serde(with = "secret_url")]
    pub url: RedisUrl,
    /// The user that logs in, and the files of TLS.
    pub security: RedisSecurity,
    /// The namespace of the store.
    pub namespace: Namespace,
    /// The number of replicas that must have a frame before it counts as accepted.
    pub wait_replicas: u32,
}

impl RedisSettings {
    /// Creates the settings of a Redis that need not have replicas.
    #[must_use]
    pub fn new(url: impl Into<RedisUrl>) -> Self {
        Self {
            url: url.into(),
            security: RedisSecurity::default(),
            namespace: Namespace::default(),
            wait_replicas: 0,
        }
    }
}

/// The form of a URL for another process, with its password.
mod secret_url {
    use serde::{Deserialize as _, Deserializer, Serializer};

    use super::RedisUrl;

    pub(super) fn serialize<S: Serializer>(url: &RedisUrl, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(url.secret())
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<RedisUrl, D::Error> {
        String::deserialize(deserializer).map(RedisUrl::from)
    }
}

impl RedisArgs {
    /// Returns the settings; `None` without a Redis.
    ///
    /// # Errors
    /// Fails if a setting is not valid, or contradicts another one.
    pub fn settings(self) -> Result<Option<RedisSettings>, ValidationError> {
        let Self {
            redis_url,
            redis_user,
            redis_password_file,
            redis_ca,
            redis_cert,
            redis_key,
            redis_sentinel_user,
            redis_sentinel_password_file,
            namespace,
            wait_replicas,
        } = self;
        let security = RedisSecurity {
            user: redis_user,
            password_file: redis_password_file,
            ca: redis_ca,
            certificate: redis_cert,
            key: redis_key,
            sentinel_user: redis_sentinel_user,
            sentinel_password_file: redis_sentinel_password_file,
        };
        let Some(url) = redis_url else {
            let RedisSecurity {
                user,
                password_file,
                ca,
                certificate,
                key,
                sentinel_user,
                sentinel_password_file,
            } = &security;
            let given = [
                ("--redis-user", user.is_some()),
                ("--redis-password-file", password_file.is_some()),
                ("--redis-ca", ca.is_some()),
                ("--redis-cert", certificate.is_some()),
                ("--redis-key", key.is_some()),
                ("--redis-sentinel-user", sentinel_user.is_some()),
                ("--redis-sentinel-password-file", sentinel_password_file.is_some()),
                ("--namespace", !namespace.is_default()),
            ];
            return match given.iter().find(|(_, is_given)| *is_given) {
                Some((flag, _)) => Err(ValidationError::new(*flag, "needs --redis-url")),
                None => Ok(None),
            };
        };
        if !url.has_known_scheme() {
            let example = "must be a URL such as redis://localhost:6379/0";
            return Err(ValidationError::new("--redis-url", example));
        }
        match contradiction(&url, &security) {
            Some((flag, why)) => Err(ValidationError::new(flag, why)),
            None => Ok(Some(RedisSettings { url, security, namespace, wait_replicas })),
        }
    }
}

/// Returns the flag that contradicts another one or the URL, and the reason.
fn contradiction(url: &RedisUrl, security: &RedisSecurity) -> Option<(&'static str, &'static str)> {
    let RedisSecurity { user, password_file, ca, certificate, key, sentinel_user, sentinel_password_file } =
        security;
    if user.is_some() && url.has_user() {
        return Some((
            "--redis-user",
            "contradicts the URL of Redis, which names a user: remove one of them",
        ));
    }
    if password_file.is_some() && url.has_password() {
        let why = "contradicts the URL of Redis, which contains a password: remove one of them";
        return Some(("--redis-password-file", why));
    }
    if (user.is_some() || url.has_user()) && password_file.is_none() && !url.has_password() {
        return Some(("--redis-user", "needs a password: give --redis-password-file"));
    }
    for (flag, file) in [("--redis-ca", ca), ("--redis-cert", certificate), ("--redis-key", key)] {
        if file.is_some() && !url.is_tls() {
            let why = "needs TLS: the URL of Redis must begin with rediss://, rediss-sentinel:// or rediss-cluster://";
            return Some((flag, why));
        }
    }
    for (flag, is_given) in [
        ("--redis-sentinel-user", sentinel_user.is_some()),
        ("--redis-sentinel-password-file", sentinel_password_file.is_some()),
    ] {
        if is_given && !url.is_sentinel() {
            return Some((
                flag,
                "needs Sentinels: the URL of Redis must begin with redis-sentinel:// or rediss-sentinel://",
            ));
        }
    }
    if sentinel_user.is_some() && sentinel_password_file.is_none() {
        return Some(("--redis-sentinel-user", "needs a password: give --redis-sentinel-password-file"));
    }
    match (certificate, key) {
        (Some(_), None) => Some(("--redis-cert", "needs its private key: give --redis-key")),
        (None, Some(_)) => Some(("--redis-key", "needs its certificate: give --redis-cert")),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug, clap::Parser)]
    struct Command {
        #[command(flatten)]
        args: RedisArgs,
    }

    fn settings(url: &str, flags: &[&str]) -> Result<Option<RedisSettings>, ValidationError> {
        let all = [&["frameway", "--redis-url", url][..], flags].concat();
        <Command as clap::Parser>::parse_from(all).args.settings()
    }

    #[test]
    fn contradictions_name_the_flag() {
        for (url, flags, flag) in [
            ("redis://me:secret@host", &["--redis-user", "me"][..], "--redis-user"),
            ("redis://host", &["--redis-user", "me"], "--redis-user"),
            ("redis://me@host", &[], "--redis-user"),
            ("redis://:secret@host", &["--redis-password-file", "f"], "--redis-password-file"),
            ("unix:///s?pass=secret", &["--redis-password-file", "f"], "--redis-password-file"),
            ("redis://host", &["--redis-ca", "f"], "--redis-ca"),
            ("unix:///s", &["--redis-cert", "f", "--redis-key", "f"], "--redis-cert"),
            ("rediss://host", &["--redis-cert", "f"], "--redis-cert"),
            ("rediss://host", &["--redis-key", "f"], "--redis-key"),
            ("redis://host", &["--redis-sentinel-password-file", "f"], "--redis-sentinel-password-file"),
            ("redis-sentinel://a/fw", &["--redis-sentinel-user", "me"], "--redis-sentinel-user"),
            ("redis-sentinel://a/fw", &["--redis-ca", "f"], "--redis-ca"),
            ("http://host", &[], "--redis-url"),
        ] {
            let error = settings(url, flags).unwrap_err();
            assert_eq!(error.field, flag, "{url} {flags:?}");
            assert!(!error.to_string().contains("secret"), "{error}");
        }
        let alone = <Command as clap::Parser>::parse_from(["frameway", "--redis-ca", "f"]).args.settings();
        assert_eq!(alone.unwrap_err().field, "--redis-ca");
    }
}
