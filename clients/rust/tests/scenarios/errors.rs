//! Errors, deadlines and cancellation.

use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use frameway::client::consume::{ConsumeOptions, Reject};
use frameway::client::publish::{BatchSender, Decision, PublishOptions};
use frameway::client::subscribe::{Event, Subscription, selector};
use frameway::client::{Client, ConnectOptions, Credentials, Error};
use frameway::pb::v1 as pb;
use frameway::pb::v1::subscribe_frames_response::Event as Message;
use nix::sys::signal::Signal;
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

use crate::breaks::dead_address;
use crate::scripted::{Answer, Scripted, encoded, head_of, unknown_field};
use crate::support::frames::{create_group, frame, frames, publish, register, request, stream};
use crate::support::processes::{Server, program};
use crate::support::{scenario, soon, until};

#[tokio::test]
async fn no_server() {
    scenario("no-server", async {
        let (_dead, address) = dead_address();
        let begin = Instant::now();
        let error = Client::connect(&address).await.unwrap_err();
        assert!(
            matches!(error, Error::Unreachable { .. }) && error.to_string().contains(&address),
            "{error}"
        );
        let (_dead, another) = dead_address();
        let options = ConnectOptions::new(&address).unwrap().or(&another).unwrap();
        let text = options.connect().await.unwrap_err().to_string();
        assert!(text.contains(&address) && text.contains(&another), "{text}");
        let lazy = options.connect_lazy().unwrap().call_timeout(Duration::from_secs(2));
        let text = lazy.server_info().await.unwrap_err().to_string();
        assert!(text.contains(&address) && text.contains("Connection refused"), "{text}");
        assert!(begin.elapsed() < Duration::from_secs(10), "{:?}", begin.elapsed());
    })
    .await;
}

#[tokio::test]
async fn wrong_key() {
    scenario("wrong-key", async {
        let folder = tempfile::tempdir().unwrap();
        let access = folder.path().join("access.toml");
        let keys = Command::new(program())
            .args(["keys", "create", "--principal", "reader", "--grant", "read:*", "--access-file"])
            .arg(&access)
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .status();
        assert!(keys.unwrap().success());
        let server = Server::start(&["--access-file", access.to_str().unwrap()]).await;
        let secret = "fwk_0123456789ab_0123456789abcdef0123456789abcdef";
        let options = server.options().credentials(Credentials::text(secret).unwrap());
        let client = options.connect().await.unwrap();
        let begin = Instant::now();
        let error = client.server_info().await.unwrap_err();
        assert_eq!(error.status().unwrap().code(), tonic::Code::Unauthenticated);
        let reason = error.reason().unwrap();
        assert!(reason.contains("CREDENTIALS") || reason.contains("UNAUTHENTICATED"), "{reason}");
        let error = Subscription::new(&client, request(&["cam"])).next().await.unwrap_err();
        assert_eq!(error.reason(), Some(reason));
        assert!(!error.to_string().contains("0123456789abcdef"), "{error}");
        assert!(begin.elapsed() < Duration::from_secs(5), "{:?}", begin.elapsed());
    })
    .await;
}

#[tokio::test]
async fn deadline() {
    scenario("deadline", async {
        let server = Server::start(&[]).await;
        let client = server.client().await.call_timeout(Duration::from_secs(1));
        client.server_info().await.unwrap();
        server.signal(Signal::SIGSTOP);
        let begin = Instant::now();
        let error = client.latest(["cam"], None).await.unwrap_err();
        assert_eq!(error.status().unwrap().code(), tonic::Code::DeadlineExceeded, "{error}");
        let elapsed = begin.elapsed();
        assert!(elapsed >= Duration::from_millis(950) && elapsed < Duration::from_secs(4), "{elapsed:?}");
        // The stub of a call with a timeout of its own.
        let mut call = tonic::Request::new(pb::GetServerInfoRequest {});
        call.set_timeout(Duration::from_millis(300));
        let status = client.streaming.clone().get_server_info(call).await.unwrap_err();
        assert_eq!(status.code(), tonic::Code::DeadlineExceeded, "{status}");
    })
    .await;
}

#[tokio::test]
async fn cancel() {
    scenario("cancel", async {
        let server = Server::start(&["--auto-register"]).await;
        let runtime = tokio::runtime::Handle::current();
        let before = runtime.metrics().num_alive_tasks();
        {
            let client = server.client().await;
            publish(&client, frames("cam", 1..=5)).await;
            let group_id = create_group(&client, "cam", |_| {}).await;
            let mut subscription = Subscription::new(&client, request(&["cam"]));
            while !matches!(subscription.next().await.unwrap(), Event::Lag(_)) {}

            let (running, mut started) = mpsc::channel(10);
            let handler = move |_| {
                let running = running.clone();
                async move {
                    running.send(()).await.unwrap();
                    std::future::pending::<Result<(), Reject>>().await
                }
            };
            let member =
                pb::ConsumeFramesRequest { group_id, member_id: "one".to_owned(), ..Default::default() };
            let consuming =
                client.consume(member, ConsumeOptions::default(), CancellationToken::new(), handler, |_| {});
            tokio::select! {
                summary = consuming => panic!("{summary:?}"),
                // Dropping the future cancels the consumer and its handlers.
                _ = started.recv() => {}
            }

            let (camera, intake) = mpsc::channel(1);
            camera.send(frame("cam", 6)).await.unwrap();
            let stop = CancellationToken::new();
            let (ends, mut decided) = (stop.clone(), false);
            let options = PublishOptions { publisher_id: "camera".to_owned(), ..Default::default() };
            let begin = Instant::now();
            let summary = client.publish(options, intake, stop, |_, _| {
                decided = true;
                ends.cancel();
            });
            let summary = soon("the publisher ends", summary).await.unwrap();
            assert!(begin.elapsed() < Duration::from_secs(10), "{:?}", begin.elapsed());
            assert!(decided && summary.given_up.is_some(), "{summary:?}");
        }
        until("no task is left", async || runtime.metrics().num_alive_tasks() <= before).await;
    })
    .await;
}

fn event(event: Message) -> pb::SubscribeFramesResponse {
    pb::SubscribeFramesResponse { event: Some(event) }
}

#[tokio::test]
async fn newer_server() {
    scenario("newer-server", async {
        let server = Scripted::start(|path, call| {
            if path.ends_with("/SubmitFrameBatch") {
                let answer = match call {
                    // A result whose outcome has an unknown case.
                    0 => pb::SubmitFrameBatchResponse { results: vec![pb::FrameResult { outcome: None }] },
                    _ => {
                        let accepted = pb::FrameAccepted { sequence: 1, receive_time: None };
                        let outcome = Some(pb::frame_result::Outcome::Accepted(accepted));
                        pb::SubmitFrameBatchResponse { results: vec![pb::FrameResult { outcome }] }
                    }
                };
                return Answer { messages: vec![encoded(&answer, &unknown_field())], ends: true };
            }
            let checkpoint = event(Message::Checkpoint(pb::Checkpoint::default()));
            let unknown = pb::SubscribeFramesResponse::default();
            let cause = pb::GapCause { reason: 999, ..Default::default() };
            let gap = pb::Gap { stream_id: "cam".to_owned(), causes: vec![cause], ..Default::default() };
            let gap = event(Message::Gap(pb::DeliveredGap { gap: Some(gap), ..Default::default() }));
            let frame = pb::ProcessedFrame { stream_id: "cam".to_owned(), sequence: 2, ..Default::default() };
            let frame =
                event(Message::Frame(pb::DeliveredFrame { frame: Some(frame), ..Default::default() }));
            let newer = unknown_field();
            let messages = vec![
                encoded(&checkpoint, &[]),
                encoded(&unknown, &newer),
                encoded(&gap, &[]),
                encoded(&frame, &[]),
            ];
            Answer { messages, ends: true }
        })
        .await;
        let client = Client::connect(&server.address).await.unwrap();
        let sent = BatchSender::new(&client).send(vec![frame("cam", 1)]).await.unwrap();
        assert_eq!((sent.decisions, sent.retries), (vec![Decision::Accepted { sequence: 1 }], 1));

        let mut subscription = Subscription::new(&client, request(&["cam"]));
        assert!(matches!(subscription.next().await.unwrap(), Event::Started { .. }));
        let Event::Gap(gap) = subscription.next().await.unwrap() else { panic!("not a gap") };
        assert!(format!("{gap:?}").contains("999"), "{gap:?}");
        assert!(matches!(subscription.next().await.unwrap(), Event::Frame(_)));
        assert!(matches!(subscription.next().await.unwrap(), Event::End));
    })
    .await;
}

#[tokio::test]
async fn message_too_large() {
    scenario("message-too-large", async {
        let server = Scripted::start(|_, _| Answer { messages: vec![head_of(33 << 20)], ends: false }).await;
        let client = Client::connect(&server.address).await.unwrap();
        let mut subscription = Subscription::new(&client, request(&["cam"]));
        let error = soon("an error comes", subscription.next()).await.unwrap_err();
        assert_eq!(error.status().unwrap().code(), tonic::Code::OutOfRange, "{error}");
        assert!(error.to_string().contains("too large"), "{error}");
        assert_eq!(server.calls(), 1);
    })
    .await;
}

/// Rule 1: the calls that last have one connection, all others another.
#[tokio::test]
async fn two_connections() {
    let server = Scripted::start(|path, _| match path.ends_with("/GetServerInfo") {
        true => Answer { messages: vec![encoded(&pb::GetServerInfoResponse::default(), &[])], ends: true },
        false => {
            let checkpoint = event(Message::Checkpoint(pb::Checkpoint::default()));
            Answer { messages: vec![encoded(&checkpoint, &[])], ends: false }
        }
    })
    .await;
    let client = Client::connect(&server.address).await.unwrap();
    let request = || pb::SubscribeFramesRequest { selectors: vec![selector("cam")], ..Default::default() };
    let mut open = [Subscription::new(&client, request()), Subscription::new(&client, request())];
    for subscription in &mut open {
        subscription.next().await.unwrap();
        client.server_info().await.unwrap();
    }
    let peers = server.peers();
    let ports = |method: &str| -> Vec<u16> {
        peers.iter().filter(|(called, _)| called == method).map(|(_, port)| *port).collect()
    };
    let (long, short) = (ports("SubscribeFrames"), ports("GetServerInfo"));
    assert!(long.len() == 2 && long[0] == long[1] && short[0] == short[1], "{peers:?}");
    assert_ne!(long[0], short[0]);
}

/// A server that ends without a warning leaves no error to a call that is made later.
#[tokio::test]
async fn a_closed_connection_is_replaced_before_the_next_call() {
    let mut server = Server::on_socket(&[]).await;
    let client = server.client().await;
    register(&client, stream("cam")).await;
    server.kill();
    server.restart().await;
    // The method has no retries.
    register(&client, stream("cam")).await;
}

/// A server that closes connections by their age leaves no error to calls that may be sent again.
#[tokio::test]
#[ignore = "check.sh all"]
async fn an_old_connection_is_replaced() {
    let server = Server::start(&["--max-connection-age", "1s", "--max-connection-age-grace", "10s"]).await;
    let client = server.client().await;
    let begin = Instant::now();
    while begin.elapsed() < Duration::from_secs(4) {
        client.server_info().await.unwrap();
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}
