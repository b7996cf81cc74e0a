/** Ports for tests: real time, a log that is kept, secrets from a table, chance in the middle. */
import { systemClock } from "../../agent/runtime/time/clock.ts";
import { ConfigError } from "../../agent/contract/errors.ts";
import type { Keep, Log, LogFields, Ports } from "../../agent/contract/ports.ts";
import { monoMs, type Clock } from "../../agent/contract/time.ts";

export interface LogLine {
  readonly level: "debug" | "info" | "warn" | "error";
  readonly fields: LogFields;
  readonly sentence: string;
}
export interface TestPorts extends Ports {
  readonly lines: readonly LogLine[];
}

/** Kept as long as the test holds it. */
export function memoryKeep(): Keep {
  const texts = new Map<string, string>();
  return {
    read: (key) => Promise.resolve(texts.get(key) ?? null),
    write: (key, text) => {
      texts.set(key, text);
      return Promise.resolve();
    },
  };
}

/** `secrets` by file path, variable or credential name. */
export function testPorts(changes: Partial<Ports> = {}, secrets: Readonly<Record<string, string>> = {}): TestPorts {
  const lines: LogLine[] = [];
  const log = (own: LogFields): Log => {
    const at = (level: LogLine["level"]) => (fields: LogFields, sentence: string): void => void lines.push({ level, fields: { ...own, ...fields }, sentence });
    return { debug: at("debug"), info: at("info"), warn: at("warn"), error: at("error"), child: (fields) => log({ ...own, ...fields }) };
  };
  return {
    clock: systemClock(1),
    network: systemClock(1),
    log: log({}),
    random: () => 0.5,
    secret(reference) {
      const place = Object.values(reference)[0] ?? "";
      const secret = secrets[place];
      return secret === undefined ? Promise.reject(new ConfigError([`no secret at ${place}`])) : Promise.resolve(secret);
    },
    ...changes,
    lines,
  };
}

/** Real time that a test can put forward. */
export function leapingClock(): { readonly network: Clock; readonly leap: (ms: number) => void } {
  const real = systemClock();
  let laterMs = 0;
  return {
    network: { ...real, now: () => ({ ...real.now(), monoMs: monoMs(real.now().monoMs + laterMs) }) },
    leap: (ms) => void (laterMs += ms),
  };
}
