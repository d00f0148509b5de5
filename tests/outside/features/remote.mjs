// Drives one remote-controlled client (clients/remote_*): commands in, outcomes and events out.

import { Failure, start } from '../kit.mjs';

const BOUND_MS = 20_000;

/** An outcome of a command that the client reports as an error; `code` is the JSON-RPC error's. */
export class Failed extends Error {
  constructor({ code, message }) {
    super(message);
    this.code = code;
  }
}

/** A client's process. Commands may run side by side. */
export class Remote {
  #child;
  #commands = 0;

  constructor(name, command, script) {
    this.#child = start(name, command, [script], { stdin: 'pipe' });
    this.#child.process.stdin.on('error', () => {}); // a client that died says why in its log
  }

  /** Sends a command, and gives its outcome. */
  async do(command, job = {}) {
    this.#commands += 1;
    const id = this.#commands;
    this.#child.process.stdin.write(`${JSON.stringify({ id, do: command, ...job })}\n`);
    const outcome = await this.#line(`${command} to be done`, (line) => line.id === id && line);
    if (outcome.failed) throw new Failed(outcome.failed);
    return outcome.done;
  }

  /** The next event of this kind for which `wanted` holds, after those with a number up to `after`. */
  event(kind, what, wanted = () => true, after = 0) {
    return this.#line(what, (line) => line.event === kind && line.n > after && wanted(line) && line);
  }

  /** All events of a kind so far, after those with a number up to `after`. */
  events(kind, after = 0) {
    return this.#child.lines.flatMap(read).filter((line) => line.event === kind && line.n > after);
  }

  /** The number of the last event so far. */
  get last() {
    return Math.max(0, ...this.#child.lines.flatMap(read).map((line) => line.n ?? 0));
  }

  async #line(what, wanted) {
    const found = (line) => read(line).map(wanted).find(Boolean);
    try {
      return await this.#child.line(BOUND_MS, what, found);
    } catch (error) {
      throw new Failure(error.message, [this.#child]);
    }
  }

  /** Ends the process; its input's end is enough for it. */
  async stop() {
    this.#child.process.stdin.end();
    return this.#child.stop();
  }
}

/** What a line of output says: nothing, or one thing. */
function read(line) {
  if (!line.startsWith('{')) return [];
  try {
    return [JSON.parse(line)];
  } catch {
    return []; // a line of the log that begins like JSON
  }
}
