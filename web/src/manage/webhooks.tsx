import { useEffect, useState } from "preact/hooks";
import { get, post, remove, withQuery } from "../api.ts";
import { Dialog, Sure } from "../parts/dialog.tsx";
import { Icon } from "../parts/icon.tsx";
import { NewSecret } from "../parts/secret.tsx";
import { Alert, Failure, Waiting } from "../parts/states.tsx";
import { to } from "../router.ts";
import { show } from "../time.ts";
import type { Delivery, Page, Trial, Webhook } from "../types.ts";
import { words } from "../words/webhooks.ts";
import { Loaded, useLoaded } from "./load.tsx";
import { PhoneChoice } from "./phone-choice.tsx";

interface Listed {
  items: Webhook[];
  types: Record<string, string[]>;
  delivering: boolean;
}

const pathOf = (id: string, tail = "") => `/api/webhooks/${encodeURIComponent(id)}${tail}`;
const TONES: Record<string, string> = { ok: "ok", failing: "off", off: "idle" };

export function Webhooks() {
  const loaded = useLoaded<Listed>("/api/webhooks");
  const [isMaking, setMaking] = useState(false);
  const [secret, setSecret] = useState<string | null>(null);
  return (
    <>
      <p class="note">{words.webhooks.help}</p>
      <p class="row-of-chips">
        <button type="button" class="btn main" onClick={() => setMaking(true)}>
          <Icon name="plus" /> {words.webhooks.add}
        </button>
      </p>
      <Loaded of={loaded}>
        {({ items, types, delivering }) => (
          <>
            {!delivering && <Alert text={words.webhooks.notDelivering} />}
            {items.length ? (
              <ul class="rows-list hooks">
                {items.map((hook) => (
                  <Hook key={hook.id} hook={hook} onChanged={loaded.again} onSecret={setSecret} />
                ))}
              </ul>
            ) : (
              <p class="note none">{words.webhooks.none}</p>
            )}
            {isMaking && (
              <Form
                types={types}
                onClose={() => setMaking(false)}
                onMade={(made) => {
                  setMaking(false);
                  setSecret(made);
                  loaded.again();
                }}
              />
            )}
          </>
        )}
      </Loaded>
      {secret && (
        <NewSecret
          title={words.webhooks.secretTitle}
          text={words.webhooks.secretOnce}
          value={secret}
          onClose={() => setSecret(null)}
        />
      )}
    </>
  );
}

interface FormParts {
  types: Record<string, string[]>;
  onClose: () => void;
  onMade: (secret: string) => void;
}

function Form({ types, onClose, onMade }: FormParts) {
  const [url, setUrl] = useState("");
  const [name, setName] = useState("");
  const [format, setFormat] = useState(Object.keys(types)[0] ?? "native");
  const [chosen, setChosen] = useState<string[]>([]);
  const [phone, setPhone] = useState("");
  const [imports, setImports] = useState(false);
  const [error, setError] = useState<unknown>(null);
  const submit = async (event: Event) => {
    event.preventDefault();
    setError(null);
    try {
      const made = await post<Webhook & { secret: string }>("/api/webhooks", {
        url,
        name: name || null,
        format,
        types: chosen.length ? chosen : ["*"],
        phones: phone ? [phone] : null,
        imports,
      });
      if (made) onMade(made.secret);
    } catch (problem) {
      setError(problem);
    }
  };
  return (
    <Dialog title={words.webhooks.add} onClose={onClose} kind="roomy">
      <form class="stack" onSubmit={(event) => void submit(event)}>
        <label class="labelled">
          {words.webhooks.url}
          <span class="field">
            <input
              required
              type="url"
              dir="ltr"
              placeholder="https://example.com/hooks"
              value={url}
              onInput={(event) => setUrl(event.currentTarget.value)}
            />
          </span>
        </label>
        <label class="labelled">
          {words.webhooks.name}
          <span class="field">
            <input maxLength={100} value={name} onInput={(event) => setName(event.currentTarget.value)} />
          </span>
        </label>
        <label class="labelled">
          {words.webhooks.format}
          <select
            value={format}
            onChange={(event) => {
              setFormat(event.currentTarget.value);
              setChosen([]);
            }}
          >
            {Object.keys(types).map((one) => (
              <option key={one} value={one}>
                {words.webhooks.formats[one] ?? one}
              </option>
            ))}
          </select>
        </label>
        <fieldset>
          <legend>{words.webhooks.types}</legend>
          <p class="note">{words.webhooks.allTypes}</p>
          <div class="checks">
            {types[format]?.map((type) => (
              <label key={type} class="check">
                <input
                  type="checkbox"
                  checked={chosen.includes(type)}
                  onChange={() =>
                    setChosen(chosen.includes(type) ? chosen.filter((one) => one !== type) : [...chosen, type])
                  }
                />
                <span dir="ltr">{type}</span>
              </label>
            ))}
          </div>
        </fieldset>
        <label class="labelled">
          {words.webhooks.phones}
          <PhoneChoice value={phone} all={words.webhooks.allPhones} onChange={setPhone} />
        </label>
        <label class="check">
          <input type="checkbox" checked={imports} onChange={(event) => setImports(event.currentTarget.checked)} />
          <span>{words.webhooks.imports}</span>
        </label>
        {error ? <Failure error={error} /> : null}
        <p class="row-of-chips end">
          <button type="submit" class="btn main">
            {words.webhooks.add}
          </button>
        </p>
      </form>
    </Dialog>
  );
}

interface HookParts {
  hook: Webhook;
  onChanged: () => void;
  onSecret: (secret: string) => void;
}

function Hook({ hook, onChanged, onSecret }: HookParts) {
  const [trial, setTrial] = useState<Trial | null>(null);
  const [isOpen, setOpen] = useState(false);
  const [isDoomed, setDoomed] = useState(false);
  const [isBusy, setBusy] = useState(false);
  const [error, setError] = useState<unknown>(null);
  const act = async (work: () => Promise<unknown>) => {
    setError(null);
    setBusy(true);
    try {
      await work();
      onChanged();
    } catch (problem) {
      setError(problem);
    } finally {
      setBusy(false);
    }
  };
  const facts = [
    words.webhooks.formats[hook.format] ?? hook.format,
    hook.types.includes("*") ? words.webhooks.everything : hook.types.join(", "),
    hook.phones ? hook.phones.map((phone) => `+${phone}`).join(", ") : words.webhooks.allPhones,
    hook.last_success_at ? words.webhooks.lastSuccess(show("moment", hook.last_success_at)) : "",
  ].filter(Boolean);
  return (
    <li>
      <Icon name="hook" />
      <div>
        <b>
          <bdi>{hook.name ?? hook.url}</bdi>
        </b>{" "}
        <span class={`state ${TONES[hook.state] ?? "idle"}`}>{words.webhooks.states[hook.state] ?? hook.state}</span>
        {hook.name && (
          <p class="note" dir="ltr">
            {hook.url}
          </p>
        )}
        <p class="note">{facts.join(" · ")}</p>
        {(hook.counts.waiting > 0 || hook.counts.parked > 0) && (
          <p class="note">{words.webhooks.counts(hook.counts)}</p>
        )}
        {hook.state === "failing" && hook.last_error && (
          <div class="trouble">
            <Icon name="info" />
            <p>
              <b>{hook.last_error}</b>
              {hook.failing_since && (
                <span class="remedy">{words.webhooks.failingSince(show("moment", hook.failing_since))}</span>
              )}
            </p>
          </div>
        )}
        {trial && (
          <p class={`state ${trial.ok ? "ok" : "off"}`} role="status">
            {words.webhooks.tried(trial)}
          </p>
        )}
        {error ? <Failure error={error} /> : null}
        <p class="row-of-chips">
          <button type="button" class="btn" aria-expanded={isOpen} onClick={() => setOpen(!isOpen)}>
            {words.webhooks.deliveries}
          </button>
          <button
            type="button"
            class="btn"
            disabled={isBusy}
            onClick={() => void act(async () => setTrial(await post<Trial>(pathOf(hook.id, "/test"), {})))}
          >
            {words.webhooks.test}
          </button>
          <button
            type="button"
            class="btn"
            disabled={isBusy}
            onClick={() => void act(() => post(pathOf(hook.id), { enabled: !hook.enabled }, "PATCH"))}
          >
            {hook.enabled ? words.webhooks.switchOff : words.webhooks.switchOn}
          </button>
          {hook.counts.parked > 0 && (
            <button
              type="button"
              class="btn"
              disabled={isBusy}
              onClick={() => void act(() => post(pathOf(hook.id, "/redeliver"), {}))}
            >
              {words.webhooks.redeliverAll}
            </button>
          )}
          <button
            type="button"
            class="btn"
            disabled={isBusy}
            onClick={() =>
              void act(async () => {
                const changed = await post<Webhook & { secret: string }>(pathOf(hook.id, "/rotate"), {});
                if (changed) onSecret(changed.secret);
              })
            }
          >
            {words.webhooks.rotate}
          </button>
          <button type="button" class="btn" onClick={() => setDoomed(true)}>
            {words.webhooks.remove}
          </button>
        </p>
        {isOpen && <Deliveries hook={hook} />}
      </div>
      {isDoomed && (
        <Sure
          title={words.webhooks.remove}
          act={words.webhooks.remove}
          onClose={() => setDoomed(false)}
          onSure={() => {
            setDoomed(false);
            void act(() => remove(pathOf(hook.id)));
          }}
        >
          <p>{words.webhooks.sure(hook.name ?? hook.url)}</p>
        </Sure>
      )}
    </li>
  );
}

const STATES = ["", "waiting", "delivered", "parked", "dropped"] as const;

/** What was sent to an endpoint and what waits, the newest first. */
function Deliveries({ hook }: { hook: Webhook }) {
  const [state, setState] = useState("");
  const [page, setPage] = useState<Page<Delivery> | null>(null);
  const [error, setError] = useState<unknown>(null);
  const load = (cursor: string | null = null) =>
    get<Page<Delivery>>(withQuery(pathOf(hook.id, "/deliveries"), { state, limit: 30, cursor })).then((next) => {
      setError(null);
      setPage((known) => (cursor && known ? { ...next, items: [...known.items, ...next.items] } : next));
    }, setError);
  useEffect(() => {
    setPage(null);
    void load();
  }, [state, hook]);
  const again = (delivery: Delivery) =>
    post<Delivery>(pathOf(hook.id, `/deliveries/${encodeURIComponent(delivery.event)}/redeliver`), {}).then(
      () => load(),
      setError,
    );
  return (
    <div class="deliveries">
      <div class="row-of-chips" role="group" aria-label={words.webhooks.deliveries}>
        {STATES.map((one) => (
          <button type="button" key={one} class="chip" aria-pressed={state === one} onClick={() => setState(one)}>
            {words.webhooks.deliveryStates[one]}
          </button>
        ))}
        <button type="button" class="chip" onClick={() => void load()}>
          {words.webhooks.reload}
        </button>
      </div>
      {error ? <Failure error={error} again={() => void load()} /> : null}
      {!page ? (
        <Waiting />
      ) : page.items.length ? (
        <ul class="plain-list">
          {page.items.map((one) => (
            <li key={one.event} class="delivery">
              <b dir="ltr">{one.type}</b>
              <span class={`state ${one.state === "delivered" ? "ok" : one.state === "parked" ? "off" : "warn"}`}>
                {words.webhooks.deliveryStates[one.state] ?? one.state}
              </span>
              <time class="note num" dateTime={one.created_at}>
                {show("moment", one.created_at)}
              </time>
              <span class="note">
                {words.webhooks.attempts(one)}
                {one.error ? ` · ${one.error}` : ""}
              </span>
              {one.phone && one.chat_id && one.key && (
                <a class="note" href={to.chat(one.phone, one.chat_id, { at: one.key })}>
                  {words.webhooks.message}
                </a>
              )}
              {one.state !== "waiting" && (
                <button type="button" class="btn bare" onClick={() => void again(one)}>
                  {words.webhooks.redeliver}
                </button>
              )}
            </li>
          ))}
        </ul>
      ) : (
        <p class="note none">{words.webhooks.noDeliveries}</p>
      )}
      {page?.next && (
        <button type="button" class="btn bare" onClick={() => void load(page.next)}>
          {words.more}
        </button>
      )}
    </div>
  );
}
