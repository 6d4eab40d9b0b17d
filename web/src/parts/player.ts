/** One player for the whole page, outside the lists: playback continues when its row is removed from the window. */
import { signal } from "@preact/signals";

interface Playing {
  key: string;
  paused: boolean;
  at: number;
  length: number;
  failed: boolean;
}
export const playing = signal<Playing | null>(null);
export const rate = signal(1);
const RATES = [1, 1.5, 2];

let audio: HTMLAudioElement | null = null;

function player(): HTMLAudioElement {
  if (audio) return audio;
  const made = new Audio();
  const tell = () => {
    if (!playing.value) return;
    const length = Number.isFinite(made.duration) && made.duration > 0 ? made.duration : playing.value.length;
    playing.value = {
      ...playing.value,
      paused: made.paused,
      at: made.currentTime,
      length,
      failed: made.error !== null,
    };
  };
  for (const event of ["timeupdate", "play", "pause", "ended", "loadedmetadata", "error"])
    made.addEventListener(event, tell);
  audio = made;
  return made;
}

export function toggle(key: string, url: string, length: number | null, from = 0): void {
  const element = player();
  if (playing.value?.key !== key) {
    element.src = url;
    playing.value = { key, paused: true, at: from, length: length ?? 0, failed: false };
    if (from)
      element.addEventListener(
        "loadedmetadata",
        () => {
          element.currentTime = from;
        },
        { once: true },
      );
  } else if (!element.paused) {
    element.pause();
    return;
  }
  element.playbackRate = rate.value;
  void element.play().catch(() => {
    if (playing.value) playing.value = { ...playing.value, failed: element.error !== null };
  });
}

/** Seek to a second; starts playing if it is another message than the current one. */
export function seek(key: string, url: string, length: number | null, at: number): void {
  if (playing.value?.key !== key) {
    toggle(key, url, length, at);
    return;
  }
  player().currentTime = Math.max(0, at);
  playing.value = { ...playing.value, at: Math.max(0, at) };
}

export function nextRate(): void {
  rate.value = RATES[(RATES.indexOf(rate.value) + 1) % RATES.length]!;
  if (audio) audio.playbackRate = rate.value;
}

export function stop(): void {
  audio?.pause();
  playing.value = null;
}
