import { useEffect, useState } from "preact/hooks";
import { ApiError, get, post, remove } from "../api.ts";
import { dropped } from "../drop.ts";
import { onChange } from "../events.ts";
import { Sure } from "../parts/dialog.tsx";
import { Icon } from "../parts/icon.tsx";
import { Alert, Blank, explain, Failure, Waiting } from "../parts/states.tsx";
import { toast } from "../parts/toast.tsx";
import { navigate, to } from "../router.ts";
import { show } from "../time.ts";
import type { ImportFound, ImportJob, UndoPlan } from "../types.ts";
import { words } from "../words/imports.ts";
import { Choose } from "./choose.tsx";
import { Bar, isActive, TONES } from "./progress.tsx";
import { Questions } from "./questions.tsx";
import { everything, forget, matched, type Named, send, uploads } from "./upload.ts";

const POLL_MS = 2000;
const pathOf = (id: string, tail = "") => `/api/imports/${encodeURIComponent(id)}${tail}`;

function useJob(id: string) {
  const [job, setJob] = useState<ImportJob | null>(null);
  const [error, setError] = useState<unknown>(null);
  const load = () =>
    get<ImportJob>(pathOf(id)).then((found) => {
      setJob(found);
      setError(null);
    }, setError);
  useEffect(() => {
    void load();
    return onChange((told) => {
      if ((told.type === "import" && told.id === id) || told.type === "reset") void load();
    });
  }, [id]);
  const isBusy = job !== null && isActive(job.state);
  useEffect(() => {
    if (!isBusy) return;
    const timer = setInterval(() => void load(), POLL_MS);
    return () => clearInterval(timer);
  }, [isBusy]);
  return { job, error, load, setJob };
}

/** One import from its files to its report. */
export function Job({ id }: { id: string }) {
  const { job, error, load, setJob } = useJob(id);
  if (!job)
    return error instanceof ApiError && error.status === 404 ? (
      <Blank icon="box" title={words.problem.notFound}>
        <a class="btn" href={to.imports()}>
          {words.imports.all}
        </a>
      </Blank>
    ) : error ? (
      <Failure error={error} again={() => void load()} />
    ) : (
      <Waiting />
    );
  return (
    <div class="import">
      <div class="head">
        <div>
          <a class="btn bare" href={to.imports()}>
            <Icon name="back" /> {words.imports.all}
          </a>
          <h1 class="title">
            <bdi>{job.name}</bdi>
          </h1>
          <p class="note">
            <span class={`state ${TONES[job.state] ?? "idle"}`}>{words.imports.states[job.state] ?? job.state}</span>{" "}
            {words.imports.begun(show("moment", job.created_at))}
          </p>
        </div>
        <Actions job={job} setJob={setJob} />
      </div>
      {error ? <Failure error={error} again={() => void load()} /> : null}
      {isActive(job.state) && <Bar job={job} />}
      <Upload job={job} load={() => void load()} />
      {job.error && <Alert text={job.error.message} />}
      <Report job={job} />
      {job.state === "asking" && <Questions job={job} onAnswered={setJob} />}
      <Found job={job} />
    </div>
  );
}

/** The progress of uploads from this page, and what to do when a job cannot continue by itself. */
function Upload({ job, load }: { job: ImportJob; load: () => void }) {
  const sending = uploads.value.get(job.id);
  const [isOther, setOther] = useState(false);
  const goOn = (files: Named[]) => {
    const found = matched(job, files);
    setOther(found === null);
    if (found) void send(job, found).then(load);
  };
  useEffect(() => {
    const taken = dropped.value;
    if (!taken) return;
    // Files that do not belong to this import start another one.
    if (job.state !== "uploading" || sending) return navigate(to.imports());
    dropped.value = null;
    everything(taken).then(goOn, (error: unknown) => toast(explain(error)));
  }, [dropped.value]);
  if (job.state !== "uploading") return null;
  if (sending?.error)
    return <Alert text={explain(sending.error)} action={words.imports.startOver} onAction={() => forget(job.id)} />;
  if (sending) return null;
  return (
    <>
      <Choose title={words.imports.again} help={words.imports.againHelp} onChosen={goOn} />
      {isOther && <Alert text={words.imports.other} />}
    </>
  );
}

function Actions({ job, setJob }: { job: ImportJob; setJob: (job: ImportJob) => void }) {
  const [plan, setPlan] = useState<UndoPlan | null>(null);
  const [error, setError] = useState<unknown>(null);
  const act = async (work: () => Promise<ImportJob | null | void>) => {
    setError(null);
    try {
      const changed = await work();
      if (changed) setJob(changed);
    } catch (problem) {
      setError(problem);
    }
  };
  const may = (what: string) => job.can.includes(what);
  return (
    <div class="row-of-chips">
      {error ? <Failure error={error} /> : null}
      {may("cancel") && (
        <button
          type="button"
          class="btn"
          onClick={() =>
            void act(async () => {
              forget(job.id);
              return post<ImportJob>(pathOf(job.id, "/cancel"), {});
            })
          }
        >
          {job.state === "running" ? words.imports.stop : words.imports.cancel}
        </button>
      )}
      {may("undo") && (
        <button
          type="button"
          class="btn"
          onClick={() =>
            void act(async () => {
              setPlan(await get<UndoPlan>(pathOf(job.id, "/undo")));
            })
          }
        >
          {words.imports.undo}
        </button>
      )}
      {may("delete") && (
        <button
          type="button"
          class="btn"
          onClick={() =>
            void act(async () => {
              await remove(pathOf(job.id));
              navigate(to.imports(), { replace: true });
            })
          }
        >
          {words.imports.remove}
        </button>
      )}
      {plan && (
        <Sure
          title={words.imports.undoTitle}
          act={words.imports.undo}
          onClose={() => setPlan(null)}
          onSure={() => {
            setPlan(null);
            void act(() => post<ImportJob>(pathOf(job.id, "/undo"), {}));
          }}
        >
          <p>{words.imports.undoPlan(plan)}</p>
          {plan.kept > 0 && <p class="note">{words.imports.undoKept(plan.kept)}</p>}
        </Sure>
      )}
    </div>
  );
}

function Report({ job }: { job: ImportJob }) {
  const { report } = job;
  if (!report) return null;
  return (
    <section class="way" aria-label={words.imports.report}>
      <h2>{words.imports.reported(report)}</h2>
      {report.failed.length > 0 && (
        <ul class="troubles">
          {report.failed.map((one) => (
            <li key={one.item} class="trouble">
              <Icon name="info" />
              <p>
                <b>
                  <bdi>{one.file}</bdi>
                </b>
                <span class="remedy">{one.error}</span>
              </p>
            </li>
          ))}
        </ul>
      )}
      <Notes notes={report.notes} />
      {job.state === "done" && (
        <p class="row-of-chips">
          <a class="btn" href={to.chats}>
            {words.imports.read}
          </a>
        </p>
      )}
    </section>
  );
}

const Notes = ({ notes }: { notes: readonly string[] }) =>
  notes.length ? (
    <ul class="findings">
      {notes.map((note) => (
        <li key={note}>{note}</li>
      ))}
    </ul>
  ) : null;

function Found({ job }: { job: ImportJob }) {
  if (!job.found?.length) return null;
  return (
    <section>
      <h2 class="part">{words.imports.found(job.found.length)}</h2>
      <div class="cards">
        {job.found.map((one) => (
          <FoundCard key={one.item} found={one} />
        ))}
      </div>
    </section>
  );
}

function FoundCard({ found }: { found: ImportFound }) {
  const facts = [
    found.label,
    found.messages === null ? "" : words.imports.messages(found.messages),
    found.first_at && found.last_at ? words.imports.span(found.first_at, found.last_at) : "",
    found.attachments ? words.imports.attachments(found.attachments) : "",
  ].filter(Boolean);
  return (
    <article class={`phone${found.skip ? " skipped" : ""}`}>
      <div>
        <h3 class="found-title">
          <bdi>{found.title ?? found.file}</bdi>
        </h3>
        <p class="note">{facts.join(" · ")}</p>
        {found.participants.length > 0 && (
          <p class="note">
            <bdi>{words.imports.people(found.participants)}</bdi>
          </p>
        )}
      </div>
      {found.error && (
        <div class="trouble">
          <Icon name="info" />
          <p>{found.error}</p>
        </div>
      )}
      {found.repeats !== null && <p class="note">{words.imports.repeats(found.repeats)}</p>}
      {found.replaces.length > 0 && <p class="note">{words.imports.replaces(found.replaces)}</p>}
      {found.samples.length > 0 && (
        <ul class="samples">
          {found.samples.map((sample, at) => (
            <li key={at}>
              <span class="note num">{sample.sent_at ? show("moment", sample.sent_at) : ""}</span>
              <p dir="auto">
                {sample.author && (
                  <b>
                    <bdi>{sample.author}</bdi>:{" "}
                  </b>
                )}
                {sample.text ?? words.imports.noText}
              </p>
            </li>
          ))}
        </ul>
      )}
      <Notes notes={found.notes} />
    </article>
  );
}
