/**
 * What the agent really publishes over a scripted shift, at a real broker, against the schemas and the AsyncAPI document
 * that `cellgate schema` prints; and the audit over it.
 */
import addFormats from "ajv-formats";
import { Ajv2020, type ValidateFunction } from "ajv/dist/2020.js";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, test } from "vitest";
import { auditRecords } from "../../agent/audit/audit.ts";
import { assemble } from "../../agent/assemble.ts";
import { runAgent } from "../../agent/runtime/agent.ts";
import { systemClock } from "../../agent/runtime/time/clock.ts";
import { shiftFeed } from "../../agent/simulate/mtconnect/feeds/shift.ts";
import { simulate } from "../../agent/simulate/mtconnect/start.ts";
import { asyncApiDocument } from "../../buffer/mqtt/asyncapi.ts";
import { recordSchemas } from "../../buffer/mqtt/schemas.ts";
import { startMosquitto, subscribe } from "../support/broker.ts";
import { loadedFrom, NO_WINDOWS } from "../support/loaded.ts";
import { describeNeeding } from "../support/needs.ts";
import { testPorts } from "../support/ports.ts";

interface Document {
  readonly channels: Readonly<Record<string, { readonly address: string }>>;
  readonly components: { readonly messages: Readonly<Record<string, { readonly payload: object }>> };
}
const START = Date.UTC(2026, 2, 3, 5);

function validators(): (type: string) => ValidateFunction {
  const ajv = new Ajv2020({ strict: true, allErrors: true, strictRequired: false, allowUnionTypes: true });
  (addFormats as unknown as (target: Ajv2020) => void)(ajv);
  const schemas = recordSchemas();
  const compiled = new Map(Object.entries(schemas).map(([type, { event }]) => [type, ajv.compile(event)] as const));
  return (type) => {
    const found = compiled.get(type);
    if (!found) throw new Error(`no schema for ${type}`);
    return found;
  };
}
const fits = (address: string, topic: string): boolean => new RegExp(`^${address.replace(/\{\w+\}/g, "[a-z0-9-]+")}$`).test(topic);
async function* lines(texts: readonly string[]): AsyncGenerator<string> {
  yield* texts;
}

describeNeeding(["mosquitto"], "a scripted shift at a real broker", () => {
  test("every message is on a documented topic, every record fits its schema, and they obey the rules", async () => {
    const dataDir = mkdtempSync(join(tmpdir(), "cellgate-published-"));
    await using broker = await startMosquitto();
    await using subscriber = await subscribe(broker.port, "#", 5);
    const feed = shiftFeed({ startMs: START });
    const simulation = await simulate(feed, { clock: systemClock(1, START + 9 * 3_600_000), network: systemClock(), speed: "all" });
    const loaded = loadedFrom(`
agent: {id: cell-7, site: lyon, area: machining, cell: cell-7, timezone: Europe/Paris, environment: test}
destinations: [{name: bridge, url: "mqtt://127.0.0.1:${broker.port}", ${NO_WINDOWS}}]
calendars:
  early: {shifts: [{code: early, start: "06:00", end: "14:00"}], breaks: [{name: lunch, start: "10:00", end: "10:30"}]}
machines:
  - id: VMC-3
    work_center: MILL-03
    shifts: early
    sources: [{type: mtconnect, url: "${simulation.agent.url}", history: buffer, time: source}]
`);
    const stopping = new AbortController();
    const running = runAgent(assemble({ ...loaded, agent: { ...loaded.agent, dataDir } }, testPorts(), "0.0.0"), stopping.signal);
    try {
      await subscriber.until((received) => received.some(({ topic }) => topic.endsWith("/rec/summary")) && received.some(({ topic }) => topic.endsWith("/live/state")), 30_000);
      simulation.agent.loseAdapter();
      await subscriber.until((received) => received.some(({ topic }) => topic.endsWith("/rec/connection")));
    } finally {
      stopping.abort(new Error("done"));
      await running;
      await simulation.close();
      rmSync(dataDir, { recursive: true, force: true });
    }
    const addresses = Object.values((asyncApiDocument() as Document).channels).map(({ address }) => address);
    const schemaOf = validators();
    const records = subscriber.received.filter(({ topic }) => topic.includes("/rec/"));
    for (const { topic, text } of subscriber.received) {
      expect([topic, addresses.filter((address) => fits(address, topic)).length]).toEqual([topic, 1]);
      if (!topic.includes("/rec/")) continue;
      const validate = schemaOf(topic.split("/").at(-1) ?? "");
      validate(JSON.parse(text));
      expect({ topic, errors: validate.errors }).toEqual({ topic, errors: null });
    }
    expect(new Set(records.map(({ topic }) => topic.split("/").at(-1)))).toEqual(new Set(["state", "cycle", "count", "downtime", "alarm", "connection", "summary"]));
    expect((await auditRecords(lines(records.map(({ text }) => text)))).findings).toEqual([]);
    expect(simulation.agent.stats.writes).toBe(0);
  }, 60_000);
});
