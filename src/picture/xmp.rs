//! Reads the orientation from XMP, for files without one in EXIF.

use memchr::memmem;

use super::Orientation;

/// The namespace of TIFF properties, and the prefix that nearly all writers use for it.
const NAMESPACE: &[u8] = b"http://ns.adobe.com/tiff/1.0/";
const USUAL_PREFIX: &[u8] = b"tiff";
const NAME: &[u8] = b":Orientation";

/// Finds the orientation in an XMP packet: an attribute (`tiff:Orientation="6"`) or an element
/// (`<tiff:Orientation>6</tiff:Orientation>`).
pub(super) fn orientation(packet: &[u8]) -> Option<Orientation> {
    let prefix = prefix(packet).unwrap_or(USUAL_PREFIX);
    let offsets = memmem::find_iter(packet, NAME);
    offsets.filter(|at| has_prefix(packet, *at, prefix)).find_map(|at| value(&packet[at + NAME.len()..]))
}

/// Finds the prefix of the TIFF namespace: `xmlns:tiff="http://ns.adobe.com/tiff/1.0/"`.
fn prefix(packet: &[u8]) -> Option<&[u8]> {
    let at = memmem::find(packet, NAMESPACE)?;
    let before = packet[..at].strip_suffix(b"\"").or_else(|| packet[..at].strip_suffix(b"'"))?;
    let before = before.trim_ascii_end().strip_suffix(b"=")?.trim_ascii_end();
    let start = before.iter().rposition(|byte| *byte == b':')?;
    before[..start].ends_with(b"xmlns").then_some(&before[start + 1..])
}

/// Reports whether the name at this offset has exactly this prefix.
fn has_prefix(packet: &[u8], at: usize, prefix: &[u8]) -> bool {
    let before = packet[..at].strip_suffix(prefix);
    before.is_some_and(|before| before.last().is_none_or(|byte| *byte == b'<' || byte.is_ascii_whitespace()))
}

/// Parses the value after the name of an attribute or an element.
fn value(rest: &[u8]) -> Option<Orientation> {
    let rest = rest.trim_ascii_start();
    let rest = match rest {
        [b'=', rest @ ..] => {
            rest.trim_ascii_start().split_first().filter(|(q, _)| matches!(q, b'"' | b'\''))?.1
        }
        [b'>', rest @ ..] => rest,
        _ => return None,
    };
    match rest.trim_ascii_start() {
        [digit @ b'1'..=b'8', end, ..] if !end.is_ascii_digit() => Orientation::new(digit - b'0'),
        _ => None,
    }
}
