//! The destinations of telemetry, from the standard variables.

mod reader;
mod target;
#[cfg(test)]
mod tests;
mod variables;

pub use self::variables::VARIABLES;
pub(super) use self::{
    target::{Identity, Protocol, Target},
    variables::{Settings, read},
};
