import { useState } from "preact/hooks";
import { post, session } from "../api.ts";
import { Dialog } from "../parts/dialog.tsx";
import { Secret } from "../parts/secret.tsx";
import { Failure } from "../parts/states.tsx";
import type { NewSource } from "../types.ts";
import { words } from "../words/manage.ts";

const KINDS = ["gowa", "waha", "evolution", "periskope", "cloud", "events"] as const;
/** Sources whose payloads name the phone that they belong to. */
const NAMES_PHONE: readonly string[] = ["periskope", "events"];
/** Sources for which the other side chooses the signing secret. */
export const BRINGS_SECRET: readonly string[] = ["periskope", "cloud"];
const SILENCES = ["", "1h", "6h", "1d", "1w"] as const;

/** How long a source may be quiet before it counts as silent. */
export function Silence({ value, onChange }: { value: string; onChange: (value: string) => void }) {
  return (
    <label class="labelled">
      {words.addSource.silence}
      <select value={value} onChange={(event) => onChange(event.currentTarget.value)}>
        {SILENCES.map((one) => (
          <option key={one} value={one}>
            {words.addSource.silences[one]}
          </option>
        ))}
      </select>
    </label>
  );
}

/** Adding a gateway: first its kind, then what to enter there, which is shown only once. */
export function AddSource({ onClose, onAdded }: { onClose: () => void; onAdded: () => void }) {
  const [made, setMade] = useState<NewSource | null>(null);
  return (
    <Dialog title={made ? words.addSource.made : words.addSource.title} onClose={onClose} kind="roomy">
      {made ? (
        <Made source={made} onClose={onClose} />
      ) : (
        <Form
          onMade={(source) => {
            setMade(source);
            onAdded();
          }}
        />
      )}
    </Dialog>
  );
}

function Form({ onMade }: { onMade: (source: NewSource) => void }) {
  const [kind, setKind] = useState<string>(KINDS[0]);
  const [phone, setPhone] = useState("");
  const [secret, setSecret] = useState("");
  const [silence, setSilence] = useState("");
  const [error, setError] = useState<unknown>(null);
  const [isBusy, setBusy] = useState(false);
  const needsPhone = !NAMES_PHONE.includes(kind);
  const bringsSecret = BRINGS_SECRET.includes(kind);
  const submit = async (event: Event) => {
    event.preventDefault();
    setBusy(true);
    setError(null);
    try {
      const made = await post<NewSource>("/api/sources", {
        kind,
        phone: phone.trim() || null,
        secret: secret || null,
        silent_after: silence || null,
      });
      if (made) onMade(made);
    } catch (problem) {
      setError(problem);
      setBusy(false);
    }
  };
  return (
    <form class="stack" onSubmit={(event) => void submit(event)}>
      <p class="note">{words.addSource.help}</p>
      <fieldset>
        <legend>{words.addSource.kind}</legend>
        <div class="options">
          {KINDS.map((one) => (
            <label key={one} class="option">
              <input type="radio" name="kind" checked={kind === one} onChange={() => setKind(one)} />
              <span>
                <b>{words.sourceTypes[one]}</b>
                <span class="note">{words.addSource.kinds[one]}</span>
              </span>
            </label>
          ))}
        </div>
      </fieldset>
      <label class="labelled">
        {needsPhone ? words.addSource.phone : words.addSource.phoneOptional}
        <span class="field">
          <input
            type="tel"
            list="own-phones"
            autocomplete="off"
            required={needsPhone}
            placeholder={words.addSource.example}
            value={phone}
            onInput={(event) => setPhone(event.currentTarget.value)}
          />
        </span>
        <datalist id="own-phones">
          {session.value?.phones.map((own) => (
            <option key={own.phone} value={own.phone}>
              {own.name ?? ""}
            </option>
          ))}
        </datalist>
      </label>
      {bringsSecret && (
        <label class="labelled">
          {words.addSource.secrets[kind]}
          <span class="field">
            <input
              type="password"
              autocomplete="off"
              minLength={8}
              value={secret}
              onInput={(event) => setSecret(event.currentTarget.value)}
            />
          </span>
        </label>
      )}
      <Silence value={silence} onChange={setSilence} />
      {error ? <Failure error={error} /> : null}
      <p class="row-of-chips end">
        <button type="submit" class="btn main" disabled={isBusy}>
          {words.addSource.add}
        </button>
      </p>
    </form>
  );
}

/** What to enter in the gateway; shown only once. */
export function Made({ source, onClose }: { source: NewSource; onClose: () => void }) {
  return (
    <div class="stack">
      <p>{words.addSource.once}</p>
      <Secret label={words.addSource.address} value={source.url} />
      <Secret label={words.addSource.secret} value={source.secret} />
      {source.verify_token && <Secret label={words.addSource.verifyToken} value={source.verify_token} />}
      <h3>{words.addSource.how}</h3>
      <pre class="how" tabIndex={0}>
        {source.how}
      </pre>
      <p class="row-of-chips end">
        <button type="button" class="btn main" onClick={onClose}>
          {words.done}
        </button>
      </p>
    </div>
  );
}
