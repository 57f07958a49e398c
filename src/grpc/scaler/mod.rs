//! The external scaler of KEDA: how much work there is for workers, or for the members of a group.
//!
//! KEDA asks the methods from time to time, and keeps StreamIsActive open: it wakes replicas from
//! zero within a second of the first frame.

mod backlog;
mod trigger;

use std::collections::BTreeMap;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use async_stream::try_stream;
use futures::Stream;
use tokio::sync::Semaphore;
use tokio::time::{MissedTickBehavior, interval};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tonic::{Request, Response, Status};

use super::connection_end::ConnectionEnd;
use super::fault::{Fault, Result};
use super::permissions;
use super::status::SOON;
use crate::access::Caller;
use crate::pb::externalscaler as keda;
use crate::pb::externalscaler::external_scaler_server::ExternalScaler;
use crate::pb::v1::ErrorReason;
use backlog::{Backlog, Backlogs};
use trigger::{Measure, Source, Trigger};

type Reply<T> = std::result::Result<Response<T>, Status>;

/// The time between two looks at the backlog of an open StreamIsActive.
const LOOK_EVERY: Duration = Duration::from_secs(1);
/// The maximum number of open StreamIsActive calls: one for each ScaledObject is enough.
const MAX_STREAMS: usize = 256;

/// The handlers of ExternalScaler.
#[derive(Debug)]
pub(crate) struct ScalerHandlers {
    backlogs: Arc<Backlogs>,
    places: Arc<Semaphore>,
    /// The calls that a drain waits for.
    calls: TaskTracker,
    draining: CancellationToken,
}

impl ScalerHandlers {
    pub(crate) fn new(
        queue: Arc<dyn crate::queue::Queue>,
        consumers: Arc<crate::hub::Consumers>,
        calls: TaskTracker,
        draining: CancellationToken,
    ) -> Self {
        let backlogs = Arc::new(Backlogs::new(queue, consumers));
        Self { backlogs, places: Arc::new(Semaphore::new(MAX_STREAMS)), calls, draining }
    }

    async fn metrics(&self, trigger: &Trigger, name: &str) -> Result<keda::GetMetricsResponse> {
        let measures = trigger.measures(name)?;
        let backlog = self.backlogs.of(&trigger.source).await?;
        let value = |measure| {
            let value = match measure {
                Measure::Frames => backlog.frames as f64,
                Measure::Seconds => backlog.age().as_secs_f64(),
            };
            keda::MetricValue {
                metric_name: trigger.name(measure).to_owned(),
                metric_value: value.ceil() as i64,
                metric_value_float: value,
            }
        };
        Ok(keda::GetMetricsResponse { metric_values: measures.into_iter().map(value).collect() })
    }
}

/// Reads the trigger of a call, and checks that the caller may see what it measures.
fn trigger_of(caller: &Caller, metadata: &BTreeMap<String, String>) -> Result<Trigger> {
    let trigger = Trigger::parse(metadata)?;
    match &trigger.source {
        Source::WorkQueue => permissions::check_operate(caller)?,
        Source::Group(group) => permissions::check_see_group(caller, group)?,
    }
    Ok(trigger)
}

impl Trigger {
    fn is_active(&self, backlog: &Backlog) -> bool {
        backlog.frames > self.activation_frames
    }
}

#[tonic::async_trait]
impl ExternalScaler for ScalerHandlers {
    async fn is_active(&self, request: Request<keda::ScaledObjectRef>) -> Reply<keda::IsActiveResponse> {
        let trigger = trigger_of(&permissions::caller(&request), &request.get_ref().scaler_metadata)?;
        let result = trigger.is_active(&self.backlogs.of(&trigger.source).await?);
        Ok(Response::new(keda::IsActiveResponse { result }))
    }

    type StreamIsActiveStream =
        Pin<Box<dyn Stream<Item = std::result::Result<keda::IsActiveResponse, Status>> + Send>>;

    async fn stream_is_active(
        &self,
        request: Request<keda::ScaledObjectRef>,
    ) -> Reply<Self::StreamIsActiveStream> {
        if self.draining.is_cancelled() {
            return Err(Fault::draining().into());
        }
        let (call, end) = (self.calls.token(), ConnectionEnd::of(&request));
        let trigger = trigger_of(&permissions::caller(&request), &request.get_ref().scaler_metadata)?;
        let Ok(place) = Arc::clone(&self.places).try_acquire_owned() else {
            let message = format!("{MAX_STREAMS} calls of StreamIsActive are open; no more are accepted");
            return Err(Fault::new(ErrorReason::TooManySubscriptions, message)
                .fact("limit", MAX_STREAMS)
                .retry_in(SOON)
                .into());
        };
        // A group that does not exist is an error at once.
        let first = self.backlogs.of(&trigger.source).await?;
        let (backlogs, draining) = (Arc::clone(&self.backlogs), self.draining.clone());
        Ok(Response::new(Box::pin(try_stream! {
            let _held = (call, place);
            let mut told = trigger.is_active(&first);
            yield keda::IsActiveResponse { result: told };
            let mut looks = interval(LOOK_EVERY);
            looks.set_missed_tick_behavior(MissedTickBehavior::Delay);
            loop {
                let look = async {
                    looks.tick().await;
                    backlogs.of(&trigger.source).await
                };
                let found = tokio::select! {
                    found = look => found,
                    () = end.any().cancelled() => Err(Fault::draining()),
                    () = draining.cancelled() => Err(Fault::draining()),
                };
                let result = match found {
                    Ok(backlog) => trigger.is_active(&backlog),
                    // The store does not answer: nothing is known, and the last answer stays.
                    Err(fault) if fault.reason == ErrorReason::BackendUnavailable => continue,
                    Err(fault) => Err(fault)?,
                };
                if result != told {
                    told = result;
                    yield keda::IsActiveResponse { result };
                }
            }
        })))
    }

    async fn get_metric_spec(
        &self,
        request: Request<keda::ScaledObjectRef>,
    ) -> Reply<keda::GetMetricSpecResponse> {
        let trigger = trigger_of(&permissions::caller(&request), &request.get_ref().scaler_metadata)?;
        let spec = |(measure, target): &(Measure, f64)| keda::MetricSpec {
            metric_name: trigger.name(*measure).to_owned(),
            target_size: target.ceil() as i64,
            target_size_float: *target,
        };
        let metric_specs = trigger.targets.iter().map(spec).collect();
        Ok(Response::new(keda::GetMetricSpecResponse { metric_specs }))
    }

    async fn get_metrics(
        &self,
        request: Request<keda::GetMetricsRequest>,
    ) -> Reply<keda::GetMetricsResponse> {
        let caller = permissions::caller(&request);
        let keda::GetMetricsRequest { scaled_object_ref, metric_name } = request.into_inner();
        let metadata = scaled_object_ref.unwrap_or_default().scaler_metadata;
        let trigger = trigger_of(&caller, &metadata).map_err(|fault| match fault.field.is_empty() {
            true => fault,
            false => fault.within("scaledObjectRef"),
        })?;
        Ok(Response::new(self.metrics(&trigger, &metric_name).await?))
    }
}
