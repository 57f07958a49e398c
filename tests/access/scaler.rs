//! Which backlogs a caller may scale by.

use frameway::pb::externalscaler as keda;
use frameway::pb::externalscaler::external_scaler_client::ExternalScalerClient;
use frameway::pb::v1 as pb;
use tonic::Code;

use crate::access_file::Keys;
use crate::with_bearer;

#[tokio::test]
async fn a_caller_may_scale_by_the_groups_that_it_may_see_and_operators_by_all() {
    let keys = Keys::new(&[
        ("operator", &["operate"]),
        ("member", &["consume:own*"]),
        ("camera", &["publish:*", "read:*"]),
    ]);
    let server = keys.server().await;
    for group_id in ["own", "other"] {
        let streams =
            vec![pb::StreamMatch { selector: Some(pb::stream_match::Selector::Glob("*".to_owned())) }];
        let group = pb::ConsumerGroup { group_id: group_id.to_owned(), streams, ..Default::default() };
        let create = pb::CreateConsumerGroupRequest { group: Some(group) };
        let created = server.groups().create_consumer_group(with_bearer(keys.of("operator"), create)).await;
        created.expect("creates");
    }
    for (caller, group, may) in [
        ("operator", None, true),
        ("operator", Some("own"), true),
        ("operator", Some("other"), true),
        ("member", None, false),
        ("member", Some("own"), true),
        ("member", Some("other"), false),
        ("camera", None, false),
        ("camera", Some("own"), false),
    ] {
        let metadata = group.map(|group| ("group".to_owned(), group.to_owned()));
        let object =
            keda::ScaledObjectRef { scaler_metadata: metadata.into_iter().collect(), ..Default::default() };
        let values =
            keda::GetMetricsRequest { scaled_object_ref: Some(object.clone()), ..Default::default() };
        let key = keys.of(caller);
        let mut client = ExternalScalerClient::new(server.channel());
        for answer in [
            client.is_active(with_bearer(key, object.clone())).await.map(drop),
            client.stream_is_active(with_bearer(key, object.clone())).await.map(drop),
            client.get_metric_spec(with_bearer(key, object.clone())).await.map(drop),
            client.get_metrics(with_bearer(key, values.clone())).await.map(drop),
        ] {
            let code = answer.err().map(|status| status.code());
            let expected = (!may).then_some(Code::PermissionDenied);
            assert_eq!(code, expected, "{caller} and {group:?}");
        }
    }
    server.stop().await;
}
