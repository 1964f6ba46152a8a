//! Secrets from the environment and from files, checked all at once when the service starts.
//!
//! Every secret that a service needs is declared as a [`Spec`]; [`Loader::load`] finds each one,
//! checks it, and answers with all of them or with a [`Report`] of everything that is wrong: the
//! operator mends the configuration once, not once a restart. No value, and no part of one, ever
//! stands in a report, a `Debug` text or an error.
//!
//! What it does not do: it reads no `.env` file, changes no variable of the process, and parses no
//! settings that are not secret. It reads once, when it is asked to.
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
//! Everything that is wrong comes at once, together with what the application finds in its own
//! settings, and ends the process with the exit code for configurations, 78:
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
//!     report.add("APP_LISTEN", "is no socket address", "write one, such as 127.0.0.1:80");
//! }
//! report.extend(environment.unknown("APP_", ["APP_LISTEN"]));
//!
//! assert!(secrets.is_none());
//! assert_eq!(report.to_string().lines().count(), 4);
//! assert!(!report.to_string().contains("changeme"));
//! let code = report.exit_code(); // what `main` returns after printing the report
//! # let _ = code;
//! ```
//!
//! # Where a secret is looked for
//!
//! For the secret `NAME`, in this order; the first place that has it is used:
//!
//! 1. the variable `NAME`, whose value is the secret, or the variable `NAME_FILE`, whose value is
//!    the path of a file that holds it. Both set is a problem: nobody could say which one was
//!    meant. A variable that is set to nothing is set;
//! 2. the file `$CREDENTIALS_DIRECTORY/<name>`, as systemd passes credentials;
//! 3. the file `/run/secrets/<name>`, as Docker and Podman mount them (Unix only by default, see
//!    [`Loader::directory`]).
//!
//! In 2 and 3 `<name>` is the name in lower case. From a file exactly one line break is taken off
//! the end; a variable is taken as it stands. A value has at most 64 KiB.
//!
//! # Who else can read the file
//!
//! A file that others can write is a problem wherever it lies, and so is one that others can read,
//! except below the two directories of 2 and 3. Those are mounted into one container or for one
//! service: Docker's mode there is 0444 and Kubernetes' 0644 by default, the "others" are processes
//! of the same container, and refusing them would refuse every default deployment. Of
//! `$CREDENTIALS_DIRECTORY` that holds for the file that was looked up there by its name, not for one
//! that `NAME_FILE` names.
//!
//! Outside of them it is a problem too if a directory on the way to the file can be written by
//! others and is not sticky, since they can put another file in its place; and, where `/proc` tells
//! the user of this process, if the file belongs to neither that user nor root. In
//! [`Mode::Lenient`] all of these are warnings.
//!
//! # What wiping covers
//!
//! Variables of the snapshot, buffers that files are read into, decoded keys and the secrets
//! themselves are overwritten before their memory is freed. Drop the [`Environment`] when the
//! configuration is read. Out of reach: the environment block that the system gave the process
//! (`/proc/<pid>/environ`), swap and core dumps; prefer files where that matters.
//!
//! # Concepts
//!
//! | concept | types |
//! |---|---|
//! | a snapshot of the variables | [`Environment`] |
//! | what a secret must be like | [`Spec`] |
//! | finding and checking them | [`Loader`], [`Mode`] |
//! | what was found, and where | [`Secrets`], [`Provenance`] |
//! | what is wrong | [`Report`], [`Finding`] |
//!
//! # Features
//!
//! There are none.
//!
//! The minimum supported Rust version is 1.95.

mod environment;
mod file;
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
    load::{Loader, Mode},
    locate::Provenance,
    report::{Finding, Report},
    secrets::Secrets,
    spec::Spec,
};
