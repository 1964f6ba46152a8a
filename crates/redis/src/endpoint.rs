//! Where a link connects to, and one attempt to do it.

use std::{fmt, time::Duration};

use redis::{
    AsyncConnectionConfig, Client, ConnectionInfo, ProtocolVersion, RedisError,
    aio::MultiplexedConnection,
};
use tokio::{sync::mpsc, time::Instant};

use crate::{Error, ErrorKind, builder::tuned, schema::Memory, script};

/// Where a link connects to, and as whom.
pub(crate) struct Endpoint {
    info: ConnectionInfo,
    /// The URL names the protocol: no other is tried.
    keep_protocol: bool,
}

/// A connection whose server accepts commands.
pub(crate) struct Connected {
    pub(crate) connection: MultiplexedConnection,
    /// Receives something when the connection has ended. Only with RESP3: RESP2 notices at the next
    /// command.
    pub(crate) ended: mpsc::UnboundedReceiver<redis::PushInfo>,
    /// How long the server took to answer a `PING`.
    pub(crate) round_trip: Duration,
    /// `None` if the user may not read it.
    pub(crate) memory: Option<Memory>,
    /// `None` if the server does not know `HELLO`.
    pub(crate) is_cluster: Option<bool>,
}

impl Endpoint {
    pub(crate) const fn new(info: ConnectionInfo, keep_protocol: bool) -> Self {
        Self { info, keep_protocol }
    }

    /// Connects, and checks that the server serves: it has loaded its data, is not a replica and
    /// runs no endless script. Loads `scripts`. The caller bounds the time.
    pub(crate) async fn connect(&self, scripts: &[&'static str]) -> Result<Connected, Error> {
        let (mut connection, ended) = self.dial().await.map_err(Error::from_wire)?;
        let Greeting { is_replica, is_cluster } = greet(&mut connection).await;
        if is_replica {
            return Err(Error::replica());
        }
        let memory = read_memory(&mut connection).await;
        for text in scripts {
            match ask(&mut connection, &script::load(text)).await.map_err(Error::from_wire) {
                Ok(_) => {}
                // Another user may be allowed less. The calls of the script report it.
                Err(error) if error.kind() == ErrorKind::Denied => {}
                Err(error) => return Err(error),
            }
        }
        let asked = Instant::now();
        ask(&mut connection, &redis::cmd("PING")).await.map_err(Error::from_wire)?;
        Ok(Connected { connection, ended, round_trip: asked.elapsed(), memory, is_cluster })
    }

    /// Opens a connection and logs in, with RESP3 if the server speaks it.
    pub(crate) async fn dial(
        &self,
    ) -> Result<(MultiplexedConnection, mpsc::UnboundedReceiver<redis::PushInfo>), RedisError> {
        let asked = if self.keep_protocol {
            self.info.redis_settings().protocol()
        } else {
            ProtocolVersion::RESP3
        };
        match self.dial_with(asked).await {
            Err(error)
                if error.kind() == redis::ErrorKind::RESP3NotSupported && !self.keep_protocol =>
            {
                self.dial_with(ProtocolVersion::RESP2).await
            }
            other => other,
        }
    }

    async fn dial_with(
        &self,
        protocol: ProtocolVersion,
    ) -> Result<(MultiplexedConnection, mpsc::UnboundedReceiver<redis::PushInfo>), RedisError> {
        let (sender, ended) = mpsc::unbounded_channel();
        // The link has its own deadlines.
        let mut config =
            AsyncConnectionConfig::new().set_connection_timeout(None).set_response_timeout(None);
        if protocol.supports_resp3() {
            config = config.set_push_sender(sender);
        }
        let client = Client::open(tuned(&self.info, protocol))?;
        let connection = client.get_multiplexed_async_connection_with_config(&config).await?;
        Ok((connection, ended))
    }
}

impl fmt::Display for Endpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self.info.addr(), f)
    }
}

impl fmt::Debug for Endpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Endpoint({self})")
    }
}

/// Sends a command, and makes an error of the server an error of the call: redis-rs returns it as a
/// value.
pub(crate) async fn ask(
    connection: &mut MultiplexedConnection,
    command: &redis::Cmd,
) -> Result<redis::Value, RedisError> {
    match connection.send_packed_command(command).await? {
        redis::Value::ServerError(error) => Err(error.into()),
        value => Ok(value),
    }
}

/// What the server says of itself in its answer to `HELLO`.
#[derive(Default)]
struct Greeting {
    is_replica: bool,
    is_cluster: Option<bool>,
}

/// Asks whether the server is a replica, which refuses writes, and whether it is a node of a cluster.
/// `HELLO` answers both, and no ACL can forbid it. A server that does not know it (before Redis 6)
/// refuses the first write, or call of several slots, instead.
async fn greet(connection: &mut MultiplexedConnection) -> Greeting {
    let fields = match ask(connection, &redis::cmd("HELLO")).await {
        Ok(redis::Value::Map(fields)) => fields,
        Ok(redis::Value::Array(values)) => {
            values.chunks_exact(2).map(|pair| (pair[0].clone(), pair[1].clone())).collect()
        }
        _ => return Greeting::default(),
    };
    let find = |wanted| {
        let (_, value) = fields.iter().find(|(name, _)| text(name) == Some(wanted))?;
        text(value)
    };
    Greeting {
        is_replica: matches!(find("role"), Some("replica" | "slave")),
        is_cluster: find("mode").map(|mode| mode == "cluster"),
    }
}

async fn read_memory(connection: &mut MultiplexedConnection) -> Option<Memory> {
    let mut command = redis::cmd("INFO");
    command.arg("memory");
    let info = ask(connection, &command).await.ok()?;
    Memory::from_info(text(&info)?)
}

/// The text of a string, in any of its forms.
fn text(value: &redis::Value) -> Option<&str> {
    match value {
        redis::Value::BulkString(bytes) => std::str::from_utf8(bytes).ok(),
        redis::Value::SimpleString(text) | redis::Value::VerbatimString { text, .. } => Some(text),
        _ => None,
    }
}
