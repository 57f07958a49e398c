use super::{Polygon, RoiId};

/// The kind of a region of interest.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum RoiKind {
    /// The operator did not state the kind.
    #[default]
    Unspecified,
    /// Road surface.
    Road,
    /// One lane.
    Lane,
    /// A pedestrian crossing.
    Crossing,
    /// Parking space.
    Parking,
    /// Anything else.
    Other,
}

impl RoiKind {
    /// Reports whether the foreground ratio of the whole picture is computed over regions of this
    /// kind.
    #[must_use]
    pub fn is_road(self) -> bool {
        matches!(self, Self::Road | Self::Lane)
    }
}

/// A region of interest, which has measures of its own.
#[derive(Debug, Clone, PartialEq)]
pub struct Roi {
    /// The name of the region within its stream.
    pub id: RoiId,
    /// The kind of the region.
    pub kind: RoiKind,
    /// The outline of the region.
    pub polygon: Polygon,
}
