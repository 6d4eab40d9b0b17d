// Builds the page into src/backscroll/web/static: hashed assets with .br and .gz beside them, index.html, licences.
import { build } from "esbuild";
import { createHash } from "node:crypto";
import { existsSync, readFileSync } from "node:fs";
import { mkdir, readFile, readdir, rename, rm, writeFile } from "node:fs/promises";
import { basename, dirname, join, relative } from "node:path";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { brotliCompress, constants, gzip } from "node:zlib";

const here = dirname(fileURLToPath(import.meta.url));
const target = process.env.BACKSCROLL_STATIC ?? join(here, "../src/backscroll/web/static");
const made = `${target}.new`;
// Optional fonts that load late are not used: without its italics a chat would show notices in another typeface.
const PRELOADED = /source-(serif-4-latin-wght-(normal|italic)|sans-3-latin-wght-normal)-/;
const SHIPPED = ["preact", "@preact/signals", "@preact/signals-core", "linkify-it", "uc.micro"];
const FONTS = ["@fontsource-variable/source-serif-4", "@fontsource-variable/source-sans-3"];

// A font that loads late would move the text while somebody reads it.
const steadyFonts = {
  name: "steady-fonts",
  setup({ onLoad }) {
    onLoad({ filter: /@fontsource-variable.*\.css$/ }, async ({ path }) => ({
      contents: (await readFile(path, "utf8")).replaceAll("font-display: swap", "font-display: optional"),
      loader: "css",
    }));
  },
};

// esbuild makes a chunk of every set of modules that the same entry points share, some of them tiny, and small files
// compress badly. Whatever is loaded later is loaded by the main script, so what both need belongs to the main script.
const fewChunks = {
  name: "few-chunks",
  setup({ onLoad }) {
    onLoad({ filter: /src\/(lists\/screens|manage\/screens|reading\/panels)\.ts$/ }, async ({ path }) => ({
      contents: `import "../main.tsx";\n${await readFile(path, "utf8")}`,
      loader: "ts",
    }));
  },
};

function assets(outputs) {
  const names = Object.keys(outputs).map((path) => relative(made, join(here, path)).replaceAll("\\", "/"));
  const entry = (name) => {
    const found = Object.entries(outputs).find(([, output]) => output.entryPoint === name);
    if (!found) throw new Error(`the build made nothing of ${name}`);
    return basename(found[0]);
  };
  return {
    script: entry("src/main.tsx"),
    chunks: Object.values(outputs)
      .find((output) => output.entryPoint === "src/main.tsx")
      .imports.filter(({ kind }) => kind === "import-statement")
      .map(({ path }) => basename(path)),
    style: entry("src/styles/page.css"),
    fonts: names.filter((name) => PRELOADED.test(name)).map((name) => basename(name)),
  };
}

async function shell(outputs) {
  const { script, chunks, style, fonts } = assets(outputs);
  const icon = await hashed("icon.svg");
  const preloads = fonts.map(
    (font) => `<link rel="preload" href="/assets/${font}" as="font" type="font/woff2" crossorigin>`,
  );
  const template = await readFile(join(here, "index.html"), "utf8");
  return template
    .replace("<!-- fonts -->", preloads.join("\n"))
    .replace(
      "<!-- chunks -->",
      chunks.map((chunk) => `<link rel="modulepreload" href="/assets/${chunk}" crossorigin>`).join("\n"),
    )
    .replace("{script}", script)
    .replace("{style}", style)
    .replace("{icon}", icon);
}

async function hashed(name) {
  const body = await readFile(join(here, name));
  const [stem, extension] = name.split(".");
  const named = `${stem}-${createHash("sha256").update(body).digest("hex").slice(0, 8).toUpperCase()}.${extension}`;
  await writeFile(join(made, "assets", named), body);
  return named;
}

async function compress(path) {
  const body = await readFile(path);
  const quality = { params: { [constants.BROTLI_PARAM_QUALITY]: 11, [constants.BROTLI_PARAM_SIZE_HINT]: body.length } };
  await writeFile(`${path}.br`, await promisify(brotliCompress)(body, quality));
  await writeFile(`${path}.gz`, await promisify(gzip)(body, { level: 9 }));
}

function licences() {
  return [...SHIPPED, ...FONTS].map((name) => {
    const at = join(here, "node_modules", name);
    const { version, license } = JSON.parse(readFileSync(join(at, "package.json"), "utf8"));
    const file = ["LICENSE", "LICENSE.txt"].find((one) => existsSync(join(at, one)));
    return `${name} ${version} (${license})\n\n${readFileSync(join(at, file), "utf8").trim()}\n`;
  });
}

await rm(made, { recursive: true, force: true });
await mkdir(join(made, "assets"), { recursive: true });
const { metafile } = await build({
  absWorkingDir: here,
  entryPoints: ["src/main.tsx", "src/styles/page.css"],
  outdir: join(made, "assets"),
  entryNames: "[name]-[hash]",
  chunkNames: "[name]-[hash]",
  assetNames: "[name]-[hash]",
  bundle: true,
  splitting: true,
  format: "esm",
  target: ["chrome123", "firefox125", "safari17.5"],
  minify: true,
  metafile: true,
  legalComments: "none",
  jsx: "automatic",
  jsxImportSource: "preact",
  publicPath: "/assets",
  loader: { ".woff2": "file", ".svg": "file" },
  define: { "process.env.NODE_ENV": '"production"' },
  plugins: [steadyFonts, fewChunks],
  logLevel: "warning",
});
await writeFile(join(made, "index.html"), await shell(metafile.outputs));
await writeFile(join(made, "assets", "licences.txt"), licences().join(`\n${"-".repeat(72)}\n\n`));
await writeFile(join(here, ".build.json"), JSON.stringify(metafile.outputs));
for (const name of await readdir(join(made, "assets")))
  if (/\.(js|css|svg)$/.test(name)) await compress(join(made, "assets", name));
await rm(target, { recursive: true, force: true });
await rename(made, target);
