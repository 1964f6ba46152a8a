//! Directs new connections to the instances that are ready.

use std::{
    io,
    net::{IpAddr, SocketAddr},
    pin::Pin,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    task::{Context, Poll},
    time::Duration,
};

use hardpoint_testkit::http::Client;
use http::{Request, Uri};
use hyper_util::rt::TokioIo;
use tokio::{
    net::{TcpSocket, TcpStream},
    time::{sleep, timeout},
};
use tower::Service;

/// How often `/readyz` of each instance is asked. Shorter than the drain delay, as in any deployment.
const EVERY: Duration = Duration::from_millis(100);
const ANSWERED_WITHIN: Duration = Duration::from_secs(1);

/// A balancer as kernels have it (kube-proxy, IPVS): it chooses an instance for each new connection
/// and leaves established ones where they are, so that instances see the clients' addresses.
///
/// It is a part of the clients' connector: no process copies bytes in between.
#[derive(Clone, Debug, Default)]
pub(super) struct Balancer {
    ready: Arc<Mutex<Ready>>,
}

#[derive(Debug, Default)]
struct Ready {
    instances: Vec<SocketAddr>,
    chosen: usize,
}

impl Balancer {
    /// Directs connections to the instance whenever it is ready. Returns once it was.
    pub(super) async fn add(&self, instance: SocketAddr) {
        while !self.probe(instance).await {
            sleep(EVERY).await;
        }
        let balancer = self.clone();
        tokio::spawn(async move {
            loop {
                sleep(EVERY).await;
                balancer.probe(instance).await;
            }
        });
    }

    /// A connector of one client.
    pub(super) fn connector(&self, client: IpAddr) -> Connector {
        Connector { balancer: self.clone(), client }
    }

    async fn probe(&self, instance: SocketAddr) -> bool {
        // On a connection of its own, as probes of an orchestrator are.
        let request = Request::get(format!("http://{instance}/readyz"));
        let client = Client::new();
        let reply = timeout(ANSWERED_WITHIN, client.try_request(request, "")).await;
        let is_ready = matches!(reply, Ok(Ok(reply)) if reply.status.is_success());
        let mut ready = self.ready();
        ready.instances.retain(|other| *other != instance);
        if is_ready {
            ready.instances.push(instance);
        }
        is_ready
    }

    /// The instances in turn.
    fn choose(&self) -> Option<SocketAddr> {
        let mut ready = self.ready();
        ready.chosen = ready.chosen.wrapping_add(1);
        let turn = ready.chosen.checked_rem(ready.instances.len())?;
        ready.instances.get(turn).copied()
    }

    fn ready(&self) -> MutexGuard<'_, Ready> {
        self.ready.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Connects one client, from its own address, to the instance that the balancer chooses.
#[derive(Clone, Debug)]
pub(super) struct Connector {
    balancer: Balancer,
    client: IpAddr,
}

impl Service<Uri> for Connector {
    type Response = TokioIo<TcpStream>;
    type Error = io::Error;
    type Future = Pin<Box<dyn Future<Output = io::Result<Self::Response>> + Send>>;

    fn poll_ready(&mut self, _cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, _uri: Uri) -> Self::Future {
        let (chosen, client) = (self.balancer.choose(), self.client);
        Box::pin(async move {
            let instance = chosen.ok_or_else(|| io::Error::other("no instance is ready"))?;
            let socket = TcpSocket::new_v4()?;
            socket.bind((client, 0).into())?;
            let stream = socket.connect(instance).await?;
            stream.set_nodelay(true)?;
            Ok(TokioIo::new(stream))
        })
    }
}
