//! A server for outgoing mail that keeps the links it is sent.

use std::{net::SocketAddr, time::Duration};

use tokio::{
    io::{AsyncBufReadExt, AsyncWriteExt, BufReader},
    net::{TcpListener, TcpStream},
    sync::mpsc,
    time::timeout,
};

use super::Failure;

/// How long a mail may take to arrive.
const PATIENCE: Duration = Duration::from_secs(30);

/// A server for outgoing mail on a free port.
pub(super) struct MailServer {
    address: SocketAddr,
    texts: mpsc::Receiver<String>,
}

impl MailServer {
    pub(super) async fn start() -> Result<Self, Failure> {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await?;
        let address = listener.local_addr()?;
        let (sender, texts) = mpsc::channel(16);
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                // A client that breaks off has sent no mail.
                let _ended = receive(stream, &sender).await;
            }
        });
        Ok(Self { address, texts })
    }

    pub(super) fn url(&self) -> String {
        format!("smtp://{}", self.address)
    }

    /// Waits for the next mail, and returns the token of its link.
    pub(super) async fn token(&mut self) -> Result<String, Failure> {
        let text = timeout(PATIENCE, self.texts.recv()).await.map_err(|_| "no mail arrived")?;
        // Long lines are broken by `=` (quoted-printable), and a `=` is written as `=3D`.
        let text = text.ok_or("the mail server has ended")?.replace("=\n", "").replace("=3D", "=");
        let (_, rest) = text.split_once("#token=").ok_or("the mail has no link")?;
        Ok(rest.split_whitespace().next().unwrap_or_default().to_owned())
    }
}

/// Answers as RFC 5321 wants, for one mail or several.
async fn receive(stream: TcpStream, texts: &mpsc::Sender<String>) -> Result<(), Failure> {
    let (read, mut write) = stream.into_split();
    let mut lines = BufReader::new(read).lines();
    write.write_all(b"220 tour\r\n").await?;
    while let Some(line) = lines.next_line().await? {
        let answer: &[u8] = match line.get(..4) {
            Some("DATA") => {
                write.write_all(b"354 go on\r\n").await?;
                let mut text = String::new();
                while let Some(line) = lines.next_line().await?.filter(|line| line != ".") {
                    text.push_str(&line);
                    text.push('\n');
                }
                texts.send(text).await?;
                b"250 kept\r\n"
            }
            Some("QUIT") => return Ok(write.write_all(b"221 bye\r\n").await?),
            _ => b"250 ok\r\n",
        };
        write.write_all(answer).await?;
    }
    Ok(())
}
