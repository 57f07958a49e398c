//! Templates of file names: `{stream}/{date}/{hour}/{time}-{sequence}.{ext}`.

use std::path::{Component, Path, PathBuf};

use globset::{Glob, GlobBuilder};

use super::{extension, role_name};
use crate::client::time::system_time;
use crate::pb::v1 as pb;

/// A field of a template.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Field {
    Stream,
    Date,
    Hour,
    Minute,
    Time,
    Sequence,
    Role,
    Ext,
}

const FIELDS: [(&str, Field); 8] = [
    ("stream", Field::Stream),
    ("date", Field::Date),
    ("hour", Field::Hour),
    ("minute", Field::Minute),
    ("time", Field::Time),
    ("sequence", Field::Sequence),
    ("role", Field::Role),
    ("ext", Field::Ext),
];
/// The values of `{role}` and `{ext}`, as a glob.
const ROLES: &str = "{processed,thumbnail,original,rendition,unspecified}";
const EXTENSIONS: &str = "{jpg,png,webp,rgb8,bgr8,gray8,nv12,i420,bin}";
const DIGIT: &str = "[0-9]";

#[derive(Debug, Clone, PartialEq, Eq)]
enum Part {
    Text(String),
    Field(Field),
}

/// A template, split where its first field begins.
#[derive(Debug, Clone)]
pub(super) struct Template {
    /// The folder that no file leaves. It is the part before the first folder with a field.
    folder: PathBuf,
    /// The names of the folders in it, and of the file.
    names: Vec<Vec<Part>>,
}

/// The frames that a template is for.
#[derive(Debug, Clone, Copy)]
pub(super) struct Use {
    /// A frame may have several pictures.
    pub(super) several_pictures: bool,
    /// The frames are those of several streams.
    pub(super) several_streams: bool,
}

impl Template {
    /// Reads a template.
    ///
    /// # Errors
    /// Returns the reason why it cannot be used.
    pub(super) fn parse(text: &str, purpose: Use) -> Result<Self, String> {
        let (mut folder, mut names) = (PathBuf::new(), Vec::new());
        for component in Path::new(text).components() {
            match component {
                Component::Normal(name) if !names.is_empty() || name.as_encoded_bytes().contains(&b'{') => {
                    names.push(parts(&name.to_string_lossy())?);
                }
                Component::ParentDir if !names.is_empty() => {
                    return Err("`..` after a field would lead outside of the folder".to_owned());
                }
                Component::Prefix(_)
                | Component::RootDir
                | Component::CurDir
                | Component::ParentDir
                | Component::Normal(_) => folder.push(component),
            }
        }
        if text.ends_with('/') {
            return Err("it ends with a folder: add a file name such as {sequence}.{ext}".to_owned());
        }
        let has = |field: Field| names.iter().flatten().any(|part| *part == Part::Field(field));
        let required = [
            (Field::Sequence, true, "{sequence}", "the frames of a stream"),
            (Field::Stream, purpose.several_streams, "{stream}", "the frames of several streams"),
            (Field::Role, purpose.several_pictures, "{role}", "the pictures of a frame"),
        ];
        for (field, is_required, name, what) in required {
            if is_required && !has(field) {
                return Err(format!("without {name}, {what} would overwrite each other"));
            }
        }
        if folder.as_os_str().is_empty() {
            folder.push(".");
        }
        Ok(Self { folder, names })
    }

    /// Returns the names `north-gate-000000001.jpg` in a folder, with the role if there may be
    /// several pictures.
    pub(super) fn flat(folder: PathBuf, several_pictures: bool) -> Self {
        Self::in_folder(folder, true, several_pictures)
    }

    /// Returns the names `north-gate.jpg` in a folder, with the role if there may be several
    /// pictures.
    pub(super) fn latest(folder: PathBuf, several_pictures: bool) -> Self {
        Self::in_folder(folder, false, several_pictures)
    }

    fn in_folder(folder: PathBuf, sequence: bool, role: bool) -> Self {
        let dash = || Part::Text("-".to_owned());
        let mut name = vec![Part::Field(Field::Stream)];
        for (field, is_wanted) in [(Field::Sequence, sequence), (Field::Role, role)] {
            if is_wanted {
                name.extend([dash(), Part::Field(field)]);
            }
        }
        name.extend([Part::Text(".".to_owned()), Part::Field(Field::Ext)]);
        Self { folder, names: vec![name] }
    }

    /// Returns the folder that no file leaves.
    pub(super) fn folder(&self) -> &Path {
        &self.folder
    }

    /// Returns the number of folders between the folder and a file, plus 1.
    pub(super) fn depth(&self) -> usize {
        self.names.len()
    }

    /// Returns the path of a picture.
    ///
    /// # Errors
    /// Returns the name that would lead outside of the folder. No server sends such a stream id.
    pub(super) fn path(&self, frame: &pb::ProcessedFrame, picture: &pb::Picture) -> Result<PathBuf, String> {
        let time = frame.receive_time.as_ref().map(system_time).unwrap_or(std::time::UNIX_EPOCH);
        let time = humantime::format_rfc3339_millis(time).to_string();
        let mut path = self.folder.clone();
        for name in &self.names {
            let name: String = name
                .iter()
                .map(|part| match part {
                    Part::Text(text) => text.clone(),
                    Part::Field(field) => field.value(&time, frame, picture),
                })
                .collect();
            if matches!(name.as_str(), "" | "." | "..") || name.contains(['/', '\\', '\0']) {
                return Err(name);
            }
            path.push(name);
        }
        Ok(path)
    }

    /// Returns a pattern of the paths in the folder that the template makes for these streams, which
    /// are ids or patterns of ids; none stands for all.
    pub(super) fn pattern(&self, streams: &[String]) -> Result<Glob, globset::Error> {
        let streams = if streams.is_empty() { "*".to_owned() } else { format!("{{{}}}", streams.join(",")) };
        let part = |part: &Part| match part {
            Part::Text(text) => globset::escape(text),
            Part::Field(field) => field.pattern(&streams),
        };
        let names: Vec<String> = self.names.iter().map(|name| name.iter().map(part).collect()).collect();
        GlobBuilder::new(&names.join("/")).literal_separator(true).build()
    }
}

/// Reads the name of a folder or file.
fn parts(name: &str) -> Result<Vec<Part>, String> {
    let (mut parts, mut rest) = (Vec::new(), name);
    while let Some((text, field)) = rest.split_once('{') {
        let Some((field, after)) = field.split_once('}') else {
            return Err(format!("a field is not closed: {{{field}"));
        };
        let known = FIELDS.iter().find(|(name, _)| *name == field);
        let Some((_, known)) = known else {
            let fields: Vec<String> = FIELDS.iter().map(|(name, _)| format!("{{{name}}}")).collect();
            return Err(format!("{{{field}}} is no field: the fields are {}", fields.join(", ")));
        };
        if !text.is_empty() {
            parts.push(Part::Text(text.to_owned()));
        }
        parts.push(Part::Field(*known));
        rest = after;
    }
    if !rest.is_empty() {
        parts.push(Part::Text(rest.to_owned()));
    }
    Ok(parts)
}

impl Field {
    /// Returns the value; `time` is the receive time as RFC 3339 in UTC, with milliseconds.
    fn value(self, time: &str, frame: &pb::ProcessedFrame, picture: &pb::Picture) -> String {
        let part = |range: std::ops::Range<usize>| time.get(range).unwrap_or_default();
        match self {
            Self::Stream => frame.stream_id.clone(),
            Self::Date => part(0..10).to_owned(),
            Self::Hour => part(11..13).to_owned(),
            Self::Minute => part(14..16).to_owned(),
            // Colons are not allowed in the names of some file systems.
            Self::Time => format!("{}{}{}Z", part(11..13), part(14..16), part(17..23)),
            Self::Sequence => format!("{:09}", frame.sequence),
            Self::Role => role_name(picture),
            Self::Ext => extension(picture.format()),
        }
    }

    /// Returns a glob of the values.
    fn pattern(self, streams: &str) -> String {
        let digits = |count: usize| DIGIT.repeat(count);
        match self {
            Self::Stream => streams.to_owned(),
            Self::Date => [digits(4), digits(2), digits(2)].join("-"),
            Self::Hour | Self::Minute => digits(2),
            Self::Time => format!("{}.{}Z", digits(6), digits(3)),
            // Sequences are less than 2^53.
            Self::Sequence => format!("{{{}}}", (9..=16).map(digits).collect::<Vec<_>>().join(",")),
            Self::Role => ROLES.to_owned(),
            Self::Ext => EXTENSIONS.to_owned(),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, UNIX_EPOCH};

    use super::*;
    use crate::client::time::timestamp;

    const ONE: Use = Use { several_pictures: false, several_streams: false };
    const SEVERAL: Use = Use { several_pictures: true, several_streams: true };

    fn frame(stream: &str) -> (pb::ProcessedFrame, pb::Picture) {
        let picture = pb::Picture {
            role: pb::PictureRole::Original.into(),
            format: pb::PictureFormat::Jpeg.into(),
            ..Default::default()
        };
        let time = UNIX_EPOCH + Duration::from_millis(1_700_000_000_123);
        let frame = pb::ProcessedFrame {
            stream_id: stream.to_owned(),
            sequence: 7,
            receive_time: Some(timestamp(time)),
            ..Default::default()
        };
        (frame, picture)
    }

    #[test]
    fn a_template_names_files_by_stream_time_and_sequence() {
        let (frame, picture) = frame("site.north");
        for (text, path) in [
            (
                "rec/{stream}/{date}/{hour}/{time}-{sequence}.{ext}",
                "rec/site.north/2023-11-14/22/221320.123Z-000000007.jpg",
            ),
            ("../x/{stream}-{minute}/{role}-{sequence}.jpeg", "../x/site.north-13/original-000000007.jpeg"),
            ("{sequence}", "./000000007"),
            ("/a/./b/{sequence}.{ext}", "/a/b/000000007.jpg"),
        ] {
            let template = Template::parse(text, ONE).unwrap();
            let made = template.path(&frame, &picture).unwrap();
            assert_eq!(made, Path::new(path), "{text}");
            let pattern =
                template.pattern(&["north".to_owned(), "site*".to_owned()]).unwrap().compile_matcher();
            let within = made.strip_prefix(&template.folder).unwrap();
            assert!(pattern.is_match(within), "{text}: {}", pattern.glob());
            for other in ["notes.txt", "000000007.jpg.part", "site.north/2023-11-14/22/1.jpg"] {
                assert!(!pattern.is_match(other), "{text}: {other}");
            }
        }
    }

    #[test]
    fn a_pattern_matches_only_the_streams() {
        let template = Template::parse("r/{stream}-{sequence}.{ext}", SEVERAL_STREAMS).unwrap();
        let pattern = template.pattern(&["cam-?".to_owned()]).unwrap().compile_matcher();
        assert!(pattern.is_match("cam-1-000000007.jpg") && pattern.is_match("cam-1-1000000000.jpg"));
        for other in ["cam-12-000000007.jpg", "cam-1-7.jpg", "cam-1-000000007.txt", "x/cam-1-000000007.jpg"] {
            assert!(!pattern.is_match(other), "{other}");
        }
        assert!(template.pattern(&[]).unwrap().compile_matcher().is_match("any-000000007.jpg"));
    }

    const SEVERAL_STREAMS: Use = Use { several_pictures: false, several_streams: true };

    #[test]
    fn a_template_that_cannot_be_used_says_why() {
        for (text, purpose, why) in [
            ("{camera}/{sequence}.jpg", ONE, "{camera} is no field: the fields are {stream}, {date}, {hour}"),
            ("{stream/{sequence}", ONE, "a field is not closed: {stream"),
            ("{stream{sequence}", ONE, "{stream{sequence} is no field"),
            ("{stream", ONE, "a field is not closed: {stream"),
            ("rec/{stream}/../{sequence}.jpg", ONE, "would lead outside"),
            ("rec/{stream}/{sequence}/", ONE, "ends with a folder"),
            ("rec/{time}.{ext}", ONE, "without {sequence}, the frames of a stream would overwrite"),
            ("rec/{sequence}.{ext}", SEVERAL_STREAMS, "without {stream}, the frames of several streams"),
            ("rec/{stream}-{sequence}.{ext}", SEVERAL, "without {role}, the pictures of a frame"),
        ] {
            let error = Template::parse(text, purpose).unwrap_err();
            assert!(error.contains(why), "{text}: {error}");
        }
    }

    #[test]
    fn no_file_leaves_the_folder() {
        let template = Template::parse("rec/{stream}/{sequence}.{ext}", ONE).unwrap();
        for stream in ["..", ".", "", "../../etc", "a/b", "a\\b", "a\0"] {
            let (frame, picture) = frame(stream);
            assert_eq!(template.path(&frame, &picture), Err(stream.to_owned()));
        }
        let (frame, picture) = frame("../x");
        assert!(Template::flat("rec".into(), false).path(&frame, &picture).is_err());
    }
}
