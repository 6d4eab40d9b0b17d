import type { Covered } from "../types.ts";
import { words } from "../words/about.ts";

/** Times that no source covers, why, and what may fill them. */
export function Gaps({ covered }: { covered: Covered }) {
  if (!covered.gaps.length) return null;
  return (
    <ul class="gaps">
      {covered.gaps.map((gap) => (
        <li key={gap.from}>
          <b>{words.gap.title(gap)}</b>
          <span>{words.gap.text(gap)}</span>
          {gap.remedy.code !== "none" && (
            <span class="note">
              {words.gap.remedies[gap.remedy.code] ?? gap.remedy.text}
              {gap.remedy.command && (
                <>
                  {" "}
                  <code>{gap.remedy.command}</code>
                </>
              )}
            </span>
          )}
        </li>
      ))}
      {covered.more_gaps && <li class="note">{words.gap.more}</li>}
    </ul>
  );
}
