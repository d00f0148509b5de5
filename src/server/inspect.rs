//! What a server with these settings would say to a token, check by check, without starting it.

use super::{ServerError, mounted::resources};
use crate::{
    auth::{BearerToken, Inspection, Verifier},
    config::Config,
    fetch::Fetcher,
    time::Clock,
    units::PublicUrl,
};

/// Looks at a token with the settings of a server, by the clock it would go by. It listens nowhere;
/// the authorization server is asked for metadata and keys, and about the token where it is opaque.
/// Needs an actix system.
///
/// # Errors
/// [`ServerError::Issuer`], [`ServerError::NoPublicUrl`] or [`ServerError::Fetcher`].
pub async fn inspect(
    config: &Config,
    token: &BearerToken<'_>,
    clock: &Clock,
) -> Result<Inspection, ServerError> {
    let listen = config.server.listen;
    let url = match &config.server.public_url {
        Some(url) => url.clone(),
        None if listen.ip().is_unspecified() => return Err(ServerError::NoPublicUrl),
        None => PublicUrl::of_address(listen),
    };
    let auth = config.to_auth().map_err(ServerError::Issuer)?;
    let fetcher = Fetcher::new(config.fetch.clone()).map_err(ServerError::Fetcher)?;
    let published = resources(config, &url, &auth).audiences();
    let verifier = Verifier::start(auth, &fetcher, clock);
    let configured = config.resource.audiences.iter().cloned();
    let audiences = verifier.audiences(published.into_iter().chain(configured));
    let required = &config.resource.required_scopes;
    Ok(verifier.inspect(token, &audiences, required).await)
}
