//! The flags for a stream's scene: regions of interest, and the rules by which frames are flagged.

use std::time::Duration;

use clap::{Args, ValueEnum};

use crate::console::output::{is_set, pb_duration};
use crate::pb::v1 as pb;

#[derive(Debug, Clone, Default, Args)]
pub(super) struct SceneArgs {
    /// A region with measures of its own; repeatable. X and Y are shares of the picture, 0 to 1,
    /// from the upper left. KIND is road, lane, crossing, parking or other.
    #[arg(long = "roi", value_name = "ID:KIND:X,Y;X,Y;X,Y", value_parser = roi)]
    rois: Vec<pb::Roi>,

    /// Flag frames whose quality score is below this, 0 to 1.
    #[arg(long, value_name = "SCORE")]
    min_quality_score: Option<f64>,

    /// Flag pictures with less width in pixels.
    #[arg(long, value_name = "PIXELS")]
    min_width: Option<u32>,

    /// Flag pictures with less height in pixels.
    #[arg(long, value_name = "PIXELS")]
    min_height: Option<u32>,

    /// Flag frames that are older than this when they are processed.
    #[arg(long, value_name = "TIME", value_parser = humantime::parse_duration)]
    max_age: Option<Duration>,

    /// Action on a frame whose capture time is far from the server's clock.
    #[arg(long, value_name = "POLICY", value_enum)]
    clock: Option<Clock>,
}

/// The treatment of a frame whose capture time is far from the server's clock.
#[derive(Debug, Clone, Copy, ValueEnum)]
enum Clock {
    /// Accept and flag it.
    Flag,
    /// Refuse it.
    Reject,
    /// Accept it without a flag.
    Ignore,
}

impl SceneArgs {
    /// Writes the given settings into `stream`, and adds their paths to the update mask `paths`.
    pub(super) fn write(self, stream: &mut pb::Stream, paths: &mut Vec<String>) {
        let Self { rois, min_quality_score, min_width, min_height, max_age, clock } = self;
        let mut given = |path: &str, is_given: bool| {
            if is_given {
                paths.push(path.to_owned());
            }
            is_given
        };
        given("rois", !rois.is_empty());
        stream.rois = rois;
        let validation = [
            given("validation.min_quality_score", min_quality_score.is_some()),
            given("validation.min_width", min_width.is_some()),
            given("validation.min_height", min_height.is_some()),
            given("validation.max_age", max_age.is_some()),
            given("validation.clock_policy", clock.is_some()),
        ];
        if validation.contains(&true) {
            let policy = clock.map_or(pb::ClockPolicy::Unspecified, |clock| match clock {
                Clock::Flag => pb::ClockPolicy::Flag,
                Clock::Reject => pb::ClockPolicy::Reject,
                Clock::Ignore => pb::ClockPolicy::Ignore,
            });
            stream.validation = Some(pb::ValidationPolicy {
                min_quality_score,
                min_width: min_width.filter(is_set),
                min_height: min_height.filter(is_set),
                max_age: max_age.map(pb_duration),
                clock_policy: policy.into(),
                clock_tolerance: None,
            });
        }
    }
}

/// Parses `id:kind:x,y;x,y;...`; the server checks the id and the outline.
fn roi(text: &str) -> Result<pb::Roi, String> {
    let bad = || "write ID:KIND:X,Y;X,Y;X,Y".to_owned();
    let (roi_id, rest) = text.split_once(':').ok_or_else(bad)?;
    let (kind, points) = rest.split_once(':').ok_or_else(bad)?;
    let name = format!("ROI_KIND_{}", kind.to_uppercase());
    let kind = pb::RoiKind::from_str_name(&name)
        .filter(|kind| *kind != pb::RoiKind::Unspecified)
        .ok_or("KIND is road, lane, crossing, parking or other")?;
    let point = |text: &str| {
        let (x, y) = text.split_once(',')?;
        Some(pb::NormalizedPoint { x: x.trim().parse().ok()?, y: y.trim().parse().ok()? })
    };
    let polygon = points.split(';').map(point).collect::<Option<_>>().ok_or_else(bad)?;
    Ok(pb::Roi { roi_id: roi_id.to_owned(), kind: kind.into(), polygon })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn regions_are_read() {
        let read = roi("left:lane:0,0; 0.5,1;1,0").unwrap();
        assert_eq!((read.roi_id.as_str(), read.kind()), ("left", pb::RoiKind::Lane));
        assert_eq!(read.polygon[1], pb::NormalizedPoint { x: 0.5, y: 1.0 });
        for bad in ["", "left", "left:lane", "left:field:0,0;1,1;1,0", "left:lane:0,0;1", "a:road:x,y"] {
            assert!(roi(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn the_update_mask_has_only_given_scene_settings() {
        let (mut stream, mut paths) = (pb::Stream::default(), Vec::new());
        SceneArgs::default().write(&mut stream, &mut paths);
        assert_eq!((stream.validation, paths.len()), (None, 0));
        let args = SceneArgs { min_width: Some(640), clock: Some(Clock::Ignore), ..SceneArgs::default() };
        args.write(&mut stream, &mut paths);
        assert_eq!(paths, ["validation.min_width", "validation.clock_policy"]);
        assert_eq!(stream.validation.and_then(|policy| policy.min_width), Some(640));
    }
}
