//! Where a link connects to, and one attempt to do it.

use std::{fmt, io, pin::Pin, time::Duration};

use futures_util::{StreamExt as _, stream::FuturesUnordered};
use redis::{
    AsyncConnectionConfig, Client, ConnectionAddr, ConnectionInfo, ProtocolVersion, RedisError,
    aio::MultiplexedConnection,
};
use tokio::{
    net::{TcpStream, lookup_host},
    select,
    sync::mpsc,
    time::Instant,
};

use crate::{Error, ErrorKind, builder::tuned, schema::Memory, script};

/// Where a link connects to, and as whom.
pub(crate) struct Endpoint {
    info: ConnectionInfo,
    /// The URL names the protocol: no other is tried.
    keep_protocol: bool,
    /// It comes from a URL, which has no settings of the socket.
    is_plain: bool,
}

/// What moves the bytes of a connection, until it ends.
pub(crate) type Driver = Pin<Box<dyn Future<Output = ()> + Send>>;

/// A connection whose server accepts commands.
pub(crate) struct Connected {
    pub(crate) connection: MultiplexedConnection,
    /// To be polled with the connection's commands, in one task.
    pub(crate) driver: Driver,
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
    pub(crate) const fn new(info: ConnectionInfo, keep_protocol: bool, is_plain: bool) -> Self {
        Self { info, keep_protocol, is_plain }
    }

    /// Connects, and checks that the server serves: it has loaded its data, is not a replica and
    /// runs no endless script. Loads `scripts`. The caller bounds the time.
    pub(crate) async fn connect(&self, scripts: &[&'static str]) -> Result<Connected, Error> {
        let (first, second) = self.protocols();
        let opened = match (self.open(first).await, second) {
            (Err(error), Some(second)) if is_unknown(&error) => self.open(second).await,
            (opened, _) => opened,
        };
        let (mut connection, mut driver, ended) = opened.map_err(Error::from_wire)?;
        let checked = async {
            let Greeting { is_replica, is_cluster } = greet(&mut connection).await;
            if is_replica {
                return Err(Error::replica());
            }
            let memory = read_memory(&mut connection).await;
            for text in scripts {
                let load = script::load(text);
                match ask(&mut connection, &load).await.map_err(Error::from_wire) {
                    Ok(_) => {}
                    // Another user may be allowed less. The calls of the script report it.
                    Err(error) if error.kind() == ErrorKind::Denied => {}
                    Err(error) => return Err(error),
                }
            }
            let asked = Instant::now();
            ask(&mut connection, &redis::cmd("PING")).await.map_err(Error::from_wire)?;
            Ok((is_cluster, memory, asked.elapsed()))
        };
        let (is_cluster, memory, round_trip) = select! {
            biased;
            checked = checked => checked?,
            () = &mut driver => return Err(Error::unavailable()),
        };
        Ok(Connected { connection, driver, ended, round_trip, memory, is_cluster })
    }

    /// Opens a connection and logs in. The connection's driver has a task of its own, which ends with
    /// the connection.
    pub(crate) async fn dial(&self) -> Result<MultiplexedConnection, RedisError> {
        let (first, second) = self.protocols();
        match (self.dial_with(first).await, second) {
            (Err(error), Some(second)) if is_unknown(&error) => self.dial_with(second).await,
            (dialled, _) => dialled,
        }
    }

    async fn dial_with(
        &self,
        protocol: ProtocolVersion,
    ) -> Result<MultiplexedConnection, RedisError> {
        let (config, _) = config(protocol);
        let client = Client::open(tuned(&self.info, protocol))?;
        client.get_multiplexed_async_connection_with_config(&config).await
    }

    /// Opens a connection and logs in, and leaves its driver to the caller.
    async fn open(
        &self,
        protocol: ProtocolVersion,
    ) -> Result<(MultiplexedConnection, Driver, mpsc::UnboundedReceiver<redis::PushInfo>), RedisError>
    {
        let (config, ended) = config(protocol);
        let info = tuned(&self.info, protocol);
        let login = info.redis_settings();
        match info.addr() {
            ConnectionAddr::Tcp(host, port) if self.is_plain => {
                let stream = connect_tcp(host, *port).await?;
                let opened = MultiplexedConnection::new_with_config(login, stream, config);
                let (connection, driver) = opened.await?;
                Ok((connection, Box::pin(driver), ended))
            }
            #[cfg(unix)]
            ConnectionAddr::Unix(path) => {
                let stream = tokio::net::UnixStream::connect(path).await?;
                let opened = MultiplexedConnection::new_with_config(login, stream, config);
                let (connection, driver) = opened.await?;
                Ok((connection, Box::pin(driver), ended))
            }
            // TLS and settings of sockets are redis-rs's, and with them comes a task for the driver.
            _ => {
                let client = Client::open(info)?;
                let opened = client.get_multiplexed_async_connection_with_config(&config);
                Ok((opened.await?, Box::pin(std::future::pending()), ended))
            }
        }
    }

    /// The protocol to ask for, and the one for a server that does not know it.
    fn protocols(&self) -> (ProtocolVersion, Option<ProtocolVersion>) {
        if self.keep_protocol {
            return (self.info.redis_settings().protocol(), None);
        }
        (ProtocolVersion::RESP3, Some(ProtocolVersion::RESP2))
    }
}

/// Whether the server does not know the protocol.
fn is_unknown(error: &RedisError) -> bool {
    error.kind() == redis::ErrorKind::RESP3NotSupported
}

/// The settings of a connection, and where its end is told.
fn config(
    protocol: ProtocolVersion,
) -> (AsyncConnectionConfig, mpsc::UnboundedReceiver<redis::PushInfo>) {
    let (sender, ended) = mpsc::unbounded_channel();
    // The link has its own deadlines.
    let config =
        AsyncConnectionConfig::new().set_connection_timeout(None).set_response_timeout(None);
    if protocol.supports_resp3() {
        return (config.set_push_sender(sender), ended);
    }
    (config, ended)
}

/// Connects to the address of a name that answers first: one that answers nothing holds up none of
/// the others.
async fn connect_tcp(host: &str, port: u16) -> Result<TcpStream, io::Error> {
    let addresses = lookup_host((host, port)).await?;
    let mut attempts: FuturesUnordered<_> = addresses.map(TcpStream::connect).collect();
    let mut failed = io::Error::new(io::ErrorKind::NotFound, "the name has no address");
    while let Some(attempt) = attempts.next().await {
        match attempt {
            Ok(stream) => {
                stream.set_nodelay(true)?;
                return Ok(stream);
            }
            Err(error) => failed = error,
        }
    }
    Err(failed)
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
