import { useMemo, useState } from "preact/hooks";
import { type Block, type Inline, isBig, linker, type Mention, parse } from "../format.ts";
import { to } from "../router.ts";
import { words } from "../words.ts";

const MAX_LETTERS = 3000;

/** Formatted text inside a line. */
export function Line({ items }: { items: Inline[] }) {
  return <>{items.map(draw)}</>;
}

function draw(item: Inline, key: number) {
  if (typeof item === "string") return item;
  switch (item.type) {
    case "link":
      return (
        <a key={key} href={item.href} target="_blank" rel="noreferrer noopener">
          {item.text}
        </a>
      );
    case "mention":
      return (
        <a key={key} class="mention" href={to.contacts(item.jid)}>
          <bdi>{item.text}</bdi>
        </a>
      );
    case "number":
      return (
        <a key={key} href={to.search(`"${item.digits}"`)} title={words.message.searchNumber(item.digits)}>
          {item.text}
        </a>
      );
    case "hit":
      return <mark key={key}>{item.text}</mark>;
    case "code":
      return <code key={key}>{item.text}</code>;
    case "strong":
      return (
        <strong key={key}>
          <Line items={item.children} />
        </strong>
      );
    case "em":
      return (
        <em key={key}>
          <Line items={item.children} />
        </em>
      );
    case "s":
      return (
        <s key={key}>
          <Line items={item.children} />
        </s>
      );
  }
}

function Part({ block }: { block: Block }) {
  switch (block.type) {
    case "p":
      return (
        <p dir="auto">
          <Line items={block.lines} />
        </p>
      );
    case "quote":
      return (
        <blockquote class="quote" dir="auto">
          <Line items={block.lines} />
        </blockquote>
      );
    case "pre":
      return (
        <pre>
          <code>{block.text}</code>
        </pre>
      );
    case "ul":
      return (
        <ul class="list">
          {block.items.map((items, key) => (
            <li key={key} dir="auto">
              <Line items={items} />
            </li>
          ))}
        </ul>
      );
    case "ol":
      return (
        <ol class="list" start={block.start}>
          {block.items.map((items, key) => (
            <li key={key} dir="auto">
              <Line items={items} />
            </li>
          ))}
        </ol>
      );
  }
}

/** The text of a message. Very long ones are cut off until the reader asks for the rest. */
export function Words({ text, mentions = [] }: { text: string; mentions?: readonly Mention[] }) {
  const [isWhole, setWhole] = useState(false);
  const shown = isWhole || text.length <= MAX_LETTERS ? text : `${[...text.slice(0, MAX_LETTERS)].join("")} …`;
  const blocks = useMemo(() => parse(shown, mentions), [shown, mentions, linker.value]);
  if (isBig(text)) return <p class="big">{text}</p>;
  return (
    <>
      {blocks.map((block, key) => (
        <Part key={key} block={block} />
      ))}
      {shown !== text && (
        <button type="button" class="btn bare" onClick={() => setWhole(true)}>
          {words.showAll(text.length)}
        </button>
      )}
    </>
  );
}
