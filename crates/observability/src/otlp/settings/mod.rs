//! Where telemetry is sent, as the standard variables say it.

mod target;
#[cfg(test)]
mod tests;
mod variables;

pub use self::variables::VARIABLES;
pub(super) use self::{
    target::{Identity, Protocol, Target},
    variables::{Settings, read},
};
