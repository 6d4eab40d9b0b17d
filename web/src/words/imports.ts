/** Texts of imports. */
import { bytes, number, plural, show } from "../time.ts";
import type { ImportJob, UndoPlan } from "../types.ts";
import { words as common } from "../words.ts";

const SHOWN = 6;

const counts = (added: number | null, known: number | null): string =>
  [added === null ? "" : `${number(added)} new`, known === null ? "" : `${number(known)} known`]
    .filter(Boolean)
    .join(", ");

const PHASES: Record<string, string> = {
  recognising: "Looking at the files",
  replacing: "Undoing an earlier import of the same lines",
  importing: "Importing",
  undoing: "Undoing",
};

export const words = {
  ...common,

  sources: { title: common.titles.sources },

  imports: {
    title: "Imports",
    all: "All imports",
    drop: "Drop exported chats here, or anywhere on this page",
    dropHelp:
      "Chats exported from a phone (.zip, .txt or folders), databases of gateways, phone backups, JSON lines. Importing a file again adds only what is new.",
    choose: "Choose files",
    none: "Nothing has been imported yet",
    states: {
      uploading: "Uploading",
      recognising: "Being examined",
      asking: "Waiting for you",
      queued: "Queued",
      running: "Importing",
      done: "Done",
      failed: "Failed",
      cancelling: "Being canceled",
      cancelled: "Canceled",
      undoing: "Being undone",
      undone: "Undone",
    } as Record<string, string>,
    summary: (job: ImportJob): string => {
      if (job.error) return job.error.message;
      if (job.state === "undone") return "It was undone: everything it brought in was removed.";
      if (job.report) return words.imports.reported(job.report);
      if (job.state === "asking") return "Open it to see what was found and to answer.";
      return job.size === null ? "" : bytes(job.size);
    },
    begun: (time: string) => `begun ${time}`,
    sent: (done: number, total: number, waits: boolean) =>
      `${waits ? "No connection. The upload will resume by itself: " : ""}${bytes(done)} of ${bytes(total)}`,
    progress: (progress: ImportJob["progress"]): string => {
      if (!progress) return "";
      const phase = PHASES[progress.phase] ?? "";
      const which =
        progress.item !== null && (progress.items ?? 0) > 1
          ? `${number(progress.item)} of ${number(progress.items!)}`
          : "";
      const done = progress.total
        ? `${number(progress.done)} of ${number(progress.total)}`
        : progress.done
          ? number(progress.done)
          : "";
      return [phase, which, done, counts(progress.new, progress.known)].filter(Boolean).join(" · ");
    },
    again: "The upload was interrupted",
    againHelp: "Choose or drop the same files again. What has already arrived is not sent again.",
    other: "These are not the files that are missing: names and sizes must be the same.",
    startOver: "Try again",
    stop: "Stop and undo",
    cancel: "Cancel",
    undo: "Undo",
    remove: "Remove from the list",
    undoTitle: "Undo this import?",
    undoPlan: ({ messages, chats, contacts, files }: UndoPlan): string => {
      const parts = [
        plural(messages, "message", "messages"),
        chats ? plural(chats, "chat", "chats") : "",
        contacts ? plural(contacts, "contact", "contacts") : "",
        files ? plural(files, "file", "files") : "",
      ].filter(Boolean);
      return `This takes ${common.and(parts)} from the archive.`;
    },
    undoKept: (kept: number) =>
      `${plural(kept, "message stays", "messages stay")}, because other sources have reported ${kept === 1 ? "it" : "them"} too.`,
    report: "Report",
    reported: (report: NonNullable<ImportJob["report"]>): string =>
      [
        report.new === null ? "" : plural(report.new, "new message", "new messages"),
        report.known ? `${number(report.known)} already known` : "",
        report.files ? plural(report.files, "file", "files") : "",
        report.failed.length ? `${number(report.failed.length)} failed` : "",
      ]
        .filter(Boolean)
        .join(", ") || "Nothing new",
    read: "Go to chats",
    found: (count: number) => (count === 1 ? "What was found" : `${number(count)} found`),
    messages: (count: number) => plural(count, "message", "messages"),
    attachments: (count: number) => plural(count, "attachment", "attachments"),
    span: (from: string, until: string) => `${show("short", from)} to ${show("short", until)}`,
    people: (names: string[]) =>
      names.length > SHOWN
        ? `${names.slice(0, SHOWN).join(", ")} and ${number(names.length - SHOWN)} more`
        : common.and(names),
    repeats: (id: number) => `Import ${id} has already brought in exactly this. Nothing will be done.`,
    replaces: (ids: number[]) => `Replaces import ${ids.join(", ")}, which is undone first.`,
    noText: "(without text)",
    ready: "Ready to import",
    questions: (count: number) => (count === 1 ? "One question" : `${number(count)} questions`),
    which: "Import",
    start: "Import",
    goOn: "Continue",
    otherAnswer: "Something else",
    yourAnswer: "Your answer",
  },
};
