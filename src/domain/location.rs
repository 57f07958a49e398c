/// Where a camera stands.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Location {
    /// Degrees north, -90..=90.
    pub latitude: f64,
    /// Degrees east, -180..=180.
    pub longitude: f64,
    /// Meters above the ellipsoid.
    pub altitude: Option<f64>,
    /// Degrees clockwise from north that it looks, 0..360.
    pub heading: Option<f64>,
}
