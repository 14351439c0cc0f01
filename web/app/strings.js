/**
 * Every text a person reads, in one place, ready for translation: a second language is a second module of this shape.
 */

/** @param {number} count @param {string} one @param {string} many */
const plural = (count, one, many) => (count === 1 ? one : many);

/** @param {string[]} words @param {'conjunction'|'disjunction'} type */
const listOf = (words, type) => new Intl.ListFormat('en', { type }).format(words);

/** @param {string[]} words Of many, the first few are named. */
const either = (words) => listOf(words.length > 4 ? [...words.slice(0, 3), `${words.length - 3} more`] : words, 'disjunction');

export const strings = {
  product: 'Meeting',

  landing: {
    title: 'Join a meeting',
    lead: 'Enter the name of the meeting as it stands in your invitation.',
    field: 'Meeting name',
    go: 'Continue',
    echoLead: 'Not sure that your microphone and camera work?',
    echo: 'Try the echo test',
  },

  prejoin: {
    title: 'Ready to join?',
    lead: (alias) => `Meeting “${alias}”`,
    echoTitle: 'Echo test',
    echoLead: 'Hear yourself with a second’s delay and see yourself as others would. Nobody else is there.',
    skip: 'Skip to the form',
    preview: 'Your camera preview',
    cameraOff: 'Your camera is off',
    cameraStarting: 'Starting your camera',
    level: 'Microphone level',
    micOff: 'Microphone is off',
    micQuiet: 'Say something: the bar should move',
    devices: 'Devices',
    name: 'Your name',
    pin: 'PIN',
    pinHint: 'In your invitation. It is never stored and never part of a link.',
    join: 'Join',
    joining: 'Joining…',
    nameMissing: 'Please enter your name.',
    pinMissing: 'Please enter the PIN.',
    echoLink: 'Test my sound and picture first',
  },

  devices: {
    camera: 'Camera',
    microphone: 'Microphone',
    speaker: 'Loudspeaker',
    systemDefault: 'System default',
    unnamed: (kind, index) => `${kind} ${index}`,
  },

  /** What went wrong with a device, by reason; `what` is "camera" or "microphone". */
  mediaErrors: {
    denied: (what) => `The browser may not use your ${what}. Allow it by the icon beside the address, then turn it on again.`,
    missing: (what) => `No ${what} was found. Plug one in, then turn it on again.`,
    busy: (what) => `Another program is using your ${what}. Close that program, then turn it on again.`,
    lost: (what) => `Your ${what} was disconnected. Choose another one or plug it in again.`,
    insecure: () => 'Browsers share devices only with secure pages. Open this meeting by its https address.',
    unknown: (what) => `Your ${what} could not be started. Try again, or choose another one.`,
  },

  /** By problem code of the API. */
  problems: {
    'join-refused': 'That PIN does not open this meeting. Check the PIN and the meeting’s name.',
    'too-many-requests': (seconds) =>
      `Too many attempts. You can try again in ${seconds} ${plural(seconds, 'second', 'seconds')}.`,
    'too-many-requests-over': 'You can try again now.',
    'room-full': 'This meeting is full. Try again when somebody has left.',
    locked: 'This meeting is locked: its host lets nobody else in. Ask the host, or try again later.',
    draining: 'The server is about to restart. Try again in a minute.',
    unreachable: 'The server cannot be reached. Check your connection and try again.',
    'sdp-no-common-codec': 'This browser and the server have no picture or sound format in common.',
    'bad-request': 'The server did not accept what was entered. Check your name and the PIN.',
    unknown: 'The server could not let you in. Try again in a moment.',
  },

  call: {
    skipControls: 'Skip to the controls',
    skipPeople: 'Skip to the people',
    stage: 'Meeting picture',
    mix: 'Picture of the meeting',
    content: 'Shared screen',
    own: 'Your own camera',
    you: 'You',
    connecting: 'Connecting…',
    waitingPicture: 'Waiting for the picture…',
    echo: 'Speak: you hear yourself a second later. Nobody else is here.',
    alone: 'You are the only one here. Others will appear as they join.',
    controls: 'Meeting controls',
    notices: 'Notices',
    privacy: 'Not end-to-end encrypted',
    privacyDetail: {
      'node-decrypted': 'This node decodes and mixes the media: not end-to-end encrypted.',
      unknown: 'The server did not say how it treats the media.',
    },
    locked: 'Locked',
    lockedMeans: 'Nobody else can join, but hosts.',
    waiting: 'Waiting for the host',
    waitingMeans: 'The meeting begins when its host comes. Until then nobody hears or sees anybody.',
    inTheClearShort: 'Not encrypted for all',
    inTheClearSomebody: 'Not encrypted on the way to somebody in this meeting.',
    inTheClear: (names, more) => `Not encrypted on the way to: ${names.join(', ')}${more > 0 ? ` and ${more} more` : ''}.`,
    inTheClearMeans: 'Whoever is on that way can hear and see everything that is sent there.',
    clickToHear: 'Click to hear',
    soundBlocked: 'Your browser has paused the sound.',
    sharingSelf: 'You are sharing your screen',
    sharingOther: (name) => `${name} is sharing`,
    stopSharing: 'Stop sharing',
    viewBeside: 'Side by side',
    mutedHint: 'You are muted. Press M, or hold space while you speak.',
    talking: 'Microphone is on while you hold space',
    shareTaken: (name) => `${name} is sharing now. Your share was stopped.`,
    shareFailed: 'The screen could not be shared.',
    mutedByHost: 'The host has muted you.',
    mutedByAdmin: 'An administrator has muted you.',
    hostActionFailed: 'That did not work. Try again.',
    encryptedNote: 'About privacy',
  },

  controls: {
    mute: 'Mute',
    camera: 'Camera',
    share: 'Share screen',
    layout: 'Layout',
    people: 'People',
    settings: 'Settings',
    fullscreen: 'Full screen',
    help: 'Shortcuts',
    leave: 'Leave',
    more: 'More',
    close: 'Close',
  },

  layouts: { auto: 'Automatic', grid: 'Grid', speaker: 'Speaker' },
  layoutHints: {
    auto: 'Chooses by what happens',
    grid: 'Everybody the same size',
    speaker: 'Whoever speaks is large',
  },

  people: {
    title: (count) => `People (${count})`,
    you: (name) => `${name} (you)`,
    host: 'Host',
    via: { browser: 'Browser', whip: 'WHIP encoder', whep: 'WHEP viewer', sip: 'Room system or phone (SIP)' },
    muted: 'Muted',
    unmuted: 'Microphone on',
    cameraOff: 'Camera off',
    speaking: 'Speaking',
    sharing: 'Sharing the screen',
    unsecured: 'Not encrypted on the way',
    muteOther: (name) => `Mute ${name}`,
    muteGuests: 'Mute guests',
    lock: 'Lock meeting',
    unlock: 'Unlock meeting',
    removeOther: (name) => `Remove ${name}`,
    removeAsk: (name) => `Remove ${name} from the meeting?`,
    remove: 'Remove',
    cancel: 'Cancel',
    callSomebody: 'Call somebody',
    transferOther: (name) => `Transfer ${name}`,
  },

  calls: {
    title: 'Call somebody',
    to: 'Number or address',
    name: 'Name to show (optional)',
    nameHint: 'What everybody reads in the list of people.',
    role: 'Joins as',
    roles: { guest: 'Guest', host: 'Host' },
    more: 'Ringing time and keys',
    ring: 'Let it ring for, in seconds',
    keys: 'Keys to press once answered',
    keysHint: 'For a PIN, or an extension: digits, * and #. A comma waits two seconds.',
    call: 'Call',
    calling: 'Calling…',
    transferTitle: (name) => `Transfer ${name}`,
    transferLead: 'Their device makes the call, and leaves this meeting once it is answered.',
    transfer: 'Transfer',
    transferring: 'Transferring…',
    dials: (address) => `Dials ${address}`,
    allowed: ({ domains, prefixes, deviceHost }) => {
      const numbers = domains.length > 0 && prefixes.length > 0 ? [`numbers that begin with ${either(prefixes)}`] : [];
      const addresses = domains.length > 0 ? [`addresses like ${either(domains.map((domain) => `room@${domain}`))}`] : [];
      const devices = deviceHost !== null ? ['devices registered here, by their name alone'] : [];
      return `You can call ${listOf([...numbers, ...addresses, ...devices], 'conjunction')}.`;
    },
    list: 'Calls',
    moves: (name, address) => `${name} to ${address}`,
    news: (name, state) => `${name}: ${state}`,
    callOff: 'Cancel',
    callOffOther: (name) => `Cancel the call to ${name}`,
    again: (name) => `Call ${name} again`,
    dismiss: (name) => `Dismiss the call to ${name}`,
  },

  callStates: { calling: 'Calling…', ringing: 'Ringing…', answered: 'Answered' },
  transferStates: { calling: 'Transferring…', ringing: 'Transferring, it rings…', transferred: 'Transferred' },

  /** By reason of the API: why a call came to nothing, and what can be done. */
  callFailures: {
    busy: 'Busy. Try again in a while.',
    declined: 'The call was declined.',
    'no-answer': 'No answer. Try again, or let it ring for longer.',
    'not-found': 'No such number or address. Check it.',
    unreachable: 'Cannot be reached for now. Try again in a while.',
    redirected: 'Forwarded elsewhere, which is not followed. Call the other number.',
    unauthorized: 'The telephone service does not accept this server. Tell its operator.',
    'not-acceptable': 'That device and this server have no sound or picture format in common.',
    'not-let-in': 'Answered, but the meeting is full or over.',
    cancelled: 'The call was cancelled.',
    refused: 'The call was refused.',
  },

  /** Why a call is not even begun: by field, or by problem code of the API. */
  callFaults: {
    to: 'That is not a number or address. A number has digits only, + before them or not; an address looks like room@example.org.',
    name: 'That name cannot be shown. Choose a shorter or plainer one.',
    dtmf: 'Keys are digits, *, #, A to D, and commas: 64 at most.',
    ring_s: (min, max) => `It can ring for ${min} to ${max} seconds.`,
    refused: 'This server may not call there: its operator allows other numbers and addresses.',
    tooMany: (seconds) => `Too many calls for now. Try again in ${seconds} ${plural(seconds, 'second', 'seconds')}.`,
    notThere: 'That device is not in a call any more.',
    overloaded: 'The server is busy with other calls. Try again in a moment.',
    unknown: 'That did not work. Try again in a moment.',
  },

  settings: {
    title: 'Settings',
    devices: 'Devices',
    appearance: 'Appearance',
    theme: 'Colours',
    themes: { system: 'System', light: 'Light', dark: 'Dark' },
    shortcuts: 'Single-key shortcuts',
    shortcutsHint: 'Turn off if you use speech input or keys get pressed by accident.',
    speakerUnsupported: 'This browser plays sound on the system’s loudspeaker; change it there.',
  },

  quality: {
    label: 'Network quality',
    good: 'Good connection',
    fair: 'Fair connection',
    poor: 'Poor connection',
    unknown: 'Measuring the connection',
    detail: ({ rttMs, lossPermille, receiveKbps }) =>
      `Round trip ${rttMs} ms, loss ${(lossPermille / 10).toFixed(1)} %, receiving ${receiveKbps} kbit/s`,
    lowClass: 'You receive a smaller picture because the connection is narrow.',
  },

  reconnect: {
    lost: 'Connection lost',
    trying: 'Reconnecting…',
    countdown: (seconds) => `Next attempt in ${seconds} ${plural(seconds, 'second', 'seconds')}.`,
    now: 'Try now',
    back: 'You are connected again.',
  },

  ended: {
    left: 'You have left the meeting',
    disconnected: 'You were removed from the meeting',
    'room-deleted': 'This meeting has ended',
    draining: 'The server is restarting',
    replaced: 'You joined from another place',
    'session-gone': 'Your place in the meeting has expired',
    leads: {
      left: 'You can close this page or go back in.',
      disconnected: 'The host or an administrator has ended your participation.',
      'room-deleted': 'Thank you for being there.',
      draining: 'Your meeting can go on in a moment.',
      replaced: 'This window is no longer part of the meeting.',
      'session-gone': 'The connection was away for too long. Enter the PIN to go back in.',
    },
    rejoin: 'Join again',
    wait: (seconds) => `Ready again in about ${seconds} ${plural(seconds, 'second', 'seconds')}.`,
  },

  help: {
    title: 'Keyboard shortcuts',
    rows: [
      ['M', 'Mute or unmute'],
      ['V', 'Camera on or off'],
      ['Space', 'Hold to talk while muted'],
      ['S', 'Share screen, or stop'],
      ['L', 'Layout'],
      ['P', 'People'],
      ['F', 'Full screen'],
      ['?', 'This list'],
    ],
    off: 'Single-key shortcuts are turned off in the settings.',
  },

  announce: {
    joined: (name) => `${name} joined`,
    left: (name) => `${name} left`,
    muted: 'Your microphone is off',
    unmuted: 'Your microphone is on',
    cameraOn: 'Your camera is on',
    cameraOff: 'Your camera is off',
    othersMuted: (name) => `${name} is muted`,
    locked: 'The meeting is locked: nobody else can join',
    unlocked: 'The meeting is open again',
    waiting: 'The meeting begins when its host comes',
    begun: 'The host is here: the meeting has begun',
    exposed: (name) => `Not encrypted on the way to: ${name}`,
    covered: (name) => `Encrypted again on the way to: ${name}`,
    shareStarted: (name) => `${name} shares the screen`,
    shareStopped: 'Screen sharing has stopped',
    layout: (name) => `Layout: ${name}`,
  },
};
