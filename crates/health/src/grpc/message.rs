//! The messages of `grpc.health.v1`. Pure: takes and returns bytes.
//!
//! There are three, of two fields at most. Writing them here saves a code generator and two crates.

use bytes::{BufMut, Bytes, BytesMut};

/// The status of a service, as its number in the protocol.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum ServingStatus {
    Serving = 1,
    NotServing = 2,
    ServiceUnknown = 3,
}

impl ServingStatus {
    pub(super) const fn when(serving: bool) -> Self {
        if serving { Self::Serving } else { Self::NotServing }
    }
}

/// The tag of field 1 of type string or message.
const FIELD_1: u8 = 1 << 3 | 2;
/// The tag of field 2 of type message.
const FIELD_2: u8 = 2 << 3 | 2;
/// The tag of field 1 of type enum.
const STATUS: u8 = 1 << 3;

/// Reads the service's name from a `HealthCheckRequest` in a gRPC frame.
pub(super) fn requested_service(frame: &[u8]) -> Option<&str> {
    let (head, message) = frame.split_at_checked(5)?;
    let (compressed, length) = head.split_first()?;
    let length = u32::from_be_bytes(length.try_into().ok()?);
    if *compressed != 0 || usize::try_from(length).ok()? != message.len() {
        return None;
    }
    service(message)
}

fn service(mut message: &[u8]) -> Option<&str> {
    let mut service = "";
    while !message.is_empty() {
        let (tag, rest) = varint(message)?;
        let (field, kind) = (tag >> 3, tag & 7);
        let (content, rest) = match kind {
            0 => (&[][..], varint(rest)?.1),
            1 => rest.split_at_checked(8)?,
            2 => {
                let (length, rest) = varint(rest)?;
                rest.split_at_checked(usize::try_from(length).ok()?)?
            }
            5 => rest.split_at_checked(4)?,
            _ => return None,
        };
        // The last one counts, and unknown fields are skipped, as in every message of protobuf.
        match (field, kind) {
            (0, _) => return None,
            (1, 2) => service = std::str::from_utf8(content).ok()?,
            _ => {}
        }
        message = rest;
    }
    Some(service)
}

fn varint(bytes: &[u8]) -> Option<(u64, &[u8])> {
    let mut value = 0;
    for (index, byte) in bytes.iter().take(10).enumerate() {
        value |= u64::from(byte & 0x7f) << (7 * index);
        if byte & 0x80 == 0 {
            return Some((value, bytes.get(index + 1..)?));
        }
    }
    None
}

/// A `HealthCheckResponse` in a gRPC frame.
pub(super) fn response(serving: ServingStatus) -> Bytes {
    frame(&check_response(serving))
}

/// A `HealthListResponse` in a gRPC frame.
pub(super) fn list<'a>(services: impl IntoIterator<Item = (&'a str, ServingStatus)>) -> Bytes {
    let mut message = BytesMut::new();
    for (name, serving) in services {
        let mut entry = BytesMut::new();
        put(&mut entry, FIELD_1, name.as_bytes());
        put(&mut entry, FIELD_2, &check_response(serving));
        put(&mut message, FIELD_1, &entry);
    }
    frame(&message)
}

const fn check_response(serving: ServingStatus) -> [u8; 2] {
    // The variants are numbered from 1 to 3.
    [STATUS, serving as u8]
}

fn put(message: &mut BytesMut, tag: u8, content: &[u8]) {
    message.put_u8(tag);
    let mut length = content.len();
    while length > 0x7f {
        message.put_u8(low_bits(length) | 0x80);
        length >>= 7;
    }
    message.put_u8(low_bits(length));
    message.put_slice(content);
}

/// The lowest seven bits.
fn low_bits(number: usize) -> u8 {
    u8::try_from(number & 0x7f).unwrap_or(0x7f)
}

fn frame(message: &[u8]) -> Bytes {
    let mut frame = BytesMut::with_capacity(5 + message.len());
    frame.put_u8(0);
    // Bounded: names are the program's own.
    frame.put_u32(u32::try_from(message.len()).unwrap_or(u32::MAX));
    frame.put_slice(message);
    frame.freeze()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn request(message: &[u8]) -> Bytes {
        frame(message)
    }

    #[test]
    fn a_name_is_read_and_unknown_fields_are_skipped() {
        assert_eq!(requested_service(&request(b"")), Some(""));
        assert_eq!(requested_service(&request(b"\x0a\x03a.B")), Some("a.B"));
        // A varint, a fixed64, bytes and a fixed32 around it.
        let message = b"\x10\x96\x01\x19\0\0\0\0\0\0\0\0\x0a\x03a.B\x22\x01x\x2d\0\0\0\0";
        assert_eq!(requested_service(&request(message)), Some("a.B"));
        for bad in [
            &b"\x0a"[..],
            b"\x0a\x04a.B",
            b"\x0a\x02\xff\xfe",
            b"\x0b",
            b"\x00\x00",
            b"\x0a\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01",
        ] {
            assert_eq!(requested_service(&request(bad)), None, "{bad:?}");
        }
        assert_eq!(requested_service(b"\x01\0\0\0\0"), None, "compressed");
        assert_eq!(requested_service(b"\0\0\0\0\x05\x0a\x03a.B\0"), None, "two messages");
        assert_eq!(requested_service(b"\0\0\0"), None);
    }

    #[test]
    fn answers_are_what_the_protocol_writes() {
        assert_eq!(&*response(ServingStatus::Serving), b"\0\0\0\0\x02\x08\x01");
        assert_eq!(&*response(ServingStatus::ServiceUnknown), b"\0\0\0\0\x02\x08\x03");
        let two = list([("", ServingStatus::NotServing), ("a", ServingStatus::Serving)]);
        assert_eq!(
            &*two,
            b"\0\0\0\0\x11\x0a\x06\x0a\x00\x12\x02\x08\x02\x0a\x07\x0a\x01a\x12\x02\x08\x01"
        );
    }

    proptest! {
        #[test]
        fn no_bytes_panic(bytes in prop::collection::vec(any::<u8>(), 0..64)) {
            let _any = requested_service(&bytes);
            let _any = requested_service(&request(&bytes));
        }

        #[test]
        fn any_name_survives(name in "\\PC{0,300}") {
            let mut message = BytesMut::new();
            put(&mut message, FIELD_1, name.as_bytes());
            let framed = request(&message);
            prop_assert_eq!(requested_service(&framed), Some(&*name));
        }
    }
}
