import { useEffect, useState } from "preact/hooks";
import { get, post } from "../api.ts";
import { dropped } from "../drop.ts";
import { onChange } from "../events.ts";
import { Icon } from "../parts/icon.tsx";
import { Blank, Failure, Waiting } from "../parts/states.tsx";
import { navigate, type Route, to } from "../router.ts";
import { briefly } from "../time.ts";
import type { ImportJob, Page } from "../types.ts";
import { words } from "../words/imports.ts";
import { Choose } from "./choose.tsx";
import { Job } from "./job.tsx";
import { Bar, isActive, TONES } from "./progress.tsx";
import { everything, type Named, send, uploads } from "./upload.ts";

const POLL_MS = 4000;

/** Jobs, newest first: fetched again when one of them changes, and at intervals while one is running. */
function useJobs() {
  const [items, setItems] = useState<ImportJob[] | null>(null);
  const [next, setNext] = useState<string | null>(null);
  const [error, setError] = useState<unknown>(null);
  const load = () =>
    get<Page<ImportJob>>("/api/imports", { limit: 30 }).then((page) => {
      setItems(page.items);
      setNext(page.next);
      setError(null);
    }, setError);
  const more = () =>
    get<Page<ImportJob>>("/api/imports", { limit: 30, cursor: next }).then((page) => {
      setItems((known) => [...(known ?? []), ...page.items]);
      setNext(page.next);
    }, setError);
  const isBusy = items?.some((job) => isActive(job.state)) ?? false;
  useEffect(() => {
    void load();
    return onChange((told) => {
      if (told.type === "import" || told.type === "reset") void load();
    });
  }, []);
  useEffect(() => {
    if (!isBusy) return;
    const timer = setInterval(() => void load(), POLL_MS);
    return () => clearInterval(timer);
  }, [isBusy]);
  return { items, next, error, load, more };
}

export function ImportsScreen({ route }: { route: Route }) {
  const id = route.name === "imports" ? route.id : null;
  return (
    <section class="sheet page" tabIndex={-1}>
      {id === null ? <List /> : <Job key={id} id={id} />}
    </section>
  );
}

function List() {
  const jobs = useJobs();
  const [error, setError] = useState<unknown>(null);
  const [isMaking, setMaking] = useState(false);
  const begin = async (files: Named[]) => {
    if (!files.length) return;
    setError(null);
    setMaking(true);
    try {
      const job = await post<ImportJob>("/api/imports", {
        files: files.map(({ name, file }) => ({ name, size: file.size })),
        confirm: true,
      });
      if (!job) return;
      void send(job, new Map(job.files.map(({ no }, at) => [no, files[at]!.file])));
      navigate(to.imports(job.id));
    } catch (problem) {
      setError(problem);
    } finally {
      setMaking(false);
    }
  };
  useEffect(() => {
    const taken = dropped.value;
    if (!taken) return;
    dropped.value = null;
    everything(taken).then(begin, setError);
  }, [dropped.value]);
  return (
    <>
      <div class="head">
        <div>
          <a class="btn bare" href={to.sources()}>
            <Icon name="back" /> {words.sources.title}
          </a>
          <h1 class="title">{words.imports.title}</h1>
        </div>
      </div>
      <Choose onChosen={(files) => void begin(files)} isBusy={isMaking} />
      {error ? <Failure error={error} /> : null}
      {jobs.error && !jobs.items ? (
        <Failure error={jobs.error} again={() => void jobs.load()} />
      ) : !jobs.items ? (
        <Waiting />
      ) : jobs.items.length ? (
        <ul class="jobs">
          {jobs.items.map((job) => (
            <Line key={job.id} job={job} />
          ))}
        </ul>
      ) : (
        <Blank icon="box" title={words.imports.none} />
      )}
      {jobs.next && (
        <button type="button" class="btn bare" onClick={() => void jobs.more()}>
          {words.more}
        </button>
      )}
    </>
  );
}

function Line({ job }: { job: ImportJob }) {
  const sending = uploads.value.get(job.id);
  return (
    <li>
      <a class="job" href={to.imports(job.id)}>
        <Icon name="doc" />
        <b>
          <bdi>{job.name}</bdi>
        </b>
        <span class={`state ${TONES[job.state] ?? "idle"}`}>{words.imports.states[job.state] ?? job.state}</span>
        <span class="note num">{briefly(job.finished_at ?? job.updated_at)}</span>
        {(isActive(job.state) || sending) && <Bar job={job} />}
        <p>{words.imports.summary(job)}</p>
      </a>
    </li>
  );
}
