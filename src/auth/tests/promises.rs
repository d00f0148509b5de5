//! Promise P25, which needs an actor that dies by command; the others are measured end to end, in
//! `tests/it/promises.rs`. docs/promises.md has the figures.

use std::time::Instant;

use serde_json::json;

use super::*;
use crate::auth::examiner::Crash;

#[ignore = "a measurement: docs/promises.md"]
#[actix::test]
async fn p25_a_verifier_that_crashes_again_and_again() {
    const LASTING: Duration = Duration::from_secs(6);
    const EVERY: Duration = Duration::from_millis(100);
    let scene = Scene::new(|_| ());
    let impostor = SigningKey::new("ES256", "first");
    let issuer = scene.issuer.issuer();
    let mut number = 0;
    let mut next = || {
        number += 1;
        let claims = with(issuer, "jti", json!(number));
        (scene.key.token(&claims), impostor.token(&claims))
    };
    scene.verify(&next().0).await.unwrap();
    let started = Instant::now();

    let crashes = async {
        let mut crashes = 0;
        while started.elapsed() < LASTING {
            let _dying = scene.verifier.desks()[0].examiner().send(Crash).await;
            crashes += 1;
            tokio::time::sleep(EVERY).await;
        }
        crashes
    };
    let callers = async {
        let (mut let_in, mut unavailable, mut refused) = (0, 0, 0);
        while started.elapsed() < LASTING {
            let (good, bad) = next();
            match scene.verify(&good).await {
                Ok(_) => let_in += 1,
                Err(AuthError::Unavailable { .. }) => unavailable += 1,
                Err(error) => panic!("a good token: {error}"),
            }
            match scene.verify(&bad).await {
                Ok(_) => panic!("fails open"),
                Err(AuthError::Unavailable { .. }) => unavailable += 1,
                Err(_) => refused += 1,
            }
        }
        (let_in, unavailable, refused)
    };
    let (crashes, (let_in, unavailable, refused)) = tokio::join!(crashes, callers);

    assert!(let_in > 0 && refused > 0);
    assert!(unavailable <= 4 * crashes, "{unavailable}");
    println!(
        "P25: {crashes} crashes in 6 s; {let_in} good tokens let in, {refused} bad ones refused, none let \
         in, {unavailable} told 503"
    );
}
