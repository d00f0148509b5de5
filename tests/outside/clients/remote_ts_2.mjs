// @modelcontextprotocol/client (the second line of the TypeScript SDK), unmodified, remote-controlled.
// Tasks are driven by @modelcontextprotocol/ext-tasks, on top of it.

import { Client, SSEClientTransport, StreamableHTTPClientTransport } from '@modelcontextprotocol/client';
import { createTaskSessionFromClient, toolDeclarationFromMcpTool } from '@modelcontextprotocol/ext-tasks/client';
import { CAPABILITIES, answered, obey, toldFetch } from './remote.mjs';

const MODERN = '2026-07-28';
const CLIENT = { name: 'outside-judge', version: '1.0.0' };
const METHODS = { elicitation: 'elicitation/create', sampling: 'sampling/createMessage', roots: 'roots/list' };

let job;
let tasks;

/**
 * Sends one request of the extension as it is. The SDK's own reader takes no task for a tool's result, so
 * ext-tasks leaves this to its host.
 */
async function rawDispatch(request, { signal } = {}) {
  const { name, taskId } = request.params;
  const headers = {
    authorization: `Bearer ${job.bearer}`,
    'content-type': 'application/json',
    accept: 'application/json, text/event-stream',
    'mcp-protocol-version': MODERN,
    'mcp-method': request.method,
    'mcp-name': taskId ?? name,
  };
  const body = JSON.stringify({ jsonrpc: '2.0', id: crypto.randomUUID(), ...request });
  const response = await toldFetch()(job.url, { method: 'POST', headers, body, signal });
  const { result, error } = await response.json();
  return error ? { kind: 'error', error } : { kind: 'result', result };
}

function session(client) {
  tasks ??= createTaskSessionFromClient(client, {
    endpointId: 'usher',
    onInputRequest: async ({ kind, params }) => answered(job, METHODS[kind], params),
    ...(job.version === MODERN && { rawDispatch, v2RequestFraming: { protocolVersion: MODERN, clientInfo: CLIENT, clientCapabilities: CAPABILITIES } }),
  });
  return tasks;
}

async function begin(client, { name, arguments: values }) {
  const tool = (await client.listTools()).tools.find((one) => one.name === name);
  return session(client).callTool(name, values, { declaration: toolDeclarationFromMcpTool(tool), task: { preference: 'require' } });
}

await obey({
  build(wanted) {
    job = wanted;
    tasks = undefined;
    const Transport = job.transport === 'sse' ? SSEClientTransport : StreamableHTTPClientTransport;
    const mode = job.version === MODERN ? { pin: job.version } : 'legacy';
    return {
      transport: new Transport(new URL(job.url), { authProvider: { token: async () => job.bearer }, fetch: toldFetch() }),
      client: new Client(CLIENT, { capabilities: CAPABILITIES, versionNegotiation: { mode } }),
    };
  },
  answer: (client, method, handler) => client.setRequestHandler(method, handler),
  callTool: (client, params, options) => client.callTool(params, options),
  async driveTask(client, params) {
    const statuses = [];
    const execution = await begin(client, params);
    const onEvent = ({ type, task }) => type === 'task' && statuses.push(task.status);
    const { outcome } = await execution.settle({ onEvent });
    if (statuses.at(-1) !== outcome.status) statuses.push(outcome.status);
    return { statuses, result: outcome.result, failed: outcome.error?.message };
  },
  async beginTask(client, params) {
    const execution = await begin(client, params);
    const { taskId } = execution.handle;
    await execution.detach();
    return { taskId };
  },
  taskStatus: async (client, id) => (await session(client).task(id).snapshot()).status,
  cancelTask: (client, id) => session(client).cancelTask(id),
  version: (client) => client.getNegotiatedProtocolVersion(),
  async end(transport) {
    // It may be asking after a task still, of which it was told meanwhile.
    await tasks?.close();
    await transport.terminateSession?.();
  },
});
