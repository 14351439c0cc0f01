/** Starts the client: one of four screens, chosen by the address and by what has happened. */
import { html, render, signal, useEffect } from './view.js';
import { aliasFrom } from './address.js';
import { Call } from './call/call.js';
import { devices } from './media/local.js';
import { strings } from './strings.js';
import { Announcer } from './ui/announcer.js';
import { CallScreen } from './ui/call_screen.js';
import { EndedScreen } from './ui/ended_screen.js';
import { LandingScreen } from './ui/landing_screen.js';
import { PrejoinScreen } from './ui/prejoin_screen.js';

const alias = aliasFrom(location.pathname);

/** @type {import('./view.js').signal<Call | null>} */
const call = signal(null);
/** @type {import('./view.js').signal<{reason: string, retryAfterS: number} | null>} */
const ended = signal(null);

/** @param {import('./net/api.js').Joined} joined */
function enter(joined) {
  ended.value = null;
  const entered = new Call(joined, (end) => {
    call.value = null;
    ended.value = end;
  });
  call.value = entered;
  entered.start();
}

// The page going away is leaving; a page kept alive for "back" comes back to the form.
addEventListener('pagehide', () => call.peek()?.leave());

function App() {
  const inCall = call.value;
  const title = inCall?.room.name ?? alias ?? strings.landing.title;
  useEffect(() => {
    document.title = `${title} · ${strings.product}`;
  }, [title]);

  let screen;
  if (alias === null) screen = html`<${LandingScreen} />`;
  else if (inCall !== null) screen = html`<${CallScreen} call=${inCall} />`;
  else if (ended.value !== null) {
    screen = html`<${EndedScreen} end=${ended.value} onRejoin=${() => (ended.value = null)} />`;
  } else screen = html`<${PrejoinScreen} alias=${alias} onJoined=${enter} />`;
  return html`${screen}<${Announcer} />`;
}

devices.watch();
render(html`<${App} />`, document.getElementById('app'));
