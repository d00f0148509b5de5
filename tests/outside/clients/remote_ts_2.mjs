// @modelcontextprotocol/client (the second line of the TypeScript SDK), unmodified, remote-controlled.

import { Client, SSEClientTransport, StreamableHTTPClientTransport } from '@modelcontextprotocol/client';
import { CAPABILITIES, obey, toldFetch } from './remote.mjs';

await obey({
  build(job) {
    const Transport = job.transport === 'sse' ? SSEClientTransport : StreamableHTTPClientTransport;
    const mode = job.version === '2026-07-28' ? { pin: job.version } : 'legacy';
    return {
      transport: new Transport(new URL(job.url), { authProvider: { token: async () => job.bearer }, fetch: toldFetch() }),
      client: new Client({ name: 'outside-judge', version: '1.0.0' }, { capabilities: CAPABILITIES, versionNegotiation: { mode } }),
    };
  },
  answer: (client, method, handler) => client.setRequestHandler(method, handler),
  callTool: (client, params, options) => client.callTool(params, options),
  version: (client) => client.getNegotiatedProtocolVersion(),
  end: (transport) => transport.terminateSession?.(),
});
