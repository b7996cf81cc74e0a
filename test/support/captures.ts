/** The recordings lie outside the repository: CAPTURES_DIR, by default ../shared/captures beside it. */
import { existsSync } from "node:fs";
import { join, resolve } from "node:path";
import { describe } from "vitest";

const folder = resolve(process.env["CAPTURES_DIR"] ?? join(import.meta.dirname, "../../../shared/captures"));
const present = existsSync(folder);

/** Absolute path of a recording, by its path below the folder: `mtconnect/ffmfg/mazak_probe.xml`. */
export const capture = (path: string): string => join(folder, path);

/** `describe` where the recordings are; else skipped, saying so. Under CI=true their absence fails the file. */
export function describeWithCaptures(title: string, body: () => void): void {
  if (!present && process.env["CI"] === "true") throw new Error(`${title} needs the recordings: set CAPTURES_DIR (${folder} does not exist)`);
  (present ? describe : describe.skip)(present ? title : `${title} (skipped: no recordings at ${folder}; set CAPTURES_DIR)`, body);
}
