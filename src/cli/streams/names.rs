//! The flags of settings, for refusals of the server, which name the fields of the contract.

/// The flag for each setting of a stream, by its path in the contract.
const FLAGS: &[(&str, &str)] = &[
    ("labels", "--label"),
    ("display_name", "--name"),
    ("retention.max_frames", "--retain-frames"),
    ("retention.max_age", "--retain-age"),
    ("retention.max_bytes", "--retain-bytes"),
    ("queue.max_frames", "--queue-frames"),
    ("queue.max_bytes", "--queue-bytes"),
    ("queue.overflow", "--queue-overflow"),
    ("stall_timeout", "--stall-timeout"),
    ("output.format", "--format"),
    ("output.lossless", "--lossless"),
    ("output.max_width", "--max-width"),
    ("output.max_height", "--max-height"),
    ("output.keep_original", "--keep-original"),
    ("output.quality", "--quality"),
    ("output.reencode_mode", "--reencode"),
    ("output.thumbnail_size", "--thumbnail-size"),
    ("output.adaptive.max_bytes_per_frame", "--max-bytes-per-frame"),
    ("output.adaptive.max_bytes_per_second", "--max-bytes-per-second"),
    ("output.adaptive.min_quality", "--min-quality"),
    ("output.adaptive.min_scale_percent", "--min-scale"),
    ("output.keep_metadata", "--keep-metadata"),
    ("output.keep_unmasked_original", "--keep-unmasked-original"),
    ("output.chroma_subsampling", "--chroma-subsampling"),
    ("output.huffman", "--huffman"),
    ("privacy_masks", "--mask"),
    ("rois", "--roi"),
    ("validation.min_quality_score", "--min-quality-score"),
    ("validation.min_width", "--min-width"),
    ("validation.min_height", "--min-height"),
    ("validation.max_age", "--max-age"),
    ("validation.clock_policy", "--clock"),
];

/// Returns a server's refusal with the flag after each setting that it names, once.
pub(super) fn with_flags(text: &str) -> String {
    let is_name = |letter: char| letter.is_ascii_alphanumeric() || letter == '_';
    let mut named = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(letter) = rest.chars().next() {
        let begins = !named.ends_with(is_name);
        let flag = FLAGS.iter().find_map(|(path, flag)| {
            let after = rest.strip_prefix(path).filter(|after| begins && !after.starts_with(is_name))?;
            // A part of the setting may follow, as in `rois[0].polygon`.
            let part = after.find(|letter| !is_name(letter) && !"[].".contains(letter));
            let end = path.len() + part.unwrap_or(after.len());
            Some((rest[..end].trim_end_matches('.'), flag))
        });
        match flag {
            Some((path, flag)) => {
                let known = named.contains(&format!("({flag})"));
                named.push_str(path);
                if !known {
                    named.push_str(&format!(" ({flag})"));
                }
                rest = &rest[path.len()..];
            }
            None => {
                named.push(letter);
                rest = &rest[letter.len_utf8()..];
            }
        }
    }
    named
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::flags::each_alone;
    use crate::cli::streams::settings::SettingsArgs;

    #[test]
    fn every_setting_has_its_flag() {
        for (flag, args) in each_alone::<SettingsArgs>() {
            let path = args.into_stream("cam").1.paths.pop().unwrap_or_default();
            let named = FLAGS.iter().find(|(known, _)| *known == path).map(|(_, flag)| *flag);
            // Two flags set the masks: those of the list and none.
            let expected = if flag == "--no-masks" { "--mask" } else { &flag };
            assert_eq!(named, Some(expected), "{path}");
        }
    }

    #[test]
    fn a_refusal_names_the_flags() {
        for (text, named) in [
            ("field stream.output.keep_original)", "field stream.output.keep_original (--keep-original))"),
            ("retention.max_frames: too many", "retention.max_frames (--retain-frames): too many"),
            ("stream.rois[1].polygon[0].x: is é", "stream.rois[1].polygon[0].x (--roi): is é"),
            ("output.quality_of", "output.quality_of"),
            ("it has no labels.", "it has no labels (--label)."),
            ("rois: bad; field stream.rois", "rois (--roi): bad; field stream.rois"),
            ("my_labels", "my_labels"),
        ] {
            assert_eq!(with_flags(text), named);
        }
    }
}
