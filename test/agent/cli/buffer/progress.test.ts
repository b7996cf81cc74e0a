/** How far long work has come: on a terminal one line that never wraps, elsewhere lines, now and then. */
import { PassThrough } from "node:stream";
import { expect, it } from "vitest";
import { progress } from "../../../../agent/cli/buffer/progress.ts";
import { fakeClock } from "../../../support/fake-clock.ts";

async function said(errorIsTerminal: boolean, columns?: number, apartMs = 600): Promise<string> {
  const clock = fakeClock();
  const stderr = Object.assign(new PassThrough(), columns === undefined ? {} : { columns });
  const told = progress({ stdout: new PassThrough(), stderr, outIsTerminal: false, errorIsTerminal }, clock);
  for (const rows of [100, 200, 300]) {
    await clock.advance(apartMs);
    await told.say(`${rows} records, at row ${rows} of 1,000`);
  }
  await told.end();
  return String(stderr.read() ?? "");
}

it("is one line on a terminal, cut where it would wrap, and gone at the end", async () => {
  expect(await said(true)).toBe(["100", "200", "300"].map((rows) => `\r${rows} records, at row ${rows} of 1,000`).join("") + `\r${" ".repeat("100 records, at row 100 of 1,000".length)}\r`);
  expect(await said(true, 21)).toBe(["100", "200", "300"].map((rows) => `\r${rows} records, at row `).join("") + `\r${" ".repeat(20)}\r`);
});
it("is told every 5 s where no person watches", async () => {
  expect(await said(false)).toBe("");
  expect(await said(false, undefined, 2_600)).toBe("200 records, at row 200 of 1,000\n");
});
