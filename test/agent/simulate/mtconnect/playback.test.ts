/** Feeds in time: a document never tells of a moment whose observations are still to come; recordings end at their last stamp. */
import { afterEach, expect, it } from "vitest";
import { shiftFeed, shiftModel } from "../../../../agent/simulate/mtconnect/feeds/shift.ts";
import { shdrFeed } from "../../../../agent/simulate/mtconnect/feeds/shdr.ts";
import { simulate, type Simulation } from "../../../../agent/simulate/mtconnect/start.ts";
import { systemClock } from "../../../../agent/runtime/time/clock.ts";
import { fakeClock } from "../../../support/fake-clock.ts";
import { attribute, fetchText, observations } from "./reading.ts";

const START = Date.UTC(2026, 0, 5, 6);
let running: Simulation | null = null;
afterEach(async () => {
  await running?.close();
  running = null;
});
const has = (document: string, text: string): boolean => document.includes(`>${text}<`);

it("plays the shift in step with its clock, cable included", async () => {
  const clock = fakeClock(START);
  const feed = shiftFeed({ startMs: START });
  running = await simulate(feed, { clock, network: systemClock(), speed: 1, cable: "cut" });
  const { agent } = running;
  expect(has((await fetchText(`${agent.url}/current`)).text, "READY")).toBe(true);
  await clock.advance(60_000);
  const document = (await fetchText(`${agent.url}/current`)).text;
  expect([has(document, "ACTIVE"), has(document, "O1234"), attribute(document, "creationTime")]).toEqual([true, true, "2026-01-05T06:01:00Z"]);
  const [cable] = feed.shift.truth.cable;
  await clock.advance((cable?.fromMs ?? 0) - 60_000 + 1000);
  await expect(fetch(`${agent.url}/current`)).rejects.toThrow("fetch failed");
  await clock.advance(12 * 60_000);
  await expect.poll(async () => (await fetch(`${agent.url}/current`).catch(() => null))?.status ?? 0, { interval: 5 }).toBe(200);
});

it("hands over what is due before each document, even when no timer has run", async () => {
  let now = 0;
  const still = fakeClock(START);
  const clock = { ...still, now: () => ({ ...still.now(), unixMs: (START + now) as ReturnType<typeof still.now>["unixMs"], monoMs: now as ReturnType<typeof still.now>["monoMs"] }) };
  running = await simulate(shiftFeed({ startMs: START }), { clock, network: systemClock(), speed: 1 });
  now = 31_000;
  expect(has((await fetchText(`${running.agent.url}/current`)).text, "ACTIVE")).toBe(true);
});

const LOG = ["2026-01-05T06:00:00.500Z|execution|READY", "2026-01-05T06:00:10Z|execution|ACTIVE", "2026-01-05T06:00:04Z|program|O9", "2026-01-06T06:00:00Z|execution|READY"].join("\n");

it("paces a recording by its stamps, skips its long pauses, and stops its clock with it", async () => {
  const clock = fakeClock(START + 1e9);
  running = await simulate(shdrFeed(LOG, { model: shiftModel(), where: "log" }), { clock, network: systemClock(), speed: 2, maxPauseMs: 60_000 });
  const { agent, playback } = running;
  await clock.advance(4000);
  let document = (await fetchText(`${agent.url}/sample`)).text;
  expect([observations(document).size, attribute(document, "creationTime")]).toEqual([1, "2026-01-05T06:00:08Z"]);
  await clock.advance(1000);
  document = (await fetchText(`${agent.url}/sample`)).text;
  expect([observations(document).size, attribute(document, "creationTime")]).toEqual([3, "2026-01-05T06:00:10Z"]);
  await clock.advance(31_000);
  await playback.finished;
  await clock.advance(3_600_000);
  document = (await fetchText(`${agent.url}/sample`)).text;
  expect([observations(document).size, attribute(document, "creationTime")]).toEqual([4, "2026-01-06T06:00:00Z"]);
});

it("reads adapter text: conditions of five fields, messages of two, blocks swallowed, relative stamps", async () => {
  const text = [
    "* shdrVersion: 2", "", "<<<<<<< HEAD", "=======",
    "5|execution|ACTIVE|program|A & B", "|@ASSET@|1|CuttingTool|--multiline--X1", "<a|execution|STOPPED>", "--multiline--X1",
    "2|logic|FAULT|77|9|HIGH|hot < cold", "1|msg|M1|hello", "1|unknown|1|tool|7",
  ].join("\r\n");
  const feed = shdrFeed(text, { model: shiftModel(), where: "log", startMs: START });
  expect(feed.notes).toEqual(['adapter commands skipped (1)', "version-control markers skipped (2)", "asset lines skipped (1)", 'item "unknown" is not in the device model (1)']);
  expect(feed.steps.map((step) => step.atMs)).toEqual([5000, 7000, 8000, 9000]);
  running = await simulate(feed, { clock: fakeClock(START), network: systemClock(), speed: "all" });
  const document = (await fetchText(`${running.agent.url}/sample`)).text;
  expect(document).toContain('nativeCode="77" nativeSeverity="9" qualifier="HIGH">hot &lt; cold</Fault>');
  expect(document).toMatch(/<Message [^>]*nativeCode="M1">hello<\/Message>/u);
  expect([has(document, "A &amp; B"), has(document, "7"), has(document, "STOPPED")]).toEqual([true, true, false]);
});
