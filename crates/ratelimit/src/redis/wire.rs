//! `MessagePack` arrays of numbers: how a call and its answer are written. Pure.
//!
//! A short answer may be packed doubles instead. Its first double is not negative, so its first
//! byte is below 0x80, which never starts an array.
//!
//! Lua has one kind of number, a double, so a call consists of doubles. Whole ones are written as
//! integers, which are shorter.

/// The largest whole number that is written as an integer, exclusive.
const WHOLE: f64 = 9_007_199_254_740_992.0;

/// Writes an array of numbers.
#[derive(Debug, Default)]
pub(super) struct Writer {
    numbers: Vec<u8>,
    count: u32,
}

impl Writer {
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "compared above")]
    pub(super) fn number(&mut self, number: f64) {
        self.count += 1;
        if !(0.0..WHOLE).contains(&number) || number.fract() != 0.0 {
            self.numbers.push(0xcb);
            return self.numbers.extend_from_slice(&number.to_be_bytes());
        }
        let whole = number as u64;
        match whole {
            0..0x80 => self.numbers.push(whole as u8),
            0x80..0x1_0000 => {
                self.numbers.push(0xcd);
                self.numbers.extend_from_slice(&(whole as u16).to_be_bytes());
            }
            0x1_0000..0x1_0000_0000 => {
                self.numbers.push(0xce);
                self.numbers.extend_from_slice(&(whole as u32).to_be_bytes());
            }
            _ => {
                self.numbers.push(0xcf);
                self.numbers.extend_from_slice(&whole.to_be_bytes());
            }
        }
    }

    pub(super) fn index(&mut self, index: u32) {
        self.number(index.into());
    }

    /// The array.
    pub(super) fn finish(self) -> Vec<u8> {
        let mut array = Vec::with_capacity(self.numbers.len() + 5);
        array.push(0xdd);
        array.extend_from_slice(&self.count.to_be_bytes());
        array.extend_from_slice(&self.numbers);
        array
    }
}

/// Reads an array of numbers, or doubles. `None` if it is something else.
pub(super) fn read(bytes: &[u8]) -> Option<Vec<f64>> {
    if bytes.first().is_some_and(u8::is_ascii) {
        let (doubles, rest) = bytes.as_chunks();
        let double = |bytes: &[u8; 8]| f64::from_be_bytes(*bytes);
        return rest.is_empty().then(|| doubles.iter().map(double).collect());
    }
    let mut rest = Rest(bytes);
    let count = match rest.byte()? {
        small @ 0x90..=0x9f => usize::from(small & 0x0f),
        0xdc => usize::from(u16::from_be_bytes(rest.take()?)),
        0xdd => usize::try_from(u32::from_be_bytes(rest.take()?)).ok()?,
        _ => return None,
    };
    // Each number takes a byte at least, so a wrong count allocates no more than the answer has.
    if count > rest.0.len() {
        return None;
    }
    let mut numbers = Vec::with_capacity(count);
    for _ in 0..count {
        numbers.push(rest.number()?);
    }
    rest.0.is_empty().then_some(numbers)
}

struct Rest<'a>(&'a [u8]);

impl Rest<'_> {
    fn byte(&mut self) -> Option<u8> {
        self.take().map(|[byte]| byte)
    }

    fn take<const N: usize>(&mut self) -> Option<[u8; N]> {
        let (first, rest) = self.0.split_first_chunk()?;
        self.0 = rest;
        Some(*first)
    }

    #[expect(clippy::cast_precision_loss, reason = "Lua rounded them to doubles before")]
    fn number(&mut self) -> Option<f64> {
        Some(match self.byte()? {
            small @ 0..0x80 => small.into(),
            0xca => f32::from_be_bytes(self.take()?).into(),
            0xcb => f64::from_be_bytes(self.take()?),
            0xcc => self.byte()?.into(),
            0xcd => u16::from_be_bytes(self.take()?).into(),
            0xce => u32::from_be_bytes(self.take()?).into(),
            0xcf => u64::from_be_bytes(self.take()?) as f64,
            0xd0 => i8::from_be_bytes(self.take()?).into(),
            0xd1 => i16::from_be_bytes(self.take()?).into(),
            0xd2 => i32::from_be_bytes(self.take()?).into(),
            0xd3 => i64::from_be_bytes(self.take()?) as f64,
            negative @ 0xe0.. => i8::from_be_bytes([negative]).into(),
            _ => return None,
        })
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn written(numbers: &[f64]) -> Vec<u8> {
        let mut writer = Writer::default();
        numbers.iter().for_each(|number| writer.number(*number));
        writer.finish()
    }

    #[test]
    fn numbers_are_as_short_as_they_can_be() {
        for (number, length) in [
            (0.0, 1),
            (127.0, 1),
            (128.0, 3),
            (65_535.0, 3),
            (65_536.0, 5),
            (4_294_967_295.0, 5),
            (4_294_967_296.0, 9),
            (1.8e19, 9),
            (f64::INFINITY, 9),
            (-1.0, 9),
        ] {
            assert_eq!(written(&[number]).len(), 5 + length, "{number}");
        }
    }

    #[test]
    fn what_is_not_an_array_of_numbers_is_not_read() {
        let array = written(&[1.0, 300.0, 5e12]);
        for length in 0..array.len() {
            assert_eq!(read(&array[..length]), None, "{length} bytes");
        }
        assert_eq!(read(&[0x91, 0xc0]), None, "nil");
        assert_eq!(read(&[0x91, 1, 1]), None, "more than it says");
        assert_eq!(read(&[0xdd, 0xff, 0xff, 0xff, 0xff, 1]), None, "a count without numbers");
        for text in [&b"OK"[..], b"", b"1234567", b"123456789"] {
            assert_eq!(read(text), None, "{text:?}");
        }
    }

    #[test]
    fn packed_doubles_are_read() {
        let numbers = [1.8e9, 999_999_999.0, 0.0];
        let packed = numbers.map(f64::to_be_bytes).concat();
        assert_eq!(read(&packed), Some(numbers.into()));
        assert_eq!(read(&packed[..23]), None);
    }

    #[test]
    fn every_form_that_a_server_may_choose_is_read() {
        let forms: &[u8] = &[
            0x97, 0xff, 0xd0, 0x80, 0xcc, 0xff, 0xca, 0x3f, 0, 0, 0, 0xd1, 0xff, 0xfe, 0xd2, 0xff,
            0xff, 0xff, 0xfd, 0xd3, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xfc,
        ];
        assert_eq!(read(forms), Some(vec![-1.0, -128.0, 255.0, 0.5, -2.0, -3.0, -4.0]));
    }

    proptest! {
        #[test]
        fn what_is_written_is_read(numbers in prop::collection::vec(prop_oneof![
            (0_u64..1 << 53).prop_map(|whole| whole as f64),
            (0_u64..70_000).prop_map(|whole| whole as f64),
            prop::num::f64::NORMAL,
        ], 0..40)) {
            prop_assert_eq!(read(&written(&numbers)), Some(numbers));
        }
    }
}
