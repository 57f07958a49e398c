//! Refreshes the records of streams whose frames do not arrive.

use std::time::Duration;

use tokio::time::sleep;
use tokio_util::sync::CancellationToken;

use crate::hub::Hub;
use crate::hub::streams::records;

/// The interval between checks of the streams that should have had a frame by now.
const TICK: Duration = Duration::from_millis(500);
/// The number of ticks after which streams without frames are looked at, too: their frames may wait
/// where no worker runs.
const QUIET_TICKS: u32 = 10;

/// Refreshes the records of streams whose frames do not arrive, while there is a watch. A read that
/// fails is repeated at the next tick.
pub(in crate::hub) async fn run(hub: &Hub, stop: &CancellationToken) {
    let mut ticks = 0_u32;
    loop {
        let joined = hub.directory.joined.notified();
        if !hub.directory.is_active() {
            tokio::select! {
                () = stop.cancelled() => return,
                () = joined => continue,
            }
        }
        tokio::select! {
            () = stop.cancelled() => return,
            () = sleep(TICK) => {}
        }
        ticks = ticks.wrapping_add(1);
        let ids = hub.directory.overdue(ticks.is_multiple_of(QUIET_TICKS));
        if ids.is_empty() {
            continue;
        }
        match records(&*hub.queue, &ids).await {
            Ok(records) => hub.directory.refresh(&records),
            Err(error) => tracing::debug!(%error, "cannot refresh stream records"),
        }
    }
}
