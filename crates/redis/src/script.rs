//! Scripts that the server keeps.

use std::{fmt, sync::Arc};

/// A Lua script, called by its SHA-1.
///
/// The link loads the scripts of its [builder](crate::RedisBuilder::add_script) whenever it
/// connects, and every other script when a call finds that the server lacks it. It uses
/// `SCRIPT LOAD` rather than `EVAL`, because Redis 7.4 and later evict scripts that only `EVAL` has
/// used.
///
/// [`new`](Self::new) hashes the text, so create a script once and keep it. Clones are cheap.
#[derive(Clone)]
pub struct Script {
    text: &'static str,
    sha1: Arc<str>,
}

impl Script {
    /// Creates a script with this text.
    #[must_use]
    pub fn new(text: &'static str) -> Self {
        Self { text, sha1: redis::Script::new(text).get_hash().into() }
    }

    /// The SHA-1 of the text, in lowercase hexadecimal digits: the first argument of `EVALSHA`.
    #[must_use]
    pub fn sha1(&self) -> &str {
        &self.sha1
    }

    /// The text.
    #[must_use]
    pub const fn text(&self) -> &'static str {
        self.text
    }
}

impl fmt::Debug for Script {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Script").field(&self.sha1).finish()
    }
}

/// The command that loads a script.
pub(crate) fn load(text: &str) -> redis::Cmd {
    let mut command = redis::cmd("SCRIPT");
    command.arg("LOAD").arg(text);
    command
}
