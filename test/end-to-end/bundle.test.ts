/** The program as it is installed: the built bundle as a process of its own, by its commands, exit codes and files. */
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { systemClock } from "../../agent/runtime/time/clock.ts";
import { simulate, type Simulation } from "../../agent/simulate/mtconnect/start.ts";
import type { OutboxStatus } from "../../agent/contract/outbox.ts";
import { openOutbox } from "../../buffer/outbox.ts";
import { startAedes, subscribe, type AedesBroker, type Subscriber } from "../support/broker.ts";
import { builtBundle, runBundle, type BundleProcess } from "../support/bundle.ts";
import { NO_WINDOWS } from "../support/loaded.ts";
import { testPorts } from "../support/ports.ts";
import { Arrived } from "../crash/arrived.ts";
import { scripted } from "../crash/feeds.ts";

const BUILD_MS = 60_000;
let bundle = "";
let folder = "";
let broker: AedesBroker;
beforeAll(async () => {
  bundle = await builtBundle();
  folder = mkdtempSync(join(tmpdir(), "cellgate-bundle-"));
  broker = await startAedes();
}, BUILD_MS);
afterAll(async () => {
  await broker[Symbol.asyncDispose]();
  rmSync(folder, { recursive: true, force: true });
});

const cellgate = (...args: readonly string[]): BundleProcess => runBundle(bundle, args, { STATE_DIRECTORY: folder });

/** Path of a configuration whose machine is at `url` and whose buffer is `data`. */
function configured(name: string, url: string, more = ""): { readonly file: string; readonly dataDir: string } {
  const [file, dataDir] = [join(folder, `${name}.yaml`), join(folder, `${name}-data`)];
  writeFileSync(file, `agent: {id: ${name}, site: lyon, timezone: UTC, environment: test, data_dir: ${dataDir}}
destinations: [{type: mqtt, name: bridge, url: "mqtt://127.0.0.1:${broker.port}", ${NO_WINDOWS}}]
machines: [{id: VMC-3, sources: [{type: mtconnect, url: "${url}", history: buffer, heartbeat: 200ms, time: source}]}]
${more}`);
  return { file, dataDir };
}
/** The scripted shift, all of it in the machine's agent, whose clock stands at the last stamp; or in `seconds`. */
function shift(seconds?: number): Promise<Simulation> {
  const { feed } = scripted();
  const lastMs = feed.steps.at(-1)?.atMs ?? 0;
  // The shift's pulled cable is another test's.
  return simulate({ ...feed, steps: feed.steps.map(({ atMs, observations }) => ({ atMs, observations })) }, { clock: systemClock(), speed: seconds === undefined ? "all" : lastMs / (seconds * 1_000), maxPauseMs: Infinity });
}
/** As a stopped agent leaves it. */
async function bufferIn(dataDir: string): Promise<OutboxStatus> {
  const ports = testPorts();
  const outbox = openOutbox({ dataDir, destinations: [{ name: "bridge" }], clock: ports.network, log: ports.log, describeLoss: () => { throw new Error("the buffer reports a loss"); } });
  const status = outbox.status();
  await outbox.close();
  return status;
}
function arrivedAt({ received }: Subscriber): Arrived {
  const arrived = new Arrived();
  for (const { text } of received) arrived.take(text);
  return arrived;
}
/** What a person or a program reads on standard output, line by line. */
const lines = (text: string): readonly string[] => text.split("\n").filter((line) => line !== "");

describe("cellgate run", () => {
  it("with a configuration that cannot be used: exit code 2, and every problem with its line and what would be right", async () => {
    const file = join(folder, "wrong.yaml");
    writeFileSync(file, `agent: {id: cell-7, data_dir: ${folder}/wrong}\ndestinations: [{name: bridge, url: "http://broker"}]\nmachines: [{id: VMC-3, sorces: []}]\n`);
    await using agent = cellgate("run", "--config", file);
    expect(await agent.ended).toEqual({ code: 2, signal: null });
    expect(agent.err()).toContain("sources");
    expect(agent.err()).toContain("http://broker");
    expect(agent.err()).toMatch(/:2:\d+[\s\S]*:3:\d+/);
    expect(agent.err()).not.toMatch(/\n\s+at /);
  });

  it("ends within 5 s on SIGTERM, with exit code 0; what it had stored has arrived or waits, and the next start sends the rest", async () => {
    const simulation = await shift(8);
    const { file, dataDir } = configured("stopping", simulation.agent.url);
    await using subscriber = await subscribe(broker.port, "cellgate/v1/lyon/+/rec/#");
    try {
      await using agent = cellgate("run", "--config", file);
      await subscriber.until(({ length }) => length > 60);
      const began = performance.now();
      const ended = await agent.kill("SIGTERM");
      expect(ended).toEqual({ code: 0, signal: null });
      expect(performance.now() - began).toBeLessThan(5_000);
      expect(lines(agent.out()).at(-1)).toContain("cellgate has stopped");
      const { lastSeq, destinations } = await bufferIn(dataDir);
      // What the broker acknowledged may still be on its way to the subscriber.
      await expect.poll(() => lastSeq - arrivedAt(subscriber).lastRow()).toBeLessThanOrEqual(destinations[0]?.waiting ?? 0);
      await using next = cellgate("run", "--config", file);
      await subscriber.until((received) => received.some(({ text }) => (JSON.parse(text) as { readonly seq: number }).seq >= lastSeq));
      await next.kill("SIGTERM");
      const all = arrivedAt(subscriber);
      expect({ reached: all.lastRow() >= lastSeq, faults: all.faults }).toEqual({ reached: true, faults: [] });
    } finally {
      await simulation.close();
    }
  });

  it("refuses a data directory that another agent uses, and says what to do", async () => {
    const simulation = await shift();
    const { file, dataDir } = configured("twice", simulation.agent.url);
    try {
      await using first = cellgate("run", "--config", file);
      await first.until((out) => out.includes("source connected"));
      await using second = cellgate("run", "--config", file);
      expect(await second.ended).toEqual({ code: 1, signal: null });
      expect(second.err()).toContain(dataDir);
      expect(second.err()).toContain("stop the other agent, or give this one its own agent.data_dir");
      expect(second.err()).not.toMatch(/\n\s+at /);
      expect(await first.kill("SIGTERM")).toEqual({ code: 0, signal: null });
    } finally {
      await simulation.close();
    }
  });
});

describe("cellgate record, replay and tail", () => {
  /** Id and revision → the exact text of the data, as published or as replayed. */
  const dataById = (texts: readonly string[]): ReadonlyMap<string, string> => new Map(texts.map((text) =>
    [(JSON.parse(text) as { readonly id: string }).id, text.slice(text.indexOf(',"data":'), -1)]));

  it("what was recorded gives the records that were published live, and the same bytes each time", async () => {
    const simulation = await shift();
    const { file } = configured("recording", simulation.agent.url);
    const capture = join(folder, "recording.capture");
    await using subscriber = await subscribe(broker.port, "cellgate/v1/lyon/+/rec/#");
    try {
      await using live = cellgate("run", "--config", file);
      await using recorder = cellgate("record", "--config", file, "--out", capture);
      const { core } = simulation.agent;
      const told = (): boolean => core.listeners.size === 2 && core.stats.parts > 40;
      for (const end = Date.now() + 20_000; !told() && Date.now() < end;) await new Promise((resolve) => setTimeout(resolve, 20));
      expect(told(), `${recorder.err()} ${live.out()}`).toBe(true);
      expect(await recorder.kill("SIGTERM")).toEqual({ code: 0, signal: null });
      expect(await live.kill("SIGTERM")).toEqual({ code: 0, signal: null });
      expect(recorder.err()).toMatch(/recording\.capture: \d+ observations in \d+ batches/);
    } finally {
      await simulation.close();
    }
    const replayed: string[] = [];
    for (let time = 0; time < 2; time += 1) {
      await using replay = cellgate("replay", capture, "--config", file);
      expect(await replay.ended).toEqual({ code: 0, signal: null });
      replayed.push(replay.out());
    }
    expect(replayed[1]).toBe(replayed[0]);
    const [published, again] = [dataById(subscriber.received.map(({ text }) => text)), dataById(lines(replayed[0] ?? ""))];
    expect(again.size).toBeGreaterThan(200);
    expect([...again.keys()].toSorted()).toEqual([...published.keys()].toSorted());
    for (const [id, data] of again) expect(data).toBe(published.get(id));
  });

  it("tail --json prints what the machine says, one JSON object a line, until it is told to end", async () => {
    const simulation = await shift();
    const { file } = configured("tailing", simulation.agent.url);
    try {
      await using tail = cellgate("tail", "--config", file, "--json");
      await tail.until((out) => lines(out).length > 50);
      expect(await tail.kill("SIGINT")).toEqual({ code: 0, signal: null });
      const items = lines(tail.out()).map((line) => JSON.parse(line) as { readonly machine: string; readonly kind: string; readonly signal: string; readonly value: unknown });
      expect(new Set(items.map(({ machine, kind }) => `${machine} ${kind}`))).toEqual(new Set(["VMC-3 reading"]));
      expect(items).toContainEqual(expect.objectContaining({ signal: "execution", value: "ACTIVE", quality: "GOOD" }));
      expect(tail.err()).toContain("connected: ");
    } finally {
      await simulation.close();
    }
  });

  it("record leaves a file that is already there alone", async () => {
    const { file } = configured("kept", "http://127.0.0.1:1");
    const capture = join(folder, "kept.capture");
    writeFileSync(capture, "mine");
    await using recorder = cellgate("record", "--config", file, "--out", capture);
    expect(await recorder.ended).toEqual({ code: 2, signal: null });
    expect(readFileSync(capture, "utf8")).toBe("mine");
  });
});
