//! Starts the service on free ports and drives it over real HTTP, scene by scene.

mod client;
mod scenes;
mod server;

use std::process::ExitCode;

/// What went wrong in a scene, in words.
type Failure = Box<dyn std::error::Error + Send + Sync>;

/// Plays all scenes; fails if one of them does.
pub(crate) async fn run() -> ExitCode {
    match scenes::play().await {
        Ok(count) => {
            println!("\n{count} scenes, all as they should be");
            ExitCode::SUCCESS
        }
        Err(failure) => {
            println!("    FAILED: {failure}");
            ExitCode::FAILURE
        }
    }
}
