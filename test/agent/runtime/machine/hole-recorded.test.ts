/** Holes and kills at random moments of recorded days and of the scripted shift: afterwards the records are those of the whole day. */
import { expect, it } from "vitest";
import { driverOf } from "../../../../agent/assemble.ts";
import type { MachineSettings } from "../../../../agent/config/model.ts";
import type { Reading } from "../../../../agent/contract/observation.ts";
import { systemClock } from "../../../../agent/runtime/time/clock.ts";
import { simulate } from "../../../../agent/simulate/mtconnect/start.ts";
import { seeded } from "../../../support/seeded.ts";
import { recorded, scripted, type Played } from "../../../crash/feeds.ts";
import { describeWithCaptures } from "../../../support/captures.ts";
import { loadedFrom } from "../../../support/loaded.ts";
import { testPorts } from "../../../support/ports.ts";
import { DAY_MS, faults, held, HOLD_MS, Run } from "./machine-run.ts";

const SEED = 20_260_105;
const RUNS = 8;
const FATES = 30;

interface Day {
  readonly settings: MachineSettings;
  readonly readings: readonly Reading[];
}

/** What the machine's agent gives of its whole day, through the driver: once, for all runs over it. */
async function dayOf({ feed, device }: Played): Promise<Day> {
  const simulation = await simulate(feed, { clock: systemClock(), speed: "all", bufferSize: 1 << 20 });
  const [settings] = loadedFrom(`
agent: {id: cell-7, site: lyon, timezone: UTC, environment: test}
destinations: [{type: mqtt, name: bridge, url: "mqtt://127.0.0.1:1"}]
machines:
  - id: VMC-3
    sources: [{type: mtconnect, url: "${simulation.agent.url}", device: ${device}, history: buffer, time: source}]
    shifts:
      shifts: [{code: early, start: "06:00", end: "14:00"}, {code: late, start: "14:00", end: "22:00"}, {code: night, start: "22:00", end: "06:00"}]
`).machines;
  const [source] = settings?.sources ?? [];
  if (!settings || !source) throw new Error("a configuration of one machine has one");
  const ending = new AbortController();
  const session = await driverOf(source, testPorts()).connect(ending.signal);
  const readings: Reading[] = [];
  try {
    for await (const { items, caughtUp } of session.read(null, ending.signal)) {
      for (const item of items) if (item.kind === "reading") readings.push(item);
      if (caughtUp) break;
    }
  } finally {
    ending.abort(new Error("all is read"));
    await session.close();
    await simulation.close();
  }
  return { settings, readings };
}

async function begun({ settings: { rules }, readings }: Day): Promise<Run> {
  const run = new Run({ rules, readings });
  for (let look = 0; look < 20; look += 1) {
    run.says(1);
    await run.reads(1_000);
  }
  await run.stop();
  return run;
}
async function ends(run: Run): Promise<Run> {
  run.says(Infinity);
  await run.reads(1_000);
  run.passes(DAY_MS);
  await run.reads(1_000);
  await run.stop();
  return run;
}

async function whole(day: Day): Promise<Run> {
  const run = await begun(day);
  while (run.left > 0) {
    run.says(5);
    await run.reads(1_000);
  }
  return ends(run);
}

async function holed(day: Day, random: () => number): Promise<Run> {
  const run = await begun(day);
  const some = (): number => Math.round((random() ** 3) * day.readings.length / 8);
  for (let fate = 0; fate < FATES; fate += 1) {
    run.ledger.lags = random() < 0.3;
    run.says(some());
    await run.reads(1 + Math.round(random() * 200), random() < 0.5 ? 1 + Math.round(random() * 4) : Infinity);
    if (random() < 0.3) run.kill();
    if (random() < 0.7) run.cut();
    run.says(some(), random() < 0.7 ? 2 * HOLD_MS : 0);
    if (random() < 0.2) run.kill();
  }
  return ends(run);
}

async function differences(played: Played): Promise<{ readonly records: number; readonly wrong: readonly string[] }> {
  const day = await dayOf(played);
  const expected = held((await whole(day)).ledger.rows);
  const random = seeded(SEED);
  const wrong: string[] = [];
  for (let run = 0; run < RUNS; run += 1) {
    const other = await holed(day, random);
    const found = held(other.ledger.rows);
    wrong.push(...faults(other));
    if (!other.ledger.rows.some(({ record }) => record.body.status === "void")) wrong.push(`run ${run} had no hole that was served`);
    for (const [id, text] of expected) if (found.get(id) !== text) wrong.push(`run ${run}: ${text}\n  is ${found.get(id) ?? "missing"}`);
    for (const [id, text] of found) if (!expected.has(id)) wrong.push(`run ${run}, only with holes: ${text}`);
  }
  return { records: expected.size, wrong: wrong.slice(0, 3) };
}

it("the scripted shift", { timeout: 60_000 }, async () => {
  const { records, wrong } = await differences(scripted());
  expect(wrong, `seed ${SEED}`).toEqual([]);
  expect(records).toBeGreaterThan(200);
});

describeWithCaptures("recorded", () => {
  it("a day of a Mazak", { timeout: 120_000 }, async () => {
    const day = recorded();
    if (day === null) throw new Error("the recording is not among the captures");
    const { records, wrong } = await differences(day);
    expect(wrong, `seed ${SEED}`).toEqual([]);
    expect(records).toBeGreaterThan(200);
  });
});
