//! What a token is known by.

use std::hash::{BuildHasher, RandomState};

use aws_lc_rs::digest::{SHA256, digest};
use zeroize::Zeroizing;

/// How tokens are told apart.
pub(super) enum Identity {
    Digest,
    /// The hash has a key of its own in each process, and covers the whole signature: whoever does not
    /// hold a valid token does not even reach its bucket, so the comparison tells nothing by its time.
    Full(RandomState),
}

/// What a token is looked up by.
pub(super) enum Id<'a> {
    Digest([u8; 32]),
    Full { hash: u64, token: &'a str },
}

/// What is kept of a token to know it again.
pub(super) enum Kept {
    Digest([u8; 32]),
    Full(Zeroizing<Box<[u8]>>),
}

impl Identity {
    pub(super) fn new(is_digest: bool) -> Self {
        if is_digest { Self::Digest } else { Self::Full(RandomState::new()) }
    }

    pub(super) fn of<'a>(&self, token: &'a str) -> Option<Id<'a>> {
        match self {
            Self::Digest => {
                digest(&SHA256, token.as_bytes()).as_ref().try_into().ok().map(Id::Digest)
            }
            Self::Full(state) => {
                let (_, signature) = token.rsplit_once('.')?;
                Some(Id::Full { hash: state.hash_one(signature), token })
            }
        }
    }
}

impl Id<'_> {
    /// What chooses the bucket, and is compared first.
    pub(super) fn hash(&self) -> u64 {
        match self {
            Self::Digest(digest) => {
                digest.first_chunk().map_or(0, |first| u64::from_le_bytes(*first))
            }
            Self::Full { hash, .. } => *hash,
        }
    }

    pub(super) fn to_kept(&self) -> Kept {
        match self {
            Self::Digest(digest) => Kept::Digest(*digest),
            Self::Full { token, .. } => Kept::Full(Zeroizing::new(token.as_bytes().into())),
        }
    }
}

impl Kept {
    /// Whether every byte is the same.
    pub(super) fn is(&self, id: &Id<'_>) -> bool {
        match (self, id) {
            (Self::Digest(own), Id::Digest(other)) => own == other,
            (Self::Full(own), Id::Full { token, .. }) => ***own == *token.as_bytes(),
            _ => false,
        }
    }

    pub(super) fn size(&self) -> usize {
        match self {
            Self::Digest(_) => 0,
            Self::Full(token) => token.len(),
        }
    }
}
