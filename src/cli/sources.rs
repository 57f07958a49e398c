//! Picture files that are named on the command line: files, folders and patterns.

use std::cmp::Ordering;
use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, anyhow};
use bytes::Bytes;
use globset::GlobBuilder;

use super::{Failure, video};
use crate::picture::sniff;

/// Endings of files that a folder or pattern is searched for.
const PICTURE_ENDINGS: [&str; 4] = ["jpg", "jpeg", "png", "webp"];
/// Pictures that are held in memory; further ones are left out.
const MOST_BYTES: usize = 256 << 20;
/// What a stream id may hold.
const MAX_ID_CHARS: usize = 64;

/// The files that `arguments` name, in order: as they were given, and sorted within a folder or pattern (`frame-2` before
/// `frame-10`). Folders are searched for pictures, without those below; with `any_ending` for all files.
///
/// # Errors
/// A usage failure if anything cannot be read or nothing is found.
pub(super) fn expand(arguments: &[String], any_ending: bool) -> Result<Vec<PathBuf>, Failure> {
    let mut files = Vec::new();
    for argument in arguments {
        let found = one(argument, any_ending).map_err(Failure::Usage)?;
        files.extend(found);
    }
    for file in &files {
        // Better now than in the middle of a run.
        fs::File::open(file)
            .with_context(|| format!("cannot read {}", file.display()))
            .map_err(Failure::Usage)?;
    }
    Ok(files)
}

fn one(argument: &str, any_ending: bool) -> anyhow::Result<Vec<PathBuf>> {
    let path = Path::new(argument);
    let mut found = Vec::new();
    if path.is_dir() {
        search(path, false, &mut |file| any_ending || is_picture(file), &mut found)?;
        if found.is_empty() {
            return Err(anyhow!("{argument} holds no pictures ({})", PICTURE_ENDINGS.join(", ")));
        }
    } else if path.exists() || !is_pattern(argument) {
        fs::metadata(path).with_context(|| format!("cannot read {argument}"))?;
        return Ok(vec![path.to_owned()]);
    } else {
        let glob = GlobBuilder::new(argument).literal_separator(true).build();
        let glob = glob.with_context(|| format!("{argument} is no pattern"))?.compile_matcher();
        let (root, deep) = root_of(argument);
        search(&root, deep, &mut |file| glob.is_match(file), &mut found)?;
        if found.is_empty() {
            return Err(anyhow!("nothing matches {argument}"));
        }
    }
    found.sort_by(|a, b| natural(&a.to_string_lossy(), &b.to_string_lossy()));
    Ok(found)
}

/// Whether a text is a pattern, of files or of stream ids.
pub(super) fn is_pattern(text: &str) -> bool {
    text.contains(['*', '?', '[', '{'])
}

/// Whether a file's name ends like a picture's.
pub(super) fn is_picture(file: &Path) -> bool {
    let ending = file.extension().map(|ending| ending.to_string_lossy().to_ascii_lowercase());
    ending.is_some_and(|ending| PICTURE_ENDINGS.contains(&ending.as_str()))
}

/// The folder that a pattern's search starts in, and whether it goes below it.
fn root_of(pattern: &str) -> (PathBuf, bool) {
    let plain: PathBuf =
        Path::new(pattern).iter().take_while(|part| !is_pattern(&part.to_string_lossy())).collect();
    let patterned = Path::new(pattern).iter().count() - plain.iter().count();
    (plain, patterned > 1)
}

fn search(
    folder: &Path,
    deep: bool,
    wanted: &mut dyn FnMut(&Path) -> bool,
    found: &mut Vec<PathBuf>,
) -> anyhow::Result<()> {
    // The current folder has no name of its own: what is found in it must match a pattern without one.
    let listed = if folder.as_os_str().is_empty() { Path::new(".") } else { folder };
    let entries = fs::read_dir(listed).with_context(|| format!("cannot read folder {}", listed.display()))?;
    for entry in entries {
        let entry = entry.with_context(|| format!("cannot read folder {}", listed.display()))?;
        let path = folder.join(entry.file_name());
        if path.is_dir() {
            // Links to folders could lead in circles.
            if deep && !entry.file_type().is_ok_and(|kind| kind.is_symlink()) {
                search(&path, true, wanted, found)?;
            }
        } else if wanted(&path) {
            found.push(path);
        }
    }
    Ok(())
}

/// Compares names as people do: runs of digits by their value.
fn natural(a: &str, b: &str) -> Ordering {
    let (mut a, mut b) = (a.chars().peekable(), b.chars().peekable());
    loop {
        match (a.peek().copied(), b.peek().copied()) {
            (Some(x), Some(y)) if x.is_ascii_digit() && y.is_ascii_digit() => {
                let ordering = number(&mut a).cmp(&number(&mut b));
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

/// Takes a run of digits: its length without leading zeros, then the digits, which compare as the value does.
fn number(chars: &mut std::iter::Peekable<std::str::Chars<'_>>) -> (usize, String) {
    let mut digits = String::new();
    while let Some(digit) = chars.next_if(char::is_ascii_digit) {
        digits.push(digit);
    }
    let digits = digits.trim_start_matches('0').to_owned();
    (digits.len(), digits)
}

/// The pictures that a source holds: a file, a folder, a pattern, or a video, of which `fps` pictures a second are taken and
/// fitted into `size`.
///
/// # Errors
/// A usage failure if it cannot be read or holds no pictures.
pub(super) fn pictures(source: &str, fps: u32, size: (u32, u32)) -> Result<Vec<Bytes>, Failure> {
    let files = expand(&[source.to_owned()], false)?;
    if let [file] = files.as_slice()
        && !is_picture(file)
    {
        return video::frames(file, fps, size);
    }
    let mut pictures = Vec::new();
    let mut held = 0;
    for (index, file) in files.iter().enumerate() {
        let shown = file.display();
        let data = fs::read(file).with_context(|| format!("cannot read {shown}")).map_err(Failure::Usage)?;
        if sniff(&data).is_none() {
            return Err(Failure::Usage(anyhow!("{shown} is no JPEG, PNG or WebP picture")));
        }
        held += data.len();
        if held > MOST_BYTES && !pictures.is_empty() {
            eprintln!("the first {index} of {} pictures are used", files.len());
            break;
        }
        pictures.push(Bytes::from(data));
    }
    Ok(pictures)
}

/// The stream of each file where none is named: one file alone is a stream of its own name; of several, those of one folder
/// are a stream of the folder's name.
pub(super) fn default_streams(files: &[PathBuf]) -> Vec<String> {
    let name = |file: &PathBuf| match files {
        [_] => file.file_stem().map(|stem| stem.to_string_lossy().into_owned()),
        _ => {
            let whole = file.canonicalize().unwrap_or_else(|_| file.clone());
            whole.parent().and_then(Path::file_name).map(|folder| folder.to_string_lossy().into_owned())
        }
    };
    files.iter().map(|file| sanitise(&name(file).unwrap_or_default())).collect()
}

/// A legal id that looks like `name`.
pub(super) fn sanitise(name: &str) -> String {
    let legal = |c: char| if c.is_ascii_alphanumeric() || c == '_' { c } else { '-' };
    let mut id = String::new();
    for c in name.chars().map(legal) {
        // One dash for a run of strange characters.
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
        let files = expand(&[argument], false).unwrap();
        files
            .iter()
            .map(|file| file.strip_prefix(folder.path()).unwrap().to_string_lossy().into_owned())
            .collect()
    }

    #[test]
    fn folders_give_their_pictures_in_natural_order() {
        let folder = folder(&["f-10.jpg", "f-2.JPG", "f-1.png", "notes.txt", "deep/f-0.jpg"]);
        assert_eq!(names(&folder, ""), ["f-1.png", "f-2.JPG", "f-10.jpg"]);
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
    fn what_is_not_there_is_the_callers_to_mend() {
        let folder = folder(&["a.txt"]);
        for missing in ["nothing.jpg", "*.jpg", ""] {
            let argument = folder.path().join(missing).to_string_lossy().into_owned();
            assert!(matches!(expand(&[argument], false), Err(Failure::Usage(_))), "{missing:?}");
        }
    }

    #[test]
    fn a_patterns_search_starts_where_it_is_plain() {
        assert_eq!(root_of("a/b/*.jpg"), (PathBuf::from("a/b"), false));
        assert_eq!(root_of("*.jpg"), (PathBuf::new(), false));
        assert_eq!(root_of("/a/*/c.jpg"), (PathBuf::from("/a"), true));
    }

    #[test]
    fn streams_are_named_after_the_file_or_its_folder() {
        let folder = folder(&["North Gate/1.jpg", "North Gate/2.jpg", "south/1.jpg"]);
        let at = |name: &str| folder.path().join(name);
        assert_eq!(default_streams(&[at("North Gate/1.jpg")]), ["1"]);
        let files = [at("North Gate/1.jpg"), at("North Gate/2.jpg"), at("south/1.jpg")];
        assert_eq!(default_streams(&files), ["North-Gate", "North-Gate", "south"]);
    }

    #[test]
    fn any_name_becomes_a_legal_id() {
        assert_eq!(sanitise("cam.1 (north)"), "cam-1-north");
        assert_eq!(sanitise("Straße"), "Stra-e");
        assert_eq!(sanitise("..."), "frames");
        assert_eq!(sanitise(&"x".repeat(100)).len(), 64);
    }
}
