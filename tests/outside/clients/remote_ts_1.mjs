// @modelcontextprotocol/sdk (the first line of the TypeScript SDK), unmodified, remote-controlled.

import { Client } from '@modelcontextprotocol/sdk/client/index.js';
import { SSEClientTransport } from '@modelcontextprotocol/sdk/client/sse.js';
import { StreamableHTTPClientTransport } from '@modelcontextprotocol/sdk/client/streamableHttp.js';
import { CreateMessageRequestSchema, CreateTaskResultSchema, ElicitRequestSchema, ListRootsRequestSchema } from '@modelcontextprotocol/sdk/types.js';
import { CAPABILITIES, obey, toldFetch } from './remote.mjs';

const SCHEMAS = { 'elicitation/create': ElicitRequestSchema, 'roots/list': ListRootsRequestSchema, 'sampling/createMessage': CreateMessageRequestSchema };

await obey({
  build(job) {
    const Transport = job.transport === 'sse' ? SSEClientTransport : StreamableHTTPClientTransport;
    const requestInit = { headers: { authorization: `Bearer ${job.bearer}` } };
    return {
      transport: new Transport(new URL(job.url), { requestInit, fetch: toldFetch() }),
      client: new Client({ name: 'outside-judge', version: '1.0.0' }, { capabilities: CAPABILITIES }),
    };
  },
  answer: (client, method, handler) => client.setRequestHandler(SCHEMAS[method], handler),
  callTool: (client, params, options) => client.callTool(params, undefined, options),
  async driveTask(client, params) {
    const driven = { statuses: [] };
    for await (const message of client.experimental.tasks.callToolStream(params, undefined, { task: { ttl: 60_000 } })) {
      if (message.type === 'taskStatus') driven.statuses.push(message.task.status);
      if (message.type === 'result') driven.result = message.result;
      if (message.type === 'error') driven.failed = message.error.message;
    }
    return driven;
  },
  beginTask: async (client, params) => (await client.request({ method: 'tools/call', params }, CreateTaskResultSchema, { task: { ttl: 60_000 } })).task,
  // As the list of them has it.
  taskStatus: async (client, id) => (await client.experimental.tasks.listTasks()).tasks.find((one) => one.taskId === id)?.status,
  cancelTask: (client, id) => client.experimental.tasks.cancelTask(id),
  version: (client, transport) => transport.protocolVersion ?? transport._protocolVersion,
  end: (transport) => transport.terminateSession?.(),
});
