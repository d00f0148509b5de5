//! Asks the issuer about a token (RFC 7662).
//!
//! Logto's answers were recorded: a resource-bound JWT is `400 unsupported_token_type`, a token whose
//! application was deleted `400 invalid_client`, and its answers name no audience. A 401 is about us:
//! our own credentials are wrong, which is no verdict on anybody's token.

use reqwest::RequestBuilder;
use serde::Deserialize;
use serde_json::Value;

use super::{ClientCredentials, ClientProof, Reason, claims::Claims, upstream::Trouble};
use crate::{
    fetch::{Answer, Fetcher},
    metadata::Issuer,
    time::Timestamp,
};

/// What a signed assertion is called in a form (RFC 7523 §2.2).
const JWT_BEARER: &str = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer";

/// Asks `issuer` at its `endpoint`, and returns what it says of an active token.
pub(super) async fn ask(
    fetcher: &Fetcher,
    (issuer, endpoint): (&Issuer, &str),
    client: &ClientCredentials,
    token: &str,
    now: Timestamp,
) -> Result<Claims, Trouble> {
    let request = request(fetcher, (issuer, endpoint), client, token, now)
        .ok_or_else(|| Trouble::ours("could not sign an assertion"))?;
    let answer = fetcher.send(request).await?;
    read(&answer, &client.proof)
}

/// The question as it is sent; `None` where our key can't sign.
pub(crate) fn request(
    fetcher: &Fetcher,
    (issuer, endpoint): (&Issuer, &str),
    client: &ClientCredentials,
    token: &str,
    now: Timestamp,
) -> Option<RequestBuilder> {
    let mut form = vec![("token", token), ("token_type_hint", "access_token")];
    let mut request = fetcher.post(endpoint);
    let assertion;
    match &client.proof {
        ClientProof::Basic(secret) => {
            let (id, secret) = (encoded(&client.id), encoded(secret.expose()));
            request = request.basic_auth(id, Some(secret));
        }
        ClientProof::Post(secret) => {
            form.push(("client_id", &client.id));
            form.push(("client_secret", secret.expose()));
        }
        ClientProof::PrivateKey(key) => {
            assertion = key.assertion(&client.id, issuer.as_str(), now).ok()?;
            form.push(("client_id", &client.id));
            form.push(("client_assertion_type", JWT_BEARER));
            form.push(("client_assertion", &assertion));
        }
    }
    Some(request.form(&form))
}

/// RFC 6749 §2.3.1 has id and secret form-encoded before they are put into the header.
fn encoded(text: &str) -> String {
    url::form_urlencoded::byte_serialize(text.as_bytes()).collect()
}

fn read(answer: &Answer, proof: &ClientProof) -> Result<Claims, Trouble> {
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
        (400, Ok("invalid_client")) if matches!(proof, ClientProof::Basic(_)) => {
            Err(Reason::RefusedByIssuer.into())
        }
        _ => Err(Trouble::unexpected(answer)),
    }
}
