import { mayImport } from "../api.ts";
import { to } from "../router.ts";
import type { Covered } from "../types.ts";
import { words } from "../words/about.ts";
import { Icon } from "./icon.tsx";

/** Times that no source covers, the reason, and what may fill them. */
export function Gaps({ covered }: { covered: Covered }) {
  if (!covered.gaps.length) return null;
  return (
    <ul class="gaps">
      {covered.gaps.map((gap) => (
        <li key={gap.from}>
          <b>{words.gap.title(gap)}</b>
          <span>{words.gap.text(gap)}</span>
          {gap.remedy.code === "export" && mayImport() ? (
            <>
              <span class="note">{words.gap.bringExport}</span>
              <a class="btn" href={to.imports()}>
                <Icon name="box" /> {words.gap.import}
              </a>
            </>
          ) : (
            gap.remedy.code !== "none" && <Told remedy={gap.remedy} />
          )}
        </li>
      ))}
      {covered.more_gaps && <li class="note">{words.gap.more}</li>}
    </ul>
  );
}

/** What the reader can do about a gap, with the command if there is one. */
function Told({ remedy }: { remedy: Covered["gaps"][number]["remedy"] }) {
  return (
    <span class="note">
      {words.gap.remedies[remedy.code] ?? remedy.text}
      {remedy.command && (
        <>
          {" "}
          <code>{remedy.command}</code>
        </>
      )}
    </span>
  );
}
