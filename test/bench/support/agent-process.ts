/** The built agent as a child process, with a configuration and a state directory of its own, as a service would run it. */
import { spawn } from "node:child_process";
import { once } from "node:events";
import { existsSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";

const BUNDLE = join(import.meta.dirname, "../../../dist/cellgate.mjs");
const STOP_MS = 10_000;
const TICKS_A_SECOND = 100;

/**
 * What a service unit gives Node on a small gateway (docs/benchmarks.md): a small young generation; an old one that is
 * collected when it has grown by a fifth, not when memory is full; no optimizing compilers, which take 4 MB of memory
 * and 6 MB of pages of Node's file to make code faster that is idle 95 % of the time.
 */
export const NODE_FLAGS = ["--max-semi-space-size=1", "--initial-heap-size=12", "--heap-growing-percent=20", "--no-opt", "--no-maglev"];
/** The C library keeps one pool of free memory, not one for each thread. */
export const SERVICE_ENVIRONMENT = { MALLOC_ARENA_MAX: "1" };

export interface AgentProcess extends AsyncDisposable {
  readonly pid: number;
  /** MiB; CPU seconds since its start. */
  use(): { readonly anonymousMB: number; readonly residentMB: number; readonly cpuSeconds: number };
  /** Newest lines of its log. */
  log(): string;
  /** SIGTERM; resolves when it has ended. */
  stop(): Promise<void>;
}

/** `folder` holds configuration, buffer and compile cache. */
export function startAgentProcess(folder: string, configuration: string, flags: readonly string[] = [], environment: Readonly<Record<string, string>> = {}): AgentProcess {
  const file = join(folder, "cellgate.yaml");
  writeFileSync(file, configuration);
  const child = spawn(process.execPath, [...flags, BUNDLE, "run", "--config", file], { stdio: ["ignore", "pipe", "pipe"], env: { ...process.env, ...SERVICE_ENVIRONMENT, ...environment, STATE_DIRECTORY: folder } });
  const exited = once(child, "exit");
  let log = "";
  const keep = (chunk: Buffer): void => void (log = (log + chunk.toString()).slice(-4_000));
  child.stdout.on("data", keep);
  child.stderr.on("data", keep);
  const { pid } = child;
  if (pid === undefined) throw new Error("the agent could not be started");
  const stop = async (): Promise<void> => {
    if (child.exitCode !== null || child.signalCode !== null) return;
    child.kill("SIGTERM");
    const late = setTimeout(() => child.kill("SIGKILL"), STOP_MS);
    await exited;
    clearTimeout(late);
  };
  return {
    pid, stop,
    use: () => useOf(pid, () => `the agent has ended: ${log}`),
    log: () => log,
    [Symbol.asyncDispose]: stop,
  };
}

export function useOf(pid: number | "self", gone: () => string = () => "it has ended"): { readonly anonymousMB: number; readonly residentMB: number; readonly cpuSeconds: number } {
  if (!existsSync(`/proc/${pid}/status`)) throw new Error(gone());
  const status = readFileSync(`/proc/${pid}/status`, "utf8");
  const kilobytes = (name: string): number => {
    const found = new RegExp(`^${name}:\\s+(\\d+) kB`, "mu").exec(status)?.[1];
    if (found === undefined) throw new Error(gone());
    return Number(found);
  };
  const stat = readFileSync(`/proc/${pid}/stat`, "utf8");
  const fields = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
  return { anonymousMB: kilobytes("RssAnon") / 1_024, residentMB: kilobytes("VmRSS") / 1_024, cpuSeconds: (Number(fields[11]) + Number(fields[12])) / TICKS_A_SECOND };
}

/** YAML for machines served at `urls`, publishing to a broker at `port`. */
export function configurationFor(folder: string, port: number, urls: readonly string[], keys = ""): string {
  return `agent: {id: bench, site: bench, timezone: UTC, data_dir: ${JSON.stringify(join(folder, "data"))}}
destinations: [{type: mqtt, name: bridge, url: "mqtt://127.0.0.1:${port}"}]
machines:
${urls.map((url, index) => `  - {id: VMC-${index + 1}, sources: [{type: mtconnect, url: ${JSON.stringify(url)}${keys}}]}`).join("\n")}
`;
}
