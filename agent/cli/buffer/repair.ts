/** `cellgate buffer repair`: sets a damaged file aside and saves what can be read. With nothing damaged it changes nothing. */
import type { Repaired } from "../../contract/buffer-reader.ts";
import { StoreError } from "../../contract/errors.ts";
import type { Configuration } from "../../config/model.ts";
import { GOOD, type Command } from "../cli.ts";
import { write, type Io } from "../terminal.ts";
import { asked, COMMON, configured, reading, type BufferParts } from "./parts.ts";
import { progress, toldOf } from "./progress.ts";
import { judged, stepWords, type Verdict } from "./verify.ts";
import { numberWords, recordsWords } from "./words.ts";

export const repairCommand = (parts: BufferParts): Command => ({
  name: "buffer repair",
  summary: "set a damaged buffer aside and save what can be read, while the agent is stopped",
  positionals: [],
  options: { ...COMMON, older: { kind: "flag", help: "it is an older copy of itself, put back or left by its medium: begin a new one, whatever it looks like" } },
  details: "Checks everything first. Only when something is damaged that is still needed, the file moves to quarantine/ as it is, and a new one takes over\nwhat can be read, with a loss record for the rest. Nothing is deleted but the oldest quarantined files beyond their bound.\nThe agent does the same by itself at its start when it meets damage; this is for damage further back, found by `cellgate buffer verify`.\nWith --older: for a file that is whole, but older than it was (put back from a copy, or left so by its medium), where the agent could not know.",
  async run(args, io, signal) {
    const settings = await configured(parts, args, io);
    const { dataDir } = settings.agent;
    if ((await asked(parts, settings, { verb: "status" }, signal)) !== null || parts.isHeld(dataDir))
      throw new StoreError("locked", `an agent runs on ${dataDir}: stop it first (systemctl stop cellgate), repair, and start it again`);
    const isOlder = args.flag("older");
    const verdict = isOlder ? NOT_LOOKED_AT : await look(parts, settings, io, signal);
    if (verdict.matters === 0 && !isOlder) {
      const words = verdict.found === 0 ? "nothing is damaged" : `damaged: ${recordsWords(verdict.found)} that every destination has had, nothing that is still needed`;
      await write(io.stdout, args.flag("json") ? `${JSON.stringify({ repaired: false, found: verdict.found })}\n` : `${dataDir}: ${words}; nothing was changed.\n`);
      return GOOD;
    }
    const damage = isOlder ? "it is an older copy of itself, as buffer repair --older was told" : (verdict.damage.find(({ matters }) => matters)?.words ?? "damage found by buffer repair");
    const done = parts.repair(settings, parts.ports(), { damage, isOlder });
    await write(io.stdout, args.flag("json") ? `${JSON.stringify({ repaired: true, found: verdict.found, ...done })}\n`
      : `${done.folder === null ? "Nothing was left of the old file." : `The ${isOlder ? "older" : "damaged"} file lies in ${done.folder}.`}\nSaved: ${recordsWords(done.savedRows)} that were not yet delivered everywhere, ${numberWords(done.savedCheckpoints)} ${done.savedCheckpoints === 1 ? "position" : "positions"}.\n`
        + `${isOlder ? "Lost: nobody knows what else had its numbers. Loss records name all of them" : `Lost: ${lostWords(done.lost)}. Loss records name these numbers`}${done.lostEpoch === null ? "" : ` of epoch ${done.lostEpoch}`} and go to every destination.\nStart the agent again: systemctl start cellgate\n`);
    return GOOD;
  },
});

const NOT_LOOKED_AT: Verdict = { damage: [], found: 0, matters: 0, rows: 0, unchecked: [] };
const lostWords = (lost: Repaired["lost"]): string => lost.map(({ from, to, count }) =>
  `${from === null ? "all numbers" : to === null ? `what came after number ${from - 1}, if anything` : from === to ? `number ${from}` : `numbers ${from} to ${to}`}${count === null ? "" : ` (${recordsWords(count)})`}`).join(", ") || "nothing";

/** A file that cannot even be opened is damaged as a whole. */
async function look(parts: BufferParts, settings: Configuration, io: Io, signal: AbortSignal): Promise<Verdict> {
  const told = progress(io, parts.ports().network);
  try {
    return await toldOf(told, () => reading(parts, settings.agent.dataDir, (reader) => judged(reader.verify(signal), (step) => told.say(stepWords(step)))));
  } catch (cause) {
    if (!(cause instanceof StoreError) || cause.fault !== "corrupt") throw cause;
    return { damage: [{ place: "file", seq: null, matters: true, words: cause.message }], found: 1, matters: 1, rows: 0, unchecked: [] };
  }
}

