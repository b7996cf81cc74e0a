/**
 * Adapter text (SHDR, and NIST's `timestamp|item|value` logs) → steps. Line order is kept as sequence order and stamps
 * stay as written. Skipped: blank lines, commands (`*`), asset lines and blocks, version-control markers, keys that the
 * model does not know (with one value, as an agent does); all are counted in the notes. Facts: mtconnect.md §11.
 */
import { itemIndex } from "../ingest.ts";
import type { Item, Model } from "../model.ts";
import { isLevel, stampMs, type SimulatedObservation } from "../observation.ts";
import type { Feed, Step } from "./feed.ts";

export interface ShdrOptions {
  readonly model: Model;
  /** Name of the file, for messages. */
  readonly where: string;
  /** Device the log belongs to; default: the one that knows most of its keys. */
  readonly device?: string;
  /** 1, 2, …: which connection of an adapter that greets several times out of time order. Default: the whole file. */
  readonly session?: number;
  /** Where relative stamps count from; default 2000-01-01. */
  readonly startMs?: number;
}

interface Line {
  readonly stamp: string;
  readonly fields: readonly string[];
}

/** A lost terminator must not swallow the rest of the file. */
const LONGEST_BLOCK_LINES = 10_000;
/** A greeting that names so many items is the state an adapter sends to each new client. */
const GREETING_PAIRS = 5;
const SESSION_JUMP_MS = 60_000;

export function shdrFeed(text: string, options: ShdrOptions): Feed {
  const notes = new Map<string, number>();
  const all = readLines(text, notes);
  const sessions = splitSessions(all, options.startMs ?? Date.UTC(2000, 0, 1));
  const { session } = options;
  const lines = session === undefined ? all : sessions[session - 1];
  if (lines === undefined) throw new Error(`${options.where}: has ${sessions.length} session${sessions.length === 1 ? "" : "s"}, not ${String(session)}`);
  const device = options.device ?? likelyDevice(options.model, lines, options.where);
  const startMs = firstMs(lines, options.startMs ?? Date.UTC(2000, 0, 1));
  const reader = new LineReader(options.model, device, notes);
  const steps: Step[] = [];
  let at = startMs;
  for (const line of lines) {
    const relative = /^\d+(?:\.\d+)?$/u.test(line.stamp) ? Number(line.stamp) * 1000 : null;
    const own = relative === null ? stampMs(line.stamp) : at + relative;
    const observations = reader.observations(line, relative === null ? line.stamp : own);
    if (observations.length === 0) continue;
    // Stamps step back when two clocks disagree; pace and the agent's clock never do.
    at = Math.max(at, own);
    steps.push({ atMs: at - startMs, observations });
  }
  if (steps.length === 0) throw new Error(`${options.where}: no line fits the device model; is it the Devices.xml of this machine? ${describe(notes)}`);
  return { model: options.model, steps, startMs, instanceId: String(Math.trunc(startMs / 1000)), recorded: true, notes: [...notes].map(([what, times]) => `${what} (${times})`) };
}

/** How many sessions `shdrFeed` can choose from. */
export const shdrSessions = (text: string): number => splitSessions(readLines(text, new Map()), 0).length;

const describe = (notes: ReadonlyMap<string, number>): string => [...notes.keys()].slice(0, 5).join("; ");
const count = (notes: Map<string, number>, what: string): void => {
  notes.set(what, (notes.get(what) ?? 0) + 1);
};

function readLines(text: string, notes: Map<string, number>): Line[] {
  const lines: Line[] = [];
  let terminator: string | null = null;
  let swallowed = 0;
  for (const raw of text.split("\n")) {
    const line = raw.endsWith("\r") ? raw.slice(0, -1) : raw;
    if (terminator !== null) {
      swallowed++;
      if (line.trim() === terminator || swallowed > LONGEST_BLOCK_LINES) terminator = null;
      continue;
    }
    if (line.trim() === "") continue;
    if (line.startsWith("*")) count(notes, "adapter commands skipped");
    else if (/^(?:<{7}|={7}|>{7})/u.test(line)) count(notes, "version-control markers skipped");
    else if (!line.includes("|")) count(notes, "lines without a value skipped");
    else {
      const [stamp = "", ...fields] = line.split("|");
      if (fields[0]?.startsWith("@") === true) {
        count(notes, "asset lines skipped");
        const block = /--multiline--\S+/u.exec(line)?.[0];
        if (block !== undefined) [terminator, swallowed] = [block, 0];
      } else lines.push({ stamp: stamp.replace(/@.*$/u, "").trim(), fields });
    }
  }
  return lines;
}

const keysOf = (line: Line): string => line.fields.filter((_, index) => index % 2 === 0).join("|");

/** A new session: the file's first greeting comes again, away from the time of the line before it. */
function splitSessions(lines: readonly Line[], startMs: number): Line[][] {
  const greeting = lines[0];
  const sessions: Line[][] = [];
  let before = Number.NEGATIVE_INFINITY;
  for (const line of lines) {
    const now = Number.isNaN(stampMs(line.stamp)) ? startMs : stampMs(line.stamp);
    const greets = greeting !== undefined && greeting.fields.length >= 2 * GREETING_PAIRS && line.fields.length >= 2 * GREETING_PAIRS && keysOf(line) === keysOf(greeting);
    if (sessions.length === 0 || (greets && Math.abs(now - before) > SESSION_JUMP_MS)) sessions.push([]);
    sessions.at(-1)?.push(line);
    before = now;
  }
  return sessions;
}

function firstMs(lines: readonly Line[], otherwise: number): number {
  const stamp = lines[0]?.stamp ?? "";
  const ms = /^\d+(?:\.\d+)?$/u.test(stamp) || stamp === "" ? Number.NaN : stampMs(stamp);
  return Number.isNaN(ms) ? otherwise : ms;
}

/** Alike machines know the same keys: then a key or the file that names the device decides. */
function likelyDevice(model: Model, lines: readonly Line[], where: string): string | undefined {
  const find = itemIndex(model);
  const keys = new Set(lines.map((line) => line.fields[0] ?? ""));
  let best: { readonly name: string; readonly hits: number } | null = null;
  for (const device of model.devices) {
    const name = device.uuid || device.name;
    const known = [...keys].filter((key) => find(key, name) !== undefined).length;
    const named = device.name !== "" && (where.includes(device.name) || [...keys].some((key) => key.startsWith(`${device.name}_`)));
    const hits = known + (named ? 0.5 : 0);
    if (best === null || hits > best.hits) best = { name, hits };
  }
  return best?.name;
}

class LineReader {
  private readonly find;
  private readonly device: string | undefined;
  private readonly notes: Map<string, number>;
  constructor(model: Model, device: string | undefined, notes: Map<string, number>) {
    this.find = itemIndex(model);
    this.device = device;
    this.notes = notes;
  }
  observations(line: Line, at: string | number): SimulatedObservation[] {
    const { fields } = line;
    if (typeof at === "string" && Number.isNaN(stampMs(at))) {
      count(this.notes, "lines without a usable stamp skipped");
      return [];
    }
    const found: SimulatedObservation[] = [];
    for (let index = 0; index < fields.length;) {
      const key = fields[index] ?? "";
      const item = this.find(key, this.device);
      if (item === undefined) {
        if (key !== "") count(this.notes, `item "${key}" is not in the device model`);
        index += 2;
        continue;
      }
      const width = this.width(item, fields, index + 1);
      found.push(observationOf(item, at, fields.slice(index + 1, index + 1 + width)));
      index += 1 + width;
    }
    return found;
  }
  /** Fields an item takes. Logs that went through an agent write a lone UNAVAILABLE also for wide ones. */
  private width(item: Item, fields: readonly string[], at: number): number {
    const alone = fields.length - at === 1;
    if (item.category === "CONDITION") return isLevel(fields[at] ?? "") && !alone ? 5 : 1;
    if (alone) return 1;
    if (item.representation === "TIME_SERIES") return 3;
    if (item.type === "ALARM") return 5;
    return item.type === "MESSAGE" || item.type === "ASSET_CHANGED" || item.type === "ASSET_REMOVED" ? 2 : 1;
  }
}

function observationOf(item: Item, at: string | number, values: readonly string[]): SimulatedObservation {
  const [first = "", second = "", third = "", fourth = "", fifth = ""] = values;
  const common = { item: item.id, at };
  const [code = "", conditionId] = second.split(":");
  if (item.category === "CONDITION") {
    return { ...common, value: first, nativeCode: code, nativeSeverity: third, qualifier: fourth, text: fifth, ...(conditionId === undefined ? {} : { conditionId }) };
  }
  if (values.length === 1) return { ...common, value: first };
  if (item.representation === "TIME_SERIES") return { ...common, value: third, attributes: { sampleCount: first, sampleRate: second } };
  if (item.type === "MESSAGE") return { ...common, value: second, nativeCode: first };
  if (item.type === "ALARM") return { ...common, value: fifth, nativeCode: second, attributes: { code: first, severity: third, state: fourth } };
  return { ...common, value: second, attributes: { assetType: first } };
}
