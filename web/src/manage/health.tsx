import { Fragment } from "preact";
import { session } from "../api.ts";
import { Icon } from "../parts/icon.tsx";
import { to } from "../router.ts";
import { briefly, number, show } from "../time.ts";
import type { Health, ImportLine } from "../types.ts";
import { words } from "../words/manage.ts";
import { Loaded, useLoaded } from "./load.tsx";
import { Trouble } from "./trouble.tsx";

export function HealthScreen() {
  const loaded = useLoaded<Health>("/api/health");
  return (
    <Loaded of={loaded}>
      {(health) => (
        <div class="health">
          <section aria-labelledby="problems">
            <h2 class="part" id="problems">
              {health.problems.length ? words.health.attention(health.problems.length) : words.health.well}
            </h2>
            {health.problems.length ? (
              <ul class="troubles">
                {health.problems.map((problem) => (
                  <li key={`${problem.code}${problem.text}`}>
                    <Trouble problem={problem} />
                  </li>
                ))}
              </ul>
            ) : (
              <p class="note">{words.health.wellText}</p>
            )}
            <p>
              <button type="button" class="btn" onClick={loaded.again}>
                {words.health.again}
              </button>
            </p>
          </section>
          <Facts health={health} />
          <Checked health={health} />
          <Imports imports={health.imports} />
        </div>
      )}
    </Loaded>
  );
}

function Facts({ health }: { health: Health }) {
  const { disk_bytes: disk, disk_free_bytes: free } = health;
  const facts: [string, string][] = [
    [words.health.organisation, session.value?.org.name ?? ""],
    [words.health.messages, number(health.messages)],
    [words.health.chats, number(health.chats)],
    [words.health.phones, number(health.phones)],
    [
      words.health.lastStored,
      health.last_stored_at
        ? words.health.stored(show("moment", health.last_stored_at), words.sourceTypes[health.last_source ?? ""])
        : words.health.nothing,
    ],
    [
      words.health.database,
      [words.health.engines[health.engine], health.database_bytes === null ? "" : words.byte(health.database_bytes)]
        .filter(Boolean)
        .join(", "),
    ],
    [words.health.disk, disk === null || free === null ? "" : words.health.free(words.byte(free), words.byte(disk))],
    [words.health.search, health.search_complete || !health.messages ? words.health.complete : words.health.building],
    [words.health.version, words.health.of(health.version, health.schema)],
    [words.health.archive, health.archive],
  ];
  return (
    <section aria-labelledby="facts">
      <h2 class="part" id="facts">
        {words.health.facts}
      </h2>
      <dl class="details wide">
        {facts
          .filter(([, value]) => value)
          .map(([name, value]) => (
            <Fragment key={name}>
              <dt>{name}</dt>
              <dd>
                <bdi>{value}</bdi>
              </dd>
            </Fragment>
          ))}
      </dl>
    </section>
  );
}

function Checked({ health: { check } }: { health: Health }) {
  return (
    <section aria-labelledby="check">
      <h2 class="part" id="check">
        {words.health.check}
      </h2>
      {check ? (
        <>
          <p>{words.health.checked(show("moment", check.at), check.findings, check.media)}</p>
          <ul class="findings">
            {check.first.map((text) => (
              <li key={text}>{text}</li>
            ))}
          </ul>
        </>
      ) : (
        <p>
          {words.health.notChecked} <code>backscroll check</code>
        </p>
      )}
    </section>
  );
}

function Imports({ imports }: { imports: ImportLine[] }) {
  return (
    <section aria-labelledby="latest">
      <h2 class="part" id="latest">
        {words.health.imports}
      </h2>
      {imports.length ? (
        <ul class="rows-list">
          {imports.map((one) => (
            <li key={one.id}>
              <Icon name="doc" />
              <div>
                <b>
                  <bdi>{one.file ?? words.sourceTypes[one.kind] ?? one.kind}</bdi>
                </b>
                <p class="note">{words.health.importStates[one.state] ?? one.state}</p>
              </div>
              <span class="note num">{briefly(one.finished_at ?? one.started_at)}</span>
            </li>
          ))}
        </ul>
      ) : (
        <p class="note">
          {words.health.noImports} <a href={to.sources()}>{words.sources.title}</a>
        </p>
      )}
    </section>
  );
}
