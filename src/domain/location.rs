use std::ops::RangeBounds;

use super::ValidationError;

/// The location of a camera.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Location {
    /// Latitude in degrees north, -90..=90.
    pub latitude: f64,
    /// Longitude in degrees east, -180..=180.
    pub longitude: f64,
    /// Altitude in meters above the ellipsoid.
    pub altitude: Option<f64>,
    /// The direction of view in degrees clockwise from north, 0..360.
    pub heading: Option<f64>,
}

/// The allowed altitudes in meters: from below the Dead Sea to the edge of space.
const ALTITUDES: std::ops::RangeInclusive<f64> = -1_000.0..=100_000.0;

impl Location {
    /// Checks a location that a client sent. Errors name the fields as the contract does.
    ///
    /// # Errors
    /// Fails if only one of latitude and longitude is set, or a number is out of its bounds or not
    /// finite.
    pub fn new(
        latitude: Option<f64>,
        longitude: Option<f64>,
        altitude: Option<f64>,
        heading: Option<f64>,
    ) -> Result<Self, ValidationError> {
        let latitude = required("latitude_degrees", latitude)?;
        let longitude = required("longitude_degrees", longitude)?;
        within("latitude_degrees", Some(latitude), -90.0..=90.0, "must be from -90 to 90")?;
        within("longitude_degrees", Some(longitude), -180.0..=180.0, "must be from -180 to 180")?;
        within("altitude_meters", altitude, ALTITUDES, "must be from -1,000 to 100,000")?;
        within("heading_degrees", heading, 0.0..360.0, "must be from 0 to below 360")?;
        Ok(Self { latitude, longitude, altitude, heading })
    }
}

fn required(field: &str, degrees: Option<f64>) -> Result<f64, ValidationError> {
    degrees.ok_or_else(|| {
        ValidationError::new(field, "must be set: latitude and longitude are required together")
    })
}

fn within(
    field: &str,
    value: Option<f64>,
    bounds: impl RangeBounds<f64>,
    rule: &str,
) -> Result<(), ValidationError> {
    match value {
        Some(value) if !bounds.contains(&value) => Err(ValidationError::new(field, rule)),
        Some(_) | None => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_missing_coordinate_is_refused_by_its_field() {
        let refused = |latitude, longitude, altitude| {
            Location::new(latitude, longitude, altitude, None).map_err(|error| error.field)
        };
        let missing = |field: &str| Err(field.to_owned());
        assert_eq!(refused(Some(1.0), None, None), missing("longitude_degrees"));
        assert_eq!(refused(None, Some(1.0), None), missing("latitude_degrees"));
        assert_eq!(refused(None, None, Some(7.0)), missing("latitude_degrees"));
        assert!(refused(Some(0.0), Some(0.0), None).is_ok(), "zero is a place");
    }

    #[test]
    fn numbers_that_are_out_of_bounds_or_not_finite_are_refused() {
        let place = |at: [f64; 4]| Location::new(Some(at[0]), Some(at[1]), Some(at[2]), Some(at[3]));
        assert!(place([-90.0, -180.0, -1_000.0, 0.0]).is_ok());
        assert!(place([90.0, 180.0, 100_000.0, 359.9]).is_ok());
        let fields = ["latitude_degrees", "longitude_degrees", "altitude_meters", "heading_degrees"];
        let outside = [[-90.1, 90.1], [-180.1, 180.1], [-1_000.1, 100_000.1], [-0.1, 360.0]];
        for (index, (field, values)) in fields.iter().zip(outside).enumerate() {
            for bad in values.into_iter().chain([f64::NAN, f64::INFINITY]) {
                let mut at = [0.0; 4];
                at[index] = bad;
                assert_eq!(place(at).map_err(|error| error.field), Err((*field).to_owned()), "{bad}");
            }
        }
    }
}
