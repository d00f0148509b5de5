// What a client has to be able to do with a server, feature by feature: how it is tried, and what has
// to come back. Every client runs the same.
//
// `run(client, way)`: `client` is a connected one (see `Connected` in ../cases/features.mjs), `way` says
// which client it is, over what, and in which protocol version. `not(way)` gives the reason why this
// can't be done that way, if it can't.

import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { ROOT } from '../kit.mjs';

export const MODERN = '2026-07-28';
const WATCHED = 'test://watched-resource';
const UNKNOWN = -32602;

const isModern = (way) => way.version === MODERN;
const file = (name) => readFileSync(join(ROOT, 'examples/conformance', name)).toString('base64');
const text = (result) => result.content.map((part) => part.text).join('');
const names = (list) => list.map((one) => one.name);

/** The server's questions and what the user, the model and the workplace answer. */
const FORM = { 'elicitation/create': { action: 'accept', content: { username: 'ada', email: 'ada@example.com' } } };
const MODEL = { 'sampling/createMessage': { role: 'assistant', model: 'outside-judge', content: { type: 'text', text: 'Paris, of course.' }, stopReason: 'endTurn' } };
const FOLDERS = { 'roots/list': { roots: [{ uri: 'file:///work/one', name: 'one' }, { uri: 'file:///work/two' }] } };

const rejected = async (promise) => promise.then(() => assert.fail('was not refused'), (error) => error);

/** Why a client can't come back to a stream. */
function noWayBack(way) {
  if (isModern(way)) return '2026-07-28 has no way back to a stream';
  return way.transport === 'sse' && 'HTTP+SSE has no way back to a stream';
}

/** Why a client can't be given a task. */
const noTasks = (way) => !way.knowsTasks && 'its SDK knows no tasks';

/** Why a client never hears what a task asks: it comes on the stream of `tasks/result` (2025-11-25, input required). */
const noTaskQuestions = (way) => way.onlyPollsOldTasks && !isModern(way) && 'ext-tasks 0.2.2 asks for no result before its task of 2025-11-25 has ended';

/** What a client was answered that came back to a stream. */
const comebacks = (client) => client.http().filter(({ method, headers }) => method === 'GET' && headers['last-event-id']).map(({ status }) => status);

/** Waits for a list's change, told by the server after the tool that changes it was called. */
async function changes(client, way, { filter, tool, method }) {
  if (isModern(way)) {
    const honored = await client.do('listen', { filter });
    assert.deepEqual(honored, filter, 'not all of the wish was honored');
  }
  assert.equal(text(await client.call(tool)), 'Announced.');
  return client.told(method);
}

export const FEATURES = {
  tools: {
    async run(client) {
      const tools = await client.list('tools');
      for (const name of ['test_simple_text', 'test_wait', 'whoami']) assert.ok(names(tools).includes(name), `no ${name} in ${names(tools)}`);
      assert.equal(text(await client.call('test_simple_text')), 'This is a simple text response for testing.');
      const [picture] = (await client.call('test_image_content')).content;
      assert.deepEqual([picture.type, picture.mimeType, picture.data], ['image', 'image/png', file('red.png')]);
      const [sound] = (await client.call('test_audio_content')).content;
      assert.deepEqual([sound.type, sound.mimeType, sound.data], ['audio', 'audio/wav', file('silence.wav')]);
      const [embedded] = (await client.call('test_embedded_resource')).content;
      assert.deepEqual(embedded.resource, { uri: 'test://embedded-resource', mimeType: 'text/plain', text: 'This is an embedded resource content.' });
      const several = (await client.call('test_multiple_content_types')).content;
      assert.deepEqual(several.map((part) => part.type), ['text', 'image', 'resource']);
    },
  },

  'structured content': {
    async run(client) {
      await client.list('tools'); // its output schema, which the client holds the answer against
      const answer = await client.call('whoami');
      assert.ok(answer.structuredContent.sub, 'no sub');
      assert.deepEqual(JSON.parse(text(answer)), answer.structuredContent);
    },
  },

  'tools that fail': {
    async run(client) {
      const failed = await client.call('test_error_handling');
      assert.equal(failed.isError, true);
      assert.equal(text(failed), 'This tool intentionally returns an error for testing');
      const unknown = await rejected(client.call('no_such_tool'));
      assert.equal(unknown.code, UNKNOWN, unknown.message);
      assert.equal(text(await client.call('test_simple_text')), 'This is a simple text response for testing.');
    },
  },

  'argument headers': {
    not: (way) => !isModern(way) && 'headers repeat arguments only from 2026-07-28 on',
    async run(client) {
      await client.list('tools');
      const answer = await client.call('test_header_parameter', { arguments: { region: 'Zürich' } });
      assert.equal(text(answer), 'Region: Zürich');
      const sent = client.http().findLast((one) => one.rpc === 'tools/call').headers['mcp-param-region'];
      assert.equal(sent, `=?base64?${Buffer.from('Zürich').toString('base64')}?=`);
    },
  },

  resources: {
    async run(client) {
      const resources = await client.list('resources');
      const uris = resources.map((one) => one.uri);
      for (const uri of ['test://static-text', 'test://static-binary', WATCHED]) assert.ok(uris.includes(uri), `no ${uri} in ${uris}`);
      const [words] = (await client.do('read', { uri: 'test://static-text' })).contents;
      assert.deepEqual([words.uri, words.mimeType, words.text], ['test://static-text', 'text/plain', 'This is the content of the static text resource.']);
      const [picture] = (await client.do('read', { uri: 'test://static-binary' })).contents;
      assert.deepEqual([picture.mimeType, picture.blob], ['image/png', file('red.png')]);
    },
  },

  'resources that are not there': {
    async run(client, way) {
      const missing = await rejected(client.do('read', { uri: 'test://nowhere' }));
      assert.equal(missing.code, isModern(way) || way.readsOldCodesAsNew ? UNKNOWN : -32002, missing.message);
    },
  },

  'resource templates': {
    async run(client) {
      const [template] = await client.list('resourceTemplates');
      assert.equal(template.uriTemplate, 'test://template/{id}/data');
      const [data] = (await client.do('read', { uri: 'test://template/7b/data' })).contents;
      assert.equal(data.mimeType, 'application/json');
      assert.equal(JSON.parse(data.text).id, '7b');
    },
  },

  'resource updates': {
    async run(client, way) {
      if (!isModern(way)) await client.do('subscribe', { uri: WATCHED });
      const filter = { resourceSubscriptions: [WATCHED] };
      const told = await changes(client, way, { filter, tool: 'test_trigger_resource_update', method: 'notifications/resources/updated' });
      assert.equal(told.params.uri, WATCHED);
      if (isModern(way)) return;
      await client.do('unsubscribe', { uri: WATCHED });
      const before = client.heard('notifications/resources/updated').length;
      await client.call('test_trigger_resource_update');
      // What is told afterwards on the same stream comes later than an update would have.
      await client.call('test_trigger_tool_change');
      await client.told('notifications/tools/list_changed');
      assert.equal(client.heard('notifications/resources/updated').length, before, 'told of what it watches no more');
    },
  },

  prompts: {
    async run(client) {
      const prompts = await client.list('prompts');
      const filled = prompts.find((one) => one.name === 'test_prompt_with_arguments');
      assert.deepEqual(names(filled.arguments), ['arg1', 'arg2']);
      const { messages } = await client.do('prompt', { name: 'test_prompt_with_arguments', arguments: { arg1: 'hello', arg2: 'world' } });
      assert.deepEqual(messages.map((one) => [one.role, one.content.text]), [['user', "Prompt with arguments: arg1='hello', arg2='world'"]]);
      const image = await client.do('prompt', { name: 'test_prompt_with_image' });
      assert.deepEqual([image.messages[0].content.mimeType, image.messages[0].content.data], ['image/png', file('red.png')]);
      const missing = await rejected(client.do('prompt', { name: 'test_prompt_with_arguments', arguments: { arg1: 'alone' } }));
      assert.equal(missing.code, UNKNOWN, missing.message);
    },
  },

  completion: {
    async run(client) {
      const ref = { type: 'ref/prompt', name: 'test_prompt_with_arguments' };
      const { completion } = await client.do('complete', { ref, argument: { name: 'arg1', value: 'par' } });
      assert.deepEqual(completion.values, ['paris', 'park', 'party']);
      const none = await client.do('complete', { ref, argument: { name: 'arg1', value: 'x' } });
      assert.deepEqual(none.completion.values, []);
    },
  },

  progress: {
    async run(client, way) {
      assert.equal(text(await client.call('test_tool_with_progress', { key: 'p', progress: true })), 'Went from 0 to 100.');
      const said = client.events('progress').map(({ key, progress, total }) => [key, progress, total]);
      const all = [['p', 0, 100], ['p', 50, 100], ['p', 100, 100]];
      assert.deepEqual(said, all.slice(0, said.length));
      assert.ok(said.length >= (way.dropsLastProgress ? 2 : 3), `heard only ${JSON.stringify(said)}`);
    },
  },

  cancellation: {
    async run(client) {
      const waiting = rejected(client.call('test_wait', { key: 'w', progress: true }));
      await client.event('progress', 'the call to run', ({ key }) => key === 'w');
      await client.do('abandon', { key: 'w' });
      await waiting;
      assert.equal(text(await client.call('test_nobody_waits')), 'Nobody waits.');
    },
  },

  logging: {
    async run(client, way) {
      const wanted = isModern(way) ? { meta: { 'io.modelcontextprotocol/logLevel': 'info' } } : {};
      if (!isModern(way)) await client.do('level', { level: 'info' });
      await client.call('test_tool_with_logging', wanted);
      await client.told('notifications/message', ({ params }) => params.data === 'Tool execution completed');
      const lines = client.heard('notifications/message').map(({ params }) => [params.level, params.data]);
      assert.deepEqual(lines, [['info', 'Tool execution started'], ['info', 'Tool processing data'], ['info', 'Tool execution completed']]);

      // Of this severity nothing is said; the answer comes after what would have been.
      const less = isModern(way) ? { meta: { 'io.modelcontextprotocol/logLevel': 'error' } } : {};
      if (!isModern(way)) await client.do('level', { level: 'error' });
      await client.call('test_tool_with_logging', less);
      assert.equal(client.heard('notifications/message').length, lines.length, 'more was logged than was wanted');
    },
  },

  sampling: {
    answers: MODEL,
    async run(client) {
      const answer = await client.call('test_sampling', { arguments: { prompt: 'The capital of France?' } });
      assert.equal(text(answer), 'LLM response: Paris, of course.');
      const { params } = client.asked('sampling/createMessage');
      assert.deepEqual([params.messages[0].content.text, params.maxTokens], ['The capital of France?', 100]);
    },
  },

  'elicitation by form': {
    answers: FORM,
    async run(client) {
      const answer = await client.call('test_elicitation', { arguments: { message: 'Who are you?' } });
      const said = text(answer);
      assert.match(said, /^User response: action=accept, content=/);
      assert.deepEqual(JSON.parse(said.slice(said.indexOf('{'))), FORM['elicitation/create'].content);
      const { params } = client.asked('elicitation/create');
      assert.equal(params.message, 'Who are you?');
      assert.deepEqual(Object.keys(params.requestedSchema.properties).sort(), ['email', 'username']);
    },
  },

  'elicitation declined': {
    answers: { 'elicitation/create': { action: 'decline' } },
    async run(client) {
      const answer = await client.call('test_elicitation', { arguments: { message: 'Who are you?' } });
      assert.equal(text(answer), 'User response: action=decline');
    },
  },

  'elicitation by URL': {
    answers: { 'elicitation/create': { action: 'accept' } },
    async run(client, way) {
      for (const _ of [1, 2]) assert.match(text(await client.call('test_elicitation_url')), /^User response: action=accept\b/);
      const asked = client.allAsked('elicitation/create').map(({ params }) => params);
      for (const { mode, message, url } of asked) assert.deepEqual([mode, message, url], ['url', 'Please pay the bill', 'https://pay.example/bill/7']);
      const ids = new Set(asked.map((one) => one.elicitationId));
      if (!isModern(way)) assert.equal(ids.size, 2, `two elicitations are one to the client: ${[...ids]}`);
    },
  },

  roots: {
    answers: FOLDERS,
    async run(client, way) {
      assert.equal(text(await client.call('test_input_required_result_list_roots')), 'Folders: file:///work/one, file:///work/two');
      if (isModern(way)) return;
      await client.do('rootsChanged');
      assert.equal(text(await client.call('test_input_required_result_list_roots')), 'Folders: file:///work/one, file:///work/two');
    },
  },

  'questions of all kinds at once': {
    answers: { ...MODEL, ...FOLDERS, 'elicitation/create': { action: 'accept', content: { name: 'Ada' } } },
    async run(client) {
      assert.equal(text(await client.call('test_input_required_result_multiple_inputs')), 'Paris, of course. Ada works in 2 folders.');
    },
  },

  'questions one after the other': {
    answers: { 'elicitation/create': { action: 'accept', content: { name: 'Ada', color: 'green' } } },
    async run(client) {
      assert.equal(text(await client.call('test_input_required_result_multi_round')), 'Ada likes green.');
      assert.equal(client.allAsked('elicitation/create').length, 2);
    },
  },

  'prompts that ask': {
    answers: { 'elicitation/create': { action: 'accept', content: { context: 'a cold morning' } } },
    async run(client) {
      const { messages } = await client.do('prompt', { name: 'test_input_required_result_prompt' });
      assert.equal(messages[0].content.text, 'Use this context: a cold morning');
    },
  },

  'changes of the list of tools': {
    run: (client, way) => changes(client, way, { filter: { toolsListChanged: true }, tool: 'test_trigger_tool_change', method: 'notifications/tools/list_changed' }),
  },
  'changes of the list of prompts': {
    run: (client, way) => changes(client, way, { filter: { promptsListChanged: true }, tool: 'test_trigger_prompt_change', method: 'notifications/prompts/list_changed' }),
  },
  'changes of the list of resources': {
    run: (client, way) => changes(client, way, { filter: { resourcesListChanged: true }, tool: 'test_trigger_resource_change', method: 'notifications/resources/list_changed' }),
  },

  'many calls at once': {
    async run(client) {
      const regions = Array.from({ length: 20 }, (_, number) => `region-${number}`);
      await client.list('tools');
      const answers = await Promise.all(regions.map((region) => client.call('test_header_parameter', { arguments: { region } })));
      assert.deepEqual(answers.map(text), regions.map((region) => `Region: ${region}`));
    },
  },

  'tasks, driven by the SDK': {
    not: noTasks,
    async run(client, way) {
      const { statuses, result } = await client.do('driveTask', { name: 'slow_compute', arguments: { seconds: 1, label: 'outside' } });
      assert.equal(text(result), 'outside: computed for 1 s');
      assert.deepEqual([statuses[0], statuses.at(-1)], ['working', 'completed']);
      assert.equal(text(await client.call('slow_compute', { arguments: { seconds: 0, label: 'plain' } })), 'plain: computed for 0 s');
      const failed = await client.do('driveTask', { name: 'failing_job' });
      // A tool's own error is a result like any other from 2026-07-28 on.
      assert.equal(failed.statuses.at(-1), isModern(way) ? 'completed' : 'failed');
      if (isModern(way)) assert.deepEqual([failed.result.isError, text(failed.result)], [true, 'The job failed.']);
    },
  },

  'tasks that ask': {
    not: (way) => noTasks(way) || noTaskQuestions(way),
    answers: { 'elicitation/create': { action: 'accept', content: { confirm: true } } },
    async run(client) {
      const { statuses, result } = await client.do('driveTask', { name: 'confirm_delete', arguments: { filename: 'a.txt' } });
      assert.equal(text(result), 'a.txt is deleted.');
      assert.ok(statuses.includes('input_required'), `${statuses}`);
      assert.equal(client.asked('elicitation/create').params.message, 'Delete a.txt?');
    },
  },

  'tasks that are cancelled': {
    not: noTasks,
    async run(client, way) {
      const { taskId: task } = await client.do('beginTask', { name: 'slow_compute', arguments: { seconds: 60 } });
      assert.equal(await client.do('taskStatus', { task }), 'working');
      await client.do('cancelTask', { task });
      assert.equal(await client.do('taskStatus', { task }), 'cancelled');
      const again = client.do('cancelTask', { task });
      // From 2026-07-28 on it is as good as the first time.
      if (isModern(way)) await again;
      else assert.ok((await rejected(again)).message, 'cancelled twice');
    },
  },

  ping: {
    not: (way) => isModern(way) && '2026-07-28 has no ping',
    run: (client) => client.do('ping'),
  },

  'polling: let go by the server, back for the answer': {
    not: noWayBack,
    async run(client) {
      assert.equal(text(await client.call('test_reconnection')), 'Reconnection test completed successfully');
      assert.deepEqual(comebacks(client), [200]);
    },
  },

  'resuming: cut off, back for the rest': {
    not: noWayBack,
    async run(client) {
      await client.do('level', { level: 'info' });
      const calling = client.call('test_tool_with_logging');
      await client.told('notifications/message');
      client.cut();
      assert.equal(text(await calling), 'Logged three messages.');
      assert.deepEqual(client.heard('notifications/message').map(({ params }) => params.data), ['Tool execution started', 'Tool processing data', 'Tool execution completed']);
      assert.deepEqual(comebacks(client), [200]);
    },
  },
};
