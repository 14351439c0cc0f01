/** Single keys: M, V, S, L, P, F, ?, and space held to talk. Off while typing, in dialogs, or by the settings. */
import { useLayoutEffect } from '../view.js';
import { settings } from '../settings.js';

/** Where space or letters already mean something. */
const TYPING = 'input, textarea, select, [contenteditable]';
const PRESSABLE = 'button, a, summary, [role^="menuitem"]';

/** @param {import('../call/call.js').Call} call @param {import('./panels.js').Panels} panels */
export function useShortcuts(call, panels) {
  useLayoutEffect(() => {
    const actions = {
      m: () => void call.toggleMute(),
      v: () => void call.toggleCamera(),
      s: () => void call.toggleShare(),
      l: () => (panels.layoutMenu.value = !panels.layoutMenu.peek()),
      p: () => panels.togglePeople(),
      f: () => panels.toggleFullscreen(),
      '?': () => panels.show('help'),
    };
    const onKeyDown = (event) => {
      if (settings.shortcuts.peek() !== 'on' || event.repeat || event.ctrlKey || event.metaKey || event.altKey) return;
      if (panels.dialog.peek() !== null || event.target.closest?.(TYPING)) return;
      if (event.key === ' ') {
        if (event.target.closest?.(PRESSABLE)) return;
        event.preventDefault();
        void call.holdToTalk(true);
        return;
      }
      const action = actions[event.key.toLowerCase()];
      if (action === undefined) return;
      event.preventDefault();
      action();
    };
    const onKeyUp = (event) => event.key === ' ' && void call.holdToTalk(false);
    const onBlur = () => void call.holdToTalk(false);
    addEventListener('keydown', onKeyDown);
    addEventListener('keyup', onKeyUp);
    addEventListener('blur', onBlur);
    return () => {
      removeEventListener('keydown', onKeyDown);
      removeEventListener('keyup', onKeyUp);
      removeEventListener('blur', onBlur);
    };
  }, [call, panels]);
}
