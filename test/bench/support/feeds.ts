/** What the benches' simulated machines play: a recorded day (or, without recordings, a scripted one) repeated, and a machine changing at a rate. */
import { existsSync, readFileSync } from "node:fs";
import { shdrFeed } from "../../../agent/simulate/mtconnect/feeds/shdr.ts";
import { shiftFeed, shiftModel } from "../../../agent/simulate/mtconnect/feeds/shift.ts";
import type { Feed, Step } from "../../../agent/simulate/mtconnect/feeds/feed.ts";
import { dialectOf } from "../../../agent/simulate/mtconnect/dialect.ts";
import { devicesDocument } from "../../../agent/simulate/mtconnect/documents.ts";
import { readModel, type Model } from "../../../agent/simulate/mtconnect/model.ts";
import { stampMs, type SimulatedObservation } from "../../../agent/simulate/mtconnect/observation.ts";
import { selectItems } from "../../../protocols/shared/mtconnect/items.ts";
import { decodeModel } from "../../../protocols/shared/mtconnect/probe.ts";
import { capture } from "../../support/captures.ts";

const NIST = "mtconnect/nist-smstestbed";
const DAY_MS = 86_400_000;

export interface RepeatedDay {
  readonly feed: Feed;
  /** For people: what is repeated. */
  readonly what: string;
  readonly observations: number;
}

/**
 * The same day again and again until it holds about `observations`, each on a later date. Only the data items that the
 * driver reads: it asks the agent for no others, and looking through them would be the simulated agent's work, not ours.
 */
export async function repeatedDay(observations: number): Promise<RepeatedDay> {
  const { feed: whole, what } = oneDay();
  const read = await readItems(whole.model);
  const feed = { ...whole, steps: whole.steps.flatMap((step) => onlyRead(step, read)) };
  const inDay = feed.steps.reduce((sum, step) => sum + step.observations.length, 0);
  const days = Math.max(1, Math.ceil(observations / inDay));
  const steps = Array.from({ length: days }, (_, day) => feed.steps.map((step) => later(step, day))).flat();
  return { feed: { ...feed, steps, recorded: true }, what: `${what}, ${days} times`, observations: days * inDay };
}

function oneDay(): { readonly feed: Feed; readonly what: string } {
  const log = capture(`${NIST}/Mazak03-20190626-20190627.txt`);
  if (!existsSync(log)) return { feed: { ...shiftFeed({ startMs: Date.UTC(2026, 0, 5, 6) }), instanceId: "1" }, what: "the scripted shift" };
  const devices = capture(`${NIST}/devices-2020.xml`);
  const model = readModel(readFileSync(devices, "utf8"), devices, "Mazak03");
  return { feed: shdrFeed(readFileSync(log, "utf8"), { model, where: log, device: "Mazak03" }), what: "the NIST recording Mazak03 of one day" };
}

/** Ids of the data items that the driver chooses of this model. */
async function readItems(model: Model): Promise<ReadonlySet<string>> {
  const facts = { creationTime: "2026-01-01T00:00:00Z", instanceId: "1", bufferSize: 1, modelChanged: "2026-01-01T00:00:00Z" };
  const decoded = await decodeModel(Buffer.from(devicesDocument(model, facts, dialectOf("1.3"), null)), "the bench's device model");
  return new Set(selectItems(decoded, {}, "the bench's machine").items.map(({ id }) => id));
}

function onlyRead(step: Step, read: ReadonlySet<string>): readonly Step[] {
  const observations = step.observations.filter(({ item }) => read.has(item));
  return observations.length === 0 ? [] : [{ ...step, observations }];
}

function later({ atMs, observations }: Step, day: number): Step {
  const by = day * DAY_MS;
  return { atMs: atMs + by, observations: observations.map((one) => ({ ...one, at: stampMs(one.at) + by })) };
}

/** One machine's model with nothing known yet, for observations pushed by hand. */
export function changingFeed(device: string): Feed {
  const model = shiftModel(device);
  const startMs = Date.now();
  const first: SimulatedObservation[] = [
    ...model.items.map((item) => ({ item: item.id, at: startMs, value: "UNAVAILABLE" })),
    ...Object.entries({ avail: "AVAILABLE", estop: "ARMED", power: "ON", mode: "AUTOMATIC", exec: "READY", prog: "O1001", pcount: "0", syscond: "NORMAL", logic: "NORMAL", motion: "NORMAL" })
      .map(([item, value]) => ({ item, at: startMs, value })),
  ];
  return { model, startMs, steps: [{ atMs: 0, observations: first }], recorded: false, notes: [] };
}
