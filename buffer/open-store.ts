/** Opens the store: lock first, then whatever has to be made, set aside or extended, then the one writing connection. */
import { join } from "node:path";
import { DATABASE_NAME, lockDirectory } from "./connection.ts";
import { migrate } from "./migrate.ts";
import type { StoreOptions } from "./options.ts";
import { prepareDatabase } from "./quarantine.ts";
import { Store } from "./store.ts";
import { storeError } from "./store-error.ts";

export interface OpenedStore {
  readonly store: Store;
  /** The process before us did not close the file. */
  readonly wasLeftOpen: boolean;
}

export function openStore(options: StoreOptions): OpenedStore {
  const lock = lockDirectory(options.dataDir);
  try {
    const { wasLeftOpen } = prepareDatabase(options);
    migrate(options);
    return { store: new Store(options, lock), wasLeftOpen };
  } catch (cause) {
    lock.release();
    throw storeError(cause, "cannot open the buffer", join(options.dataDir, DATABASE_NAME));
  }
}
