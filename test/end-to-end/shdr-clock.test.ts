/**
 * An adapter whose clock is wrong, by an hour either way, through the whole agent: what it tells as it happens is dated by
 * one constant, on our clock, and health says so; what it told at the connection is of no time of its own.
 */
import { setTimeout as wait } from "node:timers/promises";
import { expect, it } from "vitest";
import { startShdrAdapter } from "../../agent/simulate/shdr/adapter.ts";
import { startAgent } from "../support/running-agent.ts";

const HOUR = 3_600_000;
/** Our own haste, and the adapter's: far below what a wrong clock makes. */
const NEAR = 20_000;

it.each([["behind", -HOUR], ["ahead", HOUR]])("an hour %s", async (_, offMs) => {
  await using adapter = await startShdrAdapter({ heartbeatMs: 500 });
  const say = (text: string, agoMs = 0): void => { adapter.say(new Date(Date.now() + offMs - agoMs).toISOString(), [{ key: text.split("|")[0] ?? "", text }]); };
  // Said ten minutes ago by its own clock.
  say("avail|AVAILABLE|mode|AUTOMATIC|program|O1|part_count|10", 600_000);
  say("execution|READY", 600_000);
  const running = await startAgent(`
agent: {id: cell-7, site: lyon, timezone: UTC, environment: test}
destinations: [{type: mqtt, name: bridge, url: "mqtt://127.0.0.1:1"}]
machines:
  - id: VMC-3
    sources: [{type: shdr, host: 127.0.0.1, port: ${adapter.port}, refill_hold: 0s, map: {avail: availability, mode: controller_mode, execution: execution, program: program, part_count: part_count}}]
    cycle: {counter_join: 1s}
`);
  try {
    const states = (): readonly (readonly [unknown, number])[] => running.last("state").filter(({ state }) => state !== "UNKNOWN").map(({ state, start }) => [state, Date.parse(String(start)) - Date.now()]);
    await running.until(() => states().length === 1, "the greeting");
    say("execution|ACTIVE");
    await running.until(() => states().length === 2, "it runs");
    await wait(1_200);
    say("execution|FEED_HOLD");
    await running.until(() => states().length === 3, "it is held");
    say("execution|ACTIVE");
    await wait(300);
    say("execution|READY|part_count|11");
    await running.until(() => states().length === 5, "it is ready");
    await running.until(() => running.last("cycle").length === 1, "the cycle");
    expect(states().map(([state]) => state)).toEqual(["READY", "RUNNING", "HELD", "RUNNING", "READY"]);
    expect(states().filter(([, distance]) => distance > 1_000 || distance < -NEAR)).toEqual([]);
    expect(running.last("cycle")).toMatchObject([{ outcome: "completed", timing: { kind: expect.any(String) as string } }]);
    const shifts = running.ports.lines.filter(({ sentence }) => sentence.startsWith("the source's clock is wrong")).map(({ fields }) => Number(fields["clockShiftMs"]));
    expect(shifts.map((shift) => Math.round(shift / 60_000))).toEqual([-offMs / 60_000]);
  } finally {
    await running.stop();
  }
}, 30_000);
