//! The measures that need a stream's earlier frames, and all that is known of a frame only when its turn has come.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Instant;

use crate::analysis::{SceneModel, Still};
use crate::domain::{OutputBody, Stage, StageTiming, StreamId, StreamRecord, Timestamp};
use crate::queue::Finished;

/// Most streams of a partition that are remembered, at 58 kB each.
const MAX_SCENES: usize = 1_024;

/// What a frame brings to its turn.
#[derive(Debug)]
pub(super) struct Observed {
    /// `None` if its picture was not read.
    pub(super) still: Option<Still>,
    pub(super) stream: Arc<StreamRecord>,
    /// When its picture was worked out.
    pub(super) since: Instant,
}

/// The scenes of a partition's streams. They go with the lease: the next holder learns anew, and frames say so
/// (`model_frames`).
#[derive(Debug, Default)]
pub(super) struct Scenes {
    models: HashMap<StreamId, Scene>,
    turn: u64,
}

#[derive(Debug, Default)]
struct Scene {
    model: Option<SceneModel>,
    last_turn: u64,
}

impl Scenes {
    /// Completes a frame whose turn has come. It takes what the frame brings: no frame is learnt twice.
    pub(super) fn complete(&mut self, finished: &mut Finished, observed: &mut Option<Observed>) {
        let Some(Observed { still, stream, since }) = observed.take() else { return };
        let OutputBody::Frame(frame) = &mut finished.body else { return };
        frame.stages.push(StageTiming { stage: Stage::OrderWait, duration: since.elapsed() });
        if let Some(still) = still {
            let scene = self.scene(&finished.stream_id);
            let (measures, rois) = SceneModel::observe(&mut scene.model, still);
            (frame.scene, frame.rois) = (Some(measures), rois);
        }
        frame.process_time = Timestamp::now();
        frame.validation_failures = stream.effective.validation.failures(frame, finished.receive_time);
    }

    fn scene(&mut self, stream: &StreamId) -> &mut Scene {
        if self.models.len() >= MAX_SCENES && !self.models.contains_key(stream) {
            let oldest = self.models.iter().min_by_key(|(_, scene)| scene.last_turn);
            if let Some(oldest) = oldest.map(|(stream, _)| stream.clone()) {
                self.models.remove(&oldest);
            }
        }
        self.turn += 1;
        let scene = self.models.entry(stream.clone()).or_default();
        scene.last_turn = self.turn;
        scene
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_stream_that_was_longest_unused_is_forgotten() {
        let name = |index: usize| -> StreamId { format!("cam-{index}").parse().unwrap() };
        let mut scenes = Scenes::default();
        for index in 0..MAX_SCENES {
            scenes.scene(&name(index));
        }
        scenes.scene(&name(0));
        scenes.scene(&name(MAX_SCENES));
        assert_eq!(scenes.models.len(), MAX_SCENES);
        assert!(scenes.models.contains_key(&name(0)) && !scenes.models.contains_key(&name(1)));
    }
}
