//! A short run of the pipeline, for `frameway plan --measure`.

use std::time::Duration;

use super::load::Load;
use super::{CommonArgs, failed, machine, mean_bytes};
use crate::cli::Reencode;
use crate::console::{Failure, SecurityArgs};
use crate::pb::v1 as pb;

/// The number of cameras of the run, and the frames of all cameras that are sent and not yet
/// delivered: those of `frameway-bench pipeline`.
const CAMERAS: usize = 4;
const IN_FLIGHT: usize = 32;

/// The processor time of a frame on this machine.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Quick {
    /// The processor time of server, worker, Redis, cameras and subscriber, in milliseconds.
    pub(crate) cpu_ms_per_frame: f64,
    /// The frames per second of all cores.
    pub(crate) fps: f64,
    /// The mean size of the submitted pictures.
    pub(crate) submitted_bytes: u64,
    /// The mean size of the processed pictures.
    pub(crate) processed_bytes: u64,
    /// The duration of the measurement.
    pub(crate) seconds: f64,
}

/// Measures with the pictures of `source`, or with drawn ones, and with the queue in a Redis, if one
/// is given. Starts `frameway serve`, which must be in the folder of this program, and ends it.
pub(crate) async fn measure(
    source: Option<String>,
    redis_url: Option<String>,
    reencode: Reencode,
    seconds: u32,
) -> Result<Quick, Failure> {
    let common = CommonArgs {
        source,
        redis_url,
        tls_cert: None,
        tls_key: None,
        access_file: None,
        server_config: None,
        seconds,
        width: 1920,
        height: 1080,
        json: false,
        security: SecurityArgs::default(),
    };
    let pictures = common.pictures().await?;
    let load = Load {
        cameras: CAMERAS,
        pictures: pictures.clone(),
        fps: None,
        in_flight: IN_FLIGHT,
        seconds: Duration::from_secs(seconds.into()),
        output: pb::OutputPolicy { reencode_mode: reencode.to_pb().into(), ..Default::default() },
    };
    let measured = load.run(&common, None).await?;
    measured.check()?;
    if measured.frames == 0 {
        return Err(failed(format!("no frame was delivered in {seconds} s: give --seconds more")));
    }
    let frames = measured.frames;
    Ok(Quick {
        cpu_ms_per_frame: measured.cpu_ms_per_frame(),
        fps: measured.fps(),
        submitted_bytes: mean_bytes(&pictures) as u64,
        processed_bytes: measured.delivered_bytes / frames,
        seconds: measured.seconds,
    })
}

/// Returns the number of cores that programs may use.
pub(crate) fn cores() -> usize {
    machine::cores()
}
