//! A Matroska file of JPEGs, each with its own moment: what ffmpeg is given, over a pipe. Its last picture is there twice, at its
//! moment and just before the end, so that the whole lasts as long as the recording.
//!
//! Only what that needs of <https://www.matroska.org/technical/elements.html> is here.

use super::reel::Moment;

const EBML: u32 = 0x1A45_DFA3;
const SEGMENT: u32 = 0x1853_8067;
const INFO: u32 = 0x1549_A966;
const TRACKS: u32 = 0x1654_AE6B;
const CLUSTER: u32 = 0x1F43_B675;
/// The length of an element whose end is the file's.
const UNKNOWN_LENGTH: [u8; 8] = [0x01, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF];
/// One millisecond, in nanoseconds.
const TIMESTAMP_SCALE: u64 = 1_000_000;

/// Returns the file's begin, for pictures of at most this size in pixels.
///
/// A picture is shown until the next one's moment. How long the last one is shown nobody else tells, and ffmpeg takes the file's
/// average for it: so a duration is given, in milliseconds.
pub(super) fn head((width, height): (u16, u16), last_ms: u64) -> Vec<u8> {
    let ebml = [
        number(0x4286, 1),
        number(0x42F7, 1),
        number(0x42F2, 4),
        number(0x42F3, 8),
        element(0x4282, b"matroska"),
        number(0x4287, 4),
        number(0x4285, 2),
    ];
    let info =
        [number(0x2A_D7B1, TIMESTAMP_SCALE), element(0x4D80, b"roadstead"), element(0x5741, b"roadstead")];
    let size = [number(0xB0, width.into()), number(0xBA, height.into())].concat();
    let track = [
        number(0xD7, 1),
        number(0x73C5, 1),
        number(0x83, 1),
        number(0x9C, 0),
        number(0x23_E383, last_ms * TIMESTAMP_SCALE),
        element(0x86, b"V_MJPEG"),
        element(0xE0, &size),
    ];
    [
        element(EBML, &ebml.concat()),
        [&id(SEGMENT)[..], &UNKNOWN_LENGTH].concat(),
        element(INFO, &info.concat()),
        element(TRACKS, &element(0xAE, &track.concat())),
    ]
    .concat()
}

/// Returns a picture that is shown from a moment on.
pub(super) fn picture(at_ms: u64, jpeg: &[u8]) -> Vec<u8> {
    // Track 1, at the cluster's own moment, a key frame.
    let block = [&[0x81, 0, 0, 0x80], jpeg].concat();
    element(CLUSTER, &[number(0xE7, at_ms), element(0xA3, &block)].concat())
}

/// Returns the size that holds every picture, even as H.264 wants it.
pub(super) fn even_size(moments: impl Iterator<Item = Moment>) -> (u16, u16) {
    let even = |side: u16| side.saturating_add(side % 2).max(2) & !1;
    let (width, height) =
        moments.fold((0, 0), |(width, height), moment| (moment.width.max(width), moment.height.max(height)));
    (even(width), even(height))
}

fn element(id_of: u32, contents: &[u8]) -> Vec<u8> {
    // Eight bytes hold every length; the first tells that there are eight.
    let length = (contents.len() as u64 | (1 << 56)).to_be_bytes();
    [&id(id_of)[..], &length, contents].concat()
}

fn number(id_of: u32, value: u64) -> Vec<u8> {
    element(id_of, &value.to_be_bytes())
}

/// An element's id without the bytes that it does not have.
fn id(id: u32) -> Vec<u8> {
    id.to_be_bytes().into_iter().skip_while(|byte| *byte == 0).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_are_even_and_hold_every_picture() {
        let moments = [(3, 8), (5, 2)].map(|(width, height)| Moment { at_ms: 0, width, height });
        assert_eq!(even_size(moments.into_iter()), (6, 8));
        assert_eq!(even_size(std::iter::empty()), (2, 2));
        let largest = Moment { at_ms: 0, width: u16::MAX, height: 1 };
        assert_eq!(even_size(std::iter::once(largest)), (65_534, 2));
    }

    #[test]
    fn elements_have_their_ids_and_lengths() {
        assert_eq!(element(0x86, b"ab"), [0x86, 1, 0, 0, 0, 0, 0, 0, 2, b'a', b'b']);
        assert_eq!(head((8, 6), 30)[..4], [0x1A, 0x45, 0xDF, 0xA3]);
    }
}
