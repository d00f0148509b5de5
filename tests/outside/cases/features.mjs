// Every feature, over every transport and era that a client has, with authentication on: each cell of
// the table of clients and features is a test of its own, or the reason why there can be none.
//
// The clients are remote-controlled (../clients/remote_*), the features in ../features/features.mjs, the
// server is examples/conformance. Each client has a token of its own, each test a connection.

import assert from 'node:assert/strict';
import { join } from 'node:path';
import { breakable } from '../features/breaking.mjs';
import { FEATURES, MODERN } from '../features/features.mjs';
import { Remote } from '../features/remote.mjs';
import { printTable } from '../features/table.mjs';
import { HERE, NODE, PYTHON, report, suite } from '../kit.mjs';
import { conformanceServer, tokenFor } from './usher.mjs';

const LEGACY = '2025-11-25';
const script = (name) => join(HERE, 'clients', name);

// A TypeScript client forgets a call's listener when the answer comes, and tells it of progress a moment
// later than it reads it: what came in one piece with the answer is lost.
const typescript = { command: NODE, dropsLastProgress: true };

const TS_1 = { ...typescript, knowsTasks: true, client: 'TypeScript SDK 1.32.2', short: 'TS 1', script: script('remote_ts_1.mjs') };
const TS_2 = { ...typescript, knowsTasks: true, onlyPollsOldTasks: true, client: 'TypeScript client 2.4.0', short: 'TS 2', script: script('remote_ts_2.mjs'), readsOldCodesAsNew: true };
const PYTHON_1 = { knowsTasks: true, client: 'Python 1.30.0', short: 'Py 1', command: PYTHON[1], script: script('remote_python_1.py') };
const PYTHON_2 = { client: 'Python 2.3.0', short: 'Py 2', command: PYTHON[2], script: script('remote_python_2.py') };

const sse = (client) => ({ ...client, transport: 'sse', version: LEGACY, name: `${client.client} on /sse` });
const sessions = (client) => ({ ...client, transport: 'http', version: LEGACY, name: `${client.client} on /mcp` });
const modern = (client) => ({ ...client, transport: 'http', version: MODERN, name: `${client.client} on /mcp, ${MODERN}` });

const WAYS = [sse(TS_1), sessions(TS_1), sse(TS_2), sessions(TS_2), modern(TS_2), sse(PYTHON_1), sessions(PYTHON_1), sse(PYTHON_2), sessions(PYTHON_2), modern(PYTHON_2)];
const suiteName = (way) => `features, ${way.name}`;

/** A client with a connection of its own, which `cut` breaks. */
class Connected {
  constructor(remote, cut) {
    this.remote = remote;
    this.cut = cut;
    this.begin = remote.last;
  }

  do(command, job) {
    return this.remote.do(command, job);
  }

  list(what) {
    return this.do('list', { what });
  }

  call(name, more = {}) {
    return this.do('call', { name, ...more });
  }

  events(kind) {
    return this.remote.events(kind, this.begin);
  }

  event(kind, what, wanted) {
    return this.remote.event(kind, what, wanted, this.begin);
  }

  http() {
    return this.events('http');
  }

  /** Notifications of this method so far. */
  heard(method) {
    return this.events('told').filter((one) => one.method === method);
  }

  /** A notification that has come or will. */
  told(method, wanted = () => true) {
    return this.event('told', method, (one) => one.method === method && wanted(one));
  }

  /** What the server has asked by this method so far. */
  allAsked(method) {
    return this.events('asked').filter((one) => one.method === method);
  }

  /** The same where it asks once. */
  asked(method) {
    const asked = this.allAsked(method);
    assert.equal(asked.length, 1, `${method} was asked ${asked.length} times`);
    return asked[0];
  }
}

const endpoint = (server, way) => (way.transport === 'sse' ? server.ready.sse : server.ready.mcp);

async function tryFeature({ remote, server, token }, way, feature) {
  const road = await breakable(endpoint(server, way));
  const client = new Connected(remote, road.cut);
  try {
    const hello = await client.do('connect', { url: road.url, transport: way.transport, version: way.version, bearer: token, answers: feature.answers });
    assert.equal(hello.version, way.version, 'protocol version');
    await feature.run(client, way);
    await client.do('close');
  } catch (error) {
    await client.do('close').catch(() => {}); // what failed is known; the next test begins with nothing left
    throw error;
  } finally {
    road.stop();
  }
  judgeWire(way, client.http());
}

/** What holds for every connection: nothing was refused, and it went the way it was meant to go. */
function judgeWire(way, http) {
  const written = http.map(({ method, path, rpc, status }) => `${method} ${path} ${rpc} ${status}`).join('\n');
  const count = (wanted) => http.filter(wanted).length;
  assert.equal(count(({ status }) => status >= 400), 0, `something was refused:\n${written}`);
  if (way.transport === 'sse') {
    assert.equal(count(({ method, path }) => method === 'GET' && path === '/sse'), 1, `not one stream:\n${written}`);
    assert.equal(count(({ path }) => path === '/mcp'), 0, `the other transport:\n${written}`);
  } else if (way.version === MODERN) {
    assert.equal(count(({ method, rpc, headers }) => method !== 'POST' || rpc === 'initialize' || headers['mcp-session-id']), 0, `not stateless:\n${written}`);
  } else {
    assert.equal(count(({ rpc }) => rpc === 'initialize'), 1, `not one session:\n${written}`);
    assert.equal(count(({ method, path }) => method === 'DELETE' && path === '/mcp'), 1, `the session was not ended:\n${written}`);
  }
}

const LEFT = ['usher_sessions_live', 'usher_streams_open', 'usher_panics_total', 'usher_session_owner_mismatch_total'];
const NOTICED_MS = 5_000;

/** Nothing is kept for clients that have gone, as soon as that was noticed, and nothing went wrong unseen. */
async function nothingIsLeft({ server }) {
  const until = performance.now() + NOTICED_MS;
  let left;
  do {
    const lines = (await (await fetch(`${server.ready.admin}/metrics`)).text()).split('\n');
    left = lines.filter((line) => LEFT.some((name) => line.startsWith(name)) && Number(line.split(' ').at(-1)) > 0);
    if (left.length > 0) await new Promise((later) => setTimeout(later, 50));
  } while (left.length > 0 && performance.now() < until);
  assert.deepEqual(left, []);
  assert.equal(await server.stop(), 0, 'the server did not end cleanly');
}

for (const way of WAYS) {
  const tests = {};
  for (const [name, feature] of Object.entries(FEATURES)) tests[name] = feature.not?.(way) || ((shared) => tryFeature(shared, way, feature));
  tests['nothing is left on the server'] = nothingIsLeft;
  suite(suiteName(way), () => begin(way), tests);
}

async function begin(way) {
  const server = await conformanceServer();
  const token = await tokenFor(server, way.name, endpoint(server, way));
  return { server, token, remote: new Remote(way.name, way.command, way.script) };
}

report((outcome) => printTable(Object.keys(FEATURES), WAYS, (feature, way) => outcome(`${suiteName(way)}: ${feature}`)));
