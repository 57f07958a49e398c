//! Presets: named sets of settings for a purpose. Everything else overrides them.

use std::fmt;

use clap::ValueEnum;
use serde::{Deserialize, Serialize};

/// A named set of settings. docs/tuning.md has their effects.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum, Serialize, Deserialize)]
pub enum Preset {
    /// More frames per second: no thumbnails.
    HighThroughput,
    /// Less time until other workers take over from one that crashed, and no thumbnails.
    LowLatency,
    /// Fewer bytes per frame: coarser and smaller pictures, with Huffman tables of their stream.
    LowBandwidth,
    /// Less memory for frames that wait or are kept.
    LowMemory,
}

impl Preset {
    /// Returns the settings by their keys.
    pub(super) fn settings(self) -> &'static [(&'static str, &'static str)] {
        match self {
            Self::HighThroughput => &[("default_thumbnail_size", "0")],
            Self::LowLatency => &[("lease_term", "1s"), ("default_thumbnail_size", "0")],
            Self::LowBandwidth => {
                &[("default_quality", "60"), ("default_max_side", "1280"), ("default_huffman", "stream")]
            }
            Self::LowMemory => &[("memory_budget", "256MiB")],
        }
    }
}

/// Writes the name as a flag has it.
impl fmt::Display for Preset {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.to_possible_value() {
            Some(value) => f.write_str(value.get_name()),
            None => fmt::Debug::fmt(self, f),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::settings::Setting;
    use super::*;

    #[test]
    fn every_setting_of_a_preset_exists_and_accepts_its_value() {
        let settings = Setting::in_files();
        for preset in Preset::value_variants() {
            for (key, value) in preset.settings() {
                let setting = settings.iter().find(|setting| setting.key() == *key);
                let setting = setting.unwrap_or_else(|| panic!("{preset}: there is no setting {key}"));
                setting.check(&[value.into()]).unwrap_or_else(|why| panic!("{preset}: {key}: {why}"));
                assert_ne!(setting.default().as_deref(), Some(*value), "{preset}: {key} is the default");
            }
        }
    }
}
