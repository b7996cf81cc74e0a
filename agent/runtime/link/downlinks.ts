/**
 * What a destination's broker sends us: a bridge's `confirm` and `replay`, and a `cmd` from a closed list. All of it is a
 * hint or a request from a stranger (design.md §5.3): bounded in size, rate and depth before it is parsed, of one exact
 * shape, and never more than counted when it is wrong. What a second of hostile messages costs is what the rates allow.
 *
 * A confirm beyond its rate waits and replaces the one that waited: the newest says it all. Others beyond theirs are refused.
 */
import { DOWNLINK_KINDS, type Downlink, type DownlinkKind } from "../../contract/destination.ts";
import { DOWNLINK_BODIES, type COMMANDS } from "../../contract/downlinks.ts";
import type { Answer, Outbox } from "../../contract/outbox.ts";
import type { Ports } from "../../contract/ports.ts";
import { decode, inWords, type Shape } from "../../contract/shape.ts";
import { Allowance } from "./pacing.ts";

export type Commands = Readonly<Record<(typeof COMMANDS)[number], () => void>>;

export interface DownlinkParts {
  /** Name of the destination it came through. */
  readonly destination: string;
  readonly outbox: Pick<Outbox, "confirm" | "replay">;
  readonly commands: Commands;
  readonly ports: Pick<Ports, "network" | "log">;
}
export interface DownlinkStatus {
  readonly accepted: Readonly<Record<DownlinkKind, number>>;
  readonly refused: Readonly<Record<DownlinkKind, number>>;
  /** Why, the newest last; equal ones once. */
  readonly lastRefusals: readonly string[];
  /** The bridge confirmed a row that never left, in words: not believed, but a person should know. */
  readonly warning?: string;
}

const LARGEST = 16 * 1024;
const DEEPEST = 8;
const RATES: Readonly<Record<DownlinkKind, { readonly perSecond: number; readonly burst: number }>> = {
  confirm: { perSecond: 10, burst: 50 },
  replay: { perSecond: 0.1, burst: 5 },
  cmd: { perSecond: 1, burst: 1 },
};
const REFUSALS_KEPT = 5;
const REASON_LENGTH = 200;

export class Downlinks {
  readonly #parts: DownlinkParts;
  readonly #allowed: Readonly<Record<DownlinkKind, Allowance>>;
  readonly #accepted = { confirm: 0, replay: 0, cmd: 0 };
  readonly #refused = { confirm: 0, replay: 0, cmd: 0 };
  readonly #reasons: string[] = [];
  #neverSent: number | null = null;
  #confirm: Uint8Array | null = null;
  #cancel: (() => void) | null = null;

  constructor(parts: DownlinkParts) {
    this.#parts = parts;
    const allowance = (kind: DownlinkKind): Allowance => new Allowance(RATES[kind], parts.ports.network);
    this.#allowed = { confirm: allowance("confirm"), replay: allowance("replay"), cmd: allowance("cmd") };
  }

  readonly take: Downlink = (kind, payload) => {
    if (!DOWNLINK_KINDS.includes(kind)) return;
    if (payload.byteLength > LARGEST) return this.#refuse(kind, `${payload.byteLength} bytes, more than ${LARGEST}`);
    if (this.#allowed[kind].take(1) === 1) return this.#read(kind, payload);
    if (kind !== "confirm") return this.#refuse(kind, `more often than ${RATES[kind].perSecond} a second`);
    this.#confirm = Uint8Array.from(payload);
    this.#cancel ??= this.#parts.ports.network.after(this.#allowed.confirm.waitMs(), () => {
      const waited = this.#confirm;
      this.#cancel = this.#confirm = null;
      if (waited !== null) this.take("confirm", waited);
    });
  };

  status(): DownlinkStatus {
    const warning = this.#neverSent === null ? {} : {
      warning: `The bridge confirmed row ${this.#neverSent} of this buffer, which had not been sent: it, or a stranger on its topic, is wrong, or the buffer is an older copy of itself (put back, or lost by its medium). If it may be that: stop the agent and run cellgate buffer repair --older.`,
    };
    return { accepted: { ...this.#accepted }, refused: { ...this.#refused }, lastRefusals: [...this.#reasons], ...warning };
  }
  stop(): void {
    this.#cancel?.();
  }

  #read(kind: DownlinkKind, payload: Uint8Array): void {
    try {
      const answer = this.#obey(kind, parsed(payload));
      if (answer.ok) this.#accepted[kind] += 1;
      else this.#refuse(kind, answer.reason);
      if (!answer.ok && answer.neverSent !== undefined) this.#neverSent = answer.neverSent;
    } catch (cause) {
      this.#refuse(kind, cause instanceof Error ? cause.message : String(cause));
    }
  }

  #obey(kind: DownlinkKind, message: unknown): Answer {
    const { destination, outbox, commands } = this.#parts;
    switch (kind) {
      case "confirm": return shaped(DOWNLINK_BODIES.confirm, message, (asked) => this.#ours(asked.destination) ?? outbox.confirm(destination, asked.epoch, asked.through));
      case "replay": return shaped(DOWNLINK_BODIES.replay, message, (asked) => this.#ours(asked.destination ?? destination) ?? inOrder(asked) ?? outbox.replay(destination, asked.epoch, asked.from, asked.to));
      case "cmd": return shaped(DOWNLINK_BODIES.cmd, message, ({ verb }) => {
        commands[verb]();
        return { ok: true, rows: 0 };
      });
    }
  }
  #ours(named: string): Answer | null {
    return named === this.#parts.destination ? null : { ok: false, reason: `it names the destination ${JSON.stringify(named)}, and came through ${this.#parts.destination}` };
  }

  /** Told at the first, the tenth, the hundredth: what repeats is counted. */
  #refuse(kind: DownlinkKind, words: string): void {
    const reason = plain(`${kind}: ${words}`);
    const refused = (this.#refused[kind] += 1);
    if (this.#reasons.at(-1) !== reason) {
      const known = this.#reasons.indexOf(reason);
      if (known >= 0) this.#reasons.splice(known, 1);
      this.#reasons.push(reason);
      if (this.#reasons.length > REFUSALS_KEPT) this.#reasons.shift();
    }
    if (/^10*$/.test(String(refused))) this.#parts.ports.log.warn({ kind, reason, refused }, "a message from the broker was refused; what follows is counted");
  }
}

function shaped<T>(shape: Shape<T>, message: unknown, then: (asked: T) => Answer): Answer {
  const decoded = decode(shape, message);
  return decoded.ok ? then(decoded.value) : { ok: false, reason: decoded.problems.slice(0, 3).map(inWords).join("; ") };
}
const inOrder = ({ from, to }: { readonly from: number; readonly to: number }): Answer | null => (from <= to ? null : { ok: false, reason: `from ${from} lies behind to ${to}` });

function parsed(payload: Uint8Array): unknown {
  if (depthOf(payload) > DEEPEST) throw new Error(`nested deeper than ${DEEPEST}`);
  return JSON.parse(new TextDecoder("utf-8", { fatal: true }).decode(payload));
}
/** Brackets open at once, those within texts not counted: seen before anything is built of them. */
function depthOf(json: Uint8Array): number {
  let [depth, deepest, isText] = [0, 0, false];
  for (let at = 0; at < json.length; at++) {
    const byte = json[at];
    if (isText && byte === 0x5c) at++; // A backslash: what it escapes says nothing.
    else if (byte === 0x22) isText = !isText;
    else if (isText) continue;
    else if (byte === 0x5b || byte === 0x7b) deepest = Math.max(deepest, ++depth);
    else if (byte === 0x5d || byte === 0x7d) depth--;
  }
  return deepest;
}

/** For a log and a page: no control or direction marks, no half characters, of a bounded length. */
const plain = (words: string): string => words.slice(0, REASON_LENGTH).toWellFormed().replaceAll(/\p{C}/gu, "?");
