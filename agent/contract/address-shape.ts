/**
 * The shape of a peer's address, `SCHEME://HOST[:PORT][/PATH]`: without user name, password, query or fragment, and one
 * to which a connection can be tried. A host that no name or number fits (`${HOST}` is not expanded) is a problem here
 * and not an endless wait later.
 */
import { fail, INVALID, type Shape } from "./shape.ts";
import { text } from "./shapes.ts";

interface AddressOptions {
  /** One pattern for all schemes: "https?". */
  readonly schemes: string;
  /** Whether a path may follow. A lone slash always may. */
  readonly path: boolean;
  readonly description: string;
  /** Says in words what the whole looks like. */
  readonly expected: string;
}

const NAME = /^[\p{L}\p{N}_](?:[\p{L}\p{N}_.-]*[\p{L}\p{N}_.])?$/u;

/** Decodes to the text itself. */
export function address({ schemes, path, description, expected }: AddressOptions): Shape<string> {
  const whole = text({ description, pattern: new RegExp(`^${schemes}://(\\[[0-9a-fA-F:.]+\\]|[^\\s/@:?#[\\]]+)(:\\d+)?(/${path ? "[^\\s?#]*" : ""})?$`), expected });
  return {
    schema: whole.schema,
    read(value, at, problems) {
      const read = whole.read(value, at, problems);
      if (read === INVALID) return INVALID;
      const [, host = "", port] = /:\/\/(\[[^\]]*\]|[^:/]*)(?::(\d+))?/.exec(read) ?? [];
      if (port !== undefined && !(Number(port) >= 1 && Number(port) <= 65_535)) return fail(problems, { path: at, on: "value", found: `the port ${port.slice(0, 20)}`, expected: "a port from 1 to 65535" });
      // Under http the platform's parser checks the host: an address such as 10.0.7.321 is none.
      if (!(host.startsWith("[") || NAME.test(host)) || !URL.canParse(`http://${host}`)) return fail(problems, { path: at, on: "value", found: `the host ${JSON.stringify(host.slice(0, 60))}`, expected: "a host's name or its IP address, written out" });
      return read;
    },
  };
}
