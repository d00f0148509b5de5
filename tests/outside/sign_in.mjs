// A person without a browser: walks sign-in and consent pages the way one would, over HTTP.
//
// `signIn` follows redirects with a cookie jar, fills in the form it finds on each page, and stops
// at the client's callback URL. Works on any pages built from plain forms: hidden inputs are sent
// back as they came, `username` and `password` are filled in, on a page with `name="decision"`
// buttons the wanted one is pressed, with the tick boxes that should stay ticked.
//
// As a program (for clients in other languages): one JSON object on stdin, one on stdout.

const MAX_STEPS = 20;

/**
 * @param {object} job
 * @param {string} job.url        authorization URL
 * @param {string} job.callback   redirect URI of the client
 * @param {string} [job.username]
 * @param {string} [job.password]
 * @param {'allow'|'deny'} [job.decision]
 * @param {string[]} [job.untick] scopes whose tick box is cleared before allowing
 * @returns {Promise<{callback: string, pages: string[], consentText: string, offered: string[]}>}
 */
export async function signIn({ url, callback, username, password, decision = 'allow', untick = [] }) {
  const jar = new CookieJar();
  const trail = [];
  const seen = { pages: [], consentText: '', offered: [] };
  let next = { url, method: 'GET' };
  for (let step = 0; step < MAX_STEPS; step += 1) {
    const response = await fetch(next.url, {
      method: next.method,
      body: next.body,
      headers: { accept: 'text/html', cookie: jar.header(next.url), ...(next.body && { origin: new URL(next.url).origin }) },
      redirect: 'manual',
      signal: AbortSignal.timeout(15_000),
    });
    jar.keep(next.url, response.headers.getSetCookie());
    trail.push(`${next.method} ${stripQuery(next.url)} ${response.status}`);
    if (response.status >= 300 && response.status < 400) {
      const location = new URL(response.headers.get('location'), next.url).href;
      if (isCallback(location, callback)) return { callback: location, ...seen };
      next = { url: location, method: 'GET' };
      continue;
    }
    const html = await response.text();
    const form = findForm(html);
    if (!form) throw new Error(`no form on the page and no callback\n${trail.join('\n')}\n${textOf(html).slice(0, 600)}`);
    const page = form.inputs.some((input) => input.name === 'password') ? 'sign-in' : 'consent';
    if (seen.pages.includes(page)) throw new Error(`the ${page} page came again\n${trail.join('\n')}\n${textOf(html).slice(0, 600)}`);
    seen.pages.push(page);
    const fields = new URLSearchParams();
    for (const input of form.inputs) {
      if (input.name === 'username') fields.append('username', username);
      else if (input.name === 'password') fields.append('password', password);
      else if (input.type === 'checkbox') {
        seen.offered.push(input.value);
        if ('checked' in input && !untick.includes(input.value)) fields.append(input.name, input.value);
      } else if (input.name) fields.append(input.name, input.value ?? '');
    }
    if (page === 'consent') {
      seen.consentText = textOf(html);
      const button = form.buttons.find((one) => one.name === 'decision' && one.value === decision);
      if (!button) throw new Error(`the consent page has no button for ${decision}\n${textOf(html).slice(0, 600)}`);
      fields.append(button.name, button.value);
    }
    next = { url: new URL(form.action || next.url, next.url).href, method: 'POST', body: fields };
  }
  throw new Error(`no callback after ${MAX_STEPS} steps\n${trail.join('\n')}`);
}

/** True if `location` is the client's callback: same scheme, host, port and path. */
function isCallback(location, callback) {
  const [to, expected] = [new URL(location), new URL(callback)];
  return to.origin === expected.origin && to.pathname === expected.pathname;
}

class CookieJar {
  #cookies = new Map();

  keep(url, headers) {
    const host = new URL(url).hostname;
    for (const header of headers) {
      const [pair, ...attributes] = header.split(';').map((part) => part.trim());
      const name = pair.slice(0, pair.indexOf('='));
      const attribute = (wanted) => attributes.find((one) => one.toLowerCase().startsWith(`${wanted}=`))?.slice(wanted.length + 1);
      const path = attribute('path') ?? '/';
      const key = `${host} ${path} ${name}`;
      const ended = attribute('max-age') === '0' || Date.parse(attribute('expires') ?? '') <= Date.now();
      if (ended) this.#cookies.delete(key);
      else this.#cookies.set(key, { host, path, pair });
    }
  }

  header(url) {
    const { hostname, pathname } = new URL(url);
    const applies = ({ host, path }) => host === hostname && (pathname === path || pathname.startsWith(path.endsWith('/') ? path : `${path}/`));
    return [...this.#cookies.values()].filter(applies).map(({ pair }) => pair).join('; ');
  }
}

/** The first posting form of a page: its action, inputs and buttons, as attribute maps. */
function findForm(html) {
  for (const [, open, inside] of html.matchAll(/<form\b([^>]*)>([\s\S]*?)<\/form>/gi)) {
    const { method, action } = attributesOf(open);
    if (method?.toLowerCase() !== 'post') continue;
    return {
      action,
      inputs: [...inside.matchAll(/<input\b([^>]*)>/gi)].map(([, attributes]) => attributesOf(attributes)),
      buttons: [...inside.matchAll(/<button\b([^>]*)>/gi)].map(([, attributes]) => attributesOf(attributes)),
    };
  }
  return null;
}

function attributesOf(text) {
  const found = {};
  for (const [, name, quoted, single, bare] of text.matchAll(/([\w:-]+)(?:\s*=\s*(?:"([^"]*)"|'([^']*)'|([^\s"'>]+)))?/g)) {
    found[name.toLowerCase()] = decode(quoted ?? single ?? bare ?? '');
  }
  return found;
}

const entities = { amp: '&', lt: '<', gt: '>', quot: '"', apos: "'" };
const decode = (text) => text.replace(/&(?:#x([\da-f]+)|#(\d+)|(\w+));/gi, (whole, hex, digits, name) => (hex ? String.fromCodePoint(parseInt(hex, 16)) : digits ? String.fromCodePoint(Number(digits)) : (entities[name] ?? whole)));
const textOf = (html) => decode(html.replace(/<(style|script)\b[\s\S]*?<\/\1>/gi, ' ').replace(/<[^>]*>/g, ' ')).replace(/\s+/g, ' ').trim();
const stripQuery = (url) => url.split('?')[0];

if (process.argv[1] === import.meta.filename) {
  let text = '';
  for await (const chunk of process.stdin) text += chunk;
  console.log(JSON.stringify(await signIn(JSON.parse(text))));
}
