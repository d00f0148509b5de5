//! Several issuers at once: each token goes to one, and none can do anything to another.

use futures_util::future::join_all;
use serde_json::json;

use super::{NOW, claims, clock, eventually, time_passes, token, with};
use crate::{
    auth::{
        Algorithm, AuthError, ClientCredentials, ClientProof, Config, IssuerConfig, Method,
        Principal, Reason, Verification, Verifier,
        fake_issuer::{Endpoint, FakeIssuer, signing::SigningKey},
    },
    fetch::{self, Fetcher},
    secret::Secret,
    units::{ByteSize, HumanDuration},
};

/// Two issuers that call their keys by the same id, and a verifier that trusts both.
struct Two {
    near: FakeIssuer,
    near_key: SigningKey,
    far: FakeIssuer,
    far_key: SigningKey,
    verifier: Verifier,
}

fn client() -> ClientCredentials {
    ClientCredentials {
        id: "usher".to_owned(),
        proof: ClientProof::Basic(Secret::new("s3cret")),
    }
}

impl Two {
    fn new(change: impl FnOnce(&mut Config)) -> Self {
        let [near_key, far_key] = [(); 2].map(|()| SigningKey::new("ES256", "same"));
        let near = FakeIssuer::start(&[&near_key]);
        let far = FakeIssuer::start(&[&far_key]);
        Self::of(near, near_key, far, far_key, change)
    }

    fn of(
        near: FakeIssuer,
        near_key: SigningKey,
        far: FakeIssuer,
        far_key: SigningKey,
        change: impl FnOnce(&mut Config),
    ) -> Self {
        let mut config = Config::new(near.issuer().parse().unwrap());
        let other = IssuerConfig::new(far.issuer().parse().unwrap());
        config.others.push(other);
        change(&mut config);
        let fetcher = Fetcher::new(fetch::Config::default()).unwrap();
        let verifier = Verifier::start(config, &fetcher, &clock());
        Self {
            near,
            near_key,
            far,
            far_key,
            verifier,
        }
    }

    async fn verify(&self, text: &str) -> Result<Principal, AuthError> {
        self.verifier.verify(&token(text)).await
    }

    fn near_token(&self, number: usize) -> String {
        let claims = with(self.near.issuer(), "jti", json!(number));
        self.near_key.token(&claims)
    }

    fn far_token(&self, number: usize) -> String {
        let claims = with(self.far.issuer(), "jti", json!(number));
        self.far_key.token(&claims)
    }

    /// How often the issuers were asked about tokens: the near one, then the far one.
    fn questions(&self) -> [usize; 2] {
        [&self.near, &self.far]
            .map(|issuer| issuer.count(Endpoint::Introspection) + issuer.count(Endpoint::Userinfo))
    }
}

#[actix::test]
async fn a_token_is_held_against_the_keys_and_rules_of_the_issuer_it_names() {
    let two = Two::new(|config| {
        config.issuer.algorithms = vec![Algorithm::Es256];
        config.others[0].token_types = vec!["JWT".to_owned()];
        config.others[0].leeway = HumanDuration::from_secs(0);
    });
    let jwt_type = json!({ "alg": "ES256", "typ": "JWT", "kid": "same" });
    let near = two.verify(&two.near_token(0)).await.unwrap();
    assert_eq!(near.issuer(), two.near.issuer());

    let far_claims = claims(two.far.issuer()).to_string();
    let far = two.far_key.token_with(&jwt_type, &far_claims);
    let far = two.verify(&far).await.unwrap();
    assert_eq!(far.issuer(), two.far.issuer());
    assert_ne!(near.owner(), far.owner(), "the same subject and client");

    let near_claims = claims(two.near.issuer()).to_string();
    for (token, reason) in [
        (
            two.near_key.token_with(&jwt_type, &near_claims),
            Reason::WrongType,
        ),
        (two.far_token(0), Reason::WrongType),
        (
            two.far_key.token_with(
                &jwt_type,
                &with(two.far.issuer(), "exp", json!(NOW - 1)).to_string(),
            ),
            Reason::Expired,
        ),
    ] {
        assert_eq!(two.verify(&token).await.unwrap_err(), reason.into());
    }
    let late = with(two.near.issuer(), "exp", json!(NOW - 1));
    assert!(two.verify(&two.near_key.token(&late)).await.is_ok());
}

// K15: mix-up. The keys have one id, so only whose they are tells them apart.
#[actix::test]
async fn an_issuer_can_not_sign_for_another() {
    let two = Two::new(|_| ());
    for (key, victim) in [(&two.far_key, &two.near), (&two.near_key, &two.far)] {
        let forged = key.token(&claims(victim.issuer()));

        let refused = two.verify(&forged).await.unwrap_err();

        assert_eq!(refused, Reason::BadSignature.into());
    }
    assert!(two.verify(&two.near_token(0)).await.is_ok());
    assert!(two.verify(&two.far_token(0)).await.is_ok());
}

// K15
#[actix::test]
async fn a_token_of_nobody_we_trust_makes_us_ask_nobody() {
    let two = Two::new(|config| config.issuer.client = Some(client()));
    for issuer in ["https://evil".to_owned(), format!("{}/", two.near.issuer())] {
        let foreign = two.near_key.token(&claims(&issuer));
        let refused = two.verify(&foreign).await.unwrap_err();
        assert_eq!(refused, Reason::WrongIssuer.into());
    }
    assert_eq!(two.questions(), [0, 0]);
}

#[actix::test]
async fn a_token_that_names_nobody_is_shown_to_one_issuer_only() {
    let two = Two::new(|config| {
        config.issuer.client = Some(client());
        config.issuer.opaque_tokens = false;
        config.others[0].client = Some(client());
    });
    two.near.know("of the near one", json!({ "sub": "alice" }));
    two.far.know("opaque", json!({ "sub": "bob" }));

    let known = two.verify("opaque").await.unwrap();
    assert_eq!((known.issuer(), known.subject()), (two.far.issuer(), "bob"));
    for stranger in ["never-heard-of", "a.b.c"] {
        assert!(two.verify(stranger).await.is_err());
    }
    let refused = two.verify("of+the+near+one").await.unwrap_err();
    assert_eq!(refused, Reason::Inactive.into());
    assert_eq!(two.questions(), [0, 4]);

    let nameless = two.far_key.token(&with("", "iss", json!(null)));
    let refused = two.verify(&nameless).await.unwrap_err();
    assert_eq!(refused, Reason::WrongIssuer.into());
    assert_eq!(two.questions(), [0, 4]);
}

#[actix::test]
async fn where_no_issuer_takes_opaque_tokens_they_are_refused_with_the_reason() {
    let two = Two::new(|_| ());

    let refused = two.verify("opaque").await.unwrap_err();

    assert_eq!(refused, Reason::Opaque.into());
}

#[actix::test]
async fn a_token_is_never_shown_to_an_issuer_it_does_not_name() {
    let two = Two::new(|config| {
        config.issuer.verification = Verification::Userinfo;
        config.others[0].verification = Verification::Jwt;
    });
    let far = two.verify(&two.far_token(0)).await.unwrap();

    assert_eq!(far.verified_by(), Method::Jwt);
    assert_eq!(two.questions(), [0, 0]);
}

// An answer about a token can only be about the tokens of the one who gives it.
#[actix::test]
async fn an_issuer_can_not_vouch_in_the_name_of_another() {
    let two = Two::new(|config| config.others[0].client = Some(client()));
    let claims = json!({ "sub": "alice", "iss": two.near.issuer() });
    two.far.know("opaque", claims);

    let refused = two.verify("opaque").await.unwrap_err();

    assert_eq!(refused, Reason::WrongIssuer.into());
}

// M07
#[actix::test]
async fn an_issuer_can_not_publish_in_the_name_of_another() {
    let [near_key, far_key] = [(); 2].map(|()| SigningKey::new("ES256", "same"));
    let near = FakeIssuer::start(&[&near_key]);
    let far = FakeIssuer::start(&[&far_key]);
    far.set_metadata("issuer", json!(near.issuer()));
    let two = Two::of(near, near_key, far, far_key, |_| ());

    assert!(two.verify(&two.near_token(0)).await.is_ok());
    let verdict = two.verify(&two.far_token(0)).await;
    assert!(matches!(verdict, Err(AuthError::Unavailable { .. })));
    assert_eq!(two.far.count(Endpoint::Keys), 0);
}

// F01
#[actix::test]
async fn an_issuer_that_is_down_is_missed_by_its_own_callers_only() {
    let two = Two::new(|_| ());
    two.verify(&two.far_token(0)).await.unwrap();
    let down = Two::new(|config| config.issuer.client = Some(client()));
    let _socket = down.near.go_down().await;
    let verifier = {
        let mut config = Config::new(down.near.issuer().parse().unwrap());
        let other = IssuerConfig::new(two.far.issuer().parse().unwrap());
        config.others.push(other);
        let fetcher = Fetcher::new(fetch::Config::default()).unwrap();
        Verifier::start(config, &fetcher, &clock())
    };

    let near = verifier.verify(&token(&down.near_token(0))).await;
    assert!(matches!(near, Err(AuthError::Unavailable { .. })));
    let far = verifier.verify(&token(&two.far_token(1))).await;
    assert!(far.is_ok());
    assert!(verifier.is_ready(), "for the callers of the other");
    let discovered: Vec<_> = verifier.status().iter().map(|one| one.discovered).collect();
    assert_eq!(discovered, [false, true]);
}

// F01, O25
#[actix::test]
async fn an_issuer_that_hangs_fills_no_room_but_its_own() {
    let two = Two::new(|config| {
        config.limits.waiters_max = 8;
        config.limits.upstream_max = 2;
        config.others[0].client = Some(client());
    });
    let gate = two.far.hold(Endpoint::Introspection);
    let texts: Vec<_> = (0..20).map(|number| token(&format!("t{number}"))).collect();

    let crowd = join_all(texts.iter().map(|text| two.verifier.verify(text)));
    let meanwhile = async {
        eventually("a full room", async || {
            (two.verifier.usage().waiting == 6).then_some(())
        })
        .await;
        for number in 0..20 {
            let near = two.verify(&two.near_token(number)).await;
            assert!(near.is_ok(), "{near:?}");
        }
        gate.add_permits(100);
    };
    let (verdicts, ()) = tokio::join!(crowd, meanwhile);

    let turned_away = verdicts
        .iter()
        .filter(|verdict| matches!(verdict, Err(AuthError::Unavailable { .. })));
    assert_eq!(turned_away.count(), 14);
}

// K33
#[actix::test]
async fn an_issuer_that_signs_without_end_pushes_out_its_own_callers_only() {
    let two = Two::new(|config| {
        config.cache.bytes_max = ByteSize::from_kib(128);
        config.cache.refusals_max = 32;
    });
    let known: Vec<_> = (0..10).map(|number| two.near_token(number)).collect();
    for token in &known {
        two.verify(token).await.unwrap();
    }
    for number in 0..300 {
        two.verify(&two.far_token(number)).await.unwrap();
    }
    let misses = two.verifier.counters().misses();

    for token in &known {
        two.verify(token).await.unwrap();
    }

    assert_eq!(two.verifier.counters().misses(), misses);
    assert!(two.verifier.usage().bytes <= 128 * 1024);
}

// F15
#[actix::test]
async fn an_examiner_that_dies_is_missed_at_its_own_desk_only() {
    let two = Two::new(|_| ());
    two.verify(&two.near_token(0)).await.unwrap();
    let far = two.verifier.desks()[1].examiner();
    let _dead = far.send(crate::auth::examiner::Crash).await;

    assert!(two.verify(&two.near_token(1)).await.is_ok());
    assert_eq!(two.verifier.counters().examiner_restarts(), 0);
    eventually("another one", async || {
        two.verify(&two.far_token(1)).await.ok()
    })
    .await;
    assert_eq!(two.verifier.counters().examiner_restarts(), 1);
}

#[actix::test]
async fn forgetting_forgets_at_every_desk() {
    let two = Two::new(|_| ());
    two.verify(&two.near_token(0)).await.unwrap();
    two.verify(&two.far_token(0)).await.unwrap();
    time_passes(&two.verifier, std::time::Duration::from_secs(3_000)).await;
    assert_eq!(two.verifier.usage().entries, 2);

    two.verifier.forget_all();

    assert_eq!(two.verifier.usage().entries, 0);
}
