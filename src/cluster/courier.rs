//! The way from node to node: one HTTP request over a kept connection, and its answer as it comes.

use reqwest::header::HeaderValue;

use super::{Inner, Node, Parcel};

/// Named by an answer that is this node's own, and not what a client is told: why the request was not
/// taken, and so has not run.
pub const NOT_TAKEN_HEADER: &str = "usher-not-taken";
/// The session is not there.
pub const NOT_THERE: &str = "not-there";

/// What became of a request that was sent to another node.
#[derive(Debug)]
pub enum Sent {
    /// What the client is to be told, as it comes.
    Answered(reqwest::Response),
    /// The node does not have the session. It has not run.
    NotThere,
    /// The node took no request now. It has not run.
    NotTaken,
    /// The node can't be reached. It has not run.
    Unreachable,
    /// Nobody knows whether it has run.
    Unclear,
}

impl Inner {
    pub(super) async fn send(&self, to: &Node, parcel: &Parcel<'_>) -> Sent {
        let Some(sealed) = self.wrap(&to.name, parcel) else {
            return Sent::NotTaken;
        };
        let url = format!("http://{}{}", to.address, parcel.target);
        let request = self.client.post(url).body(sealed).send();
        // From the request's last byte on, nobody knows; before it is the connection's own deadline.
        let within = self.config.forward_within.get();
        let response = match tokio::time::timeout(within, request).await {
            Ok(Ok(response)) => response,
            Ok(Err(error)) if error.is_connect() || error.is_builder() => {
                return Sent::Unreachable;
            }
            Ok(Err(_)) | Err(_) => return Sent::Unclear,
        };
        let reason = response.headers().get(NOT_TAKEN_HEADER);
        match reason.map(HeaderValue::as_bytes) {
            None => Sent::Answered(response),
            Some(reason) if reason == NOT_THERE.as_bytes() => Sent::NotThere,
            // Another process has taken its place at this address.
            Some(b"wrong-node") => Sent::Unreachable,
            Some(_) => Sent::NotTaken,
        }
    }
}
