/**
 * A clock for one process that is set while it runs (libfaketime): wall time alone is moved, timers and time since boot
 * go on as on a real machine whose clock is set. Needs the Debian package faketime.
 */
import { existsSync, globSync, mkdtempSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

const PLACES = ["/usr/lib/*/faketime", "/usr/lib/faketime", "/usr/lib64/faketime", "/usr/local/lib/faketime"];

export interface FakedTime extends Disposable {
  /** For the process to be started. */
  readonly env: Readonly<Record<string, string>>;
  /** From now on its wall clock shows true time plus this. */
  set(offsetMs: number): void;
}

export function fakedTime(offsetMs: number): FakedTime {
  const library = PLACES.flatMap((place) => globSync(`${place}/libfaketime.so.1`)).find((path) => existsSync(path));
  if (library === undefined) throw new Error(`no libfaketime.so.1 under ${PLACES.join(", ")}`);
  const folder = mkdtempSync(join(tmpdir(), "cellgate-time-"));
  const file = join(folder, "offset");
  const set = (ms: number): void => {
    // Put in place whole: a half-written number would be another time.
    writeFileSync(`${file}.new`, `${ms < 0 ? "-" : "+"}${(Math.abs(ms) / 1_000).toFixed(3)}\n`);
    renameSync(`${file}.new`, file);
  };
  set(offsetMs);
  return {
    set,
    env: { LD_PRELOAD: library, FAKETIME_TIMESTAMP_FILE: file, FAKETIME_NO_CACHE: "1", FAKETIME_DONT_FAKE_MONOTONIC: "1", DONT_FAKE_MONOTONIC: "1", NO_FAKE_STAT: "1" },
    [Symbol.dispose]() { rmSync(folder, { recursive: true, force: true }); },
  };
}
