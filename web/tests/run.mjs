// Runs tests/*.test.ts with node --test: bundled first, since Node 20 reads no TypeScript.
import { build } from "esbuild";
import { spawnSync } from "node:child_process";
import { readdirSync, rmSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";

const here = dirname(fileURLToPath(import.meta.url));
const made = join(here, "../.tests");
rmSync(made, { recursive: true, force: true });
const entryPoints = readdirSync(here)
  .filter((name) => name.endsWith(".test.ts"))
  .map((name) => join(here, name));
await build({
  entryPoints,
  outdir: made,
  outExtension: { ".js": ".mjs" },
  bundle: true,
  platform: "node",
  format: "esm",
  jsx: "automatic",
  jsxImportSource: "preact",
  logLevel: "warning",
  sourcemap: "inline",
});
// A zone with summer time, one whose clocks skipped midnight, one with a half hour.
for (const zone of ["Europe/Berlin", "America/Sao_Paulo", "Asia/Kolkata"]) {
  const { status } = spawnSync(
    process.execPath,
    ["--test", "--test-reporter=dot", ...readdirSync(made).map((name) => join(made, name))],
    { stdio: ["ignore", "inherit", "inherit"], env: { ...process.env, TZ: zone } },
  );
  if (status !== 0) process.exit(status ?? 1);
}
