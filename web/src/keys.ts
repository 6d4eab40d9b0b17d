/** Keyboard shortcuts: single letters while no field has the focus, and only if the reader has turned them on. */
import { signal } from "@preact/signals";
import { useEffect } from "preact/hooks";

const kept = (name: string): string | null => {
  try {
    return localStorage.getItem(name);
  } catch {
    return null;
  }
};
const keep = (name: string, value: string): void => {
  try {
    localStorage.setItem(name, value);
  } catch {
    // A browser without storage: the choice lasts until the page is closed.
  }
};

export const letters = signal(kept("letters") !== "off");
export function setLetters(on: boolean): void {
  letters.value = on;
  keep("letters", on ? "on" : "off");
}

export type Theme = "system" | "light" | "dark";
export const theme = signal<Theme>((["light", "dark"] as const).find((name) => name === kept("theme")) ?? "system");
export function setTheme(chosen: Theme): void {
  theme.value = chosen;
  keep("theme", chosen);
  applyTheme();
}
export function applyTheme(): void {
  if (theme.value === "system") delete document.documentElement.dataset["theme"];
  else document.documentElement.dataset["theme"] = theme.value;
}

/** Returns false if the key has no meaning at the moment; the browser then handles it as usual. */
type Handler = (event: KeyboardEvent) => void | boolean;
type Keymap = Record<string, Handler>;
const maps: Keymap[] = [];

const isTyping = (target: EventTarget | null) =>
  target instanceof HTMLElement && (target.isContentEditable || /^(input|textarea|select)$/i.test(target.tagName));

function onKey(event: KeyboardEvent): void {
  if (event.defaultPrevented || event.isComposing) return;
  const control = event.ctrlKey || event.metaKey;
  const name = `${control ? "Ctrl+" : ""}${event.key.length === 1 && control ? event.key.toLowerCase() : event.key}`;
  if (event.altKey) return;
  const isLetter = !control && event.key.length === 1;
  if (isTyping(event.target) && !control && event.key !== "Escape") return;
  if (isLetter && event.key !== " " && !letters.value) return;
  if (document.querySelector("dialog[open]") && event.key !== "Escape") return;
  for (let at = maps.length - 1; at >= 0; at--) {
    const handler = maps[at]![name];
    if (!handler || handler(event) === false) continue;
    event.preventDefault();
    return;
  }
}

export function startKeys(): void {
  document.addEventListener("keydown", onKey);
}

/** Shortcuts that work while a component is shown; the component shown last comes first. */
export function useKeys(map: Keymap): void {
  useEffect(() => {
    maps.push(map);
    return () => {
      maps.splice(maps.indexOf(map), 1);
    };
  });
}
