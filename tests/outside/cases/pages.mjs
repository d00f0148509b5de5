// Pages in a real browser: one for each test, which has to behave, and what every page is judged by.
//
// Used by the suites `browser` and `portal`. Pictures go to target/screenshots/.

import assert from 'node:assert/strict';
import { mkdir, readFile } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { join } from 'node:path';
import { chromium } from 'playwright-core';
import { ROOT } from '../kit.mjs';

const PICTURES = join(ROOT, 'target', 'screenshots');
const DESKTOP = { width: 1100, height: 760 };
const PHONE = { width: 390, height: 844 };
const args = ['--no-sandbox', '--disable-gpu', '--disable-quic', '--no-first-run', '--disable-background-networking', '--disable-component-update', '--disable-sync'];

/** What pages are looked at with; `suffix` is for their pictures' names. */
export const LOOKS = {
  'desktop, light': { suffix: '', viewport: DESKTOP, colorScheme: 'light' },
  'desktop, dark': { suffix: '-dark', viewport: DESKTOP, colorScheme: 'dark' },
  'phone, light': { suffix: '-phone', viewport: PHONE, deviceScaleFactor: 2, isMobile: true, hasTouch: true, colorScheme: 'light' },
  'phone, dark': { suffix: '-phone-dark', viewport: PHONE, deviceScaleFactor: 2, isMobile: true, hasTouch: true, colorScheme: 'dark' },
};

/** Starts the browser. */
export async function launch() {
  await mkdir(PICTURES, { recursive: true });
  const chrome = await chromium.launch({ executablePath: '/usr/bin/chromium', headless: true, args });
  return { open: (options) => chrome.newContext(options), stop: () => chrome.close() };
}

/** Runs `body` with a page of its own; afterwards the page must have behaved, but for what is `pardoned`. */
export async function withPage({ browser }, options, body, pardoned = /^$/) {
  const context = await browser.open({ viewport: DESKTOP, ...options });
  context.setDefaultTimeout(10_000);
  const wrongs = [];
  context.on('console', (message) => ['error', 'warning'].includes(message.type()) && wrongs.push(`console: ${message.text()}`));
  context.on('weberror', (error) => wrongs.push(`script: ${error.error()}`));
  context.on('requestfailed', (request) => {
    const why = request.failure()?.errorText;
    // A page that is left, or closed by the test, breaks off what it was still loading.
    if (why !== 'net::ERR_ABORTED') wrongs.push(`failed: ${request.url().split('?')[0]} ${why}`);
  });
  context.on('request', (request) => {
    const url = new URL(request.url());
    if (url.hostname !== '127.0.0.1' && url.protocol !== 'data:') wrongs.push(`asked ${url.host}`);
  });
  try {
    await body(await context.newPage(), wrongs);
  } finally {
    await context.close();
  }
  assert.deepEqual(wrongs.filter((wrong) => !pardoned.test(wrong)), [], 'the page misbehaved');
}

/** Takes a picture of the whole page. */
export const picture = (page, name) => page.screenshot({ path: join(PICTURES, `${name}.png`), fullPage: true });

/** Sees that a page fits its window's width. */
export async function fits(page, name) {
  const sideways = await page.evaluate(() => document.documentElement.scrollWidth > document.documentElement.clientWidth);
  assert.equal(sideways, false, `${name} scrolls sideways at ${page.viewportSize().width} px`);
}

/** Sees that axe finds no barrier on a page, whose context has to bypass its policy. */
export async function barsNobody(page, name) {
  await page.evaluate(await axe());
  const found = await page.evaluate(() => globalThis.axe.run(document));
  const barriers = found.violations.map(({ id, help, nodes }) => `${name}: ${id}: ${help}: ${nodes.map((node) => node.html).join(' | ').slice(0, 300)}`);
  assert.deepEqual(barriers, []);
}

let axeSource;
const axe = async () => (axeSource ??= await readFile(createRequire(import.meta.url).resolve('axe-core/axe.min.js'), 'utf8'));
