//! hardpoint
