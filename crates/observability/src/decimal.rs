//! Decimal digits by table, three at a time. Pure.

/// `000001002` and so on, up to `999`.
static GROUPS: [u8; 3_000] = {
    let mut digits = [b'0'; 3_000];
    let mut place = 0;
    while place < digits.len() {
        let number = place / 3;
        let digit = match place % 3 {
            0 => number / 100,
            1 => number / 10 % 10,
            _ => number % 10,
        };
        digits[place] += [0, 1, 2, 3, 4, 5, 6, 7, 8, 9][digit];
        place += 1;
    }
    digits
};

static TEXT: &str = match std::str::from_utf8(&GROUPS) {
    Ok(text) => text,
    Err(_) => "",
};

/// Calls `take` with the digits of a number, at most three at a time.
#[inline]
pub(crate) fn each_group(number: u64, take: &mut impl FnMut(&'static str)) {
    if number < 1_000 {
        let zeroes = if number < 10 { 2 } else { usize::from(number < 100) };
        take(padded(number).get(zeroes..).unwrap_or_default());
    } else {
        each_full_group(number, take);
    }
}

fn each_full_group(number: u64, take: &mut impl FnMut(&'static str)) {
    each_group(number / 1_000, take);
    take(padded(number % 1_000));
}

/// The three digits of a number below 1000.
#[inline]
pub(crate) fn padded(number: u64) -> &'static str {
    let start = usize::try_from(number).unwrap_or(usize::MAX).saturating_mul(3);
    TEXT.get(start..start.saturating_add(3)).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_group_has_three_digits_and_larger_numbers_have_none() {
        for number in 0..1_000 {
            assert_eq!(padded(number), format!("{number:03}"));
        }
        for number in [1_000, 1_001, u64::MAX] {
            assert_eq!(padded(number), "");
        }
    }
}
