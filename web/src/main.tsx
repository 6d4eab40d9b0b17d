import { render } from "preact";
import "@preact/signals";
import { App } from "./app.tsx";
import { loadLinker } from "./format.ts";
import { applyTheme, startKeys } from "./keys.ts";
import { startRouter } from "./router.ts";

applyTheme();
startRouter();
startKeys();
render(<App />, document.getElementById("page")!);
void loadLinker().catch(() => {});
