/**
 * Copies the client's libraries out of node_modules into web/vendor, as the files that browsers load.
 *
 * The only changes: bare module names become relative paths (a strict CSP leaves no room for an import map) and the
 * source map comment goes (the maps are not served). unit/vendor.test.js holds them to it.
 */
import { mkdir, readFile, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

const here = dirname(fileURLToPath(import.meta.url));
const vendorFolder = join(here, '..', 'vendor');

/** Served file -> file inside node_modules. */
const MODULES = {
  'preact.js': 'preact/dist/preact.mjs',
  'preact-hooks.js': 'preact/hooks/dist/hooks.mjs',
  'htm.js': 'htm/dist/htm.mjs',
  'signals.js': '@preact/signals/dist/signals.mjs',
  'signals-core.js': '@preact/signals-core/dist/signals-core.mjs',
};

/** Licence file -> file inside node_modules. */
const LICENCES = {
  'LICENSE-preact.txt': 'preact/LICENSE',
  'LICENSE-htm.txt': 'htm/LICENSE',
  'LICENSE-preact-signals.txt': '@preact/signals/LICENSE',
  'LICENSE-preact-signals-core.txt': '@preact/signals-core/LICENSE',
};

/** Bare module name -> the file that stands for it. */
const SPECIFIERS = {
  'preact': './preact.js',
  'preact/hooks': './preact-hooks.js',
  '@preact/signals-core': './signals-core.js',
};

/**
 * @param {string} source A module as its package publishes it.
 * @returns {string} The same module with relative imports and no source map comment.
 */
function relocated(source) {
  return source
    .replace(/(from\s*|import\s*)(["'])([^"'./][^"']*)\2/g, (_whole, keyword, quote, name) => {
      const file = SPECIFIERS[name];
      if (file === undefined) throw new Error(`no vendored file stands for "${name}"`);
      return `${keyword}${quote}${file}${quote}`;
    })
    .replace(/\n?\/\/# sourceMappingURL=.*\s*$/, '\n');
}

/** @returns {Promise<Map<string, string>>} What web/vendor has to hold: name -> text. */
export async function expectedVendorFiles() {
  const files = new Map();
  const version = async (name) => {
    const text = await readFile(join(here, 'node_modules', name, 'package.json'), 'utf8');
    return JSON.parse(text).version;
  };
  for (const [name, from] of Object.entries(MODULES)) {
    files.set(name, relocated(await readFile(join(here, 'node_modules', from), 'utf8')));
  }
  for (const [name, from] of Object.entries(LICENCES)) {
    files.set(name, await readFile(join(here, 'node_modules', from), 'utf8'));
  }
  const versions = await Promise.all(
    ['preact', 'htm', '@preact/signals', '@preact/signals-core'].map(async (name) => `${name} ${await version(name)}`),
  );
  files.set('VERSIONS.txt', `${versions.join('\n')}\n`);
  return files;
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  const files = await expectedVendorFiles();
  await mkdir(vendorFolder, { recursive: true });
  for (const [name, text] of files) await writeFile(join(vendorFolder, name), text);
}
