/** The built agent, `dist/cellgate.mjs`: built once when it is missing or older than its sources, then run as a child process. */
import { execFile, spawn, type ChildProcess } from "node:child_process";
import { once } from "node:events";
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import { promisify } from "node:util";

const root = join(import.meta.dirname, "../..");
const BUNDLE = join(root, "dist", "cellgate.mjs");
const BUILD_MS = 60_000;
const OUTPUT_LIMIT = 16 * 1024 * 1024;

interface BundleAge {
  readonly bundleIsStale: (root: string, bundle: string) => boolean;
}

/** Path of a bundle that is not older than its sources. */
export async function builtBundle(): Promise<string> {
  // Plain JavaScript of the bootstrap, which has no types.
  const { bundleIsStale } = await import(pathToFileURL(join(root, "deploy", "bundle-age.mjs")).href) as BundleAge;
  if (bundleIsStale(root, BUNDLE)) await promisify(execFile)(process.execPath, [join(root, "deploy", "bundle.ts")], { timeout: BUILD_MS });
  return BUNDLE;
}

export interface Ended {
  /** null when a signal ended it. */
  readonly code: number | null;
  readonly signal: NodeJS.Signals | null;
}
export interface BundleProcess extends AsyncDisposable {
  readonly ended: Promise<Ended>;
  /** Standard output and standard error so far; the newest OUTPUT_LIMIT characters. */
  out(): string;
  err(): string;
  kill(signal: NodeJS.Signals): Promise<Ended>;
  /** Resolves when the condition holds; it is looked at with each output. Rejects when the process ends first, or after `timeoutMs`. */
  until(condition: (out: string, err: string) => boolean, timeoutMs?: number): Promise<void>;
}

/** `env` is added to ours. Disposing kills it. */
export function runBundle(bundle: string, args: readonly string[], env: Readonly<Record<string, string>> = {}): BundleProcess {
  const child = spawn(process.execPath, [bundle, ...args], { stdio: ["ignore", "pipe", "pipe"], env: { ...process.env, ...env } });
  return watched(child, args);
}

function watched(child: ChildProcess, args: readonly string[]): BundleProcess {
  let [out, err] = ["", ""];
  const waiting = new Set<() => void>();
  const keep = (before: string, chunk: string): string => (before.length > OUTPUT_LIMIT ? before.slice(OUTPUT_LIMIT / 2) : before) + chunk;
  child.stdout?.setEncoding("utf8").on("data", (chunk: string) => {
    out = keep(out, chunk);
    for (const look of waiting) look();
  });
  child.stderr?.setEncoding("utf8").on("data", (chunk: string) => {
    err = keep(err, chunk);
    for (const look of waiting) look();
  });
  // Its last words come before `close`, not before `exit`.
  const ended = once(child, "close").then(([code, signal]): Ended => ({ code: code as number | null, signal: signal as NodeJS.Signals | null }));
  const kill = async (signal: NodeJS.Signals): Promise<Ended> => {
    if (child.exitCode === null && child.signalCode === null) child.kill(signal);
    return ended;
  };
  return {
    ended, kill, out: () => out, err: () => err,
    until(condition, timeoutMs = 15_000) {
      return new Promise((resolve, reject) => {
        const end = (error?: Error): void => {
          clearTimeout(timer);
          waiting.delete(look);
          if (error) reject(error);
          else resolve();
        };
        const said = (): string => `cellgate ${args.join(" ")}\n${out.slice(-2_000)}\n${err.slice(-2_000)}`;
        const timer = setTimeout(() => { end(new Error(`not within ${timeoutMs} ms: ${said()}`)); }, timeoutMs);
        const look = (): void => {
          if (condition(out, err)) end();
        };
        waiting.add(look);
        void ended.then(({ code, signal }) => {
          if (condition(out, err)) end();
          else end(new Error(`it ended with ${signal ?? String(code)}: ${said()}`));
        });
        look();
      });
    },
    async [Symbol.asyncDispose]() {
      await kill("SIGKILL");
    },
  };
}
