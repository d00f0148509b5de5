//! Opens the user's browser.

use url::Url;

/// Hands a URL to the desktop's browser, without a shell in between. Whether that worked can't be
/// known: the caller shows the link as well.
pub(super) fn open(url: &Url) {
    if let Err(error) = open::that_detached(url.as_str()) {
        tracing::debug!(
            error = &error as &dyn std::error::Error,
            "no browser could be opened"
        );
    }
}
