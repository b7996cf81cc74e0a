/**
 * A buffer that was damaged while running has set itself aside: the epoch is another, and every number, cursor and
 * connection of the old one is void. So the whole agent is put together again, in the same process, on the new file.
 * A second time within AGAIN_MS is more than a damaged file: then the process ends with the error, and the init system
 * restarts it.
 */
import { StoreError } from "../contract/errors.ts";
import type { Ports } from "../contract/ports.ts";

const AGAIN_MS = 60_000;

/** `run` puts the agent together and works; again whenever its buffer was replaced. */
export async function whileReplaced({ network, log }: Pick<Ports, "network" | "log">, run: () => Promise<void>): Promise<void> {
  for (let lastMono = -Infinity; ;) {
    try {
      return await run();
    } catch (cause) {
      const now = network.now().monoMs;
      if (!(cause instanceof StoreError) || cause.fault !== "replaced" || now - lastMono < AGAIN_MS) throw cause;
      lastMono = now;
      log.warn({ reason: cause.message }, "the agent starts again on a new buffer");
    }
  }
}
