use crate::domain::limits::MAX_POLYGON_POINTS;
use crate::domain::{NormalizedPoint, Polygon};
use crate::grpc::fault::{Fault, Result};
use crate::pb::v1 as pb;

/// Reads a polygon; a fault names `polygon`, or the coordinate that is out of range.
pub(crate) fn from_pb(points: Vec<pb::NormalizedPoint>) -> Result<Polygon> {
    if points.len() > MAX_POLYGON_POINTS {
        return Err(Fault::too_many("polygon", MAX_POLYGON_POINTS));
    }
    for (index, pb::NormalizedPoint { x, y }) in points.iter().enumerate() {
        for (name, coordinate) in [("x", x), ("y", y)] {
            if !(0.0..=1.0).contains(coordinate) {
                return Err(Fault::invalid(format!("polygon[{index}].{name}"), "must be from 0 to 1"));
            }
        }
    }
    let points = points.into_iter().map(|pb::NormalizedPoint { x, y }| NormalizedPoint { x, y }).collect();
    Polygon::new(points).map_err(|error| Fault::invalid("polygon", error.to_string()))
}

pub(crate) fn to_pb(polygon: &Polygon) -> Vec<pb::NormalizedPoint> {
    polygon.points().iter().map(|&NormalizedPoint { x, y }| pb::NormalizedPoint { x, y }).collect()
}
