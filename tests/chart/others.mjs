// Resources that others define (Gateway API, Prometheus operator), judged by their own definitions: by the TypeScript
// compiler, which knows no field that is not there, and by what they say of patterns and choices.
//
//   node others.mjs FOLDER < [["from where", {...}], …]     one JSON line for each resource: {from, kind, problems}
//
// FOLDER is where npm installed them.

import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';

const DEFINED = {
  HTTPRoute: '@kubernetes-models/gateway-api/gateway.networking.k8s.io/v1/HTTPRoute',
  ServiceMonitor: '@kubernetes-models/prometheus-operator/monitoring.coreos.com/v1/ServiceMonitor',
  PrometheusRule: '@kubernetes-models/prometheus-operator/monitoring.coreos.com/v1/PrometheusRule',
};

const [folder] = process.argv.slice(2);
const installed = createRequire(pathToFileURL(join(folder, 'package.json')));
const ts = installed('typescript');
let text = '';
for await (const chunk of process.stdin) text += chunk;
const resources = JSON.parse(text);

const work = mkdtempSync(join(folder, 'judged-'));
try {
  // A literal, since only of those does the compiler refuse a field too many.
  const files = resources.map(([, resource], index) => {
    const file = join(work, `${index}.mts`);
    writeFileSync(file, `import type { I${resource.kind} } from ${JSON.stringify(DEFINED[resource.kind])};\nexport const judged: I${resource.kind} = ${JSON.stringify(resource)};\n`);
    return file;
  });
  const options = { noEmit: true, strict: true, skipLibCheck: true, module: ts.ModuleKind.NodeNext, target: ts.ScriptTarget.ES2022, types: [] };
  const program = ts.createProgram(files, options);
  const found = ts.getPreEmitDiagnostics(program);
  for (const [index, [from, resource]] of resources.entries()) {
    const ours = found.filter(({ file }) => !file || file.fileName === files[index]);
    const problems = ours.map(({ messageText }) => ts.flattenDiagnosticMessageText(messageText, '\n'));
    const definition = await import(pathToFileURL(join(folder, 'node_modules', `${DEFINED[resource.kind]}.js`)));
    try {
      new definition[resource.kind](resource).validate();
    } catch (error) {
      problems.push(error.message);
    }
    console.log(JSON.stringify({ from, kind: resource.kind, problems }));
  }
} finally {
  rmSync(work, { recursive: true });
}
