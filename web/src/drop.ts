/** Files dropped anywhere on the page. The screen of imports, which is loaded then, handles them. */
import { signal } from "@preact/signals";
import { navigate, route, to } from "./router.ts";

export interface Dropped {
  folders: FileSystemEntry[];
  /** The files that were dropped themselves. Their entries are not used: some browsers cannot open them. */
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
  const folders: FileSystemEntry[] = [],
    files: File[] = [];
  for (const item of event.dataTransfer.items) {
    const entry = item.webkitGetAsEntry();
    const file = entry?.isDirectory ? null : item.getAsFile();
    if (entry?.isDirectory) folders.push(entry);
    else if (file) files.push(file);
  }
  dropped.value = { folders, files };
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
