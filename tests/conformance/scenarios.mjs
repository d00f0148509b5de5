// Every scenario of the suite, by what is run and the protocol version it is run in: those that must
// pass, and those not yet, with the reason. The first kind only grows.
//
// A scenario passes if none of its checks failed, warned or was skipped, but for the checks named by
// its value: `{ 'check-id': reason }`, or `{ CheckName: reason }` where others of that id count.

const inAllVersions = {
  'completion-complete': {},
  'tools-list': {},
  'tools-call-simple-text': {},
  'tools-call-image': {},
  'tools-call-audio': {},
  'tools-call-embedded-resource': {},
  'tools-call-mixed-content': {},
  'tools-call-error': {},
  'tools-call-with-progress': {},
  'resources-list': {},
  'resources-read-text': {},
  'resources-read-binary': {},
  'resources-templates-read': {},
  'prompts-list': {},
  'prompts-get-simple': {},
  'prompts-get-with-args': {},
  'prompts-get-embedded-resource': {},
  'prompts-get-with-image': {},
};

const inSessions = {
  ...inAllVersions,
  'server-initialize': {},
  'server-session-lifecycle': {},
  ping: {},
  'logging-set-level': {},
  'tools-call-with-logging': {},
  'tools-call-sampling': {},
  'tools-call-elicitation': {},
  'resources-subscribe': {},
  'resources-unsubscribe': {},
};

/** examples/conformance. */
export const SERVER = {
  '2025-06-18': { pass: inSessions, notYet: {} },
  '2025-11-25': {
    pass: {
      ...inSessions,
      'dns-rebinding-protection': {},
      'server-sse-multiple-streams': {},
      'json-schema-2020-12': {},
      'elicitation-sep1034-defaults': {},
      'elicitation-sep1330-enums': {},
      'server-sse-polling': {},
    },
    notYet: {},
  },
  '2026-07-28': {
    pass: {
      ...inAllVersions,
      'server-stateless': {},
      'server-sse-multiple-streams': {},
      'dns-rebinding-protection': {},
      'http-header-validation': {},
      caching: {},
      'json-schema-2020-12': {},
      'sep-2164-resource-not-found': {},
      'input-required-result-basic-elicitation': {},
      'input-required-result-basic-sampling': {},
      'input-required-result-basic-list-roots': {},
      'input-required-result-request-state': {},
      'input-required-result-multiple-input-requests': {},
      'input-required-result-multi-round': {},
      'input-required-result-missing-input-response': {},
      'input-required-result-non-tool-request': {},
      'input-required-result-result-type': {},
      'input-required-result-unsupported-methods': {},
      'input-required-result-tampered-state': {},
      'input-required-result-capability-check': {},
      'input-required-result-ignore-extra-params': {},
      'input-required-result-validate-input': {},
      'http-custom-header-server-validation': {},
    },
    notYet: {},
  },
  '2025-03-26': { pass: { 'server-session-lifecycle': {} }, notYet: {} },
};

/** examples/conformance_rmcp: the same, and nothing is left out. */
export const RMCP_SERVER = SERVER;

/** The suite's scenarios for extensions: of a server, and of a client. */
export const EXTENSIONS = {
  pass: {
    'sep-2640-skills-directory': {},
    'sep-2640-skills-enumeration': {},
    'sep-2640-skills-manifest': {},
    'tasks-lifecycle': {},
    'tasks-capability-negotiation': {},
    'tasks-wire-fields': {},
    'tasks-request-state-removal': {},
    'tasks-mrtr-input': {},
    'tasks-request-headers': {},
    'tasks-dispatch-and-envelope': {},
    'tasks-required-task-error': {},
    'tasks-mrtr-composition': {},
  },
  notYet: {
    'tasks-status-notifications': 'the suite always skips it; tests/it/tasks.rs judges it',
  },
};

/** Of examples/conformance_rmcp: its tools run as tasks of Usher's, and Usher's skills stand beside it. */
export const RMCP_EXTENSIONS = EXTENSIONS;

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
    pass: {
      initialize: {},
      tools_call: {},
      'sse-retry': {},
      'json-schema-2020-12-preservation': {},
      'elicitation-sep1034-client-defaults': {},
      ...authorizationOfClient,
    },
    notYet: {},
  },
  '2026-07-28': {
    pass: {
      tools_call: {},
      'request-metadata': {},
      // The scenario answers `initialize` with this version, which it can't settle on, so no client goes on.
      'http-standard-headers': {
        ClientMcpMethodHeader_initialize: 'this version has no initialize',
        ClientMcpMethodHeader_notifications_initialized: 'this version has no initialize',
      },
      'http-custom-headers': {},
      'sep-2322-client-request-state': {},
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
    notYet: {},
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
  'authorization-server-metadata-endpoint': {},
  'authorization-code-grant': {},
};

/** The bridge of `usher dev`. */
export const BRIDGE = {
  'authorization-server-metadata-endpoint': { 'authorization-server-metadata-cimd': 'clients register; who is described by a document needs no bridge' },
  'authorization-code-grant': {},
};
