//! The little that is to be known of a JPEG that a browser sends: that it is one, and how large its picture is.

/// The first bytes of every JPEG.
const START: [u8; 2] = [0xff, 0xd8];
/// The last.
const END: [u8; 2] = [0xff, 0xd9];

/// Returns a JPEG's width and height in pixels; `None` for what is none.
pub(super) fn size(bytes: &[u8]) -> Option<(u16, u16)> {
    let mut rest = bytes.strip_prefix(&START)?.strip_suffix(&END)?;
    loop {
        let [0xff, marker, high, low, ..] = *rest else { return None };
        let length = usize::from(u16::from_be_bytes([high, low]));
        let segment = rest.get(4..length.checked_add(2)?)?;
        // The frame's header has one of sixteen markers, three of which mean something else.
        if (0xc0..=0xcf).contains(&marker) && ![0xc4, 0xc8, 0xcc].contains(&marker) {
            let [_precision, a, b, c, d, ..] = *segment else { return None };
            let (height, width) = (u16::from_be_bytes([a, b]), u16::from_be_bytes([c, d]));
            return (width > 0 && height > 0).then_some((width, height));
        }
        rest = rest.get(length + 2..)?;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_size_is_found_behind_other_segments_and_nothing_panics() {
        let mut jpeg = vec![0xff, 0xd8, 0xff, 0xe0, 0, 4, 1, 2, 0xff, 0xc4, 0, 3, 9];
        jpeg.extend([0xff, 0xc0, 0, 8, 8, 0x03, 0x84, 0x05, 0xa0, 3, 0xff, 0xd9]);
        assert_eq!(size(&jpeg), Some((1440, 900)));
        for end in 0..jpeg.len() {
            assert_eq!(size(&jpeg[..end]), None);
        }
    }

    proptest::proptest! {
        #[test]
        fn anything_may_come(bytes: Vec<u8>) {
            let whole = [&START[..], &bytes, &END].concat();
            assert!(size(&whole).is_none_or(|(width, height)| width > 0 && height > 0));
        }
    }
}
