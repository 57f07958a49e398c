//! Keeps what is learnt from a stream's earlier frames, and makes the measures that need it, right
//! before a frame is published.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Instant;

use crate::analysis::{FrameMeasures, SceneModel};
use crate::domain::{OutputBody, Stage, StageTiming, StreamId, StreamRecord, Timestamp};
use crate::picture::HuffmanCodes;
use crate::queue::Finished;

/// The maximum number of streams of a partition that are remembered, at 59 kB each.
const MAX_SCENES: usize = 1_024;

/// The input of the measures that are made right before a frame is published.
#[derive(Debug)]
pub(super) struct Observed {
    /// The measures of its picture; `None` if it was not read.
    pub(super) measures: Option<FrameMeasures>,
    /// Huffman codes for the next frames of the stream, if they were made.
    pub(super) codes: Option<HuffmanCodes>,
    pub(super) stream: Arc<StreamRecord>,
    /// The time at which its picture was processed.
    pub(super) since: Instant,
}

/// The scenes of a partition's streams. They end with the lease, and the next holder learns them
/// again: each frame reports how many frames its model has learnt from (`model_frames`).
#[derive(Debug, Default)]
pub(super) struct Scenes {
    models: HashMap<StreamId, Scene>,
    ticket: u64,
}

#[derive(Debug, Default)]
struct Scene {
    model: Option<SceneModel>,
    /// The Huffman codes that fit the newest frame for which some were made.
    codes: Option<Arc<HuffmanCodes>>,
    last_ticket: u64,
}

impl Scenes {
    /// Completes a frame that is about to be published. Takes what was observed, so that no frame
    /// is learnt twice.
    pub(super) fn complete(&mut self, finished: &mut Finished, observed: &mut Option<Observed>) {
        let Some(Observed { measures, codes, stream, since }) = observed.take() else { return };
        let OutputBody::Frame(frame) = &mut finished.body else { return };
        frame.stages.push(StageTiming { stage: Stage::OrderWait, duration: since.elapsed() });
        if let Some(measures) = measures {
            let scene = self.scene(&finished.stream_id);
            let (in_scene, rois) = SceneModel::observe(&mut scene.model, measures);
            (frame.scene, frame.rois) = (Some(in_scene), rois);
        }
        if let Some(codes) = codes {
            self.scene(&finished.stream_id).codes = Some(Arc::new(codes));
        }
        frame.process_time = Timestamp::now();
        frame.validation_failures = stream.effective.validation.failures(frame, finished.receive_time);
    }

    /// Returns the Huffman codes for a frame of the stream: those that fit the newest frame that is
    /// complete. `None` at first.
    pub(super) fn codes(&self, stream: &StreamId) -> Option<Arc<HuffmanCodes>> {
        self.models.get(stream)?.codes.clone()
    }

    fn scene(&mut self, stream: &StreamId) -> &mut Scene {
        if self.models.len() >= MAX_SCENES && !self.models.contains_key(stream) {
            let oldest = self.models.iter().min_by_key(|(_, scene)| scene.last_ticket);
            if let Some(oldest) = oldest.map(|(stream, _)| stream.clone()) {
                self.models.remove(&oldest);
            }
        }
        self.ticket += 1;
        let scene = self.models.entry(stream.clone()).or_default();
        scene.last_ticket = self.ticket;
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
