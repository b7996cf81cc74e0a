/**
 * One source on its bus: on each poll the devices that are due are read, block by block, and what changed is given. A
 * block that a device refuses is split once; a point that it refuses is left alone for a minute; a unit that does not
 * answer is left to rest, its values unknown, while the others are read on. The link counts as lost when none answers.
 */
import { LinkError } from "../../agent/contract/errors.ts";
import type { Batch, Cursor, Reading } from "../../agent/contract/observation.ts";
import type { Ports } from "../../agent/contract/ports.ts";
import type { Session } from "../../agent/contract/source.ts";
import type { Described } from "../../agent/contract/survey.ts";
import { Changes } from "../shared/changes.ts";
import { pointReading, type Raw } from "../shared/points.ts";
import { polls } from "../shared/poll.ts";
import type { Answer } from "./bus.ts";
import type { Lent } from "./buses.ts";
import type { Device, ModbusConfig } from "./config.ts";
import { decodeBit, decodeRegisters, registersOf } from "./decode.ts";
import { exceptionOf } from "./exceptions.ts";
import { planReads, splitBlock, type Block } from "./plan.ts";
import type { ModbusPoint } from "./point-shape.ts";
import { isBits } from "./tables.ts";

/** What is wrong with the configuration is not mended by asking again soon. */
const REFUSED_REST_MS = 60_000;

interface Planned {
  readonly block: Block;
  /** Not asked before, on the network's clock. */
  readonly notBeforeMs: number;
  /** When the read began that last gave its values, on the agent's clock; null before the first. */
  readonly readMs: number | null;
  /** Refused when it was asked last. */
  readonly why?: string;
}
interface Reader {
  readonly device: Device;
  blocks: readonly Planned[];
  /** Turn of the polls at which it is due. */
  dueTurn: number;
}
/** What one block gave, and when it was last read before. */
interface Looked {
  readonly readings: readonly Reading[];
  readonly beforeMs: number | null;
}

export class BusSession implements Session {
  readonly #config: ModbusConfig;
  readonly #ports: Ports;
  readonly #lent: Lent;
  readonly #readers: readonly Reader[];
  /** At most one for each block and exception, and one for its silence. */
  readonly #saidRefusals = new Set<string>();

  constructor(config: ModbusConfig, ports: Ports, lent: Lent) {
    this.#config = config;
    this.#ports = ports;
    this.#lent = lent;
    this.#readers = config.devices.map((device) => ({ device, dueTurn: 0, blocks: planReads(device.points, device).map((block) => ({ block, notBeforeMs: 0, readMs: null })) }));
  }

  get peer(): string {
    const units = [...new Set(this.#config.devices.map(({ unit }) => unit))];
    return `${this.#lent.bus.where}, unit${units.length === 1 ? "" : "s"} ${units.join(", ")}`;
  }

  describe(): Described {
    const { bus } = this.#lent;
    const refused = this.#readers.flatMap(({ device: { unit }, blocks }) => blocks.flatMap(({ block: { points }, why = bus.units.resting(unit) }) =>
      (why === null ? [] : points.map((point) => ({ what: `${point.signal} (${itemOf(unit, point)})`, why })))));
    return { facts: { bus: bus.where, units: [...new Set(this.#config.devices.map(({ unit }) => unit))].join(", "), values: String(this.#config.devices.reduce((sum, { points }) => sum + points.length, 0)) }, refused };
  }

  close(): Promise<void> {
    return this.#lent.release();
  }

  async *read(_from: Cursor | null, signal: AbortSignal): AsyncGenerator<Batch> {
    // Ends with the signal, or with the connection, also between two polls: nothing is known from then on.
    const link = new AbortController();
    const stop = (): void => { link.abort(signal.reason); };
    signal.addEventListener("abort", stop, { once: true });
    const forget = this.#lent.bus.whenLost((error) => { link.abort(error); });
    try {
      signal.throwIfAborted();
      yield* this.#poll(link.signal);
    } catch (cause) {
      if (!signal.aborted) throw cause;
    } finally {
      forget();
      signal.removeEventListener("abort", stop);
    }
  }

  async *#poll(signal: AbortSignal): AsyncGenerator<Batch> {
    const changes = new Changes();
    const { intervalMs } = this.#config;
    const { clock } = this.#ports;
    for await (const { turn } of polls(intervalMs, clock, signal)) {
      const looks: Looked[] = [];
      for (const reader of this.#readers.filter(({ dueTurn }) => turn >= dueTurn)) {
        reader.dueTurn = turn + Math.max(1, Math.round(reader.device.intervalMs / intervalMs));
        looks.push(...await this.#readDevice(reader, signal));
      }
      await this.#checkLink(signal);
      // They are dated now. What changed may have done so since the read before began that gave a value.
      const nowMs = clock.now().monoMs;
      yield { items: looks.flatMap(({ readings, beforeMs }) => changes.of(readings, beforeMs === null ? undefined : Math.ceil(nowMs - beforeMs))), caughtUp: true };
      await this.#askResting(signal);
    }
  }

  async #readDevice(reader: Reader, signal: AbortSignal): Promise<readonly Looked[]> {
    const looks: Looked[] = [];
    const next: Planned[] = [];
    // Places in `next` that were met with silence while the unit may be well: some devices say nothing where they should refuse.
    const mute: number[] = [];
    let hasAnswered = false;
    // What is found out on the way (a split) is read at once.
    const left = [...reader.blocks];
    for (let planned = left.shift(); planned !== undefined; planned = left.shift()) {
      const { block, readMs } = planned;
      const beganMs = this.#ports.clock.now().monoMs;
      const isResting = this.#lent.bus.units.resting(reader.device.unit) !== null || this.#nowMs() < planned.notBeforeMs;
      const answer = isResting ? null : await this.#ask(reader.device, block, signal);
      hasAnswered ||= answer !== null && answer.kind !== "silent" && this.#lent.bus.units.resting(reader.device.unit) === null;
      const split = answer?.kind === "refused" && exceptionOf(answer.exception).kind === "configuration" && block.points.length > 1 ? splitBlock(block) : [];
      if (split.length > 1) {
        this.#ports.log.info({ bus: this.#lent.bus.where, unit: reader.device.unit, table: block.table, address: block.address, count: block.count }, "the device refuses a block of registers: they are read one by one; gap: 0 or max_block may spare that");
        left.unshift(...split.map((one) => ({ block: one, notBeforeMs: 0, readMs })));
        continue;
      }
      if (answer?.kind === "silent") {
        if (hasAnswered || (readMs === null && mute.length === 0 && left.some(({ notBeforeMs }) => this.#nowMs() >= notBeforeMs))) mute.push(next.length);
        else this.#silent(reader.device.unit, answer.why, answer.costMs);
      }
      next.push(answer?.kind === "refused" ? this.#refused(reader.device, planned, answer.exception) : answer === null ? planned : { block, notBeforeMs: 0, readMs: answer.kind === "data" ? beganMs : readMs });
      looks.push({ readings: readingsOf(reader.device, block, answer), beforeMs: readMs });
    }
    reader.blocks = hasAnswered ? next.map((planned, index) => (mute.includes(index) ? this.#leftAlone(reader.device, planned) : planned)) : next;
    return looks;
  }

  async #ask({ unit }: Device, { table, address, count }: Block, signal: AbortSignal): Promise<Answer> {
    const { bus } = this.#lent;
    const beganMs = this.#nowMs();
    const answer = await bus.ask({ unit, table, address, count }, this.#config, signal);
    // Silence may be about this block alone: the caller judges. A gateway has waited for it as long as we would have.
    if (answer.kind === "refused" && exceptionOf(answer.exception).kind === "absent") this.#silent(unit, exceptionOf(answer.exception).words, this.#nowMs() - beganMs);
    else if (answer.kind !== "silent") bus.units.answered(unit);
    return answer;
  }

  #leftAlone({ unit }: Device, { block, readMs }: Planned): Planned {
    const silence = `${unit} ${block.table} ${block.address} silent`;
    if (!this.#saidRefusals.has(silence)) this.#ports.log.warn({ bus: this.#lent.bus.where, unit, table: block.table, address: block.address, count: block.count }, "the device is silent about a value and answers others: it stays unknown");
    this.#saidRefusals.add(silence);
    return { block, notBeforeMs: this.#nowMs() + REFUSED_REST_MS, readMs, why: "it answers others, and is silent about this" };
  }

  #silent(unit: number, why: string, costMs: number): void {
    const { bus } = this.#lent;
    if (bus.units.silent(unit, { nowMs: this.#nowMs(), costMs, why })) this.#ports.log.warn({ bus: bus.where, unit, reason: why }, "a unit does not answer: its values are unknown, and it is asked again at longer and longer intervals");
  }

  #refused({ unit }: Device, { block, readMs, why }: Planned, exception: number): Planned {
    const { kind, words } = exceptionOf(exception);
    if (kind === "absent") return { block, notBeforeMs: 0, readMs };
    if (kind === "passing") {
      // It may come and go with each poll: said once, and shown while it lasts.
      const refusal = `${unit} ${block.table} ${block.address} ${exception}`;
      if (!this.#saidRefusals.has(refusal)) this.#ports.log.warn({ bus: this.#lent.bus.where, unit, table: block.table, address: block.address, count: block.count, exception, reason: words }, "the device gives no value for now: it is unknown, and asked again with each poll");
      this.#saidRefusals.add(refusal);
      return { block, notBeforeMs: 0, readMs, why: words };
    }
    if (why !== words) this.#ports.log.warn({ bus: this.#lent.bus.where, unit, table: block.table, address: block.address, count: block.count, exception, reason: words }, "the device refuses a value: it stays unknown");
    return { block, notBeforeMs: this.#nowMs() + REFUSED_REST_MS, readMs, why: words };
  }

  /** Units whose rest is over are asked once, after the others were read; what they say is used from the next poll on. */
  async #askResting(signal: AbortSignal): Promise<void> {
    const { bus } = this.#lent;
    for (const { device, blocks } of this.#readers) {
      // One that was answered before, if there is any.
      const asked = blocks.find(({ readMs }) => readMs !== null) ?? blocks[0];
      if (asked === undefined || !bus.units.isDue(device.unit, this.#nowMs())) continue;
      const answer = await this.#ask(device, asked.block, signal);
      if (answer.kind === "silent") this.#silent(device.unit, answer.why, answer.costMs);
      if (bus.units.resting(device.unit) === null) this.#ports.log.info({ bus: bus.where, unit: device.unit }, "the unit answers again");
    }
  }

  /** Lost when no unit answers. Where others still do, on behalf of another source, it is not asked again before its rest is over. */
  async #checkLink(signal: AbortSignal): Promise<void> {
    const { bus } = this.#lent;
    const units = [...new Set(this.#readers.map(({ device }) => device.unit))];
    const allRest = (): boolean => units.every((unit) => bus.units.resting(unit) !== null);
    if (allRest()) await this.#askResting(signal);
    if (!allRest()) return;
    const afterMs = Math.min(...units.map((unit) => bus.units.restLeftMs(unit, this.#nowMs())));
    const why = bus.units.resting(units[0] ?? 0) ?? "";
    throw new LinkError("timeout", bus.units.someAnswer ? { afterMs } : "backoff", `${bus.where}: no unit answers (${units.join(", ")}): ${why}; check power, wiring and the unit's number`);
  }

  #nowMs(): number {
    return this.#lent.bus.network.now().monoMs;
  }
}

/** All points of a block, known or not. */
function readingsOf({ unit }: Device, { table, address, points }: Block, answer: Answer | null): readonly Reading[] {
  return points.map((point) => pointReading(point, itemOf(unit, point), answer?.kind === "data" ? rawOf(point, answer.bytes, point.address - address) : null));

  function rawOf(point: ModbusPoint, bytes: Uint8Array, offset: number): Raw | null {
    if (isBits(table)) return decodeBit(bytes, offset);
    return decodeRegisters(bytes.subarray(2 * offset, 2 * (offset + registersOf(point.type, point.length))), { ...point, order: point.order ?? "ABCD" });
  }
}

/** `1/holding/12`, `1/holding/12.3`; alarms of one register are told apart by their codes: each is a set of its own. */
const itemOf = (unit: number, { table, address, bit, alarm }: ModbusPoint): string =>
  `${unit}/${table}/${address}${bit === undefined ? "" : `.${bit}`}${alarm === undefined ? "" : ` ${alarm.code}`}`;
