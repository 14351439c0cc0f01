/** What can rot in the tree: vendored files, the lock file, what sources must not contain, icons that are named. */
import assert from 'node:assert/strict';
import { readFile, readdir } from 'node:fs/promises';
import { fileURLToPath } from 'node:url';
import { test } from 'node:test';
import { expectedVendorFiles } from '../vendor.js';

const WEB = fileURLToPath(new URL('../..', import.meta.url));

/** @returns {Promise<Map<string, string>>} Path below web -> text, of all that is served. */
async function served() {
  const files = new Map();
  for (const entry of await readdir(WEB, { recursive: true, withFileTypes: true })) {
    const path = `${entry.parentPath ?? entry.path}/${entry.name}`.slice(WEB.length).replace(/^\//, '');
    if (entry.isFile() && !path.startsWith('tests/')) files.set(path, await readFile(WEB + path, 'utf8'));
  }
  return files;
}

test('vendored libraries are the packages of the lock file', async () => {
  const expected = await expectedVendorFiles();
  const found = new Map();
  for (const name of await readdir(`${WEB}vendor`)) found.set(name, await readFile(`${WEB}vendor/${name}`, 'utf8'));
  assert.deepEqual([...found.keys()].sort(), [...expected.keys()].sort());
  for (const [name, text] of expected) assert.ok(found.get(name) === text, `vendor/${name} differs: npm run vendor`);
});

test('the lock file names no host', async () => {
  assert.doesNotMatch(await readFile(`${WEB}tests/package-lock.json`, 'utf8'), /"resolved"/);
});

test('sources keep to what the policy allows', async () => {
  const banned = /\binnerHTML\b|\bouterHTML\b|insertAdjacentHTML|dangerouslySetInnerHTML|\beval\(|new Function\(|document\.write|style="|\son[a-z]+="/;
  assert.match('<p style="x">', banned);
  const sources = [...(await served())].filter(([path]) => /^(app\/.*\.js|index\.html)$/.test(path));
  assert.ok(sources.length > 30, 'the sources were found');
  for (const [path, text] of sources) assert.doesNotMatch(text, banned, path);
});

test('files stay short', async () => {
  for (const [path, text] of await served()) {
    if (path.startsWith('app/')) assert.ok(text.split('\n').length <= 340, `${path} is two things`);
  }
});

test('every icon that is named exists, and every one that exists is named', async () => {
  const files = await served();
  const drawn = [...files.get('icons/sprite.svg').matchAll(/symbol id="([^"]+)"/g)].map(([, id]) => id);
  const code = [...files].filter(([path]) => path.startsWith('app/ui/')).map(([, text]) => text).join('\n');
  const quoted = new Set([...code.matchAll(/['"`]([a-z-]+)['"`]/g)].map(([, word]) => word));
  // Toggles name their second state by suffix.
  const named = (id) => quoted.has(id) || (id.endsWith('-off') && quoted.has(id.slice(0, -4)));
  assert.deepEqual(drawn.filter((id) => !named(id)), []);
  for (const [, id] of code.matchAll(/(?:\$\{Icon\} name|icon)[=:]\s?["']([a-z-]+)["']/g)) assert.ok(drawn.includes(id), id);
});

/** Groups whose texts are found by a word of the API, a field's name or a state. */
const KEYED = ['problems', 'mediaErrors', 'ended', 'layouts', 'layoutHints', 'callStates', 'transferStates', 'callFailures', 'callFaults'];

test('every string is used', async () => {
  const files = await served();
  const { strings } = await import('../../app/strings.js');
  const code = [...files].filter(([path]) => path.startsWith('app/') && path !== 'app/strings.js').map(([, text]) => text).join('\n');
  const unused = [];
  for (const [group, texts] of Object.entries(strings)) {
    if (KEYED.includes(group) || typeof texts === 'string') continue;
    for (const name of Object.keys(texts)) if (!new RegExp(`\\.${name}\\b`).test(code)) unused.push(`${group}.${name}`);
  }
  assert.deepEqual(unused.filter((name) => !/^quality\.(good|fair|poor|unknown)$/.test(name)), []);
});
