//! The keys on the server: one scheme for all concepts.
//!
//! `prefix:v1:concept:{tag}:rest`. The version is the layout's, not the release's: a concept that
//! changes what it keeps under a key changes the version of its own name. On a cluster, the keys of
//! one call share the slot of their tag.

use std::{fmt, sync::Arc};

/// The version of the layout.
const VERSION: &str = "v1";

/// Something that is kept on the server, such as the state of limits: the name in its keys, whether
/// they expire, and what losing one means.
///
/// Every key whose loss is harmless expires. A key whose loss must be noticed renews its expiry with
/// each thing that depends on it, and its absence means *not known*, never *allowed*.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Concept {
    name: &'static str,
    expires: bool,
    loss: &'static str,
}

impl Concept {
    /// Creates a concept whose keys expire. `name` is its part of the key.
    #[must_use]
    pub const fn expiring(name: &'static str) -> Self {
        Self { name, expires: true, loss: "what it holds is lost" }
    }

    /// Creates a concept that has keys without expiry. `name` is its part of the key.
    #[must_use]
    pub const fn lasting(name: &'static str) -> Self {
        Self { expires: false, ..Self::expiring(name) }
    }

    /// Sets what losing a key means to the service, for the warning that the server evicts keys and
    /// for [`WhenFull::Evicts`]. It completes the sentence "when the server evicts a key, ..": "a
    /// client starts over with a full burst". Default: "what it holds is lost".
    #[must_use]
    pub const fn loss(self, loss: &'static str) -> Self {
        Self { loss, ..self }
    }

    /// The name in the keys.
    #[must_use]
    pub const fn name(&self) -> &'static str {
        self.name
    }

    /// Whether every key expires.
    #[must_use]
    pub const fn expires(&self) -> bool {
        self.expires
    }
}

/// Writes the keys of one concept. Cloning is cheap.
#[derive(Clone)]
pub struct Keys {
    /// `prefix:v1:concept:{`
    head: Arc<str>,
}

impl Keys {
    pub(crate) fn new(prefix: &str, concept: &Concept) -> Self {
        Self { head: format!("{prefix}:{VERSION}:{}:{{", concept.name).into() }
    }

    /// The key `prefix:v1:concept:{tag}:rest`. All keys with one `tag` are in one slot of a cluster.
    ///
    /// Neither part may come from a client as it is: pass a digest, or an id that this service made.
    /// Braces in `tag` are dropped, since they would end the tag early.
    #[must_use]
    pub fn key(&self, tag: &str, rest: &str) -> String {
        let mut key = String::with_capacity(self.head.len() + tag.len() + rest.len() + 2);
        key.push_str(&self.head);
        key.extend(tag.chars().filter(|c| !matches!(c, '{' | '}')));
        key.push_str("}:");
        key.push_str(rest);
        key
    }

    /// The key of a digest: 32 lowercase hexadecimal digits as the tag, and no rest.
    #[must_use]
    pub fn digest(&self, digest: u128) -> String {
        format!("{}{digest:032x}}}", self.head)
    }
}

impl fmt::Debug for Keys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Keys({}..}}..)", self.head)
    }
}

/// What the server does with a concept's keys when its memory is full.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum WhenFull {
    /// It removes keys of this concept. What that means follows.
    Evicts(&'static str),
    /// It keeps the keys and refuses writes, which fail as
    /// [`Unavailable`](crate::ErrorKind::Unavailable).
    Refuses,
    /// The server has no limit of its own. The operating system ends it when memory runs out.
    Unlimited,
}

/// The server's `maxmemory` and `maxmemory-policy`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Memory {
    pub(crate) limited: bool,
    pub(crate) policy: Box<str>,
}

impl Memory {
    /// Reads the answer to `INFO memory`. `None` if it lacks either field.
    pub(crate) fn from_info(info: &str) -> Option<Self> {
        let field = |name: &str| {
            info.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':')).map(str::trim)
        };
        let limited = field("maxmemory")? != "0";
        Some(Self { limited, policy: field("maxmemory_policy")?.into() })
    }

    /// What happens to the keys of `concept` when memory is full.
    pub(crate) fn when_full(&self, concept: &Concept) -> WhenFull {
        if !self.limited {
            return WhenFull::Unlimited;
        }
        let evicted = self.policy.starts_with("allkeys-")
            || self.policy.starts_with("volatile-") && concept.expires;
        if evicted { WhenFull::Evicts(concept.loss) } else { WhenFull::Refuses }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LIMITS: Concept = Concept::expiring("limit").loss("a client starts over");
    const EPOCHS: Concept = Concept::lasting("epoch").loss("a session is asked for again");

    fn memory(maxmemory: u64, policy: &str) -> Memory {
        let info = format!(
            "# Memory\r\nused_memory:1\r\nmaxmemory:{maxmemory}\r\nmaxmemory_policy:{policy}\r\n"
        );
        Memory::from_info(&info).unwrap()
    }

    #[test]
    fn keys_have_the_prefix_the_version_the_concept_and_the_tag() {
        let keys = Keys::new("shop", &LIMITS);
        assert_eq!(keys.key("client", "7f"), "shop:v1:limit:{client}:7f");
        assert_eq!(
            keys.key("a}b{c", "x"),
            "shop:v1:limit:{abc}:x",
            "the tag cannot be ended early"
        );
        assert_eq!(keys.digest(0xab), "shop:v1:limit:{000000000000000000000000000000ab}");
    }

    #[test]
    fn each_policy_is_judged_for_each_concept() {
        let evicts = WhenFull::Evicts("a client starts over");
        for (policy, limits, epochs) in [
            ("noeviction", WhenFull::Refuses, WhenFull::Refuses),
            ("volatile-ttl", evicts, WhenFull::Refuses),
            ("volatile-lru", evicts, WhenFull::Refuses),
            ("allkeys-lru", evicts, WhenFull::Evicts("a session is asked for again")),
            ("allkeys-random", evicts, WhenFull::Evicts("a session is asked for again")),
        ] {
            let memory = memory(1 << 20, policy);
            assert_eq!(memory.when_full(&LIMITS), limits, "{policy}");
            assert_eq!(memory.when_full(&EPOCHS), epochs, "{policy}");
        }
        assert_eq!(memory(0, "allkeys-lru").when_full(&LIMITS), WhenFull::Unlimited);
        let unnamed = memory(1 << 20, "allkeys-lru").when_full(&Concept::expiring("cart"));
        assert_eq!(unnamed, WhenFull::Evicts("what it holds is lost"));
    }

    #[test]
    fn an_answer_without_the_fields_is_not_judged() {
        assert_eq!(Memory::from_info("used_memory:1\r\n"), None);
    }
}
