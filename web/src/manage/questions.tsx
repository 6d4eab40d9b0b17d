import { useState } from "preact/hooks";
import { post } from "../api.ts";
import { Failure } from "../parts/states.tsx";
import { ZONE } from "../time.ts";
import type { ImportJob, ImportQuestion } from "../types.ts";
import { words } from "../words/imports.ts";

const OTHER = "\u0000other";
type Given = Record<string, { chosen: string; typed: string }>;

const keyOf = (question: ImportQuestion) => `${question.name}/${question.items.join(",")}`;

/** The answer selected at first: the server's suggestion, or for a time zone the browser's. */
function begin(question: ImportQuestion): { chosen: string; typed: string } {
  const { suggested, candidates } = question;
  const wanted = suggested ?? (question.name === "timezone" ? ZONE : "");
  if (candidates.some(({ value }) => value === wanted)) return { chosen: wanted, typed: "" };
  return wanted && (question.free || question.type === "text")
    ? { chosen: OTHER, typed: wanted }
    : { chosen: candidates.length ? "" : OTHER, typed: "" };
}

/** The questions of an import, answered together. */
export function Questions({ job, onAnswered }: { job: ImportJob; onAnswered: (job: ImportJob) => void }) {
  const asked = job.questions.filter(({ type }) => type !== "confirm");
  const [given, setGiven] = useState<Given>({});
  const [skipped, setSkipped] = useState<ReadonlySet<number>>(new Set());
  const [error, setError] = useState<unknown>(null);
  const [isBusy, setBusy] = useState(false);
  const isStart = asked.length === 0 && job.questions.some(({ name }) => name === "start");
  const answerOf = (question: ImportQuestion) => given[keyOf(question)] ?? begin(question);
  const submit = async (event: Event) => {
    event.preventDefault();
    setBusy(true);
    setError(null);
    try {
      const body = isStart ? { start: true, ...skips(skipped) } : answers(job, asked, answerOf, skipped);
      const changed = await post<ImportJob>(`/api/imports/${encodeURIComponent(job.id)}/answers`, body);
      if (changed) onAnswered(changed);
    } catch (problem) {
      setError(problem);
    } finally {
      setBusy(false);
    }
  };
  const many = (job.found?.filter(({ error: bad }) => bad === null).length ?? 0) > 1;
  return (
    <form class="way questions" onSubmit={(event) => void submit(event)}>
      <h2>{isStart ? words.imports.ready : words.imports.questions(asked.length)}</h2>
      {asked.map((question) => (
        <Question
          key={keyOf(question)}
          question={question}
          files={many && question.items.length < (job.found?.length ?? 0) ? filesOf(job, question) : ""}
          answer={answerOf(question)}
          onAnswer={(answer) => setGiven({ ...given, [keyOf(question)]: answer })}
        />
      ))}
      {many && (
        <fieldset>
          <legend>{words.imports.which}</legend>
          {job.found
            ?.filter(({ error: bad }) => bad === null)
            .map(({ item, title, file }) => (
              <label key={item} class="check">
                <input
                  type="checkbox"
                  checked={!skipped.has(item)}
                  onChange={() => {
                    const next = new Set(skipped);
                    if (!next.delete(item)) next.add(item);
                    setSkipped(next);
                  }}
                />
                <span>
                  <bdi>{title ?? file}</bdi>
                </span>
              </label>
            ))}
        </fieldset>
      )}
      {error ? <Failure error={error} /> : null}
      <p class="row-of-chips end">
        <button type="submit" class="btn main" disabled={isBusy}>
          {isStart ? words.imports.start : words.imports.goOn}
        </button>
      </p>
    </form>
  );
}

const filesOf = (job: ImportJob, question: ImportQuestion): string =>
  (job.found ?? [])
    .filter(({ item }) => question.items.includes(item))
    .map(({ title, file }) => title ?? file)
    .join(", ");

type Answers = Record<string, unknown>;

const skips = (skipped: ReadonlySet<number>): Answers =>
  skipped.size ? { items: Object.fromEntries([...skipped].map((item) => [item, { skip: true }])) } : {};

/** An answer for all entries is sent once, an answer for some of them once for each. */
function answers(
  job: ImportJob,
  asked: readonly ImportQuestion[],
  answerOf: (question: ImportQuestion) => { chosen: string; typed: string },
  skipped: ReadonlySet<number>,
): Answers {
  const all: Answers = {};
  const each: Record<string, Answers> = {};
  for (const item of skipped) each[item] = { skip: true };
  const isShared = (question: ImportQuestion) =>
    question.items.length === 0 || asked.every((other) => other === question || other.name !== question.name);
  for (const question of asked) {
    const { chosen, typed } = answerOf(question);
    const value = chosen === OTHER ? typed.trim() : chosen;
    if (!value) continue;
    if (isShared(question) && question.items.length >= (job.found?.length ?? 1)) all[question.name] = value;
    else if (!question.items.length) all[question.name] = value;
    else for (const item of question.items) each[item] = { ...each[item], [question.name]: value };
  }
  return Object.keys(each).length ? { ...all, items: each } : all;
}

interface QuestionParts {
  question: ImportQuestion;
  files: string;
  answer: { chosen: string; typed: string };
  onAnswer: (answer: { chosen: string; typed: string }) => void;
}

function Question({ question, files, answer, onAnswer }: QuestionParts) {
  const { candidates, free, name, required, type } = question;
  const hasField = free || !candidates.length;
  const group = keyOf(question);
  const zones = name === "timezone" ? Intl.supportedValuesOf("timeZone") : [];
  return (
    <fieldset class="question">
      <legend dir="auto">{question.text}</legend>
      {files && (
        <p class="note">
          <bdi>{files}</bdi>
        </p>
      )}
      {question.evidence.map((line) => (
        <p key={line} class="note" dir="auto">
          {line}
        </p>
      ))}
      <div class="options">
        {candidates.map(({ value, label, evidence }) => (
          <label key={value} class="option">
            <input
              type="radio"
              name={group}
              required={required}
              checked={answer.chosen === value}
              onChange={() => onAnswer({ ...answer, chosen: value })}
            />
            <span>
              <b>
                <bdi>{label}</bdi>
              </b>
              {evidence && (
                <span class="note" dir="auto">
                  {evidence}
                </span>
              )}
            </span>
          </label>
        ))}
        {hasField && (
          <label class="option typed">
            {candidates.length > 0 && (
              <input
                type="radio"
                name={group}
                required={required}
                checked={answer.chosen === OTHER}
                onChange={() => onAnswer({ ...answer, chosen: OTHER })}
              />
            )}
            <span>
              <b>{candidates.length ? words.imports.otherAnswer : words.imports.yourAnswer}</b>
              <span class="field">
                <input
                  {...(type === "secret"
                    ? { type: "password" as const }
                    : { type: "text" as const, list: zones.length ? "zones" : undefined })}
                  autocomplete="off"
                  dir="auto"
                  aria-label={`${question.text} ${words.imports.yourAnswer}`}
                  required={required && answer.chosen === OTHER}
                  value={answer.typed}
                  onInput={(event) => onAnswer({ chosen: OTHER, typed: event.currentTarget.value })}
                />
              </span>
            </span>
          </label>
        )}
      </div>
      {zones.length > 0 && (
        <datalist id="zones">
          {zones.map((zone) => (
            <option key={zone} value={zone} />
          ))}
        </datalist>
      )}
    </fieldset>
  );
}
