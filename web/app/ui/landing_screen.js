/** Where somebody lands without a link: asks for the meeting's name. */
import { html, useState } from '../view.js';
import { addressOf, ECHO_ALIAS } from '../address.js';
import { strings } from '../strings.js';
import { Icon } from './icon.js';

export function LandingScreen() {
  const [name, setName] = useState('');
  const text = strings.landing;
  const submit = (event) => {
    event.preventDefault();
    if (name.trim() !== '') location.assign(addressOf(name.trim()));
  };
  return html`
    <main class="page page-narrow">
      <div class="card">
        <span class="brand"><${Icon} name="brand" /></span>
        <h1>${text.title}</h1>
        <p class="lead">${text.lead}</p>
        <form class="form" onSubmit=${submit}>
          <label class="field">
            <span>${text.field}</span>
            <input
              required
              maxlength="64"
              autocomplete="off"
              autocapitalize="none"
              spellcheck=${false}
              value=${name}
              onInput=${(event) => setName(event.currentTarget.value)}
            />
          </label>
          <button class="button button-primary" type="submit">${text.go}</button>
        </form>
        <p class="aside">${text.echoLead} <a href=${addressOf(ECHO_ALIAS)}>${text.echo}</a></p>
      </div>
    </main>
  `;
}
