/** Waits for something that goes on without us: until it is there, or the signal aborts. Leaves no listener behind. */
export async function during<T>(waited: Promise<T>, signal: AbortSignal): Promise<T> {
  signal.throwIfAborted();
  const { promise, reject } = Promise.withResolvers<never>();
  const stop = (): void => { reject(signal.reason); };
  signal.addEventListener("abort", stop, { once: true });
  try {
    return await Promise.race([waited, promise]);
  } finally {
    signal.removeEventListener("abort", stop);
  }
}
