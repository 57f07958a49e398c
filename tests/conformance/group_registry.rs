//! Creating groups more than once, and the etags of changes.

use frameway::domain::{Digest, Etag, GroupSettings};
use frameway::queue::Error;

use crate::backend::Backend;
use crate::common::spawn;
use crate::groups::{START, create, group_id, settings};
use crate::support::*;

pub(crate) async fn an_etag_is_valid_for_one_group_until_its_next_change_or_seek(backend: Backend) {
    let store = backend.open().await;
    let first = create(&*store, &settings(), &["cam"]).await;
    let sought = store.seek_group(&group_id(), &[(id("cam"), number(2))], Some(first.etag())).await.unwrap();
    assert_ne!(sought.etag(), first.etag());
    let stored = async || store.get_groups(&[group_id()]).await.unwrap().remove(0).unwrap();
    assert_eq!(stored().await.etag(), sought.etag());
    let named = GroupSettings { display_name: "north".to_owned(), ..settings() };
    let refused = async |etag: Etag| {
        let current = stored().await.etag();
        let mismatch = Error::EtagMismatch { current };
        assert_eq!(store.update_group(&group_id(), &named, etag, &[]).await, Err(mismatch.clone()));
        assert_eq!(store.seek_group(&group_id(), &[], Some(etag)).await, Err(mismatch.clone()));
        assert_eq!(store.delete_group(&group_id(), Some(etag)).await, Err(mismatch));
        assert_eq!(stored().await.etag(), current, "nothing was done");
    };
    refused(first.etag()).await;
    let updated = store.update_group(&group_id(), &named, sought.etag(), &[]).await.unwrap();
    refused(sought.etag()).await;
    // The group that is created again has the same version, but the old etag is of another group.
    store.delete_group(&group_id(), Some(updated.etag())).await.unwrap();
    let again = create(&*store, &settings(), &["cam"]).await;
    assert_eq!(again.etag().version, first.etag().version);
    refused(first.etag()).await;
    store.delete_group(&group_id(), Some(again.etag())).await.unwrap();
}

pub(crate) async fn creating_a_group_again_with_equal_settings_returns_what_is_stored(backend: Backend) {
    let store = backend.open().await;
    let first = create(&*store, &settings(), &["cam"]).await;
    let sought = store.seek_group(&group_id(), &[(id("cam"), number(5))], None).await.unwrap();
    let again = |settings: GroupSettings, start: Digest| {
        let store = &store;
        async move { store.create_group(&group_id(), &settings, start, &[(id("cam"), number(1))]).await }
    };
    let repeated = again(settings(), START).await.unwrap();
    assert_eq!((repeated.is_new, &repeated.record), (false, &sought));
    assert_eq!(repeated.record.create_time, first.create_time);
    let state = store.group_state(&group_id()).await.unwrap();
    assert_eq!(state.positions[&id("cam")].next, number(5), "it continues at its position");
    let exists = || Err(Error::GroupExists(group_id()));
    let named = GroupSettings { display_name: "north".to_owned(), ..settings() };
    assert_eq!(again(named.clone(), START).await, exists());
    assert_eq!(again(settings(), Digest([8; 32])).await, exists());
    // An unset value differs from one that equals the default, since the default may change.
    let said = GroupSettings { max_delivery_attempts: Some(5), ..settings() };
    assert_eq!(again(said, START).await, exists());
    let updated = store.update_group(&group_id(), &named, sought.etag(), &[]).await.unwrap();
    assert_eq!(again(named, START).await.unwrap().record, updated);
    assert_eq!(again(settings(), START).await, exists());
    // Numbers are stored exactly.
    let mut exact = settings();
    exact.sampling.max_fps = Some(1000.0 / 65.0);
    exact.filter.min_foreground_ratio = Some(1.0 / 11.0);
    let updated = store.update_group(&group_id(), &exact, updated.etag(), &[]).await.unwrap();
    assert_eq!(again(exact, START).await.unwrap().record, updated);
}

pub(crate) async fn of_many_concurrent_creations_one_creates_the_group(backend: Backend) {
    let store = backend.open().await;
    for round in 0..10 {
        let calls = (0..8).map(|index| {
            let queue = std::sync::Arc::clone(&store.queue);
            let start = Digest([index % 2; 32]);
            let position = number(u64::from(index % 2) + 1);
            let make = async move {
                (start, queue.create_group(&group_id(), &settings(), start, &[(id("cam"), position)]).await)
            };
            spawn(make)
        });
        let calls: Vec<_> = calls.collect();
        let mut answers = Vec::new();
        for call in calls {
            answers.push(call.await.unwrap());
        }
        let made: Vec<_> =
            answers.iter().filter(|(_, answer)| answer.as_ref().is_ok_and(|made| made.is_new)).collect();
        let [(start, Ok(made))] = &made[..] else { panic!("round {round}: {answers:?}") };
        for (asked, answer) in &answers {
            let expected =
                if asked == start { Ok(&made.record) } else { Err(&Error::GroupExists(group_id())) };
            assert_eq!(answer.as_ref().map(|made| &made.record), expected, "round {round}");
        }
        store.delete_group(&group_id(), Some(made.record.etag())).await.unwrap();
    }
}
