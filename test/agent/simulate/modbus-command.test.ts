/** `cellgate simulate modbus`: what it prints is a source that reads it, over TCP and on a serial line. */
import { expect, it } from "vitest";
import { simulateModbusCommand } from "../../../agent/cli/simulate-modbus.ts";
import { describeNeeding } from "../../support/needs.ts";
import { serialCable } from "../../support/pty.ts";
import { open, type Keys } from "../../protocols/modbus/reading.ts";
import { running, type Running } from "../cli/run.ts";

const run = (...args: readonly string[]): Running => running(["simulate", "modbus", ...args], [simulateModbusCommand]);
async function read(running: Running): Promise<ReadonlyMap<string, unknown>> {
  await expect.poll(() => running.text.out, { interval: 5 }).toContain("}\n");
  const { type, ...keys } = JSON.parse((JSON.parse(running.text.out) as { readonly source: string }).source) as Keys;
  expect(type).toBe("modbus");
  await using source = await open(keys);
  await source.next();
  return source.values;
}

it("over TCP", async () => {
  const running = run("--port", "0", "--speed", "60", "--json");
  const values = await read(running);
  expect([values.get("controller_mode"), values.get("program"), values.get("emergency_stop"), values.get("alarm")]).toEqual(["AUTOMATIC", "O1234", "ARMED", []]);
  expect(values.get("point/power_total")).toBeGreaterThanOrEqual(300);
  running.stop();
  expect(await running.code).toBe(0);
});

it("refuses a line that is not there", async () => {
  const { code, text } = run("--serial", "/no/such/line");
  expect(await code).toBe(2);
  expect(text.err).toContain("/no/such/line");
});

describeNeeding(["socat"], "with --serial", () => {
  it("on a line", async () => {
    await using cable = await serialCable();
    const running = run("--serial", cable.far, "--json");
    await expect.poll(() => running.text.out, { interval: 5 }).toContain("}\n");
    const { source: text } = JSON.parse(running.text.out) as { readonly source: string };
    const { type: _, ...keys } = JSON.parse(text) as Keys;
    await using source = await open({ ...keys, serial: { path: cable.near } });
    await source.next();
    expect([source.values.get("controller_mode"), source.values.get("execution")]).toEqual(["AUTOMATIC", "READY"]);
    running.stop();
    expect(await running.code).toBe(0);
  });
});
