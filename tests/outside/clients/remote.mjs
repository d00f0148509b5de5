// What the remote-controlled TypeScript clients share: one JSON command per line in, its outcome and
// everything that the server says or asks out. ../features/remote.mjs is at the other end.
//
// In: { id, do, ... }. Out: { id, done } or { id, failed: { code, message } }, and { event, n, ... }:
// `told` (a notification), `asked` (a request of the server's), `progress`, `http` (an exchange).
// Commands: connect, list, call, abandon, driveTask, beginTask, taskStatus, cancelTask, read, prompt, complete,
// level, subscribe, unsubscribe, listen, ping, rootsChanged, close.

import { createInterface } from 'node:readline';
import { recordingFetch } from './agent.mjs';

const say = (line) => process.stdout.write(`${JSON.stringify(line)}\n`);

let events = 0;
const event = (kind, more) => say({ event: kind, n: (events += 1), ...more });

export const CAPABILITIES = { sampling: {}, elicitation: { form: {}, url: {} }, roots: { listChanged: true } };

const LISTS = { tools: 'listTools', prompts: 'listPrompts', resources: 'listResources', resourceTemplates: 'listResourceTemplates' };

/** Writes down each exchange with the headers that matter. */
export function toldFetch() {
  const exchanges = { push: (one) => event('http', one) };
  return recordingFetch(exchanges, ['mcp-session-id', 'mcp-protocol-version', 'mcp-method', 'mcp-name', 'mcp-param-region', 'last-event-id']);
}

/** What the user, the model or the workplace answers to a question of the server's. */
export function answered(job, method, params) {
  event('asked', { method, params });
  return job.answers?.[method];
}

/**
 * Obeys commands until its input ends.
 * @param {object} sdk  what differs between the SDKs:
 *   build(job) -> { client, transport }; answer(client, method, handler); callTool(client, params, options);
 *   listen?(client, filter) -> honored; version(client, transport); end(transport);
 *   driveTask?(client, params) -> { statuses, result?, failed? }; beginTask?(client, params) -> task;
 *   taskStatus?(client, id) -> status; cancelTask?(client, id)
 */
export async function obey(sdk) {
  let client;
  let transport;
  const calls = new Map();
  const closing = [];

  const commands = {
    async connect(job) {
      ({ client, transport } = sdk.build(job));
      for (const method of Object.keys(job.answers ?? {})) {
        sdk.answer(client, method, async (request) => answered(job, method, request.params));
      }
      client.fallbackNotificationHandler = async ({ method, params }) => event('told', { method, params });
      await client.connect(transport);
      return { version: sdk.version(client, transport), capabilities: client.getServerCapabilities(), info: client.getServerVersion(), session: transport.sessionId };
    },
    async list({ what }) {
      return (await client[LISTS[what]]())[what];
    },
    async call({ name, arguments: values, key, progress, meta }) {
      const stop = new AbortController();
      if (key) calls.set(key, stop);
      const options = { signal: stop.signal, ...(progress && { onprogress: (said) => event('progress', { key, ...said }) }) };
      return sdk.callTool(client, { name, arguments: values ?? {}, ...(meta && { _meta: meta }) }, options);
    },
    async abandon({ key }) {
      calls.get(key).abort('enough');
    },
    driveTask: ({ name, arguments: values }) => sdk.driveTask(client, { name, arguments: values ?? {} }),
    beginTask: ({ name, arguments: values }) => sdk.beginTask(client, { name, arguments: values ?? {} }),
    taskStatus: ({ task }) => sdk.taskStatus(client, task),
    cancelTask: ({ task }) => sdk.cancelTask(client, task),
    read: ({ uri }) => client.readResource({ uri }),
    prompt: ({ name, arguments: values }) => client.getPrompt({ name, ...(values && { arguments: values }) }),
    complete: ({ ref, argument }) => client.complete({ ref, argument }),
    level: ({ level }) => client.setLoggingLevel(level),
    subscribe: ({ uri }) => client.subscribeResource({ uri }),
    unsubscribe: ({ uri }) => client.unsubscribeResource({ uri }),
    async listen({ filter }) {
      const subscription = await client.listen(filter);
      closing.push(() => subscription.close());
      return subscription.honoredFilter;
    },
    ping: () => client.ping(),
    rootsChanged: () => client.sendRootsListChanged(),
    async close() {
      for (const end of closing.splice(0)) await end();
      await sdk.end(transport);
      await client.close();
    },
  };

  for await (const line of createInterface({ input: process.stdin })) {
    const { id, do: command, ...job } = JSON.parse(line);
    // Not awaited: a call may run while others are made, and be abandoned.
    Promise.resolve()
      .then(() => commands[command](job))
      .then((done) => say({ id, done: done ?? null }))
      .catch((error) => {
        console.error(error);
        say({ id, failed: { code: error.code, message: error.message ?? String(error) } });
      });
  }
  process.exit(0);
}
