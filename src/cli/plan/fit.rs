//! Compares a plan with a machine: the parts that do not fit, and the changes that would.

use std::time::Duration;

use super::estimate::{Demand, Plan};
use super::machine::Machine;
use super::show::flag;
use crate::console::output::bytes;

/// A part of a plan that does not fit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Short {
    Processor,
    Memory,
    Disk,
    Retention,
}

impl Short {
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Processor => "processor",
            Self::Memory => "memory",
            Self::Disk => "disk",
            Self::Retention => "retention",
        }
    }
}

/// The memory that a plan needs on a machine that runs everything.
pub(super) fn memory(plan: &Plan) -> u64 {
    plan.maxmemory.saturating_add(plan.process_bytes)
}

/// Returns what does not fit if one machine runs everything, with the reason.
pub(super) fn shortages(plan: &Plan, machine: &Machine) -> Vec<(Short, String)> {
    let mut short = Vec::new();
    if plan.cores > machine.cores {
        let text = format!("needs {} cores, this machine has {}", plan.cores, machine.cores);
        short.push((Short::Processor, text));
    }
    if memory(plan) > machine.memory_bytes {
        let text = format!("needs {}, this machine has {}", bytes(memory(plan)), bytes(machine.memory_bytes));
        short.push((Short::Memory, text));
    }
    if let Some(free) = machine.disk_bytes.filter(|&free| plan.disk_bytes > free) {
        let text =
            format!("needs {}, the disk of this folder has {} free", bytes(plan.disk_bytes), bytes(free));
        short.push((Short::Disk, text));
    }
    short.extend(plan.beyond_retention().map(|text| (Short::Retention, text)));
    short
}

/// Returns what would fit on the machine: each time one number is changed and the others are kept.
pub(super) fn alternatives(demand: &Demand, machine: &Machine, relay_ms: Option<f64>) -> Vec<String> {
    let fits = |demand: &Demand| shortages(&demand.plan(), machine).is_empty();
    let mut found = Vec::new();
    let keep = |seconds| Demand { keep: Duration::from_secs(seconds), ..*demand };
    if let Some(seconds) = most(demand.keep.as_secs(), |seconds| fits(&keep(seconds))) {
        found.push(format!("--keep {}", flag(Duration::from_secs(seconds))));
    }
    let fewer = |cameras| Demand { cameras, ..*demand };
    if let Some(cameras) = most(demand.cameras, |cameras| fits(&fewer(cameras))) {
        found.push(format!("--cameras {cameras}"));
    }
    // In tenths of a frame.
    let slower = |tenths: u64| Demand { fps: tenths as f64 / 10.0, ..*demand };
    if let Some(tenths) = most((demand.fps * 10.0) as u64, |tenths| fits(&slower(tenths))) {
        found.push(format!("--fps {}", tenths as f64 / 10.0));
    }
    if let Some(ms) = relay_ms.filter(|_| !demand.relays) {
        let relayed =
            Demand { relays: true, cpu_ms_per_frame: ms, processed_bytes: demand.submitted_bytes, ..*demand };
        if fits(&relayed) {
            found
                .push("--reencode relay (pictures are passed on without measures and thumbnails)".to_owned());
        }
    }
    found
}

/// Returns the largest number from 1 to below `end` that fits; `None` if not even 1 does. What is below
/// a number that fits, fits.
fn most(end: u64, fits: impl Fn(u64) -> bool) -> Option<u64> {
    let (mut low, mut high) = (0, end);
    while high - low > 1 {
        let middle = low + (high - low) / 2;
        if fits(middle) { low = middle } else { high = middle }
    }
    Some(low).filter(|&low| low > 0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::Partitions;

    const GIB: u64 = 1 << 30;

    fn demand() -> Demand {
        Demand {
            cameras: 40,
            fps: 5.0,
            submitted_bytes: 200_000,
            processed_bytes: 200_000,
            thumbnail_bytes: 2_000,
            keep: Duration::from_secs(3_600),
            keeps_originals: false,
            relays: false,
            subscribers: 1,
            partitions: Partitions::default(),
            cpu_ms_per_frame: 10.0,
        }
    }

    #[test]
    fn the_largest_number_that_fits_is_found() {
        for bound in [1, 2, 7, 99] {
            assert_eq!(most(100, |number| number <= bound), Some(bound));
        }
        assert_eq!(most(100, |_| false), None);
        assert_eq!(most(1, |_| true), None);
    }

    #[test]
    fn each_shortage_is_named_and_the_alternatives_fit() {
        let machine = Machine { cores: 8, memory_bytes: 2_000 * GIB, disk_bytes: Some(2_000 * GIB) };
        let names = |machine: &Machine| {
            shortages(&demand().plan(), machine).into_iter().map(|(short, _)| short).collect::<Vec<_>>()
        };
        assert_eq!(names(&machine), []);
        assert_eq!(names(&Machine { cores: 2, ..machine }), [Short::Processor]);
        assert_eq!(names(&Machine { memory_bytes: 8 * GIB, ..machine }), [Short::Memory]);
        assert_eq!(names(&Machine { disk_bytes: Some(GIB), ..machine }), [Short::Disk]);
        assert_eq!(names(&Machine { disk_bytes: None, ..machine }), []);

        let with_cores = Machine { cores: 8, memory_bytes: 64 * GIB, disk_bytes: None };
        let found = alternatives(&demand(), &with_cores, None);
        let [keep, cameras, fps] = &found[..] else { panic!("{found:?}") };
        let span = humantime::parse_duration(keep.strip_prefix("--keep ").unwrap()).unwrap();
        assert!(shortages(&Demand { keep: span, ..demand() }.plan(), &with_cores).is_empty());
        let longer = span + Duration::from_secs(1);
        assert!(!shortages(&Demand { keep: longer, ..demand() }.plan(), &with_cores).is_empty());
        assert!(cameras.starts_with("--cameras ") && fps.starts_with("--fps "), "{found:?}");

        let few_cores = Machine { cores: 2, ..machine };
        let found = alternatives(&demand(), &few_cores, Some(2.0));
        assert!(found.iter().any(|one| one.starts_with("--reencode relay")), "{found:?}");
        assert!(!found.iter().any(|one| one.starts_with("--keep")), "{found:?}");
    }
}
