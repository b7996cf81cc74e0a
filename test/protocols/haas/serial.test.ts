/** A classic control on a pseudo-terminal: STX and ETB, BUSY, and a port that is pulled out. */
import { rmSync } from "node:fs";
import { mkdtemp } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, it } from "vitest";
import { systemClock } from "../../../agent/runtime/time/clock.ts";
import { startHaasSerial } from "../../../agent/simulate/haas/serial.ts";
import { closeSerial, openSerial } from "../../../protocols/shared/serial.ts";
import { describeNeeding } from "../../support/needs.ts";
import { serialCable } from "../../support/pty.ts";
import { seeded } from "../../support/seeded.ts";
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

  it("noise on the line makes no part, no program and no stop", async () => {
    await using cable = await serialCable();
    const control = await openSerial({ path: cable.far, baud: 9_600, parity: "none", stopBits: 1, dataBits: 8, xon: false });
    try {
      const random = seeded(20_260_105);
      const answers: Readonly<Record<string, string>> = { Q100: "S/N, 1", Q101: "SOFTWARE, M18", Q102: "MODEL, VF2", Q104: "MODE, (MEM)", Q201: "USING TOOL, 4", Q402: "M30 #1, 380", Q500: "PROGRAM, O00123, IDLE, PARTS, 380" };
      let rest = "";
      let isNoisy = false;
      control.on("data", (bytes: Buffer) => {
        const lines = (rest + bytes.toString("latin1")).split("\r\n");
        rest = lines.pop() ?? "";
        for (const asked of lines) {
          isNoisy ||= asked === "Q500";
          const reply = Buffer.from(`\x02${answers[asked] ?? "UNKNOWN"}\x17\r\n>`, "latin1");
          if (isNoisy && random() < 0.12) {
            const place = 1 + Math.floor(random() * (reply.length - 6));
            reply.writeUInt8(reply.readUInt8(place) ^ (1 << Math.floor(random() * 7)), place);
          }
          const stray = Buffer.from(Array.from({ length: isNoisy ? Math.floor(random() * 4) : 0 }, () => 0x60 + Math.floor(random() * 31)));
          control.write(Buffer.concat([stray, reply]));
        }
      });
      const result = await run({ serial: { path: cable.near, xon: false }, dialect: "classic", timeout: "250ms" }, { until: (_, all) => all.length === 30 });
      expect(result.error?.message).toBeUndefined();
      const heard = (signal: string): readonly unknown[] => [...new Set(of(result, signal).filter((value) => value !== null))];
      expect([heard("part_count"), heard("program"), heard("execution"), heard("controller_mode"), heard("tool")]).toEqual([[380], ["O00123"], ["READY"], ["AUTOMATIC"], ["4"]]);
    } finally {
      await closeSerial(control);
    }
  });

  it("a port that is not there, or on which nobody answers, is told with what to look at", () => onSerial(async (path) => {
    expect((await run({ serial: { path } })).error).toMatchObject({ fault: "unreachable" });
    const control = idleControl({ dialect: "classic" });
    await using line = await startHaasSerial(control, { path, clock: systemClock() });
    line.lines.troubles.hangs = true;
    expect((await run({ serial: { path }, timeout: "100ms" })).error?.message).toMatch(/^nothing answers Q100 at .*: is Setting 143 on, and do Settings 11 to 14 and 37 agree/u);
  }));
});
