//! Applications: third-party ones, which agents are, and what their users may be asked for.

use reqwest::Method;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::{
    LogtoError, Management, Page,
    management::{PAGE_SIZE, json as read_json},
};
use crate::secret::Secret;

/// An application as Logto has it.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Application {
    /// Its client id.
    pub id: String,
    /// Its name.
    pub name: String,
    /// `Native`, `SPA`, `Traditional`, `MachineToMachine` or one to come.
    #[serde(rename = "type")]
    pub kind: String,
    /// Whether users are asked for consent.
    #[serde(default)]
    pub is_third_party: bool,
    /// Milliseconds since 1970.
    #[serde(default)]
    pub created_at: u64,
    /// Whatever its maker keeps there.
    #[serde(default)]
    pub custom_data: Value,
    /// Where Logto sends users back to.
    #[serde(
        default,
        rename = "oidcClientMetadata",
        deserialize_with = "redirect_uris"
    )]
    pub redirect_uris: Vec<String>,
}

/// Kinds of applications that Usher makes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub enum ApplicationKind {
    /// Public.
    Native,
    /// Confidential.
    Traditional,
}

/// An application to be made. Every member is Usher's own words.
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct NewApplication {
    /// Its name.
    pub name: String,
    /// Fixed for good.
    #[serde(rename = "type")]
    pub kind: ApplicationKind,
    /// For those who look at it in the Console.
    pub description: String,
    /// Fixed for good.
    pub is_third_party: bool,
    /// Where Logto sends users back to.
    #[serde(serialize_with = "client_metadata", rename = "oidcClientMetadata")]
    pub redirect_uris: Vec<String>,
    /// Free.
    pub custom_data: Value,
}

/// What a third-party application may ask its users for.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct ConsentScopes {
    /// Of the user's data, as `email`.
    pub user_scopes: Vec<String>,
    /// Ids of API resources' scopes.
    pub resource_scopes: Vec<String>,
}

/// What people see of an application when they are asked.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Branding<'a> {
    /// What the consent page calls it.
    pub display_name: &'a str,
    /// Its picture, which the user's browser loads.
    pub logo: Option<&'a str>,
    /// Its terms of use.
    pub terms: Option<&'a str>,
    /// What it does with personal data.
    pub privacy: Option<&'a str>,
}

/// A confidential application's secret, without its value.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct SecretName {
    /// One in the application.
    pub name: String,
    /// Milliseconds since 1970.
    #[serde(default)]
    pub created_at: u64,
}

#[derive(Deserialize)]
struct SecretEntry {
    name: String,
    value: String,
}

fn client_metadata<S: serde::Serializer>(
    redirect_uris: &[String],
    serializer: S,
) -> Result<S::Ok, S::Error> {
    json!({ "redirectUris": redirect_uris, "postLogoutRedirectUris": [] }).serialize(serializer)
}

fn redirect_uris<'de, D: serde::Deserializer<'de>>(
    deserializer: D,
) -> Result<Vec<String>, D::Error> {
    #[derive(Deserialize)]
    #[serde(rename_all = "camelCase")]
    struct ClientMetadata {
        #[serde(default)]
        redirect_uris: Vec<String>,
    }

    Ok(ClientMetadata::deserialize(deserializer)?.redirect_uris)
}

const APPLICATIONS: &str = "applications";

impl Management {
    /// Makes an application. Asked once: if the answer is lost, it may be there all the same.
    ///
    /// # Errors
    /// See [`LogtoError`].
    pub async fn create_application(
        &self,
        new: &NewApplication,
    ) -> Result<Application, LogtoError> {
        let body = json!(new);
        read_json(
            &self
                .write("application", Method::POST, &[APPLICATIONS], &body)
                .await?,
        )
    }

    /// An application by its id.
    ///
    /// # Errors
    /// See [`LogtoError`]; not [`LogtoError::NotFound`].
    pub async fn application(&self, id: &str) -> Result<Option<Application>, LogtoError> {
        match self.read("application", &[APPLICATIONS, id], &[]).await {
            Ok(application) => Ok(Some(application)),
            Err(LogtoError::NotFound(_)) => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Changes name and custom data, and the redirect URIs where they are given. False if there is no such
    /// application.
    ///
    /// # Errors
    /// See [`LogtoError`].
    pub async fn change_application(
        &self,
        id: &str,
        name: &str,
        custom_data: &Value,
        redirect_uris: Option<&[String]>,
    ) -> Result<bool, LogtoError> {
        let mut body = json!({ "name": name, "customData": custom_data });
        if let Some(redirect_uris) = redirect_uris {
            // Replaced as a whole, and refused without the other member.
            body["oidcClientMetadata"] =
                json!({ "redirectUris": redirect_uris, "postLogoutRedirectUris": [] });
        }
        let path = [APPLICATIONS, id];
        match self.write("application", Method::PATCH, &path, &body).await {
            Ok(_) => Ok(true),
            Err(LogtoError::NotFound(_)) => Ok(false),
            Err(error) => Err(error),
        }
    }

    /// Deletes an application. False if there was none.
    ///
    /// # Errors
    /// See [`LogtoError`].
    pub async fn delete_application(&self, id: &str) -> Result<bool, LogtoError> {
        self.remove(&[APPLICATIONS, id]).await
    }

    /// A part of all third-party applications, at most 100; the first part is 1.
    ///
    /// # Errors
    /// See [`LogtoError`].
    pub async fn third_party_applications(
        &self,
        page: usize,
        size: usize,
    ) -> Result<Page<Application>, LogtoError> {
        let query = [("isThirdParty", "true")];
        self.page(&[APPLICATIONS], &query, page, size.min(PAGE_SIZE))
            .await
    }

    /// All third-party applications.
    ///
    /// # Errors
    /// See [`LogtoError`].
    pub async fn all_third_party_applications(&self) -> Result<Vec<Application>, LogtoError> {
        self.all(&[APPLICATIONS], &[("isThirdParty", "true")]).await
    }

    /// All first-party applications.
    ///
    /// # Errors
    /// See [`LogtoError`].
    pub async fn first_party_applications(&self) -> Result<Vec<Application>, LogtoError> {
        self.all(&[APPLICATIONS], &[("isThirdParty", "false")])
            .await
    }

    /// A confidential application's secrets, by name.
    ///
    /// # Errors
    /// See [`LogtoError`].
    pub async fn secrets(&self, id: &str) -> Result<Vec<(String, Secret)>, LogtoError> {
        let path = [APPLICATIONS, id, "secrets"];
        let secrets: Vec<SecretEntry> = self.read("application", &path, &[]).await?;
        let named = |entry: SecretEntry| (entry.name, Secret::new(entry.value));
        Ok(secrets.into_iter().map(named).collect())
    }

    /// The same without their values, the oldest first.
    ///
    /// # Errors
    /// See [`LogtoError`].
    pub async fn secret_names(&self, id: &str) -> Result<Vec<SecretName>, LogtoError> {
        let path = [APPLICATIONS, id, "secrets"];
        let mut names: Vec<SecretName> = self.read("application", &path, &[]).await?;
        names.sort_by_key(|secret| secret.created_at);
        Ok(names)
    }

    /// Makes one secret more; those before it stay good.
    ///
    /// # Errors
    /// See [`LogtoError`].
    pub async fn add_secret(&self, id: &str, name: &str) -> Result<Secret, LogtoError> {
        let body = json!({ "name": name, "expiresAt": null });
        let path = [APPLICATIONS, id, "secrets"];
        let made = self
            .write("application", Method::POST, &path, &body)
            .await?;
        Ok(Secret::new(read_json::<SecretEntry>(&made)?.value))
    }

    /// Deletes a secret, which is refused from then on. False if there was none.
    ///
    /// # Errors
    /// See [`LogtoError`].
    pub async fn delete_secret(&self, id: &str, name: &str) -> Result<bool, LogtoError> {
        self.remove(&[APPLICATIONS, id, "secrets", name]).await
    }

    /// Adds to what users may be asked for.
    ///
    /// # Errors
    /// See [`LogtoError`].
    pub async fn add_consent_scopes(
        &self,
        id: &str,
        scopes: &ConsentScopes,
    ) -> Result<(), LogtoError> {
        let mut body = json!(scopes);
        body["organizationScopes"] = json!([]);
        body["organizationResourceScopes"] = json!([]);
        let path = [APPLICATIONS, id, "user-consent-scopes"];
        self.write("application", Method::POST, &path, &body)
            .await?;
        Ok(())
    }

    /// What of its users' data it may ask for, as `email`.
    ///
    /// # Errors
    /// See [`LogtoError`].
    pub async fn user_consent_scopes(&self, id: &str) -> Result<Vec<String>, LogtoError> {
        #[derive(Deserialize)]
        #[serde(rename_all = "camelCase")]
        struct Granted {
            #[serde(default)]
            user_scopes: Vec<String>,
        }

        let path = [APPLICATIONS, id, "user-consent-scopes"];
        let granted: Granted = self.read("application", &path, &[]).await?;
        Ok(granted.user_scopes)
    }

    /// Takes one scope of an API resource away from what users may be asked for.
    ///
    /// # Errors
    /// See [`LogtoError`].
    pub async fn remove_consent_scope(&self, id: &str, scope_id: &str) -> Result<bool, LogtoError> {
        let kind = "resource-scopes";
        self.remove(&[APPLICATIONS, id, "user-consent-scopes", kind, scope_id])
            .await
    }

    /// Takes a scope of the user's data away from what users may be asked for.
    ///
    /// # Errors
    /// See [`LogtoError`].
    pub async fn remove_user_scope(&self, id: &str, scope: &str) -> Result<bool, LogtoError> {
        let kind = "user-scopes";
        self.remove(&[APPLICATIONS, id, "user-consent-scopes", kind, scope])
            .await
    }

    /// What the consent page shows of it; what it showed before and is not there now goes.
    ///
    /// # Errors
    /// See [`LogtoError`].
    pub async fn set_branding(
        &self,
        id: &str,
        branding: Branding<'_>,
        before: Branding<'_>,
    ) -> Result<(), LogtoError> {
        let logo = branding.logo.map(|logo| json!({ "logoUrl": logo }));
        let mut body = json!({
            "displayName": branding.display_name, "branding": logo.unwrap_or(json!({})),
        });
        // A member that is left out stays as it is.
        for (name, now, before) in [
            ("termsOfUseUrl", branding.terms, before.terms),
            ("privacyPolicyUrl", branding.privacy, before.privacy),
        ] {
            if now.is_some() || before.is_some() {
                body[name] = json!(now);
            }
        }
        let path = [APPLICATIONS, id, "sign-in-experience"];
        self.write("application", Method::PUT, &path, &body).await?;
        Ok(())
    }
}
