// Every scenario of the suite, by what is run and the protocol version it is run in: those that must
// pass, and those not yet, with the reason. The first kind only grows.
//
// A scenario passes if none of its checks failed, warned or was skipped, but for the checks named by
// its value: `{ 'check-id': reason }`, or `{ 'SKIPPED check-id': reason }` where others of that id count.

const RESOURCES = 'no resources yet';
const PROMPTS = 'no prompts yet';
const FIXTURE = 'needs the fixture tools';
const MRTR = 'no multi round-trip requests yet';

const notYetInAllVersions = {
  'completion-complete': 'no completion yet',
  'tools-call-simple-text': FIXTURE,
  'tools-call-image': FIXTURE,
  'tools-call-audio': FIXTURE,
  'tools-call-embedded-resource': FIXTURE,
  'tools-call-mixed-content': FIXTURE,
  'tools-call-error': FIXTURE,
  'tools-call-with-progress': 'no progress yet',
  'resources-list': RESOURCES,
  'resources-read-text': RESOURCES,
  'resources-read-binary': RESOURCES,
  'resources-templates-read': RESOURCES,
  'prompts-list': PROMPTS,
  'prompts-get-simple': PROMPTS,
  'prompts-get-with-args': PROMPTS,
  'prompts-get-embedded-resource': PROMPTS,
  'prompts-get-with-image': PROMPTS,
};

const notYetInSessions = {
  ...notYetInAllVersions,
  'logging-set-level': 'no logging yet',
  'tools-call-with-logging': 'no logging yet',
  'tools-call-sampling': 'no sampling yet',
  'tools-call-elicitation': 'no elicitation yet',
  'resources-subscribe': RESOURCES,
  'resources-unsubscribe': RESOURCES,
};

/** The example server. */
export const SERVER = {
  '2025-06-18': {
    pass: { 'server-initialize': {}, 'server-session-lifecycle': {}, ping: {}, 'tools-list': {} },
    notYet: notYetInSessions,
  },
  '2025-11-25': {
    pass: {
      'server-initialize': {},
      'server-session-lifecycle': {},
      ping: {},
      'tools-list': {},
      'dns-rebinding-protection': {},
      'server-sse-multiple-streams': {},
    },
    notYet: {
      ...notYetInSessions,
      'json-schema-2020-12': FIXTURE,
      'elicitation-sep1034-defaults': 'no elicitation yet',
      'elicitation-sep1330-enums': 'no elicitation yet',
      'server-sse-polling': 'no resumable streams yet',
    },
  },
  '2026-07-28': {
    pass: {
      'server-stateless': {
        'sep-2575-server-rejects-undeclared-capability': FIXTURE,
        'sep-2575-missing-capability-http-400': FIXTURE,
        'sep-2575-http-server-no-independent-requests-on-stream': FIXTURE,
        'sep-2575-server-no-log-without-loglevel': FIXTURE,
        'sep-2575-server-sends-subscription-ack': 'no subscriptions/listen yet',
        'sep-2575-server-tags-subscription-id': 'no subscriptions/listen yet',
        'sep-2575-server-honors-notification-filter': 'no subscriptions/listen yet',
        'sep-2575-server-sends-prompts-list-changed-on-subscription': 'no subscriptions/listen yet',
        'sep-2575-server-sends-tools-list-changed-on-subscription': 'no subscriptions/listen yet',
      },
      'tools-list': {},
      'server-sse-multiple-streams': {},
      'dns-rebinding-protection': {},
      'http-header-validation': {},
      caching: {
        'sep-2549-prompts-list-caching-hints': PROMPTS,
        'sep-2549-resources-list-caching-hints': RESOURCES,
        'sep-2549-resources-templates-list-caching-hints': RESOURCES,
        'sep-2549-resources-read-caching-hints': RESOURCES,
      },
    },
    notYet: {
      ...notYetInAllVersions,
      'json-schema-2020-12': FIXTURE,
      'sep-2164-resource-not-found': RESOURCES,
      'http-custom-header-server-validation': 'no tool with x-mcp-header yet',
      'input-required-result-basic-elicitation': MRTR,
      'input-required-result-basic-sampling': MRTR,
      'input-required-result-basic-list-roots': MRTR,
      'input-required-result-request-state': MRTR,
      'input-required-result-multiple-input-requests': MRTR,
      'input-required-result-multi-round': MRTR,
      'input-required-result-missing-input-response': MRTR,
      'input-required-result-non-tool-request': MRTR,
      'input-required-result-result-type': MRTR,
      'input-required-result-unsupported-methods': MRTR,
      'input-required-result-tampered-state': MRTR,
      'input-required-result-capability-check': MRTR,
      'input-required-result-ignore-extra-params': MRTR,
      'input-required-result-validate-input': MRTR,
    },
  },
  '2025-03-26': { pass: { 'server-session-lifecycle': {} }, notYet: {} },
};

/** The suite's scenarios for extensions: of a server, and of a client. */
export const EXTENSIONS = {
  'tasks-lifecycle': 'no tasks yet',
  'tasks-capability-negotiation': 'no tasks yet',
  'tasks-wire-fields': 'no tasks yet',
  'tasks-request-state-removal': 'no tasks yet',
  'tasks-mrtr-input': 'no tasks yet',
  'tasks-request-headers': 'no tasks yet',
  'tasks-dispatch-and-envelope': 'no tasks yet',
  'tasks-status-notifications': 'no tasks yet',
  'tasks-required-task-error': 'no tasks yet',
  'tasks-mrtr-composition': 'no tasks yet',
  'sep-2640-skills-directory': 'no skills yet',
  'sep-2640-skills-enumeration': 'no skills yet',
  'sep-2640-skills-manifest': 'no skills yet',
};

const authorizationOfClient = {
  'auth/metadata-default': {},
  'auth/metadata-var1': {},
  'auth/metadata-var2': {},
  'auth/metadata-var3': {},
  'auth/basic-cimd': {},
  'auth/scope-from-www-authenticate': {},
  'auth/scope-from-scopes-supported': {},
  'auth/scope-omitted-when-undefined': {},
  'auth/scope-step-up': {},
  'auth/scope-retry-limit': {},
  'auth/token-endpoint-auth-basic': {},
  'auth/token-endpoint-auth-post': {},
  'auth/token-endpoint-auth-none': {},
  'auth/pre-registration': {},
};

/** `usher agent`. */
export const USHER_AGENT = {
  '2025-03-26': { pass: { 'auth/2025-03-26-oauth-metadata-backcompat': {}, 'auth/2025-03-26-oauth-endpoint-fallback': {} }, notYet: {} },
  '2025-06-18': {
    pass: { initialize: {}, tools_call: {}, 'auth/token-endpoint-auth-basic': {}, 'auth/token-endpoint-auth-post': {}, 'auth/token-endpoint-auth-none': {} },
    notYet: {},
  },
  '2025-11-25': {
    pass: { initialize: {}, tools_call: {}, 'sse-retry': {}, 'json-schema-2020-12-preservation': {}, ...authorizationOfClient },
    notYet: { 'elicitation-sep1034-client-defaults': 'no elicitation yet' },
  },
  '2026-07-28': {
    pass: {
      tools_call: {},
      'request-metadata': {
        'sep-2575-client-declares-roots-capability': 'no roots yet',
        'sep-2575-client-declares-sampling-capability': 'no sampling yet',
        'sep-2575-client-declares-elicitation-capability': 'no elicitation yet',
      },
      'http-standard-headers': { 'SKIPPED sep-2243-client-includes-standard-headers': 'no resources and prompts yet; initialize is never sent in this version' },
      'http-invalid-tool-headers': {},
      'json-schema-ref-no-deref': {},
      'json-schema-2020-12-preservation': {},
      ...authorizationOfClient,
      'auth/resource-mismatch': {},
      'auth/offline-access-scope': {},
      'auth/offline-access-not-supported': {},
      'auth/authorization-server-migration': {},
      'auth/iss-supported': {},
      'auth/iss-not-advertised': {},
      'auth/iss-supported-missing': {},
      'auth/iss-wrong-issuer': {},
      'auth/iss-unexpected': {},
      'auth/iss-normalized': {},
      'auth/metadata-issuer-mismatch': {},
    },
    notYet: {
      'sep-2322-client-request-state': MRTR,
      'http-custom-headers': 'no Mcp-Param headers yet',
    },
  },
};

export const CLIENT_EXTENSIONS = {
  'auth/client-credentials-jwt': 'no client credentials grant yet',
  'auth/client-credentials-basic': 'no client credentials grant yet',
  'auth/enterprise-managed-authorization': 'no enterprise-managed authorization yet',
  'auth/dpop': 'no DPoP yet',
  'auth/dpop-nonce': 'no DPoP yet',
  'auth/wif-jwt-bearer': 'no workload identity federation yet',
  'sep-2640-client-no-prefetch': 'no skills yet',
  'sep-2640-client-verify-digest': 'no skills yet',
  'sep-2640-client-verify-size': 'no skills yet',
  'sep-2640-client-verify-frontmatter': 'no skills yet',
};

/** The embedded provider. */
export const PROVIDER = {
  'authorization-server-metadata-endpoint': { 'authorization-server-metadata-cimd': 'no client metadata documents yet' },
  'authorization-code-grant': {},
};
