//! A trial: an attack on a server process of its own, with an honest client beside it.

use std::any::Any;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use frameway::pb::v1 as pb;
use tokio::sync::Mutex;
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;

use crate::common::spawn;
use crate::honest::{Honest, Way};
use crate::hostile::Target;
use crate::process::Process;
use crate::table::{Row, record};
use crate::usage::Usage;

/// The maximum time from the end of an attack until the server holds nothing for it.
const REAPED_WITHIN: Duration = Duration::from_secs(40);
/// The maximum time that a new honest client needs during an attack, on any machine.
const NEWCOMER_BOUND: Duration = Duration::from_secs(10);
/// The maximum growth of the server's memory during an attack that does not set its own.
const MEMORY_GROWTH_KIB: u64 = 96 << 10;
/// Held while latencies are measured. Tests wait for the end of their attacks at the same time.
static MEASURING: Mutex<()> = Mutex::const_new(());

/// Reports whether attacks last longer and latencies are asserted.
fn is_strict() -> bool {
    std::env::var("STRICT").is_ok_and(|value| value == "1")
}

/// An attack, and the bounds that it must not exceed.
#[derive(Debug)]
pub(crate) struct Trial<'a> {
    attack: &'static str,
    flags: &'a [&'a str],
    /// The API key of the honest client.
    key: Option<&'a str>,
    /// The CA of the server's certificate, for TLS.
    ca: Option<&'a str>,
    memory_growth_kib: u64,
    descriptors: Option<u64>,
}

impl<'a> Trial<'a> {
    pub(crate) fn of(attack: &'static str) -> Self {
        let memory_growth_kib = MEMORY_GROWTH_KIB;
        Self { attack, flags: &[], key: None, ca: None, memory_growth_kib, descriptors: None }
    }

    /// Starts the server with these flags.
    pub(crate) fn flags(self, flags: &'a [&'a str]) -> Self {
        Self { flags, ..self }
    }

    pub(crate) fn key(self, key: &'a str) -> Self {
        Self { key: Some(key), ..self }
    }

    /// Lets the honest client use TLS.
    pub(crate) fn ca(self, ca: &'a str) -> Self {
        Self { ca: Some(ca), ..self }
    }

    /// Sets the maximum growth of the server's memory in MiB.
    pub(crate) fn memory_growth(self, mebibytes: u64) -> Self {
        Self { memory_growth_kib: mebibytes << 10, ..self }
    }

    /// Sets the maximum number of descriptors that the attack takes.
    pub(crate) fn descriptors(self, descriptors: u64) -> Self {
        Self { descriptors: Some(descriptors), ..self }
    }

    /// Runs `attack` until its target reports the end. What the attack returns, such as open
    /// connections, is held until the server has reaped the attack. Returns the server.
    ///
    /// # Panics
    /// Panics if the server does not hold one of the bounds.
    pub(crate) async fn run<A, H>(self, attack: impl FnOnce(Target) -> A) -> Process
    where
        A: Future<Output = H> + Send + 'static,
        H: Any + Send,
    {
        let strict = is_strict();
        let (alone_for, attacked_for) = if strict { (5000, 8000) } else { (700, 800) };
        let (alone_for, attacked_for) =
            (Duration::from_millis(alone_for), Duration::from_millis(attacked_for));
        let measuring = MEASURING.lock().await;
        let server = Process::server(self.flags);
        let (key, ca) = (self.key.map(str::to_owned), self.ca.map(str::to_owned));
        let way = Way { url: server.url(), key, ca };
        let honest = Honest::start(way.clone());
        // The first frames warm up the server and the connection.
        honest.p99(Duration::from_millis(300)).await;
        let alone_before = honest.p99(alone_for).await;
        let before = Usage::of(&[&server], None);
        let peak = Peak::watch(server.pid().as_raw());

        let over = CancellationToken::new();
        let target = Target::new(&server, over.clone());
        let running = spawn(attack(target));
        let (attacked, newcomer) = tokio::join!(honest.p99(attacked_for), newcomer(&way));
        over.cancel();
        let ended = Instant::now();
        drop(measuring);
        let held = timeout(REAPED_WITHIN, running).await.expect("the attack ends").expect("the attack runs");

        let now = loop {
            let now = Usage::of(&[&server], None);
            if now.descriptors <= before.descriptors {
                break now;
            }
            assert!(ended.elapsed() < REAPED_WITHIN, "{}: before {before:?}\nafter {now:?}", self.attack);
            tokio::time::sleep(Duration::from_millis(50)).await;
        };
        let reaped = ended.elapsed();
        drop(held);
        let alone_after = if strict {
            let _measuring = MEASURING.lock().await;
            honest.p99(alone_for).await
        } else {
            honest.p99(Duration::from_millis(200)).await
        };
        // The rest of the machine is not always equally busy.
        let alone = if strict { alone_before.max(alone_after) } else { alone_before };
        let (memory_kib, descriptors) = peak.stop();
        let growth_kib = memory_kib.max(now.memory_kib).saturating_sub(before.memory_kib);
        record(&Row {
            attack: self.attack,
            alone_ms: alone.as_secs_f64() * 1e3,
            attacked_ms: attacked.as_secs_f64() * 1e3,
            newcomer_ms: newcomer.as_secs_f64() * 1e3,
            growth_kib,
            descriptors: descriptors.saturating_sub(before.descriptors),
            reaped_ms: reaped.as_secs_f64() * 1e3,
        });
        assert!(growth_kib <= self.memory_growth_kib, "{}: memory grew by {growth_kib} KiB", self.attack);
        if let Some(most) = self.descriptors {
            let taken = descriptors.saturating_sub(before.descriptors);
            assert!(taken <= most, "{}: the attack took {taken} descriptors", self.attack);
        }
        let ratio = attacked.as_secs_f64() / alone.as_secs_f64();
        assert!(!strict || ratio <= 2.0, "{}: the 99th percentile is {ratio:.1} times as high", self.attack);
        server
    }
}

/// Connects a new client and makes a call; returns the time that it took.
async fn newcomer(way: &Way) -> Duration {
    tokio::time::sleep(Duration::from_millis(300)).await;
    let began = Instant::now();
    let served = async {
        let mut streaming = way.connect().await.expect("a new client connects").streaming;
        let answer = streaming.get_server_info(way.request(pb::GetServerInfoRequest {})).await;
        answer.expect("a new client is served");
    };
    timeout(NEWCOMER_BOUND, served).await.expect("a new client is served in time");
    began.elapsed()
}

/// The highest usage of a process while it is watched.
#[derive(Debug)]
struct Peak {
    seen: Arc<(AtomicU64, AtomicU64)>,
    over: CancellationToken,
}

impl Peak {
    fn watch(pid: i32) -> Self {
        let (seen, over) = (Arc::new((AtomicU64::new(0), AtomicU64::new(0))), CancellationToken::new());
        let (shared, end) = (Arc::clone(&seen), over.clone());
        std::thread::spawn(move || {
            while !end.is_cancelled() {
                let status = std::fs::read_to_string(format!("/proc/{pid}/status")).unwrap_or_default();
                let memory =
                    status.lines().find_map(|line| line.strip_prefix("VmRSS:")?.split_whitespace().next());
                let memory = memory.and_then(|number| number.parse().ok()).unwrap_or(0);
                shared.0.fetch_max(memory, Ordering::Relaxed);
                let descriptors =
                    std::fs::read_dir(format!("/proc/{pid}/fd")).map_or(0, |list| list.count() as u64);
                shared.1.fetch_max(descriptors, Ordering::Relaxed);
                std::thread::sleep(Duration::from_millis(25));
            }
        });
        Self { seen, over }
    }

    /// Returns the maximum of the memory in KiB, and of the descriptors.
    fn stop(self) -> (u64, u64) {
        self.over.cancel();
        (self.seen.0.load(Ordering::Relaxed), self.seen.1.load(Ordering::Relaxed))
    }
}
