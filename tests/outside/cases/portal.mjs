// The developer portal in a real browser: an agent's whole life by its pages, and the pictures of them.
//
// A developer registers an agent at /developers, a user lets it act at the consent page, the agent calls
// with what it got; its secret is replaced without a break, and once it is deleted its call is refused.
// Nothing here needs a script, so most of it runs without one. Pictures go to target/screenshots/.

import assert from 'node:assert/strict';
import { callbackListener, suite } from '../kit.mjs';
import { authorizationRequest } from '../plain_agent.mjs';
import { LOOKS, barsNobody, fits, launch, picture, withPage as withAnyPage } from './pages.mjs';
import { knock, usherDev } from './usher.mjs';

const REFUSED_WITHIN_MS = 2_000;
const tests = {};

// What Chromium writes about a page whose own status is an error.
const withPage = (shared, options, body) => withAnyPage(shared, options, body, /status of 4(03|04|22)/);

const developers = ({ usher }, path = '') => `${usher.ready.url}/developers${path}`;

async function signInAs(page, { username, password }) {
  await page.getByLabel(/user name/i).fill(username);
  await page.getByLabel(/password/i).fill(password);
  await page.keyboard.press('Enter');
}

/** From the first page to the list. */
async function enter(page, shared) {
  await page.goto(developers(shared));
  await page.getByRole('link', { name: 'Sign in' }).click();
  await signInAs(page, shared.usher.ready.demo);
  await page.getByRole('heading', { name: 'Your agents' }).waitFor();
}

/** Fills the form in and sends it; leads to the agent's page. */
async function make(page, shared, { name, kind = 'server', redirectUri }) {
  await page.goto(developers(shared, '/new'));
  await page.locator('#name').fill(name);
  await page.locator(`input[name=kind][value=${kind}]`).check();
  await page.locator('#redirect_uris').fill(redirectUri);
  await page.getByRole('button', { name: 'Register' }).click();
  await page.getByRole('heading', { name, exact: true }).waitFor();
}

const shownSecret = (page) => page.locator('pre.secret').innerText();
const clientId = async (page) => new URL(page.url()).pathname.split('/').at(-1);

/** A user signs in for the agent in a browser of their own, agrees, and the agent gets its token. */
async function granted(shared, { id, secret, listener, name }) {
  const metadata = await (await fetch(`${shared.usher.ready.url}/.well-known/oauth-authorization-server`)).json();
  const redirectUri = listener.url;
  const resource = shared.usher.ready.mcp;
  const request = authorizationRequest(metadata, { clientId: id, redirectUri, scope: 'openid email', resource });
  await withPage(shared, {}, async (page) => {
    await page.goto(request.url);
    await signInAs(page, shared.usher.ready.demo);
    // A second time nobody is asked.
    await Promise.race([page.waitForURL((url) => url.href.startsWith(redirectUri)), page.locator('button[value=allow]').waitFor()]);
    if (!page.url().startsWith(redirectUri)) {
      const text = await page.locator('main').innerText();
      assert.ok(text.includes(`${name} (unverified, leads to this computer)`), text);
      await page.locator('button[value=allow]').click();
      await page.waitForURL((url) => url.href.startsWith(redirectUri));
    }
  });
  const code = (await listener.next()).get('code');
  return redeem(metadata, { id, secret, code, redirectUri, verifier: request.verifier, resource });
}

async function redeem(metadata, { id, secret, code, redirectUri, verifier, resource }) {
  const body = new URLSearchParams({ grant_type: 'authorization_code', code, redirect_uri: redirectUri, code_verifier: verifier, resource });
  const authorization = `Basic ${Buffer.from(`${id}:${secret}`).toString('base64')}`;
  const response = await fetch(metadata.token_endpoint, { method: 'POST', headers: { authorization }, body });
  return { status: response.status, ...(await response.json()) };
}

tests['an agent is registered, let in, given another secret, deleted, and refused at once'] = async (shared) => {
  const listener = await callbackListener();
  const name = 'SmartMail AI';
  const { mcp } = shared.usher.ready;
  await withPage(shared, { javaScriptEnabled: false }, async (page) => {
    await enter(page, shared);
    await make(page, shared, { name, redirectUri: listener.url });
    const first = await shownSecret(page);
    const id = await clientId(page);
    await page.reload();
    assert.equal(await page.locator('pre.secret').count(), 0, 'the secret is shown a second time');

    const one = await granted(shared, { id, secret: first, listener, name });
    assert.equal(one.status, 200, JSON.stringify(one));
    assert.equal((await knock(mcp, one.access_token)).status, 200);

    await page.getByRole('button', { name: 'Make a second secret' }).click();
    const second = await shownSecret(page);
    assert.notEqual(first, second);
    for (const secret of [first, second]) assert.equal((await granted(shared, { id, secret, listener, name })).status, 200, 'both are good');
    await page.getByRole('button', { name: /^End the older/ }).first().click();
    await page.getByText('Ended.').waitFor();
    assert.notEqual((await granted(shared, { id, secret: first, listener, name })).status, 200, 'the older one is still good');
    const last = await granted(shared, { id, secret: second, listener, name });
    assert.equal(last.status, 200);
    assert.equal((await knock(mcp, last.access_token)).status, 200);

    await page.getByRole('link', { name: 'Users' }).click();
    await page.getByText('1 user lets it act').waitFor();
    await page.goBack();
    await page.getByRole('link', { name: 'Delete' }).click();
    await page.getByRole('button', { name: 'Delete it' }).click();
    await page.getByText('Deleted.').waitFor();
    const deleted = performance.now();
    let answer = await knock(mcp, last.access_token);
    while (answer.status !== 401 && performance.now() - deleted < REFUSED_WITHIN_MS) answer = await knock(mcp, last.access_token);
    assert.equal(answer.status, 401, 'a deleted agent still calls');
    for (const token of [one.access_token, last.access_token]) assert.equal((await knock(mcp, token)).status, 401);
  });
  listener.close();
};

tests['a form that was wrong comes back with everything, and each mistake at its field'] = (shared) => withPage(shared, { javaScriptEnabled: false }, async (page) => {
  await enter(page, shared);
  await page.goto(developers(shared, '/new'));
  await page.locator('#name').fill('SmartMail AI');
  await page.locator('input[name=kind][value=server]').check();
  await page.locator('#redirect_uris').fill('https://smartmail.example/cb\nhttp://smartmail.example/cb');
  await page.locator('input[value=profile]').uncheck();
  await page.getByRole('button', { name: 'Register' }).click();

  await page.getByRole('alert').waitFor();
  await page.getByText('Line 2: http is for').waitFor();
  assert.equal(await page.locator('#name').inputValue(), 'SmartMail AI');
  assert.equal(await page.locator('#redirect_uris').inputValue(), 'https://smartmail.example/cb\nhttp://smartmail.example/cb');
  assert.equal(await page.locator('input[value=profile]').isChecked(), false);
  assert.equal(await page.locator('input[value=server]').isChecked(), true);
});

tests['signed out elsewhere, a filled form is not lost'] = (shared) => withPage(shared, { javaScriptEnabled: false }, async (page) => {
  await enter(page, shared);
  await page.goto(developers(shared, '/new'));
  await page.locator('#name').fill('SmartMail AI');
  const other = await page.context().newPage();
  await other.goto(developers(shared));
  await other.getByRole('button', { name: 'Sign out' }).click();
  await other.getByText('You are signed out').waitFor();

  await page.getByRole('button', { name: 'Register' }).click();
  await page.getByText('You are no longer signed in.').waitFor();
  const [signIn] = await Promise.all([page.context().waitForEvent('page'), page.getByRole('link', { name: 'sign in in a new tab' }).click()]);
  await signIn.getByRole('heading', { name: 'Your agents' }).waitFor();
  await page.getByRole('button', { name: 'Register' }).click();
  await page.getByText('You have signed in anew').waitFor();
  assert.equal(await page.locator('#name').inputValue(), 'SmartMail AI');
});

/** Walks every page, handing each to `look`. */
async function tour(shared, options, look) {
  await withPage(shared, options, async (page) => {
    await page.goto(developers(shared));
    await look(page, 'portal-welcome');
    await page.getByRole('link', { name: 'Sign in' }).click();
    await signInAs(page, { username: 'dora', password: 'dora' });
    await page.getByRole('heading', { name: 'Your agents' }).waitFor();
    await look(page, 'portal-empty');
    await page.goto(developers(shared, '/new'));
    await look(page, 'portal-new');
    await page.locator('#name').fill('SmartMail AI');
    await page.locator('input[name=kind][value=server]').check();
    await page.locator('#redirect_uris').fill('https://smartmail.example/oauth/callback\nhttp://smartmail.example/cb');
    await page.locator('summary').click();
    await page.locator('#logo').fill('logo.png');
    await page.getByRole('button', { name: 'Register' }).click();
    await page.getByRole('alert').waitFor();
    await look(page, 'portal-mistakes');
    await make(page, shared, { name: 'SmartMail AI', redirectUri: 'https://smartmail.example/oauth/callback' });
    await look(page, 'portal-agent');
    await page.getByRole('button', { name: 'Make a second secret' }).click();
    await page.locator('pre.secret').waitFor();
    await look(page, 'portal-rotated');
    const agent = page.url();
    for (const step of ['edit', 'users', 'delete']) {
      await page.goto(`${agent}/${step}`);
      await look(page, `portal-${step}`);
    }
    await make(page, shared, { name: 'A command line with a rather long name that somebody gave it', kind: 'app', redirectUri: 'http://127.0.0.1/callback\ncom.example.agent:/callback' });
    const app = page.url();
    await look(page, 'portal-app');
    await page.goto(developers(shared));
    await look(page, 'portal-list');
    await page.goto(developers(shared, '/agents/nobody'));
    await look(page, 'portal-unknown');
    for (const one of [agent, app]) {
      await page.goto(`${one}/delete`);
      await page.getByRole('button', { name: 'Delete it' }).click();
    }
    await look(page, 'portal-deleted');
    await page.getByRole('button', { name: 'Sign out' }).click();
    await look(page, 'portal-signed-out');
  });
}

for (const [look, { suffix, ...options }] of Object.entries(LOOKS)) {
  tests[`${look}: nothing scrolls sideways, and axe finds no barrier`] = (shared) => tour(shared, { ...options, bypassCSP: true }, async (page, name) => {
    await picture(page, `${name}${suffix}`);
    await fits(page, name);
    await barsNobody(page, name);
  });
}

suite('portal', async () => ({ usher: await usherDev({}, ['--portal', '--bridge', '--user', 'dora:dora']), browser: await launch() }), tests);
