/**
 * Real adapters' recordings, sent through a socket in pieces of any size, against the MTConnect path: the same text taken
 * in by a simulated agent and read from there. Both must give the same values of the same items with the same stamps.
 */
import { readFileSync } from "node:fs";
import { expect, it } from "vitest";
import { systemClock } from "../../../agent/runtime/time/clock.ts";
import type { Reading } from "../../../agent/contract/observation.ts";
import { shdrFeed } from "../../../agent/simulate/mtconnect/feeds/shdr.ts";
import { readModel } from "../../../agent/simulate/mtconnect/model.ts";
import { simulate } from "../../../agent/simulate/mtconnect/start.ts";
import { capture, describeWithCaptures } from "../../support/captures.ts";
import { RECORDINGS, type Recording } from "../../truth/recordings.ts";
import { run as runMTConnect } from "../mtconnect/reading.ts";
import { rawAdapter, run } from "./reading.ts";

/** The simulated agent converts no units, as the recordings, which went through agents, need none. */
/** Not in the recording: tells that all of it was read. */
const END = { key: "cellgate_end", signal: "point/end" };

async function direct({ files, devices, device }: Recording, pieces: readonly number[]): Promise<readonly Reading[]> {
  const bytes = Buffer.concat([Buffer.from("* conversionRequired: no\n"), readFileSync(capture(files[0] ?? "")), Buffer.from(`\n|${END.key}|1\n`)]);
  await using adapter = await rawAdapter((socket) => {
    socket.setNoDelay(true);
    let at = 0;
    const next = (turn: number): void => {
      if (at >= bytes.length || socket.destroyed) return;
      const size = pieces[turn % pieces.length] ?? 1;
      socket.write(bytes.subarray(at, at + size), () => { next(turn + 1); });
      at += size;
    };
    next(0);
  });
  const { readings, error } = await run({ host: "127.0.0.1", port: adapter.port, devices: capture(devices), device, map: { [END.key]: END.signal } }, { until: ({ items }) => items.some((item) => item.kind === "reading" && item.signal === END.signal) });
  expect(error).toBeNull();
  expect(adapter.heard.replaceAll("* PING\n", "")).toBe("");
  return readings.filter(({ signal }) => signal !== END.signal);
}

async function throughAnAgent({ files, devices, device }: Recording): Promise<readonly Reading[]> {
  const where = capture(files[0] ?? "");
  const feed = shdrFeed(readFileSync(where, "utf8"), { model: readModel(readFileSync(capture(devices), "utf8"), devices, device), where });
  const simulation = await simulate(feed, { clock: systemClock(), network: systemClock(), speed: "all", bufferSize: 1_000_000 });
  try {
    const { readings } = await runMTConnect({ url: simulation.agent.url, device, history: "buffer", count: 20_000 }, { until: ({ caughtUp }) => caughtUp });
    return readings;
  } finally {
    await simulation.close();
  }
}

/** Per item what was said of it, in order. */
function byItem(readings: readonly Reading[]): ReadonlyMap<string, readonly string[]> {
  const items = new Map<string, string[]>();
  for (const { item = "", signal, path, quality, value, sourceTime } of readings) {
    const said = items.get(item) ?? [];
    items.set(item, said);
    said.push(`${signal} ${path ?? "-"} ${sourceTime ?? "-"} ${quality} ${JSON.stringify(value)}`);
  }
  return items;
}

const SHDR = RECORDINGS.filter(({ format, session }) => format === "shdr" && (session === undefined || session === 1));

describeWithCaptures("recordings of adapters", () => {
  it.each(SHDR.map((recording) => [recording.name, recording] as const))("%s", async (_, recording) => {
    const wanted = byItem(await throughAnAgent({ ...recording }));
    const given = byItem(await direct(recording, [65_536, 1_000, 17]));
    expect([...given.values()].flat().length).toBeGreaterThan(20);
    for (const [item, said] of wanted) expect([item, given.get(item) ?? []]).toEqual([item, said]);
  });
});
