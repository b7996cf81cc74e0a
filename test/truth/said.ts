/**
 * A recording's own text → what was said, in the order of the file (SHDR) or of the sequence numbers (documents).
 * Reads the files as text with regular expressions: no parser, driver or simulator of the project.
 */
import { readFileSync } from "node:fs";
import { capture } from "../support/captures.ts";
import type { Recording } from "./recordings.ts";

export interface Said {
  /** Stamp as epoch ms, cut to the millisecond. */
  readonly at: number;
  readonly item: string;
  /** Text of a sample or event; of a condition NORMAL, WARNING, FAULT or UNAVAILABLE. */
  readonly value: string;
  /** Only of conditions: which one of the item, "" for none named. */
  readonly code?: string;
}

const LEVEL = /^(?:normal|warning|fault|unavailable)$/i;

/** Cut to the millisecond; without a zone it is UTC (mtconnect.md §8). NaN when it is no stamp. */
export function stampMs(stamp: string): number {
  const match = /^(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d)(?:\.(\d+))?Z?$/.exec(stamp);
  return match ? Date.parse(`${match[1]}.${(match[2] ?? "").padEnd(3, "0").slice(0, 3)}Z`) : Number.NaN;
}

export function saidIn(recording: Recording): readonly Said[] {
  const texts = recording.files.map((file) => readFileSync(capture(file), "latin1"));
  return recording.format === "shdr" ? adapterText(texts.join("\n"), recording) : documents(texts);
}

/** The MTConnectStreams documents of a recording, whole and in order, to be served by a simulator; of adapter text its one text. */
export function textsOf(recording: Recording): readonly { readonly where: string; readonly text: string }[] {
  return recording.files.flatMap((where) => {
    const text = whole(readFileSync(capture(where), "latin1"));
    if (recording.format === "shdr") return [{ where, text }];
    return [...text.matchAll(/<(?:\w+:)?MTConnectStreams[\s>][\s\S]*?<\/(?:\w+:)?MTConnectStreams>/g)].map(([document]) => ({ where, text: document }));
  });
}

/** Names and ids of the device's conditions: only these can hold a fault. */
function conditionsOf({ devices, device }: Recording): ReadonlySet<string> {
  const text = readFileSync(capture(devices), "latin1");
  const own = new RegExp(`<Device [^>]*name=["']${device}["'][\\s\\S]*?</Device>`).exec(text)?.[0];
  if (own === undefined) throw new Error(`${devices} has no device ${device}`);
  const names = new Set<string>();
  for (const [tag] of own.matchAll(/<DataItem [^>]*category=["']CONDITION["'][^>]*>/g))
    for (const key of ["id", "name"]) names.add(new RegExp(`\\s${key}=["']([^"']*)["']`).exec(tag)?.[1] ?? "");
  names.delete("");
  return names;
}

/** Lines of an adapter: stamp|key|value|key|value…, a condition taking level|code|severity|qualifier|text. */
function adapterText(text: string, recording: Recording): readonly Said[] {
  const conditions = conditionsOf(recording);
  const said: Said[] = [];
  const sessions: Said[][] = [said];
  let block = false;
  let before = Number.NEGATIVE_INFINITY;
  for (const line of text.split(/\r?\n/)) {
    // Inside an asset written over several lines: until the line that repeats its mark.
    if (block) {
      block = !line.startsWith("--multiline--");
      continue;
    }
    const [stamp = "", ...fields] = line.split("|");
    if (fields[0]?.startsWith("@")) {
      block = line.includes("--multiline--");
      continue;
    }
    const at = stampMs(stamp);
    if (Number.isNaN(at) || fields.length < 2) continue;
    // A session begins with everything the adapter knows, availability first, far from the time before it.
    if (recording.session !== undefined && fields[0] === recording.items.availability && fields.length > 10 && Math.abs(at - before) > 60_000 && before > 0) sessions.push([]);
    before = at;
    sessions.at(-1)?.push(...pairs(fields, at, conditions));
  }
  const session = sessions[(recording.session ?? 1) - 1];
  if (!session) throw new Error(`${recording.name}: the file has ${sessions.length} sessions`);
  return session;
}

function* pairs(fields: readonly string[], at: number, conditions: ReadonlySet<string>): Generator<Said, void, void> {
  for (let place = 0; place + 1 < fields.length;) {
    const [item = "", value = ""] = fields.slice(place, place + 2);
    const condition = conditions.has(item) && LEVEL.test(value);
    yield condition ? { at, item, value: value.toUpperCase(), code: (fields[place + 2] ?? "").trim() } : { at, item, value };
    place += condition ? 6 : 2;
  }
}

/** Elements with an id, a stamp and a sequence, from wherever they stand; a repeated sequence counts once. */
function documents(texts: readonly string[]): readonly Said[] {
  const bySequence = new Map<number, Said>();
  for (const text of texts) {
    for (const [, name = "", attributes = "", ended, content = ""] of whole(text).matchAll(/<([\w:]+)((?:\s+[\w:]+="[^"]*")*)\s*(?:(\/)>|>([^<]*)<\/)/g)) {
      const of = (key: string): string | undefined => new RegExp(`\\s${key}="([^"]*)"`).exec(attributes)?.[1];
      const [sequence, stamp, item] = [Number(of("sequence")), of("timestamp"), of("dataItemId")];
      if (stamp === undefined || item === undefined || !Number.isInteger(sequence)) continue;
      const at = stampMs(stamp);
      const level = of("type") !== undefined && LEVEL.test(name) ? name.toUpperCase() : undefined;
      bySequence.set(sequence, level === undefined ? { at, item, value: ended === undefined ? content : "" } : { at, item, value: level, code: of("conditionId") ?? of("nativeCode") ?? "" });
    }
  }
  return [...bySequence].sort(([one], [other]) => one - other).map(([, said]) => said);
}

/** A raw HTTP answer without its head and chunk sizes; anything else as it is. */
function whole(text: string): string {
  if (!text.startsWith("HTTP/")) return text;
  const body = text.slice(text.indexOf("\r\n\r\n") + 4);
  if (!/transfer-encoding:\s*chunked/i.test(text.slice(0, text.length - body.length))) return body;
  const chunks: string[] = [];
  for (let from = 0; from < body.length;) {
    const line = body.indexOf("\r\n", from);
    const size = line < 0 ? 0 : Number.parseInt(body.slice(from, line), 16);
    if (!(size > 0)) break;
    chunks.push(body.slice(line + 2, line + 2 + size));
    from = line + 2 + size + 2;
  }
  return chunks.join("");
}
