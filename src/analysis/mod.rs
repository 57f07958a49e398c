//! Measures of decoded frames: planes in, numbers out. CPU only; no codecs, no I/O.

mod plane;
pub mod quality;

pub use plane::{ANALYSIS_LONGER_SIDE, AnalysisPlane, analysis_plane};
