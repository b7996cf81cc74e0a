/** A classic control on a pseudo-terminal: STX and ETB, BUSY, and a port that is pulled out. */
import { rmSync } from "node:fs";
import { mkdtemp } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, it } from "vitest";
import { systemClock } from "../../../agent/runtime/time/clock.ts";
import { startHaasSerial } from "../../../agent/simulate/haas/serial.ts";
import { describeNeeding } from "../../support/needs.ts";
import { idleControl, of, run } from "./reading.ts";

async function onSerial(body: (path: string) => Promise<void>): Promise<void> {
  const folder = await mkdtemp(join(tmpdir(), "cellgate-haas-"));
  try {
    await body(join(folder, "port"));
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

describeNeeding(["socat"], "on a serial line", () => {
  it("is read as over the network; then the port is gone", () => onSerial(async (path) => {
    const control = idleControl({ dialect: "classic" });
    await using line = await startHaasSerial(control, { path, clock: systemClock() });
    const result = await run({ serial: { path } }, {
      until(_, all) {
        if (all.length === 2) control.set({ execution: "ACTIVE" });
        if (all.length === 4) control.set({ execution: "READY", part_count: "381" });
        if (all.length === 6) void line.close();
        return false;
      },
    });
    expect(result.peer).toBe(`Haas VF2D at ${path}, serial number 12345678, software VER M18.01`);
    expect([of(result, "execution"), of(result, "part_count"), of(result, "program")]).toEqual([["READY", "ACTIVE", "READY"], [380, 381], ["O00123"]]);
    expect(["lost", "timeout"]).toContain(result.error?.fault);
    expect(control.writes).toBe(0);
  }));

  it("a port that is not there, or on which nobody answers, is told with what to look at", () => onSerial(async (path) => {
    expect((await run({ serial: { path } })).error).toMatchObject({ fault: "unreachable" });
    const control = idleControl({ dialect: "classic" });
    await using line = await startHaasSerial(control, { path, clock: systemClock() });
    line.lines.troubles.hangs = true;
    expect((await run({ serial: { path }, timeout: "100ms" })).error?.message).toMatch(/^nothing answers Q100 at .*: is Setting 143 on, and do Settings 11 to 14 and 37 agree/u);
  }));
});
