import { useState } from "preact/hooks";
import { mayDo, post } from "../api.ts";
import { Dialog } from "../parts/dialog.tsx";
import { Failure } from "../parts/states.tsx";
import type { NewSource, Source } from "../types.ts";
import { words } from "../words/change-source.ts";
import { BRINGS_SECRET, Made } from "./add-source.tsx";

/** Kinds whose upstream can be asked for what it knows. */
const ASKED: readonly string[] = ["gowa", "periskope"];
const MINUTE = 60;
const UNITS: [string, number][] = [
  ["w", 10080 * MINUTE],
  ["d", 1440 * MINUTE],
  ["h", 60 * MINUTE],
  ["m", MINUTE],
];

/** ``6h`` of 21,600 seconds: spans as the API takes them. */
function spanOf(seconds: number | null): string {
  const unit = seconds ? UNITS.find(([, size]) => seconds % size === 0) : undefined;
  return unit && seconds ? `${seconds / unit[1]}${unit[0]}` : "";
}

interface Parts {
  source: Source;
  name: string;
  onClose: () => void;
  onChanged: () => void;
}

/** What can be changed in a source without disconnecting it: intervals, its upstream, its secret. */
export function ChangeSource({ source, name, onClose, onChanged }: Parts) {
  const [rotated, setRotated] = useState<NewSource | null>(null);
  return (
    <Dialog
      title={rotated ? words.changeSource.rotated : words.changeSource.title(name)}
      onClose={onClose}
      kind="roomy"
    >
      {rotated ? (
        <Made source={rotated} onClose={onClose} />
      ) : (
        <div class="stack">
          <Settings
            source={source}
            onSaved={() => {
              onChanged();
              onClose();
            }}
          />
          <Rotate
            source={source}
            onRotated={(made) => {
              setRotated(made);
              onChanged();
            }}
          />
        </div>
      )}
    </Dialog>
  );
}

interface SelectParts {
  label: string;
  value: string;
  options: Record<string, string>;
  onChange: (value: string) => void;
}

/** A choice that also shows the present value if it is none of the options. */
function Select({ label, value, options, onChange }: SelectParts) {
  return (
    <label class="labelled">
      {label}
      <select value={value} onChange={(event) => onChange(event.currentTarget.value)}>
        {Object.entries(value in options ? options : { ...options, [value]: value }).map(([key, text]) => (
          <option key={key} value={key}>
            {text}
          </option>
        ))}
      </select>
    </label>
  );
}

function Settings({ source, onSaved }: { source: Source; onSaved: () => void }) {
  const [silence, setSilence] = useState(spanOf(source.silent_after_seconds));
  const [every, setEvery] = useState(spanOf(source.every_seconds));
  const [upstream, setUpstream] = useState(source.upstream ?? "");
  const [token, setToken] = useState("");
  const [error, setError] = useState<unknown>(null);
  const namesUpstream = mayDo("operator");
  const isAnother = upstream.trim() !== (source.upstream ?? "");
  const asks = ASKED.includes(source.type) && upstream.trim() !== "";
  const save = async (event: Event) => {
    event.preventDefault();
    setError(null);
    try {
      await post(
        `/api/sources/${encodeURIComponent(source.id)}`,
        {
          silent_after: silence || null,
          ...(asks ? { every: every || null } : {}),
          ...(namesUpstream && isAnother ? { upstream: upstream.trim() || null } : {}),
          ...(namesUpstream && token && upstream.trim() ? { upstream_token: token } : {}),
        },
        "PATCH",
      );
      onSaved();
    } catch (problem) {
      setError(problem);
    }
  };
  return (
    <form class="stack" onSubmit={(event) => void save(event)}>
      <Select
        label={words.addSource.silence}
        value={silence}
        options={words.addSource.silences}
        onChange={setSilence}
      />
      {namesUpstream && (
        <label class="labelled">
          {words.changeSource.upstream}
          <span class="field">
            <input
              type="url"
              autocomplete="off"
              placeholder={words.changeSource.upstreamExample}
              value={upstream}
              onInput={(event) => setUpstream(event.currentTarget.value)}
            />
          </span>
          <span class="note">{words.changeSource.upstreamHelp}</span>
        </label>
      )}
      {namesUpstream && upstream.trim() !== "" && (
        <label class="labelled">
          {words.changeSource.token}
          <span class="field">
            <input
              type="password"
              autocomplete="off"
              placeholder={
                isAnother ? (words.changeSource.tokenExamples[source.type] ?? "") : words.changeSource.tokenKept
              }
              value={token}
              onInput={(event) => setToken(event.currentTarget.value)}
            />
          </span>
          {isAnother && source.upstream && <span class="note">{words.changeSource.tokenAnew}</span>}
        </label>
      )}
      {asks && (
        <Select
          label={words.changeSource.every}
          value={every}
          options={words.changeSource.everies}
          onChange={setEvery}
        />
      )}
      {error ? <Failure error={error} /> : null}
      <p class="row-of-chips end">
        <button type="submit" class="btn main">
          {words.changeSource.save}
        </button>
      </p>
    </form>
  );
}

function Rotate({ source, onRotated }: { source: Source; onRotated: (made: NewSource) => void }) {
  const [secret, setSecret] = useState("");
  const [grace, setGrace] = useState("24");
  const [error, setError] = useState<unknown>(null);
  const brings = BRINGS_SECRET.includes(source.type);
  const rotate = async (event: Event) => {
    event.preventDefault();
    setError(null);
    try {
      const body = { secret: secret || null, grace_hours: Number(grace) };
      const made = await post<NewSource>(`/api/sources/${encodeURIComponent(source.id)}/rotate`, body);
      if (made) onRotated(made);
    } catch (problem) {
      setError(problem);
    }
  };
  return (
    <form class="stack apart" onSubmit={(event) => void rotate(event)}>
      <h3>{words.changeSource.rotateTitle}</h3>
      <p class="note">
        {words.changeSource.rotateHelp}
        {source.previous_secret_until && Date.parse(source.previous_secret_until) > Date.now()
          ? ` ${words.changeSource.previous(source.previous_secret_until)}`
          : ""}
      </p>
      {brings && (
        <label class="labelled">
          {words.addSource.secrets[source.type]}
          <span class="field">
            <input
              type="password"
              autocomplete="off"
              required
              minLength={8}
              value={secret}
              onInput={(event) => setSecret(event.currentTarget.value)}
            />
          </span>
        </label>
      )}
      <Select label={words.changeSource.grace} value={grace} options={words.changeSource.graces} onChange={setGrace} />
      {error ? <Failure error={error} /> : null}
      <p class="row-of-chips end">
        <button type="submit" class="btn">
          {brings ? words.changeSource.take : words.changeSource.rotate}
        </button>
      </p>
    </form>
  );
}
