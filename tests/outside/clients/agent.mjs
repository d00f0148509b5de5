// What both TypeScript client scripts share: reading the job, the OAuth provider that keeps
// everything in memory and lets `signIn` be the person, and the shape of the result.
//
// Job (JSON on stdin): { url, transport: 'http'|'sse', mode?, clientId?, bearer?, redirectUri,
// clientMetadataUrl?, noResource?, person: { username, password, decision?, untick? } }. Without `clientId` the client registers
// itself; with `bearer` there is no sign-in and the token is sent as it is. With `stay: { seconds, calls,
// callEvery?, renewEvery? }` it stays for so long, calling `whoami` each second or so often if it `calls`, and
// asking the SDK for a new token so often. With `stepUp` a call that is refused may be made once more.

import { signIn } from '../sign_in.mjs';

export async function readJob() {
  let text = '';
  for await (const chunk of process.stdin) text += chunk;
  return JSON.parse(text);
}

/** An SDK `OAuthClientProvider` over plain memory. */
export class Memory {
  walk = null;
  authorize = null;
  /** The scopes asked for each time a person was sent to sign in. */
  walks = [];
  #information;
  #tokens;
  #verifier;
  #discovery;
  #state = crypto.randomUUID();

  constructor(job) {
    this.job = job;
    // The SDK's own hook: an undefined resource is left out of the requests.
    if (job.noResource) this.validateResourceURL = async () => undefined;
    this.#information = job.clientId ? { client_id: job.clientId } : undefined;
  }

  get redirectUrl() {
    return this.job.redirectUri;
  }

  /** Where the client's document is, for providers that know clients by one. */
  get clientMetadataUrl() {
    return this.job.clientMetadataUrl;
  }

  get clientMetadata() {
    return {
      client_name: 'SmartMail AI',
      redirect_uris: [this.job.redirectUri],
      grant_types: ['authorization_code', 'refresh_token'],
      response_types: ['code'],
      token_endpoint_auth_method: 'none',
    };
  }

  state() {
    return this.#state;
  }

  clientInformation() {
    return this.#information;
  }

  saveClientInformation(information) {
    this.#information = information;
  }

  tokens() {
    return this.#tokens;
  }

  saveTokens(tokens) {
    this.#tokens = tokens;
  }

  saveCodeVerifier(verifier) {
    this.#verifier = verifier;
  }

  codeVerifier() {
    return this.#verifier;
  }

  saveDiscoveryState(state) {
    this.#discovery = state;
  }

  discoveryState() {
    return this.#discovery;
  }

  async redirectToAuthorization(url) {
    this.authorize = Object.fromEntries(url.searchParams);
    this.walks.push(this.authorize.scope);
    this.walk = await signIn({ url: url.href, callback: this.job.redirectUri, ...this.job.person });
  }

  /** The callback's parameters, once its state is known to be ours. */
  callback() {
    const parameters = new URL(this.walk.callback).searchParams;
    if (parameters.get('state') !== this.#state) throw new Error(`state came back as ${parameters.get('state')}: ${this.walk.callback}`);
    if (parameters.get('error')) throw new Error(`the provider said ${parameters.get('error')}: ${parameters.get('error_description')}`);
    return parameters;
  }
}

/** A `fetch` that writes down method, path and status of each exchange, and request headers of these names; it sends by the one there is now. */
export function recordingFetch(exchanges, names = []) {
  const send = globalThis.fetch;
  return async (input, init) => {
    const method = init?.method ?? 'GET';
    const { origin, pathname, searchParams } = new URL(input instanceof Request ? input.url : input);
    const rpc = typeof init?.body === 'string' && init.body.startsWith('{') ? ` ${JSON.parse(init.body).method ?? 'response'}` : '';
    const response = await send(input, init);
    const sent = new Headers(init?.headers);
    const headers = Object.fromEntries(names.filter((name) => sent.has(name)).map((name) => [name, sent.get(name)]));
    const session = sent.get('mcp-session-id') ?? searchParams.get('sessionId');
    const exchange = { method, origin, path: pathname, rpc: rpc.trim(), status: response.status, headers, session };
    if (response.headers.get('content-type') === 'text/event-stream') hear(response.clone(), exchange);
    exchanges.push(exchange);
    console.error(`${method} ${origin}${pathname}${rpc} -> ${response.status}`);
    return response;
  };
}

/** Writes down what a stream says, comments too, which no SDK passes on. */
async function hear(response, exchange) {
  exchange.said = '';
  const decoder = new TextDecoder();
  try {
    for await (const chunk of response.body) exchange.said += decoder.decode(chunk, { stream: true });
  } catch {
    // The client has left it.
  }
}

async function stay({ seconds, calls, callEvery = 1, renewEvery }, client, renew) {
  const answers = [];
  for (let second = 1; second <= seconds; second += 1) {
    await new Promise((resolve) => setTimeout(resolve, 1_000));
    if (renewEvery && second % renewEvery === 0) await renew();
    if (calls && second % callEvery === 0) answers.push(await client.callTool({ name: 'whoami', arguments: {} }));
  }
  return answers;
}

/**
 * Connects (signing in when the server asks), lists the tools, calls `whoami` and says what happened.
 * @param {(memory: Memory|undefined, http: object[]) => {transport: object, client: object}} build
 * @param {(memory: Memory, transport: object) => Promise<void>} redeem  hands the code to the SDK
 * @param {(memory: Memory, http: object[]) => Promise<void>} [renew]  has the SDK refresh its token
 */
export async function run(job, UnauthorizedError, build, redeem, versionOf, renew) {
  const http = [];
  const memory = job.bearer ? undefined : new Memory(job);
  let { client, transport } = build(memory, http);
  try {
    await client.connect(transport);
    if (memory) throw new Error('connected without having signed in');
  } catch (error) {
    if (!memory || !(error instanceof UnauthorizedError)) throw error;
    await redeem(memory, transport);
    ({ client, transport } = build(memory, http));
    await client.connect(transport);
  }
  const { tools } = await client.listTools();
  const call = () => client.callTool({ name: 'whoami', arguments: {} });
  let refused;
  const answer = await call().catch(async (error) => {
    // The SDK has had its user asked for more scopes; its application hands the code over and tries again.
    if (!job.stepUp) throw error;
    refused = { kind: error.constructor.name, message: error.message };
    if (!(error instanceof UnauthorizedError)) return undefined;
    await redeem(memory, transport);
    return call();
  });
  const version = versionOf(client, transport);
  const stayed = job.stay && (await stay(job.stay, client, () => renew(memory, http)));
  await client.close();
  const result = {
    tools: tools.map((tool) => tool.name),
    answer,
    version,
    http,
    walk: memory?.walk,
    authorize: memory?.authorize,
    scope: memory?.tokens()?.scope,
    stayed,
    refused,
    walks: memory?.walks,
  };
  console.log(JSON.stringify({ result }));
}
