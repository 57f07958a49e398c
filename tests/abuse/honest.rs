//! The honest client: submits a small frame at a steady rate, and reads each from a subscription.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use frameway::pb::v1 as pb;
use frameway::pb::v1::frame_result::Outcome;
use frameway::pb::v1::start_position::Position;
use frameway::pb::v1::stream_match::Selector as By;
use frameway::pb::v1::subscribe_frames_response::Event;
use parking_lot::Mutex;
use tokio::time::{MissedTickBehavior, interval, timeout};
use tonic::transport::{Certificate, ClientTlsConfig, Endpoint};
use tonic::{Request, Streaming};

use crate::clients::Clients;
use crate::server::frame;

/// The interval between two frames.
const INTERVAL: Duration = Duration::from_millis(25);
/// The maximum time that a frame takes from the publisher to the subscriber, on any machine.
const BOUND: Duration = Duration::from_secs(10);
const STREAM: &str = "honest";

/// The way of an honest client to a server.
#[derive(Debug, Clone)]
pub(crate) struct Way {
    pub(crate) url: String,
    pub(crate) key: Option<String>,
    /// The CA of the server's certificate, for TLS.
    pub(crate) ca: Option<String>,
}

impl Way {
    pub(crate) async fn connect(&self) -> Result<Clients, String> {
        let mut endpoint = Endpoint::from_shared(self.url.clone()).expect("an address");
        if let Some(ca) = &self.ca {
            let tls = ClientTlsConfig::new().ca_certificate(Certificate::from_pem(ca));
            endpoint = endpoint.tls_config(tls).expect("a CA");
        }
        let channel = endpoint.connect().await.map_err(|error| format!("cannot connect: {error:?}"))?;
        Ok(Clients::over(channel))
    }

    /// Adds the API key to a request.
    pub(crate) fn request<T>(&self, message: T) -> Request<T> {
        with_key(self.key.as_deref(), message)
    }
}

/// The measurements of a client.
#[derive(Debug, Default)]
struct Seen {
    /// For each frame, the time at which it was due, and the time until the subscriber had it.
    frames: Mutex<Vec<(Instant, Duration)>>,
    failure: Mutex<Option<String>>,
    /// Whether the client submits. It rests while nobody measures, because servers of other tests
    /// are measured then.
    active: AtomicBool,
    stop: AtomicBool,
}

/// A client with a thread of its own, so that the hostile client does not delay it.
#[derive(Debug)]
pub(crate) struct Honest {
    seen: Arc<Seen>,
    thread: Option<JoinHandle<()>>,
}

impl Honest {
    pub(crate) fn start(way: Way) -> Self {
        let seen = Arc::new(Seen::default());
        let shared = Arc::clone(&seen);
        let thread = std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
            let ended = runtime.expect("a runtime").block_on(run(&way, &shared));
            *shared.failure.lock() = ended.err();
        });
        Self { seen, thread: Some(thread) }
    }

    /// Waits for the time of `window`, and returns the 99th percentile of the latencies in it.
    ///
    /// # Panics
    /// Panics if a frame was refused, lost or late.
    pub(crate) async fn p99(&self, window: Duration) -> Duration {
        self.seen.active.store(true, Ordering::Relaxed);
        let _rests_afterwards = Rest(&self.seen.active);
        let began = Instant::now();
        let enough = |latencies: &[Duration]| latencies.len() >= 5;
        loop {
            tokio::time::sleep(if began.elapsed() < window { window } else { INTERVAL }).await;
            if let Some(failure) = self.seen.failure.lock().as_ref() {
                panic!("the honest client is not served: {failure}");
            }
            let frames = self.seen.frames.lock();
            let mut latencies: Vec<Duration> =
                frames.iter().filter(|(due, _)| *due >= began).map(|(_, latency)| *latency).collect();
            drop(frames);
            if enough(&latencies) {
                latencies.sort();
                return latencies[(latencies.len() * 99).div_ceil(100) - 1];
            }
            assert!(began.elapsed() < window + BOUND, "the honest client makes no progress");
        }
    }
}

/// Clears a flag when it is dropped.
struct Rest<'a>(&'a AtomicBool);

impl Drop for Rest<'_> {
    fn drop(&mut self) {
        self.0.store(false, Ordering::Relaxed);
    }
}

impl Drop for Honest {
    fn drop(&mut self) {
        self.seen.stop.store(true, Ordering::Relaxed);
        if let Some(thread) = self.thread.take() {
            let _failed_already = thread.join();
        }
    }
}

/// Adds an API key to a request.
pub(crate) fn with_key<T>(key: Option<&str>, message: T) -> Request<T> {
    let mut request = Request::new(message);
    if let Some(key) = key {
        request.metadata_mut().insert("authorization", format!("Bearer {key}").parse().expect("metadata"));
    }
    request
}

async fn run(way: &Way, seen: &Seen) -> Result<(), String> {
    let clients = way.connect().await?;
    let stream = pb::Stream { stream_id: STREAM.to_owned(), ..Default::default() };
    let register = pb::RegisterStreamRequest { stream: Some(stream) };
    clients.registry.clone().register_stream(way.request(register)).await.map_err(|s| s.to_string())?;
    let selector = pb::StreamSelector {
        streams: vec![pb::StreamMatch { selector: Some(By::Id(STREAM.to_owned())) }],
        start: Some(pb::StartPosition { position: Some(Position::Live(pb::StartLive {})) }),
        ..Default::default()
    };
    let subscribe = pb::SubscribeFramesRequest { selectors: vec![selector], ..Default::default() };
    let events = clients.streaming.clone().subscribe_frames(way.request(subscribe)).await;
    let mut events = events.map_err(|status| status.to_string())?.into_inner();
    let frame = frame(STREAM, 10);
    let mut ticks = interval(INTERVAL);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Skip);
    while !seen.stop.load(Ordering::Relaxed) {
        let due = ticks.tick().await;
        if !seen.active.load(Ordering::Relaxed) {
            continue;
        }
        let request = pb::SubmitFrameBatchRequest { frames: vec![frame.clone()] };
        let cycle = async {
            let answer = clients.streaming.clone().submit_frame_batch(way.request(request)).await;
            let answer = answer.map_err(|status| status.to_string())?.into_inner();
            let sequence = match answer.results.into_iter().next().and_then(|result| result.outcome) {
                Some(Outcome::Accepted(accepted)) => accepted.sequence,
                other => return Err(format!("not accepted: {other:?}")),
            };
            delivered(&mut events, sequence).await
        };
        timeout(BOUND, cycle).await.map_err(|_| format!("a frame took longer than {BOUND:?}"))??;
        seen.frames.lock().push((due.into_std(), due.elapsed()));
    }
    Ok(())
}

/// Waits until the subscription has delivered a sequence.
async fn delivered(events: &mut Streaming<pb::SubscribeFramesResponse>, wanted: u64) -> Result<(), String> {
    loop {
        let message = events.message().await.map_err(|status| status.to_string())?;
        match message.ok_or("the subscription ended")?.event {
            Some(Event::Frame(frame)) if frame.frame.as_ref().is_some_and(|f| f.sequence >= wanted) => {
                return Ok(());
            }
            Some(Event::Gap(gap)) => return Err(format!("{gap:?}")),
            Some(_) | None => {}
        }
    }
}
