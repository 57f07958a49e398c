//! Programs that keep their cursors.

use std::fs;
use std::path::Path;
use std::time::Duration;

use frameway::client::cursors::CursorFile;
use frameway::client::stored::StoredSubscription;
use frameway::client::subscribe::{Event, Subscription};
use frameway::client::{Client, Error};
use frameway::pb::v1 as pb;

use crate::support::frames::{frames, publish, request};
use crate::support::processes::Server;
use crate::support::{scenario, soon};

/// Opens a subscription that stores the cursors before each event.
fn open(client: &Client, stream: &str, path: &Path) -> Result<StoredSubscription<CursorFile>, Error> {
    let subscription = Subscription::new(client, request(&[stream]));
    Ok(StoredSubscription::open(subscription, CursorFile::new(path))?.interval(Duration::ZERO))
}

async fn next(subscription: &mut StoredSubscription<CursorFile>) -> Result<u64, Error> {
    loop {
        match soon("an event comes", subscription.next()).await? {
            Event::Frame(delivered) => return Ok(delivered.frame.unwrap().sequence),
            Event::Gap(gap) => panic!("{gap:?}"),
            Event::End => panic!("the subscription has ended"),
            Event::Started { .. } | Event::Checkpoint(_) | Event::Lag(_) | Event::Reconnecting(_) => {}
        }
    }
}

#[tokio::test]
async fn cursor_store() {
    scenario("cursor-store", async {
        let server = Server::start(&["--auto-register"]).await;
        let client = server.client().await;
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("cursors.json");
        publish(&client, frames("cam", 1..=30)).await;
        // The program ends without a warning: it stored the cursor of a frame before.
        let mut first = open(&client, "cam", &path).unwrap();
        let mut last = 0;
        while last < 10 || !path.exists() {
            last = next(&mut first).await.unwrap();
        }
        drop(first);
        let mut second = open(&client, "cam", &path).unwrap();
        let begins = next(&mut second).await.unwrap();
        assert!((1..=last + 1).contains(&begins), "{begins} after {last}");
        for expected in begins + 1..=20.max(begins + 1) {
            assert_eq!(next(&mut second).await.unwrap(), expected);
            last = expected;
        }
        // This time it ends in order.
        second.commit().unwrap();
        drop(second);
        let mut third = open(&client, "cam", &path).unwrap();
        for expected in last + 1..=30 {
            assert_eq!(next(&mut third).await.unwrap(), expected);
        }
        let left: Vec<_> = fs::read_dir(folder.path()).unwrap().collect();
        assert_eq!(left.len(), 1, "{left:?}");
    })
    .await;
}

#[tokio::test]
async fn foreign_cursor() {
    scenario("foreign-cursor", async {
        let server = Server::start(&["--auto-register"]).await;
        let client = server.client().await;
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("cursors.json");
        publish(&client, [frames("cam", 1..=5), frames("other", 1..=5)].concat()).await;
        let mut subscription = open(&client, "cam", &path).unwrap();
        for _ in 0..3 {
            next(&mut subscription).await.unwrap();
        }
        subscription.commit().unwrap();
        drop(subscription);

        // Of another stream.
        let error = open(&client, "other", &path).unwrap_err();
        assert!(matches!(error, Error::Cursors { foreign: true, .. }), "{error:?}");
        let text = error.to_string();
        assert!(text.contains("cursors.json") && text.contains("cam") && !text.contains('\n'), "{text}");

        // Of another store.
        let elsewhere = Server::start(&["--auto-register"]).await;
        let stranger = elsewhere.client().await;
        publish(&stranger, frames("cam", 1..=5)).await;
        let mut subscription = open(&stranger, "cam", &path).unwrap();
        let gap = soon("a gap comes", async {
            loop {
                match subscription.next().await.unwrap() {
                    Event::Gap(pb::DeliveredGap { gap: Some(gap), .. }) => return gap,
                    Event::Frame(frame) => panic!("a silent restart: {frame:?}"),
                    _ => {}
                }
            }
        })
        .await;
        assert_eq!(gap.causes[0].reason(), pb::GapReason::StoreReplaced, "{gap:?}");

        // Damaged: the file, and a cursor in it.
        fs::write(&path, b"{\"cursors\": {\"cam\": ").unwrap();
        let error = open(&client, "cam", &path).unwrap_err().to_string();
        assert!(error.contains("cursors.json") && error.contains("damaged"), "{error}");
        fs::write(&path, b"{\"cursors\": {\"cam\": \"AAAA\"}}").unwrap();
        let error = next(&mut open(&client, "cam", &path).unwrap()).await.unwrap_err();
        assert_eq!(error.reason().as_deref(), Some("CURSOR_INVALID"), "{error}");
    })
    .await;
}

/// The temporary file is a link to a device on which nothing fits.
#[tokio::test]
#[ignore = "check.sh all"]
async fn full_disk() {
    scenario("full-disk", async {
        let server = Server::start(&["--auto-register"]).await;
        let client = server.client().await;
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("cursors.json");
        publish(&client, frames("cam", 1..=20)).await;
        let mut subscription = open(&client, "cam", &path).unwrap();
        assert_eq!(next(&mut subscription).await.unwrap(), 1);
        std::os::unix::fs::symlink("/dev/full", folder.path().join("cursors.json.part")).unwrap();
        tokio::time::sleep(Duration::from_millis(60)).await;
        let error = next(&mut subscription).await.unwrap_err();
        assert!(matches!(error, Error::Cursors { foreign: false, .. }), "{error:?}");
        let text = error.to_string();
        assert!(text.contains("cursors.json") && text.contains("No space left"), "{text}");
        // There is space again: no frame was lost.
        assert_eq!(next(&mut subscription).await.unwrap(), 2);
    })
    .await;
}
