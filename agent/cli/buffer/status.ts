/** `cellgate buffer status`: what waits for whom, how much room is left, for how long it lasts, what the card endures. */
import type { OutboxStatus } from "../../contract/outbox.ts";
import { isRecord } from "../../contract/shape.ts";
import { rfc3339, type UnixMs } from "../../contract/time.ts";
import type { Configuration } from "../../config/model.ts";
import { daysWords, lasting, reserveBytes, type Lasting } from "../../runtime/account/lasting.ts";
import { FAILED, GOOD, type Command } from "../cli.ts";
import { write, type Io } from "../terminal.ts";
import { asked, COMMON, configured, reading, type BufferParts } from "./parts.ts";
import { bar, bytesWords, coloured, lengthWords, numberWords, recordsWords } from "./words.ts";

const UNTOLD = "running, but says nothing of its buffer";
const UNASKED = "running, but cannot be asked (its log says why)";

const YEAR_MS = 365 * 86_400_000;
/** Less says nothing of a day. */
const EARLY_MS = 3_600_000;

interface Seen {
  readonly agent: "running" | "stopped" | typeof UNTOLD | typeof UNASKED;
  readonly file: string;
  readonly buffer: OutboxStatus;
  readonly lasting: Lasting | null;
}

export const bufferStatusCommand = (parts: BufferParts): Command => ({
  name: "buffer status",
  summary: "say what waits in the buffer, how much room is left and for how long it lasts",
  positionals: [],
  options: COMMON,
  details: "While the agent runs it answers for itself; else the numbers come from the file, and the output says so.\nExits 1 when the buffer has a fault.",
  async run(args, io, signal) {
    const settings = await configured(parts, args, io);
    const reply = await asked(parts, settings, { verb: "buffer.status" }, signal);
    const told = reply?.ok === true ? bufferOf(reply.result) : null;
    const seen = await reading(parts, settings.agent.dataDir, (reader): Promise<Seen> => {
      const buffer = told ?? asConfigured(reader.status(settings.buffer.budgetBytes), settings);
      return Promise.resolve({
        agent: told !== null ? "running" : reply !== null ? UNTOLD : parts.isHeld(settings.agent.dataDir) ? UNASKED : "stopped",
        file: reader.path, buffer, lasting: lasting(reader, { status: buffer, reserveBytes: reserveBytes(settings.agent.dataDir, settings.buffer.keepFree) }),
      });
    });
    if (args.flag("json")) await write(io.stdout, `${JSON.stringify(seen)}\n`);
    else await write(io.stdout, inWords(seen, settings, parts.ports().network.now().unixMs, io));
    return seen.buffer.fault === null && seen.buffer.condition.state === "ok" ? GOOD : FAILED;
  },
});

/** The file does not know what the configuration says of a bridge. */
const asConfigured = (status: OutboxStatus, { destinations }: Configuration): OutboxStatus => ({
  ...status, destinations: status.destinations.map((one) => ({ ...one, isConfirming: one.isConfirming || destinations.some(({ name, confirm }) => confirm && name === one.name) })),
});

/** Null when the agent is of a version that does not say. */
function bufferOf(result: unknown): OutboxStatus | null {
  return isRecord(result) && typeof result["epoch"] === "string" && Array.isArray(result["destinations"]) && isRecord(result["condition"]) ? (result as unknown as OutboxStatus) : null;
}

function inWords({ agent, file, buffer, lasting: lasts }: Seen, settings: Configuration, now: UnixMs, io: Io): string {
  const { budgetBytes } = buffer;
  const share = buffer.bytes / budgetBytes;
  const less = budgetBytes < settings.buffer.budgetBytes ? ` (not the ${bytesWords(settings.buffer.budgetBytes)} of the configuration: the disk has no more to give)` : "";
  const fill = coloured(bar(share), share >= 0.9 ? "red" : share >= 0.7 ? "yellow" : "green", io.outIsTerminal);
  const from = agent === "running" ? "as the running agent says" : `from the file; the agent is ${agent}`;
  const lines = [
    `Buffer ${file} (${from})`,
    `  room        ${fill} ${bytesWords(buffer.bytes)} of ${bytesWords(budgetBytes)}${less}${buffer.freeBytes === null ? "" : `, ${bytesWords(buffer.freeBytes)} free on the disk`}`,
    `  lasts       ${lasts === null ? "not known yet: the records of the last day span less than 10 minutes" : `${daysWords(lasts.days)} without any destination, at ${recordsWords(lasts.recordsPerDay)} a day of ${bytesWords(lasts.bytesPerRecord)}`}`,
    `  condition   ${conditionWords(buffer, io)}`,
    `  written     ${wearWords(buffer, agent === "running")}`,
    `  newest      number ${numberWords(buffer.lastSeq)} of epoch ${buffer.epoch}`,
    "",
    ...buffer.destinations.flatMap((one) => destinationWords(one, buffer, now)),
  ];
  return `${lines.join("\n")}\n`;
}

function conditionWords({ condition, fault }: OutboxStatus, io: Io): string {
  if (condition.state === "degraded") return coloured(`${condition.message} (${condition.fault} since ${rfc3339(condition.since)}; ${recordsWords(condition.heldRecords)} wait in memory)`, "red", io.outIsTerminal);
  return fault === null ? coloured("ok", "green", io.outIsTerminal) : coloured(fault, "red", io.outIsTerminal);
}

function wearWords({ wear }: OutboxStatus, isRunning: boolean): string {
  if (wear === undefined) return isRunning ? "not known yet: measured from the first minute on" : "not in the file: the running agent measures it";
  const rate = `${bytesWords(wear.bytesPerDay)} and ${numberWords(wear.syncsPerDay)} syncs a day (over ${lengthWords(wear.overMs)})`;
  if (wear.cardYears === null) return `${rate}; set buffer.card.endurance to see how long the card lasts`;
  if (wear.overMs < EARLY_MS && wear.alarm === null) return `${rate}: too early to say for how long the card lasts, a start has writing of its own`;
  const years = wear.cardYears >= 100 ? "over 100 years" : lengthWords(wear.cardYears * YEAR_MS);
  return `${rate}: the card lasts ${years}${wear.alarm === null ? "" : `. ${wear.alarm}`}`;
}

function destinationWords(one: OutboxStatus["destinations"][number], { lastSeq }: OutboxStatus, now: UnixMs): readonly string[] {
  const oldest = one.oldestWaitingAt === null ? "" : `, the oldest for ${lengthWords(Math.max(0, now - one.oldestWaitingAt))}`;
  const confirmed = one.confirmedThrough === null ? "nothing confirmed yet" : `confirmed through number ${numberWords(one.confirmedThrough)}`;
  return [
    `Destination ${one.name}`,
    `  waiting     ${one.waiting === 0 ? "nothing" : `${bar(one.waiting / Math.max(one.waiting, lastSeq))} ${recordsWords(one.waiting)}${oldest}`}${one.replaying > 0 ? `; ${numberWords(one.replaying)} to be sent again` : ""}`,
    `  delivered   ${numberWords(one.acknowledged)} acknowledged; ${confirmed}${one.isConfirming ? "" : " (its bridge does not confirm: what the broker acknowledged counts as received)"}`,
    ...(one.rejected > 0 ? [`  refused     ${numberWords(one.rejected)}${one.dead > 0 ? ": see cellgate buffer dead" : ""}`] : []),
    ...(one.lost > 0 ? [`  lost        ${numberWords(one.lost)} given up for want of room; loss records name them`] : []),
  ];
}
