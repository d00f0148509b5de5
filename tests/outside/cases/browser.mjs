// A real browser (Debian's Chromium) on the pages of `usher dev`, and the pictures of them.
//
// Every page that any test opens is watched: no console error (a broken Content-Security-Policy
// shows as one), no failed request, nothing asked of any host but 127.0.0.1.
// Pictures go to target/screenshots/.

import assert from 'node:assert/strict';
import { callbackListener, suite } from '../kit.mjs';
import { authorizationRequest, discover, redeem, register } from '../plain_agent.mjs';
import { LOOKS, barsNobody, fits, launch, picture, withPage } from './pages.mjs';
import { knock, usherDev } from './usher.mjs';

const SCOPE = 'openid profile email offline_access';
const tests = {};

/** Takes out what Chromium writes about a page whose own status is an error. */
const pardon = (wrongs, pattern) => wrongs.splice(0, wrongs.length, ...wrongs.filter((wrong) => !pattern.test(wrong)));

/** A third-party agent that registered itself, with its authorization request and a real callback. */
async function agent({ usher }, { name = 'SmartMail AI', clientId, prompt } = {}) {
  const metadata = await discover(usher.ready.issuer);
  const listener = await callbackListener();
  const redirectUri = listener.url;
  clientId ??= await register(metadata, { name, redirectUri });
  const asked = { clientId, redirectUri, scope: SCOPE, resource: usher.ready.mcp, prompt };
  const request = authorizationRequest(metadata, asked);
  return { ...asked, ...request, metadata, listener };
}

async function signInOn(page, { usher }) {
  const { username, password } = usher.ready.demo;
  await page.getByLabel(/user/i).fill(username);
  await page.getByLabel(/password/i).fill(password);
  await page.keyboard.press('Enter');
}

const decide = (page, decision) => page.locator(`button[name=decision][value=${decision}]`);
const atConsent = (page) => decide(page, 'allow').waitFor();

tests['denying comes back as access_denied with state and iss'] = async (shared) => {
  const one = await agent(shared);
  await withPage(shared, {}, async (page) => {
    await page.goto(one.url);
    await signInOn(page, shared);
    await atConsent(page);
    await decide(page, 'deny').click();
    await page.waitForURL((url) => url.href.startsWith(one.redirectUri));
  });

  const answer = await one.listener.next();
  one.listener.close();
  assert.equal(answer.get('error'), 'access_denied');
  assert.equal(answer.get('state'), one.state);
  assert.equal(answer.get('iss'), shared.usher.ready.issuer);
  assert.equal(answer.get('code'), null);
};

tests['allowing gives a code whose token opens the door'] = async (shared) => {
  const one = await agent(shared);
  await withPage(shared, {}, async (page) => {
    await page.goto(one.url);
    await signInOn(page, shared);
    await atConsent(page);
    const text = await page.locator('main, body').first().innerText();
    assert.match(text, /SmartMail AI/, 'the agent is not named');
    assert.match(text, /127\.0\.0\.1/, 'the page does not say where it sends the person');
    assert.match(text, /unverified|not verified|has not been verified/i, 'the agent is not called unverified');
    await decide(page, 'allow').click();
    await page.waitForURL((url) => url.href.startsWith(one.redirectUri));
  });

  const answer = await one.listener.next();
  one.listener.close();
  assert.equal(answer.get('state'), one.state);
  assert.equal(answer.get('iss'), shared.usher.ready.issuer);
  const tokens = await redeem(one.metadata, { ...one, code: answer.get('code') });
  assert.equal((await knock(shared.usher.ready.mcp, tokens.access_token)).status, 200);
};

tests['the first-party app goes from sign-in straight to its callback'] = async (shared) => {
  const one = await agent(shared, { clientId: shared.usher.ready.official_client_id });
  await withPage(shared, {}, async (page) => {
    await page.goto(one.url);
    await signInOn(page, shared);
    await page.waitForURL((url) => url.href.startsWith(one.redirectUri));
  });

  const answer = await one.listener.next();
  one.listener.close();
  assert.ok(answer.get('code'));
};

tests['someone who is signed in is asked again for another agent, not for the same'] = async (shared) => {
  const [first, second] = [await agent(shared), await agent(shared, { name: 'Other Agent' })];
  await withPage(shared, {}, async (page) => {
    await page.goto(first.url);
    await signInOn(page, shared);
    await atConsent(page);
    await decide(page, 'allow').click();
    await page.waitForURL((url) => url.href.startsWith(first.redirectUri));

    await page.goto(second.url);
    await page.getByText('Other Agent').first().waitFor();
    assert.equal(await page.getByLabel(/password/i).count(), 0, 'asked to sign in again');
    await decide(page, 'deny').click();
    await page.waitForURL((url) => url.href.startsWith(second.redirectUri));
  });
  first.listener.close();
  second.listener.close();
};

tests['a wrong password is said on the page, and the right one then works'] = async (shared) => {
  const one = await agent(shared);
  await withPage(shared, {}, async (page, wrongs) => {
    await page.goto(one.url);
    await page.getByLabel(/user/i).fill('demo');
    await page.getByLabel(/password/i).fill('not the password');
    await page.keyboard.press('Enter');
    await page.getByRole('alert').waitFor();
    await picture(page, 'sign-in-wrong');
    pardon(wrongs, /status of 4(00|01|22)/);
    await signInOn(page, shared);
    await atConsent(page);
  });
  one.listener.close();
};

tests['the keyboard alone is enough, without JavaScript too'] = async (shared) => {
  const one = await agent(shared);
  const { username, password } = shared.usher.ready.demo;
  await withPage(shared, { javaScriptEnabled: false }, async (page) => {
    const focus = () => page.locator(':focus');
    const tabTo = async (wanted) => {
      for (let presses = 0; presses < 20; presses += 1) {
        if ((await focus().count()) && (await focus().evaluate((element, selector) => element.matches(selector), wanted))) return;
        await page.keyboard.press('Tab');
      }
      assert.fail(`20 presses of Tab did not reach ${wanted}`);
    };
    await page.goto(one.url);
    await tabTo('input[name=username]');
    await page.keyboard.type(username);
    await page.keyboard.press('Tab');
    await tabTo('input[name=password]');
    await page.keyboard.type(password);
    await page.keyboard.press('Enter');
    await atConsent(page);
    await tabTo('input[name=scope][value=email]');
    await page.keyboard.press('Space');
    assert.equal(await page.locator('input[name=scope][value=email]').isChecked(), false);
    await tabTo('button[value=allow]');
    const ring = await focus().evaluate((element) => {
      const { outlineStyle, outlineWidth, boxShadow } = getComputedStyle(element);
      return (outlineStyle !== 'none' && parseFloat(outlineWidth) > 0) || boxShadow !== 'none';
    });
    assert.ok(ring, 'the focused button looks like any other');
    await page.keyboard.press('Enter');
    await page.waitForURL((url) => url.href.startsWith(one.redirectUri));
  });

  const answer = await one.listener.next();
  one.listener.close();
  const { scope } = await redeem(one.metadata, { ...one, code: answer.get('code') });
  assert.ok(!scope?.split(' ').includes('email'), `email was unticked, scope is ${scope}`);
};

tests['an unknown client gets a page, not a redirect'] = async (shared) => {
  const one = await agent(shared);
  await withPage(shared, {}, async (page, wrongs) => {
    const url = new URL(one.url);
    url.searchParams.set('client_id', 'nobody-knows-me');
    const response = await page.goto(url.href);
    assert.equal(response.status(), 400);
    assert.equal(new URL(page.url()).origin, new URL(shared.usher.ready.issuer).origin);
    await picture(page, 'error');
    pardon(wrongs, /status of 400/);
  });
  one.listener.close();
};

/** Walks home, sign-in, consent and error in one look, handing each page and its headers to `see`. */
async function tour(shared, options, look) {
  const one = await agent(shared);
  await withPage(shared, options, async (page, wrongs) => {
    let headers = {};
    page.on('response', (response) => {
      if (response.request().isNavigationRequest()) headers = response.headers();
    });
    const see = (page, name) => look(page, name, headers);
    await page.goto(shared.usher.ready.url);
    await see(page, 'home');
    await page.goto(one.url);
    await see(page, 'sign-in');
    await signInOn(page, shared);
    await atConsent(page);
    await see(page, 'consent');
    await page.goto(`${one.url.split('?')[0]}?client_id=nobody-knows-me`);
    await see(page, 'error');
    pardon(wrongs, /status of 400/);
  });
  one.listener.close();
}

for (const [look, { suffix, ...options }] of Object.entries(LOOKS)) {
  tests[`${look}: nothing scrolls sideways`] = (shared) => tour(shared, options, async (page, name) => {
    await picture(page, `${name}${suffix}`);
    await fits(page, name);
  });

  tests[`${look}: axe finds no barrier`] = (shared) => tour(shared, { ...options, bypassCSP: true }, (page, name) => barsNobody(page, name));
}

tests['pages may not be framed and carry a strict policy'] = async (shared) => {
  await tour(shared, {}, async (_, name, headers) => {
    const policy = headers['content-security-policy'] ?? '';
    assert.match(policy, /default-src 'none'/, `${name}: ${policy}`);
    assert.match(policy, /frame-ancestors 'none'/, `${name}: ${policy}`);
    assert.doesNotMatch(policy, /unsafe-inline|unsafe-eval|\*/, `${name}: ${policy}`);
    if (name !== 'home') assert.match(headers['cache-control'] ?? '', /no-store/, `${name} may be kept in a cache`);
  });
};

suite('browser', async () => ({ browser: await launch(), usher: await usherDev() }), tests);
