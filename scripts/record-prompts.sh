#!/usr/bin/env bash
# Records what the node says: speaks mcu-server/prompts/<language>/<name>.txt into the .opus file beside it.
# Needs espeak-ng and ffmpeg; run it after changing a text. The same tools make the same bytes.
#
#   scripts/record-prompts.sh [language ...]
set -euo pipefail
cd "$(dirname "$0")/../mcu-server/prompts"

readonly mean_db=-21     # Speech in a meeting, after the automatic gain.
readonly peak=0.7        # -3 dBFS, before the codec adds its own.
readonly speed_wpm=150   # Slow enough to be followed through a telephone.

voice() {
    case $1 in
        en) echo en-gb ;;
        fr) echo fr-fr ;;
        *) echo "$1" ;;
    esac
}

# Silence off both ends, 60 ms of it back: two prompts in a row do not run into each other.
readonly trim='silenceremove=start_periods=1:start_threshold=-50dB'
readonly ends="$trim,areverse,$trim,areverse,adelay=60,apad=pad_dur=0.06"

mean_db_of() {
    ffmpeg -hide_banner -nostats -i "$1" -af "$ends,volumedetect" -f null - 2>&1 |
        sed -n 's/.*mean_volume: \(.*\) dB/\1/p'
}

record() {
    local text=$1 wav=$2
    local opus=${text%.txt}.opus gain_db
    # A word: capitals would be spelt.
    sed 's/PIN/pin/g' "$text" | espeak-ng -v "$(voice "${text%%/*}")" -s "$speed_wpm" --stdin -w "$wav"
    gain_db=$(awk -v is="$(mean_db_of "$wav")" -v wanted="$mean_db" 'BEGIN { print wanted - is }')
    ffmpeg -hide_banner -loglevel error -y -i "$wav" -map_metadata -1 -fflags +bitexact -flags:a +bitexact \
        -af "$ends,aresample=48000,volume=${gain_db}dB,alimiter=limit=$peak:level=false" \
        -ac 1 -c:a libopus -application voip -b:a 20k -frame_duration 20 "$opus"
    echo "$opus"
}

wav=$(mktemp --suffix=.wav)
trap 'rm -f "$wav"' EXIT
languages=("$@")
[ ${#languages[@]} -gt 0 ] || languages=(*/)
for language in "${languages[@]%/}"; do
    for text in "$language"/*.txt; do
        record "$text" "$wav"
    done
done
