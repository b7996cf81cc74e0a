/**
 * Real recordings, served by the simulator with their own stamps, through the whole agent: driver, detectors, buffer.
 * The records are compared with the truth that test/truth counted from the raw files without any code of the agent, and
 * must pass the audit.
 */
import { readFileSync } from "node:fs";
import { expect, it } from "vitest";
import { auditRecords } from "../../agent/audit/audit.ts";
import { systemClock } from "../../agent/runtime/time/clock.ts";
import { documentFeed } from "../../agent/simulate/mtconnect/feeds/documents.ts";
import type { Feed } from "../../agent/simulate/mtconnect/feeds/feed.ts";
import { shdrFeed } from "../../agent/simulate/mtconnect/feeds/shdr.ts";
import { readModel } from "../../agent/simulate/mtconnect/model.ts";
import { simulate } from "../../agent/simulate/mtconnect/start.ts";
import { capture, describeWithCaptures } from "../support/captures.ts";
import { startAgent, type RunningAgent } from "../support/running-agent.ts";
import { compareWithTruth } from "../truth/compare.ts";
import { RECORDINGS, type Recording } from "../truth/recordings.ts";
import { textsOf } from "../truth/said.ts";
import { truthOf } from "../truth/truth.ts";

function feedOf(recording: Recording): Feed {
  const devices = { where: recording.devices, text: readFileSync(capture(recording.devices), "utf8") };
  const texts = textsOf(recording);
  if (recording.format === "documents") return documentFeed(texts, devices);
  return shdrFeed(texts.map(({ text }) => text).join("\n"), {
    model: readModel(devices.text, devices.where, recording.device), where: recording.name, device: recording.device,
    ...(recording.session !== undefined && { session: recording.session }),
  });
}

/** The agent has read everything when nothing more arrives for a while. */
async function quiet(agent: RunningAgent, forMs: number): Promise<void> {
  let seen = -1;
  let since = Date.now();
  await agent.until(() => {
    if (agent.delivered.length !== seen) [seen, since] = [agent.delivered.length, Date.now()];
    return seen > 0 && Date.now() - since > forMs;
  }, "records arrive and then cease", 30_000);
}

async function recordsOf(recording: Recording): Promise<RunningAgent["delivered"]> {
  const simulation = await simulate(feedOf(recording), { clock: systemClock(), speed: "all" });
  const agent = await startAgent(`
agent: {id: truth, timezone: UTC, environment: test}
destinations: [{name: memory, url: "mqtt://127.0.0.1:1"}]
machines:
  - id: M
    sources: [{type: mtconnect, url: "${simulation.agent.url}", device: "${recording.device}", history: buffer, time: source}]
`);
  try {
    await quiet(agent, 500);
    expect(simulation.agent.stats.writes).toBe(0);
    return agent.delivered;
  } finally {
    await agent.stop();
    await simulation.close();
  }
}

async function* linesOf(records: RunningAgent["delivered"]): AsyncGenerator<string> {
  for (const { type, id, rev, start, seq, prev, context, body } of records) {
    const data = { schema: `${type}/1`, recordId: id, rev, ...(JSON.parse(context) as object), ...(JSON.parse(body) as object) };
    yield JSON.stringify({ specversion: "1.0", id: `${id}:${rev}`, source: "M", type: `io.cellgate.${type}.v1`, time: new Date(start).toISOString(), epoch: "one", seq, prev, data });
  }
}

describeWithCaptures("recordings through the whole agent", () => {
  it.each(RECORDINGS)("$name: cycles, parts and states are the recording's own, to the millisecond", async (recording) => {
    const delivered = await recordsOf(recording);
    const last = new Map<string, { readonly rev: number; readonly data: Record<string, unknown> }>();
    for (const { type, id, rev, body } of delivered) if ((last.get(id)?.rev ?? 0) < rev) last.set(id, { rev, data: { type, recordId: id, rev, ...(JSON.parse(body) as object) } });
    expect(compareWithTruth([...last.values()].map(({ data }) => data), truthOf(recording))).toEqual([]);
    const audit = await auditRecords(linesOf(delivered));
    expect(audit.findings).toEqual([]);
  }, 60_000);
});
