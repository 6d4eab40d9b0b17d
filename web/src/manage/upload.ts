/** Uploads in parts that survive a lost connection: tus 1.0, as far as an import needs it. */
import { signal } from "@preact/signals";
import { ApiError, ask, Unreachable } from "../api.ts";
import type { Dropped } from "../drop.ts";
import type { ImportJob } from "../types.ts";

export interface Named {
  name: string;
  file: File;
}
interface Sending {
  sent: number;
  total: number;
  /** Why it waits; it continues by itself. */
  waits: boolean;
  error: unknown;
}

/** Uploads of this page by the id of their job. They continue while other screens are shown. */
export const uploads = signal<ReadonlyMap<string, Sending>>(new Map());

const MIN_PART = 256 * 1024;
const MAX_PART = 8 * 1024 * 1024;
const QUICK_MS = 1500;
const SLOW_MS = 6000;
const MAX_WAIT_MS = 30_000;

const note = (id: string, sending: Sending | null) => {
  const next = new Map(uploads.peek());
  if (sending) next.set(id, sending);
  else next.delete(id);
  uploads.value = next;
  if (next.size) addEventListener("beforeunload", warn);
  else removeEventListener("beforeunload", warn);
};

const warn = (event: BeforeUnloadEvent) => event.preventDefault();

const pathOf = (id: string, no: number) => `/api/imports/${encodeURIComponent(id)}/files/${no}`;

/** The files of a job that are still to be sent, by their number; null if one of them was not supplied. */
export function matched(job: ImportJob, files: readonly Named[]): Map<number, File> | null {
  const wanted = job.files.filter((file) => file.received < file.size);
  const found = new Map<number, File>();
  for (const { no, name, size } of wanted) {
    const same = files.find(
      ({ name: given, file }) => file.size === size && (given === name || baseOf(given) === baseOf(name)),
    );
    if (same) found.set(no, same.file);
  }
  return found.size === wanted.length ? found : null;
}

const baseOf = (path: string) => path.slice(path.lastIndexOf("/") + 1);

/** Send what a job still lacks. Ends when everything is sent, the server refuses, or the job is cancelled. */
export async function send(job: ImportJob, files: ReadonlyMap<number, File>): Promise<void> {
  const total = job.files.reduce((sum, file) => sum + file.size, 0);
  let before = 0;
  for (const file of job.files) {
    const bytes = files.get(file.no);
    if (bytes && file.received < file.size) {
      const told = (offset: number, waits: boolean) =>
        note(job.id, { sent: before + offset, total, waits, error: null });
      try {
        await sendOne(pathOf(job.id, file.no), bytes, file.received, told);
      } catch (error) {
        note(job.id, { sent: before + file.received, total, waits: false, error });
        return;
      }
    }
    before += file.size;
  }
  note(job.id, null);
}

export const forget = (id: string) => note(id, null);

async function sendOne(
  path: string,
  file: File,
  start: number,
  told: (offset: number, waits: boolean) => void,
): Promise<void> {
  let offset = start,
    part = MIN_PART,
    wait = 1000;
  told(offset, false);
  while (offset < file.size) {
    const begun = performance.now();
    try {
      offset = await patch(path, file.slice(offset, offset + part), offset);
      wait = 1000;
      const took = performance.now() - begun;
      if (took < QUICK_MS) part = Math.min(MAX_PART, part * 2);
      else if (took > SLOW_MS) part = Math.max(MIN_PART, part / 2);
      told(offset, false);
    } catch (error) {
      if (!isPassing(error)) throw error;
      told(offset, true);
      await new Promise((resolve) => setTimeout(resolve, wait));
      wait = Math.min(MAX_WAIT_MS, wait * 2);
      part = MIN_PART;
      // What arrived before the connection was lost counts.
      offset = await placeOf(path).catch(() => offset);
    }
  }
}

/** A lost connection, a restarting server, or an offset that another part has passed: worth another attempt. */
const isPassing = (error: unknown): boolean =>
  error instanceof Unreachable ||
  (error instanceof ApiError && (error.status >= 502 || error.status === 429 || error.status === 500)) ||
  (error instanceof ApiError && (error.code === "WRONG_OFFSET" || error.code === "UPLOAD_BUSY"));

async function patch(path: string, body: Blob, offset: number): Promise<number> {
  const headers = {
    "content-type": "application/offset+octet-stream",
    "upload-offset": String(offset),
    "tus-resumable": "1.0.0",
  };
  const response = await ask(path, { method: "PATCH", headers, body });
  return Number(response.headers.get("upload-offset") ?? offset + body.size);
}

async function placeOf(path: string): Promise<number> {
  const response = await ask(path, { method: "HEAD", headers: { "tus-resumable": "1.0.0" } });
  return Number(response.headers.get("upload-offset"));
}

/** Files, with their path in the folder that was chosen; empty ones are left out. */
export const named = (files: Iterable<File>): Named[] =>
  [...files].filter((file) => file.size > 0).map((file) => ({ name: file.webkitRelativePath || file.name, file }));

/** Everything that was dropped: files, and what is in folders. */
export const everything = async ({ files, folders }: Dropped): Promise<Named[]> => [
  ...named(files),
  ...(await filesIn(folders)),
];

/** Everything in dropped folders, with the path inside them. */
async function filesIn(entries: readonly FileSystemEntry[]): Promise<Named[]> {
  const found: Named[] = [];
  for (const entry of entries) {
    if (entry.isFile) found.push({ name: entry.fullPath.replace(/^\//, ""), file: await fileOf(entry) });
    else if (entry.isDirectory) found.push(...(await filesIn(await inside(entry as FileSystemDirectoryEntry))));
  }
  return found.filter(({ name, file }) => file.size > 0 && !/(^|\/)(\.DS_Store|Thumbs\.db|desktop\.ini)$/.test(name));
}

const fileOf = (entry: FileSystemEntry): Promise<File> =>
  new Promise((resolve, reject) => (entry as FileSystemFileEntry).file(resolve, reject));

/** A directory reader returns at most a hundred entries at a time. */
async function inside(folder: FileSystemDirectoryEntry): Promise<FileSystemEntry[]> {
  const reader = folder.createReader();
  const found: FileSystemEntry[] = [];
  for (;;) {
    const some = await new Promise<FileSystemEntry[]>((resolve, reject) => reader.readEntries(resolve, reject));
    if (!some.length) return found;
    found.push(...some);
  }
}
