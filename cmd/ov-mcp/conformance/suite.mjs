// The official conformance suite, over the bridge. It is made for SDKs: most of
// its scenarios call tools, resources and prompts that an example server of its
// own has. Those can only fail here; reasons says which and why, and a failure
// with no reason is a failure of ours.
import { execFile } from "node:child_process";
import { mkdtempSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

import { here } from "./world.mjs";

// reasons are looked at in order: what a failing check says, and why it says so.
const reasons = [
  [/tool 'test_\w+' not found|diagnostic tool 'test_\w+'|Tool 'json_schema_2020_12_tool' not found|Prerequisite failed: could not get initial InputRequiredResult|Expected InputRequiredResult with inputRequests|instead of re-requesting via InputRequiredResult/, "asks for a tool of the suite's example server"],
  [/x-mcp-header/, "HTTP only: no parameter of ours is also an HTTP header"],
  [/resources? not supported|resources\/read was not exercised|Expected error code -32602 \(Invalid Params\), got -32601|Error data\.uri is undefined/, "no resources: secrets are not for reading"],
  [/prompts not supported/, "no prompts"],
  [/completions not supported/, "no completions: they belong to prompts and resources"],
  [/logging not supported/, "no logging: deprecated, and a log could hold what must not be said"],
];

// runs are the released suite, which knows the revisions up to 2025-11-25, and
// the coming one, held to what each revision requires.
const runs = [
  { suite: "Official suite", package: "@modelcontextprotocol/conformance", revision: "2025-11-25", args: ["--suite", "all"] },
  { suite: "Official suite, next", package: "conformance-next", revision: "2025-11-25", args: ["--requirements", "2025-11-25"] },
  { suite: "Official suite, next", package: "conformance-next", revision: "2026-07-28", args: ["--requirements", "2026-07-28"] },
];

function reasonFor(check) {
  const text = check.errorMessage ?? "";
  return reasons.find(([pattern]) => pattern.test(text))?.[1];
}

// shows reports whether a passed check says something of its scenario's subject.
// wire-schema-valid is of whatever was said, in every scenario; and some checks
// take the refusal of the example server's tool for the refusal they want.
const shows = (c) => c.status === "SUCCESS" && c.id !== "wire-schema-valid" && !reasons.some(([pattern]) => pattern.test(c.details?.error?.message ?? ""));

// judge makes one row of a scenario's checks.
function judge(checks) {
  const of = (...status) => checks.filter((c) => status.includes(c.status));
  const shown = checks.some(shows);
  const missed = of("FAILURE", "WARNING").map((c) => ({ check: c, reason: reasonFor(c) }));
  const unexplained = missed.find((m) => !m.reason && m.check.status === "FAILURE")?.check;
  const warnings = missed.filter((m) => !m.reason).map((m) => `${m.check.id}: ${m.check.errorMessage}`);
  const checked = `${of("SUCCESS").length} of ${of("SUCCESS", "FAILURE", "WARNING").length}`;
  if (unexplained) return { result: "FAILED", checked, note: `${unexplained.id}: ${unexplained.errorMessage}`.slice(0, 200) };
  const note = [...new Set([...missed.map((m) => m.reason).filter(Boolean), ...warnings])].join("; ");
  if (missed.length > warnings.length) return { result: shown ? "in part" : "not served", checked, note };
  if (!shown) return { result: "nothing checked", checked, note: note || "no check that passed was of what this server has" };
  return { result: "passed", checked, note };
}

// Tasks are an extension that we do not announce; the suite runs it unscored.
const extension = /^tasks-/;

// finished runs a program to its end, whatever its status: the suite's is 1
// whenever a scenario fails. It must not block: the bridge is in this process.
const finished = (args, cwd) =>
  new Promise((resolve) => execFile(process.execPath, args, { cwd, timeout: 300_000, maxBuffer: 1 << 26 }, (_, stdout, stderr) => resolve(stdout + stderr)));

function rowsIn(dir, run) {
  return readdirSync(dir).filter((d) => d.startsWith("server-")).sort().map((d) => {
    const scenario = d.replace(/^server-/, "").replace(/-\d{4}-\d{2}-\d{2}T.*$/, "");
    const checks = JSON.parse(readFileSync(join(dir, d, "checks.json"), "utf8"));
    const row = { suite: run.suite, revision: run.revision, scenario, ...judge(checks) };
    if (extension.test(scenario)) Object.assign(row, { result: "not served", note: "tasks are an extension that is not announced; the suite does not score it" });
    return row;
  });
}

// runSuite runs all of it against the bridge at url and returns a row for each
// scenario.
export async function runSuite(url) {
  const rows = [];
  for (const run of runs) {
    const dir = mkdtempSync(join(tmpdir(), "ov-suite-"));
    const program = join(here, "node_modules", run.package, "dist/index.js");
    const said = await finished([program, "server", "--url", url, "-o", dir, ...run.args], dir);
    const found = rowsIn(dir, run);
    rmSync(dir, { recursive: true });
    if (found.length === 0) throw new Error(`${run.suite} ran nothing: ${said}`);
    rows.push(...found);
  }
  return rows;
}
