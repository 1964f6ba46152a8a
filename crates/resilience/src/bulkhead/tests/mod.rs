//! The semaphore: by random steps, and under loom.

#[cfg(hardpoint_loom)]
mod explored;
#[cfg(not(hardpoint_loom))]
mod sequential;
