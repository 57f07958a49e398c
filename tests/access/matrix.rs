//! The authorisation matrix: every method of the descriptors, called with every grant, for a
//! stream and a group that the grant covers, for others that it does not cover, and for others that
//! do not exist. The row of frames that are posted over plain HTTP is in `web`.

use std::collections::BTreeSet;

use bytes::Bytes;
use prost::Message as _;
use prost_reflect::{DescriptorPool, DynamicMessage, MethodDescriptor};
use tonic::Code;

use crate::access_file::Keys;
use crate::caller::{Caller, method, methods};
use crate::server::jpeg;

/// Each kind of grant, for streams and groups whose ids begin with `own`.
pub(crate) const GRANTS: [&str; 8] =
    ["publish:own*", "read:own*", "originals:own*", "manage:own*", "consume:own*", "operate", "admin", ""];
/// The ids that requests name: one that the grants cover, one that exists and is not covered, and one
/// that neither exists nor is covered.
pub(crate) const NAMES: [&str; 3] = ["own", "other", "none"];

/// The grants that each method needs, written down apart from the server's table; `*` = any
/// credentials. `admin` is always enough.
const EXPECTED: &[(&str, &str)] = &[
    ("SubmitFrameBatch", "publish"),
    ("SubmitFrames", "publish"),
    ("SubscribeFrames", "read"),
    ("GetFrames", "read"),
    ("GetLatestFrames", "read"),
    ("ListFrames", "read"),
    ("ConsumeFrames", "consume"),
    ("AcknowledgeFrames", "consume"),
    ("RejectFrames", "consume"),
    ("ExtendAckDeadline", "consume"),
    ("GetServerInfo", "*"),
    ("RegisterStream", "manage"),
    ("GetStream", "read manage"),
    ("ListStreams", "read manage"),
    ("UpdateStream", "manage"),
    ("UnregisterStream", "manage"),
    ("EraseFrames", "manage"),
    ("WatchStreams", "read manage"),
    ("CreateConsumerGroup", "operate"),
    ("GetConsumerGroup", "operate consume"),
    ("ListConsumerGroups", "operate consume"),
    ("ListConsumerGroupPositions", "operate consume"),
    ("UpdateConsumerGroup", "operate"),
    ("SeekConsumerGroup", "operate"),
    ("DeleteConsumerGroup", "operate"),
    ("ListDeadLetters", "operate"),
    ("GetDeadLetter", "operate"),
    ("ReplayDeadLetters", "operate"),
    ("DiscardDeadLetters", "operate"),
    ("ListQueues", "operate"),
    ("GetQueueStats", "operate"),
    ("ListStreamStats", "operate"),
    ("PauseQueue", "operate"),
    ("ResumeQueue", "operate"),
    ("DrainQueue", "operate"),
    ("PurgeQueue", "operate"),
    ("GetSystemMetrics", "admin"),
];

/// Returns the requests of a call, as JSON; NAME stands for the id of the stream and the group.
fn requests(method: &str) -> Vec<String> {
    let picture = {
        use base64::Engine as _;
        base64::engine::general_purpose::STANDARD.encode(jpeg(9))
    };
    let frames = format!(r#"[{{"streamId": "NAME", "data": "{picture}"}}]"#);
    let one = |text: &str| vec![text.to_owned()];
    match method {
        "SubmitFrameBatch" => vec![format!(r#"{{"frames": {frames}}}"#)],
        "SubmitFrames" => vec![
            r#"{"setup": {}}"#.to_owned(),
            format!(r#"{{"batch": {{"batchId": "1", "frames": {frames}}}}}"#),
        ],
        "SubscribeFrames" => one(r#"{"selectors": [{"streams": [{"id": "NAME"}]}]}"#),
        "GetFrames" => one(r#"{"streamId": "NAME", "sequences": ["1"]}"#),
        "GetLatestFrames" => one(r#"{"streamIds": ["NAME"]}"#),
        "ListFrames" => one(r#"{"streamId": "NAME", "sequences": {}}"#),
        "ConsumeFrames" => one(r#"{"groupId": "NAME", "memberId": "m"}"#),
        "AcknowledgeFrames" => one(r#"{"groupId": "NAME", "ackIds": ["x"]}"#),
        "RejectFrames" => one(r#"{"groupId": "NAME", "rejections": [{"ackId": "x"}]}"#),
        "ExtendAckDeadline" => one(r#"{"groupId": "NAME", "ackIds": ["x"], "extension": "10s"}"#),
        "RegisterStream" => one(r#"{"stream": {"streamId": "NAME"}}"#),
        "UpdateStream" => {
            one(r#"{"stream": {"streamId": "NAME", "displayName": "x"}, "updateMask": "displayName"}"#)
        }
        "GetStream" | "UnregisterStream" => one(r#"{"streamId": "NAME"}"#),
        "EraseFrames" => one(
            r#"{"streamId": "NAME", "sequences": {"firstSequence": "1", "lastSequence": "9"}, "dryRun": true}"#,
        ),
        "WatchStreams" => one(r#"{"streams": [{"id": "NAME"}]}"#),
        "CreateConsumerGroup" => one(r#"{"group": {"groupId": "NAME", "streams": [{"glob": "*"}]}}"#),
        "UpdateConsumerGroup" => {
            one(r#"{"group": {"groupId": "NAME", "displayName": "x"}, "updateMask": "displayName"}"#)
        }
        "SeekConsumerGroup" => one(r#"{"groupId": "NAME", "allStreams": true, "position": {"live": {}}}"#),
        "GetConsumerGroup" | "ListConsumerGroupPositions" | "DeleteConsumerGroup" => {
            one(r#"{"groupId": "NAME"}"#)
        }
        "GetDeadLetter" => one(r#"{"deadLetterId": "x"}"#),
        "ReplayDeadLetters" | "DiscardDeadLetters" => one(r#"{"all": true, "dryRun": true}"#),
        "PauseQueue" | "ResumeQueue" | "DrainQueue" => one(r#"{"queueId": "p00"}"#),
        "PurgeQueue" => one(r#"{"streamId": "NAME", "dryRun": true}"#),
        "GetServerInfo" | "ListStreams" | "ListConsumerGroups" | "ListDeadLetters" | "ListQueues"
        | "GetQueueStats" | "ListStreamStats" | "GetSystemMetrics" => one("{}"),
        other => panic!("write down a request and the grants of the new method {other}"),
    }
}

/// The answer to a call, as far as access is concerned.
#[derive(Debug, PartialEq, Eq)]
enum Answer {
    /// The call, or each of its items, was refused for a lack of permission.
    Denied(String),
    /// Anything else, with the responses as JSON.
    LetIn(String),
}

async fn ask(caller: &Caller, method: &MethodDescriptor, name: &str) -> Answer {
    let to_bytes = |json: &String| -> Bytes {
        let json = json.replace("NAME", name);
        let mut parser = serde_json::Deserializer::from_str(&json);
        let message = DynamicMessage::deserialize(method.input(), &mut parser);
        message.unwrap_or_else(|error| panic!("{}: {error}", method.name())).encode_to_vec().into()
    };
    let requests: Vec<Bytes> = requests(method.name()).iter().map(to_bytes).collect();
    // SubmitFrames answers a setup first. A watch sends what it watches after its first message.
    let most = if matches!(method.name(), "SubmitFrames" | "WatchStreams") { 2 } else { 1 };
    match caller.exchange(method, requests, most).await {
        Err(refused) if refused.code == Code::PermissionDenied => {
            assert_eq!(refused.reason, "PERMISSION_DENIED");
            Answer::Denied(refused.message)
        }
        Err(refused) => {
            assert_ne!(refused.code, Code::Unauthenticated, "{refused:?}");
            Answer::LetIn(String::new())
        }
        Ok(responses) => {
            let to_json = |bytes: Bytes| {
                let message = DynamicMessage::decode(method.output(), bytes).expect("a response");
                serde_json::to_string(&message).expect("JSON")
            };
            let text: String = responses.into_iter().map(to_json).collect();
            // The metrics count refusals by their reasons.
            match text.contains("PERMISSION_DENIED") && method.name() != "GetSystemMetrics" {
                true => Answer::Denied(String::new()),
                false => Answer::LetIn(text),
            }
        }
    }
}

/// Makes what the calls may have removed: streams and groups, and running queues.
async fn restore(pool: &DescriptorPool, admin: &Caller) {
    for name in &NAMES[..2] {
        for make in ["RegisterStream", "CreateConsumerGroup"] {
            let _answer = ask(admin, &method(pool, make), name).await;
        }
    }
    for (remove, name) in
        [("UnregisterStream", NAMES[2]), ("DeleteConsumerGroup", NAMES[2]), ("ResumeQueue", "")]
    {
        let _answer = ask(admin, &method(pool, remove), name).await;
    }
}

#[tokio::test]
async fn every_method_lets_in_exactly_the_callers_with_its_grant() {
    let pool = DescriptorPool::decode(frameway::pb::FILE_DESCRIPTOR_SET).expect("descriptors");
    let all = methods(&pool);
    let named: BTreeSet<&str> = EXPECTED.iter().map(|(name, _)| *name).collect();
    assert_eq!(all.iter().map(MethodDescriptor::name).collect::<BTreeSet<_>>(), named);

    let principals: Vec<(String, Vec<&str>)> = GRANTS
        .iter()
        .enumerate()
        .map(|(at, grant)| (format!("p{at}"), if grant.is_empty() { Vec::new() } else { vec![*grant] }))
        .collect();
    let principals: Vec<(&str, &[&str])> =
        principals.iter().map(|(name, grants)| (name.as_str(), grants.as_slice())).collect();
    let keys = Keys::new(&principals);
    let server = keys.server().await;
    let caller = |at: usize| Caller::new(server.channel()).with_bearer(keys.of(&format!("p{at}")));
    let admin = caller(6);
    restore(&pool, &admin).await;
    let (mut calls, mut let_in, mut wrong) = (0, 0, Vec::new());
    for method in &all {
        let needed =
            EXPECTED.iter().find(|(name, _)| *name == method.name()).map_or("", |(_, needed)| needed);
        let names_one = requests(method.name()).iter().any(|request| request.contains("NAME"));
        for (at, grant) in GRANTS.iter().enumerate() {
            let kind = grant.split(':').next().unwrap_or_default();
            let has = kind == "admin"
                || needed == "*"
                || needed.split(' ').any(|one| !kind.is_empty() && one == kind);
            let mut denials = BTreeSet::new();
            for name in NAMES {
                let answer = ask(&caller(at), method, name).await;
                let covers = name == "own" || !names_one || !grant.contains(':');
                let expected = has && covers;
                calls += 1;
                match answer {
                    Answer::LetIn(text) => {
                        restore(&pool, &admin).await;
                        // The consumers of a group see all its streams, because they receive them.
                        let shows_others =
                            text.contains("\"other\"") && method.name() != "ListConsumerGroupPositions";
                        let_in += usize::from(!expected);
                        if !expected || (grant.contains(':') && shows_others) {
                            wrong
                                .push(format!("{} with {grant:?} for {name}: let in: {text}", method.name()));
                        }
                    }
                    Answer::Denied(message) => {
                        if expected {
                            wrong.push(format!("{} with {grant:?} for {name}: denied", method.name()));
                        }
                        if name != "own" {
                            denials.insert(message.replace(name, "NAME"));
                        }
                    }
                }
            }
            // A caller does not learn whether a stream or a group that it may not use exists.
            assert!(denials.len() <= 1, "{} with {grant:?}: {denials:?}", method.name());
        }
    }
    println!(
        "{} methods x {} grants x {} names: {calls} calls, {let_in} let in",
        all.len(),
        GRANTS.len(),
        NAMES.len()
    );
    assert!(wrong.is_empty(), "{} of {calls} calls:\n{}", wrong.len(), wrong.join("\n"));
    drop(admin);
    server.stop().await;
}

#[tokio::test]
async fn no_method_but_health_and_reflection_lets_a_caller_in_without_credentials() {
    let pool = DescriptorPool::decode(frameway::pb::FILE_DESCRIPTOR_SET).expect("descriptors");
    let keys = Keys::new(&[("a", &["admin"])]);
    let server = keys.server().await;
    let nobody = Caller::new(server.channel());
    for method in methods(&pool) {
        let refused = nobody.send(&method, Bytes::new()).await.expect_err(method.name());
        assert_eq!((refused.code, refused.reason.as_str()), (Code::Unauthenticated, "CREDENTIALS_MISSING"));
    }
    drop(nobody);
    server.stop().await;
}
