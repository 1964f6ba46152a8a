//! The ways to a server.

use hardpoint_redis::{Concept, Redis, Value, WhenFull};
use hardpoint_testkit::redis::{RedisServer, Software};

use crate::support::{charge, link};

/// What any connection must be able to do: a command, a script, a map.
async fn serves(redis: &Redis) {
    redis.send("SET", ["k", "1"]).await.unwrap();
    assert_eq!(redis.run(&charge(), ["k"], [2_i64]).await.unwrap(), Value::Int(3));
    redis.send("HSET", ["h", "field", "value"]).await.unwrap();
    let fields = redis.send("HGETALL", ["h"]).await.unwrap().into_array().unwrap();
    assert_eq!(fields, [Value::Bytes(b"field".into()), Value::Bytes(b"value".into())]);
    assert_eq!(redis.send("GET", ["absent"]).await.unwrap(), Value::Nil);
}

#[tokio::test]
async fn redis_and_valkey_serve_with_either_protocol() {
    for software in [Software::Redis, Software::Valkey] {
        let server = RedisServer::builder().software(software).start();
        for protocol in ["", "?protocol=resp2", "?protocol=resp3"] {
            serves(&link(format!("{}{protocol}", server.url())).await).await;
            // Commands of one protocol look the same as those of the other.
            assert_eq!(server.command(&["FLUSHALL"]), "+OK");
        }
    }
}

#[tokio::test]
async fn a_unix_socket_and_a_database_are_found_by_their_urls() {
    let server = RedisServer::builder().password("s3cret/with@signs").start();
    let socket = server.socket();
    let socket = format!("unix://{}?db=3&pass=s3cret%2Fwith%40signs", socket.display());
    serves(&link(&socket).await).await;
    let tcp = format!("redis://:s3cret%2Fwith%40signs@{}/3", server.address());
    assert_eq!(link(tcp).await.send("GET", ["k"]).await.unwrap().into_int().unwrap(), 3);
    assert_eq!(server.command(&["GET", "k"]), "$-1", "database 0 is another one");
}

#[tokio::test]
async fn a_user_of_the_acl_needs_no_more_than_the_documented_commands() {
    let server = RedisServer::start();
    // The rule of docs/redis.md for the link itself, and what the test calls.
    let rule = "ACL SETUSER app on >secret resetchannels resetkeys ~hardpoint:* -@all +ping +select \
                +info +evalsha +script|load +incrby";
    let rule: Vec<_> = rule.split_whitespace().collect();
    assert_eq!(server.command(&rule), "+OK");
    let redis = link(format!("redis://app:secret@{}/2", server.address())).await;
    let concept = Concept::expiring("test");
    let key = redis.keys(&concept).key("a", "b");
    assert_eq!(redis.run(&charge(), [&key], [2_i64]).await.unwrap(), Value::Int(2));
    assert!(redis.when_full(&concept).is_some());
    assert!(redis.run(&charge(), ["other:key"], [2_i64]).await.is_err());
    assert_eq!(server.command(&["ACL", "LOG", "RESET"]), "+OK");
    let reconnected = link(format!("redis://app:secret@{}/2", server.address())).await;
    reconnected.run(&charge(), [&key], [2_i64]).await.unwrap();
    assert_eq!(server.command(&["ACL", "LOG"]), "*0", "nothing that the link sends is forbidden");
}

#[tokio::test]
async fn the_servers_memory_policy_is_read_and_judged() {
    let server = RedisServer::builder()
        .set("maxmemory", "64mb")
        .set("maxmemory-policy", "allkeys-lru")
        .start();
    let redis = link(server.url()).await;
    let limits = Concept::expiring("limit").loss("a client starts over with a full burst");
    let judged = redis.when_full(&limits);
    assert_eq!(judged, Some(WhenFull::Evicts("a client starts over with a full burst")));
}

/// A server with TLS only, and a client that trusts its certificate authority.
#[cfg(feature = "tls")]
#[tokio::test]
async fn tls_is_spoken_with_a_certificate_that_is_trusted_and_with_no_other() {
    use crate::support::PATIENCE;

    let certificate = rcgen::generate_simple_self_signed(vec!["localhost".into()]).unwrap();
    let folder = RedisServer::start();
    let file = |name: &str, content: &str| {
        let path = folder.folder().join(name);
        std::fs::write(&path, content).unwrap();
        path.display().to_string()
    };
    let pem = certificate.cert.pem();
    let server = RedisServer::builder()
        .tls(&file("cert.pem", &pem), &file("key.pem", &certificate.signing_key.serialize_pem()))
        .start();
    let url = format!("rediss://localhost:{}", server.tls_address().port());

    let trusting = redis::Client::build_with_tls(
        url.as_str(),
        redis::TlsCertificates { client_tls: None, root_cert: Some(pem.into_bytes()) },
    );
    let redis = Redis::from_client(&trusting.unwrap()).deadline(PATIENCE).build().unwrap();
    serves(&redis).await;

    let distrusting = Redis::builder(&url).deadline(PATIENCE).build().unwrap();
    distrusting.check().await.unwrap_err();
    assert_eq!(distrusting.state(), hardpoint_redis::LinkState::Down);
}
