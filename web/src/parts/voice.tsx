import { clock } from "../time.ts";
import type { File, Kind } from "../types.ts";
import { words } from "../words.ts";
import { Icon } from "./icon.tsx";
import { nextRate, playing, rate, seek, toggle } from "./player.ts";

const BARS = 48;
const FLAT: readonly number[] = Array.from({ length: BARS }, () => 12);

function bars(file: File): readonly number[] {
  const wave = file.waveform;
  if (!wave?.length) return FLAT;
  return Array.from({ length: BARS }, (_, at) => wave[Math.floor((at * wave.length) / BARS)] ?? 0);
}

const STEP_S = 5;

/** A voice message and its player: 48 bars made of its 64 loudness values, and a slider for mouse and keyboard. */
export function Voice({ messageKey: key, kind, file }: { messageKey: string; kind: Kind; file: File }) {
  if (!file.url) return <p class="note">{words.message.missingText[file.state] ?? words.message.missing}</p>;
  const url = file.url;
  const now = playing.value?.key === key ? playing.value : null;
  const length = (now?.length || file.duration) ?? 0;
  const at = now?.at ?? 0;
  const goTo = (second: number) => seek(key, url, file.duration, Math.min(length, Math.max(0, second)));
  const isOn = now !== null && !now.paused;
  return (
    <div class="voice">
      <button
        type="button"
        class="go"
        data-play
        aria-label={
          isOn ? words.message.pause : words.message.play(words.kinds[kind].toLowerCase(), length ? clock(length) : "")
        }
        onClick={() => toggle(key, url, file.duration)}
      >
        <Icon name={isOn ? "pause" : "play"} />
      </button>
      <div
        class="wave"
        role="slider"
        tabIndex={0}
        aria-label={words.message.position}
        aria-valuemin={0}
        aria-valuemax={Math.round(length)}
        aria-valuenow={Math.round(at)}
        aria-valuetext={`${clock(at)} / ${clock(length)}`}
        onClick={(event) => {
          const box = event.currentTarget.getBoundingClientRect();
          const part = (event.clientX - box.left) / box.width;
          goTo(length * (getComputedStyle(event.currentTarget).direction === "rtl" ? 1 - part : part));
        }}
        onKeyDown={(event) => {
          const step = { ArrowRight: STEP_S, ArrowUp: STEP_S, ArrowLeft: -STEP_S, ArrowDown: -STEP_S }[event.key];
          if (step === undefined) return;
          event.preventDefault();
          event.stopPropagation();
          goTo(at + step);
        }}
      >
        {bars(file).map((height, index) => (
          <i
            key={index}
            class={now && length && index / BARS < at / length ? "on" : ""}
            style={{ blockSize: `${Math.max(8, height)}%` }}
          />
        ))}
      </div>
      <span class="num">{now?.failed ? words.message.missing : clock(now ? at : length)}</span>
      {now && (
        <button type="button" class="rate num" onClick={nextRate} aria-label={words.message.speed(rate.value)}>
          {rate.value}×
        </button>
      )}
    </div>
  );
}
