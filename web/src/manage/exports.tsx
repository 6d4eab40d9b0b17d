import type { ComponentChildren } from "preact";
import { session, withQuery } from "../api.ts";
import { Icon } from "../parts/icon.tsx";
import { ZONE } from "../time.ts";
import { words } from "../words/manage.ts";

/** Everything that the token gives access to, as files. A single chat is downloaded from the panel about it. */
export function Exports() {
  const who = session.value;
  const phones = who?.phones ?? [];
  const isWhole = who?.token.phones === null;
  return (
    <div class="settings">
      <p class="note">{words.exports.help}</p>
      <Way title={words.exports.zip} text={words.exports.zipText}>
        <Download
          href={withQuery("/api/exports/zip", { zone: ZONE })}
          label={phones.length > 1 ? words.exports.everything : words.exports.download}
        />
        {phones.length > 1 &&
          phones.map((phone) => (
            <Download
              key={phone.phone}
              href={withQuery("/api/exports/zip", { phone: phone.phone, zone: ZONE })}
              label={phone.name ?? `+${phone.phone}`}
            />
          ))}
      </Way>
      {isWhole && (
        <Way title={words.exports.jsonl} text={words.exports.jsonlText}>
          <Download href="/api/exports/jsonl" label={words.exports.download} />
        </Way>
      )}
      <p class="note">{words.exports.oneChat}</p>
    </div>
  );
}

function Way({ title, text, children }: { title: string; text: string; children: ComponentChildren }) {
  return (
    <section class="way">
      <h2>{title}</h2>
      <p>{text}</p>
      <p class="row-of-chips">{children}</p>
    </section>
  );
}

const Download = ({ href, label }: { href: string; label: string }) => (
  <a class="btn" download="" href={href}>
    <Icon name="download" /> <bdi>{label}</bdi>
  </a>
);
