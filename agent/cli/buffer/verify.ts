/** `cellgate buffer verify`: is what is in the buffer whole? Changes nothing and may run beside the agent. */
import type { Damage, Unchecked, VerifyStep } from "../../contract/buffer-reader.ts";
import { FAILED, GOOD, type Command } from "../cli.ts";
import { write, type Io } from "../terminal.ts";
import { COMMON, configured, reading, type BufferParts } from "./parts.ts";
import { progress, toldOf } from "./progress.ts";
import { numberWords, recordsWords } from "./words.ts";

export interface Verdict {
  /** The first ones, in the order in which they were found. */
  readonly damage: readonly Damage[];
  readonly found: number;
  /** Of them, those that somebody still needs. */
  readonly matters: number;
  readonly rows: number;
  /** What could not be looked at, in words. */
  readonly unchecked: readonly string[];
}

/** A broken file may give one for every row. */
const KEPT = 1_000;
const SHOWN = 50;

export const verifyCommand = (parts: BufferParts): Command => ({
  name: "buffer verify",
  summary: "check every record and cursor in the buffer against its checksum",
  positionals: [],
  options: COMMON,
  details: "Looks at the file's structure, the checksum of every row, chains, cursors and checkpoints. Reads only; the agent may run or not.\nExits 1 when something is damaged, and says what to do.",
  async run(args, io, signal) {
    const settings = await configured(parts, args, io);
    return reading(parts, settings.agent.dataDir, async (reader) => {
      const told = progress(io, parts.ports().network);
      const verdict = await toldOf(told, () => judged(reader.verify(signal), (step) => told.say(stepWords(step))));
      if (args.flag("json")) await write(io.stdout, `${JSON.stringify({ file: reader.path, epoch: reader.epoch, good: verdict.found === 0, ...verdict })}\n`);
      else await inWords(reader.path, verdict, io);
      return verdict.found === 0 ? GOOD : FAILED;
    });
  },
});

export async function judged(steps: AsyncIterable<Damage | VerifyStep | Unchecked>, onStep: (step: VerifyStep) => Promise<void>): Promise<Verdict> {
  const damage: Damage[] = [];
  const unchecked: string[] = [];
  let [found, matters, rows] = [0, 0, 0];
  for await (const one of steps) {
    if ("unchecked" in one) {
      unchecked.push(one.unchecked);
      continue;
    }
    if ("part" in one) {
      if (one.part === "rows") rows = one.done;
      await onStep(one);
      continue;
    }
    found += 1;
    if (one.matters) matters += 1;
    if (damage.length < KEPT) damage.push(one);
  }
  return { damage, found, matters, rows, unchecked };
}

export const stepWords = ({ part, done, of }: VerifyStep): string => (of === 0 ? part : `${part}: ${numberWords(done)} of ${numberWords(of)} (${Math.floor(100 * done / of)} %)`);

async function inWords(path: string, { damage, found, matters, rows, unchecked }: Verdict, io: Io): Promise<void> {
  for (const words of unchecked) await write(io.stderr, `not looked at: ${words}\n`);
  if (found === 0) {
    await write(io.stdout, `${path}: ${recordsWords(rows)}, all whole.\n`);
    return;
  }
  for (const { place, words } of damage.slice(0, SHOWN)) await write(io.stdout, `${place.padEnd(12)} ${words}\n`);
  if (found > SHOWN) await write(io.stdout, `… and ${numberWords(found - SHOWN)} more (--json shows up to ${numberWords(KEPT)})\n`);
  const remedy = matters === 0
    ? "All of it is records that every destination has had: nothing is missing anywhere, and the agent goes on. They only cannot be sent again."
    : "Stop the agent and run `cellgate buffer repair`: it sets the file aside, saves what can be read and records the loss.";
  await write(io.stdout, `${path}: ${numberWords(found)} damaged of ${recordsWords(rows)} and what belongs to them. ${remedy}\n`);
}
