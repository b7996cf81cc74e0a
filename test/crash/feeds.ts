/** What the machine of the crash runs says: a recorded day, or the scripted shift, which needs no recordings. */
import { existsSync, readFileSync } from "node:fs";
import type { Feed } from "../../agent/simulate/mtconnect/feeds/feed.ts";
import { shdrFeed } from "../../agent/simulate/mtconnect/feeds/shdr.ts";
import { shiftFeed } from "../../agent/simulate/mtconnect/feeds/shift.ts";
import { readModel } from "../../agent/simulate/mtconnect/model.ts";
import { stampMs } from "../../agent/simulate/mtconnect/observation.ts";
import { capture } from "../support/captures.ts";

export interface Played {
  /** For people. */
  readonly what: string;
  readonly feed: Feed;
  readonly device: string;
  /** False: all of it is in the machine's buffer at once, and the kills meet an agent that reads as fast as it can. */
  readonly paced: boolean;
}

const BACKLOG_DAYS = 20;
const DAY_MS = 86_400_000;
const RECORDING = "mtconnect/nist-smstestbed/Mazak03-20190626-20190627.txt";

/** A Monday, six in the morning. Its clock goes with its stamps and ends with them, as a recording's does. */
export function scripted(): Played {
  const feed = shiftFeed({ startMs: Date.UTC(2026, 0, 5, 6) });
  return { what: "the scripted shift", feed: { ...feed, instanceId: "1767592800", recorded: true }, device: "VMC-3", paced: true };
}

/** A day of a Mazak, 345 reports of execution; null without recordings. */
export function recorded(): Played | null {
  const log = capture(RECORDING);
  if (!existsSync(log)) return null;
  const devices = capture("mtconnect/nist-smstestbed/devices-2020.xml");
  const model = readModel(readFileSync(devices, "utf8"), devices, "Mazak03");
  return { what: "the NIST recording Mazak03 of one day", feed: shdrFeed(readFileSync(log, "utf8"), { model, where: log, device: "Mazak03" }), device: "Mazak03", paced: true };
}

/** The scripted shift of many days, all of it waiting in the machine's buffer. */
export function backlog(): Played {
  const { feed, device } = scripted();
  const steps = Array.from({ length: BACKLOG_DAYS }, (_, day) => feed.steps.map(({ atMs, observations }) => ({
    atMs: atMs + day * DAY_MS, observations: observations.map((one) => ({ ...one, at: stampMs(one.at) + day * DAY_MS })),
  }))).flat();
  return { what: `a backlog of ${BACKLOG_DAYS} scripted shifts`, feed: { ...feed, steps }, device, paced: false };
}
