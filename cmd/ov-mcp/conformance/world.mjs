// A throwaway vault with one secret, and the server as clients start it.
import { execFileSync } from "node:child_process";
import { randomBytes } from "node:crypto";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join, resolve } from "node:path";
import { fileURLToPath } from "node:url";

export const here = dirname(fileURLToPath(import.meta.url));
export const ov = resolve(here, "../../../bin/ov");
const password = "correct horse battery staple 42";

// makeWorld makes an unlocked vault whose only secret is CANARY. lock and
// unlock change it; end stops its agent and removes it.
export function makeWorld() {
  const home = mkdtempSync(join(tmpdir(), "ov-conformance-"));
  const canary = "cnr+" + randomBytes(18).toString("base64") + "/=<&";
  const passwordFile = join(home, "password");
  writeFileSync(passwordFile, password + "\n", { mode: 0o600 });
  const env = { HOME: home, PATH: process.env.PATH, USER: "u", SHELL: "/bin/sh", TERM: "dumb" };
  const call = (args, input = "") =>
    execFileSync(ov, args, { env: { ...env, OV_PASSWORD_FILE: passwordFile }, input, cwd: home, stdio: ["pipe", "pipe", "pipe"] }).toString();
  call(["vault", "init", "--kit", join(home, "kit")]);
  call(["secret", "create", "CANARY", "--stdin"], canary);
  call(["unlock"]);
  return {
    home, canary, env, password,
    server: { command: ov, args: ["mcp", "serve"], env, cwd: home },
    create: (ref, value) => call(["secret", "create", ref, "--stdin"], value),
    lock: () => call(["lock"]),
    unlock: () => call(["unlock"]),
    version: () => call(["version"]).trim(),
    end() {
      call(["agent", "stop"]);
      rmSync(home, { recursive: true, force: true });
    },
  };
}

// pieces are what must be in no message: the value in several spellings, and
// every run of twelve of its characters.
export function pieces(value) {
  const b = Buffer.from(value);
  const all = [b.toString("base64").replace(/=+$/, ""), b.toString("hex"), b.toString("hex").toUpperCase(), [...value].reverse().join(""), value.toUpperCase(), encodeURIComponent(value)];
  for (let i = 0; i + 12 <= value.length; i++) all.push(value.slice(i, i + 12));
  return all;
}
