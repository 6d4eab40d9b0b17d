/** Files dropped anywhere on the page. The screen of imports, which is loaded then, handles them. */
import { signal } from "@preact/signals";
import { navigate, route, to } from "./router.ts";

export interface Dropped {
  entries: FileSystemEntry[];
  files: File[];
}
export const dropped = signal<Dropped | null>(null);
export const isOver = signal(false);

const holdsFiles = (event: DragEvent): boolean => event.dataTransfer?.types.includes("Files") ?? false;

function onDrag(event: DragEvent): void {
  if (!holdsFiles(event)) return;
  event.preventDefault();
  isOver.value = true;
}

function onLeave(event: DragEvent): void {
  // Only when the pointer leaves the window: between two elements, relatedTarget is the next one.
  if (event.relatedTarget === null) isOver.value = false;
}

function onDrop(event: DragEvent): void {
  isOver.value = false;
  if (!holdsFiles(event) || !event.dataTransfer) return;
  event.preventDefault();
  // The contents of a folder can be read later, but its entry only during this event.
  const entries = [...event.dataTransfer.items]
    .map((item) => item.webkitGetAsEntry())
    .filter((entry) => entry !== null);
  dropped.value = { entries, files: [...event.dataTransfer.files] };
  // An import that lacks files may be waiting for these.
  if (route.value.name !== "imports") navigate(to.imports());
}

/** Accept dropped files until the returned function is called. */
export function watchDrops(): () => void {
  addEventListener("dragenter", onDrag);
  addEventListener("dragover", onDrag);
  addEventListener("dragleave", onLeave);
  addEventListener("drop", onDrop);
  return () => {
    removeEventListener("dragenter", onDrag);
    removeEventListener("dragover", onDrag);
    removeEventListener("dragleave", onLeave);
    removeEventListener("drop", onDrop);
    isOver.value = false;
  };
}
