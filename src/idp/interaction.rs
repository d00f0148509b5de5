//! A transaction: an authorization request on its way through sign-in and consent.
//!
//! [`next_step`] decides what comes next and is pure; [`advance`] does it. A transaction belongs to
//! the browser it began in, is named in the pages' addresses by 256 random bits, and ends with the
//! answer to the client.

use subtle::ConstantTimeEq;
use url::Url;

use super::{
    answer::Next,
    browser::{Browser, BrowserId, SignedIn},
    consents::ConsentKey,
    error::{OAuthError, PageError},
    grants::{CodeTerms, Grant},
    provider::{Provider, State},
    random::{self, Digest},
    redirect_uri,
    request::{AuthorizationRequest, Return},
};
use crate::{scope::Scopes, time::Timestamp};

/// Where sign-in happens.
pub(super) const SIGN_IN_PATH: &str = "/oidc/sign-in";
/// Where consent happens.
pub(super) const CONSENT_PATH: &str = "/oidc/consent";

/// An authorization request on its way.
#[derive(Debug, Clone)]
pub(super) struct Transaction {
    pub(super) request: AuthorizationRequest,
    pub(super) browser: BrowserId,
    /// In every form of this transaction, and in no other.
    pub(super) form_token: String,
    /// Whether the password was given for this very request.
    pub(super) signed_in_here: bool,
    /// Who saw the consent page.
    pub(super) consent_shown_to: Option<String>,
}

/// What comes next.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Step {
    SignIn,
    Consent,
    /// The user agreed to these, now or earlier.
    Grant(Scopes),
    Refuse(OAuthError),
}

/// Decides what comes next. `remembered` is what an earlier consent gave, if it covers the request.
pub(super) fn next_step(
    transaction: &Transaction,
    signed_in: Option<&SignedIn>,
    remembered: Option<Scopes>,
    now: Timestamp,
) -> Step {
    let request = &transaction.request;
    let fresh_enough = |signed_in: &SignedIn| {
        transaction.signed_in_here
            || (!request.prompt.login
                && request
                    .max_age
                    .is_none_or(|most| now.since(signed_in.at).as_secs() <= most))
    };
    if !signed_in.is_some_and(fresh_enough) {
        return if request.prompt.none {
            Step::Refuse(OAuthError::LoginRequired)
        } else {
            Step::SignIn
        };
    }
    if request.client.official {
        return Step::Grant(request.scopes.clone());
    }
    match remembered {
        Some(scopes) if !request.prompt.consent && !may_be_anybody(request) => Step::Grant(scopes),
        _ if request.prompt.none => Step::Refuse(OAuthError::ConsentRequired),
        _ => Step::Consent,
    }
}

/// Whether another program may be behind this request than the one that was agreed to: everybody
/// knows the id of a client with a document, and whatever runs on the user's device may wait at a
/// redirect URI there (RFC 8252 §8.6).
fn may_be_anybody(request: &AuthorizationRequest) -> bool {
    request.client.publisher.is_some()
        && redirect_uri::looks_native(&request.return_to.redirect_uri)
}

/// Begins a transaction and takes its first step.
pub(super) fn begin(
    provider: &Provider,
    state: &mut State,
    now: Timestamp,
    browser: &Browser,
    request: AuthorizationRequest,
) -> Result<Next, PageError> {
    let id = random::token()?;
    let transaction = Transaction {
        request,
        browser: browser.id,
        form_token: random::token()?,
        signed_in_here: false,
        consent_shown_to: None,
    };
    state.transactions.insert(
        now,
        Digest::of(&id),
        transaction.clone(),
        now.plus(provider.config.lifetimes.transaction.get()),
    )?;
    advance(
        provider,
        state,
        now,
        &id,
        &transaction,
        browser.signed_in.as_ref(),
    )
}

/// Takes the next step.
pub(super) fn advance(
    provider: &Provider,
    state: &mut State,
    now: Timestamp,
    id: &str,
    transaction: &Transaction,
    signed_in: Option<&SignedIn>,
) -> Result<Next, PageError> {
    let request = &transaction.request;
    let remembered = signed_in.and_then(|signed_in| {
        let key = consent_key(request, &signed_in.subject);
        state.consents.recall(now, &key, &request.scopes)
    });
    match (
        next_step(transaction, signed_in, remembered, now),
        signed_in,
    ) {
        (Step::Grant(scopes), Some(signed_in)) => {
            grant(provider, state, now, id, transaction, signed_in, scopes)
        }
        (Step::Consent, _) => Ok(Next::Page(page_address(CONSENT_PATH, id))),
        (Step::Refuse(error), _) => refuse(provider, state, now, id, transaction, &error),
        (Step::SignIn | Step::Grant(_), _) => Ok(Next::Page(page_address(SIGN_IN_PATH, id))),
    }
}

/// Ends a transaction with a code.
pub(super) fn grant(
    provider: &Provider,
    state: &mut State,
    now: Timestamp,
    id: &str,
    transaction: &Transaction,
    signed_in: &SignedIn,
    scopes: Scopes,
) -> Result<Next, PageError> {
    let request = &transaction.request;
    state.transactions.remove(now, &Digest::of(id));
    let grant = Grant {
        client_id: request.client.id.clone(),
        subject: signed_in.subject.clone(),
        scopes,
        resources: request.resources.clone(),
        auth_time: signed_in.at,
        nonce: request.nonce.clone(),
    };
    let terms = CodeTerms {
        redirect_uri: request.return_to.redirect_uri.clone(),
        challenge: request.challenge.clone(),
    };
    match state.grants.issue_code(now, grant, terms) {
        Ok(code) => answer(&provider.issuer, &request.return_to, &[("code", &code)]),
        Err(error) => answer_error(&provider.issuer, &request.return_to, &error),
    }
}

/// Ends a transaction with an error.
pub(super) fn refuse(
    provider: &Provider,
    state: &mut State,
    now: Timestamp,
    id: &str,
    transaction: &Transaction,
    error: &OAuthError,
) -> Result<Next, PageError> {
    state.transactions.remove(now, &Digest::of(id));
    answer_error(&provider.issuer, &transaction.request.return_to, error)
}

/// Finds a transaction for the browser that began it. Which of the two is wrong, nobody is told.
pub(super) fn find<'a>(
    state: &'a mut State,
    now: Timestamp,
    id: &str,
    browser: Option<BrowserId>,
) -> Result<&'a mut Transaction, PageError> {
    state
        .transactions
        .get_mut(now, &Digest::of(id))
        .filter(|transaction| Some(transaction.browser) == browser)
        .ok_or(PageError::TransactionGone)
}

/// Whether a form came with the transaction's own token.
pub(super) fn has_form_token(transaction: &Transaction, sent: Option<&str>) -> bool {
    let (sent, own) = (
        Digest::of(sent.unwrap_or_default()),
        Digest::of(&transaction.form_token),
    );
    sent.as_bytes().ct_eq(own.as_bytes()).into()
}

/// Under which consent this request falls.
pub(super) fn consent_key(request: &AuthorizationRequest, subject: &str) -> ConsentKey {
    ConsentKey {
        subject: subject.to_owned(),
        client_id: request.client.id.clone(),
        resources: request.resources.clone(),
    }
}

/// An error answer to the client (RFC 6749 §4.1.2.1).
pub(super) fn answer_error(
    issuer: &str,
    return_to: &Return,
    error: &OAuthError,
) -> Result<Next, PageError> {
    let description = error.to_string();
    answer(
        issuer,
        return_to,
        &[("error", error.code()), ("error_description", &description)],
    )
}

/// An answer to the client: `state` as it came, and `iss` always (RFC 9207 §2).
fn answer(issuer: &str, return_to: &Return, parts: &[(&str, &str)]) -> Result<Next, PageError> {
    // It was parsed when it was registered; were it not, there would be nowhere to go.
    let mut url =
        Url::parse(&return_to.redirect_uri).map_err(|_unparsed| PageError::UnknownRedirectUri)?;
    {
        let mut query = url.query_pairs_mut();
        query.extend_pairs(parts);
        if let Some(state) = &return_to.state {
            query.append_pair("state", state);
        }
        query.append_pair("iss", issuer);
    }
    Ok(Next::Client(url.into()))
}

fn page_address(path: &str, id: &str) -> String {
    format!("{path}?transaction={id}")
}
