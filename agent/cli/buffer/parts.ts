/** What the `buffer` commands are made of, handed in by agent/main.ts; how they find the buffer and whether an agent runs on it. */
import type { BufferReader, Repaired } from "../../contract/buffer-reader.ts";
import { StoreError } from "../../contract/errors.ts";
import type { Answer, Outbox, StoredRecord } from "../../contract/outbox.ts";
import type { Ports } from "../../contract/ports.ts";
import type { Kinds } from "../../config/kinds.ts";
import type { Configuration } from "../../config/model.ts";
import { nearest } from "../../contract/shape.ts";
import type { Reply, Request } from "../../runtime/health/control.ts";
import { CONFIG, JSON_OUTPUT, UsageError, type Arguments, type Options } from "../arguments.ts";
import { configuration } from "../configured.ts";
import type { Io } from "../terminal.ts";

export interface BufferParts {
  readonly kinds: Kinds;
  ports(): Ports;
  /** Throws StoreError. */
  read(dataDir: string): BufferReader;
  /** Takes the buffer as the agent would: only while none runs. Throws StoreError (`locked`: one does). */
  open(configuration: Configuration, ports: Ports): Outbox;
  /** Whether an agent has it now, be it one that cannot be asked. */
  isHeld(dataDir: string): boolean;
  /** Null: there is nobody to ask. Rejects when an agent does not answer. */
  ask(dataDir: string, request: Request, ports: Ports, signal: AbortSignal): Promise<Reply | null>;
  /** Sets the file aside and saves what can be read; only while no agent runs. `isOlder`: it is whole, but an older copy of itself. Throws StoreError. */
  repair(configuration: Configuration, ports: Ports, found: { readonly damage: string; readonly isOlder: boolean }): Repaired;
  /** The event that this destination gets for a record, marked as a replay. */
  event(configuration: Configuration, ports: Ports, epoch: string, destination: string): (record: StoredRecord) => string;
}

export const COMMON: Options = { ...CONFIG, ...JSON_OUTPUT };

export const configured = (parts: BufferParts, args: Arguments, io: Io): Promise<Configuration> => configuration(args.value("config") ?? "", parts.kinds, io);

/** Opens for reading, and closes. */
export async function reading<T>(parts: BufferParts, dataDir: string, work: (reader: BufferReader) => Promise<T>): Promise<T> {
  const reader = parts.read(dataDir);
  try {
    return await work(reader);
  } finally {
    reader.close();
  }
}

/** Asks the agent; a socket that does not answer becomes an error a person can act on. */
export async function asked(parts: BufferParts, configuration: Configuration, request: Request, signal: AbortSignal): Promise<Reply | null> {
  try {
    return await parts.ask(configuration.agent.dataDir, request, parts.ports(), signal);
  } catch (cause) {
    signal.throwIfAborted();
    throw new StoreError("locked", cause instanceof Error ? cause.message : String(cause), { cause });
  }
}

/** A change: by the running agent, or on the buffer itself when none runs. */
export async function changed(parts: BufferParts, settings: Configuration, change: { readonly request: Request; readonly direct: (outbox: Outbox) => Answer }, signal: AbortSignal): Promise<Answer & { readonly by: "agent" | "file" }> {
  const reply = await asked(parts, settings, change.request, signal);
  if (reply !== null) return { ...answerOf(reply), by: "agent" };
  const { dataDir } = settings.agent;
  if (parts.isHeld(dataDir)) throw new StoreError("locked", `an agent runs on ${dataDir} and cannot be asked: it is just starting, or has no control socket (its log says why). Try again; else stop it (systemctl stop cellgate), do this, and start it`);
  const outbox = parts.open(settings, parts.ports());
  try {
    return { ...change.direct(outbox), by: "file" };
  } finally {
    await outbox.close();
  }
}

function answerOf(reply: Reply): Answer {
  if (!reply.ok) return reply;
  const rows = typeof reply.result === "object" && reply.result !== null && "rows" in reply.result ? reply.result.rows : undefined;
  return { ok: true, rows: typeof rows === "number" ? rows : 0 };
}

/** One of `known`, or a UsageError that says which there are. */
export function oneOfNames(name: string, known: readonly string[], what: string): string {
  if (known.includes(name)) return name;
  const near = nearest(name, known);
  throw new UsageError(`there is no ${what} ${JSON.stringify(name)}${near === undefined ? "" : `; did you mean ${near}?`} (${known.length === 0 ? "there is none" : known.join(", ")})`);
}

/** A whole number above 0. Throws UsageError. */
export function wholeNumber(text: string, option: string): number {
  if (/^[1-9]\d{0,15}$/.test(text) && Number.isSafeInteger(Number(text))) return Number(text);
  throw new UsageError(`${option} needs a whole number above 0, not ${JSON.stringify(text)}`);
}
