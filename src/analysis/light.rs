//! Light and weather of one picture.

use super::Samples;
use crate::domain::{Graded, Lighting, Weather};

/// Luma units beside a class's bound from which on the class is sure.
const SURE_DISTANCE: f64 = 15.0;
/// Mean luma below which it is too dark to tell the weather.
const DARK: f64 = 30.0;
/// Mean luma from which on it is day: only then do colour and contrast tell the weather.
const DAY: f64 = 80.0;
/// A foggy picture is at least this bright: fog scatters light. A bare road without a sky is as pale, and darker.
const FOGGY_LUMA: f64 = 130.0;
/// A foggy picture has an RMS contrast below this.
const FOGGY_CONTRAST: f64 = 30.0;
/// A picture with a chroma strength below this is as good as grey: cameras that see infrared send such in any weather, and bare
/// asphalt from above looks like that.
const GREY_CHROMA: f64 = 1.0;
/// A foggy picture has a chroma strength below this.
const FOGGY_CHROMA: f64 = 5.0;
/// An overcast picture has a chroma strength below this, and a clear one at least this.
const PALE_CHROMA: f64 = 8.0;
/// A clear picture has at least this RMS contrast.
const CLEAR_CONTRAST: f64 = 35.0;
/// No heuristic on one picture is surer of the weather than this.
const MOST_WEATHER_CONFIDENCE: f64 = 0.8;

/// How much light a mean luma means. The confidence is 0.5 at a bound, where either class is as likely, and 1 from 15
/// luma units away from every bound on.
#[must_use]
pub fn lighting(mean_luma: f64) -> Graded<Lighting> {
    let class = if mean_luma < 30.0 {
        Lighting::Night
    } else if mean_luma < 80.0 {
        Lighting::DawnDusk
    } else if mean_luma <= 200.0 {
        Lighting::Daylight
    } else {
        Lighting::BrightSunlight
    };
    let distance = [30.0, 80.0, 200.0].map(|bound: f64| (mean_luma - bound).abs());
    let nearest = distance.into_iter().fold(f64::INFINITY, f64::min);
    Graded { class, confidence: 0.5 + 0.5 * (nearest / SURE_DISTANCE).min(1.0) }
}

/// How strong the colours are: the mean of (|Cb - 128| + |Cr - 128|) / 2, from every fourth sample of every fourth row;
/// `None` for a grey picture. 0 is grey, 128 the most.
#[must_use]
pub fn chroma_strength(chroma: Option<[Samples<'_>; 2]>) -> Option<f64> {
    let (mut sum, mut count) = (0_u64, 0_u64);
    for plane in chroma? {
        for row in plane.data.chunks(plane.stride).take(plane.height).step_by(4) {
            let samples = row[..plane.width].iter().step_by(4);
            count += samples.len() as u64;
            sum += u64::from(samples.map(|sample| u32::from(sample.abs_diff(128))).sum::<u32>());
        }
    }
    (count > 0).then(|| sum as f64 / count as f64)
}

/// What the weather looks like, by mean luma, RMS contrast and [`chroma_strength`]:
///
/// - dark below a mean luma of 30;
/// - unknown below 80 (dusk takes colour and contrast away in any weather), and for grey pictures, chroma below 1 or
///   none;
/// - foggy where contrast is below 30, chroma below 5 and mean luma 130 and up; unknown if only the light is missing (a bare
///   road looks like that);
/// - overcast where chroma is below 8 otherwise;
/// - clear where chroma is 8 and up and contrast 35 and up;
/// - unknown else.
///
/// The confidence is 0.4 at a bound of the class, rising with the distance to it (10 units of contrast, 4 of chroma, 20 of mean luma)
/// to 0.8; that of "dark" is lighting's; that of "unknown" is 0.
#[must_use]
pub fn weather(mean_luma: f64, rms_contrast: f64, chroma: Option<f64>) -> Graded<Weather> {
    let unknown = Graded { class: Weather::Unknown, confidence: 0.0 };
    if mean_luma < DARK {
        return Graded { class: Weather::Dark, confidence: lighting(mean_luma).confidence };
    }
    let told = |chroma: &f64| mean_luma >= DAY && *chroma >= GREY_CHROMA;
    let Some(chroma) = chroma.filter(told) else { return unknown };
    let (contrast_step, chroma_step) = (10.0, 4.0);
    let foggy = ((FOGGY_CONTRAST - rms_contrast) / contrast_step).min((FOGGY_CHROMA - chroma) / chroma_step);
    let pale = (PALE_CHROMA - chroma) / chroma_step;
    let clear = ((rms_contrast - CLEAR_CONTRAST) / contrast_step).min(-pale);
    let bright = (mean_luma - FOGGY_LUMA) / 20.0;
    let coloured = (chroma - GREY_CHROMA) / chroma_step;
    let (class, distance) = if foggy > 0.0 && bright < 0.0 {
        return unknown;
    } else if foggy > 0.0 {
        (Weather::Foggy, foggy.min(bright).min(coloured))
    } else if pale > 0.0 {
        (Weather::Overcast, pale.min(-foggy).min(coloured))
    } else if clear >= 0.0 {
        (Weather::Clear, clear)
    } else {
        return unknown;
    };
    let least = MOST_WEATHER_CONFIDENCE / 2.0;
    Graded { class, confidence: least + least * distance.clamp(0.0, 1.0) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lighting_by_mean_luma() {
        use Lighting::{BrightSunlight, DawnDusk, Daylight, Night};
        let classes = [29.9, 30.0, 80.0, 200.0, 200.1].map(|mean| lighting(mean).class);
        assert_eq!(classes, [Night, DawnDusk, Daylight, Daylight, BrightSunlight]);
        let confidence = |mean| lighting(mean).confidence;
        assert_eq!([30.0, 80.0, 200.0].map(confidence), [0.5; 3]);
        assert_eq!([0.0, 55.0, 140.0, 255.0].map(confidence), [1.0; 4]);
        assert!((confidence(86.0) - 0.7).abs() < 1e-9);
    }

    #[test]
    fn weather_by_light_contrast_and_colour() {
        let class = |mean, contrast, chroma| weather(mean, contrast, chroma).class;
        assert_eq!(class(12.0, 50.0, Some(20.0)), Weather::Dark);
        assert_eq!(class(60.0, 50.0, Some(20.0)), Weather::Unknown, "dusk");
        assert_eq!(class(120.0, 50.0, None), Weather::Unknown, "a grey picture");
        assert_eq!(
            class(94.0, 42.0, Some(0.6)),
            Weather::Unknown,
            "a white car on asphalt, with a hard shadow"
        );
        assert_eq!(class(150.0, 18.0, Some(2.0)), Weather::Foggy);
        assert_eq!(class(115.0, 12.0, Some(2.0)), Weather::Unknown, "a bare road");
        assert_eq!(class(150.0, 45.0, Some(3.0)), Weather::Overcast);
        assert_eq!(class(130.0, 55.0, Some(18.0)), Weather::Clear);
        assert_eq!(class(130.0, 20.0, Some(18.0)), Weather::Unknown, "a flat picture in colours");
        let confidence = |mean, contrast, chroma| weather(mean, contrast, Some(chroma)).confidence;
        assert!((confidence(130.0, 35.0, 30.0) - 0.4).abs() < 1e-9);
        assert!((confidence(130.0, 60.0, 30.0) - 0.8).abs() < 1e-9);
        assert_eq!(confidence(60.0, 60.0, 30.0), 0.0);
    }

    #[test]
    fn chroma_is_read_without_the_padding() {
        let data = [[138; 9], [255; 9], [255; 9], [255; 9], [118; 9]].concat();
        let plane = Samples { data: &data, width: 8, height: 5, stride: 9 };
        assert_eq!(chroma_strength(Some([plane; 2])), Some(10.0));
        assert_eq!(chroma_strength(None), None);
    }
}
