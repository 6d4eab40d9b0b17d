/** Files that somebody drops anywhere on the page. They are looked at by the screen of imports, which is fetched then. */
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
  // Only when the pointer leaves the window: between two elements there is one that it goes to.
  if (event.relatedTarget === null) isOver.value = false;
}

function onDrop(event: DragEvent): void {
  isOver.value = false;
  if (!holdsFiles(event) || !event.dataTransfer) return;
  event.preventDefault();
  // What is in a folder can be asked for later; that it is one, only now.
  const entries = [...event.dataTransfer.items]
    .map((item) => item.webkitGetAsEntry())
    .filter((entry) => entry !== null);
  dropped.value = { entries, files: [...event.dataTransfer.files] };
  // An import that lacks files may be waiting for these.
  if (route.value.name !== "imports") navigate(to.imports());
}

/** Take what is dropped until the function that comes back is called. */
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
