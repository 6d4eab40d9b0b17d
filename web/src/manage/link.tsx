import { useEffect, useState } from "preact/hooks";
import { get, manages, post, remove } from "../api.ts";
import { Dialog, Sure } from "../parts/dialog.tsx";
import { Icon } from "../parts/icon.tsx";
import { Failure } from "../parts/states.tsx";
import { toast } from "../parts/toast.tsx";
import { briefly, show } from "../time.ts";
import type { DeviceLink, PhoneDetails } from "../types.ts";
import { words } from "../words/link.ts";
import { Silence } from "./add-source.tsx";

const POLL_MS = 2000;
const QUIET: readonly string[] = ["connected", "starting", "pairing", "connecting"];
const pathOf = (id: string, tail = "") => `/api/links/${encodeURIComponent(id)}${tail}`;

/** Linking a phone: which one, then the code to scan or to type, until it is connected. */
export function LinkPhone({
  phones,
  install = null,
  started,
  onClose,
}: {
  phones: readonly PhoneDetails[];
  install?: string | null;
  started?: DeviceLink;
  onClose: () => void;
}) {
  const [link, setLink] = useState<DeviceLink | null>(started ?? null);
  return (
    <Dialog title={words.link.title} onClose={onClose}>
      {install ? (
        <p>{install}</p>
      ) : link ? (
        <Pairing link={link} setLink={setLink} onClose={onClose} />
      ) : (
        <Form phones={phones} onMade={setLink} />
      )}
    </Dialog>
  );
}

function Form({ phones, onMade }: { phones: readonly PhoneDetails[]; onMade: (link: DeviceLink) => void }) {
  const [phone, setPhone] = useState("");
  const [name, setName] = useState("");
  const [number, setNumber] = useState("");
  const [byCode, setByCode] = useState(false);
  const [silence, setSilence] = useState("");
  const [error, setError] = useState<unknown>(null);
  const submit = async (event: Event) => {
    event.preventDefault();
    setError(null);
    try {
      const made = await post<DeviceLink>("/api/links", {
        phone: phone || null,
        phone_name: phone ? null : name,
        pair_code_for: byCode ? (phone || number).replace(/\D/g, "") : null,
        silent_after: silence || null,
      });
      if (made) onMade(made);
    } catch (problem) {
      setError(problem);
    }
  };
  return (
    <form class="stack" onSubmit={(event) => void submit(event)}>
      <p class="note">{words.link.help}</p>
      <label class="labelled">
        {words.link.which}
        <select value={phone} onChange={(event) => setPhone(event.currentTarget.value)}>
          <option value="">{words.link.newPhone}</option>
          {phones.map((own) => (
            <option key={own.phone} value={own.phone}>
              {own.name ? `${own.name} (+${own.phone})` : `+${own.phone}`}
            </option>
          ))}
        </select>
      </label>
      {!phone && (
        <label class="labelled">
          {words.link.name}
          <span class="field">
            <input required maxLength={100} value={name} onInput={(event) => setName(event.currentTarget.value)} />
          </span>
        </label>
      )}
      <label class="check">
        <input type="checkbox" checked={byCode} onChange={(event) => setByCode(event.currentTarget.checked)} />
        <span>{words.link.byCode}</span>
      </label>
      {byCode && !phone && (
        <label class="labelled">
          {words.link.number}
          <span class="field">
            <input
              required
              type="tel"
              autocomplete="off"
              placeholder={words.link.example}
              value={number}
              onInput={(event) => setNumber(event.currentTarget.value)}
            />
          </span>
        </label>
      )}
      <Silence value={silence} onChange={setSilence} />
      {error ? <Failure error={error} /> : null}
      <p class="row-of-chips end">
        <button type="submit" class="btn main">
          {words.link.start}
        </button>
      </p>
    </form>
  );
}

function Pairing({
  link,
  setLink,
  onClose,
}: {
  link: DeviceLink;
  setLink: (link: DeviceLink) => void;
  onClose: () => void;
}) {
  const [error, setError] = useState<unknown>(null);
  useEffect(() => {
    const timer = setInterval(
      () =>
        void get<DeviceLink>(pathOf(link.id)).then((found) => {
          setLink(found);
          setError(null);
        }, setError),
      POLL_MS,
    );
    return () => clearInterval(timer);
  }, [link.id]);
  useEffect(() => {
    if (link.state !== "connected") return;
    toast(words.link.connected);
    onClose();
  }, [link.state]);
  const { pairing } = link;
  const act = (work: () => Promise<DeviceLink | null>) =>
    void work().then((changed) => changed && setLink(changed), setError);
  return (
    <div class="stack">
      <p class={`state ${QUIET.includes(link.state) ? "warn" : "off"}`} role="status">
        {words.link.states[link.state] ?? link.state}
      </p>
      {pairing?.rows && <Qr rows={pairing.rows} />}
      {pairing?.code && <p class="pair-code">{pairing.code}</p>}
      {pairing ? (
        <ol class="steps">
          {(pairing.code ? words.link.codeSteps : words.link.steps).map((step) => (
            <li key={step}>{step}</li>
          ))}
        </ol>
      ) : (
        <p>{link.message}</p>
      )}
      <p class="note">{words.link.listens}</p>
      {error ? <Failure error={error} /> : null}
      <p class="row-of-chips end">
        <button type="button" class="btn" onClick={() => void remove(pathOf(link.id)).then(onClose, setError)}>
          {words.cancel}
        </button>
        {!QUIET.includes(link.state) && (
          <button
            type="button"
            class="btn main"
            onClick={() => act(() => post<DeviceLink>(pathOf(link.id, "/retry"), {}))}
          >
            {words.tryAgain}
          </button>
        )}
      </p>
    </div>
  );
}

/** The code's modules as one path; dark on white in every theme, because cameras cannot read it otherwise. */
function Qr({ rows }: { rows: readonly string[] }) {
  const path = rows
    .flatMap((row, y) => [...row].map((module, x) => (module === "1" ? `M${x} ${y}h1v1h-1z` : "")))
    .join("");
  return (
    <svg class="code" viewBox={`0 0 ${rows.length} ${rows.length}`} role="img" aria-label={words.link.qr}>
      <path d={path} shape-rendering="crispEdges" />
    </svg>
  );
}

/** A linked device among the sources of its phone. */
export function LinkLine({ link, onChanged }: { link: DeviceLink; onChanged: () => void }) {
  const [isAsking, setAsking] = useState(false);
  const [paired, setPaired] = useState<DeviceLink | null>(null);
  const [error, setError] = useState<unknown>(null);
  const isQuiet = QUIET.includes(link.state);
  const tone = link.state === "connected" ? "ok" : isQuiet || link.state === "waiting" ? "warn" : "off";
  const act = async (work: () => Promise<unknown>) => {
    setAsking(false);
    setError(null);
    try {
      await work();
      onChanged();
    } catch (problem) {
      setError(problem);
    }
  };
  return (
    <li>
      <Icon name="phone" />
      <bdi>{link.phone ? words.sourceTypes["linked"] : (link.phone_name ?? words.sourceTypes["linked"])}</bdi>
      <span class={`note state ${tone}`}>
        {words.link.line(
          words.link.states[link.state] ?? link.state,
          link.last_event_at ? briefly(link.last_event_at) : null,
          link.history_progress,
        )}
      </span>
      {manages() && (
        <>
          {link.state === "pairing" ? (
            <button type="button" class="btn" onClick={() => setPaired(link)}>
              {words.link.showCode}
            </button>
          ) : (
            link.state !== "connected" &&
            (!isQuiet || link.state === "waiting") && (
              <button
                type="button"
                class="btn"
                onClick={() => void act(async () => setPaired(await post<DeviceLink>(pathOf(link.id, "/retry"), {})))}
              >
                {words.tryAgain}
              </button>
            )
          )}
          <button
            type="button"
            class="icon"
            aria-label={words.link.unlink}
            title={words.link.unlink}
            onClick={() => setAsking(true)}
          >
            <Icon name="trash" />
          </button>
        </>
      )}
      {link.message && link.state !== "connected" && (
        <p class="note upstream">
          {link.message}
          {link.retry_at ? ` ${words.link.retries(show("moment", link.retry_at))}` : ""}
        </p>
      )}
      {error ? <Failure error={error} /> : null}
      {paired && (
        <LinkPhone
          phones={[]}
          started={paired}
          onClose={() => {
            setPaired(null);
            onChanged();
          }}
        />
      )}
      {isAsking && (
        <Sure
          title={words.link.unlink}
          act={words.link.unlink}
          onClose={() => setAsking(false)}
          onSure={() => void act(() => remove(pathOf(link.id)))}
        >
          <p>{words.link.unlinkSure}</p>
        </Sure>
      )}
    </li>
  );
}
