/** The log as lines: what repeats is counted, secrets are hidden, nothing grows. */
import { describe, expect, it } from "vitest";
import { createLog, type ClosableLog, type LogLevel } from "../../../agent/config/log.ts";
import { LinkError } from "../../../agent/contract/errors.ts";
import { fakeClock, type FakeClock } from "../../support/fake-clock.ts";

function logging(level: LogLevel = "info"): { log: ClosableLog; clock: FakeClock; lines: () => Record<string, unknown>[]; text: () => string } {
  const written: string[] = [];
  const clock = fakeClock();
  const log = createLog({ destination: { write: (line: string) => void written.push(line) }, level, clock });
  return { log, clock, lines: () => written.map((line) => JSON.parse(line) as Record<string, unknown>), text: () => written.join("") };
}
const MINUTE = 60_000;

describe("a line", () => {
  it("has its level, its time from the clock, the fields of its place, and its sentence", () => {
    const { log, lines } = logging();
    log.child({ machine: "VMC-3" }).warn({ fault: "timeout" }, "source lost");
    expect(lines()).toEqual([{ level: "warn", time: "2026-01-05T06:00:00.000Z", machine: "VMC-3", fault: "timeout", sentence: "source lost" }]);
  });
  it("below the level is not written", () => {
    const { log, lines } = logging("warn");
    log.info({}, "connected");
    log.debug({}, "bytes");
    expect(lines()).toEqual([]);
  });
});

describe("what repeats", () => {
  it("is written once, then counted, and told with the newest fields every ten minutes", async () => {
    const { log, clock, lines } = logging();
    for (let minute = 0; minute < 25; minute += 1) {
      log.warn({ fault: "refused", retryInMs: minute }, "source lost");
      await clock.advance(MINUTE);
    }
    expect(lines().map(({ retryInMs, repeated }) => [retryInMs, repeated])).toEqual([[0, undefined], [9, 9], [19, 10]]);
    log.close();
    expect(lines().at(-1)).toMatchObject({ retryInMs: 24, repeated: 5 });
  });
  it("ends on the true line when a place that flapped comes to rest", async () => {
    const { log, clock, lines } = logging();
    const link = log.child({ destination: "bridge" });
    for (let turn = 0; turn < 3; turn += 1) {
      link.info({}, "connected");
      await clock.advance(5_000);
      link.warn({ fault: "lost" }, "lost");
      await clock.advance(5_000);
    }
    link.info({}, "connected");
    expect(lines().map(({ sentence }) => sentence)).toEqual(["connected", "lost"]);
    await clock.advance(15_000);
    expect(lines().map(({ sentence, repeated }) => [sentence, repeated])).toEqual([["connected", undefined], ["lost", undefined], ["connected", 3]]);
    await clock.advance(60_000);
    expect(lines()).toHaveLength(3);
  });
  it("is written at once again after a quiet time", async () => {
    const { log, clock, lines } = logging();
    log.info({}, "source connected");
    await clock.advance(11 * MINUTE);
    log.info({}, "source connected");
    expect(lines()).toHaveLength(2);
    expect(lines()[1]).not.toHaveProperty("repeated");
  });
  it("differs by level, place and fault, not by other fields", () => {
    const { log, lines } = logging();
    const [one, two] = [log.child({ machine: "A" }), log.child({ machine: "B" })];
    for (const place of [one, two, one]) place.warn({ fault: "refused", at: Math.random() }, "source lost");
    one.warn({ fault: "timeout" }, "source lost");
    one.error({ fault: "refused" }, "source lost");
    expect(lines().map(({ machine, level, fault }) => [machine, level, fault])).toEqual([["A", "warn", "refused"], ["B", "warn", "refused"], ["A", "warn", "timeout"], ["A", "error", "refused"]]);
  });
  it("keeps at most 500 kinds in mind, and tells what it forgets", () => {
    const { log, clock, lines } = logging();
    log.warn({}, "first");
    log.warn({}, "first");
    for (let index = 0; index < 2_000; index += 1) log.warn({}, `kind ${index}`);
    expect(clock.waiting).toBeLessThanOrEqual(500);
    expect(lines().filter(({ sentence }) => sentence === "first")).toMatchObject([{}, { repeated: 1 }]);
    log.close();
    expect(clock.waiting).toBe(0);
  });
  it("of the protocol's traffic is never counted", () => {
    const { log, lines } = logging("debug");
    for (let index = 0; index < 3; index += 1) log.debug({}, "poll");
    expect(lines()).toHaveLength(3);
  });
});

describe("what is written", () => {
  it("holds no secret", () => {
    const { log, text } = logging("debug");
    log.child({ token: "hunter2" }).info({ password: "hunter2", config: { tls: [{ passphrase: "hunter2" }] }, url: "mqtts://ann:hunter2@broker:8883/x" }, "connecting");
    log.error({ error: new LinkError("refused", "backoff", "mqtt://ann:hunter2@broker refused", { cause: new Error("at http://a:hunter2@b") }) }, "failed");
    log.debug({ auth: { apiKey: "hunter2" } }, "traffic");
    expect(text()).not.toContain("hunter2");
    expect(text()).toContain("mqtts://•••@broker:8883/x");
  });
  it("is cut: long texts, deep and wide groups, bytes, cycles", () => {
    const { log, text, lines } = logging();
    const loop: Record<string, unknown> = { size: 1n };
    loop["self"] = loop;
    log.info({ body: "x".repeat(1_000_000), loop, bytes: Buffer.alloc(100_000), many: Array.from({ length: 10_000 }, (_, index) => index), nothing: null, missing: undefined }, "odd");
    expect(text().length).toBeLessThan(6_000);
    expect(lines()[0]).toMatchObject({ bytes: "100000 bytes", loop: { size: "1" }, nothing: null });
  });
  it("names an error with its code and its cause", () => {
    const { log, lines } = logging();
    log.error({ error: new LinkError("timeout", "backoff", "no answer", { cause: new Error("socket") }) }, "failed");
    expect(lines()[0]?.["error"]).toMatchObject({ name: "LinkError", message: "no answer", code: "link", cause: { message: "socket" }, stack: expect.stringContaining("LinkError") as string });
  });
});
