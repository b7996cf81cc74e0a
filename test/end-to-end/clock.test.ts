/**
 * The built agent on a machine whose clock is not set when it starts, and is set forward and back while it works: the
 * agent's process alone has its wall clock moved (libfaketime), the machine and Mosquitto keep true time. What the machine
 * says is known to the millisecond, so each record is held to it.
 */
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { beforeAll, expect, it } from "vitest";
import { sleep } from "../bench/support/waiting.ts";
import { authority, certificate } from "../buffer/mqtt/certificates.ts";
import { startMosquitto, subscribe, type Subscriber } from "../support/broker.ts";
import { builtBundle, runBundle } from "../support/bundle.ts";
import { fakedTime } from "../support/faketime.ts";
import { NO_WINDOWS } from "../support/loaded.ts";
import { describeNeeding } from "../support/needs.ts";
import { startProxy } from "../support/proxy.ts";
import { trueMachine } from "./true-machine.ts";

const BUILD_MS = 60_000;
const HOUR_MS = 3_600_000;
/** Of the moment at which the machine says something, until our clock has dated it: slow computers included. */
const SLOW_MS = 2_000;

let bundle = "";
beforeAll(async () => {
  bundle = await builtBundle();
}, BUILD_MS);

interface Event {
  readonly source: string;
  readonly type: string;
  readonly clock?: string;
  readonly observedat: string;
  readonly data: Readonly<Record<string, unknown>> & { readonly recordId: string; readonly rev: number; readonly start: string; readonly end: string | null; readonly status: string };
}
const events = ({ received }: Subscriber, machine: string): readonly Event[] => received.filter(({ topic }) => topic.includes(`/${machine}/rec/`)).map(({ text }) => JSON.parse(text) as Event);
/** The last revision of each record of a type, in order of their starts. */
function last(subscriber: Subscriber, machine: string, type: string): readonly Event[] {
  const found = new Map<string, Event>();
  for (const event of events(subscriber, machine)) if (event.type === `io.cellgate.${type}.v1` && (found.get(event.data.recordId)?.data.rev ?? 0) < event.data.rev) found.set(event.data.recordId, event);
  return [...found.values()].filter(({ data }) => data.status !== "void").sort((one, other) => one.data.start.localeCompare(other.data.start));
}
const span = ({ data: { start, end } }: Event): readonly [number, number] => [Date.parse(start), end === null ? Infinity : Date.parse(end)];

describeNeeding(["mosquitto", "faketime"], "the agent on a computer without a battery clock", () => {
  it("starts in 1970, is set, and is set an hour forward and back: what the machine stamps is untouched; what our clock dates has a gap as long as the jump, and true durations", { timeout: 90_000 }, async () => {
    const folder = mkdtempSync(join(tmpdir(), "cellgate-clock-"));
    using time = fakedTime(-Date.now() + 60_000);
    await using broker = await startMosquitto(["max_keepalive 10"]);
    await using proxy = await startProxy(broker.port);
    await using subscriber = await subscribe(broker.port, "cellgate/v1/#");
    const machine = await trueMachine();
    const file = join(folder, "cellgate.yaml");
    const source = (policy: string): string => `sources: [{type: mtconnect, url: "${machine.agent.url}", device: VMC-3, heartbeat: 200ms, interval: 10ms, clock_tolerance: 2s, time: ${policy}}], cycle: {counter_join: 200ms}`;
    writeFileSync(file, `agent: {id: cell-7, site: lyon, timezone: UTC, environment: test, data_dir: ${folder}/data}
destinations: [{type: mqtt, name: bridge, url: "mqtt://127.0.0.1:${proxy.port}", ${NO_WINDOWS}}]
machines:
  - {id: stamped, ${source("auto")}}
  - {id: dated, ${source("gateway")}}
`);
    try {
      await using agent = runBundle(bundle, ["run", "--config", file], time.env);
      const began = Date.now();
      await agent.until((out) => out.includes("the sources' data waits for it") && out.split("source connected").length === 3);
      const cycles = [await machine.cycle(), await machine.cycle()];
      // Longer than the source's clock may be off: what waited is not measured by when it was let go.
      await sleep(2_500);
      expect([...events(subscriber, "stamped"), ...events(subscriber, "dated")], "nothing is dated by a clock that is not set").toEqual([]);

      time.set(0);
      await subscriber.until(() => ["stamped", "dated"].every((id) => last(subscriber, id, "cycle").length === 2), 20_000);
      expect(events(subscriber, "stamped").filter(({ data, observedat, clock }) => Date.parse(data.start) < began - SLOW_MS || Date.parse(observedat) < began || clock !== undefined)).toEqual([]);
      expect(last(subscriber, "stamped", "cycle").map(span), "what was said while the clock was not set is there").toEqual(cycles);

      last(subscriber, "dated", "cycle").map(span).forEach(([start, end], index) => {
        const [trueStart, trueEnd] = cycles[index] ?? [0, 0];
        expect([Math.abs(start - trueStart) < SLOW_MS / 2, Math.abs(end - trueEnd) < SLOW_MS / 2], "and dated by when it came").toEqual([true, true]);
      });

      const jumpedFrom = machine.says({ exec: "ACTIVE" });
      await sleep(500);
      time.set(HOUR_MS);
      const jumpedAt = Date.now();
      await sleep(500);
      const jumpedTo = machine.says({ exec: "READY", pcount: 20 });
      cycles.push([jumpedFrom, jumpedTo], await machine.cycle(), await machine.cycle(600));
      // A new session, measured by a clock that is an hour off.
      machine.agent.pullCable("cut");
      await sleep(200);
      await machine.agent.plugCable();
      cycles.push(await machine.cycle(), await machine.cycle());
      await subscriber.until(() => last(subscriber, "stamped", "cycle").length === cycles.length, 20_000);
      const [gap, ...more] = last(subscriber, "dated", "connection").filter(({ data }) => data["reason"] === "clock-step");
      expect([more, gap?.data["kind"], gap?.data.status]).toEqual([[], "gap", "closed"]);
      const [from, to] = gap ? span(gap) : [0, 0];
      expect(Math.abs(to - from - HOUR_MS), "the gap is as long as the jump").toBeLessThan(5);
      expect([from - jumpedAt > -50, from - jumpedAt < SLOW_MS], "and begins where the clock was set").toEqual([true, true]);

      time.set(0);
      const backAt = Date.now();
      const held = [await machine.cycle(1_000), await machine.cycle(1_500)];
      cycles.push(...held);
      await subscriber.until(() => last(subscriber, "stamped", "cycle").length === cycles.length && last(subscriber, "dated", "cycle").filter(({ clock }) => clock === "shifted").length >= 2, 20_000);

      expect(last(subscriber, "stamped", "cycle").map(span)).toEqual(cycles);
      expect(events(subscriber, "stamped").filter(({ clock }) => clock !== undefined)).toEqual([]);
      expect(last(subscriber, "stamped", "connection")).toEqual([]);
      for (const id of ["stamped", "dated"]) {
        const states = last(subscriber, id, "state");
        states.forEach(({ data }, index) => expect(data.end, `states of ${id} tile time`).toBe(states[index + 1]?.data.start ?? null));
      }
      const dated = last(subscriber, "dated", "cycle").slice(-2);
      expect(dated.map(({ clock }) => clock)).toEqual(["shifted", "shifted"]);
      dated.forEach((cycle, index) => {
        const [[start, end], [trueStart, trueEnd]] = [span(cycle), held[index] ?? [0, 0]];
        expect(Math.abs(end - start - (trueEnd - trueStart)), "durations are true").toBeLessThan(SLOW_MS / 4);
        expect(Math.abs(start - trueStart - HOUR_MS), "an hour ahead").toBeLessThan(SLOW_MS);
      });
      // Keep-alive and timers: one connection over all of it, and the heartbeat comes when it is due.
      const beats = (): readonly number[] => subscriber.received.flatMap(({ topic, text }) => (topic.endsWith("/_agent/cell-7") ? [Date.parse((JSON.parse(text) as { readonly at: string }).at) - backAt] : []));
      await subscriber.until(() => beats().some((ms) => ms > 10_000 && ms < HOUR_MS / 2), 20_000);
      expect(proxy.accepted).toBe(1);
      expect(await agent.kill("SIGTERM")).toEqual({ code: 0, signal: null });
      expect(agent.out().split("\n").filter((line) => line.includes('"level":"error"'))).toEqual([]);
    } finally {
      await machine.agent.close();
      rmSync(folder, { recursive: true, force: true });
    }
  });
});

describeNeeding(["mosquitto", "openssl", "faketime"], "TLS on a computer whose clock is not set", () => {
  it("says that it is the clock, not the certificate, and connects once it is set", { timeout: 60_000 }, async () => {
    const folder = mkdtempSync(join(tmpdir(), "cellgate-clock-"));
    using time = fakedTime(-Date.now() + 60_000);
    await using broker = await startMosquitto(["cafile {folder}/ca.pem", "certfile {folder}/broker.pem", "keyfile {folder}/broker.key"], async (place) => {
      await authority(place, "ca");
      await certificate(place, "broker", "IP:127.0.0.1");
    });
    const file = join(folder, "cellgate.yaml");
    const machine = await trueMachine();
    writeFileSync(file, `agent: {id: cell-7, site: lyon, timezone: UTC, environment: test, data_dir: ${folder}/data}
destinations: [{type: mqtt, name: bridge, url: "mqtts://127.0.0.1:${broker.port}", tls: {ca: ${broker.folder}/ca.pem}}]
machines: [{id: VMC-3, sources: [{type: mtconnect, url: "${machine.agent.url}"}]}]
`);
    try {
      await using agent = runBundle(bundle, ["run", "--config", file], time.env);
      await agent.until((out) => /destination lost.*this machine's clock is not set: it says 1970-01-01|this machine's clock is not set: it says 1970-01-01.*destination lost/.test(out));
      time.set(0);
      await agent.until((out) => out.includes("destination connected"), 30_000);
      expect(await agent.kill("SIGTERM")).toEqual({ code: 0, signal: null });
    } finally {
      await machine.agent.close();
      rmSync(folder, { recursive: true, force: true });
    }
  });
});
