/** Sets a damaged buffer aside by hand, as the agent does at its start when it meets the damage itself; only while none runs. */
import { join } from "node:path";
import type { Repaired } from "../../agent/contract/buffer-reader.ts";
import { InvariantError } from "../../agent/contract/errors.ts";
import { DATABASE_NAME, lockDirectory } from "../ledger/connection.ts";
import type { StoreOptions } from "../options.ts";
import { markDamaged, prepareDatabase } from "../damage/quarantine.ts";
import { storeError } from "../store-error.ts";

/** `isOlder`: an older copy of itself, all of whose numbers may name other rows. Throws StoreError; `locked` when an agent runs. */
export function repairBuffer(options: StoreOptions, { damage, isOlder }: { readonly damage: string; readonly isOlder: boolean }): Repaired {
  const lock = lockDirectory(options.dataDir);
  try {
    // What was found further back than a start looks must be believed.
    markDamaged(options, damage, isOlder ? 0 : null);
    const { replaced } = prepareDatabase(options);
    if (replaced === null) throw new InvariantError("a buffer marked as damaged was not set aside");
    const { folder, saved } = replaced;
    return { folder, lostEpoch: saved.epoch, savedRows: saved.rows, savedCheckpoints: saved.checkpoints, lost: saved.lost };
  } catch (cause) {
    if (cause instanceof InvariantError) throw cause;
    throw storeError(cause, "cannot repair the buffer", join(options.dataDir, DATABASE_NAME));
  } finally {
    lock.release();
  }
}
