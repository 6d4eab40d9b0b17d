/** Live changes. One tab holds the stream and passes it to the others: browsers allow six connections per site. */
import { signal } from "@preact/signals";
import type { Change } from "./types.ts";

/** `bye`: the server has ended the stream, because the token is no longer valid. */
export type Told =
  | { type: "change"; change: Change }
  | { type: "import"; id: string; state: string }
  | { type: "reset" }
  | { type: "bye" };
type Listener = (told: Told) => void;

const listeners = new Set<Listener>();
const channel = typeof BroadcastChannel === "undefined" ? null : new BroadcastChannel("backscroll-changes");
/** False while the tab that holds the stream cannot reach the server. */
export const connected = signal(true);

export function onChange(listener: Listener): () => void {
  listeners.add(listener);
  return () => {
    listeners.delete(listener);
  };
}

function tell(told: Told): void {
  for (const listener of [...listeners]) listener(told);
}

const RETRY_MS = 3000;
const LOST_AFTER_MS = 8000;

/** Hold the stream until told to release it; resolves when the session has ended. */
function hold(after: number): Promise<void> {
  return new Promise((resolve) => {
    let seq = after,
      source: EventSource,
      lost = 0;
    const share = (told: Told) => {
      tell(told);
      channel?.postMessage(told);
    };
    const connect = () => {
      source = new EventSource(`/api/events?after=${seq}`);
      source.onopen = () => {
        clearTimeout(lost);
        lost = 0;
        connected.value = true;
      };
      source.addEventListener("change", (event) => {
        const change = JSON.parse((event as MessageEvent<string>).data) as Change;
        seq = change.seq;
        share({ type: "change", change });
      });
      source.addEventListener("import", (event) => {
        const { id, state } = JSON.parse((event as MessageEvent<string>).data) as { id: string; state: string };
        share({ type: "import", id, state });
      });
      source.addEventListener("reset", () => share({ type: "reset" }));
      source.addEventListener("bye", () => {
        source.close();
        share({ type: "bye" });
        resolve();
      });
      source.onerror = () => {
        lost ||= window.setTimeout(() => {
          connected.value = false;
        }, LOST_AFTER_MS);
        // The browser reconnects by itself unless the answer was not a stream at all.
        if (source.readyState === EventSource.CLOSED) setTimeout(connect, RETRY_MS);
      };
      stopHolding = () => {
        clearTimeout(lost);
        source.close();
        resolve();
      };
    };
    connect();
  });
}

let stopHolding: (() => void) | null = null;
let started: AbortController | null = null;

export function startEvents(seq: number): void {
  stopEvents();
  const gone = new AbortController();
  started = gone;
  if (channel) channel.onmessage = (event) => tell(event.data as Told);
  if (!navigator.locks) {
    void hold(seq);
    return;
  }
  navigator.locks.request("backscroll-stream", { signal: gone.signal }, () => hold(seq)).catch(() => {});
}

export function stopEvents(): void {
  started?.abort();
  started = null;
  stopHolding?.();
  stopHolding = null;
  if (channel) channel.onmessage = null;
}
