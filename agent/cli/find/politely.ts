/** Work that is told to stop may say goodbye to its controls, but nobody waits long for it: Ctrl-C ends a command within a second. */
import type { Clock } from "../../contract/time.ts";

const GOODBYE_MS = 800;

/** What `work` gives; after an abort its end, or the signal's reason when it takes too long. */
export async function politely<T>(work: Promise<T>, network: Clock, signal: AbortSignal): Promise<T> {
  const { promise: late, reject } = Promise.withResolvers<never>();
  let cancel = (): void => undefined;
  const stop = (): void => { cancel = network.after(GOODBYE_MS, () => { reject(signal.reason); }); };
  if (signal.aborted) stop();
  else signal.addEventListener("abort", stop, { once: true });
  try {
    return await Promise.race([work, late]);
  } finally {
    cancel();
    signal.removeEventListener("abort", stop);
    work.catch(() => undefined);
  }
}
