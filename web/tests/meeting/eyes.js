/**
 * What looks and listens inside a page that shows a meeting, in any browser: `observe` and `listen` are run there.
 */
import { readFile } from 'node:fs/promises';
import { fileURLToPath } from 'node:url';

const BARCODE = fileURLToPath(new URL('../../../loadtest/js/barcode.mjs', import.meta.url));

/** A script that gives the page `readBarCode`. */
export async function barCodeReader() {
  const source = (await readFile(BARCODE, 'utf8')).replaceAll(/^export /gm, '');
  return `${source}\nwindow.readBarCode = readImageData;`;
}

/** Whose bar codes are in `tiles` of a PNG, by a page that has the reader; null where there is none. */
export function sendersIn(page, png, tiles) {
  const read = async ({ base64, places }) => {
    const bytes = Uint8Array.from(atob(base64), (letter) => letter.charCodeAt(0));
    const image = await createImageBitmap(new Blob([bytes], { type: 'image/png' }));
    const context = Object.assign(document.createElement('canvas'), { width: image.width, height: image.height }).getContext('2d');
    context.drawImage(image, 0, 0);
    const pixels = context.getImageData(0, 0, image.width, image.height);
    return places.map((place) => window.readBarCode(pixels, place)?.sender ?? null);
  };
  return page.evaluate(read, { base64: png.toString('base64'), places: tiles });
}

/** Which senders were read in others' tiles: sender -> set of participants. */
export function sendersSeen(frames) {
  const found = new Map();
  for (const { self, code, participant } of frames.flatMap(({ tiles }) => tiles)) {
    if (self || !code) continue;
    found.set(code.sender, (found.get(code.sender) ?? new Set()).add(participant));
  }
  return found;
}

/**
 * Runs in the page: reads the bar codes out of every `every`-th shown frame of the mix, and those of the own camera's
 * preview, which say when each of its pictures was new. Times are of the day, in ms: the same in every process here.
 */
export function observe() {
  const state = { frames: [], own: [], moves: {}, every: 5, seen: 0, overtaken: 0, firstUnixMs: null };
  window.__observed = state;
  /** Half of the mix's size is enough to read by, and a quarter of the work. */
  const WIDTH = 640;
  const FRAMES_MAX = 8_000;
  const keep = (log, entry) => {
    log.push(entry);
    if (log.length > FRAMES_MAX) log.shift();
  };
  const unixMs = () => Math.round(performance.timeOrigin + performance.now());
  const canvas = document.createElement('canvas');
  const context = canvas.getContext('2d', { willReadFrequently: true });
  const pixels = (video, width, height) => {
    if (canvas.width !== width || canvas.height !== height) Object.assign(canvas, { width, height });
    context.drawImage(video, 0, 0, width, height);
    return context.getImageData(0, 0, width, height);
  };
  const newer = (a, b) => ((a - b) | 0) >= 0;
  /** The layout that holds for a frame: the last one whose first frame is not after it. */
  const layoutAt = (timestamp) =>
    window.__mcu.layouts.filter((layout) => layout.line === 'main' && newer(timestamp, layout.rtp_timestamp)).at(-1);
  /** Counts how often the place has changed in which somebody was read. */
  const follow = ({ participant, code, rect: { x, y } }) => {
    if (!code) return;
    const [place, moved] = [`${x} ${y}`, state.moves[participant] ?? { times: 0 }];
    state.moves[participant] = { place, times: moved.times + (moved.place !== undefined && moved.place !== place ? 1 : 0) };
  };
  /** Where the overlay's element really lies, in canvas pixels; null when it is hidden. */
  const overlayBox = (video, canvasWidth) => {
    const box = document.querySelector('.own-tile')?.getBoundingClientRect();
    const mix = video.getBoundingClientRect();
    if (!box || box.width === 0) return null;
    const shown = Math.min(mix.width / 16, mix.height / 9) * 16;
    const scale = canvasWidth / shown;
    const [left, top] = [mix.x + (mix.width - shown) / 2, mix.y + (mix.height - (shown * 9) / 16) / 2];
    return { x: (box.x - left) * scale, y: (box.y - top) * scale, width: box.width * scale, height: box.height * scale };
  };
  /** Whether what would be drawn is a newer frame than the one that the page was told of: it is read the next time. */
  const overtaken = (video, mediaTime) => {
    const current = new VideoFrame(video);
    const ahead = current.timestamp / 1e6 - mediaTime;
    current.close();
    return Math.abs(ahead) > 0.005;
  };
  const watchMix = (video) => {
    const frame = (_now, { rtpTimestamp, width, height, presentedFrames, mediaTime }) => {
      video.requestVideoFrameCallback(frame);
      state.firstUnixMs ??= unixMs();
      state.seen += 1;
      if (state.seen % state.every !== 0) return;
      const layout = layoutAt(rtpTimestamp);
      if (!layout) return;
      const image = pixels(video, WIDTH, Math.round((WIDTH * height) / width));
      if (overtaken(video, mediaTime)) {
        state.overtaken += 1;
        return;
      }
      const scale = WIDTH / layout.canvas.width;
      const tiles = layout.tiles.map(({ participant_id: participant, kind, self, x, y, width, height }) => {
        const within = { x: x * scale, y: y * scale, width: width * scale, height: height * scale };
        const code = window.readBarCode(image, within, kind === 'content');
        return { participant, kind, self, rect: { x, y, width, height }, code };
      });
      tiles.forEach(follow);
      const entry = { unixMs: unixMs(), rtpTimestamp, width, presentedFrames, layoutsKnown: window.__mcu.layouts.length, tiles };
      keep(state.frames, entry);
      // Once everybody who moves something on this frame has done so, before it is painted.
      requestAnimationFrame(() => (entry.box = overlayBox(video, layout.canvas.width)));
    };
    video.requestVideoFrameCallback(frame);
  };
  const watchOwn = (video) => {
    const [width, height] = [320, 180];
    const frame = () => {
      video.requestVideoFrameCallback(frame);
      const code = window.readBarCode(pixels(video, width, height), { x: 0, y: 0, width, height });
      if (code) keep(state.own, { unixMs: unixMs(), number: code.number });
    };
    video.requestVideoFrameCallback(frame);
  };
  const once = (selector, watch) => {
    const wait = setInterval(() => {
      const video = document.querySelector(selector);
      if (!video || !window.__mcu?.layouts) return;
      clearInterval(wait);
      watch(video);
    }, 50);
  };
  once('.pane-mix video.picture', watchMix);
  once('.own-tile video', watchOwn);
}

/**
 * Runs in the page: the level of each frequency in the received sound, in dB of full scale: the median of `looks`
 * windows of a third of a second (Goertzel, Hann window: 30 Hz away it is 60 dB down). `recorded`: the sound is taken by
 * a MediaRecorder instead of an AudioContext, which in Firefox does not run on a machine without a loudspeaker.
 */
export async function listen({ frequencies, looks, recorded = false }) {
  const size = 16_384;
  const periodMs = 400;
  const pause = (ms) => new Promise((done) => setTimeout(done, ms));
  const receiver = window.__mcu.pc.getReceivers().find(({ track }) => track.kind === 'audio');
  const heard = new MediaStream([receiver.track]);
  const levelOf = (samples, hz) => {
    const turn = 2 * Math.cos((2 * Math.PI * hz) / 48_000);
    let [before, last] = [0, 0];
    for (let n = 0; n < size; n += 1) {
      const hann = 0.5 - 0.5 * Math.cos((2 * Math.PI * n) / size);
      [before, last] = [last, samples[n] * hann + turn * last - before];
    }
    const power = before * before + last * last - turn * before * last;
    return 10 * Math.log10((power * 16) / (size * size) + 1e-20);
  };
  const windows = [];
  if (recorded) {
    const parts = [];
    const recorder = new MediaRecorder(heard);
    recorder.ondataavailable = ({ data }) => parts.push(data);
    recorder.start();
    await pause((looks + 1) * periodMs);
    await new Promise((done) => {
      recorder.onstop = done;
      recorder.stop();
    });
    const decoder = new OfflineAudioContext(1, 1, 48_000);
    const samples = (await decoder.decodeAudioData(await new Blob(parts).arrayBuffer())).getChannelData(0);
    for (let at = 0; at + size <= samples.length; at += size) windows.push(samples.subarray(at, at + size));
  } else {
    const context = new AudioContext({ sampleRate: 48_000 });
    await context.resume();
    const analyser = new AnalyserNode(context, { fftSize: size });
    context.createMediaStreamSource(heard).connect(analyser);
    for (let look = 0; look < looks; look += 1) {
      await pause(periodMs);
      const samples = new Float32Array(size);
      analyser.getFloatTimeDomainData(samples);
      windows.push(samples);
    }
    await context.close();
  }
  return frequencies.map((hz) => {
    const levels = windows.map((samples) => levelOf(samples, hz)).sort((one, other) => one - other);
    return levels[Math.floor(levels.length / 2)];
  });
}
