/**
 * Errors by who acts: the technician (ConfigError), the network or device (LinkError), the disk (StoreError), us
 * (InvariantError). Each has a stable `code`; switch on it, never on the text. The text says what happened, where, and
 * what to do.
 */

export type Fault = "unreachable" | "refused" | "timeout" | "lost" | "protocol" | "unsupported" | "internal";
export type Retry = "backoff" | "never" | { readonly afterMs: number };

/** A link to a source or a destination could not be made or was lost. `retry` tells the supervisor what to do next. */
export class LinkError extends Error {
  override readonly name = "LinkError";
  readonly code = "link";
  readonly fault: Fault;
  readonly retry: Retry;
  constructor(fault: Fault, retry: Retry, message: string, options?: ErrorOptions) {
    super(message, options);
    this.fault = fault;
    this.retry = retry;
  }
}

/** No connection came about: what was sent over one cannot have been the reason. */
export class NoConnectionError extends LinkError {}

/** The configuration cannot be used; `problems` are already formatted for people, one text per problem. */
export class ConfigError extends Error {
  override readonly name = "ConfigError";
  readonly code = "config";
  readonly problems: readonly string[];
  constructor(problems: readonly string[], options?: ErrorOptions) {
    super(problems.join("\n"), options);
    this.problems = problems;
  }
}

export type StoreFault = "full" | "io" | "corrupt" | "read-only" | "newer-version" | "locked" | "closed" | "replaced";

/** The buffer on disk failed. Nothing that was reported stored is lost by it; `fault` selects the recovery. */
export class StoreError extends Error {
  override readonly name = "StoreError";
  readonly code = "store";
  readonly fault: StoreFault;
  constructor(fault: StoreFault, message: string, options?: ErrorOptions) {
    super(message, options);
    this.fault = fault;
  }
}

/** Something we hold to be impossible happened: our bug. The text states the broken invariant. */
export class InvariantError extends Error {
  override readonly name = "InvariantError";
  readonly code = "invariant";
}
