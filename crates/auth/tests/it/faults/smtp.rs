//! Mail over a real socket.

use std::time::Duration;

use hardpoint_auth::one_time::{Courier, Message, smtp::SmtpDelivery};
use hardpoint_core::{Event, Secret, Telemetry, event::DeliveryResult};
use hardpoint_testkit::smtp::SmtpServer;

fn message(to: &str) -> Message {
    let text = "Open https://app.example/reset#token=hot_x\nÄ line that begins with a dot:\n.x\n";
    Message::new(to, "Reset your password".to_owned(), Secret::from(text))
}

async fn deliver(server: &SmtpServer, to: &str) -> Vec<DeliveryResult> {
    let (sender, results) = std::sync::mpsc::channel();
    let telemetry = Telemetry::new(move |event: &Event<'_>| {
        if let Event::MessageDelivered(delivered) = event {
            sender.send(delivered.result).unwrap();
        }
    });
    let url = Secret::from(server.url());
    let delivery = SmtpDelivery::new(&url, "Example <no-reply@example.org>").unwrap();
    let courier = Courier::builder(delivery).timeout(Duration::from_secs(5)).telemetry(&telemetry);
    let (courier, message) = (courier.build(), message(to));
    courier.submit(async move { Some(message) }).unwrap();
    courier.flush().await;
    results.try_iter().collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_message_arrives_as_it_was_written() {
    let server = SmtpServer::start().await;
    assert_eq!(deliver(&server, "alice@example.org").await, [DeliveryResult::Sent]);
    let mail = server.mail("alice@example.org").await;
    assert!(mail.head.contains("Subject: Reset your password"), "{}", mail.head);
    assert!(
        mail.head.contains("From: \"Example\" <no-reply@example.org>")
            || mail.head.contains("From: Example <no-reply@example.org>"),
        "{}",
        mail.head
    );
    assert!(mail.text.contains("https://app.example/reset#token=hot_x"), "{}", mail.text);
    assert!(mail.text.contains("\n.x"), "{}", mail.text);
}

/// An address that would add a header or a recipient is refused before anything is sent.
#[tokio::test(flavor = "multi_thread")]
async fn an_address_cannot_add_headers_or_recipients() {
    let server = SmtpServer::start().await;
    for to in [
        "alice@example.org\r\nBcc: mallory@example.org",
        "alice@example.org, mallory@example.org",
        "alice@example.org>\r\nRCPT TO:<mallory@example.org",
        "alice",
        "",
    ] {
        assert_eq!(deliver(&server, to).await, [DeliveryResult::Failed], "{to:?}");
    }
    assert_eq!(server.count(), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_recipient_whom_the_server_refuses_is_not_tried_again() {
    let server = SmtpServer::start().await;
    assert_eq!(deliver(&server, "refused@example.org").await, [DeliveryResult::Failed]);
    assert_eq!(server.count(), 0);
}
