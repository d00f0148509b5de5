// Runs the conformance suite: `run.mjs [--only PATTERN]... [--list]`. See `run`.

import { createServer } from 'node:net';
import { join } from 'node:path';
import { inspect, parseArgs } from 'node:util';
import { conformanceServer, knock, rmcpServer, tokenFor, usherDev } from '../outside/cases/usher.mjs';
import { NODE, endAll } from '../outside/kit.mjs';
import { discover, register } from '../outside/plain_agent.mjs';
import { signIn } from '../outside/sign_in.mjs';
import { tokenProxy } from './proxy.mjs';
import { BRIDGE, CLIENT_EXTENSIONS, EXTENSIONS, PROVIDER, RMCP_EXTENSIONS, RMCP_SERVER, SERVER, USHER_AGENT } from './scenarios.mjs';
import { listSuite, runSuite, startSuite } from './suite.mjs';

const { values } = parseArgs({ options: { only: { type: 'string', multiple: true, default: [] }, list: { type: 'boolean', default: false } } });
const wanted = (name) => values.only.length === 0 || values.only.some((pattern) => name.includes(pattern));

const AGENT = `${NODE} ${join(import.meta.dirname, 'agent.mjs')}`;
const CALLBACK_HOST = '127.0.0.1';

let [passed, failed, notYet] = [0, 0, 0];

function ok(name, counts = '') {
  passed += 1;
  console.log(`ok ${name}${counts}`);
}

function fail(name, counts, why) {
  failed += 1;
  console.log(`FAIL ${name}${counts}`);
  why.forEach((line) => console.log(`    ${line}`));
}

function later(name, reason, checks) {
  notYet += 1;
  const now = checks?.length ? ` (now ${good(checks).length}/${bad(checks).length})` : '';
  console.log(`not yet ${name}: ${reason}${now}`);
}

const good = (checks) => checks.filter(({ status }) => status === 'SUCCESS');
const bad = (checks) => checks.filter(({ status }) => !['SUCCESS', 'INFO'].includes(status));

/** Judges one scenario by its checks; those in `except` are not yet served. */
function judge(name, checks, except) {
  const failures = bad(checks ?? []).filter(({ id, name: named }) => !(id in except) && !(named in except));
  const counts = ` (${good(checks ?? []).length}/${failures.length})`;
  if (!checks) fail(name, '', ['the suite did not run it']);
  else if (failures.length === 0 && good(checks).length > 0) ok(name, counts);
  else fail(name, counts, failures.map(describe));
  for (const [key, reason] of Object.entries(except)) {
    const these = (checks ?? []).filter(({ id, name: named }) => key === id || key === named);
    if (these.length > 0 && bad(these).length === 0) fail(`${name}: ${key}`, '', ['passes now: take it out of scenarios.mjs']);
    else later(`${name}: ${key}`, reason);
  }
}

const describe = ({ id, status, errorMessage, details }) => `${status} ${id}: ${errorMessage ?? ''} ${JSON.stringify(details ?? {}).slice(0, 1500)}`;

/** Runs what is wanted of `{ pass, notYet }` with one run of the suite, and judges it. */
async function group(title, { pass, notYet: waiting = {} }, run) {
  const named = (scenario) => `${title}: ${scenario}`;
  const [must, may] = [Object.keys(pass), Object.keys(waiting)].map((names) => names.filter((name) => wanted(named(name))));
  if (values.list) return [...must, ...may].forEach((name) => console.log(named(name)));
  if (must.length + may.length === 0) return undefined;
  let results = {};
  if (run) results = await run(must).catch((error) => ({ error }));
  if (results.error) return fail(title, '', [inspect(results.error)]);
  for (const name of must) judge(named(name), results[name], pass[name]);
  for (const name of may) {
    const checks = results[name] ?? [];
    if (good(checks).length > 0 && bad(checks).length === 0) fail(named(name), '', ['passes now: move it in scenarios.mjs']);
    else later(named(name), waiting[name], checks);
  }
  return undefined;
}

/** A free port, for a listener of the suite's that can't choose one itself. */
async function freePort() {
  const server = createServer();
  await new Promise((listening) => server.listen(0, CALLBACK_HOST, listening));
  const { port } = server.address();
  await new Promise((closed) => server.close(closed));
  return port;
}

/** Opens the callback. The suite prints its link before it listens there, and a person is never so quick. */
async function comeBack(callback) {
  for (let tries = 100; ; tries -= 1) {
    try {
      return await fetch(callback);
    } catch (error) {
      if (error.cause?.code !== 'ECONNREFUSED' || tries === 0) throw error;
      await new Promise((later) => setTimeout(later, 50));
    }
  }
}

/** The suite's authorization scenarios, with a person who follows the link that the suite prints. */
async function judgeProvider({ ready }, makeClient, issuer = ready.issuer) {
  const port = await freePort();
  const callback = `http://${CALLBACK_HOST}:${port}/callback`;
  const suite = startSuite('authorization', '--url', issuer, '--client-id', await makeClient(callback), '--resource', ready.mcp, '--port', String(port));
  const done = suite.checks();
  const link = suite.child.line(20_000, 'the link', (line) => line.startsWith(`${issuer}/`) && line);
  const walk = link.then((url) => signIn({ url, callback, ...ready.demo })).then((walked) => comeBack(walked.callback));
  return (await Promise.all([done, walk]))[0];
}

/** Each scenario of the suite is in a list, and each list names scenarios of the suite. */
async function judgeLists() {
  const all = (lists, extensions) => [...Object.entries(lists).flatMap(([version, { pass, notYet: waiting }]) => [...Object.keys(pass), ...Object.keys(waiting)].map((name) => `${name} ${version}`)), ...Object.keys({ ...extensions.pass, ...extensions.notYet }).map((name) => `${name} extension`)].sort();
  for (const [kind, lists, extensions] of [['server', SERVER, EXTENSIONS], ['client', USHER_AGENT, { notYet: CLIENT_EXTENSIONS }]]) {
    const name = `lists: every ${kind} scenario of the suite is named`;
    if (!wanted(name)) continue;
    if (values.list) {
      console.log(name);
      continue;
    }
    const theirs = Object.entries(await listSuite(kind)).flatMap(([scenario, versions]) => versions.map((version) => `${scenario} ${version}`)).sort();
    const ours = all(lists, extensions);
    const wrong = [...theirs.filter((one) => !ours.includes(one)).map((one) => `not named: ${one}`), ...ours.filter((one) => !theirs.includes(one)).map((one) => `unknown: ${one}`)];
    if (wrong.length === 0) ok(name);
    else fail(name, '', wrong);
  }
}

/** Stops a server, and says how it ended. */
async function ended(child) {
  const how = await child.stop();
  return { 'ends cleanly afterwards': [{ id: 'exit', status: how === 0 ? 'SUCCESS' : 'FAILURE', details: { how, log: child.tail() } }] };
}

await judgeLists();

/** Runs the suite against one server, every version, and sees that it had to sign in and ends well. */
async function judgeServer(title, launch, versions, extensions) {
  const lists = { ...versions, extensions };
  const tokenless = 'without a token the suite gets nowhere';
  const ends = 'ends cleanly afterwards';
  const names = [...Object.entries(lists).flatMap(([version, { pass, notYet: waiting }]) => Object.keys({ ...pass, ...waiting }).map((name) => `${title}, ${version}: ${name}`)), `${title}: ${tokenless}`, `${title}: ${ends}`];
  if (!names.some(wanted)) return;
  const server = values.list ? undefined : await launch();
  const token = server && (await tokenFor(server, 'Conformance suite', server.ready.mcp));
  const proxy = server && (await tokenProxy(server.ready.mcp, () => token));
  for (const [version, list] of Object.entries(versions)) {
    await group(`${title}, ${version}`, list, () => runSuite('server', '--url', proxy.url, '--suite', 'all', '--spec-version', version));
  }
  // In a suite of all the extensions' are left out.
  await group(`${title}, extensions`, extensions, async (names) => {
    const results = {};
    for (const name of names) Object.assign(results, await runSuite('server', '--url', proxy.url, '--scenario', name));
    return results;
  });
  await group(title, { pass: { [tokenless]: {} } }, async () => {
    const { status } = await knock(server.ready.mcp);
    return { [tokenless]: [{ id: 'status', status: status === 401 ? 'SUCCESS' : 'FAILURE', details: { status } }] };
  });
  await proxy?.stop();
  await group(title, { pass: { [ends]: {} } }, () => ended(server));
}

await judgeServer('server', conformanceServer, SERVER, EXTENSIONS);
await judgeServer('rmcp server', rmcpServer, RMCP_SERVER, RMCP_EXTENSIONS);

const usher = values.list ? undefined : await usherDev();
const asRegistered = async (callback) => register(await discover(usher.ready.issuer), { name: 'Conformance suite', redirectUri: callback });
await group('provider, registered client', { pass: PROVIDER }, () => judgeProvider(usher, asRegistered));
await group('provider, official app', { pass: PROVIDER }, () => judgeProvider(usher, async () => usher.ready.official_client_id));

let bridge;
await group('bridge, registered client', { pass: BRIDGE }, async () => {
  bridge ??= await usherDev({ USHER_REGISTRATION_MODE: 'bridge' });
  const { url } = bridge.ready;
  const metadata = await (await fetch(`${url}/.well-known/oauth-authorization-server`)).json();
  return judgeProvider(bridge, (redirectUri) => register(metadata, { name: 'Conformance Suite', redirectUri }), url);
});

for (const [version, lists] of Object.entries(USHER_AGENT)) {
  await group(`usher agent, ${version}`, lists, () => runSuite('client', '--command', AGENT, '--suite', 'all', '--spec-version', version));
}
await group('usher agent, extensions', { pass: {}, notYet: CLIENT_EXTENSIONS });

await group('usher dev', { pass: { 'ends cleanly afterwards': {} } }, () => ended(usher));
await endAll();

if (!values.list) {
  console.log(`${notYet} not yet`);
  console.log(`${passed} passed, ${failed} failed`);
}
process.exit(failed === 0 && (values.list || passed > 0) ? 0 : 1);
