//! The Unix socket on which a worker process serves its metrics to the server that started it.

use std::fs::DirBuilder;
use std::io;
use std::os::unix::fs::DirBuilderExt as _;
use std::path::PathBuf;
use std::time::Duration;

use anyhow::{Context as _, bail};
use bytes::Bytes;
use http_body_util::{BodyExt as _, Empty, Limited};
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use tokio::net::UnixStream;
use tokio::time::timeout;
use tonic::codegen::http::Request;
use tonic::codegen::http::header::{ACCEPT, HOST};

use crate::config::{Config, Listen, MetricsListen};
use crate::metrics::Exposition;

/// The maximum time for an answer.
const TIMEOUT: Duration = Duration::from_secs(1);
/// The maximum length of the path of a Unix socket, on every system.
const MAX_PATH_BYTES: usize = 103;
/// The maximum size of an answer; it has a few hundred samples.
const MAX_BYTES: usize = 4 << 20;

/// A Unix socket in a temporary folder that only this user can enter; removed when it is dropped.
#[derive(Debug)]
pub(crate) struct WorkerSocket {
    folder: PathBuf,
}

impl Drop for WorkerSocket {
    fn drop(&mut self) {
        let _gone = std::fs::remove_dir_all(&self.folder);
    }
}

impl WorkerSocket {
    /// Creates the folder.
    ///
    /// # Errors
    /// The system's folder for temporary files cannot be written, or its path is too long.
    pub(crate) fn create() -> io::Result<Self> {
        let folder = std::env::temp_dir().join(format!("frameway-{:016x}", rand::random::<u64>()));
        let socket = Self { folder };
        if socket.path().as_os_str().len() > MAX_PATH_BYTES {
            let why = format!("{} is too long for a socket", socket.path().display());
            return Err(io::Error::new(io::ErrorKind::InvalidFilename, why));
        }
        DirBuilder::new().mode(0o700).create(&socket.folder)?;
        Ok(socket)
    }

    fn path(&self) -> PathBuf {
        self.folder.join("metrics.sock")
    }

    /// Returns the setting that makes a worker listen on the socket.
    pub(crate) fn listen(&self) -> MetricsListen {
        MetricsListen::At(Listen::Unix(self.path()))
    }

    /// Removes the folder of the socket on which this worker served its metrics. The server that
    /// created the folder may have been killed.
    pub(crate) fn clean_up(config: &Config) {
        if let Some(MetricsListen::At(Listen::Unix(socket))) = &config.metrics.metrics_listen
            && let Some(folder) = socket.parent()
        {
            let _gone_or_not_empty = std::fs::remove_dir(folder);
        }
    }

    /// Asks the worker for its metrics.
    ///
    /// # Errors
    /// It does not answer in time, or what it answers are no metrics.
    pub(super) async fn fetch(&self) -> anyhow::Result<Exposition> {
        timeout(TIMEOUT, self.ask()).await.context("no answer in time")?
    }

    async fn ask(&self) -> anyhow::Result<Exposition> {
        let stream = UnixStream::connect(self.path()).await.context("connecting")?;
        let (mut sender, connection) = http1::handshake(TokioIo::new(stream)).await?;
        let answer = async move {
            let request = Request::get("/metrics")
                .header(HOST, "localhost")
                .header(ACCEPT, "application/openmetrics-text")
                .body(Empty::<Bytes>::new())?;
            let response = sender.send_request(request).await?;
            if !response.status().is_success() {
                bail!("the status is {}", response.status());
            }
            let body = Limited::new(response.into_body(), MAX_BYTES).collect().await;
            let body = body.map_err(|error| anyhow::anyhow!(error))?.to_bytes();
            Ok(Exposition::parse(std::str::from_utf8(&body)?)?)
        };
        // The connection ends when the answer was read: the server closes it, and `sender` is
        // dropped.
        let (answer, _ended) = tokio::join!(answer, connection);
        answer
    }
}
