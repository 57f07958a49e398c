//! Connecting to a server.

use std::time::Duration;

use tonic::transport::Endpoint;

use super::credentials::{self, Credentials};
use super::error::innermost;
use super::line::{Server, Servers};
use super::socket::Connector;
use super::tls::{self, Tls};
use super::{Channel, Client, Error, parse_address};

const STREAM_WINDOW_BYTES: u32 = 4 << 20;
const CONNECTION_WINDOW_BYTES: u32 = 8 << 20;
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);
/// The interval of the pings on a connection. The interval and the timeout together are not longer
/// than the wait after which a stalled call is given up. So a dead connection is closed by then,
/// and the next call uses a new one.
const KEEPALIVE_INTERVAL: Duration = Duration::from_secs(10);
const KEEPALIVE_TIMEOUT: Duration = Duration::from_secs(5);
/// The maximum wait for the beginning of an answer. It is needed for a server that hangs behind a
/// proxy, because the connection to the proxy still answers pings.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(60);

/// The addresses of the servers and the options of the connections to them.
///
/// # Examples
/// ```no_run
/// # use std::time::Duration;
/// # use frameway::client::{ConnectOptions, Error};
/// # async fn example() -> Result<(), Error> {
/// let client = ConnectOptions::new("frames.example:7400")?
///     .connect_timeout(Duration::from_secs(2))
///     .connect()
///     .await?;
/// # Ok(()) }
/// ```
///
/// With TLS and an API key:
/// ```no_run
/// # use frameway::client::{ConnectOptions, Credentials, Error};
/// # async fn example(ca: Vec<u8>) -> Result<(), Error> {
/// let client = ConnectOptions::new("https://frames.example:7400")?
///     .ca(ca)
///     .credentials(Credentials::file("/run/secrets/frameway-key")?)
///     .connect()
///     .await?;
/// # Ok(()) }
/// ```
///
/// With two servers, of which the first that answers is used:
/// ```no_run
/// # use frameway::client::{ConnectOptions, Error};
/// # async fn example() -> Result<(), Error> {
/// let client =
///     ConnectOptions::new("https://a.example:7400")?.or("https://b.example:7400")?.connect().await?;
/// # Ok(()) }
/// ```
#[derive(Debug, Clone)]
pub struct ConnectOptions {
    /// At least one address, as a URL.
    addresses: Vec<String>,
    user_agent: String,
    connect_timeout: Duration,
    tls: Tls,
    credentials: Option<Credentials>,
    allow_plaintext_credentials: bool,
}

impl ConnectOptions {
    /// Takes an address: `https://HOST:PORT` with TLS, `http://HOST:PORT`, `HOST:PORT` or
    /// `unix:/run/frameway.sock` without.
    ///
    /// # Errors
    /// Returns [`Error::Address`] for anything else.
    pub fn new(address: &str) -> Result<Self, Error> {
        let addresses = vec![url(address)?];
        let user_agent = concat!("frameway/", env!("CARGO_PKG_VERSION")).to_owned();
        Ok(Self {
            addresses,
            user_agent,
            connect_timeout: CONNECT_TIMEOUT,
            tls: Tls::default(),
            credentials: None,
            allow_plaintext_credentials: false,
        })
    }

    /// Adds the address of another server of the same cluster. Each connection is opened to the first
    /// address that answers, in the order of the calls. With TLS, each server's certificate must have
    /// the name in its own address.
    ///
    /// # Errors
    /// Returns [`Error::Address`] if the address cannot be used.
    pub fn or(mut self, address: &str) -> Result<Self, Error> {
        self.addresses.push(url(address)?);
        Ok(self)
    }

    /// Sets the name that the server sees; the default is `frameway/VERSION`.
    #[must_use]
    pub fn user_agent(self, user_agent: impl Into<String>) -> Self {
        Self { user_agent: user_agent.into(), ..self }
    }

    /// Sets the maximum time for opening a connection; the default is 5 s.
    #[must_use]
    pub fn connect_timeout(self, connect_timeout: Duration) -> Self {
        Self { connect_timeout, ..self }
    }

    /// Sets the CAs that the server's certificate may be from, in PEM; the default is the system's
    /// CAs.
    #[must_use]
    pub fn ca(mut self, pem: impl Into<Vec<u8>>) -> Self {
        self.tls.trust(pem.into());
        self
    }

    /// Sets the certificate to present to the server, with those of the intermediate CAs after it,
    /// and its private key, in PEM.
    #[must_use]
    pub fn client_certificate(mut self, certificate: impl Into<Vec<u8>>, key: impl Into<Vec<u8>>) -> Self {
        self.tls.identify(certificate.into(), key.into());
        self
    }

    /// Sets the API key or token to send with every call. In plaintext, it is sent only to this
    /// machine.
    #[must_use]
    pub fn credentials(self, credentials: Credentials) -> Self {
        Self { credentials: Some(credentials), ..self }
    }

    /// Allows credentials in plaintext to other machines. Everyone on the path can read and use
    /// them.
    #[must_use]
    pub fn allow_plaintext_credentials(self) -> Self {
        Self { allow_plaintext_credentials: true, ..self }
    }

    /// Opens a connection to the first server that answers.
    ///
    /// # Errors
    /// Returns [`Error::Unreachable`] if no server answers, [`Error::Tls`] if TLS fails, and
    /// [`Error::Address`] or [`Error::Options`] if the options cannot be used.
    pub async fn connect(&self) -> Result<Client, Error> {
        let servers = self.servers()?;
        servers.open_spare().await.map_err(|failure| failure.error)?;
        Ok(self.client(servers))
    }

    /// Returns a client that connects when it is first used.
    ///
    /// # Errors
    /// Returns [`Error::Address`] or [`Error::Options`] if the options cannot be used.
    pub fn connect_lazy(&self) -> Result<Client, Error> {
        Ok(self.client(self.servers()?))
    }

    fn client(&self, servers: Servers) -> Client {
        Client::over(Channel::new(servers, self.credentials.clone()))
    }

    /// Returns the first address as a URL.
    #[must_use]
    pub fn address(&self) -> &str {
        &self.addresses[0]
    }

    /// Returns the settings of the connections.
    fn servers(&self) -> Result<Servers, Error> {
        if let Some(credentials) = &self.credentials {
            credentials.refresh();
        }
        let server = |address: &String| {
            Ok(Server {
                address: address.as_str().into(),
                endpoint: self.endpoint(address)?,
                connector: Connector::new(address, self.connect_timeout),
            })
        };
        let list = self.addresses.iter().map(server).collect::<Result<_, Error>>()?;
        Ok(Servers::new(list))
    }

    /// Returns tonic's settings of the connections to one server.
    fn endpoint(&self, address: &str) -> Result<Endpoint, Error> {
        let refused = |error: tonic::transport::Error| Error::Address {
            address: address.to_owned(),
            why: innermost(&error),
        };
        self.check_plaintext(address)?;
        let endpoint = Endpoint::from_shared(address.to_owned()).map_err(refused)?;
        let endpoint = if has_tls(address) {
            let config = self.tls.config(self.connect_timeout).map_err(Error::Options)?;
            endpoint.tls_config(config).map_err(|error| Error::Options(tls::unusable(&innermost(&error))))?
        } else {
            endpoint
        };
        Ok(endpoint
            .user_agent(self.user_agent.clone())
            .map_err(refused)?
            .timeout(ANSWER_TIMEOUT)
            .initial_stream_window_size(STREAM_WINDOW_BYTES)
            .initial_connection_window_size(CONNECTION_WINDOW_BYTES)
            .http2_keep_alive_interval(KEEPALIVE_INTERVAL)
            .keep_alive_timeout(KEEPALIVE_TIMEOUT)
            .keep_alive_while_idle(true))
    }

    /// Refuses options that plaintext would not honour.
    fn check_plaintext(&self, address: &str) -> Result<(), Error> {
        if has_tls(address) {
            return Ok(());
        }
        if self.tls.is_set() {
            return Err(Error::Options(format!(
                "a CA or a client certificate has no effect on {address}, which is without TLS: use https://"
            )));
        }
        let exposed = self.credentials.is_some()
            && !self.allow_plaintext_credentials
            && !credentials::stays_here(address);
        if exposed {
            return Err(Error::Options(format!(
                "credentials are not sent to {address} in plaintext, where others can read them: use https://, or \
                 allow it (--plaintext-credentials) if you trust the network"
            )));
        }
        Ok(())
    }
}

fn has_tls(address: &str) -> bool {
    address.starts_with("https://")
}

fn url(address: &str) -> Result<String, Error> {
    parse_address(address).map_err(|why| Error::Address { address: address.to_owned(), why })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn credentials_and_certificates_are_refused_where_plaintext_would_expose_or_ignore_them() {
        let options = |address: &str| ConnectOptions::new(address).unwrap();
        let check =
            |options: ConnectOptions| options.servers().map(|_| ()).map_err(|error| error.to_string());
        let with_key = |address: &str| options(address).credentials(Credentials::text("secret").unwrap());
        for address in ["127.0.0.1:1", "[::1]:1", "localhost:1", "unix:/a", "https://far.example:1"] {
            assert_eq!(check(with_key(address)), Ok(()), "{address}");
            let second = check(with_key(address).or("far.example:1").unwrap()).unwrap_err();
            assert!(second.contains("http://far.example:1"), "{second}");
        }
        let refused = check(with_key("far.example:1")).unwrap_err();
        assert!(refused.contains("http://far.example:1") && refused.contains("https://"), "{refused}");
        assert!(!refused.contains("secret"), "{refused}");
        assert_eq!(check(with_key("far.example:1").allow_plaintext_credentials()), Ok(()));
        for options in
            [options("127.0.0.1:1").ca("x"), options("127.0.0.1:1").client_certificate("x", "secret")]
        {
            assert!(!format!("{options:?}").contains("secret"), "{options:?}");
            assert!(check(options).unwrap_err().contains("https://"));
        }
    }

    #[test]
    fn an_invalid_address_is_named_in_the_error() {
        let error = ConnectOptions::new("no host:80").and_then(|options| options.connect_lazy().map(|_| ()));
        assert!(
            matches!(&error, Err(Error::Address { address, .. }) if address.contains("no host")),
            "{error:?}"
        );
        let options = ConnectOptions::new("127.0.0.1:7400").map(|options| options.user_agent("line\nbreak"));
        assert!(matches!(options.and_then(|options| options.connect_lazy()), Err(Error::Address { .. })));
    }
}
