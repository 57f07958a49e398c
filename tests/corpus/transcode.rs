//! The corpus on the way without pixels: a JPEG that is transcoded can also be decoded, and so can
//! what was made of it.

use frameway::domain::ChromaSubsampling;
use frameway::picture::{Huffman, SourcePicture, TranscodeRequest};

use crate::alone;
use crate::case::{all, codec};

#[test]
fn transcoded_pictures_can_be_decoded() {
    let _alone = alone();
    let mut codec = codec();
    let request = TranscodeRequest {
        quality: Some(85),
        chroma: ChromaSubsampling::Auto,
        luma: (1, 1),
        thumbnail: Some((1, 1)),
        huffman: Huffman::Stream(None),
    };
    let mut transcoded = 0;
    for case in all() {
        let Some(made) = codec.transcode(&case.source(), &request) else { continue };
        transcoded += 1;
        let size = |planes: frameway::picture::Planes| (planes.width(), planes.height());
        let before = codec.decode(&case.source()).map(size);
        assert!(before.is_ok(), "{}: {before:?}", case.name);
        let jpeg = made.jpeg.expect("a JPEG was requested");
        let after = codec.decode(&SourcePicture::encoded(&jpeg).expect("a JPEG")).map(size);
        assert_eq!(after, before, "{}", case.name);
    }
    eprintln!("{transcoded} cases are transcoded");
    assert!(transcoded > 0);
}
