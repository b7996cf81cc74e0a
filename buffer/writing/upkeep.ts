/** What the buffer does about its size, in one place: lets go of old rows, keeps within its room, remembers how long ago brokers had what. */
import type { Clock } from "../../agent/contract/time.ts";
import type { Books } from "../ledger/books.ts";
import type { Chain } from "../chain/chain.ts";
import type { Parts } from "../room/eviction.ts";
import { Healing } from "../room/healing.ts";
import { carryLog, logState } from "../ledger/log-sync.ts";
import type { StoreOptions } from "../options.ts";
import { Retention } from "../room/retention.ts";
import { Room } from "../room/room.ts";
import { PAGE_BYTES } from "../ledger/schema.ts";
import type { Space } from "../room/space.ts";
import { faultOf } from "../store-error.ts";

const DEFAULT_HEAL_WINDOW_MS = 72 * 3_600_000;
const CARRY_PAGES = 1_000;
/** Under load the log grows to this many times the above before a commit has to wait for it to be carried. */
const CARRY_LATEST = 4;

export class Upkeep {
  readonly #clock: Clock;
  readonly #carryPages: number;
  readonly #retention: Retention;
  readonly #room: Room;
  readonly #healing: Healing;
  readonly #current: () => Omit<Parts, "healed">;

  constructor(options: StoreOptions, current: () => Omit<Parts, "healed">) {
    this.#clock = options.clock;
    this.#carryPages = options.carryPages ?? CARRY_PAGES;
    this.#retention = new Retention(options);
    this.#room = new Room(options, PAGE_BYTES);
    this.#healing = new Healing(options.healWindowMs ?? DEFAULT_HEAL_WINDOW_MS, options.clock);
    this.#current = current;
  }

  get room(): { readonly budgetBytes: number; readonly freeBytes: number | null } {
    return { budgetBytes: this.#room.limitBytes, freeBytes: this.#room.freeBytes };
  }
  /** When the buffer is opened. */
  load({ standing, rows }: Books, chains: readonly Chain[]): void {
    this.#healing.load(standing, chains, this.#clock.now().unixMs);
    for (const chain of chains) chain.meanBytes = rows.meanBytes(chain);
  }
  /** On a new connection. */
  look(space: Space): void {
    this.#room.look(space, true);
  }
  /** Inside the transaction of a group. */
  note({ standing }: Books, chains: readonly Chain[]): void {
    this.#healing.note(standing, chains, this.#clock.now().unixMs);
  }
  /** After a write. True when something was written. */
  keepRoom(): boolean {
    return this.#room.keep(this.#parts());
  }
  /** A write found no room: true when some was made. */
  makeRoom(): boolean {
    const parts = this.#parts();
    return this.#room.make(parts, () => carryLog(parts.books.ledger.db));
  }
  /** After a sync: carries the log, if nothing waits to be written, and deletes a slice of what every destination has had long enough. True when rows were given up. */
  tidy(isIdle: boolean): boolean {
    const parts = this.#parts();
    const { frames, carried } = logState(parts.books.ledger.db);
    let isChanged = false;
    if (frames - carried >= (isIdle || this.#room.isTight ? 1 : CARRY_LATEST) * this.#carryPages) isChanged = this.#carry(parts);
    this.#retention.slice(parts, this.#room.isHalfFull(parts.space));
    this.#room.keepBallast(isIdle);
    return isChanged;
  }

  /** The log stays whole when the database finds no room for it. */
  #carry({ books }: Parts): boolean {
    try {
      carryLog(books.ledger.db);
      return false;
    } catch (cause) {
      if (faultOf(cause) !== "full" || !this.makeRoom()) throw cause;
      return true;
    }
  }

  #parts(): Parts {
    const { unixMs } = this.#clock.now();
    return { ...this.#current(), healed: (chain) => this.#healing.through(chain, unixMs) };
  }
}
