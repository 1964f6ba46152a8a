//! Sessions: refresh tokens that rotate, and what detects a stolen one.

mod family;

pub use self::family::{AfterGrace, FamilyState, Rotation, Transition};
