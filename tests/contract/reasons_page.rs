//! The tables of reasons in `docs/troubleshooting.md` against the enums of the contract.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;

use prost_reflect::EnumDescriptor;

use crate::contract;

const PAGE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/docs/troubleshooting.md");

/// The enums of the page, with the prefix of their values.
const ENUMS: [(&str, &str); 4] = [
    ("ErrorReason", "ERROR_REASON_"),
    ("GapReason", "GAP_REASON_"),
    ("MissingReason", "MISSING_REASON_"),
    ("OmittedReason", "OMITTED_REASON_"),
];

/// The codes and messages by which an error reason reaches a program. The comment of each reason, and
/// the second column of its row, name them.
const CARRIERS: [&str; 13] = [
    "INVALID_ARGUMENT",
    "NOT_FOUND",
    "ALREADY_EXISTS",
    "ABORTED",
    "RESOURCE_EXHAUSTED",
    "UNAVAILABLE",
    "UNIMPLEMENTED",
    "INTERNAL",
    "DEADLINE_EXCEEDED",
    "OUT_OF_RANGE",
    "UNAUTHENTICATED",
    "PERMISSION_DENIED",
    "ItemError",
];

/// Returns the rows of an enum: the name of each value without its prefix, and the other columns. Its
/// section begins with a heading that names the enum, and ends with the next heading of that level.
fn rows(page: &str, name: &str) -> Vec<(String, Vec<String>)> {
    let section = page
        .split("\n## ")
        .find(|section| section.lines().next().is_some_and(|heading| heading.contains(&format!("`{name}`"))));
    let section = section.unwrap_or_else(|| panic!("no section has `{name}` in its heading"));
    let row = |line: &str| {
        let columns: Vec<&str> = line.strip_prefix("| `")?.strip_suffix(" |")?.split(" | ").collect();
        let (name, columns) = columns.split_first()?;
        Some((
            name.strip_suffix('`')?.to_owned(),
            columns.iter().map(|column| (*column).to_owned()).collect(),
        ))
    };
    section.lines().filter_map(row).collect()
}

/// Returns the values of an enum without their prefix, each with its comment; not the first, which is
/// never sent.
fn values(described: &EnumDescriptor, prefix: &str) -> BTreeMap<String, String> {
    let file = described.parent_file();
    let source = file.file_descriptor_proto().source_code_info.clone().expect("the comments are built in");
    let comment = |path: &[i32]| {
        let place = source.location.iter().find(|location| location.path == path);
        place.map_or("", |place| place.leading_comments()).to_owned()
    };
    let value = |value: prost_reflect::EnumValueDescriptor| {
        let name = value.name().strip_prefix(prefix).expect("all values have the prefix").to_owned();
        (value.number() != 0).then(|| (name, comment(value.path())))
    };
    described.values().filter_map(value).collect()
}

/// Returns the carriers that a text names as words.
fn carriers(text: &str) -> BTreeSet<&'static str> {
    let words: BTreeSet<&str> =
        text.split(|letter: char| !letter.is_ascii_alphanumeric() && letter != '_').collect();
    CARRIERS
        .into_iter()
        .chain(["Tombstone", "DeadLetter"])
        .filter(|carrier| words.contains(carrier))
        .collect()
}

#[test]
fn the_page_of_troubleshooting_has_each_reason_once_and_nothing_else() {
    let page = fs::read_to_string(PAGE).expect("the page is there");
    let pool = contract();
    for (name, prefix) in ENUMS {
        let described =
            pool.get_enum_by_name(&format!("frameway.v1.{name}")).expect("an enum of the contract");
        let values = values(&described, prefix);
        assert!(values.len() > 5, "{name} has only {} values", values.len());
        let rows = rows(&page, name);
        let mut documented: Vec<&str> = rows.iter().map(|(value, _)| value.as_str()).collect();
        documented.sort_unstable();
        assert_eq!(documented, values.keys().collect::<Vec<_>>(), "the values of {name}, each in one row");
        for (value, columns) in rows {
            let columns_of_a_row = if name == "ErrorReason" { 3 } else { 2 };
            assert_eq!(columns.len(), columns_of_a_row, "the columns of {value} in {name}");
            assert!(columns.iter().all(|column| !column.trim().is_empty()), "{value} has an empty column");
            if name == "ErrorReason" {
                assert_eq!(carriers(&columns[0]), carriers(&values[&value]), "where {value} appears");
            }
        }
    }
}
