/** `cellgate simulate focas`: says the source that reads it, serves it, and ends when told to. */
import { expect, it } from "vitest";
import { simulateFocasCommand } from "../../../../agent/cli/simulate-focas.ts";
import { run } from "../../../protocols/focas/reading.ts";
import { running, type Running } from "../../cli/run.ts";

const command = (...args: readonly string[]): Running => running(["simulate", "focas", ...args], [simulateFocasCommand]);

it("serves the shift as the series named", async () => {
  const running = command("--port", "0", "--series", "16i", "--json");
  await expect.poll(() => running.text.out, { interval: 5 }).toContain("}\n");
  const { source } = JSON.parse(running.text.out) as { readonly source: string };
  const { type, port, ...keys } = JSON.parse(source) as { readonly type: string; readonly port: number };
  expect(type).toBe("focas");
  const told = await run(port, keys);
  expect([told.error, told.last("program"), told.last("program_comment"), told.last("part_count")]).toEqual([null, "O1234", "BRACKET OP10", 412]);
  expect(told.peer).toContain("16i");
  running.stop();
  expect(await running.code).toBe(0);
});

it.each([
  [["--series", "15i"], "it must be one of 16i, 0i-D, 31i-B, 0i-F"],
  [["--slots", "0"], "a whole number, at least 1"],
  [["--speed", "fast"], '--speed is "fast"'],
])("refuses %j with the remedy", async (args, words) => {
  const { code, text } = command("--port", "0", ...args);
  expect(await code).toBe(2);
  expect(text.err).toContain(words);
});
