// The bench the judges sit on: starting and ending processes, running tests, counting them.
//
// Every process that is started here is known by its pid and is ended (SIGTERM, then SIGKILL
// after a bound) when its suite ends, when the run ends, and when the run is interrupted.

import { spawn } from 'node:child_process';
import { createServer } from 'node:http';
import { createInterface } from 'node:readline';
import { join } from 'node:path';

export const HERE = import.meta.dirname;
export const ROOT = join(HERE, '..', '..');
export const NODE = process.execPath;
export const PYTHON = { 1: join(HERE, '.cache/py-1.30.0/bin/python'), 2: join(HERE, '.cache/py-2.3.0/bin/python'), fastmcp: join(HERE, '.cache/py-fastmcp-4.1.2/bin/python') };

const KEPT_LOG_LINES = 400;
const STOP_BOUND_MS = 5_000;
const running = new Set();

/** A child process whose output is kept (the last lines of it). */
class Child {
  #waiting = new Set();

  constructor(name, command, args, { env = {}, stdin = 'ignore' } = {}) {
    this.name = name;
    this.lines = [];
    this.process = spawn(command, args, { env: { ...process.env, ...env }, stdio: [stdin, 'pipe', 'pipe'], cwd: ROOT });
    this.exited = new Promise((resolve) => {
      this.process.once('error', (error) => resolve(`could not start: ${error.message}`));
      this.process.once('exit', (code, signal) => resolve(signal ?? code));
    });
    running.add(this);
    this.exited.then(() => running.delete(this));
    this.firstLine = new Promise((resolve) => {
      createInterface({ input: this.process.stdout }).on('line', (line) => {
        resolve(line);
        this.#keep(line);
      }).once('close', () => resolve(null));
    });
    createInterface({ input: this.process.stderr }).on('line', (line) => this.#keep(line));
  }

  #keep(line) {
    this.lines.push(line);
    if (this.lines.length > KEPT_LOG_LINES) this.lines.shift();
    this.#waiting.forEach((look) => look(line));
  }

  /** The first line, said already or yet to come, for which `wanted` gives something; gives that. */
  async line(ms, what, wanted) {
    for (const line of this.lines) if (wanted(line)) return wanted(line);
    let look;
    const said = new Promise((resolve) => {
      look = (line) => wanted(line) && resolve(wanted(line));
      this.#waiting.add(look);
    });
    const ended = this.exited.then((how) => Promise.reject(new Error(`${this.name} ended (${how}) before ${what}`)));
    return within(ms, what, Promise.race([said, ended])).finally(() => this.#waiting.delete(look));
  }

  tail(count = 30) {
    return this.lines.slice(-count);
  }

  /** Ends the process and says how it ended: 0 for a clean exit, else a code or a signal. */
  async stop() {
    if (this.process.exitCode === null && this.process.signalCode === null) this.process.kill('SIGTERM');
    const kill = setTimeout(() => this.process.kill('SIGKILL'), STOP_BOUND_MS);
    const how = await this.exited;
    clearTimeout(kill);
    return how;
  }
}

/** Starts a server that prints one JSON line when it is ready; that line is `ready`. */
export async function launch(name, command, args, { env, readyMs = 30_000 } = {}) {
  const child = new Child(name, command, args, { env });
  const line = await within(readyMs, `${name} to be ready`, Promise.race([child.firstLine, child.exited.then((how) => ({ how }))])).catch((error) => ({ error }));
  try {
    if (typeof line !== 'string') throw new Error(line?.error?.message ?? `ended before it was ready (${line?.how ?? 'no output'})`);
    child.ready = JSON.parse(line);
  } catch (error) {
    await child.stop();
    throw new Failure(`${name}: ${error.message}`, [child]);
  }
  return child;
}

/** Starts a program that says what it does line by line. */
export const start = (name, command, args, options) => new Child(name, command, args, options);

/** Runs a client script: `job` goes in as JSON on stdin, its one JSON line of output comes back. */
export async function runClient(name, command, args, job, { timeoutMs = 45_000 } = {}) {
  const child = new Child(name, command, args, { stdin: 'pipe' });
  child.process.stdin.on('error', () => {}); // a client that died early says why in its log
  child.process.stdin.end(JSON.stringify(job));
  try {
    const how = await within(timeoutMs, `${name} to finish`, child.exited);
    if (how !== 0) throw new Error(`${name} ended with ${how}`);
    return JSON.parse(child.lines.findLast((line) => line.startsWith('{"result":'))).result;
  } catch (error) {
    throw new Failure(error.message, [child]);
  } finally {
    await child.stop();
  }
}

/** A test's failure with the processes whose log explains it. */
export class Failure extends Error {
  constructor(message, children = []) {
    super(message);
    this.children = children;
  }
}

export async function within(ms, what, promise) {
  let timer;
  const late = new Promise((_, reject) => {
    timer = setTimeout(() => reject(new Error(`waited ${ms} ms for ${what}`)), ms);
  });
  return Promise.race([promise, late]).finally(() => clearTimeout(timer));
}

/** A client's callback address: a real listener on a free port that remembers what it was sent. */
export async function callbackListener() {
  const hits = [];
  let wake = () => {};
  const server = createServer((request, response) => {
    hits.push(new URL(request.url, `http://${request.headers.host}`));
    response.writeHead(200, { 'content-type': 'text/html' });
    response.end('<!doctype html><title>Callback</title><p>You can close this window.');
    wake();
  });
  await new Promise((listening) => server.listen(0, '127.0.0.1', listening));
  return {
    url: `http://127.0.0.1:${server.address().port}/callback`,
    async next(ms = 10_000) {
      const arrived = new Promise((resolve) => {
        wake = () => hits.some((url) => url.pathname === '/callback') && resolve();
        wake();
      });
      await within(ms, 'the callback', arrived);
      return hits.splice(0).find((url) => url.pathname === '/callback').searchParams;
    },
    close() {
      server.closeAllConnections();
      server.close();
    },
  };
}

const suites = [];
const reports = [];

/**
 * A group of tests that share servers.
 * @param {string} name
 * @param {() => Promise<object>} start  gives what the tests need; whatever has a `stop` among its values is ended afterwards
 * @param {Record<string, ((shared: object) => Promise<void>) | string>} tests  a test's body, or why there can be none
 */
export function suite(name, start, tests) {
  suites.push({ name, start, tests: Object.entries(tests) });
}

/** Adds what is said when all tests have run; `outcome(full name)` is `ok`, `FAIL`, a reason, or nothing for a test that was left out. */
export function report(write) {
  reports.push(write);
}

/** Runs the tests whose name contains one of `patterns` (all without any); true if none failed. */
export async function runSuites(patterns, { list = false } = {}) {
  let [passed, failed] = [0, 0];
  const outcomes = new Map();
  const wanted = (name) => patterns.length === 0 || patterns.some((pattern) => name.includes(pattern));
  for (const { name, start, tests } of suites) {
    const chosen = tests.map(([test, body]) => [`${name}: ${test}`, body]).filter(([full]) => wanted(full));
    if (list) chosen.forEach(([full]) => console.log(full));
    if (list || chosen.length === 0) continue;
    let shared;
    let startError;
    try {
      shared = await within(60_000, `the servers of ${name}`, start());
    } catch (error) {
      startError = error;
    }
    const servers = Object.values(shared ?? {}).filter((value) => typeof value?.stop === 'function');
    for (const [full, body] of chosen) {
      if (typeof body === 'string') {
        outcomes.set(full, body);
        console.log(`not ${full}: ${body}`);
        continue;
      }
      const begun = performance.now();
      const took = () => `(${((performance.now() - begun) / 1000).toFixed(1)} s)`;
      try {
        if (startError) throw startError;
        await within(90_000, full, body(shared));
        passed += 1;
        outcomes.set(full, 'ok');
        console.log(`ok ${full} ${took()}`);
      } catch (error) {
        failed += 1;
        outcomes.set(full, 'FAIL');
        console.log(`FAIL ${full} ${took()}`);
        explain(error, servers);
      }
    }
    for (const server of [...servers].reverse()) await server.stop();
    await endAll(); // a start that failed half-way leaves its first servers behind
  }
  if (!list) reports.forEach((write) => write((full) => outcomes.get(full)));
  if (!list) console.log(`${passed} passed, ${failed} failed`);
  return failed === 0 && (list || passed > 0);
}

function explain(error, servers) {
  const indent = (text, by) => text.split('\n').map((line) => by + line).join('\n');
  console.log(indent(error instanceof Failure ? error.message : (error.stack ?? String(error)), '    '));
  for (const child of [...(error.children ?? []), ...servers].filter((one) => one instanceof Child)) {
    console.log(`    -- last lines of ${child.name}`);
    console.log(indent(child.tail().join('\n'), '    | '));
  }
}

export async function endAll() {
  await Promise.all([...running].map((child) => child.stop()));
}

for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP']) {
  process.once(signal, () => endAll().finally(() => process.exit(130)));
}
process.on('exit', () => running.forEach((child) => child.process.kill('SIGKILL')));
