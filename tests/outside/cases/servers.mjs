// `usher agent` as a client of servers that others wrote: npm's server-everything and PyPI's fastmcp.
//
// They want no sign-in. Questions are answered by flags, and once on a real terminal, by a person who
// reads and types (clients/terminal.py).

import assert from 'node:assert/strict';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Failure, HERE, NODE, PYTHON, runClient, start, suite, within } from '../kit.mjs';
import { agentCommand, usherAgent } from './usher.mjs';

const FASTMCP = PYTHON.fastmcp;

async function freePort() {
  const server = createServer();
  await new Promise((listening) => server.listen(0, '127.0.0.1', listening));
  const { port } = server.address();
  await new Promise((closed) => server.close(closed));
  return port;
}

/** A server that says on one of its lines that it listens, and the URL it serves. */
async function serve(name, command, args, path, { env, ready }) {
  const port = await freePort();
  const server = start(name, command, args(port), { env: env?.(port) });
  await server.line(60_000, `${name} to listen`, (line) => ready.test(line));
  server.url = `http://127.0.0.1:${port}${path}`;
  return server;
}

const everything = (transport, path) => serve(`server-everything ${transport}`, NODE, () => [join(HERE, 'node_modules/@modelcontextprotocol/server-everything/dist/index.js'), transport], path, { env: (port) => ({ PORT: String(port) }), ready: /(listening|running) on port/i });

const fastmcp = (transport, path) => serve(`fastmcp ${transport}`, FASTMCP, (port) => [join(HERE, 'servers/fastmcp_server.py'), transport, String(port)], path, { ready: /running on/i });

/** Runs the agent with `--json`: how it ended, its result, and its events. */
async function ask({ url }, ...words) {
  const agent = usherAgent(url, ...words, '--json');
  try {
    const how = await within(30_000, 'usher agent to finish', agent.exited);
    const lines = agent.lines.map((line) => JSON.parse(line));
    return { how, result: lines.find((line) => !line.event), events: lines.filter((line) => line.event), lines: agent.lines };
  } catch (error) {
    throw new Failure(error.message, [agent]);
  } finally {
    await agent.stop();
  }
}

/** The same, of what has to end well: the result. */
async function well(server, ...words) {
  const { how, result, lines } = await ask(server, ...words);
  assert.equal(how, 0, lines.join('\n'));
  return result;
}

const text = (result) => result.content.map((block) => block.text ?? '').join('\n');

/** Runs the agent on a terminal where somebody does `steps`: how it ended, and what was shown. */
async function onTerminal({ url }, words, steps) {
  const job = { command: [...agentCommand(), url, ...words], steps };
  const { code, shown } = await runClient('terminal', 'python3', [join(HERE, 'clients/terminal.py')], job);
  return { code, shown };
}

const everythingTests = {
  'lists what there is': async ({ server }) => {
    const { tools } = await well(server, 'tools');
    assert.ok(tools.some(({ name }) => name === 'get-sum'));
    assert.ok((await well(server, 'resources')).resources.length > 0);
    assert.equal((await well(server, 'templates')).resourceTemplates.length, 2);
    assert.ok((await well(server, 'prompts')).prompts.some(({ name }) => name === 'args-prompt'));
    assert.ok((await well(server, 'info')).capabilities.completions);
    assert.ok((await well(server, 'ping')).milliseconds > 0);
  },
  'gives arguments their types': async ({ server }) => {
    assert.match(text(await well(server, 'call', 'get-sum', '--arg', 'a=1', '--arg', 'b=2.5')), /3\.5/);
    assert.match(text(await well(server, 'call', 'echo', '--arg', 'message=42')), /Echo: 42/);
    const { structuredContent } = await well(server, 'call', 'get-structured-content', '--args', '{"location":"Chicago"}');
    assert.ok(structuredContent.conditions);
  },
  'reads resources, text and bytes': async ({ server }) => {
    const directory = mkdtempSync(join(tmpdir(), 'usher-agent-'));
    const file = join(directory, 'out');
    await well(server, 'read', 'demo://resource/dynamic/blob/1', '--output', file);
    assert.match(readFileSync(file, 'utf8'), /^Resource 1/);
    await well(server, 'call', 'get-tiny-image', '--output', file);
    assert.deepEqual([...readFileSync(file).subarray(1, 4)], [...Buffer.from('PNG')]);
    rmSync(directory, { recursive: true });
    const { contents } = await well(server, 'read', 'demo://resource/dynamic/text/7');
    assert.match(contents[0].text, /Resource 7/);
  },
  'fills a prompt in and completes its arguments': async ({ server }) => {
    const { messages } = await well(server, 'prompt', 'args-prompt', '--arg', 'city=Paris');
    assert.match(messages[0].content.text, /Paris/);
    const { completion } = await well(server, 'complete', '--prompt', 'completable-prompt', 'department=En');
    assert.deepEqual(completion.values, ['Engineering']);
    const named = await well(server, 'complete', '--prompt', 'completable-prompt', 'name=', '--arg', 'department=Sales');
    assert.ok(named.completion.values.length > 0);
  },
  'shows how far a call is': async ({ server }) => {
    const { how, events } = await ask(server, 'call', 'trigger-long-running-operation', '--arg', 'duration=1', '--arg', 'steps=4');
    assert.equal(how, 0);
    assert.deepEqual(events.filter(({ event }) => event === 'progress').map(({ progress, total }) => `${progress}/${total}`), ['1/4', '2/4', '3/4', '4/4']);
  },
  'answers a form by flags, and takes the defaults': async ({ server }) => {
    const result = await well(server, 'call', 'trigger-elicitation-request', '--answer', 'name=Ada', '--answer', 'integer=7');
    const { action, content } = JSON.parse(text(result).split('Raw result: ')[1]);
    assert.equal(action, 'accept');
    assert.equal(content.name, 'Ada');
    assert.equal(content.integer, 7);
    assert.equal(content.number, 3.14);
    assert.deepEqual(content.titledMultipleSelectEnum, ['fish-1']);
  },
  'declines a form that nobody answers, and says how to': async ({ server }) => {
    for (const [flags, why] of [[[], /--answer name=/], [['--answer', 'name=Ada', '--answer', 'integer=many'], /integer: a whole number/], [['--decline'], /--decline/]]) {
      const { how, result, events } = await ask(server, 'call', 'trigger-elicitation-request', ...flags);
      assert.equal(how, 0);
      assert.match(text(result), /decline/);
      assert.match(events.find(({ event }) => event === 'asked').why, why);
    }
  },
  'visits a page only if its host is named': async ({ server }) => {
    const call = ['call', 'trigger-url-elicitation', '--arg', 'url=https://example.com/pay'];
    assert.match(text(await well(server, ...call)), /decline/);
    assert.match(text(await well(server, ...call, '--accept-url', 'other.example')), /decline/);
    assert.match(text(await well(server, ...call, '--accept-url', 'example.com')), /accept/);
  },
  'lets a program be the model': async ({ server }) => {
    const directory = mkdtempSync(join(tmpdir(), 'usher-agent-'));
    const model = join(directory, 'model');
    writeFileSync(model, '#!/bin/sh\ngrep -q "What is up" && echo "Not much"\n', { mode: 0o700 });
    const result = await well(server, 'call', 'trigger-sampling-request', '--arg', 'prompt=What is up?', '--sampling-command', model);
    rmSync(directory, { recursive: true });
    assert.match(text(result), /Not much/);
  },
  'offers what it was given and no more': async ({ server }) => {
    const without = (await well(server, 'tools')).tools.map(({ name }) => name);
    assert.ok(!without.includes('trigger-sampling-request') && !without.includes('get-roots-list'), without.join());
    assert.match(text(await well(server, 'call', 'get-roots-list', '--root', HERE)), new RegExp(`file://${HERE}`));
  },
  'withdraws a call on Ctrl-C': async ({ server }) => {
    const agent = usherAgent(server.url, 'call', 'trigger-long-running-operation', '--arg', 'duration=60', '--arg', 'steps=600', '--json');
    await agent.line(15_000, 'progress', (line) => line.startsWith('{"event":"progress"'));
    agent.process.kill('SIGINT');
    assert.equal(await within(10_000, 'usher agent to finish', agent.exited), 130);
  },
  'ends with a code of its own for each way to fail': async ({ server }) => {
    const long = ['call', 'trigger-long-running-operation', '--arg', 'duration=30', '--arg', 'steps=1'];
    for (const [words, code] of [
      [['call', 'get-resource-reference', '--arg', 'resourceId:=-1'], 3],
      [['read', 'demo://nowhere'], 1],
      [['call', 'nothing'], 3],
      [[...long, '--timeout', '500ms'], 4],
      [[...long, '--max-time', '500ms'], 4],
      [['call'], 2],
    ]) {
      const agent = usherAgent(server.url, ...words);
      assert.equal(await within(20_000, 'usher agent to finish', agent.exited), code, agent.lines.join('\n'));
    }
  },
  'asks a person at a terminal': async ({ server }) => {
    const { code, shown } = await onTerminal(server, ['call', 'trigger-elicitation-request'], [
      { see: 'legal name', type: 'Ada' },
      { see: 'yes or no', type: 'y' },
      { see: 'It was a dark and stormy night.', type: '' },
      { see: 'Your email address', type: 'nobody' },
      { see: 'an email address, as', type: 'ada@example.com' },
      { see: 'Portfolio', type: '' },
      { see: 'date, as', type: '2001-02-30' },
      { see: 'is wanted', type: '2001-02-03' },
      { see: 'whole number', type: '7' },
      { see: '[3.14]', type: '' },
      { see: 'one of these', type: '2' },
      { see: 'separated by commas', type: '1,2' },
      { see: 'one of these', type: '' },
      { see: 'separated by commas', type: '' },
      { see: 'one of these', type: 'cats' },
      { see: 'Send this?', type: 'y' },
    ]);
    assert.equal(code, 0, shown);
  },
};

/** Over HTTP+SSE only: this server says it once, at the client's hello, and over Streamable HTTP no stream can be open by then. */
const watchTests = {
  'hears of changes until it has heard enough': async ({ server }) => {
    const { how, result } = await ask(server, 'watch', '--count', '1');
    assert.equal(how, 0);
    assert.equal(result.method, 'notifications/tools/list_changed');
  },
};

for (const [transport, path] of [['streamableHttp', '/mcp'], ['sse', '/sse']]) {
  suite(`usher agent, server-everything ${transport}`, async () => ({ server: await everything(transport, path) }), transport === 'sse' ? { ...everythingTests, ...watchTests } : everythingTests);
}

const fastmcpTests = (questions) => ({
  'lists, calls, reads and fills in': async ({ server }) => {
    assert.deepEqual((await well(server, 'tools')).tools.map(({ name }) => name), ['add', 'book', 'count']);
    assert.deepEqual((await well(server, 'call', 'add', '--arg', 'a=1', '--arg', 'b=2')).structuredContent, { result: 3 });
    assert.equal((await well(server, 'read', 'notes://today')).contents[0].text, 'Buy milk');
    assert.equal((await well(server, 'read', 'notes://monday')).contents[0].text, 'Notes of monday');
    assert.equal((await well(server, 'templates')).resourceTemplates.length, 1);
    assert.match((await well(server, 'prompt', 'review', '--arg', 'language=rust')).messages[0].content.text, /rust/);
    assert.ok((await well(server, 'ping')).milliseconds > 0);
  },
  'shows progress and logs': async ({ server }) => {
    const { how, events } = await ask(server, 'call', 'count', '--arg', 'to=2', '--server-log', 'info');
    assert.equal(how, 0);
    assert.deepEqual(events.filter(({ event }) => event === 'progress').map(({ message }) => message), ['step 1', 'step 2']);
    assert.deepEqual(events.filter(({ event }) => event === 'log').map(({ data }) => data.msg ?? data), ['at 1', 'at 2']);
  },
  ...questions,
});

const asks = {
  'answers a form': async ({ server }) => {
    assert.match(text(await well(server, 'call', 'book', '--answers', '{"name":"Ada","seats":2}')), /2 aisle seats for Ada/);
    assert.match(text(await well(server, 'call', 'book', '--answer', 'name=Ada', '--answer', 'seats=2', '--answer', 'seat=window')), /2 window seats/);
    assert.match(text(await well(server, 'call', 'book')), /decline/);
  },
  'asks a person at a terminal': async ({ server }) => {
    const { code, shown } = await onTerminal(server, ['call', 'book'], [
      { see: 'Whom do we book for?', type: 'Ada' },
      { see: 'Seats (whole number)', type: 'two' },
      { see: 'a whole number is wanted', type: '2' },
      { see: '2) aisle', type: '1' },
      { see: 'Send this?', type: 'y' },
    ]);
    assert.equal(code, 0, shown);
    assert.match(shown, /2 window seats for Ada/);
  },
  'lets a person at a terminal say no, or Ctrl-C': async ({ server }) => {
    const said = await onTerminal(server, ['call', 'book'], [{ see: 'Whom do we book for?', type: '/decline' }]);
    assert.equal(said.code, 0, said.shown);
    assert.match(said.shown, /decline/);
    const interrupted = await onTerminal(server, ['call', 'book'], [{ see: 'Whom do we book for?', type: '^C' }]);
    assert.equal(interrupted.code, 130, interrupted.shown);
  },
};

suite('usher agent, fastmcp http', async () => ({ server: await fastmcp('http', '/mcp') }), fastmcpTests({}));
suite('usher agent, fastmcp sse', async () => ({ server: await fastmcp('sse', '/sse') }), fastmcpTests(asks));
