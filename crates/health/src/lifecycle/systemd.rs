//! The notifications of systemd's protocol `sd_notify`.

use std::{
    ffi::{OsStr, OsString},
    io,
    os::{
        linux::net::SocketAddrExt,
        unix::{
            ffi::OsStrExt,
            net::{SocketAddr, UnixDatagram},
        },
    },
};

use tracing::warn;

/// Sends the state of the service to systemd, or to another manager that set `NOTIFY_SOCKET`.
#[derive(Clone, Debug)]
pub(super) struct Notifier {
    socket: OsString,
}

impl Notifier {
    /// The service has started.
    pub(super) const READY: &str = "READY=1";
    /// The drain has begun.
    pub(super) const STOPPING: &str = "STOPPING=1";

    /// Returns `None` if no manager asks for notifications.
    pub(super) fn from_environment() -> Option<Self> {
        let socket = std::env::var_os("NOTIFY_SOCKET").filter(|socket| !socket.is_empty())?;
        Some(Self { socket })
    }

    pub(super) fn send(&self, state: &str) {
        if let Err(error) = self.try_send(state) {
            let error: &(dyn std::error::Error + 'static) = &error;
            warn!(
                target: "hardpoint::health::lifecycle",
                state,
                error,
                "cannot notify the service manager"
            );
        }
    }

    fn try_send(&self, state: &str) -> io::Result<()> {
        let socket = UnixDatagram::unbound()?;
        // The manager reads on. If it does not, its queue is full, and waiting would hold up a
        // signal.
        socket.set_nonblocking(true)?;
        socket.send_to_addr(state.as_bytes(), &address(&self.socket)?).map(drop)
    }
}

/// A path, or a name in the abstract name space after an `@`.
fn address(socket: &OsStr) -> io::Result<SocketAddr> {
    match socket.as_bytes().strip_prefix(b"@") {
        Some(name) => SocketAddr::from_abstract_name(name),
        None => SocketAddr::from_pathname(socket),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_manager_receives_states_on_a_path_and_on_an_abstract_name() {
        let id = std::process::id();
        let path = std::env::temp_dir().join(format!("hardpoint-notify-{id}"));
        let name = format!("hardpoint-notify-{id}");
        let abstract_name = SocketAddr::from_abstract_name(&name).unwrap();
        let managers = [
            (UnixDatagram::bind(&path).unwrap(), path.clone().into_os_string()),
            (UnixDatagram::bind_addr(&abstract_name).unwrap(), format!("@{name}").into()),
        ];
        for (manager, socket) in managers {
            let notifier = Notifier { socket };
            notifier.try_send(Notifier::READY).unwrap();
            notifier.try_send(Notifier::STOPPING).unwrap();
            let mut buffer = [0; 64];
            let length = manager.recv(&mut buffer).unwrap();
            assert_eq!(&buffer[..length], b"READY=1");
            let length = manager.recv(&mut buffer).unwrap();
            assert_eq!(&buffer[..length], b"STOPPING=1");
        }
        std::fs::remove_file(path).unwrap();
    }

    #[test]
    fn a_manager_that_is_gone_is_an_error() {
        let notifier = Notifier { socket: "/nonexistent/notify".into() };
        assert!(notifier.try_send(Notifier::READY).is_err());
    }
}
