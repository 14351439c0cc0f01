/**
 * The media half of the fake node: a page of the same browser answers the client's offer with a drawn picture, so that
 * the client sees real RTP with real timestamps.
 */

/**
 * @param {import('playwright-core').BrowserContext} context
 * @returns {Promise<{answer: (sdp: string) => Promise<string>, draw: (scene: object) => Promise<void>,
 *   hangUp: () => Promise<void>, inbound: () => Promise<object[]>}>}
 */
export async function createMediaNode(context) {
  const page = await context.newPage();
  await page.setContent('<canvas id="main" width="1280" height="720"></canvas><canvas id="content" width="1920" height="1080"></canvas>');
  await page.evaluate(installMedia);
  return {
    answer: (sdp) => page.evaluate((offer) => window.answer(offer), sdp),
    draw: (scene) => page.evaluate((next) => window.draw(next), scene),
    hangUp: () => page.evaluate(() => window.pc.close()),
    inbound: () => page.evaluate(() => window.inbound()),
  };
}

/** Runs in the page. */
function installMedia() {
  const palette = [['#3b5bdb', '#1b2a66'], ['#0b7a75', '#06403d'], ['#9c4dcc', '#4a1f66'], ['#c2571a', '#5e2708'], ['#3f7d3a', '#1d3d1a'], ['#b03060', '#521429']];
  let scene = { tiles: [] };
  let frame = 0;
  const contexts = ['main', 'content'].map((id) => document.getElementById(id).getContext('2d'));

  function drawMain(g) {
    g.fillStyle = '#14171f';
    g.fillRect(0, 0, 1280, 720);
    scene.tiles.forEach((tile, index) => {
      const [light, dark] = palette[index % palette.length];
      const shade = g.createLinearGradient(tile.x, tile.y, tile.x + tile.width, tile.y + tile.height);
      shade.addColorStop(0, light);
      shade.addColorStop(1, dark);
      g.fillStyle = shade;
      g.fillRect(tile.x, tile.y, tile.width, tile.height);
      const cx = tile.x + tile.width / 2;
      const cy = tile.y + tile.height / 2;
      g.fillStyle = 'rgb(255 255 255 / 16%)';
      g.beginPath();
      g.arc(cx, cy, tile.height * (0.2 + 0.004 * Math.sin(frame / 12)), 0, 7);
      g.fill();
      g.fillStyle = '#fff';
      g.textAlign = 'center';
      g.textBaseline = 'middle';
      g.font = `600 ${tile.height * 0.15}px sans-serif`;
      g.fillText(tile.name.split(' ').map((word) => word[0]).join(''), cx, cy);
      g.textAlign = 'start';
      g.font = '500 20px sans-serif';
      g.fillText(tile.name, tile.x + 16, tile.y + tile.height - 22);
    });
  }

  function drawContent(g) {
    g.fillStyle = '#fdfdfb';
    g.fillRect(0, 0, 1920, 1080);
    g.fillStyle = '#1b2a66';
    g.font = '700 84px sans-serif';
    g.fillText('Third quarter', 140, 220);
    [0.42, 0.58, 0.5, 0.74, 0.86].forEach((part, index) => {
      g.fillStyle = index === 4 ? '#3b5bdb' : '#c3cdf2';
      g.fillRect(140 + index * 330, 960 - part * 600, 230, part * 600);
    });
    g.fillStyle = frame % 2 ? '#fdfdfb' : '#fcfcfa';
    g.fillRect(1900, 1060, 8, 8);
  }

  setInterval(() => {
    frame += 1;
    drawMain(contexts[0]);
    drawContent(contexts[1]);
  }, 33);

  window.draw = (next) => {
    scene = next;
  };
  window.answer = async (sdp) => {
    window.pc?.close();
    const pc = new RTCPeerConnection();
    window.pc = pc;
    await pc.setRemoteDescription({ type: 'offer', sdp });
    const [audio, video, contentVideo, contentAudio] = pc.getTransceivers();
    const sound = new AudioContext().createMediaStreamDestination().stream.getAudioTracks()[0];
    await audio.sender.replaceTrack(sound);
    await video.sender.replaceTrack(document.getElementById('main').captureStream(30).getVideoTracks()[0]);
    await contentVideo.sender.replaceTrack(document.getElementById('content').captureStream(5).getVideoTracks()[0]);
    for (const line of [audio, video, contentVideo]) line.direction = 'sendrecv';
    contentAudio.direction = 'recvonly';
    await pc.setLocalDescription();
    if (pc.iceGatheringState !== 'complete') {
      await new Promise((resolve) => {
        pc.onicegatheringstatechange = () => pc.iceGatheringState === 'complete' && resolve();
      });
    }
    return pc.localDescription.sdp;
  };
  window.inbound = async () => {
    const report = await window.pc.getStats();
    return [...report.values()].filter(({ type }) => type === 'inbound-rtp');
  };
}
