import type { ImportJob } from "../types.ts";
import { words } from "../words/imports.ts";
import { uploads } from "./upload.ts";

const ACTIVE: readonly string[] = ["uploading", "recognising", "queued", "running", "cancelling", "undoing"];
export const isActive = (state: string): boolean => ACTIVE.includes(state);

export const TONES: Record<string, string> = {
  done: "ok",
  failed: "off",
  asking: "warn",
  uploading: "warn",
  recognising: "warn",
  queued: "warn",
  running: "warn",
  cancelling: "warn",
  undoing: "warn",
};

/** A job's progress: from this page's upload if there is one, else from the server. */
export function Bar({ job }: { job: ImportJob }) {
  const sending = uploads.value.get(job.id);
  const sent = job.files.reduce((sum, file) => sum + file.received, 0);
  const all = job.files.reduce((sum, file) => sum + file.size, 0);
  const isUploading = job.state === "uploading";
  const done = isUploading ? (sending?.sent ?? sent) : (job.progress?.done ?? 0);
  const total = isUploading ? (sending?.total ?? all) : (job.progress?.total ?? null);
  const share = total ? Math.min(100, Math.floor((done / total) * 100)) : null;
  const text = isUploading
    ? words.imports.sent(done, total ?? all, sending?.waits ?? false)
    : words.imports.progress(job.progress);
  return (
    <div class="progress">
      <div
        class={`bar${share === null ? " unknown" : ""}`}
        role="progressbar"
        aria-label={words.imports.states[job.state] ?? job.state}
        aria-valuemin={0}
        aria-valuemax={100}
        {...(share === null ? {} : { "aria-valuenow": share })}
        aria-valuetext={text}
      >
        <i style={{ inlineSize: `${share ?? 100}%` }} />
      </div>
      <span class="note num">{text}</span>
    </div>
  );
}
