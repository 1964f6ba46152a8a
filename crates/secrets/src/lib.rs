//! Secrets from the environment and from files, checked all at once when the service starts.
//!
//! A service declares each secret it needs as a [`Spec`]. [`Loader::load`] finds and checks the
//! secrets and returns either all of them or a [`Report`] with every problem, so the operator fixes
//! the configuration once instead of once per restart. Reports, `Debug` output and errors never
//! contain a value or a part of one.
//!
//! This crate does not read `.env` files, change environment variables, or parse settings that are
//! not secret. It reads the secrets once, when [`Loader::load`] is called, and does not watch them
//! for changes.
//!
//! # Quick start
//!
//! ```
//! use hardpoint_secrets::{Environment, Mode, Provenance, Secrets, Spec};
//!
//! // A service takes `Environment::from_process()`.
//! let environment = Environment::from_iter([
//!     ("DATABASE_PASSWORD", "correct horse battery staple"),
//!     ("ROOT_SECRET", "q83vEjRWeJCrze8SNFZ4kKvN7xI0VniQobLD1OX2BxM="),
//! ]);
//! let secrets = Secrets::loader(&environment)
//!     .mode(Mode::Strict)
//!     .add_spec(Spec::text("DATABASE_PASSWORD").min_bytes(12))
//!     .add_spec(Spec::base64("ROOT_SECRET").min_bytes(32))
//!     .add_spec(Spec::text("SENTRY_DSN").optional())
//!     .load()?;
//!
//! let password = secrets.text("DATABASE_PASSWORD").ok_or("declared as required")?;
//! assert!(password.ct_eq("correct horse battery staple"));
//! assert_eq!(secrets.bytes("ROOT_SECRET").map(|key| key.expose().len()), Some(32));
//! assert!(secrets.text("SENTRY_DSN").is_none());
//! assert_eq!(
//!     secrets.provenance("DATABASE_PASSWORD"),
//!     Some(&Provenance::Variable("DATABASE_PASSWORD".to_owned()))
//! );
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! The report contains all problems at once, including those that the application finds in its own
//! settings. The process then ends with 78, the exit code for configuration errors:
//!
//! ```
//! use hardpoint_secrets::{Environment, Report, Secrets, Spec};
//!
//! let environment = Environment::from_iter([
//!     ("DATABASE_PASSWORD", "changeme"),
//!     ("APP_LISTEN", "localhost"),
//!     ("APP_LSITEN", "127.0.0.1:80"),
//! ]);
//! let mut report = Report::new();
//! let secrets = report.collect(
//!     Secrets::loader(&environment)
//!         .add_spec(Spec::text("DATABASE_PASSWORD"))
//!         .add_spec(Spec::base64("ROOT_SECRET"))
//!         .load(),
//! );
//! let listen = report.collect(environment.get("APP_LISTEN")).flatten();
//! if listen.is_some_and(|text| text.parse::<std::net::SocketAddr>().is_err()) {
//!     report.add("APP_LISTEN", "is not a socket address", "write one, such as 127.0.0.1:80");
//! }
//! report.extend(environment.unknown("APP_", ["APP_LISTEN"]));
//!
//! assert!(secrets.is_none());
//! assert_eq!(report.to_string().lines().count(), 4);
//! assert!(!report.to_string().contains("changeme"));
//! let code = report.exit_code(); // `main` prints the report and returns this code
//! # let _ = code;
//! ```
//!
//! # Lookup order
//!
//! The loader looks for the secret `NAME` in these places and uses the first one that has it:
//!
//! 1. The variable `NAME`, which contains the secret, or the variable `NAME_FILE`, which contains
//!    the path of a file with the secret. Setting both is a problem, since the loader cannot know
//!    which one is meant. An empty variable counts as set, unless
//!    [`Loader::empty_is_absent`] is set.
//! 2. The file `$CREDENTIALS_DIRECTORY/<name>`, where systemd puts credentials.
//! 3. The file `/run/secrets/<name>`, where Docker and Podman mount secrets. By default only on
//!    Unix; see [`Loader::directory`].
//!
//! In 2 and 3, `<name>` is the name in lower or in upper case; two different files are a problem.
//! The loader removes exactly one line break from the end of a file and uses a variable, and a
//! [`raw`](Spec::raw) file, unchanged. A value may have at most 64 KiB.
//!
//! # Files
//!
//! The loader opens a file without waiting and checks the opened file, so a pipe or a link that
//! replaces it can neither hold the loader up nor mix two versions. Only a regular file is
//! accepted. Each of these is a problem, and in [`Mode::Lenient`] a warning:
//!
//! - Its group or others can write it.
//! - Others can read it.
//! - It belongs to neither root nor the user of the process.
//! - A directory on the path belongs to neither of them, or its group or others can write it and it
//!   is not sticky. They could put another file in its place.
//! - A link on the path belongs to neither of them and is in a directory that others can write, such
//!   as `/tmp`.
//!
//! Below a directory of 2 or 3, only a file that every user can write is a problem. Those directories
//! are mounted into one container or for one service. Docker mounts secrets with mode 0444 and
//! Kubernetes with 0644 by default, and the "others" are processes of the same container, so refusing
//! such files would refuse every default deployment. `$CREDENTIALS_DIRECTORY` is exempt only for the
//! lookup by name, not for a path in `NAME_FILE`. A link out of such a directory is judged as any
//! other path.
//!
//! # Wiping
//!
//! The crate overwrites the variables of the snapshot, the buffers it reads files into, decoded
//! keys and the secrets themselves before it frees their memory. Drop the [`Environment`] once the
//! configuration is read. The crate cannot wipe the environment block that the system passes to the
//! process (`/proc/<pid>/environ`), swap or core dumps; use files where that matters.
//!
//! # Concepts
//!
//! | concept | types |
//! |---|---|
//! | a snapshot of the environment variables | [`Environment`] |
//! | the requirements for a secret | [`Spec`] |
//! | finding and checking secrets | [`Loader`], [`Mode`] |
//! | the secrets and their origins | [`Secrets`], [`Provenance`] |
//! | the problems, and what `main` does about them | [`Report`], [`Finding`], [`explain`] |
//!
//! # Features
//!
//! This crate has no features.
//!
//! The minimum supported Rust version is 1.95.

mod environment;
mod explain;
mod file;
mod invisible;
mod load;
mod locate;
mod names;
mod platform;
mod report;
mod secrets;
mod spec;
mod value;

pub use self::{
    environment::Environment,
    explain::explain,
    load::{Loader, Mode},
    locate::Provenance,
    report::{Finding, Report},
    secrets::Secrets,
    spec::Spec,
};
