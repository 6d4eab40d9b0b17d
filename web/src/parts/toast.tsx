import { signal } from "@preact/signals";

const said = signal<{ text: string; no: number } | null>(null);
let timer = 0;
let count = 0;

/** Show a message that disappears by itself, and announce it to screen readers. */
export function toast(text: string): void {
  said.value = { text, no: ++count };
  clearTimeout(timer);
  timer = window.setTimeout(() => {
    said.value = null;
  }, 5000);
}

export function Toasts() {
  return (
    <div class="toasts" role="status" aria-live="polite">
      {said.value && (
        <p key={said.value.no} class="toast">
          {said.value.text}
        </p>
      )}
    </div>
  );
}
