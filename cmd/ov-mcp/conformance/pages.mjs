// Runs the pages in Chromium alone, says what passed, and where the screenshots
// are. Exit status 1: something failed, or there is no Chromium.
import { mkdtempSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

import { runBrowser } from "./browser.mjs";
import { makeWorld } from "./world.mjs";

const folder = process.argv[2] ?? mkdtempSync(join(tmpdir(), "ov-pages-"));
const world = makeWorld();
try {
  const rows = await runBrowser(world, folder);
  for (const r of rows) console.log([r.result, r.suite, r.scenario, r.note].filter(Boolean).join(", "));
  console.log(`screenshots: ${folder}`);
  process.exitCode = rows.every((r) => r.result === "passed") ? 0 : 1;
} finally {
  world.end();
}
