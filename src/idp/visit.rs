//! A person's visit to a page of a transaction: which transaction it is, in which browser, and whether
//! a form that comes in is our own page's.
//!
//! `sign_in` and `consent` begin with one. Nobody is told whether it is the transaction or the browser
//! that is not known.

use actix_web::HttpRequest;

use super::{
    browser::{self, Browser},
    error::PageError,
    interaction::{self, Transaction},
    parameters::Parameters,
    provider::{Provider, State},
};
use crate::time::Timestamp;

/// Who is here, and about what.
#[derive(Debug)]
pub(super) struct Visit<'a> {
    pub(super) now: Timestamp,
    /// The transaction's id, in the address or the form.
    pub(super) id: &'a str,
    /// The browser's cookie; empty if it has none.
    pub(super) cookie: &'a str,
    /// What is known of the browser.
    pub(super) browser: Option<Browser>,
}

impl<'a> Visit<'a> {
    /// Reads a request. `parameters` are those of its address, or of its form.
    pub(super) fn read(
        provider: &Provider,
        state: &mut State,
        request: &'a HttpRequest,
        parameters: &'a Parameters,
    ) -> Result<Self, PageError> {
        let now = provider.clock.now();
        let id = parameters.one("transaction").ok().flatten();
        let cookie = browser::cookie(request, &provider.cookie_name).unwrap_or_default();
        Ok(Self {
            now,
            id: id.ok_or(PageError::TransactionGone)?,
            cookie,
            browser: state.browsers.find(now, Some(cookie)).cloned(),
        })
    }

    /// The transaction, which began in this browser.
    pub(super) fn transaction<'s>(
        &self,
        state: &'s mut State,
    ) -> Result<&'s mut Transaction, PageError> {
        let browser = self.browser.as_ref().map(|browser| browser.id);
        interaction::find(state, self.now, self.id, browser)
    }

    /// The same for a form, which our own page in this browser has to have sent.
    pub(super) fn transaction_of(
        &self,
        state: &mut State,
        request: &HttpRequest,
        form: &Parameters,
    ) -> Result<Transaction, PageError> {
        let transaction = self.transaction(state)?;
        let token = form.one("form_token").ok().flatten();
        if !browser::is_own_form(request) || !interaction::has_form_token(transaction, token) {
            return Err(PageError::ForeignForm);
        }
        Ok(transaction.clone())
    }
}
