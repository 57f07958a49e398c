//! Reads the orientation from EXIF, and nothing else.

/// The orientation tag of TIFF, and its standard type.
const TAG: u16 = 0x0112;
const SHORT: u16 = 3;
/// The bytes of a directory entry: tag, type, count, and the value or its offset.
const ENTRY_BYTES: usize = 12;

/// The orientation in which stored rows and columns are shown, numbered as in EXIF: 1 = as stored.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Orientation(u8);

impl Orientation {
    /// Shown as stored.
    pub const UPRIGHT: Self = Self(1);

    /// Returns the orientation with this EXIF number; `None` if EXIF does not define it.
    #[must_use]
    pub fn new(number: u8) -> Option<Self> {
        (1..=8).contains(&number).then_some(Self(number))
    }

    /// Returns the EXIF number, 1..=8.
    #[must_use]
    pub fn number(self) -> u8 {
        self.0
    }

    /// Reports whether rows are shown as columns.
    #[must_use]
    pub fn swaps_sides(self) -> bool {
        self.0 >= 5
    }

    /// Converts a stored width and height to the shown ones, and vice versa.
    #[must_use]
    pub fn shown_size(self, width: u32, height: u32) -> (u32, u32) {
        if self.swaps_sides() { (height, width) } else { (width, height) }
    }
}

/// The first directory of a TIFF block, which contains the orientation.
struct Directory<'a> {
    tiff: &'a [u8],
    little_endian: bool,
    /// The offset of the first entry.
    at: usize,
    entries: usize,
}

impl<'a> Directory<'a> {
    fn of(tiff: &'a [u8]) -> Option<Self> {
        let mut directory = Self { tiff, little_endian: tiff.starts_with(b"I"), at: 0, entries: 0 };
        let start = is_tiff(tiff).then(|| directory.long(4)).flatten()? as usize;
        directory.at = start.checked_add(2)?;
        directory.entries = usize::from(directory.short(start)?);
        Some(directory)
    }

    fn bytes<const N: usize>(&self, at: usize) -> Option<[u8; N]> {
        let mut bytes: [u8; N] = self.tiff.get(at..at.checked_add(N)?)?.try_into().ok()?;
        if self.little_endian {
            bytes.reverse();
        }
        Some(bytes)
    }

    fn short(&self, at: usize) -> Option<u16> {
        self.bytes(at).map(u16::from_be_bytes)
    }

    fn long(&self, at: usize) -> Option<u32> {
        self.bytes(at).map(u32::from_be_bytes)
    }

    /// Iterates over the offsets of the orientation entries within the block.
    fn orientations(&self) -> impl Iterator<Item = usize> {
        let available = self.tiff.len().saturating_sub(self.at) / ENTRY_BYTES;
        let entries = (0..self.entries.min(available)).map(|index| self.at + ENTRY_BYTES * index);
        entries.filter(|entry| self.short(*entry) == Some(TAG))
    }

    /// Returns the first value of an entry of any type.
    fn value(&self, entry: usize) -> Option<Orientation> {
        let (kind, count) = (self.short(entry + 2)?, self.long(entry + 4)?);
        let size = match kind {
            3 | 8 => 2,
            4 | 9 | 11 => 4,
            5 | 10 | 12 => 8,
            _ => 1,
        };
        let is_inline = count.checked_mul(size).is_some_and(|bytes| bytes <= 4);
        let at = if is_inline { entry + 8 } else { self.long(entry + 8)? as usize };
        let number = match kind {
            // BYTE, SBYTE, UNDEFINED.
            1 | 6 | 7 => u32::from(*self.tiff.get(at)?),
            // ASCII: a digit.
            2 => (*self.tiff.get(at)? as char).to_digit(10)?,
            // SHORT, SSHORT.
            3 | 8 => u32::from(self.short(at)?),
            // LONG, SLONG.
            4 | 9 => self.long(at)?,
            // RATIONAL, SRATIONAL.
            5 | 10 => {
                let (numerator, denominator) = (self.long(at)?, self.long(at.checked_add(4)?)?);
                numerator.checked_div(denominator).filter(|number| number * denominator == numerator)?
            }
            11 => whole(f64::from(f32::from_bits(self.long(at)?)))?,
            12 => whole(f64::from_be_bytes(self.bytes(at)?))?,
            _ => return None,
        };
        Orientation::new(u8::try_from(number).ok()?)
    }
}

fn whole(number: f64) -> Option<u32> {
    (1..=8).find(|whole| f64::from(*whole) == number)
}

/// Finds the orientation in a TIFF block (the data after `Exif\0\0`). The standard type is SHORT,
/// but some phones write a LONG or another type of number, and readers accept all of them.
pub(super) fn find(tiff: &[u8]) -> Option<Orientation> {
    let directory = Directory::of(tiff)?;
    directory.orientations().find_map(|entry| directory.value(entry))
}

/// Reports whether the bytes begin with a TIFF signature. Readers also accept signatures whose
/// second half is in the other byte order.
pub(super) fn is_tiff(bytes: &[u8]) -> bool {
    matches!(bytes, [b'I', b'I', 42, 0, ..] | [b'M', b'M', 0, 42, ..])
        || matches!(bytes, [b'I', b'I', 0, 42, ..] | [b'M', b'M', 42, 0, ..])
}

/// Reports whether a TIFF block has entries.
pub(super) fn has_entries(tiff: &[u8]) -> bool {
    Directory::of(tiff).is_some_and(|directory| directory.entries > 0)
}

/// Returns a copy of a TIFF block with all orientation entries set to "as stored".
pub(super) fn made_upright(tiff: &[u8]) -> Vec<u8> {
    let mut copy = tiff.to_vec();
    if let Some(directory) = Directory::of(tiff) {
        let short = |value: u16| {
            if directory.little_endian { value.to_le_bytes() } else { value.to_be_bytes() }
        };
        let count = if directory.little_endian { 1_u32.to_le_bytes() } else { 1_u32.to_be_bytes() };
        let rest = [&short(SHORT)[..], &count, &short(1), &[0, 0]].concat();
        for entry in directory.orientations() {
            copy[entry + 2..entry + ENTRY_BYTES].copy_from_slice(&rest);
        }
    }
    copy
}

/// Returns a TIFF block with an orientation and nothing else.
pub(super) fn only(orientation: Orientation) -> [u8; 26] {
    let mut tiff = *b"MM\0\x2A\0\0\0\x08\0\x01\x01\x12\0\x03\0\0\0\x01\0\0\0\0\0\0\0\0";
    tiff[19] = orientation.number();
    tiff
}
