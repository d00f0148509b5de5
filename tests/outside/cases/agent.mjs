// `usher agent`: the third-party agent of this project, run as a person runs it.
//
// Its page opens in "a browser" (sign_in.mjs follows the link it prints, and calls its callback), and
// what it prints at the end is judged. Against the embedded provider and the Logto-like one.

import assert from 'node:assert/strict';
import { Failure, suite, within } from '../kit.mjs';
import { signIn } from '../sign_in.mjs';
import { addUsher, logtoLike, usherAgent, usherDev, usherServe } from './usher.mjs';

const VERSIONS = { '/mcp': ['auto', '2026-07-28', '2025-11-25', '2025-06-18', '2025-03-26'], '/sse': ['auto', '2025-11-25', '2024-11-05'] };

/** The link that the agent asks its user to open. */
const link = (line) => line.match(/^\s+(https?:\/\/\S+)$/)?.[1];

/** Runs the agent, has its user sign in where it asks for it, and gives how it ended and what it said. */
async function go(args, person) {
  const agent = usherAgent(...args);
  try {
    let walk = { pages: [] };
    if (person) {
      const url = await agent.line(15_000, 'the sign-in link', link);
      const callback = new URL(url).searchParams.get('redirect_uri');
      walk = await signIn({ url, callback, ...person });
      const page = await fetch(walk.callback, { signal: AbortSignal.timeout(10_000) });
      walk.closing = await page.text();
    }
    const how = await within(20_000, 'usher agent to finish', agent.exited);
    return { how, walk, lines: agent.lines };
  } catch (error) {
    throw new Failure(error.message, [agent]);
  } finally {
    await agent.stop();
  }
}

/** The claims printed at the end: the lines from the brace on. */
const claims = (lines) => JSON.parse(lines.slice(lines.indexOf('{')).join('\n'));

const tests = {};

for (const [path, versions] of Object.entries(VERSIONS)) {
  for (const version of versions) {
    tests[`on ${path} speaking ${version} registers, signs in and prints the claims`] = async ({ usher }) => {
      const { how, walk, lines } = await go([usher.ready.url + path, '--protocol', version, '--name', 'SmartMail AI'], usher.ready.demo);

      assert.equal(how, 0, lines.join('\n'));
      assert.deepEqual(walk.pages, ['sign-in', 'consent']);
      assert.match(walk.consentText, /SmartMail AI/);
      assert.match(walk.closing, /close this window/i);
      const printed = claims(lines);
      assert.ok(printed.sub && printed.name && printed.email, JSON.stringify(printed));
      if (version !== 'auto') assert.ok(lines.some((line) => line.includes(version)), lines.join('\n'));
    };
  }
}

tests['prints no claim that was not consented to'] = async ({ usher }) => {
  const { how, lines } = await go([usher.ready.mcp], { ...usher.ready.demo, untick: ['email'] });

  assert.equal(how, 0, lines.join('\n'));
  assert.ok(!('email' in claims(lines)), lines.join('\n'));
};

tests['as the official app meets no consent page'] = async ({ usher }) => {
  const { how, walk, lines } = await go([usher.ready.sse, '--client-id', usher.ready.official_client_id], usher.ready.demo);

  assert.equal(how, 0, lines.join('\n'));
  assert.deepEqual(walk.pages, ['sign-in']);
  assert.ok(claims(lines).email);
};

tests['comes to a clear end when access is denied'] = async ({ usher }) => {
  const { how, walk, lines } = await go([usher.ready.mcp], { ...usher.ready.demo, decision: 'deny' });

  assert.equal(how, 1);
  assert.match(lines.join('\n'), /access was denied/);
  assert.match(walk.closing, /close this window/i);
};

tests['gives the result as one line of JSON'] = async ({ usher }) => {
  const agent = usherAgent(usher.ready.mcp, '--json');
  try {
    const asked = await agent.line(15_000, 'the sign-in event', (line) => line.startsWith('{"event":"sign_in"') && JSON.parse(line).url);
    const { callback } = await signIn({ url: asked, callback: new URL(asked).searchParams.get('redirect_uri'), ...usher.ready.demo });
    await fetch(callback);
    assert.equal(await within(20_000, 'usher agent to finish', agent.exited), 0);
    const result = JSON.parse(agent.lines.findLast((line) => !line.startsWith('{"event"')));
    assert.ok(result.structuredContent.sub);
  } finally {
    await agent.stop();
  }
};

tests['says what is wrong where nobody listens'] = async () => {
  const { how, lines } = await go(['http://127.0.0.1:9/mcp']);

  assert.equal(how, 1);
  assert.match(lines.join('\n'), /could not reach 127\.0\.0\.1:9/);
};

suite('usher agent, usher dev', async () => ({ usher: await usherDev() }), tests);

suite(
  'usher agent, Logto-like provider',
  async () => {
    const logto = await logtoLike();
    const usher = await usherServe(logto.ready.issuer);
    await addUsher(logto, usher);
    return { logto, usher };
  },
  {
    'signs in with its client id': async ({ logto, usher }) => {
      const { third_party: client } = logto.ready;
      const { how, lines } = await go([usher.ready.mcp, '--client-id', client.client_id], logto.ready.users[0]);

      assert.equal(how, 0, lines.join('\n'));
      assert.ok(claims(lines).sub);
    },
    'without a client id says that it has to be registered by hand': async ({ usher }) => {
      const { how, lines } = await go([usher.ready.mcp]);

      assert.equal(how, 1);
      assert.match(lines.join('\n'), /--client-id/);
    },
    'cancelled at Logto comes to a clear end': async ({ logto, usher }) => {
      const { third_party: client } = logto.ready;
      const { how, lines } = await go([usher.ready.mcp, '--client-id', client.client_id], { ...logto.ready.users[1], decision: 'deny' });

      assert.equal(how, 1);
      assert.match(lines.join('\n'), /cancelled/);
    },
  },
);
