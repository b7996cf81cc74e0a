/** Opens the store: lock first, then whatever has to be made or set aside, then the one writing connection. */
import { join } from "node:path";
import { DATABASE_NAME, lockDirectory } from "./connection.ts";
import type { StoreOptions } from "./options.ts";
import { prepareDatabase } from "./quarantine.ts";
import { Store } from "./store.ts";
import { storeError } from "./store-error.ts";

export function openStore(options: StoreOptions): Store {
  const lock = lockDirectory(options.dataDir);
  try {
    prepareDatabase(options);
    return new Store(options, lock);
  } catch (cause) {
    lock.release();
    throw storeError(cause, "cannot open the buffer", join(options.dataDir, DATABASE_NAME));
  }
}
