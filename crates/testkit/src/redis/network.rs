//! A network that fails on request.

use std::{
    io::{self, Read, Write},
    net::{Ipv4Addr, Shutdown, SocketAddr, TcpListener, TcpStream},
    sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

/// How a [`Network`] treats bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Weather {
    /// It passes them on.
    Fair,
    /// It passes them on, and answers only after this time.
    Slow(Duration),
    /// It accepts connections and bytes, and passes nothing on: a black hole. It loses them, so
    /// connections of that time never work again.
    Hole,
}

/// A proxy on a free port before a server.
#[derive(Debug)]
pub struct Network {
    address: SocketAddr,
    state: Arc<State>,
}

#[derive(Debug)]
struct State {
    weather: Mutex<Weather>,
    changed: Condvar,
    /// Both ends of every connection.
    connections: Mutex<Vec<TcpStream>>,
}

impl Network {
    /// Starts a proxy before `server`, in fair weather.
    #[must_use]
    pub fn before(server: SocketAddr) -> Self {
        let state = Arc::new(State {
            weather: Mutex::new(Weather::Fair),
            changed: Condvar::new(),
            connections: Mutex::default(),
        });
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0));
        let Ok((listener, address)) = listener.and_then(|l| l.local_addr().map(|a| (l, a))) else {
            panic!("no free port")
        };
        let shared = Arc::clone(&state);
        // The thread ends with the test's process.
        std::thread::spawn(move || {
            for client in listener.incoming().flatten() {
                let state = Arc::clone(&shared);
                // A server that is down ends the connection at once.
                if let Ok(server) = TcpStream::connect(server) {
                    drop(state.join(client, server));
                }
            }
        });
        Self { address, state }
    }

    /// Its address, to connect to in place of the server's.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Changes how it treats bytes from now on.
    pub fn set(&self, weather: Weather) {
        *lock(&self.state.weather) = weather;
        self.state.changed.notify_all();
    }

    /// Ends all connections at once. New ones work.
    pub fn reset(&self) {
        for stream in lock(&self.state.connections).drain(..) {
            // It may have ended by itself.
            let _shut = stream.shutdown(Shutdown::Both);
        }
    }
}

impl State {
    fn join(self: Arc<Self>, client: TcpStream, server: TcpStream) -> io::Result<()> {
        client.set_nodelay(true)?;
        server.set_nodelay(true)?;
        lock(&self.connections).extend([client.try_clone()?, server.try_clone()?]);
        let (from_client, from_server) = (client.try_clone()?, server.try_clone()?);
        let twin = Arc::clone(&self);
        std::thread::spawn(move || pass(from_client, server, |bytes, to| twin.out(bytes, to)));
        std::thread::spawn(move || pass(from_server, client, |bytes, to| self.back(bytes, to)));
        Ok(())
    }

    fn out(&self, bytes: &[u8], to: &mut TcpStream) -> io::Result<()> {
        match *lock(&self.weather) {
            Weather::Hole => Ok(()),
            Weather::Fair | Weather::Slow(_) => to.write_all(bytes),
        }
    }

    /// One answer after the other: what is slow stays in order.
    fn back(&self, bytes: &[u8], to: &mut TcpStream) -> io::Result<()> {
        let weather = *lock(&self.weather);
        match weather {
            Weather::Hole => Ok(()),
            Weather::Fair => to.write_all(bytes),
            Weather::Slow(delay) => {
                let fair = |weather: &mut Weather| *weather == Weather::Slow(delay);
                let guard = lock(&self.weather);
                // Fair weather ends the delay early.
                drop(self.changed.wait_timeout_while(guard, delay, fair));
                to.write_all(bytes)
            }
        }
    }
}

/// Passes bytes on until either end closes.
fn pass(
    mut from: TcpStream,
    mut to: TcpStream,
    forward: impl Fn(&[u8], &mut TcpStream) -> io::Result<()>,
) {
    let mut buffer = vec![0; 64 * 1024];
    while let Ok(length @ 1..) = from.read(&mut buffer) {
        if forward(&buffer[..length], &mut to).is_err() {
            break;
        }
    }
    let _shut = (from.shutdown(Shutdown::Both), to.shutdown(Shutdown::Both));
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
