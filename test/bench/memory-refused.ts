/**
 * Child of memory.ts: one machine with the real driver, supervisor, detectors and buffer, whose source refuses every
 * connection. Only the pauses between attempts are left out: the network clock's sleeps are over at once.
 * Prints {polls, seconds, growthMB, samplesMB}: anonymous memory after each tenth, collected; growth is from the second
 * tenth, when every path is compiled, to the last.
 */
import { driverOf, assemble } from "../../agent/assemble.ts";
import type { Clock } from "../../agent/contract/time.ts";
import { createBoard } from "../../agent/runtime/link/board.ts";
import { contextOf } from "../../agent/runtime/agent.ts";
import { systemClock } from "../../agent/runtime/time/clock.ts";
import { DayBook } from "../../agent/runtime/account/day-book.ts";
import { Machine } from "../../agent/runtime/machine/machine.ts";
import { supervise } from "../../agent/runtime/link/supervise.ts";
import { createLog } from "../../agent/config/log.ts";
import { loadedFrom } from "../support/loaded.ts";
import { testPorts } from "../support/ports.ts";
import { useOf } from "./support/agent-process.ts";
import { createWriteStream } from "node:fs";
import { freePort } from "../support/free-port.ts";

const [dataDir = "", wanted = "0"] = process.argv.slice(2);
const POLLS = Number(wanted);
const TENTHS = 10;

const real = systemClock();
const impatient: Clock = { ...real, sleep: () => new Promise((resolve) => setImmediate(resolve)) };
const log = createLog({ destination: createWriteStream("/dev/null"), level: "info", clock: real });
const ports = testPorts({ network: impatient, log });
const loaded = loadedFrom(`
agent: {id: bench, timezone: UTC}
destinations: [{type: mqtt, name: bridge, url: "mqtt://127.0.0.1:1"}]
machines: [{id: VMC-1, sources: [{type: mtconnect, url: "http://127.0.0.1:${await freePort()}"}]}]
`);
const configuration = { ...loaded, agent: { ...loaded.agent, dataDir } };
const { outbox, detector } = assemble(configuration, { ...ports, network: real }, "bench");
const [settings] = configuration.machines;
const [source] = settings?.sources ?? [];
if (!settings || !source) throw new Error("the configuration has no machine");
const machine = new Machine({ settings, source, context: JSON.stringify(contextOf(configuration.agent, settings)), detector, outbox, board: createBoard(), book: new DayBook({ machine: settings.id, timezone: "UTC", destinations: [] }), clockTrust: { state: () => "assumed" }, ports });

const stopping = new AbortController();
const samplesMB: number[] = [];
const began = performance.now();
let polls = 0;
await supervise({
  driver: driverOf(source, ports), ports, cursor: () => machine.cursor(), take: (batch) => machine.take(batch),
  onLink(link) {
    machine.onLink(link);
    if (link.state !== "down") return;
    if (link.fault !== "refused" && link.fault !== "unreachable") throw new Error(`not refused: ${link.message}`);
    polls++;
    if (polls % (POLLS / TENTHS) === 0) samplesMB.push(collected());
    if (polls >= POLLS) stopping.abort(new Error("measured"));
  },
}, stopping.signal);
await machine.stop();
await outbox.close();
const growthMB = (samplesMB.at(-1) ?? Number.NaN) - (samplesMB[1] ?? Number.NaN);
console.log(JSON.stringify({ polls, seconds: (performance.now() - began) / 1_000, growthMB, samplesMB }));

function collected(): number {
  for (let times = 0; times < 3; times++) globalThis.gc?.();
  return useOf("self").anonymousMB;
}
