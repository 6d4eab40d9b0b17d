import { Icon } from "../parts/icon.tsx";
import { show } from "../time.ts";
import type { Problem } from "../types.ts";
import { words } from "../words/manage.ts";

const COMMAND = /(backscroll [a-z]+(?: (?:--)?[a-z]+)*(?: (?:src\w+|\d+))?)/;

/** A sentence in which commands are set as code. */
const withCommands = (text: string) =>
  text.split(COMMAND).map((part, at) => (at % 2 ? <code key={at}>{part}</code> : part));

/** What is wrong and what can be done; commands to type are shown apart from the text. */
export function Trouble({ problem }: { problem: Problem }) {
  return (
    <div class="trouble">
      <Icon name="info" />
      <p>
        <b>{problem.text}</b>
        {problem.at ? <span class="note"> {words.since(show("moment", problem.at))}</span> : null}
        {problem.remedy ? <span class="remedy">{withCommands(problem.remedy)}</span> : null}
      </p>
    </div>
  );
}
