/**
 * The scripted shift lived by a simulated SINUMERIK over OPC UA, through the whole agent, to beyond the pulled cable: cycles,
 * states and parts are the script's, to its millisecond, since the control stamps what it says; the cable's span is a gap.
 * And the built program makes a monitored group: minified without its names it could not.
 */
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, it } from "vitest";
import { openShift } from "../../agent/simulate/opcua/start.ts";
import type { ShiftStep } from "../../agent/simulate/shift.ts";
import { builtBundle, runBundle } from "../support/bundle.ts";
import { startAgent } from "../support/running-agent.ts";
import { trueStates } from "../support/shift-truth.ts";

const MINUTE = 60_000;
/** The first three cycles, an alarm stop, and the cable; the rest of the shift is more of it. */
const UNTIL_MS = 160 * MINUTE;
const STATUS = "/Channel/State/progStatus";
/** What the agent says of each word of the script. */
const SAID: Readonly<Record<string, string>> = { FEED_HOLD: "INTERRUPTED", STOPPED: "READY" };

it("cycles, states, parts and one gap", async () => {
  const startMs = Date.now();
  let at = 0;
  const simulation = await openShift({ port: 0, host: "127.0.0.1", now: () => new Date(startMs + at) });
  const { control, shift, perform } = simulation;
  const steps = shift.steps.filter(({ atMs }) => atMs < UNTIL_MS);
  const [cable] = shift.truth.cable;
  if (cable === undefined) throw new Error("the script pulls no cable");
  perform(steps[0] as ShiftStep);
  const running = await startAgent(`
agent: {id: cell-7, site: lyon, timezone: UTC, environment: test}
destinations: [{type: mqtt, name: bridge, url: "mqtt://127.0.0.1:1"}]
machines:
  - id: VMC-3
    sources: [{type: opcua, url: "${simulation.url}", profile: sinumerik, drive: 1, security: none, publishing: 50ms, sampling: 50ms, measure_sampling: 50ms, keepalive: 500ms, refill_hold: 0s, time: source}]
`);
  const live = (name: string): unknown => {
    const kept = running.retained.get(`live/VMC-3/${name}`);
    return kept !== undefined && "value" in kept ? kept.value : undefined;
  };
  const ms = (text: unknown): number => Date.parse(String(text)) - startMs;
  const logged = (sentence: string): number => running.ports.lines.filter((line) => line.sentence === sentence).length;
  try {
    await running.until(() => live("execution") === "READY", "the first values");
    for (const step of steps.slice(1)) {
      at = step.atMs;
      const connections = logged("source connected");
      perform(step);
      if (step.cable === "pull") await running.until(() => logged("source lost") > 0, "the control is missed", 20_000);
      else if (step.cable === "plug") await running.until(() => logged("source connected") > connections, "the control is back", 20_000);
      else if (at > cable.fromMs && at < cable.toMs) continue;
      else {
        const { execution, controller_mode: mode, part_count: parts } = step.signals;
        if (execution !== undefined) await running.until(() => live("execution") === (SAID[execution] ?? execution), `${execution} at ${at}`);
        if (mode !== undefined) await running.until(() => live("controller_mode") === mode, `${mode} at ${at}`);
        if (parts !== undefined) await running.until(() => live("part_count") === Number(parts), `${parts} parts at ${at}`);
        if (step.alarm !== undefined) await running.until(() => JSON.stringify(live("alarms") ?? []).includes(step.alarm?.code ?? "") === step.alarm?.active, `the alarm at ${at}`);
      }
    }
    const clear = (fromMs: number, toMs: number): boolean => toMs < cable.fromMs || (fromMs > cable.toMs && toMs < UNTIL_MS - MINUTE);
    const wanted = shift.truth.cycles.filter((one) => clear(one.startMs, one.endMs));
    expect(wanted.length).toBeGreaterThan(20);
    const cycles = (): readonly Record<string, unknown>[] => running.last("cycle").filter(({ start, end, outcome }) => clear(ms(start), ms(end)) && outcome !== "unknown");
    await running.until(() => cycles().length >= wanted.length, "the last cycle is told");
    expect(cycles().map(({ start, end, outcome }) => [ms(start), ms(end), outcome])).toEqual(wanted.map((one) => [one.startMs, one.endMs, one.completed ? "completed" : "aborted"]));
    const truth = trueStates(shift);
    const inTruth = truth.filter(({ startMs: from }, place) => from > 10_000 && clear(from, truth[place + 1]?.startMs ?? from)).map((one) => [one.state, one.startMs]);
    const states = running.last("state").filter((one) => one["end"] !== null && one["state"] !== "UNKNOWN" && ms(one["start"]) > 10_000 && clear(ms(one["start"]), ms(one["end"]))).map((one) => [one["state"], ms(one["start"])]);
    expect(states).toEqual(inTruth);
    expect(running.last("alarm")).toMatchObject([{ alarmId: "1012", text: "SPINDLE OVERLOAD", severity: "fault" }]);
    expect(running.last("connection").filter(({ kind, start }) => kind === "gap" && ms(start) > MINUTE)).toHaveLength(1);
    expect(control.counts).toMatchObject({ writes: 0, calls: 0 });
    control.set(STATUS, 5);
    await withTheBundle(simulation.url, () => { control.set(STATUS, 3); });
  } finally {
    await running.stop();
    await simulation.close();
  }
}, 180_000);

async function withTheBundle(url: string, run: () => void): Promise<void> {
  const bundle = await builtBundle();
  const folder = mkdtempSync(join(tmpdir(), "cellgate-opcua-bundle-"));
  try {
    const file = join(folder, "cellgate.yaml");
    writeFileSync(file, `agent: {id: cell-8, site: lyon, timezone: UTC, environment: test, data_dir: ${folder}/data}
destinations: [{type: mqtt, name: bridge, url: "mqtt://127.0.0.1:1"}]
machines: [{id: VMC-3, sources: [{type: opcua, url: "${url}", profile: sinumerik, security: none, publishing: 50ms, sampling: 50ms, keepalive: 500ms}]}]
`);
    await using tail = runBundle(bundle, ["tail", "--config", file]);
    await tail.until((out) => /execution = READY/u.test(out), 30_000);
    run();
    await tail.until((out) => /execution = ACTIVE/u.test(out));
    expect(tail.err()).toContain("connected: SINUMERIK");
    expect((await tail.kill("SIGTERM")).code).toBe(0);
    // What the library would print goes into the log, and that is quiet.
    expect(`${tail.out()}${tail.err()}`).not.toMatch(/NODE-OPCUA|client_base_impl/u);
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}
