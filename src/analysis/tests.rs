//! Measures against the truth of drawn scenes.

use super::*;
use crate::domain::{
    Lighting, NormalizedPoint, Polygon, Roi, RoiAnalysis, RoiKind, TrafficFeatures, Weather,
};
use crate::picture::Canvas;
use crate::scene::Scene;

const WIDTH: u32 = 640;
const HEIGHT: u32 = 360;

/// Luma of a picture (BT.601), each sample times `gain`.
fn luma(canvas: &Canvas, gain: f64) -> Vec<u8> {
    let luma = |p: &[u8]| 0.299 * f64::from(p[0]) + 0.587 * f64::from(p[1]) + 0.114 * f64::from(p[2]);
    canvas.pixels().chunks_exact(3).map(|pixel| (gain * luma(pixel)).round().min(255.0) as u8).collect()
}

#[derive(Default)]
struct Camera {
    model: Option<SceneModel>,
    rois: Vec<Roi>,
}

impl Camera {
    fn see(&mut self, luma: &[u8], width: usize) -> (TrafficFeatures, Vec<RoiAnalysis>) {
        let samples = Samples { data: luma, width, height: luma.len() / width, stride: width };
        SceneModel::observe(&mut self.model, still(samples, None, &self.rois))
    }

    fn watch(&mut self, scene: &Scene, number: u64) -> TrafficFeatures {
        self.see(&luma(&scene.draw(number).0, 1.0), WIDTH as usize).0
    }
}

fn roi(id: &str, kind: RoiKind, points: &[(f64, f64)]) -> Roi {
    let points = points.iter().map(|&(x, y)| NormalizedPoint { x, y }).collect();
    Roi { id: id.parse().unwrap(), kind, polygon: Polygon::new(points).unwrap() }
}

fn scene(traffic: f64) -> Scene {
    Scene::with_conditions(11, WIDTH, HEIGHT, 0.9, traffic)
}

#[test]
fn density_follows_the_share_that_vehicles_cover() {
    for (seed, light) in [(11, 0.9), (5, 0.6), (23, 1.0)] {
        let scene = Scene::with_conditions(seed, WIDTH, HEIGHT, light, 0.35);
        let mut camera = Camera::default();
        let (mut worst, mut sum, mut covered_sum) = (0.0_f64, 0.0, 0.0);
        for number in 0..400 {
            let (canvas, truth) = scene.draw(number);
            let (seen, _) = camera.see(&luma(&canvas, 1.0), WIDTH as usize);
            assert_eq!(seen.model_frames, number + 1);
            assert_eq!(seen.vehicle_density.is_some(), number >= 15, "frame {number}");
            if number >= 150 {
                let density = seen.vehicle_density.unwrap();
                worst = worst.max((density - truth.covered_share).abs());
                sum += density;
                covered_sum += truth.covered_share;
            }
        }
        println!("seed {seed}: worst {worst:.3}, mean {:.3} of {:.3}", sum / 250.0, covered_sum / 250.0);
        assert!(covered_sum / 250.0 > 0.03, "there is something to see: {covered_sum}");
        assert!(worst < 0.05, "seed {seed}: {worst}");
        assert!((sum - covered_sum).abs() / 250.0 < 0.02, "seed {seed}: {sum} {covered_sum}");
    }
}

#[test]
fn an_empty_road_is_empty() {
    let (scene, mut camera) = (scene(0.0), Camera::default());
    for number in 0..200 {
        let seen = camera.watch(&scene, number);
        assert!(seen.vehicle_density.is_none_or(|density| density < 0.05), "{number}: {seen:?}");
        assert!(seen.motion_intensity.is_none_or(|motion| motion < 0.01), "{number}: {seen:?}");
    }
}

#[test]
fn motion_rises_with_speed() {
    let scene = scene(0.5);
    let motion = |step: u64| {
        let mut camera = Camera::default();
        let seen = (0..20).map(|index| camera.watch(&scene, 100 + index * step).motion_intensity);
        let seen: Vec<f64> = seen.flatten().collect();
        assert_eq!(seen.len(), 19);
        seen.iter().sum::<f64>() / 19.0
    };
    let (still, slow, fast) = (motion(0), motion(1), motion(3));
    assert_eq!(still, 0.0);
    assert!(slow > 0.0 && fast > 1.5 * slow, "{slow} {fast}");
}

#[test]
fn flicker_and_changes_of_light_are_no_traffic() {
    let (scene, mut camera) = (scene(0.0), Camera::default());
    let canvas = scene.draw(3).0;
    let mut most = 0.0_f64;
    for number in 0..400_u32 {
        // Learning in steady light; then lamps at 50 Hz against a shutter; then a cloud, for good; then dusk.
        let gain = match number {
            0..100 => 1.0,
            100..200 => [1.0, 0.8, 0.9, 0.75][number as usize % 4],
            200..300 => 0.6,
            _ => 0.6 - 0.004 * f64::from(number - 300),
        };
        let (seen, _) = camera.see(&luma(&canvas, gain), WIDTH as usize);
        most = most.max(seen.vehicle_density.unwrap_or_default());
        assert!(most < 0.05, "{number}: {seen:?}");
    }
}

#[test]
fn traffic_is_still_seen_in_other_light() {
    let (scene, mut camera) = (scene(0.35), Camera::default());
    for number in 0..400 {
        let (canvas, truth) = scene.draw(number);
        let gain = if number < 200 { 1.0 } else { 0.7 };
        let seen = camera.see(&luma(&canvas, gain), WIDTH as usize).0;
        if number >= 150 {
            let off = (seen.vehicle_density.unwrap() - truth.covered_share).abs();
            assert!(off < 0.06, "{number}: {off}");
        }
    }
}

#[test]
fn light_is_classed_by_night_and_by_day() {
    let class = |light: f64| {
        let canvas = Scene::with_conditions(4, WIDTH, HEIGHT, light, 0.4).draw(9).0;
        Camera::default().see(&luma(&canvas, 1.0), WIDTH as usize).0
    };
    let (night, day) = (class(0.08), class(1.0));
    assert_eq!((night.lighting.class, night.weather.class), (Lighting::Night, Weather::Dark));
    assert!(night.lighting.confidence > 0.6, "{night:?}");
    assert_eq!(day.lighting.class, Lighting::Daylight);
    assert!(day.lighting.confidence > 0.9, "{day:?}");
}

#[test]
fn regions_are_measured_by_themselves() {
    let sky = roi("sky", RoiKind::Other, &[(0.3, 0.0), (1.0, 0.0), (1.0, 0.1), (0.3, 0.1)]);
    let road = roi("road", RoiKind::Road, &[(0.05, 1.0), (0.5, 0.4), (0.56, 0.4), (0.9, 1.0)]);
    let again = roi("lane", RoiKind::Lane, &[(0.05, 1.0), (0.5, 0.4), (0.56, 0.4), (0.9, 1.0)]);
    let speck = roi("speck", RoiKind::Other, &[(0.5001, 0.5001), (0.5002, 0.5001), (0.5002, 0.5002)]);
    let scene = scene(0.5);
    let mut camera = Camera::default();
    for number in 0..60 {
        camera.watch(&scene, number);
    }
    let whole = camera.watch(&scene, 60).vehicle_density.unwrap();
    camera.rois = vec![sky, road, again, speck];
    let (seen, rois) = camera.see(&luma(&scene.draw(61).0, 1.0), WIDTH as usize);
    assert_eq!(seen.model_frames, 62, "other regions do not start the model anew");
    let [sky, road, lane, speck] = rois.as_slice() else { panic!("{rois:?}") };
    assert_eq!(sky.vehicle_density, Some(0.0));
    assert!(road.vehicle_density.unwrap() > 1.5 * whole, "{road:?}, the frame {whole}");
    assert_eq!(seen.vehicle_density, road.vehicle_density, "road and lane cover each other");
    assert_eq!(lane.congestion, seen.congestion);
    assert!(road.motion_intensity > sky.motion_intensity);
    assert!(sky.mean_luma > road.mean_luma && sky.rms_contrast < road.rms_contrast);
    assert_eq!((speck.mean_luma, speck.vehicle_density, speck.congestion), (None, None, None));
}

#[test]
fn another_size_starts_the_model_anew_and_another_scene_in_time() {
    let mut camera = Camera::default();
    for number in 0..40 {
        camera.watch(&scene(0.0), number);
    }
    let seen = camera.see(&vec![90; 320 * 180], 320).0;
    assert_eq!((seen.model_frames, seen.vehicle_density, seen.motion_intensity), (1, None, None));
    // Stripes across, and then stripes down: no change of light.
    let stripes = |across: bool| -> Vec<u8> {
        let index = |i: usize| if across { i / 320 } else { i % 320 };
        (0..320 * 180).map(|i| if index(i) / 20 % 2 == 0 { 20 } else { 200 }).collect()
    };
    let mut camera = Camera::default();
    for _ in 0..40 {
        camera.see(&stripes(true), 320);
    }
    let frames: Vec<_> = (0..80).map(|_| camera.see(&stripes(false), 320).0).collect();
    let anew = frames.iter().find(|seen| seen.model_frames == 1);
    println!("{:?}", frames.iter().map(|seen| seen.vehicle_density).collect::<Vec<_>>());
    assert!(anew.is_some() || frames[79].vehicle_density.unwrap() < 0.6, "{:?}", frames[79]);
}
