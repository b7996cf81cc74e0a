/** Secrets from real files, the environment and systemd's folder; errors name the place and never the value. */
import { execFileSync } from "node:child_process";
import { chmodSync, mkdirSync, mkdtempSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { createSecrets } from "../../../agent/config/secrets.ts";
import { ConfigError } from "../../../agent/contract/errors.ts";
import type { Log, SecretRef } from "../../../agent/contract/ports.ts";

const folder = mkdtempSync(join(tmpdir(), "cellgate-secrets-"));
function file(name: string, content: string | Buffer, mode = 0o600): string {
  const path = join(folder, name);
  writeFileSync(path, content, { mode });
  chmodSync(path, mode);
  return path;
}
function secrets(env: Record<string, string> = {}): { read: (reference: SecretRef) => Promise<string>; warnings: unknown[] } {
  const warnings: unknown[] = [];
  const nothing = (): void => undefined;
  const log: Log = { debug: nothing, info: nothing, error: nothing, warn: (fields) => void warnings.push(fields), child: () => log };
  return { read: createSecrets({ env, log }), warnings };
}

describe("secrets", () => {
  it.each([["hunter2\n", "hunter2"], ["hunter2\r\n", "hunter2"], ["hunter2", "hunter2"], [" two words \n\n", " two words \n"], ["pässword", "pässword"]])("a file that holds %j gives %j", async (content, secret) => {
    await expect(secrets().read({ file: file("plain", content) })).resolves.toBe(secret);
  });
  it("is read anew each time", async () => {
    const { read } = secrets();
    const path = file("rotated", "old");
    await expect(read({ file: path })).resolves.toBe("old");
    writeFileSync(path, "new");
    await expect(read({ file: path })).resolves.toBe("new");
  });
  it("warns once about a file that everyone may read", async () => {
    const { read, warnings } = secrets();
    const open = file("open", "x", 0o644);
    await read({ file: open });
    await read({ file: open });
    await read({ file: file("group", "x", 0o640) });
    expect(warnings).toEqual([{ file: open, remedy: `chmod o-r ${open}` }]);
  });
  it("comes from the environment", async () => {
    await expect(secrets({ MQTT: "hunter2" }).read({ env: "MQTT" })).resolves.toBe("hunter2");
  });
  it("comes from systemd's credentials", async () => {
    const credentials = join(folder, "credentials");
    mkdirSync(credentials);
    writeFileSync(join(credentials, "mqtt"), "hunter2\n");
    await expect(secrets({ CREDENTIALS_DIRECTORY: credentials }).read({ credential: "mqtt" })).resolves.toBe("hunter2");
  });

  const pipe = join(folder, "pipe");
  execFileSync("/usr/bin/mkfifo", [pipe]);
  it.each<[string, () => SecretRef, string]>([
    ["an unset variable", () => ({ env: "NOT_THERE" }), "the environment variable NOT_THERE is not set"],
    ["an empty variable", () => ({ env: "EMPTY" }), "the environment variable EMPTY is empty"],
    ["no systemd", () => ({ credential: "mqtt" }), "LoadCredential=mqtt:PATH"],
    ["a file that is not there", () => ({ file: join(folder, "absent") }), "cannot be read (ENOENT)"],
    ["an empty file", () => ({ file: file("empty", "\n") }), "is empty"],
    ["a folder", () => ({ file: folder }), "is no plain file"],
    ["a pipe nobody writes to", () => ({ file: pipe }), "is no plain file"],
    ["a file too large for a secret", () => ({ file: file("large", Buffer.alloc(70_000, 65)) }), "more than 65536 bytes"],
  ])("%s is an error with its place and the remedy", async (_, reference, text) => {
    const failure = await secrets({ EMPTY: "" }).read(reference()).catch((error: unknown) => error);
    expect(failure).toBeInstanceOf(ConfigError);
    expect(String(failure)).toContain(text);
    expect(String(failure)).not.toContain("AAAA");
  });
});
