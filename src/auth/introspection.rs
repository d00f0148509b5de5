//! Asks the issuer about a token (RFC 7662).
//!
//! Logto's answers were recorded: a resource-bound JWT is `400 unsupported_token_type`, a token whose
//! application was deleted `400 invalid_client`, and its answers name no audience. A 401 is about us:
//! our own credentials are wrong, which is no verdict on anybody's token.

use serde::Deserialize;
use serde_json::Value;

use super::{ClientAuthentication, ClientCredentials, Reason, claims::Claims, upstream::Trouble};
use crate::fetch::{Answer, Fetcher};

/// Asks, and returns what the issuer says of an active token.
pub(super) async fn ask(
    fetcher: &Fetcher,
    endpoint: &str,
    client: &ClientCredentials,
    token: &str,
) -> Result<Claims, Trouble> {
    let mut form = vec![("token", token), ("token_type_hint", "access_token")];
    let mut request = fetcher.post(endpoint);
    match client.authentication {
        ClientAuthentication::Basic => {
            let (id, secret) = (encoded(&client.id), encoded(client.secret.expose()));
            request = request.basic_auth(id, Some(secret));
        }
        ClientAuthentication::Post => {
            form.push(("client_id", &client.id));
            form.push(("client_secret", client.secret.expose()));
        }
    }
    let answer = fetcher.send(request.form(&form)).await?;
    read(&answer, client.authentication)
}

/// RFC 6749 §2.3.1 has id and secret form-encoded before they are put into the header.
fn encoded(text: &str) -> String {
    url::form_urlencoded::byte_serialize(text.as_bytes()).collect()
}

fn read(answer: &Answer, authentication: ClientAuthentication) -> Result<Claims, Trouble> {
    #[derive(Deserialize)]
    struct Refusal {
        error: String,
    }

    if answer.is_success() {
        let claims: Claims = answer.json()?;
        return match claims.get("active") {
            Some(Value::Bool(true)) => Ok(claims),
            _ => Err(Reason::Inactive.into()),
        };
    }
    let code = serde_json::from_slice::<Refusal>(&answer.body).map(|refusal| refusal.error);
    match (answer.status.as_u16(), code.as_deref()) {
        (400, Ok("unsupported_token_type")) => Err(Reason::NotIntrospectable.into()),
        // With the header, a provider that doubts *us* must say 401 (RFC 6749 §5.2), so this is about
        // the token's client. In the body we can't tell, and blame nobody.
        (400, Ok("invalid_client")) if authentication == ClientAuthentication::Basic => {
            Err(Reason::RefusedByIssuer.into())
        }
        _ => Err(Trouble::unexpected(answer)),
    }
}
