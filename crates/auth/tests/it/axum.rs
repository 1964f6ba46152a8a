//! The extractors in a real router.

use axum::{Router, body::Body, routing::get};
use hardpoint_auth::{Scopes, axum::Authenticated};
use hardpoint_core::{Rejection, axum::RejectionResponse};
use http::{
    Request, StatusCode,
    header::{AUTHORIZATION, CONTENT_TYPE, WWW_AUTHENTICATE},
};
use tower::ServiceExt;

use super::{pair, token};

async fn me(user: Authenticated) -> String {
    user.subject().to_owned()
}

async fn maybe(user: Option<Authenticated>) -> String {
    user.map_or_else(|| "nobody".to_owned(), |user| user.subject().to_owned())
}

const WRITE: Scopes = Scopes::from_static("notes:write");

async fn write(user: Authenticated) -> Result<&'static str, RejectionResponse> {
    assert!(user.token().unwrap().token_id().is_some());
    user.require(&WRITE)?;
    Ok("written")
}

#[tokio::test]
async fn handlers_get_the_verified_token_or_are_not_called() {
    let (issuer, layer) = pair();
    let router = Router::new()
        .route("/me", get(me))
        .route("/maybe", get(maybe))
        .route("/write", get(write))
        .layer(layer.optional());
    let ask = async |path: &str, token: Option<&str>| {
        let mut request = Request::builder().uri(path);
        if let Some(token) = token {
            request = request.header(AUTHORIZATION, format!("Bearer {token}"));
        }
        router.clone().oneshot(request.body(Body::empty()).unwrap()).await.unwrap()
    };
    let (reader, writer) = (token(&issuer, "notes:read"), token(&issuer, "notes:write"));
    assert_eq!(ask("/me", Some(reader.expose())).await.status(), StatusCode::OK);
    assert_eq!(ask("/maybe", None).await.status(), StatusCode::OK);
    let refused = ask("/me", None).await;
    assert_eq!(refused.status(), StatusCode::UNAUTHORIZED);
    assert_eq!(refused.headers()[WWW_AUTHENTICATE], r#"Bearer realm="api""#);
    assert_eq!(ask("/write", Some(writer.expose())).await.status(), StatusCode::OK);
    let refused = ask("/write", Some(reader.expose())).await;
    assert_eq!(refused.status(), StatusCode::FORBIDDEN);
    assert_eq!(refused.headers()[CONTENT_TYPE], "application/problem+json");
    let expected = r#"Bearer realm="api", error="insufficient_scope", scope="notes:write""#;
    assert_eq!(refused.headers()[WWW_AUTHENTICATE], expected);
    assert!(refused.extensions().get::<std::sync::Arc<dyn Rejection>>().is_some());
}
