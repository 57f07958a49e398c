//! Servers that end, hang and drain.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use frameway::client::consume::{ConsumeOptions, ConsumeSummary, Notice, Reject};
use frameway::client::publish::{Decision, PublishOptions, PublishSummary};
use frameway::client::subscribe::{Event, Subscription};
use frameway::client::{Client, ConnectOptions, Error};
use frameway::pb::v1 as pb;
use nix::sys::signal::Signal;
use tokio::sync::{mpsc, watch};
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use crate::support::frames::{
    create_group, follow, frame, frames, group_status, is_stored, next_frame, publish, register, request,
    stream,
};
use crate::support::processes::{Redis, Server};
use crate::support::{scenario, soon, until};

/// A camera that sends a frame each 10 ms, until it is told to end.
struct Camera {
    sent: watch::Receiver<u64>,
    stop: CancellationToken,
    publishing: JoinHandle<(Vec<Decision>, Result<PublishSummary, Error>)>,
}

impl Camera {
    fn start(client: &Client) -> Self {
        let (count, sent) = watch::channel(0);
        let (camera, intake) = mpsc::channel(4);
        let stop = CancellationToken::new();
        let (ends, client) = (stop.clone(), client.clone());
        let publishing = tokio::spawn(async move {
            let feed = async move {
                for number in 1.. {
                    let pause = tokio::time::sleep(Duration::from_millis(10));
                    if ends.run_until_cancelled(pause).await.is_none()
                        || camera.send(frame("cam", number)).await.is_err()
                    {
                        return;
                    }
                    count.send_replace(number);
                }
            };
            let options = PublishOptions { publisher_id: "camera".to_owned(), ..Default::default() };
            let mut decisions = Vec::new();
            let decided = |_, decision| decisions.push(decision);
            let publishing = client.publish(options, intake, CancellationToken::new(), decided);
            let ((), summary) = tokio::join!(feed, publishing);
            (decisions, summary)
        });
        Self { sent, stop, publishing }
    }

    /// Waits until that many more frames are taken.
    async fn more(&mut self, count: u64) {
        let goal = *self.sent.borrow() + count;
        soon("frames are sent", self.sent.wait_for(|sent| *sent >= goal)).await.unwrap();
    }

    /// Ends, and returns the number of frames, all of which must be stored.
    async fn end(self) -> (u64, PublishSummary) {
        self.stop.cancel();
        let (decisions, summary) = soon("everything is decided", self.publishing).await.unwrap();
        assert!(decisions.iter().all(is_stored), "{decisions:?}");
        (decisions.len() as u64, summary.unwrap())
    }
}

#[tokio::test]
#[ignore = "check.sh all"]
async fn server_restart_publisher() {
    scenario("server-restart-publisher", async {
        let redis = Redis::start().await;
        let mut server = Server::on_socket(&["--auto-register", "--redis-url", &redis.url()]).await;
        let client = server.client().await;
        let mut camera = Camera::start(&client);
        for _ in 0..3 {
            camera.more(20).await;
            server.kill();
            server.restart().await;
        }
        camera.more(20).await;
        let (sent, summary) = camera.end().await;
        assert!(summary.reconnects >= 3, "{summary:?}");
        follow(&mut Subscription::new(&client, request(&["cam"])), sent).await;
    })
    .await;
}

#[tokio::test]
async fn server_restart_subscriber() {
    scenario("server-restart-subscriber", async {
        let redis = Redis::start().await;
        let mut server = Server::on_socket(&["--auto-register", "--redis-url", &redis.url()]).await;
        let client = server.client().await;
        publish(&client, frames("cam", 1..=20)).await;
        let mut subscription = Subscription::new(&client, request(&["cam"]));
        follow(&mut subscription, 20).await;
        server.kill();
        let reconnecting = soon("the subscription notices", async {
            loop {
                if let Event::Reconnecting(why) = subscription.next().await.unwrap() {
                    return why;
                }
            }
        });
        reconnecting.await;
        server.restart().await;
        publish(&client, frames("cam", 21..=40)).await;
        for number in 21..=40 {
            assert_eq!(next_frame(&mut subscription).await.sequence, number);
        }
    })
    .await;
}

type Handled = Arc<Mutex<BTreeMap<u64, u32>>>;

/// Consumes until `stop`; records how often each sequence was handled.
fn consumer(
    client: &Client,
    group_id: &str,
    handled: &Handled,
    takes: Duration,
    stop: &CancellationToken,
) -> JoinHandle<Result<ConsumeSummary, Error>> {
    let request = pb::ConsumeFramesRequest {
        group_id: group_id.to_owned(),
        member_id: "member".to_owned(),
        ..Default::default()
    };
    let (client, handled, stop) = (client.clone(), Arc::clone(handled), stop.clone());
    tokio::spawn(async move {
        let handler = move |delivered: pb::ConsumedFrame| {
            let handled = Arc::clone(&handled);
            async move {
                *handled.lock().unwrap().entry(delivered.frame.unwrap().sequence).or_default() += 1;
                tokio::time::sleep(takes).await;
                Ok::<(), Reject>(())
            }
        };
        client
            .consume(request, ConsumeOptions::default(), stop, handler, |notice| {
                assert!(!matches!(notice, Notice::NotSettled { .. }), "{notice:?}");
            })
            .await
    })
}

#[tokio::test]
#[ignore = "check.sh all"]
async fn server_restart_consumer() {
    scenario("server-restart-consumer", async {
        let redis = Redis::start().await;
        let mut server = Server::on_socket(&["--auto-register", "--redis-url", &redis.url()]).await;
        let client = server.client().await;
        publish(&client, frames("cam", 1..=40)).await;
        let group_id = create_group(&client, "cam", |_| {}).await;
        let (handled, stop) = (Handled::default(), CancellationToken::new());
        let consuming = consumer(&client, &group_id, &handled, Duration::from_millis(300), &stop);
        for count in [4, 20] {
            // Handlers run at this time.
            until("frames are handled", async || handled.lock().unwrap().len() >= count).await;
            server.kill();
            server.restart().await;
        }
        until("all are acknowledged", async || {
            group_status(&client, &group_id).await.acknowledged_frames >= 40
        })
        .await;
        stop.cancel();
        let summary = soon("the consumer ends", consuming).await.unwrap().unwrap();
        assert_eq!(summary, ConsumeSummary { acknowledged: 40, ..Default::default() });
        let handled = handled.lock().unwrap();
        assert!(handled.len() == 40 && handled.values().all(|times| *times == 1), "{handled:?}");
    })
    .await;
}

#[tokio::test]
#[ignore = "check.sh all"]
async fn drained() {
    scenario("drained", async {
        let redis = Redis::start().await;
        let url = redis.url();
        let arguments = ["--auto-register", "--drain-timeout", "3s", "--redis-url", &url];
        let (mut first, second) = (Server::start(&arguments).await, Server::start(&arguments).await);
        let client = first.options().or(&second.address).unwrap().connect().await.unwrap();
        register(&client, stream("cam")).await;
        let group_id = create_group(&client, "cam", |_| {}).await;
        let (handled, stop) = (Handled::default(), CancellationToken::new());
        let mut subscription = Subscription::new(&client, request(&["cam"]));
        let consuming = consumer(&client, &group_id, &handled, Duration::from_millis(20), &stop);
        let mut camera = Camera::start(&client);
        camera.more(30).await;
        first.signal(Signal::SIGTERM);
        first.ended().await;
        camera.more(30).await;
        let (sent, _) = camera.end().await;
        follow(&mut subscription, sent).await;
        until("all are acknowledged", async || {
            group_status(&client, &group_id).await.acknowledged_frames >= sent
        })
        .await;
        stop.cancel();
        let summary = soon("the consumer ends", consuming).await.unwrap().unwrap();
        assert_eq!((summary.acknowledged, summary.rejected), (sent, 0));
        assert!(handled.lock().unwrap().values().all(|times| *times == 1));
    })
    .await;
}

/// Takes a port at which nothing listens. Returns its address.
pub(crate) fn dead_address() -> (tokio::net::TcpSocket, String) {
    let socket = tokio::net::TcpSocket::new_v4().unwrap();
    socket.bind("127.0.0.1:0".parse().unwrap()).unwrap();
    let address = socket.local_addr().unwrap().to_string();
    (socket, address)
}

#[tokio::test]
async fn two_addresses() {
    scenario("two-addresses", async {
        let redis = Redis::start().await;
        let url = redis.url();
        let mut first = Server::on_socket(&["--auto-register", "--redis-url", &url]).await;
        let second = Server::on_socket(&["--auto-register", "--redis-url", &url]).await;
        let (_dead, address) = dead_address();
        let options = ConnectOptions::new(&address).unwrap();
        let options = options.or(&first.address).unwrap().or(&second.address).unwrap();
        for client in [options.connect().await.unwrap(), options.connect_lazy().unwrap()] {
            client.server_info().await.unwrap();
        }
        let client = options.connect().await.unwrap();
        publish(&client, frames("cam", 1..=10)).await;
        let mut subscription = Subscription::new(&client, request(&["cam"]));
        follow(&mut subscription, 10).await;
        // A further server ends: a single call, a publisher and the subscription go on over the last.
        let before = client.server_info().await.unwrap().server_id;
        first.kill();
        let after = client.server_info().await.unwrap().server_id;
        assert_ne!(before, after);
        publish(&client, frames("cam", 11..=20)).await;
        for number in 11..=20 {
            assert_eq!(next_frame(&mut subscription).await.sequence, number);
        }
    })
    .await;
}

#[tokio::test]
#[ignore = "check.sh all"]
async fn silent_server() {
    scenario("silent-server", async {
        let server = Server::start(&["--auto-register"]).await;
        let client = server.client().await;
        publish(&client, frames("cam", 1..=5)).await;
        let mut subscription = Subscription::new(&client, request(&["cam"]));
        follow(&mut subscription, 5).await;
        // After a heartbeat, the interval is known to hold.
        let heartbeat = async { while !matches!(subscription.next().await.unwrap(), Event::Lag(_)) {} };
        soon("a heartbeat comes", heartbeat).await;
        server.signal(Signal::SIGSTOP);
        let begin = Instant::now();
        let noticed = async {
            while !matches!(subscription.next().await.unwrap(), Event::Reconnecting(_)) {}
            begin.elapsed()
        };
        let after = soon("the subscription notices", noticed).await;
        assert!(after > Duration::from_secs(2) && after < Duration::from_secs(8), "{after:?}");
        server.signal(Signal::SIGCONT);
        publish(&client, frames("cam", 6..=10)).await;
        for number in 6..=10 {
            assert_eq!(next_frame(&mut subscription).await.sequence, number);
        }
    })
    .await;
}
