//! Tests every field of every request with every value outside its bounds.

use std::collections::{BTreeMap, BTreeSet};

use bytes::Bytes;
use frameway::pb::v1 as pb;
use prost::Message as _;
use prost_reflect::{
    DescriptorPool, DynamicMessage, FieldDescriptor, Kind, MessageDescriptor, MethodDescriptor, Value,
};
use tonic::Code;

use crate::caller::{Caller, Refused, method, methods};
use crate::samples::Given;
use crate::server::TestServer;
use crate::table::{self, Bad, Rule};
use crate::{common, contract, json, state};

/// The parts of requests that the server ignores: the fields below these paths are tested in other
/// methods.
const IGNORED: [(&str, &str); 1] =
    [("UpdateConsumerGroup.group.start", "input only, in CreateConsumerGroup; a mask cannot name it")];
/// The methods whose requests contain frames, each of which has a result of its own.
const SUBMITS: [&str; 2] = ["SubmitFrameBatch", "SubmitFrames"];

/// A field of a message at one place of a request.
#[derive(Debug)]
struct Place {
    /// The fields from the request to the message.
    steps: Vec<FieldDescriptor>,
    field: FieldDescriptor,
    rule: String,
}

impl Place {
    /// Returns the path of the message in the request, with a final dot unless it is empty.
    fn parent(&self) -> String {
        self.steps.iter().map(|step| format!("{}{}.", step.name(), index(step))).collect()
    }
}

fn index(field: &FieldDescriptor) -> &'static str {
    if field.is_list() { "[0]" } else { "" }
}

/// Returns all places of a request's fields, except for those that the table exempts and everything
/// below them.
fn places(
    method: &MethodDescriptor,
    rules: &BTreeMap<&str, Rule>,
    seen: &mut BTreeSet<String>,
) -> Vec<Place> {
    let mut found = Vec::new();
    walk(method.name(), &method.input(), &mut Vec::new(), rules, seen, &mut found);
    found
}

fn walk(
    path: &str,
    message: &MessageDescriptor,
    steps: &mut Vec<FieldDescriptor>,
    rules: &BTreeMap<&str, Rule>,
    seen: &mut BTreeSet<String>,
    found: &mut Vec<Place>,
) {
    for field in message.fields() {
        let rule = format!("{}.{}", message.name(), field.name());
        let is_free = matches!(rules.get(rule.as_str()), None | Some(Rule::Free(_)));
        seen.insert(rule.clone());
        let path = format!("{path}.{}", field.name());
        if is_free || IGNORED.iter().any(|(ignored, _)| *ignored == path) {
            continue;
        }
        found.push(Place { steps: steps.clone(), field: field.clone(), rule });
        // Times, durations and masks count as values.
        if let Kind::Message(inner) = field.kind()
            && !field.is_map()
            && inner.package_name() != "google.protobuf"
        {
            steps.push(field);
            walk(&path, &inner, steps, rules, seen, found);
            steps.pop();
        }
    }
}

/// Changes the message at the end of the steps; creates missing messages from samples.
fn change(
    message: &mut DynamicMessage,
    steps: &[FieldDescriptor],
    given: &Given,
    how: &dyn Fn(&mut DynamicMessage),
) {
    let [step, rest @ ..] = steps else { return how(message) };
    let value = message.get_field(step).into_owned();
    let held = match &value {
        Value::List(items) => items.first().and_then(Value::as_message).cloned(),
        value => value.as_message().filter(|_| message.has_field(step)).cloned(),
    };
    let mut inner = held.unwrap_or_else(|| {
        let Kind::Message(of) = step.kind() else { panic!("{} is no message", step.name()) };
        given.sample(&of)
    });
    change(&mut inner, rest, given, how);
    let inner = Value::Message(inner);
    let value = match value {
        Value::List(items) => Value::List([inner].into_iter().chain(items.into_iter().skip(1)).collect()),
        _ => inner,
    };
    message.set_field(step, value);
}

/// The outcome of a call: why it refused the request, or the first item that it refused.
#[derive(Debug)]
pub(crate) struct CallOutcome {
    /// `None` = OK.
    pub(crate) code: Option<Code>,
    pub(crate) reason: String,
    pub(crate) field: String,
    /// The message, which is text for people.
    pub(crate) message: String,
}

/// Compares without the message, on which nothing may depend.
impl PartialEq for CallOutcome {
    fn eq(&self, other: &Self) -> bool {
        (self.code, &self.reason, &self.field) == (other.code, &other.reason, &other.field)
    }
}

pub(crate) async fn answer(
    caller: &Caller,
    method: &MethodDescriptor,
    request: &DynamicMessage,
) -> CallOutcome {
    let mut messages = vec![Bytes::from(request.encode_to_vec())];
    if method.name() == "SubmitFrames" && request.has_field_by_name("batch") {
        let setup = json::message(&method.input(), &serde_json::json!({"setup": {}}));
        messages.insert(0, setup.encode_to_vec().into());
    }
    match caller.exchange(method, messages.clone(), messages.len()).await {
        Ok(responses) => {
            let response = responses.last().cloned().unwrap_or_default();
            let fault = item_error(method, response).unwrap_or_default();
            let reason = fault.reason().as_str_name().trim_start_matches("ERROR_REASON_").to_owned();
            assert_eq!(
                fault.metadata.get("field").map(String::as_str).unwrap_or_default(),
                fault.field,
                "the metadata names the field too"
            );
            CallOutcome { code: None, reason, field: fault.field, message: fault.message }
        }
        Err(Refused { code, reason, field, message }) => {
            CallOutcome { code: Some(code), reason, field, message }
        }
    }
}

/// Returns the error of the first refused item, if one was refused.
fn item_error(method: &MethodDescriptor, response: Bytes) -> Option<pb::ItemError> {
    use pb::submit_frames_response::Event;
    use pb::{ack_result, frame_result};
    let frame = |results: Vec<pb::FrameResult>| {
        results.into_iter().find_map(|result| match result.outcome? {
            frame_result::Outcome::Rejected(fault) => Some(fault),
            _ => None,
        })
    };
    let ack = |results: Vec<pb::AckResult>| {
        results.into_iter().find_map(|result| match result.outcome? {
            ack_result::Outcome::Refused(fault) => Some(fault),
            _ => None,
        })
    };
    match method.name() {
        "SubmitFrameBatch" => frame(pb::SubmitFrameBatchResponse::decode(response).ok()?.results),
        "SubmitFrames" => match pb::SubmitFramesResponse::decode(response).ok()?.event? {
            Event::BatchResult(result) => frame(result.results),
            _ => None,
        },
        // The three responses have the same shape.
        "AcknowledgeFrames" | "RejectFrames" | "ExtendAckDeadline" => {
            ack(pb::AcknowledgeFramesResponse::decode(response).ok()?.results)
        }
        _ => None,
    }
}

/// Returns the outcome that the contract requires for a bad value.
fn expected(place: &Place, bad: &Bad) -> CallOutcome {
    let at = bad.at.unwrap_or(place.field.name());
    let (code, parent) = match bad.in_item {
        true => (None, String::new()),
        false => (Some(table::code(bad.reason)), place.parent()),
    };
    let field = if bad.names_no_field { String::new() } else { format!("{parent}{at}") };
    let field = field.trim_end_matches('.').to_owned();
    CallOutcome { code, reason: bad.reason.to_owned(), field, message: String::new() }
}

/// Returns the code and the reason of a status.
pub(crate) fn refusal(status: &tonic::Status) -> (Code, String) {
    use tonic_types::StatusExt as _;
    let reason = status.get_details_error_info().map(|info| info.reason).unwrap_or_default();
    (status.code(), reason.trim_start_matches("ERROR_REASON_").to_owned())
}

/// Creates a stream, a group and a dead letter on a server.
pub(crate) async fn server_with(server: TestServer) -> (TestServer, Caller, Given) {
    server.register(&["cam-1"]).await;
    server.submit(vec![state::broken("cam-1")]).await;
    let streams =
        vec![pb::StreamMatch { selector: Some(pb::stream_match::Selector::Id("cam-1".to_owned())) }];
    let group =
        pb::ConsumerGroup { group_id: "group-1".to_owned(), streams: streams.clone(), ..Default::default() };
    let create = pb::CreateConsumerGroupRequest { group: Some(group) };
    server.groups().create_consumer_group(create).await.expect("makes a group");
    let dead_letter = common::eventually("the broken picture becomes a dead letter", async || {
        let page = server.dead_letters().list_dead_letters(pb::ListDeadLettersRequest::default()).await;
        Some(page.expect("lists").into_inner().dead_letters.first()?.dead_letter_id.clone())
    });
    let dead_letter = dead_letter.await;
    let selectors = vec![pb::StreamSelector { streams, ..Default::default() }];
    let request = pb::SubscribeFramesRequest { selectors, ..Default::default() };
    let mut events = server.streaming().subscribe_frames(request).await.expect("subscribes").into_inner();
    let first = events.message().await.expect("answers").and_then(|message| message.event);
    let Some(pb::subscribe_frames_response::Event::Checkpoint(checkpoint)) = first else {
        panic!("{first:?}")
    };
    let cursor = checkpoint.cursors.first().expect("a cursor").cursor.clone();
    let caller = Caller::new(server.channel());
    (server, caller, Given { dead_letter, cursor })
}

#[test]
fn every_field_of_every_request_has_a_rule_and_every_rule_a_field() {
    let (pool, rules) = (contract(), table::rules());
    let mut seen = BTreeSet::new();
    for method in methods(&pool) {
        places(&method, &rules, &mut seen);
    }
    let missing: Vec<_> = seen.iter().filter(|rule| !rules.contains_key(rule.as_str())).collect();
    assert!(missing.is_empty(), "fields without a rule in tests/contract/table: {missing:#?}");
    let unexplained = rules.iter().filter(|(_, rule)| matches!(rule, Rule::Free(why) if why.is_empty()));
    assert_eq!(unexplained.count(), 0, "fields are free without a reason");
    let unused: Vec<_> = rules.keys().filter(|rule| !seen.contains(**rule)).collect();
    assert!(unused.is_empty(), "rules of fields that no request has: {unused:#?}");
}

/// Adds the rule of every uint64, to be below 2^53, to the rules of a field.
fn with_common_rules(field: &FieldDescriptor, bad: &[Bad]) -> Vec<Bad> {
    let mut bad = bad.to_vec();
    if matches!(field.kind(), Kind::Uint64) {
        let above = serde_json::json!(table::ABOVE_53_BITS);
        let (value, at) = match field.is_list() {
            true => (serde_json::json!([above]), Some("sequences[0]")),
            false => (above, None),
        };
        bad.push(Bad { at, ..table::bad(value, "INVALID_FIELD") });
    }
    bad
}

async fn faults_of(
    pool: &DescriptorPool,
    caller: &Caller,
    given: &Given,
    rules: &BTreeMap<&str, Rule>,
) -> (usize, Vec<String>) {
    let (mut tried, mut faults) = (0, Vec::new());
    for method in methods(pool) {
        for place in places(&method, rules, &mut BTreeSet::new()) {
            let Some(Rule::Bad(bad)) = rules.get(place.rule.as_str()) else { continue };
            let path = format!("{}.{}{}", method.name(), place.parent(), place.field.name());
            let submits = SUBMITS.contains(&method.name());
            for bad in with_common_rules(&place.field, bad) {
                if !path.contains(bad.only) {
                    continue;
                }
                let mut request = given.request(&method);
                change(&mut request, &place.steps, given, &|message| {
                    json::merge(message, &bad.siblings);
                    match bad.value.as_ref().map(|value| given.fill(value)) {
                        None => message.clear_field(&place.field),
                        Some(value) => message.set_field(&place.field, json::value(&place.field, &value)),
                    }
                });
                let mut expected = expected(&place, &bad);
                // The size check of a raw picture has a reason of its own.
                if submits && place.rule.starts_with("Frame.") {
                    expected = CallOutcome {
                        code: None,
                        field: bad.at.unwrap_or(place.field.name()).to_owned(),
                        ..expected
                    };
                }
                let got = answer(caller, &method, &request).await;
                tried += 1;
                if got != expected {
                    let value = bad.value.as_ref().map(ToString::to_string).unwrap_or_default();
                    let value: String = value.chars().take(80).collect();
                    faults.push(format!("{path} = {value}:\n  expected {expected:?}\n  got      {got:?}"));
                }
            }
        }
    }
    (tried, faults)
}

#[tokio::test]
async fn a_value_outside_its_bounds_is_refused_by_its_path_in_every_rpc_and_changes_nothing() {
    let (pool, rules) = (contract(), table::rules());
    let (server, caller, given) = server_with(TestServer::start(|_| {}).await).await;
    let lists = state::LISTS.map(|name| method(&pool, name));
    let before = state::read(&lists, &caller).await;
    let (tried, faults) = faults_of(&pool, &caller, &given, &rules).await;
    assert!(faults.is_empty(), "{} of {tried}:\n{}", faults.len(), faults.join("\n"));
    assert!(tried > 1_000, "only {tried} values");
    let after = state::read(&lists, &caller).await;
    let changed = state::changes(&before, &after);
    assert!(changed.is_empty(), "{changed:?}");
    server.stop().await;
}

#[tokio::test]
async fn the_requests_are_valid_without_the_bad_values() {
    let (pool, rules) = (contract(), table::rules());
    let (server, caller, given) = server_with(TestServer::start(|_| {}).await).await;
    // Requests that would remove what others need come last.
    let last = ["UpdateStream", "DeleteConsumerGroup", "DiscardDeadLetters", "UnregisterStream"];
    let mut methods = methods(&pool);
    methods.sort_by_key(|method| last.iter().position(|name| *name == method.name()));
    for method in methods {
        for place in places(&method, &rules, &mut BTreeSet::new()) {
            let mut request = given.request(&method);
            change(&mut request, &place.steps, &given, &|_| {});
            let answer = answer(&caller, &method, &request).await;
            let path = format!("{}.{}", method.name(), place.parent());
            assert!(answer.code != Some(Code::InvalidArgument), "{path}: {answer:?}");
        }
    }
    server.stop().await;
}
