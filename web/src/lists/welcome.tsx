import { useEffect } from "preact/hooks";
import { mayImport, openSession } from "../api.ts";
import { onChange } from "../events.ts";
import { Icon } from "../parts/icon.tsx";
import { to } from "../router.ts";
import { words } from "../words.ts";

const SOON_MS = 500;

/** Shows how to fill an empty archive, until its first chat arrives. */
export function Welcome() {
  useEffect(() => {
    let timer = 0;
    const stop = onChange(() => {
      timer ||= window.setTimeout(() => {
        timer = 0;
        void openSession().catch(() => {});
      }, SOON_MS);
    });
    return () => {
      clearTimeout(timer);
      stop();
    };
  }, []);
  return (
    <section class="sheet page" tabIndex={-1}>
      <div class="blank welcome">
        <Icon name="book" />
        <h1>{words.empty.title}</h1>
        <p>{mayImport() ? words.empty.drop : words.empty.text}</p>
        {mayImport() && (
          <a class="btn main" href={to.imports()}>
            <Icon name="box" /> {words.empty.choose}
          </a>
        )}
        {mayImport() && <p>{words.empty.others}</p>}
        <dl>
          {words.empty.ways.map(([what, command]) => (
            <div key={what}>
              <dt>{what}</dt>
              <dd>
                <code>{command}</code>
              </dd>
            </div>
          ))}
        </dl>
      </div>
    </section>
  );
}
