/**
 * For how many days the buffer lasts at the present rate: told when the agent starts (from the rows of the days before),
 * and kept up to date for health. Also tells, once, when more is written than the card allows.
 */
import type { Outbox } from "../../contract/outbox.ts";
import type { Ports } from "../../contract/ports.ts";
import type { BufferSettings } from "../../config/model.ts";
import { daysWords, lasting, reserveBytes, type Lasting } from "./lasting.ts";

export interface EnduranceParts {
  readonly outbox: Outbox;
  readonly ports: Pick<Ports, "network" | "log">;
  readonly dataDir: string;
  readonly buffer: BufferSettings;
}

const LOOK_MS = 3_600_000;
/** Until a rate is known at all. */
const EARLY_MS = 60_000;

export class Endurance {
  readonly #parts: EnduranceParts;
  #lasting: Lasting | null = null;
  #toldAlarm: string | null = null;

  constructor(parts: EnduranceParts) {
    this.#parts = parts;
  }

  /** Null: not known yet. */
  status(): Lasting | null {
    return this.#lasting;
  }

  /** Resolves when the signal aborts. */
  async watch(signal: AbortSignal): Promise<void> {
    const { network, log } = this.#parts.ports;
    this.#look();
    if (this.#lasting === null) log.info({}, "for how long the buffer lasts is not known yet: the records of the last day span less than 10 minutes");
    else log.info({ days: Math.floor(this.#lasting.days * 10) / 10, recordsPerDay: Math.round(this.#lasting.recordsPerDay) }, `without any destination the buffer lasts ${daysWords(this.#lasting.days)} at the rate of the last day`);
    while (!signal.aborted) {
      await network.sleep(this.#lasting === null ? EARLY_MS : LOOK_MS, signal).catch(() => undefined);
      if (!signal.aborted) this.#look();
    }
  }

  #look(): void {
    const { outbox, dataDir, buffer, ports } = this.#parts;
    const status = outbox.status();
    this.#lasting = lasting(outbox, { status, reserveBytes: reserveBytes(dataDir, buffer.keepFree) });
    const alarm = status.wear?.alarm ?? null;
    if (alarm !== null && this.#toldAlarm === null) ports.log.warn({ bytesPerDay: Math.round(status.wear?.bytesPerDay ?? 0) }, alarm);
    this.#toldAlarm = alarm;
  }
}
