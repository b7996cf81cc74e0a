/**
 * The simulated controls of one agent, of mixed kinds, each with the scripted shift of its own seed, as a process of their
 * own: started by `startFleet` with one JSON argument. A relay before each polled one notes when each poll begins. Says
 * {sources} over its channel when ready; answers "polls" with the intervals since the question before.
 */
import { fork } from "node:child_process";
import { once } from "node:events";
import { connect, createServer, type AddressInfo } from "node:net";
import { systemClock } from "../../../agent/runtime/time/clock.ts";
import { simulateFocas } from "../../../agent/simulate/focas/start.ts";
import { simulateHaas } from "../../../agent/simulate/haas/start.ts";
import { SHIFT_DEVICES } from "../../../agent/simulate/modbus/shift.ts";
import { simulateModbus } from "../../../agent/simulate/modbus/start.ts";
import { shiftFeed } from "../../../agent/simulate/mtconnect/feeds/shift.ts";
import { simulate } from "../../../agent/simulate/mtconnect/start.ts";
import { simulateOpcua } from "../../../agent/simulate/opcua/start.ts";
import { SHIFT_MAP } from "../../../agent/simulate/shdr/shift.ts";
import { simulateShdr } from "../../../agent/simulate/shdr/start.ts";

export interface FleetWanted {
  /** Of each kind. */
  readonly counts: Readonly<Record<string, number>>;
}
export interface Fleet extends AsyncDisposable {
  /** As the YAML has them, in the order of the counts. */
  readonly sources: readonly object[];
  /** Of each polled control: ms from one poll to the next, since the question before. */
  polls(): Promise<readonly (readonly number[])[]>;
}

const START_MS = 90_000;
/** A request after so long a silence begins a poll. */
const BETWEEN_POLLS_MS = 300;
const HOST = "127.0.0.1";

export async function startFleet(wanted: FleetWanted): Promise<Fleet> {
  const child = fork(import.meta.filename, [JSON.stringify(wanted)]);
  const exited = once(child, "exit");
  const [ready] = await Promise.race([
    once(child, "message", { signal: AbortSignal.timeout(START_MS) }),
    exited.then(([code]) => { throw new Error(`the simulated controls ended at once with ${String(code)}`); }),
  ]) as [{ readonly sources: readonly object[] }];
  return {
    sources: ready.sources,
    async polls() {
      const answer = once(child, "message", { signal: AbortSignal.timeout(START_MS) });
      child.send("polls");
      return (await answer)[0] as readonly (readonly number[])[];
    },
    async [Symbol.asyncDispose]() {
      child.disconnect();
      await exited;
    },
  };
}

const begins: number[][] = [];

/** Its own port. Notes the requests that begin a poll. */
async function relayed(target: number): Promise<number> {
  const own: number[] = [];
  begins.push(own);
  let lastMs = Number.NEGATIVE_INFINITY;
  const server = createServer((near) => {
    const far = connect({ host: HOST, port: target });
    for (const [from, to] of [[near, far], [far, near]] as const) from.setNoDelay(true).on("error", () => to.destroy()).on("close", () => to.destroy()).on("data", (piece) => to.write(piece));
    near.prependListener("data", () => {
      const now = performance.now();
      if (now - lastMs > BETWEEN_POLLS_MS) own.push(now);
      lastMs = now;
    });
  }).listen(0, HOST);
  await once(server, "listening");
  return (server.address() as AddressInfo).port;
}

type Start = (seed: number) => Promise<object>;
const clock = systemClock();
const STARTS: Readonly<Record<string, Start>> = {
  mtconnect: async (seed) => ({ type: "mtconnect", url: (await simulate(shiftFeed({ startMs: Date.now(), seed }), { clock, speed: 1 })).agent.url }),
  focas: async (seed) => ({ type: "focas", host: HOST, port: await relayed((await simulateFocas({ clock, seed })).server.port), length_unit: "mm" }),
  haas: async (seed) => ({ type: "haas", host: HOST, port: await relayed((await simulateHaas({ clock, network: clock, seed })).port.port) }),
  modbus: async (seed) => ({ type: "modbus", host: HOST, port: await relayed((await simulateModbus({ clock, network: clock, seed, place: { host: HOST } })).port), devices: SHIFT_DEVICES }),
  shdr: async (seed) => ({ type: "shdr", host: HOST, port: (await simulateShdr({ clock, seed })).adapter.port, map: SHIFT_MAP }),
  opcua: async (seed) => ({ type: "opcua", url: (await simulateOpcua({ clock, host: HOST, port: 0, seed })).url, profile: "sinumerik", drive: 1, security: "none" }),
};

async function play({ counts }: FleetWanted): Promise<void> {
  process.once("disconnect", () => process.exit());
  const sources: object[] = [];
  for (const [kind, count] of Object.entries(counts)) for (let number = 1; number <= count; number++) {
    const start = STARTS[kind];
    if (start === undefined) throw new Error(`no simulator of the kind ${kind}`);
    sources.push(await start(sources.length + 1));
  }
  process.on("message", (message) => {
    if (message !== "polls") return;
    // The last stays: the next interval begins with it.
    process.send?.(begins.map((own) => own.splice(0, Math.max(0, own.length - 1)).map((at, place, all) => (all[place + 1] ?? own[0] ?? at) - at)));
  });
  process.send?.({ sources });
}

const [, program, argument] = process.argv;
if (program === import.meta.filename && argument !== undefined) await play(JSON.parse(argument) as FleetWanted);
