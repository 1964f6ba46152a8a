//! Scripts that the server keeps.

use std::fmt;

/// A Lua script, called by its SHA-1.
///
/// The link loads a script that it [was given](crate::RedisBuilder::script) whenever it connects,
/// and any script that the server turns out not to have. The server is asked to `SCRIPT LOAD` it
/// rather than to `EVAL` it: Redis 7.4 and later forget scripts that only `EVAL` has seen.
///
/// Make one value for each script and keep it, in a `static LazyLock` or beside the link: making
/// one hashes the text.
#[derive(Clone)]
pub struct Script {
    text: &'static str,
    sha1: Box<str>,
}

impl Script {
    /// Creates a script with this text.
    #[must_use]
    pub fn new(text: &'static str) -> Self {
        Self { text, sha1: redis::Script::new(text).get_hash().into() }
    }

    /// The SHA-1 of the text, in lowercase hexadecimal digits: what `EVALSHA` is called with.
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
