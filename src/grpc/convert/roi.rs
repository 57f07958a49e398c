use std::collections::HashSet;

use super::{known, polygon};
use crate::domain::limits::MAX_ROIS;
use crate::domain::{Roi, RoiKind};
use crate::grpc::fault::{Fault, Result};
use crate::pb::v1 as pb;

/// Reads the regions of interest of a stream; a fault names the region by its index.
pub(crate) fn from_pb(rois: Vec<pb::Roi>) -> Result<Vec<Roi>> {
    if rois.len() > MAX_ROIS {
        return Err(Fault::too_many("rois", MAX_ROIS));
    }
    let mut ids = HashSet::new();
    let mut read = Vec::with_capacity(rois.len());
    for (index, roi) in rois.into_iter().enumerate() {
        let roi = one(roi).map_err(|fault| fault.within(&format!("rois[{index}]")))?;
        if !ids.insert(roi.id.clone()) {
            return Err(Fault::invalid(
                format!("rois[{index}].roi_id"),
                "must be unique: another region has it",
            ));
        }
        read.push(roi);
    }
    Ok(read)
}

fn one(roi: pb::Roi) -> Result<Roi> {
    let pb::Roi { roi_id, kind, polygon } = roi;
    let kind = match known("kind", kind)? {
        pb::RoiKind::Unspecified => RoiKind::Unspecified,
        pb::RoiKind::Road => RoiKind::Road,
        pb::RoiKind::Lane => RoiKind::Lane,
        pb::RoiKind::Crossing => RoiKind::Crossing,
        pb::RoiKind::Parking => RoiKind::Parking,
        pb::RoiKind::Other => RoiKind::Other,
    };
    Ok(Roi { id: roi_id.parse()?, kind, polygon: polygon::from_pb(polygon)? })
}

pub(crate) fn to_pb(roi: &Roi) -> pb::Roi {
    let kind = match roi.kind {
        RoiKind::Unspecified => pb::RoiKind::Unspecified,
        RoiKind::Road => pb::RoiKind::Road,
        RoiKind::Lane => pb::RoiKind::Lane,
        RoiKind::Crossing => pb::RoiKind::Crossing,
        RoiKind::Parking => pb::RoiKind::Parking,
        RoiKind::Other => pb::RoiKind::Other,
    };
    pb::Roi { roi_id: roi.id.to_string(), kind: kind.into(), polygon: polygon::to_pb(&roi.polygon) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn roi(id: &str) -> pb::Roi {
        let points = [(0.0, 0.0), (1.0, 0.0), (0.5, 1.0)];
        let polygon = points.map(|(x, y)| pb::NormalizedPoint { x, y }).to_vec();
        pb::Roi { roi_id: id.to_owned(), kind: pb::RoiKind::Lane.into(), polygon }
    }

    #[test]
    fn regions_round_trip() {
        let regions = vec![roi("left"), pb::Roi { kind: 0, ..roi("right_2-b") }];
        let read = from_pb(regions.clone()).unwrap();
        assert_eq!(read.iter().map(to_pb).collect::<Vec<_>>(), regions);
    }

    #[test]
    fn a_refusal_names_the_region_and_the_field() {
        let field = |rois| from_pb(rois).map_err(|fault| fault.field).unwrap_err();
        assert_eq!(field(vec![roi("a"), roi("")]), "rois[1].roi_id");
        assert_eq!(field(vec![roi("a:b")]), "rois[0].roi_id");
        assert_eq!(field(vec![roi("a"), roi("b"), roi("a")]), "rois[2].roi_id");
        assert_eq!(field(vec![pb::Roi { kind: 77, ..roi("a") }]), "rois[0].kind");
        assert_eq!(field(vec![pb::Roi { polygon: Vec::new(), ..roi("a") }]), "rois[0].polygon");
        assert_eq!(field((0..33).map(|index| roi(&format!("r{index}"))).collect()), "rois");
    }
}
