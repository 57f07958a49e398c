//! The external scaler, called as KEDA calls it: with messages of our own, so that a changed name or
//! number of a field is found.

use std::collections::HashMap;
use std::time::Duration;

use frameway::app;
use frameway::config::{Backend, Config, RedisSettings, Role};
use frameway::pb::v1 as pb;
use frameway::shutdown::Tasks;
use prost::Message;
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;
use tonic::codegen::http::uri::PathAndQuery;
use tonic::{Code, Request, Status, Streaming};
use tonic_prost::ProstCodec;

use crate::common::eventually;
use crate::common::redis::RedisServer;
use crate::server::{PATIENCE, TestServer, frame};
use crate::{pause_all, reason, resume_all};

#[derive(Clone, PartialEq, Message)]
struct ScaledObjectRef {
    #[prost(string, tag = "1")]
    name: String,
    #[prost(string, tag = "2")]
    namespace: String,
    #[prost(map = "string, string", tag = "3")]
    scaler_metadata: HashMap<String, String>,
    /// A field that a later version of KEDA might add.
    #[prost(string, tag = "99")]
    unknown: String,
}

#[derive(Clone, PartialEq, Message)]
struct IsActiveResponse {
    #[prost(bool, tag = "1")]
    result: bool,
}

#[derive(Clone, PartialEq, Message)]
struct MetricSpec {
    #[prost(string, tag = "1")]
    metric_name: String,
    #[prost(int64, tag = "2")]
    target_size: i64,
    #[prost(double, tag = "3")]
    target_size_float: f64,
}

#[derive(Clone, PartialEq, Message)]
struct GetMetricSpecResponse {
    #[prost(message, repeated, tag = "1")]
    metric_specs: Vec<MetricSpec>,
}

#[derive(Clone, PartialEq, Message)]
struct GetMetricsRequest {
    #[prost(message, optional, tag = "1")]
    scaled_object_ref: Option<ScaledObjectRef>,
    #[prost(string, tag = "2")]
    metric_name: String,
}

#[derive(Clone, PartialEq, Message)]
struct MetricValue {
    #[prost(string, tag = "1")]
    metric_name: String,
    #[prost(int64, tag = "2")]
    metric_value: i64,
    #[prost(double, tag = "3")]
    metric_value_float: f64,
}

#[derive(Clone, PartialEq, Message)]
struct GetMetricsResponse {
    #[prost(message, repeated, tag = "1")]
    metric_values: Vec<MetricValue>,
}

/// An operator that scales one object.
struct Operator<'a> {
    server: &'a TestServer,
    object: ScaledObjectRef,
}

impl<'a> Operator<'a> {
    fn new(server: &'a TestServer, metadata: &[(&str, &str)]) -> Self {
        let always = [("scalerAddress", "frameway.default:7400")];
        let pairs = always.iter().chain(metadata);
        let scaler_metadata = pairs.map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect();
        let object = ScaledObjectRef {
            name: "detectors".to_owned(),
            namespace: "city".to_owned(),
            scaler_metadata,
            unknown: "from the future".to_owned(),
        };
        Self { server, object }
    }

    async fn call<T, U>(&self, method: &str, message: T) -> Result<U, Status>
    where
        T: Message + Default + 'static,
        U: Message + Default + 'static,
    {
        let mut grpc = tonic::client::Grpc::new(self.server.channel());
        grpc.ready().await.expect("is ready");
        let path =
            PathAndQuery::try_from(format!("/externalscaler.ExternalScaler/{method}")).expect("a path");
        let codec = ProstCodec::<T, U>::default();
        Ok(grpc.unary(Request::new(message), path, codec).await?.into_inner())
    }

    async fn is_active(&self) -> Result<bool, Status> {
        let answer: IsActiveResponse = self.call("IsActive", self.object.clone()).await?;
        Ok(answer.result)
    }

    async fn specs(&self) -> Result<Vec<MetricSpec>, Status> {
        let answer: GetMetricSpecResponse = self.call("GetMetricSpec", self.object.clone()).await?;
        Ok(answer.metric_specs)
    }

    async fn values(&self, metric_name: &str) -> Result<Vec<MetricValue>, Status> {
        let metric_name = metric_name.to_owned();
        let request = GetMetricsRequest { scaled_object_ref: Some(self.object.clone()), metric_name };
        let answer: GetMetricsResponse = self.call("GetMetrics", request).await?;
        Ok(answer.metric_values)
    }

    async fn watch(&self) -> Result<Streaming<IsActiveResponse>, Status> {
        let mut grpc = tonic::client::Grpc::new(self.server.channel());
        grpc.ready().await.expect("is ready");
        let path = PathAndQuery::from_static("/externalscaler.ExternalScaler/StreamIsActive");
        let codec = ProstCodec::<ScaledObjectRef, IsActiveResponse>::default();
        Ok(grpc.server_streaming(Request::new(self.object.clone()), path, codec).await?.into_inner())
    }
}

/// Returns the next answer of StreamIsActive.
async fn told(stream: &mut Streaming<IsActiveResponse>) -> Result<bool, Status> {
    let next = timeout(PATIENCE, stream.message()).await.expect("in time")?;
    Ok(next.expect("it ends with a status").result)
}

async fn create_group(server: &TestServer, group_id: &str) {
    let streams = vec![pb::StreamMatch { selector: Some(pb::stream_match::Selector::Glob("*".to_owned())) }];
    let group = pb::ConsumerGroup { group_id: group_id.to_owned(), streams, ..Default::default() };
    let create = pb::CreateConsumerGroupRequest { group: Some(group) };
    server.groups().create_consumer_group(create).await.expect("creates");
}

#[tokio::test]
async fn one_frame_wakes_workers_from_zero_and_a_finished_one_lets_them_sleep() {
    let redis = RedisServer::start();
    let backend = Backend::Redis(RedisSettings::new(redis.url()));
    let server = TestServer::start(|config| {
        config.server.role = Role::Api;
        config.queue.backend = backend.clone();
    })
    .await;
    server.register(&["cam"]).await;
    let operator = Operator::new(&server, &[("targetFrames", "2.5"), ("targetSeconds", "10")]);
    assert!(!operator.is_active().await.expect("answers"));
    let mut active = operator.watch().await.expect("opens");
    assert!(!told(&mut active).await.expect("answers"));

    server.submit(vec![frame("cam", 1)]).await;
    assert!(told(&mut active).await.expect("answers"), "one frame is enough");
    server.submit(vec![frame("cam", 2), frame("cam", 3)]).await;
    let values = eventually("three frames wait", async || {
        let values = operator.values("").await.expect("answers");
        (values[0].metric_value == 3).then_some(values)
    })
    .await;
    assert_eq!(values[0].metric_name, "frameway-queue-frames");
    assert_eq!(values[0].metric_value_float, 3.0);
    assert_eq!(values[1].metric_name, "frameway-queue-seconds");
    assert!(values[1].metric_value_float > 0.0 && values[1].metric_value >= 1, "{values:?}");
    let specs = operator.specs().await.expect("answers");
    assert_eq!((specs[0].target_size, specs[0].target_size_float), (3, 2.5));
    assert_eq!((specs[1].target_size, specs[1].target_size_float), (10, 10.0));

    // Workers would not take the frames of a paused queue.
    pause_all(&server).await;
    assert!(!told(&mut active).await.expect("answers"));
    resume_all(&server).await;
    assert!(told(&mut active).await.expect("answers"));

    let mut config = Config::default();
    config.server.role = Role::Worker;
    config.queue.backend = backend;
    config.worker.worker_threads = Some(1);
    let stop = CancellationToken::new();
    let worker = Tasks::new().spawn("worker under test", app::run_worker(config, stop.clone()));
    assert!(!told(&mut active).await.expect("answers"));
    let values = operator.values("frameway-queue-seconds").await.expect("answers");
    assert_eq!((values.len(), values[0].metric_value_float), (1, 0.0));
    stop.cancel();
    timeout(PATIENCE, worker).await.expect("ends").expect("no panic").expect("ends well");
    drop(active);
    server.stop().await;
}

#[tokio::test]
async fn a_group_is_scaled_by_its_lag_until_it_is_deleted() {
    let server = TestServer::start(|_| {}).await;
    server.register(&["cam"]).await;
    create_group(&server, "site").await;
    let operator = Operator::new(&server, &[("group", "site"), ("activationFrames", "1")]);
    let mut active = operator.watch().await.expect("opens");
    assert!(!told(&mut active).await.expect("answers"));
    server.submit(vec![frame("cam", 1), frame("cam", 2)]).await;
    assert!(told(&mut active).await.expect("answers"));
    assert!(operator.is_active().await.expect("answers"));
    let values = operator.values("frameway-group-frames").await.expect("answers");
    assert_eq!((values.len(), values[0].metric_value), (1, 2));
    let by_age = Operator::new(&server, &[("group", "site"), ("targetSeconds", "1")]);
    let before = by_age.values("").await.expect("answers")[0].metric_value_float;
    eventually("the oldest frame grows older", async || {
        let age = by_age.values("").await.expect("answers")[0].metric_value_float;
        (before > 0.0 && age > before + 0.1).then_some(())
    })
    .await;

    let delete = pb::DeleteConsumerGroupRequest { group_id: "site".to_owned(), ..Default::default() };
    server.groups().delete_consumer_group(delete).await.expect("deletes");
    let end = loop {
        if let Err(end) = told(&mut active).await {
            break end;
        }
    };
    assert_eq!((end.code(), reason(&end).as_str()), (Code::NotFound, "ERROR_REASON_GROUP_NOT_FOUND"));
    let refused = operator.is_active().await.expect_err("there is no group");
    assert_eq!(refused.code(), Code::NotFound);
    assert_eq!(operator.watch().await.expect_err("there is no group").code(), Code::NotFound);
    server.stop().await;
}

#[tokio::test]
async fn a_wrong_trigger_is_refused_and_a_drain_ends_the_stream() {
    let server = TestServer::start(|_| {}).await;
    for (key, value) in [("targetFrame", "5"), ("targetSeconds", "0"), ("group", "a b")] {
        let operator = Operator::new(&server, &[(key, value)]);
        for refused in [
            operator.is_active().await.map(drop),
            operator.specs().await.map(drop),
            operator.values("").await.map(drop),
            operator.watch().await.map(drop),
        ] {
            let refused = refused.expect_err(key);
            assert_eq!(refused.code(), Code::InvalidArgument);
            assert!(refused.message().contains(key), "{refused:?}");
        }
    }
    let operator = Operator::new(&server, &[]);
    let refused = operator.values("frameway-group-frames").await.expect_err("of another trigger");
    assert_eq!(refused.code(), Code::InvalidArgument);
    let mut active = operator.watch().await.expect("opens");
    assert!(!told(&mut active).await.expect("answers"));
    server.begin_to_stop();
    let end = told(&mut active).await.expect_err("draining");
    assert_eq!((end.code(), reason(&end).as_str()), (Code::Unavailable, "ERROR_REASON_DRAINING"));
    server.stop().await;
}

#[tokio::test]
async fn a_connection_that_is_too_old_ends_the_stream() {
    let server = TestServer::start(|config| {
        config.server.max_connection_age = Some(Duration::from_secs(1));
        config.server.max_connection_age_grace = Duration::from_millis(100);
    })
    .await;
    let operator = Operator::new(&server, &[]);
    let mut active = operator.watch().await.expect("opens");
    assert!(!told(&mut active).await.expect("answers"));
    let end = told(&mut active).await.expect_err("draining");
    assert_eq!((end.code(), reason(&end).as_str()), (Code::Unavailable, "ERROR_REASON_DRAINING"));
    server.stop().await;
}
