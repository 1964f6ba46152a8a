//! A store's state as bytes, for a restart.
//!
//! Little-endian: the mark `HPRL`, a version of two bytes, the key of the digests, the time in
//! nanoseconds since 1970, the number of tables in two bytes; for each table the number of its
//! entries in eight bytes, and for each entry a digest and a debt in nanoseconds, of eight bytes
//! each.

use std::{error::Error, fmt, time::Duration};

const MARK: [u8; 4] = *b"HPRL";
const VERSION: u16 = 2;

/// What a snapshot holds.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Snapshot {
    pub(super) hash_key: [u8; 16],
    pub(super) taken: Duration,
    pub(super) tables: Vec<Vec<(u64, u64)>>,
}

impl Snapshot {
    pub(super) fn to_bytes(&self) -> Vec<u8> {
        let mut bytes = Vec::new();
        bytes.extend(MARK);
        bytes.extend(VERSION.to_le_bytes());
        bytes.extend(self.hash_key);
        bytes.extend(u64::try_from(self.taken.as_nanos()).unwrap_or(u64::MAX).to_le_bytes());
        // A limiter has at most as many policies as fit into a batch.
        bytes.extend(u16::try_from(self.tables.len()).unwrap_or(u16::MAX).to_le_bytes());
        for table in &self.tables {
            bytes.extend((table.len() as u64).to_le_bytes());
            for (digest, debt) in table {
                bytes.extend(digest.to_le_bytes());
                bytes.extend(debt.to_le_bytes());
            }
        }
        bytes
    }

    pub(super) fn from_bytes(bytes: &[u8]) -> Result<Self, SnapshotError> {
        let mut rest = bytes;
        if take::<4>(&mut rest)? != MARK {
            return Err(SnapshotError::Malformed);
        }
        let version = u16::from_le_bytes(take(&mut rest)?);
        if version != VERSION {
            return Err(SnapshotError::Version { found: version });
        }
        let hash_key = take(&mut rest)?;
        let taken = Duration::from_nanos(u64::from_le_bytes(take(&mut rest)?));
        let count = u16::from_le_bytes(take(&mut rest)?);
        let tables = (0..count).map(|_| table(&mut rest)).collect::<Result<_, _>>()?;
        if rest.is_empty() {
            Ok(Self { hash_key, taken, tables })
        } else {
            Err(SnapshotError::Malformed)
        }
    }
}

fn table(rest: &mut &[u8]) -> Result<Vec<(u64, u64)>, SnapshotError> {
    let count = u64::from_le_bytes(take(rest)?);
    // Not more is reserved than the bytes that are there can fill.
    if count > rest.len() as u64 / 16 {
        return Err(SnapshotError::Malformed);
    }
    (0..count)
        .map(|_| Ok((u64::from_le_bytes(take(rest)?), u64::from_le_bytes(take(rest)?))))
        .collect()
}

fn take<const N: usize>(rest: &mut &[u8]) -> Result<[u8; N], SnapshotError> {
    let (taken, left) = rest.split_first_chunk().ok_or(SnapshotError::Malformed)?;
    *rest = left;
    Ok(*taken)
}

/// Bytes that a store cannot be restored from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum SnapshotError {
    /// They are no snapshot, or not a whole one.
    Malformed,
    /// It was taken of a limiter with another number of policies.
    Policies {
        /// How many the snapshot has.
        snapshot: usize,
        /// How many the store is to have.
        store: usize,
    },
    /// It was written by another version of this crate.
    Version {
        /// The version of its form.
        found: u16,
    },
}

impl fmt::Display for SnapshotError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Malformed => f.write_str("the bytes are no whole snapshot; start without one"),
            Self::Policies { snapshot, store } => write!(
                f,
                "the snapshot is of {snapshot} policies and the store has {store}; start without it"
            ),
            Self::Version { found } => {
                write!(f, "the snapshot has form {found}, not {VERSION}; start without it")
            }
        }
    }
}

impl Error for SnapshotError {}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn what_is_cut_short_or_added_to_is_no_snapshot() {
        let tables = vec![vec![(7, 8), (9, 10)], vec![]];
        let snapshot = Snapshot { hash_key: [3; 16], taken: Duration::from_secs(5), tables };
        let bytes = snapshot.to_bytes();
        assert_eq!(Snapshot::from_bytes(&bytes), Ok(snapshot));
        for end in 0..bytes.len() {
            assert!(Snapshot::from_bytes(&bytes[..end]).is_err(), "{end} bytes");
        }
        let longer = [bytes.as_slice(), &[0]].concat();
        assert_eq!(Snapshot::from_bytes(&longer), Err(SnapshotError::Malformed));
        let mut newer = bytes;
        newer[4] = 3;
        assert_eq!(Snapshot::from_bytes(&newer), Err(SnapshotError::Version { found: 3 }));
    }

    proptest! {
        #[test]
        fn any_bytes_are_survived(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
            let with_mark = [MARK.as_slice(), &VERSION.to_le_bytes(), &bytes].concat();
            drop(Snapshot::from_bytes(&bytes));
            drop(Snapshot::from_bytes(&with_mark));
        }
    }
}
