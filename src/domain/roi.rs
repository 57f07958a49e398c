use super::{Polygon, RoiId};

/// What a region shows.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum RoiKind {
    /// Not stated.
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
    /// Whether the density of the whole picture is taken over regions of this kind.
    #[must_use]
    pub fn is_road(self) -> bool {
        matches!(self, Self::Road | Self::Lane)
    }
}

/// A region of interest: it gets measures of its own.
#[derive(Debug, Clone, PartialEq)]
pub struct Roi {
    /// Its name within its stream.
    pub id: RoiId,
    /// What it shows.
    pub kind: RoiKind,
    /// Its outline.
    pub polygon: Polygon,
}
