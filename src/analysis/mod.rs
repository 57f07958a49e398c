//! Measures of decoded frames: planes in, numbers out. CPU only; no codecs, no I/O.
//!
//! [`still()`] measures one frame by itself, on any thread. A [`SceneModel`] compares the frames of one stream and must see
//! them in order. `docs/measures.md` has the formulas.

/// Version of the formulas: rises when a change of them changes numbers. `docs/measures.md` has those of each version; 0 stands
/// for frames that are not measured.
pub const MEASURES_VERSION: u32 = 1;

mod area;
mod background;
mod congestion;
mod light;
mod model;
mod morphology;
mod plane;
pub mod quality;
mod region;
mod small;
mod still;
mod sums;
#[cfg(test)]
mod tests;

pub use light::{chroma_strength, lighting, weather};
pub use model::SceneModel;
pub use plane::{ANALYSIS_LONGER_SIDE, AnalysisPlane, Samples, analysis_plane};
pub use region::Region;
pub use small::{SMALL_HEIGHT, SMALL_WIDTH, SmallPlane};
pub use still::{Still, still};
