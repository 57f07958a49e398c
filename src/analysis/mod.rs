//! Measures decoded frames: planes in, numbers out. CPU only; no codecs, no I/O.
//!
//! [`measure_frame()`] measures a single frame, on any thread. A [`SceneModel`] compares the frames
//! of one stream and must receive them in order. `docs/measures.md` contains the formulas.

/// The version of the formulas, which rises when a change alters results. `docs/measures.md` lists
/// the formulas of each version; 0 stands for frames that are not measured.
pub const MEASURES_VERSION: u32 = 1;

mod area;
mod background;
mod congestion;
mod frame;
mod light;
mod model;
mod morphology;
mod plane;
pub mod quality;
mod region;
mod small;
mod sums;
#[cfg(test)]
mod tests;

pub use frame::{FrameMeasures, measure_frame, measure_plane};
pub use light::{chroma_strength, lighting, weather};
pub use model::SceneModel;
pub use plane::{ANALYSIS_LONGER_SIDE, AnalysisPlane, Samples, analysis_plane, analysis_size};
pub use region::Region;
pub use small::{SMALL_HEIGHT, SMALL_WIDTH, SmallPlane};
