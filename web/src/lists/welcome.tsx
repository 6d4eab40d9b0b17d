import { Icon } from "../parts/icon.tsx";
import { to } from "../router.ts";
import { words } from "../words.ts";

/** An empty archive invites. */
export function Welcome() {
  return (
    <section class="sheet page">
      <div class="blank">
        <Icon name="book" />
        <h1>{words.empty.title}</h1>
        <p>{words.empty.text}</p>
        <p>{words.empty.command}</p>
        <p><code>{words.empty.example}</code></p>
        <a class="btn" href={to.sources()}>{words.empty.guides}</a>
      </div>
    </section>
  );
}
