//! The part of protobuf's encoding that OTLP needs: written for all messages, read for the few that
//! a collector answers with.
//!
//! A message is appended to a buffer; a repeated message field is therefore a concatenation, so that
//! records which were encoded separately make a batch without being touched again.

use std::{fmt, time::Duration};

/// Wire types (protobuf encoding, "Message structure").
const VARINT: u32 = 0;
const FIXED64: u32 = 1;
const BYTES: u32 = 2;
const FIXED32: u32 = 5;

/// The value of an attribute.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Any<'a> {
    Bool(bool),
    Double(f64),
    Int(i64),
    Text(&'a str),
}

#[inline]
pub(crate) fn varint(out: &mut Vec<u8>, mut value: u64) {
    while value >= 0x80 {
        out.push(low_byte(value) | 0x80);
        value >>= 7;
    }
    out.push(low_byte(value));
}

#[inline]
#[expect(clippy::cast_possible_truncation, reason = "the lowest byte")]
const fn low_byte(value: u64) -> u8 {
    value as u8
}

/// The length of a number as a varint.
#[inline]
pub(crate) const fn varint_len(value: u64) -> usize {
    // Seven bits a byte; zero takes one byte too.
    ((63 - (value | 1).leading_zeros()) / 7 + 1) as usize
}

#[inline]
fn tag(out: &mut Vec<u8>, field: u32, kind: u32) {
    varint(out, u64::from(field << 3 | kind));
}

#[inline]
const fn tag_len(field: u32) -> usize {
    varint_len((field << 3) as u64)
}

#[inline]
pub(crate) fn uint(out: &mut Vec<u8>, field: u32, value: u64) {
    tag(out, field, VARINT);
    varint(out, value);
}

#[inline]
pub(crate) fn fixed64(out: &mut Vec<u8>, field: u32, value: u64) {
    tag(out, field, FIXED64);
    out.extend_from_slice(&value.to_le_bytes());
}

#[inline]
pub(crate) fn fixed32(out: &mut Vec<u8>, field: u32, value: u32) {
    tag(out, field, FIXED32);
    out.extend_from_slice(&value.to_le_bytes());
}

#[inline]
pub(crate) fn double(out: &mut Vec<u8>, field: u32, value: f64) {
    fixed64(out, field, value.to_bits());
}

#[inline]
pub(crate) fn bytes(out: &mut Vec<u8>, field: u32, value: &[u8]) {
    head(out, field, value.len());
    out.extend_from_slice(value);
}

#[inline]
pub(crate) fn text(out: &mut Vec<u8>, field: u32, value: &str) {
    bytes(out, field, value.as_bytes());
}

/// The tag and the length that come before `len` bytes of a message.
#[inline]
pub(crate) fn head(out: &mut Vec<u8>, field: u32, len: usize) {
    tag(out, field, BYTES);
    varint(out, len as u64);
}

/// The length of a field of `len` bytes, with its [`head`].
#[inline]
pub(crate) const fn field_len(field: u32, len: usize) -> usize {
    tag_len(field) + varint_len(len as u64) + len
}

/// Appends a message whose length is known after it is written. `ROOM` is the number of bytes that
/// its length usually takes: 1 below 128 bytes, 2 below 16 KiB. Any other length moves the message.
#[inline]
pub(crate) fn message<const ROOM: usize>(
    out: &mut Vec<u8>,
    field: u32,
    write: impl FnOnce(&mut Vec<u8>),
) {
    tag(out, field, BYTES);
    let start = out.len();
    out.extend_from_slice(&[0; ROOM]);
    write(out);
    let len = out.len() - start - ROOM;
    let needed = varint_len(len as u64);
    if needed != ROOM {
        move_message(out, start + ROOM, start + needed);
    }
    let mut rest = len as u64;
    for (place, byte) in out.iter_mut().skip(start).take(needed).enumerate() {
        let more = if place + 1 < needed { 0x80 } else { 0 };
        *byte = low_byte(rest & 0x7f) | more;
        rest >>= 7;
    }
}

#[cold]
fn move_message(out: &mut Vec<u8>, from: usize, to: usize) {
    let end = out.len();
    if to > from {
        out.resize(end + to - from, 0);
        out.copy_within(from..end, to);
    } else {
        out.copy_within(from.., to);
        out.truncate(end - (from - to));
    }
}

/// Appends a `KeyValue` as field `field`.
#[inline(always)]
pub(crate) fn attribute(out: &mut Vec<u8>, field: u32, key: &str, value: Any<'_>) {
    // Nearly all are short texts: each tag and each length is one byte.
    if let Any::Text(value) = value
        && value.len() < SHORT
        && key.len() < SHORT
        && field < 16
    {
        let (key_len, value_len) = (key.len() as u64, value.len() as u64);
        let all = key_len + value_len + 6;
        let head = [low_byte(u64::from(field << 3 | BYTES)), low_byte(all), KEY, low_byte(key_len)];
        let between = [VALUE, low_byte(value_len + 2), TEXT, low_byte(value_len)];
        out.reserve(key.len() + value.len() + 8);
        out.extend_from_slice(&head);
        out.extend_from_slice(key.as_bytes());
        out.extend_from_slice(&between);
        out.extend_from_slice(value.as_bytes());
    } else {
        any_attribute(out, field, key, value);
    }
}

/// Appends a `KeyValue` of any length.
fn any_attribute(out: &mut Vec<u8>, field: u32, key: &str, value: Any<'_>) {
    let value_len = match value {
        Any::Bool(_) => 2,
        Any::Double(_) => 9,
        Any::Int(number) => 1 + varint_len(number.cast_unsigned()),
        Any::Text(text) => field_len(1, text.len()),
    };
    head(out, field, field_len(1, key.len()) + field_len(2, value_len));
    text(out, 1, key);
    head(out, 2, value_len);
    any(out, value);
}

/// A key and a text below this length fit into a message whose length is one byte.
const SHORT: usize = 60;
/// The tags of a `KeyValue`'s key and value, and of an `AnyValue`'s text.
const KEY: u8 = low_byte((1 << 3 | BYTES) as u64);
const VALUE: u8 = low_byte((2 << 3 | BYTES) as u64);
const TEXT: u8 = low_byte((1 << 3 | BYTES) as u64);

/// Appends the fields of an `AnyValue`.
#[inline]
pub(crate) fn any(out: &mut Vec<u8>, value: Any<'_>) {
    match value {
        Any::Text(value) => text(out, 1, value),
        Any::Bool(value) => uint(out, 2, u64::from(value)),
        Any::Int(value) => uint(out, 3, value.cast_unsigned()),
        Any::Double(value) => double(out, 4, value),
    }
}

/// Nanoseconds since 1970, which fit until the year 2554.
pub(crate) fn nanos(unix: Duration) -> u64 {
    u64::try_from(unix.as_nanos()).unwrap_or(u64::MAX)
}

/// A field of a message that is read.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Value<'a> {
    Bytes(&'a [u8]),
    Number(u64),
}

impl fmt::Debug for Value<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Bytes(bytes) => write!(f, "{} bytes", bytes.len()),
            Self::Number(number) => write!(f, "{number}"),
        }
    }
}

/// Reads the fields of a message. It ends at the first byte that is not part of one.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Fields<'a>(pub(super) &'a [u8]);

impl<'a> Iterator for Fields<'a> {
    type Item = (u32, Value<'a>);

    fn next(&mut self) -> Option<Self::Item> {
        let tag = u32::try_from(self.varint()?).ok()?;
        let value = match tag & 7 {
            VARINT => Value::Number(self.varint()?),
            FIXED64 => Value::Number(u64::from_le_bytes(*self.take(8)?.first_chunk()?)),
            FIXED32 => Value::Number(u32::from_le_bytes(*self.take(4)?.first_chunk()?).into()),
            BYTES => {
                let len = usize::try_from(self.varint()?).ok()?;
                Value::Bytes(self.take(len)?)
            }
            _ => return None,
        };
        Some((tag >> 3, value))
    }
}

impl<'a> Fields<'a> {
    fn varint(&mut self) -> Option<u64> {
        let mut value = 0_u64;
        for place in 0..10 {
            let byte = *self.take(1)?.first()?;
            value |= u64::from(byte & 0x7f) << (7 * place);
            if byte < 0x80 {
                return Some(value);
            }
        }
        None
    }

    fn take(&mut self, len: usize) -> Option<&'a [u8]> {
        let (taken, rest) = self.0.split_at_checked(len)?;
        self.0 = rest;
        Some(taken)
    }
}

/// The longest prefix of whole fields that is not longer than `most`, but at least one field, and
/// how many fields these are.
pub(crate) fn whole_fields(encoded: &[u8], most: usize) -> (usize, u64) {
    let mut fields = Fields(encoded);
    let (mut end, mut count) = (0, 0);
    while fields.next().is_some() {
        let here = encoded.len() - fields.0.len();
        if here > most && count > 0 {
            break;
        }
        (end, count) = (here, count + 1);
    }
    (end, count)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn the_examples_of_the_encoding_s_description_come_out() {
        let mut out = Vec::new();
        uint(&mut out, 1, 150);
        text(&mut out, 2, "testing");
        message::<1>(&mut out, 3, |out| uint(out, 1, 150));
        let expected = "089601120774657374696e671a03089601";
        let hex: String = out.iter().map(|byte| format!("{byte:02x}")).collect();
        assert_eq!(hex, expected);
    }

    #[test]
    fn a_message_of_any_length_has_its_shortest_length_before_it() {
        for len in [0, 1, 126, 127, 128, 129, 16_383, 16_384, 70_000] {
            let content = vec![7; len];
            let (mut one, mut two, mut known) = (vec![1], vec![1], vec![1]);
            message::<1>(&mut one, 2, |out| out.extend_from_slice(&content));
            message::<2>(&mut two, 2, |out| out.extend_from_slice(&content));
            bytes(&mut known, 2, &content);
            assert!(one == known && two == known, "{len}");
            assert_eq!(known.len(), 1 + field_len(2, len));
        }
    }

    #[test]
    fn a_batch_is_cut_between_records() {
        let mut records = Vec::new();
        for len in [10, 20, 30] {
            bytes(&mut records, 2, &vec![0; len]);
        }
        assert_eq!(whole_fields(&records, 1000), (66, 3));
        assert_eq!(whole_fields(&records, 34), (34, 2));
        assert_eq!(whole_fields(&records, 33), (12, 1));
        assert_eq!(whole_fields(&records, 0), (12, 1), "one record always fits");
        assert_eq!(whole_fields(&[], 10), (0, 0));
    }

    proptest! {
        #[test]
        fn any_bytes_are_read_without_panic(encoded: Vec<u8>, most: usize) {
            let read = Fields(&encoded).count();
            let (end, count) = whole_fields(&encoded, most);
            prop_assert!(end <= encoded.len() && count <= read as u64);
        }

        #[test]
        fn written_fields_are_read(number: u64, content: Vec<u8>, field in 1..1000_u32) {
            let mut out = Vec::new();
            uint(&mut out, field, number);
            bytes(&mut out, field, &content);
            fixed64(&mut out, field, number);
            let read: Vec<_> = Fields(&out).collect();
            let expected = [
                (field, Value::Number(number)),
                (field, Value::Bytes(&content)),
                (field, Value::Number(number)),
            ];
            prop_assert_eq!(read, expected);
        }
    }
}
