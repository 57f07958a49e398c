//! Classifies the light and the weather of one picture.

use super::Samples;
use crate::domain::{Graded, Lighting, Weather};

/// The distance to the nearest bound, in luma units, from which on the confidence is 1.
const SURE_DISTANCE: f64 = 15.0;
/// The mean luma below which it is too dark to see the weather.
const DARK: f64 = 30.0;
/// The mean luma from which on it is day. Only then do colour and contrast depend on the weather.
const DAY: f64 = 80.0;
/// The minimum mean luma of a foggy picture, because fog scatters light. A bare road without sky is
/// as pale, but darker.
const FOGGY_LUMA: f64 = 130.0;
/// The RMS contrast below which a picture may be foggy.
const FOGGY_CONTRAST: f64 = 30.0;
/// The chroma strength below which a picture counts as grey. Infrared cameras send such pictures in
/// any weather, and bare asphalt from above looks like that.
const GREY_CHROMA: f64 = 1.0;
/// The chroma strength below which a picture may be foggy.
const FOGGY_CHROMA: f64 = 5.0;
/// The chroma strength below which a picture is overcast, and from which on it may be clear.
const PALE_CHROMA: f64 = 8.0;
/// The minimum RMS contrast of a clear picture.
const CLEAR_CONTRAST: f64 = 35.0;
/// The maximum confidence of the weather, which is a guess from one picture.
const MAX_WEATHER_CONFIDENCE: f64 = 0.8;

/// Classifies the light by mean luma. The confidence is 0.5 at a bound, where both classes are
/// equally likely, and 1 at a distance of at least 15 luma units from all bounds.
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

/// Returns the strength of the colours: the mean of (|Cb - 128| + |Cr - 128|) / 2, over every
/// fourth sample of every fourth row. 0 is grey, 128 is the maximum; `None` for a picture without
/// chroma.
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

/// Classifies the weather by mean luma, RMS contrast and [`chroma_strength`]:
///
/// - dark below a mean luma of 30;
/// - unknown below 80 (at dusk, colour and contrast are low in any weather), and for grey pictures:
///   chroma below 1, or none;
/// - foggy if contrast is below 30, chroma below 5 and mean luma at least 130; unknown if only the
///   mean luma is too low (a bare road looks like that);
/// - otherwise overcast if chroma is below 8;
/// - clear if chroma is at least 8 and contrast at least 35;
/// - otherwise unknown.
///
/// The confidence is 0.4 at a bound of the class, and rises to 0.8 at a distance of 10 units of
/// contrast, 4 of chroma or 20 of mean luma. The confidence of "dark" is that of the lighting; that
/// of "unknown" is 0.
#[must_use]
pub fn weather(mean_luma: f64, rms_contrast: f64, chroma: Option<f64>) -> Graded<Weather> {
    let unknown = Graded { class: Weather::Unknown, confidence: 0.0 };
    if mean_luma < DARK {
        return Graded { class: Weather::Dark, confidence: lighting(mean_luma).confidence };
    }
    let is_conclusive = |chroma: &f64| mean_luma >= DAY && *chroma >= GREY_CHROMA;
    let Some(chroma) = chroma.filter(is_conclusive) else { return unknown };
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
    let minimum = MAX_WEATHER_CONFIDENCE / 2.0;
    Graded { class, confidence: minimum + minimum * distance.clamp(0.0, 1.0) }
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
