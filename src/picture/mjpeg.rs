//! Splits a stream of bytes into the JPEG pictures that follow one another in it (MJPEG).

use std::io::{self, Read};

use bytes::{Buf as _, Bytes, BytesMut};
use memchr::{memchr, memmem};

use super::jpeg_markers::{EOI, SOI, SOS};

/// The bytes that a picture begins with.
const START: [u8; 3] = [0xFF, SOI, 0xFF];
/// The maximum size of a picture. More is not MJPEG: no server takes pictures of that size.
const MAX_PICTURE_BYTES: usize = 64 << 20;
/// The maximum number of other bytes before a picture, such as the headers of a multipart stream.
const MAX_OTHER_BYTES: usize = 64 << 10;
/// The bytes to read at a time.
const READ_BYTES: usize = 64 << 10;

/// The reason why no further picture can be read.
#[derive(Debug, thiserror::Error)]
pub enum MjpegError {
    /// The source cannot be read.
    #[error("cannot be read: {0}")]
    Read(#[from] io::Error),
    /// No picture begins within 64 KiB.
    #[error("contains other data than JPEG pictures (MJPEG), after {pictures} pictures")]
    Other {
        /// The number of pictures before it.
        pictures: u64,
    },
    /// A picture does not end within 64 MiB.
    #[error("contains a picture that does not end within 64 MiB, after {pictures} pictures")]
    TooLarge {
        /// The number of pictures before it.
        pictures: u64,
    },
    /// The source ended within a picture.
    #[error("ended in the middle of a picture: {bytes} bytes came of it, after {pictures} complete pictures")]
    Incomplete {
        /// The number of complete pictures.
        pictures: u64,
        /// The bytes of the last one.
        bytes: usize,
    },
}

/// The part of a picture that is read at present.
#[derive(Debug, Clone, Copy)]
enum Part {
    /// Markers and their segments.
    Segments,
    /// The entropy-coded data of a scan.
    Scan,
    /// Something that is not JPEG. The picture ends where the next one begins.
    Broken,
}

/// A reader of pictures.
///
/// It follows the markers of a picture to its end, so that a thumbnail within a picture is not taken
/// for another picture. It does not look at anything else: a picture may still be damaged. A picture
/// without an end lasts until the next one begins.
#[derive(Debug)]
pub struct Mjpeg<R> {
    source: R,
    buffer: BytesMut,
    /// The part of the picture that begins the buffer; `None` while no picture has begun.
    part: Option<Part>,
    /// The offset up to which the picture was read. A segment may end after the buffer.
    at: usize,
    /// The bytes since the last picture that belong to none.
    other_bytes: usize,
    pictures: u64,
}

impl<R: Read> Mjpeg<R> {
    /// Takes the source of the bytes.
    pub fn new(source: R) -> Self {
        Self { source, buffer: BytesMut::new(), part: None, at: 0, other_bytes: 0, pictures: 0 }
    }

    /// Returns the number of pictures that were read.
    pub fn pictures(&self) -> u64 {
        self.pictures
    }

    /// Reads the next picture; `None` after the last one.
    ///
    /// # Errors
    /// Fails if the source cannot be read, contains something else, or ends within a picture.
    pub fn next_picture(&mut self) -> Result<Option<Bytes>, MjpegError> {
        let pictures = self.pictures;
        loop {
            if self.part.is_none() {
                self.find_start();
            }
            if let Some(end) = self.find_end() {
                self.part = None;
                self.pictures += 1;
                return Ok(Some(self.buffer.split_to(end).freeze()));
            }
            if self.other_bytes > MAX_OTHER_BYTES {
                return Err(MjpegError::Other { pictures });
            }
            if self.buffer.len() > MAX_PICTURE_BYTES {
                return Err(MjpegError::TooLarge { pictures });
            }
            if !self.read_more()? {
                let bytes = self.buffer.len();
                return match self.part {
                    Some(_) => Err(MjpegError::Incomplete { pictures, bytes }),
                    None if self.buffer[..] == START[..2] => Err(MjpegError::Incomplete { pictures, bytes }),
                    None if pictures == 0 && self.other_bytes + bytes > 0 => {
                        Err(MjpegError::Other { pictures })
                    }
                    None => Ok(None),
                };
            }
        }
    }

    /// Removes the bytes before the next picture.
    fn find_start(&mut self) {
        let found = memmem::find(&self.buffer, &START);
        // The last bytes may be the first ones of a picture.
        let others = found.unwrap_or(self.buffer.len().saturating_sub(START.len() - 1));
        self.buffer.advance(others);
        self.other_bytes += others;
        if found.is_some() {
            (self.part, self.at, self.other_bytes) = (Some(Part::Segments), 2, 0);
        }
    }

    /// Returns the offset of the end of the picture; `None` if more bytes are needed.
    fn find_end(&mut self) -> Option<usize> {
        loop {
            let rest = self.buffer.get(self.at..)?;
            match self.part? {
                Part::Segments => match *rest {
                    [0xFF, EOI, ..] => return Some(self.at + 2),
                    // The picture has no end.
                    [0xFF, SOI, ..] => return Some(self.at),
                    // Any number of 0xFF may precede the code of a marker.
                    [0xFF, 0xFF, ..] => self.at += 1,
                    // These markers have no segment.
                    [0xFF, 0x01 | 0xD0..=0xD7, ..] => self.at += 2,
                    [0xFF, code, high, low, ..] if code != 0 && (high, low) >= (0, 2) => {
                        self.at += 2 + usize::from(u16::from_be_bytes([high, low]));
                        if code == SOS {
                            self.part = Some(Part::Scan);
                        }
                    }
                    [] | [0xFF] | [0xFF, _] | [0xFF, _, _] => return None,
                    [_, ..] => self.part = Some(Part::Broken),
                },
                Part::Scan => {
                    let Some(marker) = memchr(0xFF, rest) else {
                        self.at = self.buffer.len();
                        return None;
                    };
                    self.at += marker;
                    match *rest.get(marker + 1)? {
                        // A stuffed zero, or a restart marker.
                        0 | 0xD0..=0xD7 => self.at += 2,
                        0xFF => self.at += 1,
                        _ => self.part = Some(Part::Segments),
                    }
                }
                Part::Broken => {
                    if let Some(next) = memmem::find(rest, &START) {
                        return Some(self.at + next);
                    }
                    self.at = self.at.max(self.buffer.len().saturating_sub(START.len() - 1));
                    return None;
                }
            }
        }
    }

    /// Reads what is there, and returns whether there was something before the end of the source.
    fn read_more(&mut self) -> io::Result<bool> {
        let before = self.buffer.len();
        self.buffer.resize(before + READ_BYTES, 0);
        let read = loop {
            match self.source.read(&mut self.buffer[before..]) {
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                read => break read,
            }
        };
        self.buffer.truncate(before + *read.as_ref().unwrap_or(&0));
        Ok(read? > 0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A picture with a thumbnail in a segment, a stuffed zero, a restart marker and a second scan.
    const ONE: &[u8] = &[
        0xFF, 0xD8, 0xFF, 0xE1, 0, 6, 0xFF, 0xD8, 0xFF, 0xD9, 0xFF, 0xDA, 0, 3, 9, 1, 0xFF, 0, 2, 0xFF, 0xD0,
        3, 0xFF, 0xFF, 0xDA, 0, 2, 4, 0xFF, 0xD9,
    ];

    /// Returns so many bytes at a time.
    struct Trickle<'a>(&'a [u8], usize);

    impl Read for Trickle<'_> {
        fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
            let count = self.1.min(buffer.len());
            Read::take(&mut self.0, count as u64).read(buffer)
        }
    }

    fn split(bytes: &[u8], at_a_time: usize) -> (Vec<Bytes>, Option<MjpegError>) {
        let mut source = Mjpeg::new(Trickle(bytes, at_a_time));
        let mut pictures = Vec::new();
        loop {
            match source.next_picture() {
                Ok(Some(picture)) => pictures.push(picture),
                Ok(None) => return (pictures, None),
                Err(error) => return (pictures, Some(error)),
            }
        }
    }

    #[test]
    fn pictures_are_split_where_they_end() {
        let multipart =
            [b"--next\r\nContent-Type: image/jpeg\r\n\r\n", ONE, b"\r\n--next\r\n\r\n", ONE, b"\r\n"];
        for at_a_time in [1, 2, 7, 1000] {
            for run in [[ONE, ONE].concat(), multipart.concat()] {
                let (pictures, error) = split(&run, at_a_time);
                assert!(error.is_none(), "{error:?}");
                assert_eq!(pictures, [ONE, ONE], "{at_a_time} at a time");
            }
        }
        assert!(matches!(split(&[], 1), (pictures, None) if pictures.is_empty()));
    }

    #[test]
    fn a_source_that_ends_within_a_picture_is_reported() {
        for cut in 2..ONE.len() {
            let (pictures, error) = split(&[ONE, &ONE[..cut]].concat(), 5);
            assert_eq!(pictures, [ONE], "cut at {cut}");
            let error = error.unwrap();
            assert!(
                matches!(error, MjpegError::Incomplete { pictures: 1, bytes } if bytes == cut),
                "cut at {cut}: {error}"
            );
        }
    }

    #[test]
    fn a_picture_without_an_end_lasts_until_the_next() {
        for cut in [10, ONE.len() - 2] {
            let (pictures, error) = split(&[&ONE[..cut], ONE].concat(), 3);
            assert!(
                error.is_none() && pictures == [&ONE[..cut], ONE],
                "cut at {cut}: {pictures:?} {error:?}"
            );
        }
        // No marker follows the segment.
        let broken = [&ONE[..10], &[7; 20]].concat();
        assert_eq!(split(&[&broken[..], ONE].concat(), 3).0, [&broken[..], ONE]);
    }

    #[test]
    fn other_data_is_refused() {
        for other in [&b"no picture"[..], &[0; 200_000]] {
            assert!(matches!(split(other, 1000).1, Some(MjpegError::Other { pictures: 0 })));
        }
        let after = [ONE, &[0; 200_000]].concat();
        assert!(
            matches!(split(&after, 1000), (one, Some(MjpegError::Other { pictures: 1 })) if one == [ONE])
        );
    }
}
