//! Profiles of identity providers, as data. Each cites the page of the provider that describes its
//! access tokens.

use super::{KeyIdRule, Need, Profile, ScopeForm, profile::Text};
use crate::Algorithm;

const NO_TYPE: &str = "`typ` does not tell access tokens from other tokens";
const NO_CLIENT: &str = "`client_id` is not required";
const NO_TOKEN_ID: &str = "`jti` is not required";

impl Profile {
    /// Access tokens of an Amazon Cognito user pool. They name no audience: `client_id` must be one of
    /// the verifier's audiences, `token_use` must be `access`, and `aud` must be absent.
    ///
    /// Issuer: `https://cognito-idp.<region>.amazonaws.com/<pool id>`. Roles: `cognito:groups`.
    /// See [the claims](https://docs.aws.amazon.com/cognito/latest/developerguide/amazon-cognito-user-pools-using-the-access-token.html),
    /// read in November 2026.
    pub fn cognito() -> Self {
        Self::plain()
            .needs([
                Need::audience_in("client_id"),
                Need::is("token_use", "access"),
                Need::absent("aud"),
            ])
            .requires(["client_id", "jti", "iat"])
            .algorithms([Algorithm::Rs256])
            .loosen([NO_TYPE, "the audience is the client, not a resource server"])
    }

    /// Access tokens of Microsoft Entra ID, version 2. The subject is `oid`, the id of the account in its
    /// tenant: `sub` is another one for each application.
    ///
    /// Issuer: `https://login.microsoftonline.com/<tenant>/v2.0`. For several tenants see
    /// [`TrustedIssuer::template`](crate::TrustedIssuer::template). Roles: `roles`, `groups`.
    /// See [the claims](https://learn.microsoft.com/en-us/entra/identity-platform/access-token-claims-reference),
    /// read in November 2026.
    pub fn entra_v2() -> Self {
        Self::entra("2.0", "azp")
    }

    /// Access tokens of Microsoft Entra ID, version 1, whose issuer is
    /// `https://sts.windows.net/<tenant>/`. Otherwise as [`entra_v2`](Self::entra_v2).
    pub fn entra_v1() -> Self {
        Self::entra("1.0", "appid")
    }

    fn entra(version: &'static str, client: &'static str) -> Self {
        Self::plain()
            .needs([
                Need::audience_in("aud"),
                Need::is("ver", version),
                Need::present("tid"),
                Need::present("oid"),
                // An ID token does not name the client in this way.
                Need::present(client),
            ])
            .requires(["iat"])
            .subjects(["oid"])
            .clients([client])
            .scopes_from("scp", ScopeForm::Text)
            .key_id(KeyIdRule::KidOrX5t)
            .algorithms([Algorithm::Rs256])
            .max_token(24 * 1024)
            .loosen([NO_TYPE, NO_TOKEN_ID, "tokens of up to 24 KiB are read"])
    }

    /// Access tokens of an Okta custom authorization server. The subject is `uid`, or `sub` for a
    /// client of its own: `sub` of a user is a log-in name, which may be given to another one.
    ///
    /// Issuer: `https://<org>.okta.com/oauth2/<server id>`. Tokens of the org's own server are opaque
    /// to all but Okta. Roles: the claim that the server adds, often `groups`.
    /// See [the claims](https://developer.okta.com/docs/api/openapi/okta-oauth/guides/overview/#access-token),
    /// read in November 2026.
    pub fn okta() -> Self {
        Self::plain()
            .needs([Need::audience_in("aud"), Need::present("cid")])
            .requires(["jti", "iat"])
            .subjects(["uid", "sub"])
            .clients(["cid"])
            .scopes_from("scp", ScopeForm::List)
            .algorithms([Algorithm::Rs256])
            .loosen([NO_TYPE])
    }

    /// Access tokens of Keycloak: `typ` in the payload must be `Bearer`, which excludes ID and
    /// refresh tokens. An audience mapper must add the service to `aud`.
    ///
    /// Issuer: `https://<host>/realms/<realm>`. Roles: `/realm_access/roles`,
    /// `/resource_access/<client>/roles`.
    /// See [the manual](https://www.keycloak.org/docs/latest/server_admin/#audience-support), read in
    /// November 2026.
    pub fn keycloak() -> Self {
        Self::plain()
            .or_typed("at+jwt")
            .needs([Need::audience_in("aud"), Need::is("typ", "Bearer")])
            .requires(["azp", "jti", "iat"])
            .clients(["azp"])
            .loosen([NO_TYPE])
    }

    /// ID tokens of Google, for services that accept them as credentials. Google's access tokens are
    /// opaque.
    ///
    /// Issuer: `https://accounts.google.com`, and [`or_named`](crate::TrustedIssuer::or_named)
    /// `accounts.google.com`. The audience is the id of a client.
    /// See [the claims](https://developers.google.com/identity/openid-connect/openid-connect#an-id-tokens-payload),
    /// read in November 2026.
    pub fn google() -> Self {
        Self::plain()
            .needs([Need::audience_in("aud"), Need::present("azp")])
            .requires(["iat"])
            .clients(["azp"])
            .algorithms([Algorithm::Rs256])
            .loosen([
                NO_TYPE,
                NO_TOKEN_ID,
                "ID tokens are accepted as access tokens: any page that logs users in with this client can use them",
            ])
    }

    /// Access tokens of Auth0, in its own profile or in that of RFC 9068. The audience is the
    /// identifier of an API.
    ///
    /// Issuer: `https://<tenant>.auth0.com/`, with the slash. Roles: `permissions`.
    /// See [the profiles](https://auth0.com/docs/secure/tokens/access-tokens/access-token-profiles),
    /// read in November 2026.
    pub fn auth0() -> Self {
        Self::plain().or_typed("at+jwt").requires(["iat"]).clients(["client_id", "azp"]).loosen([
            NO_TYPE,
            NO_CLIENT,
            NO_TOKEN_ID,
        ])
    }

    /// Access tokens of AD FS. The subject is `sub`, or `upn`, which an administrator can give to
    /// another account; the key is named by `kid` or `x5t`.
    ///
    /// Issuer: `http://<host>/adfs/services/trust`. The audience is the identifier of the Web API.
    /// See [the claims](https://learn.microsoft.com/en-us/windows-server/identity/ad-fs/development/ad-fs-openid-connect-oauth-concepts),
    /// read in November 2026.
    pub fn adfs() -> Self {
        Self::plain()
            .needs([Need::audience_in("aud"), Need::present("appid")])
            .requires(["iat"])
            .subjects(["sub", "upn", "appid"])
            .clients(["appid"])
            .scopes_from("scp", ScopeForm::Text)
            .text_auth_time()
            .key_id(KeyIdRule::KidOrX5t)
            .algorithms([Algorithm::Rs256])
            .loosen([NO_TYPE, NO_TOKEN_ID, "the subject may be a name instead of an id"])
    }

    /// Access tokens of Supabase Auth for users who are logged in: `role` must be `authenticated`, so
    /// the published `anon` key and the `service_role` key are refused. The audience is
    /// `authenticated` by default.
    ///
    /// Issuer: `https://<project>.supabase.co/auth/v1`. During a migration from the legacy secret, add
    /// the issuer twice: with the secret, and with the keys.
    /// See [the claims](https://supabase.com/docs/guides/auth/jwt-fields), read in November 2026.
    pub fn supabase() -> Self {
        Self::plain()
            .needs([Need::audience_in("aud"), Need::is("role", "authenticated")])
            .requires(["iat"])
            .sessions(["session_id"])
            .loosen([
                NO_TYPE,
                NO_CLIENT,
                NO_TOKEN_ID,
                "the default audience is that of every project",
            ])
    }

    /// JWT access tokens of Ory Hydra. Scopes are in `scp` or `scope`, as text or as a list.
    ///
    /// Issuer: as configured, often `https://<project>.projects.oryapis.com`.
    /// See [the strategy](https://www.ory.com/docs/oauth2-oidc/jwt-access-token), read in November 2026.
    pub fn ory() -> Self {
        Self::plain()
            .requires(["client_id", "jti", "iat"])
            .scopes_from("scp", ScopeForm::Either)
            .scopes_from("scope", ScopeForm::Either)
            .loosen([NO_TYPE])
    }

    fn loosen<const N: usize>(mut self, what: [&'static str; N]) -> Self {
        self.loosens.extend(what.map(Text::Borrowed));
        self
    }
}
