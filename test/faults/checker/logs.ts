/**
 * Reads the two logs of a run. Shares no code with the agent: it reads CloudEvents as a bridge would, from the text.
 *   stored    one JSON object a line: a row that was reported stored, written down when it was
 *   received  connection, tab, destination, tab, the message as it came; a line per message, in the order of arrival
 * A last line without its end was cut by a kill and is not counted; any other line that cannot be read is an error.
 */
import { existsSync, readFileSync } from "node:fs";

export interface StoredRow {
  readonly epoch: string;
  readonly seq: number;
  readonly machine: string | null;
  readonly type: string;
  readonly id: string;
  readonly rev: number;
}

export interface ReceivedEvent {
  readonly destination: string;
  readonly connection: string;
  readonly epoch: string;
  readonly seq: number;
  readonly prev: number;
  /** Topic path of the machine, or of the agent. */
  readonly source: string;
  readonly type: string;
  readonly id: string;
  readonly rev: number;
  readonly replay: boolean;
  /** The text of `data`, members in the order they came. */
  readonly data: string;
  readonly body: Readonly<Record<string, unknown>>;
}

export function readStored(path: string): StoredRow[] {
  return lines(path).map((line, index) => {
    const row = object(parsed(line, path, index), `${path}:${index + 1}`);
    return {
      epoch: text(row, "epoch"), seq: whole(row, "seq"), machine: row["machine"] === null ? null : text(row, "machine"),
      type: text(row, "type"), id: text(row, "id"), rev: whole(row, "rev"),
    };
  });
}

export function readReceived(path: string): ReceivedEvent[] {
  return lines(path).map((line, index) => {
    const [connection = "", destination = "", ...rest] = line.split("\t");
    return eventOf(parsed(rest.join("\t"), path, index), { connection, destination });
  });
}

/** Throws when the message is not the CloudEvent that docs and schema promise. */
export function eventOf(message: unknown, { connection, destination }: { readonly connection: string; readonly destination: string }): ReceivedEvent {
  const event = object(message, "event");
  const body = object(event["data"], "data");
  const [, type] = /^io\.cellgate\.([a-z]+)\.v1$/.exec(text(event, "type")) ?? [];
  if (type === undefined) throw new Error(`a type that is none of ours: ${text(event, "type")}`);
  const [id, rev] = [text(body, "recordId"), whole(body, "rev")];
  if (event["id"] !== `${id}:${rev}`) throw new Error(`the event ${String(event["id"])} carries revision ${rev} of ${id}`);
  return {
    destination, connection, type, id, rev, body, data: JSON.stringify(body), source: text(event, "source"),
    epoch: text(event, "epoch"), seq: whole(event, "seq"), prev: whole(event, "prev"), replay: event["replay"] === true,
  };
}

function lines(path: string): string[] {
  if (!existsSync(path)) return [];
  const all = readFileSync(path, "utf8").split("\n");
  all.pop();
  return all;
}
function parsed(line: string, path: string, index: number): unknown {
  try {
    return JSON.parse(line) as unknown;
  } catch (cause) {
    throw new Error(`${path}:${index + 1} is no JSON: ${line.slice(0, 120)}`, { cause });
  }
}
function object(value: unknown, what: string): Readonly<Record<string, unknown>> {
  if (typeof value !== "object" || value === null || Array.isArray(value)) throw new Error(`${what} is no object: ${JSON.stringify(value)}`);
  return value as Readonly<Record<string, unknown>>;
}
function text(of: Readonly<Record<string, unknown>>, key: string): string {
  const value = of[key];
  if (typeof value !== "string") throw new Error(`${key} is no text: ${JSON.stringify(value)}`);
  return value;
}
function whole(of: Readonly<Record<string, unknown>>, key: string): number {
  const value = of[key];
  if (typeof value !== "number" || !Number.isSafeInteger(value) || value < 0) throw new Error(`${key} is no whole number: ${JSON.stringify(value)}`);
  return value;
}
