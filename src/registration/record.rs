//! What is written of an agent into its application's custom data, and read back from there.
//!
//! An operator can change it in Logto's Console, so nothing of it is trusted: redirect URIs are judged
//! again whenever they are read.

use aws_lc_rs::rand;
use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::{Links, NewClient, Origin, RegistrarError};
use crate::{
    logto::Application,
    oauth::{
        client_metadata::AuthenticationMethod,
        redirect_uri::{ApplicationType, RedirectUri},
    },
    time::Timestamp,
};

/// Our member of the custom data; what else is there is somebody else's.
const MEMBER: &str = "usher";

/// How far the making of it has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum State {
    Making,
    Ready,
}

/// An agent as it is kept.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Record {
    pub(super) state: State,
    /// Random: by it, an application is found whose id nobody was told.
    pub(super) mark: String,
    #[serde(default)]
    pub(super) disabled: bool,
    /// Its users are sent to itself, and through no bridge: the registrar has its redirect URIs.
    #[serde(default)]
    pub(super) direct: bool,
    name: Option<String>,
    redirect_uris: Vec<String>,
    application_type: String,
    authentication: String,
    refreshes: bool,
    scopes: String,
    software_id: Option<String>,
    contact: Option<String>,
    #[serde(default)]
    links: Links,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    owner: Option<String>,
    origin: Origin,
    /// Seconds since 1970.
    registered_at: u64,
}

impl Record {
    pub(super) fn new(new: &NewClient, state: State) -> Result<Self, RegistrarError> {
        let mut mark = [0; 12];
        rand::fill(&mut mark)
            .map_err(|_unspecified| RegistrarError::Refused("no randomness".to_owned()))?;
        let uris = new.redirect_uris.iter();
        Ok(Self {
            state,
            mark: URL_SAFE_NO_PAD.encode(mark),
            disabled: false,
            direct: false,
            name: new.name.clone(),
            redirect_uris: uris.map(|uri| uri.as_str().to_owned()).collect(),
            application_type: new.application_type.as_str().to_owned(),
            authentication: new.authentication.as_str().to_owned(),
            refreshes: new.refreshes,
            scopes: new.scopes.to_string(),
            software_id: new.software_id.clone(),
            contact: new.contact.clone(),
            links: new.links.clone(),
            owner: new.owner.clone(),
            origin: new.origin,
            registered_at: new.registered_at.as_unix_seconds(),
        })
    }

    /// The record of an application, if it has one that can be read.
    pub(super) fn of(application: &Application) -> Option<Self> {
        if !application.is_third_party {
            return None;
        }
        let record = application.custom_data.get(MEMBER)?;
        Self::deserialize(record).ok()
    }

    /// The same of one that is whole.
    pub(super) fn ready(application: &Application) -> Option<Self> {
        Self::of(application).filter(|record| record.state == State::Ready)
    }

    pub(super) fn to_custom_data(&self) -> Value {
        self.within(&json!({}))
    }

    /// Among what else is there, since Logto replaces custom data as a whole.
    pub(super) fn within(&self, others: &Value) -> Value {
        let mut custom_data = others.as_object().cloned().unwrap_or_default();
        custom_data.insert(MEMBER.to_owned(), json!(self));
        Value::Object(custom_data)
    }

    pub(super) fn to_details(&self) -> Option<NewClient> {
        let application_type = match self.application_type.as_str() {
            "native" => ApplicationType::Native,
            "web" => ApplicationType::Web,
            _ => return None,
        };
        let authentication = match self.authentication.as_str() {
            "none" => AuthenticationMethod::None,
            "client_secret_basic" => AuthenticationMethod::Basic,
            "client_secret_post" => AuthenticationMethod::Post,
            _ => return None,
        };
        let uris = self.redirect_uris.iter();
        let uris = uris.map(|uri| RedirectUri::check(uri, application_type).ok());
        Some(NewClient {
            name: self.name.clone(),
            redirect_uris: uris.collect::<Option<_>>()?,
            application_type,
            authentication,
            refreshes: self.refreshes,
            scopes: self.scopes.parse().ok()?,
            software_id: self.software_id.clone(),
            contact: self.contact.clone(),
            links: self.links.clone(),
            owner: self.owner.clone(),
            origin: self.origin,
            registered_at: Timestamp::from_unix_seconds(self.registered_at),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::scope::Scopes;

    fn application(custom_data: &Value) -> Application {
        let text = json!({
            "id": "a", "name": "A", "type": "Native", "isThirdParty": true,
            "customData": custom_data,
        });
        serde_json::from_value(text).unwrap()
    }

    fn record() -> Record {
        let uri = RedirectUri::check("http://127.0.0.1/cb", ApplicationType::Native).unwrap();
        let new = NewClient {
            name: Some("Agent".to_owned()),
            redirect_uris: vec![uri],
            application_type: ApplicationType::Native,
            authentication: AuthenticationMethod::None,
            refreshes: true,
            scopes: "mcp:tools".parse::<Scopes>().unwrap(),
            software_id: None,
            contact: None,
            links: Links::default(),
            owner: None,
            origin: Origin::Registration,
            registered_at: Timestamp::from_unix_seconds(5),
        };
        Record::new(&new, State::Ready).unwrap()
    }

    #[test]
    fn an_agent_is_read_back_as_it_was_written_and_others_data_stays() {
        let record = record();
        let written = record.within(&json!({ "theirs": 1 }));

        assert_eq!(written["theirs"], 1);
        let application = application(&written);
        assert_eq!(Record::ready(&application), Some(record.clone()));
        let details = record.to_details().unwrap();
        assert!(details.redirect_uris[0].matches("http://127.0.0.1:9/cb"));
        assert_eq!(details.scopes.to_string(), "mcp:tools");
    }

    #[test]
    fn a_redirect_uri_that_somebody_wrote_into_the_console_is_judged_again() {
        let mut record = record();
        record.redirect_uris.push("javascript:alert(1)".to_owned());

        assert!(record.to_details().is_none());
    }

    #[test]
    fn what_is_half_made_or_somebody_elses_is_no_agent() {
        let half = Record {
            state: State::Making,
            ..record()
        };

        assert!(Record::ready(&application(&half.to_custom_data())).is_none());
        assert!(Record::of(&application(&json!({}))).is_none());
        let mut first_party = application(&record().to_custom_data());
        first_party.is_third_party = false;
        assert!(Record::of(&first_party).is_none());
    }
}
