//! The messages of the service `hello.v1.Greeter`, with its generated client and server.

/// The request of `Greet`.
#[derive(Clone, PartialEq, prost::Message)]
pub struct Name {
    /// Whom to greet.
    #[prost(string, tag = "1")]
    pub name: String,
}

/// The response of `Greet`.
#[derive(Clone, PartialEq, prost::Message)]
pub struct Greeting {
    /// The greeting.
    #[prost(string, tag = "1")]
    pub text: String,
}

#[expect(
    unused_qualifications,
    clippy::allow_attributes_without_reason,
    clippy::missing_errors_doc,
    reason = "generated"
)]
mod generated {
    include!(concat!(env!("OUT_DIR"), "/hello.v1.Greeter.rs"));
}

pub use generated::{greeter_client, greeter_server};
