/** `cellgate buffer replay`: sends records to a destination again, by time or by number. Ids stay, so a receiver that has them is not disturbed. */
import { StoreError } from "../../contract/errors.ts";
import { firstSince } from "../../runtime/account/lasting.ts";
import { UsageError, type Arguments } from "../arguments.ts";
import { GOOD, type Command } from "../cli.ts";
import { write } from "../terminal.ts";
import type { BufferReader } from "../../contract/buffer-reader.ts";
import { changed, COMMON, configured, oneOfNames, reading, wholeNumber, type BufferParts } from "./parts.ts";
import { SINCE, sinceOf } from "./since.ts";
import { recordsWords } from "./words.ts";

export const bufferReplayCommand = (parts: BufferParts): Command => ({
  name: "buffer replay",
  summary: "send records to a destination again",
  positionals: [],
  options: {
    ...COMMON, since: SINCE,
    "from-seq": { kind: "value", value: "N", help: "from this number on, instead of --since" },
    "to-seq": { kind: "value", value: "N", help: "up to this number, inclusive (default: the newest)" },
    to: { kind: "value", value: "NAME", help: "which destination" },
  },
  details: "For a broker or a bridge that lost what it had acknowledged. Records keep their ids and say that they are a replay.\nOnly what is still kept can be sent again (buffer.history). While the agent runs it sends them at once, beside new ones; else after its next start.",
  async run(args, io, signal) {
    const settings = await configured(parts, args, io);
    const to = args.value("to");
    const names = settings.destinations.map(({ name }) => name);
    if (to === undefined) throw new UsageError(`name the destination: --to NAME (${names.join(", ")})`);
    const destination = oneOfNames(to, names, "destination");
    const now = parts.ports().network.now().unixMs;
    const range = await reading(parts, settings.agent.dataDir, (reader) => Promise.resolve(rangeOf(args, reader, now)));
    if (range.from > range.to) {
      await write(io.stdout, args.flag("json") ? `${JSON.stringify({ destination, rows: 0 })}\n` : "no record since then; nothing is sent again\n");
      return GOOD;
    }
    const { epoch, from, to: last } = range;
    const answer = await changed(parts, settings, {
      request: { verb: "buffer.replay", destination, epoch, from, to: last },
      direct: (outbox) => outbox.replay(destination, epoch, from, last),
    }, signal);
    if (!answer.ok) throw new StoreError("closed", `nothing is sent again to ${destination}: ${answer.reason}`);
    const when = answer.by === "agent" ? `${answer.rows === 1 ? "is" : "are"} being sent again to ${destination}` : `will be sent again to ${destination} when the agent next runs`;
    await write(io.stdout, args.flag("json") ? `${JSON.stringify({ destination, epoch, from, to: last, rows: answer.rows, by: answer.by })}\n`
      : `${recordsWords(answer.rows)} (numbers ${from} to ${last}) ${when}.\n`);
    return GOOD;
  },
});

function rangeOf(args: Arguments, reader: BufferReader, now: Parameters<typeof sinceOf>[1]): { readonly epoch: string; readonly from: number; readonly to: number } {
  const [since, fromSeq, toSeq] = [args.value("since"), args.value("from-seq"), args.value("to-seq")];
  if ((since === undefined) === (fromSeq === undefined)) throw new UsageError("say from when on: either --since 8h or --from-seq N");
  const { epoch, lastSeq } = reader;
  const from = since === undefined ? wholeNumber(fromSeq ?? "", "--from-seq") : firstSince(reader, lastSeq, sinceOf(since, now));
  const to = toSeq === undefined ? lastSeq : wholeNumber(toSeq, "--to-seq");
  if (fromSeq !== undefined && toSeq !== undefined && to < from) throw new UsageError(`--to-seq ${to} lies before --from-seq ${from}`);
  if (from > lastSeq && since === undefined) throw new UsageError(`the buffer's newest record has number ${lastSeq}; --from-seq ${from} is beyond it`);
  return { epoch, from, to: Math.min(to, lastSeq) };
}
