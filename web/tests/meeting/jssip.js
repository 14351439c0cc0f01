/** JsSIP for a page: it comes as modules for Node.js, which are put into one script here. */
import { readFile } from 'node:fs/promises';
import { createRequire } from 'node:module';

/** What of JsSIP's modules is another one in a browser. */
const IN_BROWSERS = { debug: 'debug/src/browser.js', events: 'events/' };

/** A script that gives a page `JsSIP`. */
export async function jssip() {
  const modules = new Map();
  const add = async (file) => {
    if (modules.has(file)) return;
    modules.set(file, '');
    const source = await readFile(file, 'utf8');
    if (file.endsWith('.json')) {
      modules.set(file, `module.exports = ${source};`);
      return;
    }
    const { resolve } = createRequire(file);
    const names = new Map([...source.matchAll(/\brequire\('([^']+)'\)/g)].map(([, name]) => [name, resolve(IN_BROWSERS[name] ?? name)]));
    modules.set(file, source.replaceAll(/\brequire\('([^']+)'\)/g, (_, name) => `require(${JSON.stringify(names.get(name))})`));
    for (const needed of names.values()) await add(needed);
  };
  const entry = createRequire(import.meta.url).resolve('jssip');
  await add(entry);
  const bodies = [...modules].map(([file, source]) => `${JSON.stringify(file)}: function (module, exports, require) {\n${source}\n}`);
  return `window.JsSIP = (() => {
    const [modules, made] = [{${bodies.join(',\n')}}, {}];
    const require = (file) => {
      if (!made[file]) {
        made[file] = { exports: {} };
        modules[file](made[file], made[file].exports, require);
      }
      return made[file].exports;
    };
    return require(${JSON.stringify(entry)});
  })();`;
}
