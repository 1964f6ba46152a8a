//! A server for outgoing mail that keeps what it is sent: just enough of RFC 5321 for a client.

use std::{
    net::SocketAddr,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use tokio::{
    io::{AsyncBufReadExt, AsyncWriteExt, BufReader},
    net::{TcpListener, TcpStream},
    sync::watch,
    task::JoinHandle,
};

/// A mail that was accepted.
#[derive(Clone, Debug)]
pub struct Mail {
    /// The recipients of the envelope.
    pub to: Vec<String>,
    /// The header.
    pub head: String,
    /// The text, without its transfer encoding.
    pub text: String,
}

/// A server for outgoing mail on a free port of the loopback interface, without TLS. It refuses the
/// recipient `refused@example.org`.
#[derive(Debug)]
pub struct SmtpServer {
    address: SocketAddr,
    mails: Arc<Mutex<Vec<Mail>>>,
    changed: watch::Receiver<usize>,
    task: JoinHandle<()>,
}

/// How long a mail may take to arrive.
const PATIENCE: Duration = Duration::from_secs(30);

impl SmtpServer {
    /// Starts a server.
    pub async fn start() -> Self {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await;
        let listener = listener.unwrap_or_else(|error| panic!("no port is free: {error}"));
        let address = listener.local_addr();
        let address = address.unwrap_or_else(|error| panic!("no address: {error}"));
        let mails = Arc::new(Mutex::new(Vec::new()));
        let (sender, changed) = watch::channel(0);
        let kept = Arc::clone(&mails);
        let task = tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let (kept, sender) = (Arc::clone(&kept), sender.clone());
                tokio::spawn(async move {
                    // A client that breaks off has sent no mail.
                    let _ended = serve(stream, |mail| {
                        kept.lock().unwrap_or_else(PoisonError::into_inner).push(mail);
                        sender.send_modify(|count| *count += 1);
                    })
                    .await;
                });
            }
        });
        Self { address, mails, changed, task }
    }

    /// The URL of the server.
    #[must_use]
    pub fn url(&self) -> String {
        format!("smtp://{}", self.address)
    }

    /// How many mails have arrived.
    #[must_use]
    pub fn count(&self) -> usize {
        self.mails.lock().unwrap_or_else(PoisonError::into_inner).len()
    }

    /// Waits until a mail for this recipient is there, and takes the oldest.
    pub async fn mail(&self, to: &str) -> Mail {
        let mut changed = self.changed.clone();
        let search = async {
            loop {
                changed.mark_unchanged();
                if let Some(mail) = self.take(to) {
                    return mail;
                }
                let is_over = changed.changed().await.is_err();
                assert!(!is_over, "the server has ended");
            }
        };
        let found = tokio::time::timeout(PATIENCE, search).await;
        found.unwrap_or_else(|_| panic!("no mail for {to} arrived within {PATIENCE:?}"))
    }

    fn take(&self, to: &str) -> Option<Mail> {
        let mut mails = self.mails.lock().unwrap_or_else(PoisonError::into_inner);
        let index = mails.iter().position(|mail| mail.to.iter().any(|own| own == to))?;
        Some(mails.remove(index))
    }
}

impl Drop for SmtpServer {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn serve(stream: TcpStream, keep: impl Fn(Mail)) -> std::io::Result<()> {
    // Otherwise a client that waits for the acknowledgement of a part before it sends the next one
    // (RFC 9293 §3.7.4) waits for 40 ms.
    socket2::SockRef::from(&stream).set_tcp_quickack(true)?;
    let (read, mut write) = stream.into_split();
    let mut lines = BufReader::new(read).lines();
    write.write_all(b"220 test\r\n").await?;
    let mut to = Vec::new();
    while let Some(line) = lines.next_line().await? {
        let verb = line.get(..4).unwrap_or_default().to_ascii_uppercase();
        let answer = match verb.as_str() {
            "EHLO" => "250-test\r\n250 8BITMIME",
            "MAIL" => {
                to.clear();
                "250 ok"
            }
            "RCPT" => match line.split(['<', '>']).nth(1) {
                Some("refused@example.org") => "550 no such user refused@example.org",
                Some(address) => {
                    to.push(address.to_owned());
                    "250 ok"
                }
                None => "501 no address",
            },
            "DATA" if !to.is_empty() => {
                write.write_all(b"354 go on\r\n").await?;
                // The kernel turns it off once both have sent.
                socket2::SockRef::from(write.as_ref()).set_tcp_quickack(true)?;
                let mut mail = String::new();
                while let Some(line) = lines.next_line().await? {
                    if line == "." {
                        break;
                    }
                    mail.push_str(line.strip_prefix('.').unwrap_or(&line));
                    mail.push('\n');
                }
                let (head, body) = mail.split_once("\n\n").unwrap_or((&mail, ""));
                let text = decoded(head, body);
                keep(Mail { to: std::mem::take(&mut to), head: head.to_owned(), text });
                "250 kept"
            }
            "QUIT" => {
                write.write_all(b"221 bye\r\n").await?;
                break;
            }
            "RSET" | "NOOP" => "250 ok",
            _ => "503 not now",
        };
        write.write_all(format!("{answer}\r\n").as_bytes()).await?;
    }
    Ok(())
}

/// Decodes quoted-printable (RFC 2045 §6.7), if the header says so.
fn decoded(head: &str, body: &str) -> String {
    if !head.to_ascii_lowercase().contains("content-transfer-encoding: quoted-printable") {
        return body.to_owned();
    }
    let joined = body.replace("=\n", "");
    let mut bytes = Vec::with_capacity(joined.len());
    let mut rest = joined.as_bytes();
    while let Some((first, after)) = rest.split_first() {
        let digits = after.get(..2).and_then(|two| std::str::from_utf8(two).ok());
        match digits.and_then(|two| u8::from_str_radix(two, 16).ok()) {
            Some(byte) if *first == b'=' => {
                bytes.push(byte);
                rest = &after[2..];
            }
            _ => {
                bytes.push(*first);
                rest = after;
            }
        }
    }
    String::from_utf8_lossy(&bytes).into_owned()
}
