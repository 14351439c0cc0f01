/** People, layouts and rosters that the browser tests share. */

export const NAMES = ['Grace Hopper', 'Alan Turing', 'Radia Perlman', 'Katherine Johnson', 'Edsger Dijkstra'];

export const PEOPLE = NAMES.map((name, index) => ({
  id: 10 + index,
  name,
  role: index === 0 ? 'host' : 'guest',
  via: index === 4 ? 'whep' : index === 3 ? 'whip' : 'browser',
  muted: index === 2,
  camera: index !== 2,
  speaking: index === 1,
}));

/**
 * A grid of three by two, with oneself in one of its places.
 *
 * @param {number} place 0 to 5.
 * @returns {{x: number, y: number, width: number, height: number, participant_id: number, name: string, self: boolean,
 *   kind: string, video: boolean}[]}
 */
export function gridWithSelfAt(place) {
  const width = 424;
  const height = 240;
  const others = [...PEOPLE];
  return Array.from({ length: 6 }, (_, index) => {
    const self = index === place;
    const person = self ? { id: 1, name: 'Ada Lovelace' } : others.shift();
    const x = (index % 3) * (width + 4);
    const y = Math.floor(index / 3) * (height + 4) + 118;
    return { x, y, width, height, participant_id: person.id, name: person.name, self, kind: 'main', video: true };
  });
}

/** @param {number} place @param {number} rtpTimestamp @returns {object} A `layout` event. */
export function layoutWithSelfAt(place, rtpTimestamp) {
  const tiles = gridWithSelfAt(place).map(({ name: _name, ...tile }) => tile);
  const canvas = { width: 1280, height: 720 };
  return { type: 'layout', line: 'main', canvas, rtp_timestamp: rtpTimestamp >>> 0, tiles, layout: 'grid' };
}
