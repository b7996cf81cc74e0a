/** `cellgate buffer dead`: records a destination refused for good or that could not be read; send them again, or forget them. */
import { StoreError } from "../../contract/errors.ts";
import type { DeadLetter } from "../../contract/outbox.ts";
import { rfc3339 } from "../../contract/time.ts";
import { JSON_OUTPUT, CONFIG, UsageError } from "../arguments.ts";
import { FAILED, GOOD, type Command } from "../cli.ts";
import { write, type Io } from "../terminal.ts";
import { changed, COMMON, configured, oneOfNames, reading, wholeNumber, type BufferParts } from "./parts.ts";
import { numberWords, recordsWords } from "./words.ts";

const LIMIT = 1_000;

export const deadCommand = (parts: BufferParts): Command => ({
  name: "buffer dead",
  summary: "list records that a destination refused or that could not be read",
  positionals: [],
  options: { ...COMMON, destination: { kind: "value", value: "NAME", help: "only this destination's" } },
  details: "Each line: destination, numbers, since when, why. What to do with them:\n  cellgate buffer dead release DEST SEQ    send them again, once what was wrong is put right\n  cellgate buffer dead purge DEST SEQ      forget them; their loss record stands",
  async run(args, io) {
    const settings = await configured(parts, args, io);
    const only = args.value("destination");
    return reading(parts, settings.agent.dataDir, async (reader) => {
      if (only !== undefined) oneOfNames(only, reader.destinations, "destination in the buffer");
      const letters = reader.deadLetters(LIMIT).filter(({ destination }) => only === undefined || destination === only);
      if (args.flag("json")) await write(io.stdout, `${JSON.stringify({ dead: letters.map((letter) => ({ ...letter, at: rfc3339(letter.at) })) })}\n`);
      else await list(letters, io);
      return GOOD;
    });
  },
});

async function list(letters: readonly DeadLetter[], io: Io): Promise<void> {
  for (const { destination, fromSeq, toSeq, reason, at } of letters)
    if (!(await write(io.stdout, `${destination.padEnd(14)} ${numbers({ fromSeq, toSeq }).padEnd(16)} ${rfc3339(at)}  ${reason}\n`))) return;
  if (letters.length === 0) await write(io.stdout, "No destination has refused anything, and nothing was unreadable.\n");
  else if (letters.length === LIMIT) await write(io.stderr, `only the oldest ${numberWords(LIMIT)} are shown\n`);
}
const numbers = ({ fromSeq, toSeq }: { readonly fromSeq: number; readonly toSeq: number }): string => (fromSeq === toSeq ? String(fromSeq) : `${fromSeq}-${toSeq}`);

export const releaseCommand = (parts: BufferParts): Command => ({
  name: "buffer dead release",
  summary: "send refused records again",
  positionals: ["DEST", "SEQ"],
  options: { ...CONFIG, ...JSON_OUTPUT },
  details: "SEQ: the first number of the line that `cellgate buffer dead` shows. The loss record that named them is withdrawn.",
  async run(args, io, signal) {
    const [name, seq] = args.positionals;
    const settings = await configured(parts, args, io);
    const { destination, fromSeq } = letter(name, seq, settings.destinations.map((one) => one.name));
    const answer = await changed(parts, settings, {
      request: { verb: "buffer.release", destination, fromSeq }, direct: (outbox) => outbox.release(destination, fromSeq),
    }, signal);
    if (!answer.ok) throw new StoreError("closed", `nothing is released: ${answer.reason}; cellgate buffer dead lists what there is`);
    await write(io.stdout, args.flag("json") ? `${JSON.stringify({ destination, fromSeq, rows: answer.rows, by: answer.by })}\n`
      : `${recordsWords(answer.rows)} ${answer.by === "agent" ? `${answer.rows === 1 ? "is" : "are"} being sent to ${destination} again` : `will be sent to ${destination} again when the agent next runs`}.\n`);
    return GOOD;
  },
});

export const purgeCommand = (parts: BufferParts): Command => ({
  name: "buffer dead purge",
  summary: "forget refused records for good",
  positionals: ["DEST", "SEQ"],
  options: { ...CONFIG, ...JSON_OUTPUT, all: { kind: "flag", help: "all of this destination's, instead of SEQ" } },
  details: "SEQ: the first number of the line that `cellgate buffer dead` shows. Their loss record stands: it goes on saying that they never arrived.",
  async run(args, io, signal) {
    const [name, seq] = args.positionals;
    const settings = await configured(parts, args, io);
    const names = settings.destinations.map((one) => one.name);
    const isAll = args.flag("all");
    if (isAll === (seq !== undefined)) throw new UsageError("say which: either SEQ, the first number of a line of `cellgate buffer dead`, or --all");
    const destination = isAll ? letter(name, "1", names).destination : letter(name, seq, names).destination;
    const firsts = seq !== undefined ? [letter(name, seq, names).fromSeq] : await reading(parts, settings.agent.dataDir, (reader) =>
      Promise.resolve(reader.deadLetters(LIMIT).filter((one) => one.destination === destination).map(({ fromSeq }) => fromSeq)));
    if (firsts.length === 0) {
      await write(io.stdout, args.flag("json") ? `${JSON.stringify({ destination, rows: 0, refused: [] })}\n` : `${destination} has refused nothing; there is nothing to forget.\n`);
      return GOOD;
    }
    let rows = 0;
    const refused: string[] = [];
    for (const fromSeq of firsts) {
      const answer = await changed(parts, settings, {
        request: { verb: "buffer.purge", destination, fromSeq }, direct: (outbox) => outbox.purge(destination, fromSeq),
      }, signal);
      if (answer.ok) rows += answer.rows;
      else refused.push(`${fromSeq}: ${answer.reason}`);
    }
    if (refused.length > 0 && firsts.length === refused.length) throw new StoreError("closed", `nothing is forgotten: ${refused.join("; ")}; cellgate buffer dead lists what there is`);
    await write(io.stdout, args.flag("json") ? `${JSON.stringify({ destination, rows, refused })}\n` : `${recordsWords(rows)} of ${destination} forgotten; the loss record stands.${refused.map((words) => `\nnot ${words}`).join("")}\n`);
    return refused.length > 0 ? FAILED : GOOD;
  },
});

function letter(name: string | undefined, seq: string | undefined, known: readonly string[]): { readonly destination: string; readonly fromSeq: number } {
  if (name === undefined || seq === undefined) throw new UsageError("name the destination and the first number of the line that `cellgate buffer dead` shows");
  return { destination: oneOfNames(name, known, "destination"), fromSeq: wholeNumber(seq, "SEQ") };
}
