import type { ComponentType } from "preact";
import { useState } from "preact/hooks";
import { manages, mayDo, session, signOut } from "../api.ts";
import { letters, setLetters, setTheme, theme, type Theme } from "../keys.ts";
import { Icon, type IconName } from "../parts/icon.tsx";
import { Failure } from "../parts/states.tsx";
import { type Route, to } from "../router.ts";
import { words } from "../words/manage.ts";
import { Exports } from "./exports.tsx";
import { HealthScreen } from "./health.tsx";
import { Orgs } from "./orgs.tsx";
import { Tokens } from "./tokens.tsx";
import { Webhooks } from "./webhooks.tsx";

/** Sections that the token may not use are not offered. */
interface Section {
  id: string;
  icon: IconName;
  title: string;
  isOffered: () => boolean;
  Screen: ComponentType<object>;
}
const SECTIONS: Section[] = [
  { id: "health", icon: "pulse", title: words.health.title, isOffered: manages, Screen: HealthScreen },
  { id: "exports", icon: "download", title: words.exports.title, isOffered: () => mayDo("read"), Screen: Exports },
  {
    id: "webhooks",
    icon: "hook",
    title: words.manage.webhooks,
    isOffered: manages,
    Screen: Webhooks,
  },
  { id: "tokens", icon: "key", title: words.tokens.title, isOffered: manages, Screen: Tokens },
  {
    id: "orgs",
    icon: "people",
    title: words.manage.orgs,
    isOffered: () => manages() && mayDo("operator"),
    Screen: Orgs,
  },
];

export function ManageScreen({ route }: { route: Route }) {
  const section = route.name === "manage" ? route.section : null;
  const sections = SECTIONS.filter(({ isOffered }) => isOffered());
  const shown = sections.find(({ id }) => id === section);
  return (
    <section class="sheet page" tabIndex={-1}>
      <div class="head">
        <h1 class="title">{words.manage.title}</h1>
      </div>
      {sections.length > 0 && (
        <nav class="row-of-chips" aria-label={words.manage.title}>
          <a class="chip" href={to.manage()} aria-current={shown ? undefined : "page"}>
            <Icon name="gear" /> {words.manage.browser}
          </a>
          {sections.map(({ id, icon, title }) => (
            <a key={id} class="chip" href={to.manage(id)} aria-current={id === section ? "page" : undefined}>
              <Icon name={icon} /> {title}
            </a>
          ))}
        </nav>
      )}
      {shown ? <shown.Screen /> : <Browser />}
    </section>
  );
}

const THEMES: Theme[] = ["system", "light", "dark"];

function Browser() {
  const [error, setError] = useState<unknown>(null);
  const who = session.value;
  return (
    <div class="settings">
      <fieldset>
        <legend>{words.manage.theme}</legend>
        <div class="row-of-chips">
          {THEMES.map((name) => (
            <button
              type="button"
              key={name}
              class="chip"
              aria-pressed={theme.value === name}
              onClick={() => setTheme(name)}
            >
              {words.manage.themes[name]}
            </button>
          ))}
        </div>
      </fieldset>
      <fieldset>
        <legend>{words.manage.keys}</legend>
        <label class="check">
          <input
            type="checkbox"
            checked={letters.value}
            onChange={(event) => setLetters(event.currentTarget.checked)}
          />
          <span>{words.manage.letters}</span>
        </label>
        <p class="note">{words.manage.lettersHelp}</p>
      </fieldset>
      {who && (
        <fieldset>
          <legend>{words.manage.organisation}</legend>
          <p>
            <bdi>{who.org.name}</bdi>
          </p>
          <p class="note">
            {words.manage.orgId(who.org.id)}. {words.manage.orgHelp}
          </p>
        </fieldset>
      )}
      {who && (
        <fieldset>
          <legend>{words.manage.account}</legend>
          <p>{words.manage.signedInAs(who.token.id)}</p>
          <p class="note">
            {[
              words.manage.scopes(who.token.scopes),
              who.token.phones ? who.token.phones.map((phone) => `+${phone}`).join(", ") : words.manage.allPhones,
            ].join(" · ")}
          </p>
          {error ? <Failure error={error} /> : null}
          <p>
            <button type="button" class="btn" onClick={() => signOut().catch(setError)}>
              {words.signIn.signOut}
            </button>
          </p>
        </fieldset>
      )}
      <p class="note">
        {words.manage.version(who?.version ?? "")} ·{" "}
        <a href="/docs" target="_blank" rel="noreferrer">
          {words.manage.api}
        </a>{" "}
        ·{" "}
        <a href="/assets/licences.txt" target="_blank" rel="noreferrer">
          {words.manage.licences}
        </a>
      </p>
    </div>
  );
}
