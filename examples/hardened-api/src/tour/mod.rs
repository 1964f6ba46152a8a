//! Starts the service on free ports and drives it over real HTTP, scene by scene.

mod accounts;
mod client;
mod mail;
mod scenes;
mod server;
mod shared;
mod upstream;

use std::process::ExitCode;

/// Why a scene failed.
type Failure = Box<dyn std::error::Error + Send + Sync>;

/// Plays all scenes. Fails if one of them fails.
pub(crate) async fn run() -> ExitCode {
    match scenes::play().await {
        Ok(count) => {
            println!("\nall {count} scenes passed");
            ExitCode::SUCCESS
        }
        Err(failure) => {
            println!("    FAILED: {failure}");
            ExitCode::FAILURE
        }
    }
}
