// The table at the end: which client did what over which transport.

const TRANSPORTS = { 'sse 2025-11-25': 'SSE', 'http 2025-11-25': '2025', 'http 2026-07-28': '2026' };

/**
 * @param {string[]} features  rows
 * @param {object[]} ways      columns
 * @param {(feature: string, way: object) => string|undefined} outcome  `ok`, `FAIL`, why there is no test, or nothing for one that was left out
 */
export function printTable(features, ways, outcome) {
  const cells = features.map((feature) => ways.map((way) => outcome(feature, way)));
  if (cells.flat().every((cell) => cell === undefined)) return;

  const reasons = [...new Set(cells.flat().filter((cell) => cell && !['ok', 'FAIL'].includes(cell)))];
  const shown = (cell) => (reasons.includes(cell) ? `(${reasons.indexOf(cell) + 1})` : (cell ?? ''));
  const rows = [
    ['', ...ways.map((way) => way.short)],
    ['', ...ways.map((way) => TRANSPORTS[`${way.transport} ${way.version}`])],
    ...features.map((feature, row) => [feature, ...cells[row].map(shown)]),
  ];
  const widths = rows[0].map((_, column) => Math.max(...rows.map((row) => row[column].length)));
  console.log('');
  for (const row of rows) console.log(row.map((cell, column) => cell.padEnd(widths[column])).join('  ').trimEnd());
  console.log('SSE: HTTP+SSE on /sse; 2025: Streamable HTTP with a session; 2026: 2026-07-28');
  reasons.forEach((reason, index) => console.log(`(${index + 1}) ${reason}`));
  console.log('');
}
