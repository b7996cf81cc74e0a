/**
 * The sources this agent holds, for `cellgate probe` and `cellgate discover`: a control has few slots, so that whoever wants
 * to know something of one asks us, and opens no connection of his own.
 */
import type { SourceSettings } from "../../config/model.ts";
import type { Board } from "../../contract/destination.ts";
import type { Ports } from "../../contract/ports.ts";
import type { Address, Described, RegisterQuestion, RegisterReadings } from "../../contract/survey.ts";
import { rfc3339 } from "../../contract/time.ts";
import type { MachineStatus } from "../machine/machine-status.ts";
import { linkOf } from "./health.ts";

/** What is known of a source beside its driver. */
export interface SourceLook {
  /** For people. */
  readonly summary: string;
  /** Null: its kind does not say. */
  readonly address: Address | null;
  /** Over the connection that the source has; null: its kind has no registers. */
  registers(question: RegisterQuestion, ports: Ports, signal: AbortSignal): Promise<RegisterReadings | null>;
}
interface Held {
  readonly machine: { readonly id: string; status(): MachineStatus };
  readonly source: SourceSettings;
  readonly look: SourceLook;
  readonly ports: Ports;
}
/** What the verb `sources` answers with, one for each. */
export interface HeldSource {
  readonly machine: string;
  readonly source: string;
  readonly kind: string;
  readonly summary: string;
  readonly address: Address | null;
  readonly link: object;
  readonly lastDataAt: string | null;
  /** Null: the link is not up, or its kind does not say. */
  readonly described: Described | null;
  /** Live values by name: {value, at}. */
  readonly values: Readonly<Record<string, object>>;
}

/** A unit that is silent answers nothing in time: whoever asks is told so before his own patience ends. */
const PATIENCE_MS = 4_000;

export class HeldSources {
  readonly #all: readonly Held[];
  readonly #board: Pick<Board, "all">;
  readonly #signal: AbortSignal;

  /** `signal`: the agent's, for what is asked of a device. */
  constructor(all: readonly Held[], board: Pick<Board, "all">, signal: AbortSignal) {
    this.#all = all;
    this.#board = board;
    this.#signal = signal;
  }

  list(): readonly HeldSource[] {
    return this.#all.map(({ machine, source, look }): HeldSource => {
      const { link, lastBatchAt } = machine.status();
      return {
        machine: machine.id, source: source.name, kind: source.kind, summary: look.summary, address: look.address,
        link: linkOf(link), lastDataAt: lastBatchAt === null ? null : rfc3339(lastBatchAt),
        described: link.state === "up" ? link.describe?.() ?? null : null,
        values: Object.fromEntries(this.#board.all().flatMap((value) => (value.scope === "live" && value.machine === machine.id ? [[value.name, value.payload] as const] : []))),
      };
    });
  }

  /** Rejects with what a person should know. */
  async registers(machine: string, question: RegisterQuestion): Promise<RegisterReadings> {
    const held = this.#all.find((one) => one.machine.id === machine);
    if (held === undefined) throw new Error(`there is no machine ${JSON.stringify(machine)}; there ${this.#all.length === 1 ? "is" : "are"} ${this.#all.map((one) => one.machine.id).join(", ")}`);
    const deadline = held.ports.network.deadline(PATIENCE_MS, this.#signal);
    try {
      const read = await held.look.registers(question, held.ports, deadline.signal);
      if (read === null) throw new Error(`machine ${machine} is read by ${held.source.kind}, which has no registers`);
      return read;
    } catch (cause) {
      throw deadline.signal.aborted ? new Error(`machine ${machine}: no answer within ${PATIENCE_MS / 1_000} s`, { cause }) : cause;
    } finally {
      deadline.clear();
    }
  }
}
