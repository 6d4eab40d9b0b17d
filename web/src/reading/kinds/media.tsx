import { signal } from "@preact/signals";
import { useState } from "preact/hooks";
import { Icon } from "../../parts/icon.tsx";
import { ratio } from "../../parts/shape.ts";
import { clock } from "../../time.ts";
import type { File, Message } from "../../types.ts";
import { words } from "../../words.ts";

/** What the viewer shows; null while it is closed. */
export const viewed = signal<{ key: string } | null>(null);

/** A card for a file that is missing, instead of a broken picture. */
export function Missing({ message, file }: { message: Message; file: File }) {
  return (
    <div class="sealed" data-state={file.state}>
      <Icon name="gap" />
      <span>
        <b>
          {words.kinds[message.kind]}
          {file.filename ? (
            <>
              {" "}
              · <bdi>{file.filename}</bdi>
            </>
          ) : null}
        </b>
        {words.message.missingText[file.state] ?? words.message.missingText["missing"]}
      </span>
    </div>
  );
}

export function Picture({ message, file }: { message: Message; file: File }) {
  const [isBroken, setBroken] = useState(false);
  const isVideo = message.kind === "video" || message.kind === "video_note";
  const source = isVideo ? file.thumbnail : (file.url ?? file.thumbnail);
  if (isBroken || (!source && !file.url))
    return (
      <Missing message={message} file={isBroken && file.state === "held" ? { ...file, state: "missing" } : file} />
    );
  const who = message.from_me ? words.you : words.somebody(message.sender);
  const label = isVideo ? words.message.video(who) : words.message.picture(who);
  const inside = (
    <>
      {source ? (
        <img
          src={source}
          alt={label}
          width={file.width ?? undefined}
          height={file.height ?? undefined}
          loading="lazy"
          decoding="async"
          onError={() => setBroken(true)}
        />
      ) : (
        <span class="no-poster">
          <span class="unseen">{label}</span>
        </span>
      )}
      {isVideo && file.url && !message.gif && (
        <span class="play">
          <Icon name="play" />
        </span>
      )}
      {message.gif && <span class="over badge">{words.message.gif}</span>}
      {isVideo && !message.gif && file.duration !== null && <span class="over badge num">{clock(file.duration)}</span>}
      {!file.url && <span class="over badge">{words.message.states[file.state] ?? ""}</span>}
    </>
  );
  const style = { "--r": String(ratio(file)) };
  if (!file.url)
    return (
      <span class="picture" style={style}>
        {inside}
      </span>
    );
  return (
    <a
      class={`picture${message.kind === "video_note" ? " round" : ""}`}
      style={style}
      href={file.url}
      target="_blank"
      rel="noreferrer noopener"
      onClick={(event) => {
        if (!event.ctrlKey && !event.metaKey && !event.shiftKey) {
          event.preventDefault();
          viewed.value = { key: message.key };
        }
      }}
    >
      {inside}
    </a>
  );
}

export function Sticker({ message, file }: { message: Message; file: File }) {
  const [isBroken, setBroken] = useState(false);
  const source = file.url ?? file.thumbnail;
  if (!source || isBroken) return <Missing message={message} file={file} />;
  return (
    <img
      class="sticker"
      src={source}
      alt={words.message.sticker}
      width="160"
      height="160"
      loading="lazy"
      decoding="async"
      onError={() => setBroken(true)}
    />
  );
}

const EXTENSION = /\.([a-z0-9]{1,5})$/i;

export function Document({ message, file }: { message: Message; file: File }) {
  const name = file.filename ?? words.message.unnamed;
  const extension = (EXTENSION.exec(name)?.[1] ?? file.mimetype?.split("/")[1]?.replace(/[^a-z0-9].*/i, "") ?? "?")
    .slice(0, 4)
    .toUpperCase();
  const facts = [
    file.duration !== null && message.kind === "audio" ? clock(file.duration) : "",
    file.pages ? words.message.pages(file.pages) : "",
    file.size !== null ? words.byte(file.size) : "",
    file.url ? "" : (words.message.states[file.state] ?? ""),
  ].filter(Boolean);
  const inside = (
    <>
      <span class="kind" aria-hidden="true">
        {extension}
      </span>
      <bdi class="name">{name}</bdi>
      <small>{facts.join(" · ")}</small>
      <Icon name={file.url ? "download" : "gap"} />
    </>
  );
  if (!file.url)
    return (
      <div class="file" data-state={file.state}>
        {inside}
      </div>
    );
  return (
    <a class="file" href={file.url} download={file.filename ?? ""} aria-label={words.message.download(name)}>
      {inside}
    </a>
  );
}
