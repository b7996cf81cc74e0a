/** Opens the store: lock first, then whatever has to be made, set aside or extended, then the one writing connection. */
import { join } from "node:path";
import { DATABASE_NAME, lockDirectory } from "./ledger/connection.ts";
import { migrate } from "./ledger/migrate.ts";
import type { StoreOptions } from "./options.ts";
import { markDamaged, prepareDatabase } from "./damage/quarantine.ts";
import { noteLife, Opening } from "./damage/older.ts";
import { Store } from "./store.ts";
import { faultOf, storeError } from "./store-error.ts";

/** SQLite tells a read that fails as damage. */
const TRIES = 2;

export interface OpenedStore {
  readonly store: Store;
  /** The process before us did not close the file. */
  readonly wasLeftOpen: boolean;
  readonly opening: Opening;
}

export function openStore(options: StoreOptions): OpenedStore {
  const lock = lockDirectory(options.dataDir);
  const path = join(options.dataDir, DATABASE_NAME);
  try {
    for (let tries = 1; ; tries++) {
      try {
        return prepared(options, lock);
      } catch (cause) {
        if (faultOf(cause) !== "corrupt" || tries > TRIES) throw cause;
        // Met again it is damage, where the first look does not go: as if it had been found there.
        if (tries === TRIES) markDamaged(options, cause instanceof Error ? cause.message : String(cause));
      }
    }
  } catch (cause) {
    lock.release();
    throw storeError(cause, "cannot open the buffer", path);
  }
}

function prepared(options: StoreOptions, lock: { release(): void }): OpenedStore {
  const { wasLeftOpen, held } = prepareDatabase(options);
  migrate(options);
  const store = new Store(options, lock);
  return { store, wasLeftOpen, opening: new Opening(store.epoch, held, (life) => store.noted((ledger) => noteLife(ledger, life, held ?? 0))) };
}
