//! Picture files that are named on the command line: files, folders and patterns.

use std::cmp::Ordering;
use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, anyhow};
use bytes::Bytes;
use globset::{GlobBuilder, GlobMatcher};

use super::{Failure, video};
use crate::client::subscribe::is_pattern;
use crate::picture::sniff;

/// The file name extensions of pictures.
const PICTURE_EXTENSIONS: [&str; 4] = ["jpg", "jpeg", "png", "webp"];
/// The maximum bytes of pictures that are read; further pictures are left out.
const MAX_BYTES: usize = 256 << 20;
/// The maximum length of a stream id.
const MAX_ID_CHARS: usize = 64;

/// The files that a folder stands for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Wanted {
    Pictures,
    PicturesAndVideos,
    AnyFile,
}

impl Wanted {
    fn includes(self, file: &Path) -> bool {
        match self {
            Self::Pictures => is_picture(file),
            Self::PicturesAndVideos => is_picture(file) || video::is_video(file),
            Self::AnyFile => true,
        }
    }

    /// Describes the files.
    fn words(self) -> String {
        match self {
            Self::Pictures => format!("pictures ({})", PICTURE_EXTENSIONS.join(", ")),
            Self::PicturesAndVideos => format!("pictures ({}) or videos", PICTURE_EXTENSIONS.join(", ")),
            Self::AnyFile => "files".to_owned(),
        }
    }
}

/// Returns the files that `arguments` name, in the order of the arguments. The files of a folder or
/// pattern are sorted (`frame-2` before `frame-10`). A folder, also one that a pattern matches, stands
/// for the wanted files in it and in all of its subfolders. Hidden files and folders are left out,
/// unless an argument is the name of one, and so are pipes and devices.
///
/// # Errors
/// Fails if an argument cannot be read or matches nothing.
pub(crate) fn expand(arguments: &[String], wanted: Wanted) -> Result<Vec<PathBuf>, Failure> {
    let mut files = Vec::new();
    for argument in arguments {
        files.extend(expand_one(argument, wanted).map_err(Failure::Usage)?);
    }
    Ok(files)
}

fn expand_one(argument: &str, wanted: Wanted) -> anyhow::Result<Vec<PathBuf>> {
    let path = Path::new(argument);
    let mut found = Vec::new();
    if path.is_dir() {
        search(path, Search { pattern: None, deep: true, wanted }, &mut found)?;
        if found.is_empty() {
            let words = wanted.words();
            return Err(anyhow!("{argument} contains no {words}, nor do the folders in it"));
        }
    } else if path.exists() || !is_pattern(argument) {
        if !fs::metadata(path).with_context(|| format!("cannot read {argument}"))?.is_file() {
            return Err(anyhow!(
                "{argument} is neither a file nor a folder; a pipe must be the standard input"
            ));
        }
        return Ok(vec![path.to_owned()]);
    } else {
        let glob = GlobBuilder::new(argument.trim_end_matches('/')).literal_separator(true).build();
        let glob = glob.with_context(|| format!("{argument} is not a pattern"))?.compile_matcher();
        let (root, deep) = root_of(argument);
        search(&root, Search { pattern: Some(&glob), deep, wanted }, &mut found)?;
        if found.is_empty() {
            let words = wanted.words();
            return Err(anyhow!("nothing matches {argument}: neither files, nor folders with {words}"));
        }
    }
    found.sort_by(|a, b| compare_natural(&a.to_string_lossy(), &b.to_string_lossy()));
    Ok(found)
}

/// Reports whether a file has the file name extension of a picture.
pub(crate) fn is_picture(file: &Path) -> bool {
    let extension = file.extension().map(|extension| extension.to_string_lossy().to_ascii_lowercase());
    extension.is_some_and(|extension| PICTURE_EXTENSIONS.contains(&extension.as_str()))
}

/// Returns the folder where the search for a pattern starts, and whether it includes subfolders.
fn root_of(pattern: &str) -> (PathBuf, bool) {
    let plain: PathBuf =
        Path::new(pattern).iter().take_while(|part| !is_pattern(&part.to_string_lossy())).collect();
    let patterned = Path::new(pattern).iter().count() - plain.iter().count();
    (plain, patterned > 1)
}

/// The rules of a search.
#[derive(Debug, Clone, Copy)]
struct Search<'a> {
    /// The files, and the folders to take as a whole, match this pattern. `None` for all.
    pattern: Option<&'a GlobMatcher>,
    /// Subfolders are searched.
    deep: bool,
    wanted: Wanted,
}

fn search(folder: &Path, rules: Search<'_>, found: &mut Vec<PathBuf>) -> anyhow::Result<()> {
    // `folder` is empty for a pattern without a folder: such a pattern must match names without
    // one.
    let listed = if folder.as_os_str().is_empty() { Path::new(".") } else { folder };
    let entries = fs::read_dir(listed).with_context(|| format!("cannot read folder {}", listed.display()))?;
    for entry in entries {
        let entry = entry.with_context(|| format!("cannot read folder {}", listed.display()))?;
        if entry.file_name().as_encoded_bytes().starts_with(b".") {
            continue;
        }
        let path = folder.join(entry.file_name());
        let matches = rules.pattern.is_some_and(|pattern| pattern.is_match(&path));
        if path.is_dir() {
            let is_link = entry.file_type().is_ok_and(|kind| kind.is_symlink());
            if matches {
                search(&path, Search { pattern: None, deep: true, ..rules }, found)?;
            } else if rules.deep && !is_link {
                // Links to folders are not followed: they can form circles.
                search(&path, rules, found)?;
            }
        } else if fs::metadata(&path).is_ok_and(|about| !about.is_file()) {
            // Opening a pipe or a device may wait for ever.
        } else if matches || rules.pattern.is_none() && rules.wanted.includes(&path) {
            found.push(path);
        }
    }
    Ok(())
}

/// Compares names in natural order: runs of digits are compared by their value.
fn compare_natural(a: &str, b: &str) -> Ordering {
    let (mut a, mut b) = (a.chars().peekable(), b.chars().peekable());
    loop {
        match (a.peek().copied(), b.peek().copied()) {
            (Some(x), Some(y)) if x.is_ascii_digit() && y.is_ascii_digit() => {
                let ordering = take_number(&mut a).cmp(&take_number(&mut b));
                if ordering.is_ne() {
                    return ordering;
                }
            }
            (Some(x), Some(y)) if x == y => {
                a.next();
                b.next();
            }
            (x, y) => return x.cmp(&y),
        }
    }
}

/// Takes a run of digits, without leading zeros. Returns how many digits remain, and the digits:
/// pairs of this form compare as the values do.
fn take_number(chars: &mut std::iter::Peekable<std::str::Chars<'_>>) -> (usize, String) {
    let mut digits = String::new();
    while let Some(digit) = chars.next_if(char::is_ascii_digit) {
        digits.push(digit);
    }
    let digits = digits.trim_start_matches('0').to_owned();
    (digits.len(), digits)
}

/// Reads the pictures of a source: a file, a folder, a pattern or a video. From a video, `fps`
/// pictures per second are taken and scaled to fit into `size`.
///
/// # Errors
/// Fails if the source cannot be read or contains no pictures.
pub(crate) fn pictures(source: &str, fps: u32, size: (u32, u32)) -> Result<Vec<Bytes>, Failure> {
    let files = expand(&[source.to_owned()], Wanted::Pictures)?;
    if let [file] = files.as_slice()
        && !is_picture(file)
    {
        return video::frames(file, fps, size);
    }
    let mut pictures = Vec::new();
    let mut total = 0;
    for (index, file) in files.iter().enumerate() {
        let shown = file.display();
        let data = fs::read(file).with_context(|| format!("cannot read {shown}")).map_err(Failure::Usage)?;
        if sniff(&data).is_none() {
            return Err(Failure::Usage(anyhow!("{shown} is not a JPEG, PNG or WebP picture")));
        }
        total += data.len();
        if total > MAX_BYTES && !pictures.is_empty() {
            eprintln!("only the first {index} of {} pictures are used", files.len());
            break;
        }
        pictures.push(Bytes::from(data));
    }
    Ok(pictures)
}

/// Makes a valid id that resembles `name`.
pub(crate) fn sanitise(name: &str) -> String {
    let legal = |c: char| if c.is_ascii_alphanumeric() || c == '_' { c } else { '-' };
    let mut id = String::new();
    for c in name.chars().map(legal) {
        // A run of invalid characters becomes one dash.
        if !(c == '-' && (id.is_empty() || id.ends_with('-'))) && id.len() < MAX_ID_CHARS {
            id.push(c);
        }
    }
    let id = id.trim_end_matches('-');
    if id.is_empty() { "frames".to_owned() } else { id.to_owned() }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn folder(names: &[&str]) -> tempfile::TempDir {
        let folder = tempfile::tempdir().unwrap();
        for name in names {
            let path = folder.path().join(name);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, b"x").unwrap();
        }
        folder
    }

    fn names(folder: &tempfile::TempDir, pattern: &str) -> Vec<String> {
        let argument = folder.path().join(pattern).to_string_lossy().into_owned();
        let files = expand(&[argument], Wanted::Pictures).unwrap();
        files
            .iter()
            .map(|file| file.strip_prefix(folder.path()).unwrap().to_string_lossy().into_owned())
            .collect()
    }

    #[test]
    fn folders_give_their_pictures_in_natural_order() {
        let folder =
            folder(&["f-10.jpg", "f-2.JPG", "f-1.png", "notes.txt", "deep/f-0.jpg", ".h.jpg", ".d/h.jpg"]);
        assert_eq!(names(&folder, ""), ["deep/f-0.jpg", "f-1.png", "f-2.JPG", "f-10.jpg"]);
        assert_eq!(names(&folder, ".d"), [".d/h.jpg"]);
    }

    #[test]
    fn a_pattern_matches_folders_too() {
        let folder =
            folder(&["cams/a/1.jpg", "cams/a/x.txt", "cams/b/deep/1.jpg", "cams/c.jpg", "other/1.jpg"]);
        assert_eq!(names(&folder, "cams/*"), ["cams/a/1.jpg", "cams/b/deep/1.jpg", "cams/c.jpg"]);
        assert_eq!(names(&folder, "cams/[ab]/"), ["cams/a/1.jpg", "cams/b/deep/1.jpg"]);
        assert_eq!(names(&folder, "*/b"), ["cams/b/deep/1.jpg"]);
    }

    #[test]
    fn patterns_are_expanded_as_a_shell_would() {
        let folder = folder(&["a-1.jpg", "a-2.jpg", "b-1.jpg", "x/a-1.jpg", "x/y/a-1.jpg"]);
        assert_eq!(names(&folder, "a-*.jpg"), ["a-1.jpg", "a-2.jpg"]);
        assert_eq!(names(&folder, "[ab]-1.jpg"), ["a-1.jpg", "b-1.jpg"]);
        assert_eq!(names(&folder, "*/a-?.jpg"), ["x/a-1.jpg"]);
        assert_eq!(names(&folder, "**/a-1.jpg"), ["a-1.jpg", "x/a-1.jpg", "x/y/a-1.jpg"]);
    }

    #[test]
    fn pipes_are_left_out_and_links_in_a_circle_end() {
        let folder = folder(&["cam/1.jpg"]);
        let pipe = folder.path().join("cam/2.jpg");
        assert!(std::process::Command::new("mkfifo").arg(&pipe).status().unwrap().success());
        std::os::unix::fs::symlink("..", folder.path().join("cam/up")).unwrap();
        assert_eq!(names(&folder, ""), ["cam/1.jpg"]);
        assert_eq!(names(&folder, "cam/*.jpg"), ["cam/1.jpg"]);
        let Err(Failure::Usage(error)) = expand(&[pipe.to_string_lossy().into_owned()], Wanted::Pictures)
        else {
            panic!("a pipe is no file");
        };
        assert!(error.to_string().ends_with("a pipe must be the standard input"), "{error}");
    }

    #[test]
    fn a_missing_file_is_a_usage_failure() {
        let folder = folder(&["a.txt"]);
        for missing in ["nothing.jpg", "*.jpg", ""] {
            let argument = folder.path().join(missing).to_string_lossy().into_owned();
            assert!(matches!(expand(&[argument], Wanted::Pictures), Err(Failure::Usage(_))), "{missing:?}");
        }
    }

    #[test]
    fn a_search_starts_in_the_folder_before_the_first_pattern() {
        assert_eq!(root_of("a/b/*.jpg"), (PathBuf::from("a/b"), false));
        assert_eq!(root_of("*.jpg"), (PathBuf::new(), false));
        assert_eq!(root_of("/a/*/c.jpg"), (PathBuf::from("/a"), true));
    }

    #[test]
    fn any_name_becomes_a_legal_id() {
        assert_eq!(sanitise("cam.1 (north)"), "cam-1-north");
        assert_eq!(sanitise("Straße"), "Stra-e");
        assert_eq!(sanitise("..."), "frames");
        assert_eq!(sanitise(&"x".repeat(100)).len(), 64);
    }
}
