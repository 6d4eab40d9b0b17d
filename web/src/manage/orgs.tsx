import { useState } from "preact/hooks";
import { openSession, post } from "../api.ts";
import { Dialog } from "../parts/dialog.tsx";
import { Icon } from "../parts/icon.tsx";
import { Secret } from "../parts/secret.tsx";
import { Failure } from "../parts/states.tsx";
import { show } from "../time.ts";
import { words } from "../words/orgs.ts";
import { Loaded, useLoaded } from "./load.tsx";

interface Org {
  id: string;
  name: string;
  created_at: string;
  current: boolean;
}
type NewOrg = Org & { token: string; secret: string };

/** All organisations by name, for operators of the archive. */
export function Orgs() {
  const loaded = useLoaded<{ items: Org[] }>("/api/orgs");
  const [made, setMade] = useState<NewOrg | null>(null);
  const [chosen, setChosen] = useState<Org | null>(null);
  return (
    <>
      <p class="note">{words.orgs.help}</p>
      <Create
        onMade={(org) => {
          setMade(org);
          loaded.again();
        }}
      />
      <Loaded of={loaded}>
        {({ items }) => (
          <ul class="rows-list">
            {items.map((org) => (
              <li key={org.id}>
                <Icon name="people" />
                <div>
                  <b>
                    <bdi>{org.name}</bdi>
                  </b>
                  {org.current && <span class="tag">{words.orgs.current}</span>}
                  <p class="note">
                    {words.orgs.since(show("date", org.created_at))} · {org.id}
                  </p>
                </div>
                <button type="button" class="btn" onClick={() => setChosen(org)}>
                  {words.orgs.rename}
                </button>
              </li>
            ))}
          </ul>
        )}
      </Loaded>
      {made && (
        <Dialog title={words.orgs.created(made.name)} onClose={() => setMade(null)}>
          <p>{words.orgs.once}</p>
          <Secret value={made.secret} />
          <p class="row-of-chips end">
            <button type="button" class="btn main" onClick={() => setMade(null)}>
              {words.orgs.done}
            </button>
          </p>
        </Dialog>
      )}
      {chosen && (
        <Rename
          org={chosen}
          onClose={() => setChosen(null)}
          onDone={() => {
            setChosen(null);
            loaded.again();
            // The page shows the name of its own organisation elsewhere too.
            if (chosen.current) void openSession();
          }}
        />
      )}
    </>
  );
}

function Create({ onMade }: { onMade: (org: NewOrg) => void }) {
  const [name, setName] = useState("");
  const [error, setError] = useState<unknown>(null);
  const submit = async (event: Event) => {
    event.preventDefault();
    setError(null);
    try {
      const made = await post<NewOrg>("/api/orgs", { name });
      setName("");
      if (made) onMade(made);
    } catch (problem) {
      setError(problem);
    }
  };
  return (
    <>
      <form class="inline-form" onSubmit={(event) => void submit(event)}>
        <label>
          {words.orgs.name}
          <span class="field">
            <input required maxLength={200} value={name} onInput={(event) => setName(event.currentTarget.value)} />
          </span>
        </label>
        <button type="submit" class="btn main">
          {words.orgs.create}
        </button>
      </form>
      {error ? <Failure error={error} /> : null}
    </>
  );
}

function Rename({ org, onClose, onDone }: { org: Org; onClose: () => void; onDone: () => void }) {
  const [name, setName] = useState(org.name);
  const [error, setError] = useState<unknown>(null);
  const submit = async (event: Event) => {
    event.preventDefault();
    setError(null);
    try {
      await post(`/api/orgs/${encodeURIComponent(org.id)}`, { name }, "PATCH");
      onDone();
    } catch (problem) {
      setError(problem);
    }
  };
  return (
    <Dialog title={words.orgs.renameTitle} onClose={onClose}>
      <form class="stack" onSubmit={(event) => void submit(event)}>
        <label class="labelled">
          {words.orgs.name}
          <span class="field">
            <input
              required
              autofocus
              maxLength={200}
              value={name}
              onInput={(event) => setName(event.currentTarget.value)}
            />
          </span>
        </label>
        <p class="note">{words.orgs.renameHelp}</p>
        {error ? <Failure error={error} /> : null}
        <p class="row-of-chips end">
          <button type="button" class="btn" onClick={onClose}>
            {words.cancel}
          </button>
          <button type="submit" class="btn main">
            {words.orgs.save}
          </button>
        </p>
      </form>
    </Dialog>
  );
}
