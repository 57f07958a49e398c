use std::ops::{Range, RangeInclusive};

use super::limits::MAX_POLYGON_POINTS;

/// The allowed number of points.
const POINTS: RangeInclusive<usize> = 3..=MAX_POLYGON_POINTS;

/// A point of a picture as it is shown, in fractions of its width and height, both 0..=1.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct NormalizedPoint {
    /// 0 is the left edge, 1 the right one.
    pub x: f64,
    /// 0 is the upper edge, 1 the lower one.
    pub y: f64,
}

/// A region of a picture: 3 to 64 points. The last point connects to the first, and no edges cross.
#[derive(Debug, Clone, PartialEq)]
pub struct Polygon(Vec<NormalizedPoint>);

/// The reason for which a list of points is not a valid polygon.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum PolygonError {
    /// There are too few or too many points.
    #[error("must have 3 to 64 points")]
    PointCount,
    /// The point with this index lies outside the picture.
    #[error("point {0} must lie within 0 to 1")]
    Outside(usize),
    /// Two edges that are not neighbours meet, or two neighbours overlap. The index is that of the
    /// point where the second edge starts.
    #[error("the edge from point {0} crosses or touches another")]
    Crossing(usize),
}

impl Polygon {
    /// Returns the polygon that covers the whole picture.
    #[must_use]
    pub fn whole() -> Self {
        let corners = [(0.0, 0.0), (1.0, 0.0), (1.0, 1.0), (0.0, 1.0)];
        Self(corners.into_iter().map(|(x, y)| NormalizedPoint { x, y }).collect())
    }

    /// Creates a polygon from points.
    ///
    /// # Errors
    ///
    /// [`PolygonError`] says which rule the points break, and where.
    pub fn new(points: Vec<NormalizedPoint>) -> Result<Self, PolygonError> {
        if !POINTS.contains(&points.len()) {
            return Err(PolygonError::PointCount);
        }
        // A NaN is in no range and so is refused.
        let within =
            |point: &NormalizedPoint| (0.0..=1.0).contains(&point.x) && (0.0..=1.0).contains(&point.y);
        if let Some(index) = points.iter().position(|point| !within(point)) {
            return Err(PolygonError::Outside(index));
        }
        let count = points.len();
        let edge = |index: usize| (points[index], points[(index + 1) % count]);
        for second in 0..count {
            for first in 0..second {
                let neighbours = second - first == 1 || (first == 0 && second == count - 1);
                let bad = if neighbours {
                    // Edges that share a point may not overlap.
                    let (shared, one, other) = if second - first == 1 {
                        (edge(second).0, edge(first).0, edge(second).1)
                    } else {
                        (edge(first).0, edge(first).1, edge(second).0)
                    };
                    cross_product(shared, one, other) == 0.0 && dot_product(shared, one, other) >= 0.0
                } else {
                    intersect(edge(first), edge(second))
                };
                if bad {
                    return Err(PolygonError::Crossing(second));
                }
            }
        }
        Ok(Self(points))
    }

    /// Returns the points.
    #[must_use]
    pub fn points(&self) -> &[NormalizedPoint] {
        &self.0
    }

    /// Returns the pixels of a `width` x `height` picture whose centres lie inside, by the even-odd
    /// rule.
    ///
    /// Pixels are returned as runs within a row: (row, columns), from the top row down, and within
    /// a row from the left.
    #[must_use]
    pub fn runs(&self, width: usize, height: usize) -> Vec<(usize, Range<usize>)> {
        let count = self.0.len();
        let mut runs = Vec::new();
        let mut crossings = Vec::new();
        for row in 0..height {
            let y = (row as f64 + 0.5) / height as f64;
            crossings.clear();
            for (index, a) in self.0.iter().enumerate() {
                let b = self.0[(index + 1) % count];
                if (a.y <= y) != (b.y <= y) {
                    crossings.push((a.x + (y - a.y) / (b.y - a.y) * (b.x - a.x)) * width as f64);
                }
            }
            crossings.sort_unstable_by(f64::total_cmp);
            // The first column with a centre that is not left of the crossing.
            let column = |at: f64| ((at - 0.5).ceil().max(0.0) as usize).min(width);
            let pairs = crossings.as_chunks::<2>().0.iter();
            runs.extend(
                pairs.map(|[from, to]| (row, column(*from)..column(*to))).filter(|(_, run)| !run.is_empty()),
            );
        }
        runs
    }
}

/// Returns the cross product of `b - a` and `c - a`: twice the signed area of the triangle, 0 if
/// the three points are on one line.
fn cross_product(a: NormalizedPoint, b: NormalizedPoint, c: NormalizedPoint) -> f64 {
    (b.x - a.x) * (c.y - a.y) - (b.y - a.y) * (c.x - a.x)
}

/// Returns the dot product of `b - a` and `c - a`. If the three points are on one line, it is above
/// 0 if `b` and `c` lie on the same side of `a`.
fn dot_product(a: NormalizedPoint, b: NormalizedPoint, c: NormalizedPoint) -> f64 {
    (b.x - a.x) * (c.x - a.x) + (b.y - a.y) * (c.y - a.y)
}

/// Reports whether two segments have a point in common.
fn intersect((a, b): (NormalizedPoint, NormalizedPoint), (c, d): (NormalizedPoint, NormalizedPoint)) -> bool {
    let between = |a: NormalizedPoint, b: NormalizedPoint, point: NormalizedPoint| {
        cross_product(a, b, point) == 0.0 && dot_product(point, a, b) <= 0.0
    };
    let apart = |a, b, c, d| cross_product(a, b, c) * cross_product(a, b, d) < 0.0;
    (apart(a, b, c, d) && apart(c, d, a, b))
        || between(a, b, c)
        || between(a, b, d)
        || between(c, d, a)
        || between(c, d, b)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn polygon(points: &[(f64, f64)]) -> Result<Polygon, PolygonError> {
        Polygon::new(points.iter().map(|&(x, y)| NormalizedPoint { x, y }).collect())
    }

    #[test]
    fn points_that_enclose_no_region_are_refused() {
        assert_eq!(polygon(&[(0.0, 0.0), (1.0, 1.0)]), Err(PolygonError::PointCount));
        assert_eq!(polygon(&[(0.5, 0.5); 65]), Err(PolygonError::PointCount));
        assert_eq!(polygon(&[(0.0, 0.0), (1.0, 1.1), (1.0, 0.0)]), Err(PolygonError::Outside(1)));
        assert_eq!(polygon(&[(0.0, 0.0), (1.0, 1.0), (f64::NAN, 0.0)]), Err(PolygonError::Outside(2)));
        let bow_tie = [(0.0, 0.0), (1.0, 1.0), (1.0, 0.0), (0.0, 1.0)];
        assert_eq!(polygon(&bow_tie), Err(PolygonError::Crossing(2)));
        assert_eq!(polygon(&[(0.2, 0.2); 3]), Err(PolygonError::Crossing(1)), "one point, three times");
        let line = [(0.0, 0.0), (0.5, 0.5), (1.0, 1.0)];
        assert!(polygon(&line).is_err(), "no area");
        let touching = [(0.0, 0.0), (1.0, 0.0), (0.5, 0.5), (1.0, 1.0), (0.0, 1.0), (0.5, 0.5)];
        assert!(polygon(&touching).is_err(), "the same point twice");
    }

    #[test]
    fn a_square_covers_its_pixels() {
        let square = polygon(&[(0.25, 0.25), (0.75, 0.25), (0.75, 0.75), (0.25, 0.75)]).unwrap();
        assert_eq!(square.runs(4, 4), [(1, 1..3), (2, 1..3)]);
        let all = polygon(&[(0.0, 0.0), (1.0, 0.0), (1.0, 1.0), (0.0, 1.0)]).unwrap();
        assert_eq!(all.runs(3, 2), [(0, 0..3), (1, 0..3)]);
    }

    #[test]
    fn a_row_of_a_concave_polygon_may_have_two_runs() {
        let u = [
            (0.0, 0.0),
            (0.25, 0.0),
            (0.25, 0.75),
            (0.75, 0.75),
            (0.75, 0.0),
            (1.0, 0.0),
            (1.0, 1.0),
            (0.0, 1.0),
        ];
        let runs = polygon(&u).unwrap().runs(4, 4);
        assert_eq!(runs, [(0, 0..1), (0, 3..4), (1, 0..1), (1, 3..4), (2, 0..1), (2, 3..4), (3, 0..4)]);
    }

    #[test]
    fn triangles_cover_their_area() {
        let triangle = polygon(&[(0.1, 0.9), (0.5, 0.1), (0.9, 0.9)]).unwrap();
        let covered: usize = triangle.runs(160, 90).iter().map(|(_, run)| run.len()).sum();
        let share = covered as f64 / (160.0 * 90.0);
        assert!((share - 0.32).abs() < 0.005, "{share}");
    }
}
