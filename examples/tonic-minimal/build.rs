//! Generates the client and the server of the service. With `protoc` installed, `tonic-prost-build`
//! does it from a `.proto` file.

use tonic_build::manual::{Builder, Method, Service};

fn main() {
    let greet = Method::builder()
        .name("greet")
        .route_name("Greet")
        .input_type("crate::Name")
        .output_type("crate::Greeting")
        .codec_path("tonic_prost::ProstCodec");
    let service = Service::builder().name("Greeter").package("hello.v1").method(greet.build());
    Builder::new().compile(&[service.build()]);
}
