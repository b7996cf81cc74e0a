/** Where a device listens, as two YAML keys: a host's name or IP address, and a port. */
import { fail, INVALID, withDefault, type Shape } from "../../agent/contract/shape.ts";
import { integer, text } from "../../agent/contract/shapes.ts";

const NAME = /^[\p{L}\p{N}_](?:[\p{L}\p{N}_.-]*[\p{L}\p{N}_.])?$/u;
const EXPECTED = "a host's name or its IP address alone: 10.0.7.31, mill-3.shop.example";

/** Decodes to the text itself; an IPv6 address without brackets. */
export function host(description: string): Shape<string> {
  const whole = text({ description, maxLength: 253, expected: EXPECTED });
  return {
    schema: whole.schema,
    read(value, path, problems) {
      const read = whole.read(value, path, problems);
      if (read === INVALID) return INVALID;
      // The platform's own parser checks it: an address such as 10.0.7.321 is none.
      const good = read.includes(":") ? URL.canParse(`http://[${read}]`) : NAME.test(read) && URL.canParse(`http://${read}`);
      return good ? read : fail(problems, { path, on: "value", found: `the host ${JSON.stringify(read.slice(0, 60))}`, expected: EXPECTED });
    },
  };
}

export const port = (usual: number, description: string) => withDefault(integer({ description, minimum: 1, maximum: 65_535 }), usual);
