import { useState } from "preact/hooks";
import { post, remove, session } from "../api.ts";
import { Sure } from "../parts/dialog.tsx";
import { Icon } from "../parts/icon.tsx";
import { NewSecret } from "../parts/secret.tsx";
import { Failure } from "../parts/states.tsx";
import { show } from "../time.ts";
import { words } from "../words/manage.ts";
import { Loaded, useLoaded } from "./load.tsx";
import { PhoneChoice } from "./phone-choice.tsx";

interface Token {
  id: string;
  name: string | null;
  scopes: string[];
  phones: string[] | null;
  created_at: string | null;
  expires_at: string | null;
  revoked_at: string | null;
  last_used_at: string | null;
  current?: boolean;
}

export function Tokens() {
  const loaded = useLoaded<{ items: Token[] }>("/api/tokens");
  const [secret, setSecret] = useState<string | null>(null);
  const [doomed, setDoomed] = useState<Token | null>(null);
  const [error, setError] = useState<unknown>(null);
  const revoke = async (token: Token) => {
    setDoomed(null);
    try {
      await remove(`/api/tokens/${encodeURIComponent(token.id)}`);
      loaded.again();
    } catch (problem) {
      setError(problem);
    }
  };
  return (
    <>
      <p class="note">{words.tokens.help}</p>
      {error ? <Failure error={error} /> : null}
      <Create
        onMade={(made) => {
          setSecret(made);
          loaded.again();
        }}
        onFailed={setError}
      />
      <Loaded of={loaded}>
        {({ items }) =>
          items.length ? (
            <ul class="rows-list">
              {items.map((token) => (
                <TokenLine key={token.id} token={token} onRevoke={() => setDoomed(token)} />
              ))}
            </ul>
          ) : (
            <p class="note none">{words.tokens.none}</p>
          )
        }
      </Loaded>
      {secret && (
        <NewSecret
          title={words.tokens.title}
          text={words.tokens.created}
          value={secret}
          onClose={() => setSecret(null)}
        />
      )}
      {doomed && (
        <Sure
          title={words.tokens.revoke}
          act={words.tokens.revoke}
          onClose={() => setDoomed(null)}
          onSure={() => void revoke(doomed)}
        >
          <p>{words.tokens.sure(doomed.name ?? doomed.id)}</p>
        </Sure>
      )}
    </>
  );
}

const DAY_MS = 86_400_000;
const LIVES = ["", "1", "30", "90", "365"] as const;

function Create({ onMade, onFailed }: { onMade: (secret: string) => void; onFailed: (error: unknown) => void }) {
  const [name, setName] = useState("");
  const own = session.value?.token.scopes ?? ["read"];
  const scopes = Object.keys(words.tokens.may).filter((scope) => own.includes(scope));
  const [chosen, setChosen] = useState<string[]>(["read"]);
  const [phone, setPhone] = useState("");
  const [days, setDays] = useState("");
  return (
    <form
      class="inline-form"
      onSubmit={async (event) => {
        event.preventDefault();
        onFailed(null);
        try {
          const made = await post<Token & { secret: string }>("/api/tokens", {
            name,
            scopes: chosen,
            phones: phone ? [phone] : null,
            expires_at: days ? new Date(Date.now() + Number(days) * DAY_MS).toISOString() : null,
          });
          setName("");
          if (made) onMade(made.secret);
        } catch (problem) {
          onFailed(problem);
        }
      }}
    >
      <label>
        {words.tokens.name}
        <span class="field">
          <input required maxLength={100} value={name} onInput={(event) => setName(event.currentTarget.value)} />
        </span>
      </label>
      <fieldset>
        <legend>{words.tokens.scopes}</legend>
        {scopes.map((scope) => (
          <label key={scope} class="check">
            <input
              type="checkbox"
              checked={chosen.includes(scope)}
              onChange={() =>
                setChosen(chosen.includes(scope) ? chosen.filter((one) => one !== scope) : [...chosen, scope])
              }
            />
            <span>{words.tokens.may[scope] ?? scope}</span>
          </label>
        ))}
      </fieldset>
      <label>
        {words.tokens.phones}
        <PhoneChoice value={phone} all={words.manage.allPhones} onChange={setPhone} />
      </label>
      <label>
        {words.tokens.expires}
        <select value={days} onChange={(event) => setDays(event.currentTarget.value)}>
          {LIVES.map((life) => (
            <option key={life} value={life}>
              {words.tokens.lives[life]}
            </option>
          ))}
        </select>
      </label>
      <button type="submit" class="btn main" disabled={!chosen.length}>
        {words.tokens.create}
      </button>
    </form>
  );
}

function TokenLine({ token, onRevoke }: { token: Token; onRevoke: () => void }) {
  const isOver = token.revoked_at !== null || (token.expires_at !== null && Date.parse(token.expires_at) < Date.now());
  const facts = [
    Object.keys(words.tokens.may)
      .filter((scope) => token.scopes.includes(scope))
      .map((scope) => words.tokens.may[scope])
      .join(", "),
    token.phones ? token.phones.map((phone) => `+${phone}`).join(", ") : words.manage.allPhones,
    token.expires_at ? `${words.tokens.expires}: ${show("date", token.expires_at)}` : "",
    token.last_used_at ? `${words.tokens.lastUsed}: ${show("moment", token.last_used_at)}` : words.tokens.notUsed,
  ].filter(Boolean);
  return (
    <li class={isOver ? "over" : ""}>
      <Icon name="key" />
      <div>
        <b>
          <bdi>{token.name ?? words.tokens.nameless}</bdi>
        </b>
        {token.current && <span class="tag">{words.tokens.current}</span>}
        <p class="note">{facts.join(" · ")}</p>
      </div>
      {isOver ? (
        <span class="note">{token.revoked_at ? words.tokens.revoked : words.tokens.expired}</span>
      ) : (
        <button type="button" class="btn" onClick={onRevoke}>
          {words.tokens.revoke}
        </button>
      )}
    </li>
  );
}
