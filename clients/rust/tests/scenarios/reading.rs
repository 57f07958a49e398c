//! Reading frames and pictures.

use frameway::client::subscribe::{Event, Subscription};
use frameway::pb::v1 as pb;
use frameway_client::picture;

use crate::support::frames::{
    SIDE, frame, frames, jpeg, large_jpeg, next_frame, publish, register, request, stream,
};
use crate::support::processes::Server;
use crate::support::{scenario, soon, until};

#[tokio::test]
async fn gap() {
    scenario("gap", async {
        let server = Server::start(&[]).await;
        let client = server.client().await;
        let retention = pb::RetentionPolicy { max_frames: Some(5), ..Default::default() };
        register(&client, pb::Stream { retention: Some(retention), ..stream("cam") }).await;
        publish(&client, frames("cam", 1..=1)).await;
        let mut first = Subscription::new(&client, request(&["cam"]));
        assert_eq!(next_frame(&mut first).await.sequence, 1);
        let cursors = first.cursors().clone();
        drop(first);
        publish(&client, frames("cam", 2..=20)).await;
        until("frames are removed", async || {
            let request = pb::GetStreamRequest { stream_id: "cam".to_owned() };
            let answer = client.registry.clone().get_stream(request).await.unwrap().into_inner();
            answer.stream.unwrap().status.unwrap().oldest_sequence > 2
        })
        .await;
        let mut subscription = Subscription::new(&client, request(&["cam"])).resume_after(cursors);
        let event = soon("an event comes", async {
            loop {
                let event = subscription.next().await.unwrap();
                if matches!(event, Event::Gap(_) | Event::Frame(_)) {
                    return event;
                }
            }
        })
        .await;
        let Event::Gap(pb::DeliveredGap { gap: Some(gap), .. }) = event else { panic!("{event:?}") };
        let reasons: Vec<_> = gap.causes.iter().map(pb::GapCause::reason).collect();
        assert_eq!((gap.stream_id.as_str(), &reasons[..]), ("cam", &[pb::GapReason::Retention][..]));
        // Retention removes frames in steps.
        assert!(gap.from_sequence == 2 && (2..=15).contains(&gap.to_sequence), "{gap:?}");
        assert_eq!(next_frame(&mut subscription).await.sequence, gap.to_sequence + 1);
    })
    .await;
}

#[tokio::test]
async fn large_picture() {
    scenario("large-picture", async {
        let server = Server::start(&[]).await;
        let client = server.client().await;
        let output = pb::OutputPolicy { reencode_mode: pb::ReencodeMode::Relay.into(), ..Default::default() };
        register(&client, pb::Stream { output: Some(output), ..stream("cam") }).await;
        let data = large_jpeg(5 << 20);
        let large = pb::Frame {
            stream_id: "cam".to_owned(),
            publisher_sequence: Some(1),
            data: data.clone().into(),
            ..Default::default()
        };
        publish(&client, vec![large]).await;
        let frame = next_frame(&mut Subscription::new(&client, request(&["cam"]))).await;
        let Some(pb::picture::Content::Data(delivered)) = &frame.pictures[0].content else {
            panic!("{:?}", frame.pictures[0].content)
        };
        assert!(delivered.len() > 4 << 20 && *delivered == data, "{} bytes", delivered.len());
    })
    .await;
}

#[tokio::test]
async fn latest() {
    scenario("latest", async {
        let server = Server::start(&["--auto-register"]).await;
        let client = server.client().await;
        register(&client, stream("empty")).await;
        publish(&client, [frames("a", 1..=3), frames("b", 1..=5)].concat()).await;
        let read = async || client.latest(["a", "b", "empty", "unknown"], None).await.unwrap();
        let is_newest = |one: &frameway::client::Latest, newest| {
            one.frame.as_ref().is_ok_and(|frame| frame.sequence == newest)
        };
        until("the newest frames are published", async || {
            let found = read().await;
            is_newest(&found[0], 3) && is_newest(&found[1], 5)
        })
        .await;
        let found = read().await;
        let ids: Vec<&str> = found.iter().map(|one| one.stream_id.as_str()).collect();
        assert_eq!(ids, ["a", "b", "empty", "unknown"]);
        let missing = |at: usize| found[at].frame.as_ref().unwrap_err().reason();
        assert_eq!(missing(2), pb::MissingReason::NotAccepted);
        assert_eq!(missing(3), pb::MissingReason::StreamNotFound);
        let frame = found[0].frame.as_ref().unwrap();
        assert_eq!(picture(frame, pb::PictureRole::Processed).unwrap().width(), SIDE);
    })
    .await;
}

#[tokio::test]
async fn picture_of_a_frame() {
    scenario("picture", async {
        let server = Server::start(&["--auto-register"]).await;
        let client = server.client().await;
        let photo = pb::Frame {
            format: pb::PictureFormat::Jpeg.into(),
            width: 0,
            height: 0,
            data: jpeg(320, 240).into(),
            ..frame("cam", 1)
        };
        publish(&client, vec![photo]).await;
        let frame = next_frame(&mut Subscription::new(&client, request(&["cam"]))).await;
        let image = picture(&frame, pb::PictureRole::Processed).unwrap();
        assert_eq!((image.width(), image.height()), (320, 240));
        let sent = frame.pictures.iter().find(|one| one.role() == pb::PictureRole::Processed).unwrap();
        assert_eq!((image.width(), image.height()), (sent.width, sent.height));
        let error = picture(&frame, pb::PictureRole::Original).unwrap_err();
        assert!(error.to_string().contains("no Original picture"), "{error}");
    })
    .await;
}
