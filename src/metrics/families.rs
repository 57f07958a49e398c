//! Creates families: registers each, and remembers what the reference says about it.

use std::borrow::Cow;
use std::sync::atomic::AtomicU64;
use std::time::Duration;

use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::registry::{Metric, Registry, Unit};

use super::label::{Label, Per};

/// A counter.
pub type Counter = prometheus_client::metrics::counter::Counter;
/// A gauge of whole numbers.
pub type Gauge = prometheus_client::metrics::gauge::Gauge;
/// A gauge of any number.
type FloatGauge = prometheus_client::metrics::gauge::Gauge<f64, AtomicU64>;
/// `N` labels, each with its value.
pub(super) type Labels<const N: usize> = [(&'static str, Cow<'static, str>); N];
/// Counters with `N` labels.
pub(super) type Counters<const N: usize> = Family<Labels<N>, Counter>;
/// Gauges with one label.
pub(super) type Gauges = Family<Labels<1>, Gauge>;

/// The upper bounds of durations, in seconds.
const BOUNDS: [f64; 14] =
    [0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 5.0, 30.0, 300.0];

/// A histogram of durations.
#[derive(Debug, Clone)]
pub struct Seconds(Histogram);

impl Default for Seconds {
    fn default() -> Self {
        Self(new_histogram())
    }
}

impl Seconds {
    /// Records a duration.
    pub fn observe(&self, duration: Duration) {
        self.0.observe(duration.as_secs_f64());
    }
}

fn new_histogram() -> Histogram {
    Histogram::new(BOUNDS)
}

/// Histograms of durations with one label.
#[derive(Debug, Clone)]
pub(super) struct SecondsBy(Family<Labels<1>, Histogram>, &'static str);

impl SecondsBy {
    pub(super) fn of(&self, value: impl Into<Cow<'static, str>>) -> Seconds {
        Seconds(self.0.get_or_create_owned(&[(self.1, value.into())]))
    }
}

/// A number that is read at a scrape. It is absent if it could not be read.
#[derive(Debug, Clone, Default)]
pub struct Reading(Family<Labels<0>, FloatGauge>);

impl Reading {
    /// Sets the number; `None` = it could not be read.
    pub fn set(&self, value: Option<f64>) {
        match value {
            Some(value) => {
                self.0.get_or_create(&[]).set(value);
            }
            None => self.0.clear(),
        }
    }
}

/// Numbers with one label that are read at a scrape.
#[derive(Debug, Clone)]
pub struct Readings(Family<Labels<1>, FloatGauge>, &'static str);

impl Readings {
    /// Removes all numbers.
    pub fn clear(&self) {
        self.0.clear();
    }

    /// Sets the number for a value of the label.
    pub fn set(&self, label: impl Into<Cow<'static, str>>, value: f64) {
        self.0.get_or_create(&[(self.1, label.into())]).set(value);
    }
}

/// Totals with one label that are counted elsewhere and read at a scrape.
#[derive(Debug, Clone)]
pub(super) struct Totals(Counters<1>, &'static str);

impl Totals {
    /// Removes all totals.
    pub(super) fn clear(&self) {
        self.0.clear();
    }

    /// Sets the total for a value of the label.
    pub(super) fn set(&self, label: impl Into<Cow<'static, str>>, total: u64) {
        let counter = self.0.get_or_create(&[(self.1, label.into())]);
        counter.inner().store(total, std::sync::atomic::Ordering::Relaxed);
    }
}

/// A total that is counted elsewhere and read at a scrape.
#[derive(Debug, Clone, Default)]
pub struct Total(Family<Labels<0>, prometheus_client::metrics::counter::Counter<f64, AtomicU64>>);

impl Total {
    /// Sets the total; `None` = it could not be read.
    pub fn set(&self, total: Option<f64>) {
        match total {
            Some(total) => {
                self.0
                    .get_or_create(&[])
                    .inner()
                    .store(total.to_bits(), std::sync::atomic::Ordering::Relaxed);
            }
            None => self.0.clear(),
        }
    }
}

/// The kind of a family.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    Counter,
    Gauge,
    Histogram,
}

/// A label, and a text that says which values it has.
pub(super) type LabelText = (&'static str, Cow<'static, str>);

/// A family, as the reference describes it.
#[derive(Debug, Clone)]
pub(super) struct Described {
    pub(super) area: &'static str,
    /// The name in queries: that of a counter ends in `_total`.
    pub(super) name: String,
    pub(super) kind: Kind,
    pub(super) unit: &'static str,
    pub(super) labels: Vec<LabelText>,
    pub(super) help: &'static str,
    /// The text that says what to do with it.
    pub(super) advice: &'static str,
}

/// A name without the prefix, a text that says what the family is, and one that says what to do
/// with it.
type About = (&'static str, &'static str, &'static str);

/// Creates the families of a process.
#[derive(Debug)]
pub(super) struct Families {
    registry: Registry,
    described: Vec<Described>,
    area: &'static str,
    is_exported: bool,
}

impl Families {
    pub(super) fn new(registry: Registry) -> Self {
        Self { registry, described: Vec::new(), area: "", is_exported: true }
    }

    /// Creates families that are not exported.
    pub(super) fn unexported() -> Self {
        Self { is_exported: false, ..Self::new(Registry::default()) }
    }

    /// Begins an area; if it is not exported, its handles count nevertheless.
    pub(super) fn area(&mut self, area: &'static str, is_exported: bool) -> &mut Self {
        (self.area, self.is_exported) = (area, is_exported);
        self
    }

    pub(super) fn end(self) -> (Registry, Vec<Described>) {
        (self.registry, self.described)
    }

    pub(super) fn counter(&mut self, about: About) -> Counter {
        let counter = Counter::default();
        self.add(Kind::Counter, about, Vec::new(), counter.clone());
        counter
    }

    /// Creates a counter for each value of a label.
    pub(super) fn counter_per<L: Label>(&mut self, label: &'static str, about: About) -> Per<L, Counter> {
        let family = Counters::<1>::default();
        self.add(Kind::Counter, about, vec![(label, L::texts())], family.clone());
        Per::new(|value: L| family.get_or_create_owned(&[(label, value.text().into())]))
    }

    /// Creates counters whose label values are known later. `labels` names each label and describes
    /// its values.
    pub(super) fn counters<const N: usize>(
        &mut self,
        labels: [(&'static str, &'static str); N],
        about: About,
    ) -> Counters<N> {
        let family = Counters::<N>::default();
        let labels = labels.map(|(label, values)| (label, values.into())).to_vec();
        self.add(Kind::Counter, about, labels, family.clone());
        family
    }

    pub(super) fn gauge(&mut self, about: About) -> Gauge {
        let gauge = Gauge::default();
        self.add(Kind::Gauge, about, Vec::new(), gauge.clone());
        gauge
    }

    pub(super) fn gauges(&mut self, (label, values): (&'static str, &'static str), about: About) -> Gauges {
        let family = Gauges::default();
        self.add(Kind::Gauge, about, vec![(label, values.into())], family.clone());
        family
    }

    pub(super) fn reading(&mut self, about: About) -> Reading {
        let reading = Reading::default();
        self.add(Kind::Gauge, about, Vec::new(), reading.0.clone());
        reading
    }

    pub(super) fn readings(
        &mut self,
        (label, values): (&'static str, &'static str),
        about: About,
    ) -> Readings {
        let readings = Readings(Family::default(), label);
        self.add(Kind::Gauge, about, vec![(label, values.into())], readings.0.clone());
        readings
    }

    pub(super) fn totals(&mut self, (label, values): (&'static str, &'static str), about: About) -> Totals {
        let totals = Totals(Family::default(), label);
        self.add(Kind::Counter, about, vec![(label, values.into())], totals.0.clone());
        totals
    }

    pub(super) fn total(&mut self, about: About) -> Total {
        let total = Total::default();
        self.add(Kind::Counter, about, Vec::new(), total.0.clone());
        total
    }

    pub(super) fn seconds(&mut self, about: About) -> Seconds {
        let seconds = Seconds::default();
        self.add(Kind::Histogram, about, Vec::new(), seconds.0.clone());
        seconds
    }

    pub(super) fn seconds_per<L: Label>(&mut self, label: &'static str, about: About) -> Per<L, Seconds> {
        let seconds = self.seconds_by((label, L::texts()), about);
        Per::new(|value: L| seconds.of(value.text()))
    }

    pub(super) fn seconds_by(
        &mut self,
        (label, values): (&'static str, impl Into<Cow<'static, str>>),
        about: About,
    ) -> SecondsBy {
        let family = Family::new_with_constructor(new_histogram as fn() -> Histogram);
        self.add(Kind::Histogram, about, vec![(label, values.into())], family.clone());
        SecondsBy(family, label)
    }

    fn add(&mut self, kind: Kind, (name, help, advice): About, labels: Vec<LabelText>, metric: impl Metric) {
        if !self.is_exported {
            return;
        }
        let (stem, unit) = [("_seconds", Unit::Seconds), ("_bytes", Unit::Bytes)]
            .into_iter()
            .find_map(|(suffix, unit)| Some((name.strip_suffix(suffix)?, Some(unit))))
            .unwrap_or((name, None));
        let text = match &unit {
            Some(Unit::Seconds) => "seconds",
            Some(Unit::Bytes) => "bytes",
            Some(_) | None => "",
        };
        match unit {
            Some(unit) => self.registry.register_with_unit(stem, help, unit, metric),
            None => self.registry.register(name, help, metric),
        }
        let suffix = if kind == Kind::Counter { "_total" } else { "" };
        self.described.push(Described {
            area: self.area,
            name: format!("{}_{name}{suffix}", super::PREFIX),
            kind,
            unit: text,
            labels,
            help,
            advice,
        });
    }
}
