import type { ComponentType } from "preact";
import { useEffect, useState } from "preact/hooks";
import { Failure, Waiting } from "./states.tsx";

/** A part of the page that is loaded when it is first shown. */
export function later<P extends object>(load: () => Promise<ComponentType<P>>): (props: P) => preact.JSX.Element {
  let known: ComponentType<P> | null = null;
  return function Later(props: P) {
    const [, draw] = useState(0);
    const [error, setError] = useState<unknown>(null);
    const fetchIt = () => {
      setError(null);
      load().then((part) => {
        known = part;
        draw((count) => count + 1);
      }, setError);
    };
    useEffect(() => {
      if (!known) fetchIt();
    }, []);
    if (error)
      return (
        <div class="page">
          <Failure error={error} again={fetchIt} />
        </div>
      );
    const Shown = known;
    return Shown ? <Shown {...props} /> : <Waiting />;
  };
}
